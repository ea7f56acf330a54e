"""Control codes about TCP, addresses and routes."""

import struct

import pytest
from scapy.layers.inet6 import ICMPv6ND_NA, IPv6

from pyprov.lab import Lab
from pyprov.winsock.tcp_info import TCPSTATE, TCP_INFO_v0, TCP_INFO_v1
from tests.python.failing import fails
from tests.python.peer import Peer
from tests.python.spi.requests import Request
from tests.python.watched import Watched
from tests.python.worlds import LabWorld


def new(spi, family=2):
    return spi.WSPSocket(family, 1, 6)


@pytest.fixture
def fresh(spi):
    return new(spi)


def keep_alive(spi, s):
    def get(level, option):
        return spi.WSPGetSockOpt(s, getattr(spi, level), getattr(spi, option))

    tcp = [get("IPPROTO_TCP", option) for option in ("TCP_KEEPIDLE", "TCP_KEEPINTVL")]
    return get("SOL_SOCKET", "SO_KEEPALIVE"), *tcp


# ---- SIO_KEEPALIVE_VALS


@pytest.mark.parametrize("value", [None, b"", bytes(11), 7, "1", (1, 2), (1, 2, "3"), (1, 2, 3, 4)])
def test_o10_keepalive_vals_that_are_none_are_10014(spi, fresh, value):
    with fails("EFAULT"):
        spi.WSPIoctl(fresh, spi.SIO_KEEPALIVE_VALS, value)
    assert keep_alive(spi, fresh) == (0, 7200, 1)


@pytest.mark.parametrize("raw", [False, True])
def test_o10_keepalive_vals_of_12_bytes_are_fine(spi, fresh, raw):
    value = spi.tcp_keepalive(1, 30_000, 5_000)
    result = spi.WSPIoctl(fresh, spi.SIO_KEEPALIVE_VALS, value.pack() if raw else value)
    assert result == (b"" if raw else None)
    assert keep_alive(spi, fresh) == (1, 30, 5)


def test_keepalive_vals_of_0_are_10022_unless_it_is_switched_off(spi, fresh):
    for value in ((1, 0, 1), (1, 1, 0)):
        with fails("EINVAL"):
            spi.WSPIoctl(fresh, spi.SIO_KEEPALIVE_VALS, value)
    spi.WSPIoctl(fresh, spi.SIO_KEEPALIVE_VALS, (1, 30_000, 5_000))
    spi.WSPIoctl(fresh, spi.SIO_KEEPALIVE_VALS, (0, 0, 0))
    assert keep_alive(spi, fresh) == (0, 30, 5)


def test_keepalive_vals_make_a_connection_probe(lab):
    spi = lab.spi
    s, _ = lab.pair()
    spi.WSPIoctl(s, spi.SIO_KEEPALIVE_VALS, (1, 700, 100))
    lab.two.wire.change(1, loss=1.0)
    begun = lab.now
    with fails("ENETRESET"):
        spi.WSPRecv(s, bytearray(1))
    assert 1.6 < lab.now - begun < 1.8


@pytest.fixture
def lab():
    """What only a wire can show."""
    world = LabWorld()
    yield world
    world.close()


# ---- SIO_TCP_INFO


def test_tcp_info_tells_what_a_connection_has_done(lab):
    spi = lab.spi
    s, client = lab.pair()
    spi.WSPSend(s, bytes(5000))
    client.send(bytes(300))
    assert len(client.received) == 5000
    lab.advance(1)
    info = spi.WSPIoctl(s, spi.SIO_TCP_INFO, 0)
    assert type(info) is TCP_INFO_v0
    assert (info.State, info.Mss, info.TimestampsEnabled) == (
        TCPSTATE.TCPSTATE_ESTABLISHED,
        1448,
        1,
    )
    assert (info.BytesOut, info.BytesIn, info.BytesInFlight) == (5000, 300, 0)
    assert (info.BytesRetrans, info.TimeoutEpisodes, info.SynRetrans) == (0, 0, 0)
    assert 1000 <= info.ConnectionTimeMs < 1200
    assert 100 <= info.MinRttUs <= info.RttUs < 200_000
    assert info.Cwnd >= 10 * 1448
    assert min(info.SndWnd, info.RcvWnd, info.RcvBuf) > 10_000


def test_tcp_info_counts_what_is_lost_and_what_overtakes(lab):
    spi = lab.spi
    s, client = lab.pair()
    lab.two.wire.change(1, loss=1.0)
    spi.WSPSend(s, bytes(100))
    assert spi.WSPIoctl(s, spi.SIO_TCP_INFO, 0).BytesInFlight == 100
    lab.advance(2)
    lab.two.wire.change(1, loss=0.0)
    lab.advance(5)
    info = spi.WSPIoctl(s, spi.SIO_TCP_INFO, 0)
    assert info.TimeoutEpisodes >= 1
    assert info.BytesRetrans >= 100
    assert info.BytesInFlight == 0
    assert len(client.received) == 100


def test_tcp_info_as_bytes(world):
    spi = world.spi
    s, _ = world.pair()
    for version, kind, size in ((0, TCP_INFO_v0, 88), (1, TCP_INFO_v1, 136)):
        data = spi.WSPIoctl(s, spi.SIO_TCP_INFO, struct.pack("<L", version), 200)
        assert len(data) == size
        info = spi.WSPIoctl(s, spi.SIO_TCP_INFO, version)
        assert type(info) is kind
        assert kind.unpack(data).Mss == info.Mss
        with fails("EFAULT") as caught:
            spi.WSPIoctl(s, spi.SIO_TCP_INFO, version, size - 1)
        assert caught.value.needed == size


@pytest.mark.parametrize(
    ("value", "error"), [(None, "EFAULT"), (b"\0", "EFAULT"), ("0", "EFAULT"), (2, "EINVAL")]
)
def test_tcp_info_of_no_version(world, value, error):
    s, _ = world.pair()
    with fails(error):
        world.spi.WSPIoctl(s, world.spi.SIO_TCP_INFO, value)


def test_without_a_connection_there_are_no_statistics(world):
    spi = world.spi
    for s in (new(spi), world.listener()):
        for code, value in ((spi.SIO_TCP_INFO, 0), (spi.SIO_IDEAL_SEND_BACKLOG_QUERY, None)):
            with fails("ENOTCONN"):
                spi.WSPIoctl(s, code, value)


def test_the_ideal_send_backlog_of_a_connection(world):
    spi = world.spi
    s, _ = world.pair()
    assert spi.WSPIoctl(s, spi.SIO_IDEAL_SEND_BACKLOG_QUERY) == 0x10000


def test_a_change_of_the_ideal_send_backlog_is_waited_for_until_the_close(world):
    spi = world.spi
    with fails("ENOTCONN"):
        spi.WSPIoctl(new(spi), spi.SIO_IDEAL_SEND_BACKLOG_CHANGE)
    s, _ = world.pair()
    request = Request(world)
    with fails("WSA_IO_PENDING"):
        spi.WSPIoctl(s, spi.SIO_IDEAL_SEND_BACKLOG_CHANGE, None, None, *request.arguments)
    assert request.pending
    spi.WSPCloseSocket(s)
    assert request.error == spi.WSA_OPERATION_ABORTED


# ---- before a connect


def test_the_first_time_out_and_the_number_of_syns(lab):
    spi = lab.spi
    lab.connect()  # from now on the neighbour is known
    lab.two.wire.change(1, loss=1.0)
    for parameters, when in (((300, 1), 0.9), ((500, 0xFE), 0.5), ((0xFFFF, 1), 3.0)):
        s = new(spi)
        spi.WSPIoctl(s, spi.SIO_TCP_INITIAL_RTO, spi.TCP_INITIAL_RTO_PARAMETERS(*parameters))
        begun = lab.now
        with fails("ETIMEDOUT"):
            spi.WSPConnect(s, (lab.peer_address, 82))
        assert lab.now - begun == pytest.approx(when, abs=0.01)


def test_what_is_for_before_a_connect_is_10022_afterwards(world):
    spi = world.spi
    s, _ = world.pair()
    with fails("EINVAL"):
        spi.WSPIoctl(s, spi.SIO_TCP_INITIAL_RTO, (300, 1))
    with fails("EINVAL"):
        spi.WSPIoctl(s, spi.SIO_LOOPBACK_FAST_PATH, 1)
    fresh = new(spi)
    spi.WSPIoctl(fresh, spi.SIO_LOOPBACK_FAST_PATH, b"\1\0\0\0")
    spi.WSPIoctl(fresh, spi.SIO_TCP_INITIAL_RTO, b"\1\0\1\0")


@pytest.mark.parametrize("value", [None, b"", 1, "x", (1,), (1, 2, 3)])
def test_initial_rto_parameters_that_are_none_are_10014(spi, fresh, value):
    with fails("EFAULT"):
        spi.WSPIoctl(fresh, spi.SIO_TCP_INITIAL_RTO, value)
    with fails("EINVAL"):
        spi.WSPIoctl(fresh, spi.SIO_TCP_INITIAL_RTO, (1 << 16, 1))


def test_circular_queueing_changes_nothing(spi, fresh):
    assert spi.WSPIoctl(fresh, spi.SIO_ENABLE_CIRCULAR_QUEUEING) is None


# ---- addresses and routes


def test_the_address_list_has_the_addresses_of_the_family(world):
    spi = world.spi
    assert spi.WSPIoctl(new(spi), spi.SIO_ADDRESS_LIST_QUERY) == ((world.address, 0),)
    s = new(spi, spi.AF_INET6)
    assert spi.WSPIoctl(s, spi.SIO_ADDRESS_LIST_QUERY) == ((world.address6, 0, 0, 0),)


def test_an_address_list_that_does_not_fit_says_what_would(world):
    spi = world.spi
    s = new(spi)
    data = spi.WSPIoctl(s, spi.SIO_ADDRESS_LIST_QUERY, None, 1000)
    assert spi.SOCKET_ADDRESS_LIST.unpack(data) == ((world.address, 0),)
    for outlen in (0, len(data) - 1):
        with fails("EFAULT") as caught:
            spi.WSPIoctl(s, spi.SIO_ADDRESS_LIST_QUERY, None, outlen)
        assert caught.value.needed == len(data)


def test_a_sorted_list_begins_with_what_is_near(world):
    spi = world.spi
    far, near, own = ("192.0.2.7", 1), (world.peer_address, 2), (world.address, 3)
    assert spi.WSPIoctl(new(spi), spi.SIO_ADDRESS_LIST_SORT, [far, near, own]) == (own, near, far)
    data = spi.SOCKET_ADDRESS_LIST([far, own]).pack()
    sorted_ = spi.WSPIoctl(new(spi), spi.SIO_ADDRESS_LIST_SORT, data)
    assert spi.SOCKET_ADDRESS_LIST.unpack(sorted_) == (own, far)
    for bad, error in (
        (None, "EFAULT"),
        (7, "EFAULT"),
        ([None], "EFAULT"),
        ([("::1", 0)], "EAFNOSUPPORT"),
    ):
        with fails(error):
            spi.WSPIoctl(new(spi), spi.SIO_ADDRESS_LIST_SORT, bad)


def test_the_routing_interface_is_the_source_address(world):
    spi = world.spi
    code = spi.SIO_ROUTING_INTERFACE_QUERY
    assert spi.WSPIoctl(new(spi), code, (world.peer_address, 80)) == (world.address, 0)
    s = new(spi, spi.AF_INET6)
    assert spi.WSPIoctl(s, code, (world.peer_address6, 80)) == (world.address6, 0, 0, 0)
    raw = spi.WSPIoctl(new(spi), code, struct.pack("<H", 2) + b"\0\x50\x0a\x09\0\1" + bytes(8))
    assert raw == struct.pack("<H", 2) + b"\0\0\x0a\x09\0\2" + bytes(8)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        (("192.0.2.1", 80), "ENETUNREACH"),
        (("fd09::1", 80), "EAFNOSUPPORT"),
        (None, "EFAULT"),
        (7, "EFAULT"),
        (b"\2\0\0", "EFAULT"),
    ],
)
def test_the_routing_interface_of_nobody(spi, fresh, name, error):
    with fails(error):
        spi.WSPIoctl(fresh, spi.SIO_ROUTING_INTERFACE_QUERY, name)


def test_the_interface_list_has_loopback_and_ours(world):
    spi = world.spi
    interfaces = spi.WSPIoctl(new(spi), spi.SIO_GET_INTERFACE_LIST)
    assert [entry.iiAddress for entry in interfaces] == [("127.0.0.1", 0), (world.address, 0)]
    ours = interfaces[1]
    assert ours.iiNetmask == ("255.255.255.0", 0)
    assert ours.iiBroadcastAddress == ("10.9.0.255", 0)
    assert ours.iiFlags == spi.IFF_UP | spi.IFF_BROADCAST | spi.IFF_MULTICAST
    assert interfaces[0].iiFlags & spi.IFF_LOOPBACK
    assert len(spi.WSPIoctl(new(spi), spi.SIO_GET_INTERFACE_LIST, None, 152)) == 152


def test_the_broadcast_address(spi, fresh):
    assert spi.WSPIoctl(fresh, spi.SIO_GET_BROADCAST_ADDRESS) == ("255.255.255.255", 0)
    with fails("EOPNOTSUPP"):
        spi.WSPIoctl(new(spi, spi.AF_INET6), spi.SIO_GET_BROADCAST_ADDRESS)


# ---- changes

CHANGES = pytest.mark.parametrize("which", ["ADDRESS_LIST_CHANGE", "ROUTING_INTERFACE_CHANGE"])


class Change:
    """One of the two kinds of change."""

    def __init__(self, world, which):
        self.spi = world.spi
        self.code = getattr(self.spi, f"SIO_{which}")
        self.bit = getattr(self.spi, f"FD_{which}")
        routing = which.startswith("ROUTING")
        self.value = (world.peer_address, 0) if routing else None
        self.happen = self.spi.routes_changed if routing else self.spi.addresses_changed

    def ask(self, s, overlapped=None):
        return self.spi.WSPIoctl(s, self.code, self.value, None, overlapped)


@CHANGES
def test_a_change_is_reported_once_after_it_was_asked_for(world, which):
    change = Change(world, which)
    watched = Watched(world, new(world.spi), change.bit)
    change.happen()
    assert not watched.is_set
    with fails("EWOULDBLOCK"):
        change.ask(watched.s)
    assert watched.seen() == 0
    change.happen()
    assert watched.is_set
    assert watched.seen() == change.bit
    change.happen()
    assert watched.seen() == 0
    with fails("EWOULDBLOCK"):
        change.ask(watched.s)
    change.happen()
    assert watched.seen() == change.bit


@pytest.mark.parametrize("taken", [False, True], ids=["free", "taken"])
def test_an_address_comes_into_use_when_nobody_else_has_it(taken):
    with Lab(config={"port": [{"dad": True}]}) as lab:
        spi = lab.spi
        peer = Peer(lab)
        s = spi.WSPSocket(spi.AF_INET6, spi.SOCK_STREAM, spi.IPPROTO_TCP)
        other = (peer.address6, 0)
        assert not spi.WSPIoctl(s, spi.SIO_ADDRESS_LIST_QUERY)
        with fails("ENETUNREACH"):
            spi.WSPIoctl(s, spi.SIO_ROUTING_INTERFACE_QUERY, other)
        asked = spi.WSAOVERLAPPED(spi.WSACreateEvent()), spi.WSAOVERLAPPED(spi.WSACreateEvent())
        with fails("WSA_IO_PENDING"):
            spi.WSPIoctl(s, spi.SIO_ADDRESS_LIST_CHANGE, None, None, asked[0])
        with fails("WSA_IO_PENDING"):
            spi.WSPIoctl(s, spi.SIO_ROUTING_INTERFACE_CHANGE, other, None, asked[1])
        lab.advance(0.5)
        assert not any(overlapped.hEvent.is_set() for overlapped in asked)
        if taken:
            claim = ICMPv6ND_NA(R=0, S=0, O=1, tgt=lab.address6)
            peer.send(IPv6(src=lab.address6, dst="ff02::1", hlim=255) / claim)
        lab.advance(0 if taken else 1)
        assert [spi.WSPGetOverlappedResult(s, overlapped, False) for overlapped in asked] == [
            (0, 0),
            (0, 0),
        ]
        lab.advance(2)
        found = spi.WSPIoctl(s, spi.SIO_ADDRESS_LIST_QUERY)
        assert [name[0] for name in found] == ([] if taken else [lab.address6])
        if not taken:
            assert spi.WSPIoctl(s, spi.SIO_ROUTING_INTERFACE_QUERY, other)[0] == lab.address6


@CHANGES
def test_a_blocking_call_waits_for_the_change(world, which):
    change = Change(world, which)
    s = new(world.spi)
    start = world.now
    world.at(0.5, change.happen)
    assert change.ask(s) is None
    assert world.took(start, 0.5)


@CHANGES
def test_a_blocking_call_ends_when_the_socket_is_closed(world, which):
    change = Change(world, which)
    s = new(world.spi)
    job = world.spawn(change.ask, s)
    world.advance(0.1)
    world.spi.WSPCloseSocket(s)
    world.advance(0.1)
    with fails("EINTR"):
        job.result()
    change.happen()


@CHANGES
def test_an_overlapped_request_ends_with_the_change(world, which):
    change = Change(world, which)
    spi = world.spi
    s = new(spi)
    overlapped = spi.WSAOVERLAPPED(spi.WSACreateEvent())
    with fails("WSA_IO_PENDING"):
        change.ask(s, overlapped)
    with fails("WSA_IO_INCOMPLETE"):
        spi.WSPGetOverlappedResult(s, overlapped, False)
    change.happen()
    assert overlapped.hEvent.is_set()
    assert spi.WSPGetOverlappedResult(s, overlapped, False) == (0, 0)


@CHANGES
def test_an_overlapped_request_ends_with_its_socket(world, which):
    change = Change(world, which)
    spi = world.spi
    s = new(spi)
    overlapped = spi.WSAOVERLAPPED(spi.WSACreateEvent())
    with fails("WSA_IO_PENDING"):
        change.ask(s, overlapped)
    spi.WSPCloseSocket(s)
    assert overlapped.hEvent.is_set()
    assert overlapped.OffsetHigh == spi.WSA_OPERATION_ABORTED
    overlapped.hEvent.reset()
    change.happen()
    assert not overlapped.hEvent.is_set()


def test_a_change_of_no_route_is_refused(spi, fresh):
    for value, error in ((None, "EFAULT"), (7, "EFAULT"), (("::1", 0), "EAFNOSUPPORT")):
        with fails(error):
            spi.WSPIoctl(fresh, spi.SIO_ROUTING_INTERFACE_CHANGE, value)
