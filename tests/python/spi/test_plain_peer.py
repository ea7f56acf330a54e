"""Lines of the contract whose peer is the kernel: a TCP that knows nothing of the handshake option.

Not here: A01, A03, A04 and A09 are answered before there is an engine that could have a peer. R06
and what a peer refuses or answers (callee data, counter-proposals, reasons) need one that speaks
the option.
"""

import socket

import pytest

from tests.python.failing import fails
from tests.python.spi.requests import receive
from tests.python.watched import Watched

SYN_ACK = 0x12
IMPOSSIBLE = 0xFFFF_0000


def asking(spi, rate, service=None):
    flow = spi.FLOWSPEC(
        TokenRate=rate,
        TokenBucketSize=1500,
        ServiceType=spi.SERVICETYPE_CONTROLLEDLOAD if service is None else service,
        MaxSduSize=1500,
        MinimumPolicedSize=64,
    )
    return spi.QOS(flow, spi.FLOWSPEC(ServiceType=spi.SERVICETYPE_NOTRAFFIC))


def new(spi, **more):
    return spi.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP, **more)


def rate_of(spi, s):
    return spi.WSPIoctl(s, spi.SIO_GET_QOS).SendingFlowspec.TokenRate


def conditional(world):
    spi = world.spi
    listener = new(spi)
    spi.WSPSetSockOpt(listener, spi.SOL_SOCKET, spi.SO_CONDITIONAL_ACCEPT, 1)
    spi.WSPBind(listener, (world.address, 80))
    spi.WSPListen(listener, 5)
    return listener


def flags_sent(world):
    """Of the segments that the provider has sent since the last call."""
    frames = [f for f in world.sent() if f[12:14] == b"\x08\x00" and f[23] == 6]
    return [frame[47] for frame in frames]


def test_a06_handles_of_before_the_last_cleanup_are_no_sockets(tapped):
    spi = tapped.spi
    s, client = tapped.pair()
    spi.WSPCleanup()
    assert client.was_reset
    spi.WSPStartup()
    with fails("ENOTSOCK"):
        spi.WSPSend(s, b"x")
    with fails("ENOTSOCK"):
        spi.WSPGetSockName(s)


@pytest.mark.parametrize("routine", [False, True])
def test_a07_the_last_cleanup_ends_requests_with_995_and_tells_nobody(tapped, routine):
    spi = tapped.spi
    s, _ = tapped.pair()
    request, _ = receive(tapped, s, routine=routine)
    spi.WSPCleanup()
    assert request.error == spi.WSA_OPERATION_ABORTED
    assert not request.is_set
    spi.WSPStartup()
    spi.SleepEx(0, alertable=True)
    assert request.calls == []


@pytest.mark.parametrize("backlog", [-1, -50])
def test_e11_e12_a_hint_below_200_lets_200_wait(tapped, backlog):
    tapped.listener(backlog=backlog)
    made = [tapped._socket() for _ in range(200)]
    for one in made:
        one.connect_ex((tapped.address, 80))
    tapped.settle()
    errors = [one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) for one in made]
    assert errors == [0] * 200
    assert tapped.client(80).was_reset


def test_g11_a_constrained_group_takes_one_host_only(tapped):
    spi = tapped.spi
    tapped.serve(81)
    member = new(spi, g=spi.SG_CONSTRAINED_GROUP)
    spi.WSPConnect(member, (tapped.peer_address, 81))
    group = spi.WSPGetSockOpt(member, spi.SOL_SOCKET, spi.SO_GROUP_ID)

    def join(*arguments):
        arguments[6].value = group
        return spi.CF_ACCEPT

    listener = tapped.listener()
    tapped.client(80)
    s, _ = spi.WSPAccept(listener, join)
    assert spi.WSPGetSockOpt(s, spi.SOL_SOCKET, spi.SO_GROUP_ID) == group
    six = tapped.listener(host=tapped.address6)
    client = tapped.client(80, host=tapped.address6)
    with fails("EINVAL"):
        spi.WSPAccept(six, join)
    assert client.was_reset


def test_g22_a_rejected_syn_gets_a_reset(tapped):
    spi = tapped.spi
    listener = conditional(tapped)
    flags_sent(tapped)
    client = tapped.client(80)
    with fails("ECONNREFUSED"):
        spi.WSPAccept(listener, lambda *_: spi.CF_REJECT)
    assert client.was_reset
    flags = flags_sent(tapped)
    assert flags
    assert SYN_ACK not in flags


@pytest.mark.slow
def test_g23_a_client_that_nobody_accepts_times_out(tapped):
    conditional(tapped)
    flags_sent(tapped)
    made = tapped._socket()
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, 1)
    made.setblocking(True)
    with pytest.raises(TimeoutError):
        made.connect((tapped.address, 80))
    assert flags_sent(tapped) == []


def test_h14_a_server_that_knows_no_callee_data_sends_none(tapped):
    spi = tapped.spi
    tapped.serve(81)
    callee_data = spi.WSABUF(10)
    s = new(spi)
    spi.WSPConnect(s, (tapped.peer_address, 81), b"caller data", callee_data)
    assert callee_data.len == 0
    spi.WSPSend(s, b"stream")
    assert tapped.accepted(81).received == b"stream"


def test_h15_r04_an_impossible_flowspec_is_10045_and_lower_numbers_connect(tapped):
    spi = tapped.spi
    tapped.serve(81)
    s = new(spi)
    with fails("EOPNOTSUPP"):
        spi.WSPConnect(s, (tapped.peer_address, 81), sqos=asking(spi, IMPOSSIBLE))
    with fails("ECONNREFUSED"):
        spi.WSPConnect(s, (tapped.peer_address, 9), sqos=asking(spi, 1000))
    spi.WSPIoctl(s, spi.SIO_GET_QOS).check()
    spi.WSPConnect(s, (tapped.peer_address, 81), sqos=asking(spi, 1000))
    assert rate_of(spi, s) == 1000


def test_r03_lpsqos_overrides_what_sio_set_qos_has_set(tapped):
    spi = tapped.spi
    tapped.serve(81)
    s = new(spi)
    spi.WSPIoctl(s, spi.SIO_SET_QOS, asking(spi, 1000))
    spi.WSPConnect(s, (tapped.peer_address, 81), sqos=asking(spi, 2000))
    assert rate_of(spi, s) == 2000


def test_r07_a_refused_change_leaves_the_old_level(tapped):
    spi = tapped.spi
    tapped.serve(81)
    s = new(spi)
    spi.WSPConnect(s, (tapped.peer_address, 81), sqos=asking(spi, 1000))
    watched = Watched(tapped, s, spi.FD_QOS)
    with fails("EOPNOTSUPP"):
        spi.WSPIoctl(s, spi.SIO_SET_QOS, asking(spi, IMPOSSIBLE))
    assert rate_of(spi, s) == 1000
    assert watched.seen() == 0


@pytest.mark.parametrize(
    ("service", "code_point"),
    [
        ("SERVICETYPE_BESTEFFORT", 0),
        ("SERVICETYPE_CONTROLLEDLOAD", 24),
        ("SERVICETYPE_GUARANTEED", 40),
        ("SERVICETYPE_NETWORK_CONTROL", 48),
        ("SERVICETYPE_QUALITATIVE", 0),
    ],
)
def test_r12_packets_carry_the_code_point_of_their_service(tapped, service, code_point):
    spi = tapped.spi
    tapped.serve(81)
    s = new(spi)
    spi.WSPConnect(s, (tapped.peer_address, 81), sqos=asking(spi, 1000, getattr(spi, service)))
    tapped.sent()
    spi.WSPSend(s, b"x")
    frames = [f for f in tapped.sent() if f[12:14] == b"\x08\x00" and f[23] == 6]
    assert [frame[15] >> 2 for frame in frames] == [code_point]


def test_r13_group_qos_counts_only_from_the_groups_creator(tapped):
    spi = tapped.spi
    tapped.serve(81)
    creator = new(spi, g=spi.SG_UNCONSTRAINED_GROUP)
    spi.WSPIoctl(creator, spi.SIO_SET_GROUP_QOS, asking(spi, 1000))
    member = new(spi, g=spi.WSPGetSockOpt(creator, spi.SOL_SOCKET, spi.SO_GROUP_ID))
    spi.WSPConnect(member, (tapped.peer_address, 81), gqos=asking(spi, 2000))
    read = spi.WSPIoctl(member, spi.SIO_GET_GROUP_QOS)
    assert read.SendingFlowspec.TokenRate == 1000
