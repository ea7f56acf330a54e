"""Arguments that make no sense: every function, each of its arguments, in every state of a socket.

Whatever is given, a call returns or raises a WSAError, and leaves no socket, no port and no
reservation behind.
"""

import array
import contextlib
import inspect
import os

import numpy as np
import pytest

from pyprov.core.limits import Limits
from pyprov.spi.table import ORDER
from pyprov.winsock.errors import WSAError
from tests.python.failing import fails

EXTENSIONS = [
    "AcceptEx",
    "ConnectEx",
    "DisconnectEx",
    "GetAcceptExSockaddrs",
    "TransmitFile",
    "WSARecvMsg",
]
BURSTS = ["accept_many", "send_many", "recv_many", "close_many"]
HELPERS = ["WPUCompleteOverlappedRequest", "WSASetEvent", "WSAResetEvent", "WSACloseEvent"]
WAITS = ["SleepEx", "WSAWaitForMultipleEvents"]
FUNCTIONS = [
    *(name for name in ORDER if name != "WSPCleanup"),
    *EXTENSIONS,
    *BURSTS,
    *HELPERS,
    *WAITS,
]
MOST = 24  # sockets; whatever is left behind is missing in the end


def nonsense(spi):
    """Values of every type and size that somebody may hand over."""
    closed = spi.WSACreateEvent()
    closed.close()
    return [
        *(None, True, 0, 1, -1, 7, 2**31, 2**32, 2**64, 2**70, -(2**70)),
        *(0.0, 1.5, -1.5, float("nan"), float("inf"), 1j),
        *("", "x", "10.9.0.1", "\0", "\ud800", "x" * 100_000),
        *(b"", b"x", b"\xff" * 80, bytes(2000), bytearray(3), memoryview(b"abc")),
        *(memoryview(bytearray(8)), memoryview(bytearray(8))[::2], array.array("i", [1, 2])),
        *((), [], {}, set(), [None], [1], ["x"], [b"x", None], (1, 2), range(3), iter([1])),
        *(("10.9.0.1",), ("10.9.0.1", 65536), ("10.9.0.1", -1), ("10.9.0.1", "80")),
        *(("fd09::1", 80, -1, 0), ("fd09::1", 80, 0, 2**33), ("host", 80), (b"10.9.0.1", 80)),
        *(object(), print, Exception, Ellipsis, closed, spi.WSACreateEvent()),
        *(spi.WSAOVERLAPPED(), spi.WSAOVERLAPPED(5), spi.WSAOVERLAPPED(closed)),
        *(spi.WSABUF(4), spi.WSABUF(0), spi.WSAMSG(), spi.WSAMSG(lpBuffers=5, Control=None)),
        *(spi.QOS(), spi.QOS(1, 2), spi.QOS(ProviderSpecific=5), spi.FLOWSPEC(TokenRate="x")),
        *(spi.QOS(spi.FLOWSPEC(TokenRate="x")), spi.LINGER(-1, 70000), spi.GROUP()),
        *(spi.MessageQueue(), spi.CompletionPort(), spi.WSAPROTOCOL_INFOW(dwProviderReserved=9)),
        *(np.int64(3), np.zeros(3), np.zeros(0)),
    ]


def makes_sense(argument, value):
    """A time that lets a call wait for ever, or something that Python has no truth of."""
    if isinstance(value, np.ndarray):
        return argument in {"wait", "wait_all", "alertable"}
    if argument not in {"timeout", "seconds"}:
        return False
    return value is None or (isinstance(value, (int, float)) and value > 1)


def sensible(spi, name, argument, s):
    """What makes sense in place of an argument."""
    of_one = {
        ("WSPGetQOSByName", "name"): "G711",
        ("GetAcceptExSockaddrs", "buffer"): bytes(100),
        ("WSAWaitForMultipleEvents", "events"): [],
        ("close_many", "how"): 0,
    }
    made = {
        **dict.fromkeys(("s", "listener", "acceptor"), s),
        **{key: [s] for key in ("readfds", "writefds", "exceptfds")},
        "name": ("10.9.0.1", 81),
        "addr": ("10.9.0.1", 81),
        "buffers": [bytearray(4)],
        "buffer": bytearray(200),
        "handles": np.zeros(1, np.uint64),
        "process_id": os.getpid(),
        "code": spi.FIONREAD,
        "level": spi.SOL_SOCKET,
        "optname": spi.SO_KEEPALIVE,
        "msg": spi.WSAMSG(lpBuffers=[spi.WSABUF(4)]),
        "overlapped": spi.WSAOVERLAPPED() if name in EXTENSIONS else None,
        "text": "10.9.0.1:80",
        "out": None,
    }
    return of_one.get((name, argument), made.get(argument, 0))


def arguments_of(spi, name):
    """The names of a function's arguments, and the defaults of those that have one."""
    found = inspect.signature(getattr(spi, name)).parameters.values()
    return {p.name: p.default for p in found}


def sockets(world):
    """Sockets in many states; all are non-blocking."""
    spi = world.spi
    world.serve(81)

    def made(host=world.address):
        family = spi.AF_INET6 if ":" in host else spi.AF_INET
        return spi.WSPSocket(family, spi.SOCK_STREAM, spi.IPPROTO_TCP)

    found = [made(), made(world.address6), world.listener(0), world.pair(80)[0]]
    waiting = world.listener(82)
    world.client(82)
    bound = made()
    spi.WSPBind(bound, (world.address, 0))
    connecting = made()
    spi.WSPIoctl(connecting, spi.FIONBIO, 1)
    with fails("EWOULDBLOCK"):
        spi.WSPConnect(connecting, ("10.9.0.77", 81))
    found += [waiting, bound, connecting]
    for s in found:
        spi.WSPIoctl(s, spi.FIONBIO, 1)
    closed = made()
    spi.WSPCloseSocket(closed)
    return [*found, closed]


def close_all(spi, found):
    for s in found:
        with contextlib.suppress(WSAError):
            spi.WSPEventSelect(s, None, 0)
            spi.WSPCloseSocket(s)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_only_a_wsaerror_comes_out_and_nothing_is_left_behind(make_world, name):
    world = make_world(Limits(max_sockets=MOST))
    spi = world.spi
    if world.name == "fake":
        world.dataplane.on_connect = lambda _: None
    defaults = arguments_of(spi, name)
    for argument in defaults:
        found = sockets(world)
        for i, value in enumerate(nonsense(spi)):
            if makes_sense(argument, value):
                continue
            s = found[i % len(found)]
            given = {other: sensible(spi, name, other, s) for other in defaults}
            given[argument] = value
            with contextlib.suppress(WSAError):
                result = getattr(spi, name)(**given)
                if name in {"WSPSocket", "WSPAccept"}:
                    found.append(result if name == "WSPSocket" else result[0])
        close_all(spi, found)
    assert len([spi.WSPSocket(spi.AF_INET, 0, 0) for _ in range(MOST)]) == MOST


@pytest.mark.parametrize(
    ("shut", "name", "arguments", "error"),
    [
        (None, "WSPSendDisconnect", (5,), "ENOTCONN"),
        (None, "WSPRecvDisconnect", (5,), "ENOTCONN"),
        (None, "WSPShutdown", ("x",), "ENOTCONN"),
        (None, "WSPSend", (None,), "ENOTCONN"),
        (None, "WSPSend", (b"x", None), "ENOTCONN"),
        (None, "WSARecvMsg", (5,), "EINVAL"),
        (2, "WSPSend", (b"x", "flags"), "ESHUTDOWN"),
        (2, "WSPRecv", (None,), "ESHUTDOWN"),
        (2, "WSARecvMsg", (5,), "ESHUTDOWN"),
        (2, "TransmitFile", (-1,), "ESHUTDOWN"),
        (2, "WSPSendDisconnect", (5,), "EFAULT"),
        (2, "WSPRecvDisconnect", (5,), "EFAULT"),
        (2, "WSPShutdown", ("x",), "EINVAL"),
    ],
)
def test_the_state_wins_over_the_arguments(world, shut, name, arguments, error):
    spi = world.spi
    s = spi.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP)
    if shut is not None:
        s, _ = world.pair()
        spi.WSPShutdown(s, shut)
    with fails(error):
        getattr(spi, name)(s, *arguments)


@pytest.mark.parametrize("flags", [None, 0.0, [], "oob"])
def test_what_are_no_flags_is_10045(world, flags):
    spi = world.spi
    s, client = world.pair()
    client.send(b"x")
    with fails("EOPNOTSUPP"):
        spi.WSPSend(s, b"x", flags)
    with fails("EOPNOTSUPP"):
        spi.WSPRecv(s, bytearray(1), flags)


def test_any_object_with_memory_is_a_buffer(world):
    spi = world.spi
    s, client = world.pair()
    client.send(bytes(range(1, 9)))
    into = np.zeros(1)
    assert spi.WSPRecv(s, into) == (8, 0)
    assert into.tobytes() == bytes(range(1, 9))
    assert spi.WSPSend(s, into) == 8
    assert client.received == bytes(range(1, 9))


@pytest.mark.parametrize("bad", ["x", -1, -1.5, [], b"", 1j, float("nan")], ids=repr)
def test_what_is_no_time_is_10022(world, bad):
    spi = world.spi
    s, _ = world.pair()
    calls = (
        lambda: spi.WSPSelect([s], None, None, bad),
        lambda: spi.MessageQueue().get(bad),
        lambda: spi.CompletionPort().get(bad),
        lambda: spi.WSACreateEvent().wait(bad),
        lambda: spi.WSAEVENT().wait(bad),
    )
    for call in calls:
        with fails("EINVAL"):
            call()


@pytest.mark.parametrize("seconds", [1e300, 2**64, 9e9, 2**33])
def test_a_time_beyond_all_clocks_is_for_ever(world, seconds):
    spi = world.spi
    s, client = world.pair()
    event = spi.WSACreateEvent()
    jobs = [
        world.spawn(spi.WSPSelect, [s], None, None, seconds),
        world.spawn(event.wait, seconds),
    ]
    world.advance(0.1)
    client.send(b"x")
    event.set()
    world.advance(0.1)
    assert jobs[0].result() == ([s], [], [])
    assert jobs[1].result() is True
