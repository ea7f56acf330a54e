"""Socket options that TCP knows: what they do to connections."""

import errno

import pytest

from pyprov.core import port
from tests.python.failing import fails, set_options
from tests.python.spi.requests import receive
from tests.python.watched import Watched
from tests.python.worlds import LabWorld


def new(spi, family=2):
    return spi.WSPSocket(family, 1, 6)


TCP = 6  # in the IPv4 header


def tcp(spi, s, option, value):
    spi.WSPSetSockOpt(s, spi.IPPROTO_TCP, getattr(spi, option), value)


def ip(spi, s, option, value):
    spi.WSPSetSockOpt(s, spi.IPPROTO_IP, getattr(spi, option), value)


@pytest.fixture
def lab():
    """What only a wire can show."""
    world = LabWorld()
    yield world
    world.close()


def sent(world):
    """The frames with TCP over IPv4 that the provider has sent since the last call."""
    return [f for f in world.sent() if f[12:14] == b"\x08\x00" and f[23] == TCP]


def syns(world):
    return [frame for frame in sent(world) if frame[47] & 2]


# ---- on the fake: what the dataplane is told


LIVE = [
    ("IPPROTO_TCP", "TCP_NODELAY", 1, port.OPT_NODELAY, 1),
    ("SOL_SOCKET", "SO_KEEPALIVE", 1, port.OPT_KEEPALIVE, 1),
    ("IPPROTO_TCP", "TCP_KEEPIDLE", 3, port.OPT_KEEPALIVE_IDLE, 3000),
    ("IPPROTO_TCP", "TCP_KEEPINTVL", 4, port.OPT_KEEPALIVE_INTERVAL, 4000),
    ("IPPROTO_TCP", "TCP_KEEPCNT", 5, port.OPT_KEEPALIVE_COUNT, 5),
    ("IPPROTO_TCP", "TCP_MAXRT", 6, port.OPT_USER_TIMEOUT, 6000),
    ("IPPROTO_TCP", "TCP_MAXSEG", 700, port.OPT_MAXSEG, 700),
    ("IPPROTO_TCP", "TCP_CONGESTION_ALGORITHM", 1, port.OPT_CONGESTION, 1),
    ("SOL_SOCKET", "SO_RCVBUF", 8000, port.OPT_RECV_BUFFER, 8000),
    ("SOL_SOCKET", "SO_SNDBUF", 9000, port.OPT_SEND_BUFFER, 9000),
    ("SOL_SOCKET", "SO_OOBINLINE", 1, port.OPT_OOB_INLINE, 1),
    ("IPPROTO_IP", "IP_TTL", 7, port.OPT_TTL, 7),
    ("IPPROTO_IP", "IP_TOS", 0x28, port.OPT_TOS, 0x28),
]


@pytest.mark.parametrize(("level", "option", "value", "number", "told"), LIVE)
def test_a_live_connection_is_told_at_once(fake_world, level, option, value, number, told):
    spi = fake_world.spi
    s, client = fake_world.pair()
    spi.WSPSetSockOpt(s, getattr(spi, level), getattr(spi, option), value)
    assert client.peer.options == {number: told}


@pytest.mark.parametrize(("level", "option", "value", "number", "told"), LIVE)
def test_f09_an_accepted_connection_is_told(fake_world, level, option, value, number, told):
    spi = fake_world.spi
    listener = fake_world.listener()
    spi.WSPSetSockOpt(listener, getattr(spi, level), getattr(spi, option), value)
    client = fake_world.client(80)
    spi.WSPAccept(listener)
    assert client.peer.options == {number: told}


@pytest.mark.parametrize(("level", "option", "value", "number", "told"), LIVE)
def test_a_connection_of_ours_is_told(fake_world, level, option, value, number, told):
    spi = fake_world.spi
    fake_world.serve(81)
    s = new(spi)
    spi.WSPSetSockOpt(s, getattr(spi, level), getattr(spi, option), value)
    spi.WSPConnect(s, (fake_world.peer_address, 81))
    assert fake_world.accepted(81).peer.options == {number: told}


def test_a_connection_without_options_is_told_nothing(fake_world):
    _, client = fake_world.pair()
    assert client.peer.options == {}


def test_a_connection_that_has_died_takes_options_still(world):
    spi = world.spi
    s, client = world.pair()
    client.reset()
    world.settle()
    for level, option, value, *_ in LIVE:
        spi.WSPSetSockOpt(s, getattr(spi, level), getattr(spi, option), value)
        assert spi.WSPGetSockOpt(s, getattr(spi, level), getattr(spi, option)) == value


def test_keep_alive_that_has_failed_is_10052_when_it_is_set_again(fake_world):
    s, client = fake_world.pair()
    client.fail(-errno.ENETRESET)
    with fails("ENETRESET"):
        set_options(fake_world.spi, s, keep_alive=1)


# ---- in the lab: what it does


def test_so_connect_time_counts_whole_seconds(world):
    spi = world.spi
    s, _ = world.pair()
    mine, _ = world.connect()
    for handle in (s, mine):
        assert spi.WSPGetSockOpt(handle, spi.SOL_SOCKET, spi.SO_CONNECT_TIME) == 0
    world.advance(2.5)
    for handle in (s, mine):
        assert spi.WSPGetSockOpt(handle, spi.SOL_SOCKET, spi.SO_CONNECT_TIME) == 2
    assert spi.WSPGetSockOpt(new(spi), spi.SOL_SOCKET, spi.SO_CONNECT_TIME) == 0xFFFFFFFF


def test_n12_so_connect_time_of_an_unconnected_socket(world):
    spi = world.spi
    for s in (new(spi), world.listener()):
        assert spi.WSPGetSockOpt(s, spi.SOL_SOCKET, spi.SO_CONNECT_TIME) == 0xFFFFFFFF


def test_f13_so_connect_time_right_after_accept_is_0(world):
    spi = world.spi
    listener = world.listener()
    world.client(80)
    s, _ = spi.WSPAccept(listener)
    assert spi.WSPGetSockOpt(s, spi.SOL_SOCKET, spi.SO_CONNECT_TIME) == 0


def test_e06_a_listener_says_that_it_is_one(world):
    spi = world.spi
    s = new(spi)
    spi.WSPBind(s, (world.address, 80))
    assert spi.WSPGetSockOpt(s, spi.SOL_SOCKET, spi.SO_ACCEPTCONN) == 0
    spi.WSPListen(s, 1)
    assert spi.WSPGetSockOpt(s, spi.SOL_SOCKET, spi.SO_ACCEPTCONN) == 1
    world.client(80)
    accepted, _ = spi.WSPAccept(s)
    assert spi.WSPGetSockOpt(accepted, spi.SOL_SOCKET, spi.SO_ACCEPTCONN) == 0


def test_e17_a_listener_that_pauses_refuses_everybody(world):
    spi = world.spi
    listener = world.listener()
    spi.WSPSetSockOpt(listener, spi.SOL_SOCKET, spi.SO_PAUSE_ACCEPT, 1)
    assert world.client(80).was_reset
    spi.WSPSetSockOpt(listener, spi.SOL_SOCKET, spi.SO_PAUSE_ACCEPT, 0)
    assert not world.client(80).was_reset
    spi.WSPAccept(listener)


def test_e17_it_can_begin_so(world):
    spi = world.spi
    s = new(spi)
    spi.WSPBind(s, (world.address, 80))
    spi.WSPSetSockOpt(s, spi.SOL_SOCKET, spi.SO_PAUSE_ACCEPT, 1)
    spi.WSPListen(s, 5)
    assert world.client(80).was_reset


def test_g25_conditional_accept_is_set_before_listening(world):
    spi = world.spi
    s = new(spi)
    name = (spi.SOL_SOCKET, spi.SO_CONDITIONAL_ACCEPT)
    assert spi.WSPGetSockOpt(s, *name) == 0
    with fails("EFAULT"):
        spi.WSPSetSockOpt(s, *name, b"\1")
    spi.WSPBind(s, (world.address, 80))
    spi.WSPSetSockOpt(s, *name, 1)
    assert spi.WSPGetSockOpt(s, *name) == 1
    spi.WSPSetSockOpt(s, *name, 0)
    spi.WSPListen(s, 1)
    with fails("EINVAL"):
        spi.WSPSetSockOpt(s, *name, 1)
    assert spi.WSPGetSockOpt(s, *name) == 0


def test_c16_an_address_is_either_shared_or_exclusive(spi):
    for one, other in (
        ("reuse_address", "exclusive_address"),
        ("exclusive_address", "reuse_address"),
    ):
        s = new(spi)
        set_options(spi, s, **{one: 1})
        with fails("EINVAL"):
            set_options(spi, s, **{other: 1})
        set_options(spi, s, **{one: 0})
        set_options(spi, s, **{other: 1})


def test_sharing_counts_at_the_time_of_binding(world):
    spi = world.spi
    first, second = new(spi), new(spi)
    spi.WSPBind(first, (world.address, 80))
    set_options(spi, first, reuse_address=1)
    set_options(spi, second, reuse_address=1)
    with fails("EACCES"):
        spi.WSPBind(second, (world.address, 80))


@pytest.mark.parametrize("option", ["SO_RANDOMIZE_PORT", "SO_PORT_SCALABILITY"])
def test_ports_are_chosen_at_the_time_of_binding(world, option):
    spi = world.spi
    s = new(spi)
    spi.WSPBind(s, (world.address, 0))
    with fails("EINVAL"):
        spi.WSPSetSockOpt(s, spi.SOL_SOCKET, getattr(spi, option), 1)


def test_v6_only_is_decided_before_binding(world):
    spi = world.spi
    s = new(spi, spi.AF_INET6)
    set_options(spi, s, v6_only=0)
    spi.WSPBind(s, ("::", 80))
    with fails("EINVAL"):
        set_options(spi, s, v6_only=1)
    spi.WSPListen(s, 5)
    world.client(80)
    world.client(80, host=world.address6)
    world.settle()
    assert len(spi.accept_many(s, 5)) == 2


def test_so_error_can_be_set_and_survives_listening(world):
    spi = world.spi
    s = new(spi)
    name = (spi.SOL_SOCKET, spi.SO_ERROR)
    spi.WSPSetSockOpt(s, *name, 0xDEADBEEF)
    spi.WSPBind(s, (world.address, 80))
    spi.WSPListen(s, 1)
    assert spi.WSPGetSockOpt(s, *name) == 0xDEADBEEF
    assert spi.WSPGetSockOpt(s, *name, 4) == b"\xef\xbe\xad\xde"


def test_so_error_is_0_after_a_reset(world):
    spi = world.spi
    s, client = world.pair()
    client.reset()
    world.settle()
    assert spi.WSPGetSockOpt(s, spi.SOL_SOCKET, spi.SO_ERROR) == 0


def test_so_bsp_state_has_both_addresses(world):
    spi = world.spi
    fresh = new(spi)
    state = spi.WSPGetSockOpt(fresh, spi.SOL_SOCKET, spi.SO_BSP_STATE)
    assert (state.LocalAddr, state.RemoteAddr) == (None, None)
    s, client = world.pair()
    state = spi.WSPGetSockOpt(s, spi.SOL_SOCKET, spi.SO_BSP_STATE)
    assert (state.LocalAddr, state.RemoteAddr) == ((world.address, 80), client.address)
    assert (state.iSocketType, state.iProtocol) == (1, 6)
    data = spi.WSPGetSockOpt(s, spi.SOL_SOCKET, spi.SO_BSP_STATE, 200)
    assert spi.CSADDR_INFO.unpack(data) == state
    with fails("EFAULT") as caught:
        spi.WSPGetSockOpt(s, spi.SOL_SOCKET, spi.SO_BSP_STATE, len(data) - 1)
    assert caught.value.needed == len(data)


def test_groups_have_an_id_and_a_priority(spi):
    grouped = spi.WSPSocket(2, 1, 6, None, spi.SG_UNCONSTRAINED_GROUP)
    name = (spi.SOL_SOCKET, spi.SO_GROUP_PRIORITY)
    assert spi.WSPGetSockOpt(grouped, spi.SOL_SOCKET, spi.SO_GROUP_ID) > 2
    assert spi.WSPGetSockOpt(grouped, *name) == 0
    spi.WSPSetSockOpt(grouped, *name, 7)
    assert spi.WSPGetSockOpt(grouped, *name) == 7
    with fails("EINVAL"):
        spi.WSPSetSockOpt(grouped, *name, -1)
    alone = new(spi)
    assert spi.WSPGetSockOpt(alone, spi.SOL_SOCKET, spi.SO_GROUP_ID) == 0
    with fails("ENOPROTOOPT"):
        spi.WSPGetSockOpt(alone, *name)
    with fails("ENOPROTOOPT"):
        spi.WSPSetSockOpt(alone, *name, 1)


def test_a_group_ends_with_its_last_member_and_its_id_is_not_given_again(spi):
    first = spi.WSPSocket(2, 1, 6, None, spi.SG_UNCONSTRAINED_GROUP)
    g = spi.WSPGetSockOpt(first, spi.SOL_SOCKET, spi.SO_GROUP_ID)
    second = spi.WSPSocket(2, 1, 6, None, g)
    assert spi.WSPGetSockOpt(second, spi.SOL_SOCKET, spi.SO_GROUP_ID) == g
    spi.WSPCloseSocket(first)
    third = spi.WSPSocket(2, 1, 6, None, g)
    for s in (second, third):
        spi.WSPCloseSocket(s)
    with fails("EINVAL"):
        spi.WSPSocket(2, 1, 6, None, g)
    other = spi.WSPSocket(2, 1, 6, None, spi.SG_CONSTRAINED_GROUP)
    assert spi.WSPGetSockOpt(other, spi.SOL_SOCKET, spi.SO_GROUP_ID) != g


def test_a_listeners_group_is_not_inherited(world):
    spi = world.spi
    listener = spi.WSPSocket(2, 1, 6, None, spi.SG_UNCONSTRAINED_GROUP)
    spi.WSPBind(listener, (world.address, 80))
    spi.WSPListen(listener, 1)
    world.client(80)
    s, _ = spi.WSPAccept(listener)
    assert spi.WSPGetSockOpt(s, spi.SOL_SOCKET, spi.SO_GROUP_ID) == 0
    assert spi.WSPGetSockOpt(listener, spi.SOL_SOCKET, spi.SO_GROUP_ID) > 2


def test_a_constrained_group_admits_one_host(world):
    spi = world.spi
    world.serve(81)
    first = spi.WSPSocket(2, 1, 6, None, spi.SG_CONSTRAINED_GROUP)
    g = spi.WSPGetSockOpt(first, spi.SOL_SOCKET, spi.SO_GROUP_ID)
    spi.WSPConnect(first, (world.peer_address, 81))
    second = spi.WSPSocket(2, 1, 6, None, g)
    with fails("EINVAL"):
        spi.WSPConnect(second, ("10.9.0.77", 81))
    spi.WSPConnect(second, (world.peer_address, 81))


# ---- in the lab: what is on the wire


def test_ttl_and_tos_are_in_the_syn_and_in_data(wired):
    spi = wired.spi
    wired.serve(81)
    sent(wired)
    s = new(spi)
    ip(spi, s, "IP_TTL", 33)
    ip(spi, s, "IP_TOS", 0xB8)
    spi.WSPConnect(s, (wired.peer_address, 81))
    spi.WSPSend(s, b"x")
    frames = sent(wired)
    assert len(frames) >= 3
    assert {(frame[15], frame[22]) for frame in frames} == {(0xB8, 33)}


@pytest.mark.parametrize("conditional", [0, 1], ids=["plain", "conditional"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("family", ["IPV4", "IPV6"])
def test_6_2_a_listeners_ttl_and_tos_are_in_its_syn_ack_and_inherited(
    wired, family, when, conditional
):
    spi, six = wired.spi, family == "IPV6"
    listener = spi.WSPSocket(spi.AF_INET6 if six else spi.AF_INET, 1, 6)
    hops, tos = (spi.IPV6_UNICAST_HOPS, spi.IPV6_TCLASS) if six else (spi.IP_TTL, spi.IP_TOS)
    level = spi.IPPROTO_IPV6 if six else spi.IPPROTO_IP

    def mark():
        spi.WSPSetSockOpt(listener, level, hops, 33)
        spi.WSPSetSockOpt(listener, level, tos, 0xB8)

    spi.WSPSetSockOpt(listener, spi.SOL_SOCKET, spi.SO_CONDITIONAL_ACCEPT, conditional)
    host = wired.address6 if six else wired.address
    spi.WSPBind(listener, (host, 80))
    if when == "before":
        mark()
    spi.WSPListen(listener, 5)
    if when == "after":
        mark()
    wired.sent()
    wired.client(80, host=host)
    s, _ = spi.WSPAccept(listener)
    spi.WSPSend(s, b"x")
    ether = b"\x86\xdd" if six else b"\x08\x00"
    at = 20 if six else 23
    frames = [f for f in wired.sent() if f[12:14] == ether and f[at] == spi.IPPROTO_TCP]
    assert len(frames) >= 2
    if six:
        seen = {((frame[14] & 15) << 4 | frame[15] >> 4, frame[21]) for frame in frames}
    else:
        seen = {(frame[15], frame[22]) for frame in frames}
    assert seen == {(0xB8, 33)}
    assert spi.WSPGetSockOpt(s, level, hops) == 33
    assert spi.WSPGetSockOpt(s, level, tos) == 0xB8


def test_tos_changes_while_the_connection_lives(wired):
    spi = wired.spi
    s, _ = wired.pair()
    sent(wired)
    ip(spi, s, "IP_TOS", 0x28)
    spi.WSPSend(s, b"x")
    assert [frame[15] for frame in sent(wired)] == [0x28]


@pytest.mark.parametrize("wanted", [0, 1])
def test_a_syn_is_repeated_unless_that_is_not_wanted(lab, wanted):
    spi = lab.spi
    lab.connect()  # from now on the neighbour is known
    lab.two.wire.change(1, loss=1.0)
    s = new(spi)
    tcp(spi, s, "TCP_NOSYNRETRIES", wanted)
    sent(lab)
    spi.WSPIoctl(s, spi.FIONBIO, 1)
    with fails("EWOULDBLOCK"):
        spi.WSPConnect(s, (lab.peer_address, 82))
    lab.advance(4)
    assert len(syns(lab)) == (1 if wanted else 3)
    error = spi.WSPGetSockOpt(s, spi.SOL_SOCKET, spi.SO_ERROR)
    assert error == (spi.WSAETIMEDOUT if wanted else 0)


def test_timestamps_are_offered_or_not(wired):
    spi = wired.spi
    wired.serve(81)
    for wanted in (0, 1):
        s = new(spi)
        tcp(spi, s, "TCP_TIMESTAMPS", wanted)
        spi.WSPConnect(s, (wired.peer_address, 81))
        assert spi.WSPGetSockOpt(s, spi.IPPROTO_TCP, spi.TCP_TIMESTAMPS) == wanted


def test_the_largest_segment_is_the_one_that_was_set(wired):
    spi = wired.spi
    s, _ = wired.pair()
    assert spi.WSPGetSockOpt(s, spi.IPPROTO_TCP, spi.TCP_MAXSEG) == 1448
    tcp(spi, s, "TCP_MAXSEG", 500)
    assert spi.WSPGetSockOpt(s, spi.IPPROTO_TCP, spi.TCP_MAXSEG) == 500
    sent(wired)
    spi.WSPSend(s, bytes(2000))
    assert max(len(frame) for frame in sent(wired)) == 14 + 20 + 32 + 500


def test_ip_mtu_is_the_paths(wired):
    spi = wired.spi
    s, _ = wired.pair()
    assert spi.WSPGetSockOpt(s, spi.IPPROTO_IP, spi.IP_MTU) == 1500
    with fails("ENOTCONN"):
        spi.WSPGetSockOpt(new(spi), spi.IPPROTO_IP, spi.IP_MTU)


def test_small_writes_wait_for_each_other_unless_nodelay_is_set(lab):
    spi = lab.spi
    lab.two.b.configure(nagle=True)
    s, _ = lab.pair()
    sent(lab)

    def burst():
        for _ in range(3):
            spi.WSPSend(s, b"x")
        frames = [frame for _, frame in lab.two.b.collect()]
        lab.advance(1)
        sent(lab)
        return len(frames)

    assert burst() == 1
    tcp(spi, s, "TCP_NODELAY", 1)
    assert burst() == 3


def test_keep_alive_probes_and_gives_up(lab):
    spi = lab.spi
    s, _ = lab.pair()
    for option, value in (("TCP_KEEPIDLE", 5), ("TCP_KEEPINTVL", 1), ("TCP_KEEPCNT", 2)):
        tcp(spi, s, option, value)
    set_options(spi, s, keep_alive=1)
    sent(lab)
    lab.advance(5.5)
    assert len(sent(lab)) == 1
    lab.two.wire.change(1, loss=1.0)
    begun = lab.now
    with fails("ENETRESET"):
        spi.WSPRecv(s, bytearray(1))
    assert 5 < lab.now - begun < 9
    for more in ((), (0, spi.WSAOVERLAPPED()), (spi.MSG_WAITALL,)):
        with fails("ENOTCONN"):
            spi.WSPRecv(s, bytearray(1), *more)
    for more in ((), (0, spi.WSAOVERLAPPED())):
        with fails("ENOTCONN"):
            spi.WSPSend(s, b"x", *more)
    with fails("ENETRESET"):
        set_options(spi, s, keep_alive=1)


def test_keep_alive_that_fails_is_10052_for_requests_in_progress_and_fd_close_is_10053(lab):
    spi = lab.spi
    s, _ = lab.pair()
    spi.WSPIoctl(s, spi.SIO_KEEPALIVE_VALS, (1, 700, 100))
    request, _ = receive(lab, s)
    watched = Watched(lab, s, spi.FD_CLOSE)
    lab.two.wire.change(1, loss=1.0)
    lab.advance(3)
    assert request.error == spi.WSAENETRESET
    found = watched.enum()
    assert (found.lNetworkEvents, found.iErrorCode[spi.FD_CLOSE_BIT]) == (spi.FD_CLOSE, 10053)


def test_buffers_bound_what_is_taken_over(wired):
    spi = wired.spi
    s, _ = wired.pair()
    set_options(spi, s, send_buffer=4096)
    spi.WSPIoctl(s, spi.FIONBIO, 1)
    wired.settle()
    before = spi.WSPSend(s, bytes(1))
    assert before == 1
    spi.WSPSend(s, bytes(300_000))
    with fails("EWOULDBLOCK"):
        spi.WSPSend(s, b"x")
