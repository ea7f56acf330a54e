"""WSPSocket, WSPDuplicateSocket, SOCKET values."""

import os

import pytest

from pyprov.core.limits import Limits
from pyprov.winsock.protocol_info import WSAPROTOCOL_INFOW
from tests.python.failing import fails


def test_b01_stream_without_a_protocol_is_tcp(spi):
    assert spi.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, 0)


def test_b03_a_family_alone_is_tcp(spi):
    for family in (spi.AF_INET, spi.AF_INET6):
        assert spi.WSPSocket(family, 0, 0)
        assert spi.WSPSocket(family, 0, spi.IPPROTO_TCP)


def test_b04_an_unknown_family_is_10047(spi):
    for family in (0xDEAD, spi.AF_UNIX, -2):
        with fails("EAFNOSUPPORT"):
            spi.WSPSocket(family, spi.SOCK_STREAM, spi.IPPROTO_TCP)


def test_b06_a_wrong_protocol_is_10043(spi):
    for kind, protocol in (
        (spi.SOCK_STREAM, 0xDEAD),
        (spi.SOCK_STREAM, spi.IPPROTO_UDP),
        (spi.SOCK_DGRAM, spi.IPPROTO_TCP),
        (spi.SOCK_DGRAM, spi.IPPROTO_UDP),
        (spi.SOCK_DGRAM, 0),
    ):
        with fails("EPROTONOSUPPORT"):
            spi.WSPSocket(spi.AF_INET, kind, protocol)


def test_b07_nothing_at_all_is_10022(spi):
    with fails("EINVAL"):
        spi.WSPSocket(spi.AF_UNSPEC, spi.SOCK_STREAM, 0)
    assert spi.WSPSocket(spi.AF_UNSPEC, spi.SOCK_STREAM, spi.IPPROTO_TCP)


def test_b09_a_protocol_info_of_minus_ones_is_10047(spi):
    info = WSAPROTOCOL_INFOW(iAddressFamily=-1, iSocketType=-1, iProtocol=-1)
    with fails("EAFNOSUPPORT"):
        spi.WSPSocket(-1, -1, -1, info)
    with fails("EAFNOSUPPORT"):
        spi.WSPSocket(0, 0, 0, info)


def test_b12_the_catalog_says_what_is_true(spi):
    for entry, family in zip(spi.protocols(), (spi.AF_INET, spi.AF_INET6), strict=True):
        assert entry.iAddressFamily == family
        assert entry.dwServiceFlags1 == 0x21E6
        assert entry.ProtocolChain.ChainLen == 1
        s = spi.WSPSocket(-1, -1, -1, entry)
        with fails("EINVAL"):
            spi.WSPGetSockName(s)


def test_the_type_is_looked_at_before_the_family(spi):
    with fails("ESOCKTNOSUPPORT"):
        spi.WSPSocket(0xDEAD, 0xDEAD, 0xDEAD)
    for kind in (spi.SOCK_RAW, spi.SOCK_RDM, spi.SOCK_SEQPACKET):
        with fails("ESOCKTNOSUPPORT"):
            spi.WSPSocket(spi.AF_INET, kind, 0)


@pytest.mark.parametrize(
    "arguments",
    [
        (None, 1, 6),
        (2, "stream", 6),
        (2, 1, [6]),
        (-1, -1, -1),
        (2, 1, 6, "info"),
        (2, 1, 6, None, "group"),
        (2, 1, 6, None, 4711),
        (2, 1, 6, None, -1),
        (2, 1, 6, None, 0, None),
        (2, 1, 6, None, 0, 0x02),
        (2, 1, 6, None, 0, 0x8000),
    ],
)
def test_bad_arguments_are_10022(spi, arguments):
    with fails("EINVAL"):
        spi.WSPSocket(*arguments)


@pytest.mark.parametrize("bad", [0, -1, 3, 0xFFFF_FFFF_FFFF_FFFF, None, "4", 4.5, [4], {}, b"x"])
def test_what_is_no_socket_is_10038_everywhere(spi, bad):
    calls = {
        "WSPBind": (("10.9.0.2", 80),),
        "WSPListen": (5,),
        "WSPAccept": (),
        "WSPConnect": (("10.9.0.1", 80),),
        "WSPJoinLeaf": (("10.9.0.1", 80),),
        "WSPSend": (b"x",),
        "WSPSendTo": (b"x",),
        "WSPRecv": (bytearray(1),),
        "WSPRecvFrom": (bytearray(1),),
        "WSPSendDisconnect": (),
        "WSPRecvDisconnect": (),
        "WSPShutdown": (2,),
        "WSPCloseSocket": (),
        "WSPGetSockName": (),
        "WSPGetPeerName": (),
        "WSPEventSelect": (None, 0),
        "WSPAsyncSelect": (None, 0, 0),
        "WSPEnumNetworkEvents": (),
        "WSPGetSockOpt": (0xFFFF, 4),
        "WSPSetSockOpt": (0xFFFF, 4, 1),
        "WSPIoctl": (0x4004667F,),
        "WSPGetQOSByName": ("G711",),
        "WSPGetOverlappedResult": (spi.WSAOVERLAPPED(), False),
        "WSPDuplicateSocket": (os.getpid(),),
        "accept_many": (1,),
    }
    for name, arguments in calls.items():
        with fails("ENOTSOCK"):
            getattr(spi, name)(bad, *arguments)


def test_values_are_never_given_twice(spi):
    seen = set()
    for _ in range(100):
        s = spi.WSPSocket(2, 1, 6)
        assert s not in seen
        assert s % 4 == 0
        seen.add(s)
        spi.WSPCloseSocket(s)
        with fails("ENOTSOCK"):
            spi.WSPCloseSocket(s)


def test_a_socket_of_another_engine_is_none_of_ours(make_world):
    one, two = make_world(), make_world()
    s = one.spi.WSPSocket(2, 1, 6)
    with fails("ENOTSOCK"):
        two.spi.WSPCloseSocket(s)
    one.spi.WSPCloseSocket(s)


def test_max_sockets_is_10024_until_one_is_closed(make_world):
    spi = make_world(Limits(max_sockets=2)).spi
    first, _ = spi.WSPSocket(2, 1, 6), spi.WSPSocket(2, 1, 6)
    with fails("EMFILE"):
        spi.WSPSocket(2, 1, 6)
    spi.WSPCloseSocket(first)
    assert spi.WSPSocket(2, 1, 6)


def test_q01_duplicate_checks_the_handle_then_the_process(spi):
    for pid in (os.getpid(), 0):
        with fails("ENOTSOCK"):
            spi.WSPDuplicateSocket(0, pid)
    s = spi.WSPSocket(2, 1, 6)
    for pid in (0, -1, 0xFFFFFFFF, os.getpid() + 1, os.getppid(), None, "self"):
        with fails("EINVAL"):
            spi.WSPDuplicateSocket(s, pid)


def test_a_duplicate_is_the_same_socket(world):
    spi = world.spi
    s, client = world.pair()
    info = spi.WSPDuplicateSocket(s, os.getpid())
    twin = spi.WSPSocket(-1, -1, -1, info, 4711, 0)
    assert twin != s
    spi.WSPSend(twin, b"one")
    spi.WSPCloseSocket(twin)
    spi.WSPSend(s, b"two")
    assert client.received == b"onetwo"
    assert not client.finished
    spi.WSPCloseSocket(s)
    assert client.finished


def test_a_description_serves_once(spi):
    s = spi.WSPSocket(2, 1, 6)
    info = spi.WSPDuplicateSocket(s, os.getpid())
    spi.WSPSocket(-1, -1, -1, info)
    with fails("EINVAL"):
        spi.WSPSocket(-1, -1, -1, info)
    late = spi.WSPDuplicateSocket(s, os.getpid())
    spi.WSPCleanup()
    spi.WSPStartup()
    with fails("EINVAL"):
        spi.WSPSocket(-1, -1, -1, late)


def test_a_description_of_a_closed_socket_is_worth_nothing(spi):
    s = spi.WSPSocket(2, 1, 6)
    info = spi.WSPDuplicateSocket(s, os.getpid())
    spi.WSPCloseSocket(s)
    with fails("EINVAL"):
        spi.WSPSocket(-1, -1, -1, info)


def test_what_is_not_done_yet_says_so(spi):
    s = spi.WSPSocket(2, 1, 6)
    with fails("EOPNOTSUPP"):
        spi.WSPJoinLeaf(s, ("10.9.0.1", 80))
