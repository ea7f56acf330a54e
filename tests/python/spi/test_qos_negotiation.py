"""Quality of service between two providers over an emulated wire."""

import pytest

from pyprov.core.admission import Rates
from pyprov.lab import Lab
from pyprov.winsock.provider_specific import (
    QOS_SHAPING_RATE,
    RSVP_STATUS_INFO,
    build_objects,
    parse_objects,
)
from tests.python.failing import fails

PORT = 80
ROOM = 1_000_000_000  # bytes a second that can be reserved: 0.8 of 10 Gb/s


@pytest.fixture
def pair():
    with Lab.pair() as made:
        yield made


def flow(spi, rate, kind=None):
    kind = spi.SERVICETYPE_GUARANTEED if kind is None else kind
    return spi.FLOWSPEC(
        TokenRate=rate, TokenBucketSize=1500, ServiceType=kind, MinimumPolicedSize=64
    )


def asking(spi, sending, receiving):
    return spi.QOS(flow(spi, sending), flow(spi, receiving))


def socket(node):
    spi = node.spi
    return spi.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP)


def listen(pair, *, conditional=False):
    spi = pair.b.spi
    s = socket(pair.b)
    spi.WSPBind(s, (pair.b.address, PORT))
    if conditional:
        spi.WSPSetSockOpt(s, spi.SOL_SOCKET, spi.SO_CONDITIONAL_ACCEPT, b"\1\0\0\0")
    spi.WSPListen(s, 5)
    return s


def ledger(node):
    return node.spi._started.ledger


def totals(pair):
    return ledger(pair.a).total(), ledger(pair.b).total()


def negotiate(pair, sqos, condition=None, *, conditional=False, s=None):
    """Connect with a QoS; returns both sockets."""
    listener = listen(pair, conditional=conditional)
    s = socket(pair.a) if s is None else s
    job = pair.spawn(pair.a.spi.WSPConnect, s, (pair.b.address, PORT), None, None, sqos)
    made, _ = pair.b.spi.WSPAccept(listener, condition)
    job.result()
    pair.b.spi.WSPCloseSocket(listener)
    return s, made


def read(node, s):
    return node.spi.WSPIoctl(s, node.spi.SIO_GET_QOS)


@pytest.mark.parametrize("conditional", [False, True], ids=["default", "conditional"])
def test_both_sides_keep_the_directions_right(pair, conditional):
    spi = pair.a.spi
    seen = []

    def condition(caller, data, sqos, *rest):
        seen.append(sqos.copy())
        return spi.CF_ACCEPT

    s, made = negotiate(pair, asking(spi, 100, 200), condition, conditional=conditional)
    assert seen == [asking(spi, 200, 100)]
    assert read(pair.a, s) == asking(spi, 100, 200)
    assert read(pair.b, made) == asking(spi, 200, 100)
    assert totals(pair) == (Rates(100, 200), Rates(200, 100))


@pytest.mark.parametrize("conditional", [False, True], ids=["default", "conditional"])
def test_what_the_condition_function_leaves_holds_on_both_sides(pair, conditional):
    spi = pair.a.spi

    def condition(caller, data, sqos, *rest):
        sqos.SendingFlowspec.TokenRate = 50
        return spi.CF_ACCEPT

    s, made = negotiate(pair, asking(spi, 100, 200), condition, conditional=conditional)
    assert read(pair.a, s) == asking(spi, 100, 50)
    assert read(pair.b, made) == asking(spi, 50, 100)
    assert totals(pair) == (Rates(100, 50), Rates(50, 100))


@pytest.mark.parametrize("conditional", [False, True], ids=["default", "conditional"])
@pytest.mark.parametrize("rate", [0, 0xFFFF_FFFF])
def test_5_4_what_a_condition_function_leaves_must_be_possible(pair, rate, conditional):
    spi = pair.a.spi

    def condition(caller, data, sqos, *rest):
        sqos.SendingFlowspec.TokenRate = rate
        return spi.CF_ACCEPT

    listener, s = listen(pair, conditional=conditional), socket(pair.a)
    job = pair.spawn(spi.WSPConnect, s, (pair.b.address, PORT), None, None, asking(spi, 100, 200))
    with fails("ECONNREFUSED"):
        pair.b.spi.WSPAccept(listener, condition)
    with fails("EOPNOTSUPP"):
        job.result()


def test_1_8_group_flowspecs_that_are_none_are_10014(pair):
    spi = pair.a.spi
    with fails("EFAULT"):
        spi.WSPConnect(socket(pair.a), (pair.b.address, PORT), gqos="none")


def test_r03_lpsqos_overrides_what_sio_set_qos_has_set(pair):
    spi = pair.a.spi
    s = socket(pair.a)
    spi.WSPIoctl(s, spi.SIO_SET_QOS, asking(spi, 1, 2))
    negotiate(pair, asking(spi, 100, 200), s=s)
    assert read(pair.a, s) == asking(spi, 100, 200)


def test_what_sio_set_qos_has_set_stands_without_lpsqos(pair):
    spi = pair.a.spi
    s = socket(pair.a)
    spi.WSPIoctl(s, spi.SIO_SET_QOS, asking(spi, 1, 2))
    _, made = negotiate(pair, None, s=s)
    assert read(pair.b, made) == asking(spi, 2, 1)


def test_g17_without_qos_the_function_sees_none(pair):
    seen = []
    spi = pair.a.spi
    s, made = negotiate(pair, None, lambda *given: seen.append(given[2:4]) or spi.CF_ACCEPT)
    assert seen == [(None, None)]
    assert read(pair.a, s) == read(pair.b, made) == spi.QOS()
    assert totals(pair) == (Rates(), Rates())


@pytest.mark.parametrize("who", ["caller", "acceptor"])
def test_no_room_fails_the_connect_and_says_why(pair, who):
    spi = pair.a.spi
    negotiate(pair, asking(spi, ROOM - 10, 0x100))
    holder = ledger(pair.b if who == "caller" else pair.a)
    for reservation in list(holder._held):
        holder.release(reservation)  # one side forgets, so that only the other is full
    other = socket(pair.a)
    listener = listen(pair)
    job = pair.spawn(pair.a.spi.WSPConnect, other, (pair.b.address, PORT), None, None,
                     asking(spi, 11, 1))  # fmt: skip
    if who == "acceptor":
        with fails("ECONNREFUSED"):
            pair.b.spi.WSPAccept(listener)
    with fails("EOPNOTSUPP"):
        job.result()
    status = parse_objects(read(pair.a, other).ProviderSpecific)
    assert status == [RSVP_STATUS_INFO(spi.WSA_QOS_ADMISSION_FAILURE)]
    job = pair.spawn(pair.a.spi.WSPConnect, other, (pair.b.address, PORT), None, None,
                     asking(spi, 10, 1))  # fmt: skip
    pair.b.spi.WSPAccept(listener)
    job.result()
    assert read(pair.a, other) == asking(spi, 10, 1)


def test_a_function_that_marks_the_flow_unavailable_refuses_it_for_policy(pair):
    spi = pair.a.spi

    def condition(caller, data, sqos, *rest):
        sqos.SendingFlowspec.ServiceType = spi.SERVICETYPE_NETWORK_UNAVAILABLE
        return spi.CF_REJECT

    listener, s = listen(pair), socket(pair.a)
    job = pair.spawn(spi.WSPConnect, s, (pair.b.address, PORT), None, None, asking(spi, 1, 1))
    with fails("ECONNREFUSED"):
        pair.b.spi.WSPAccept(listener, condition)
    with fails("EOPNOTSUPP"):
        job.result()
    objects = parse_objects(read(pair.a, s).ProviderSpecific)
    assert objects == [RSVP_STATUS_INFO(spi.WSA_QOS_POLICY_FAILURE)]
    assert totals(pair) == (Rates(), Rates())


def test_plain_rejection_is_refused_and_gives_back(pair):
    spi = pair.a.spi
    listener, s = listen(pair), socket(pair.a)
    job = pair.spawn(spi.WSPConnect, s, (pair.b.address, PORT), None, None, asking(spi, 1, 1))
    with fails("ECONNREFUSED"):
        pair.b.spi.WSPAccept(listener, lambda *_: spi.CF_REJECT)
    with fails("ECONNREFUSED"):
        job.result()
    assert totals(pair) == (Rates(), Rates())


def test_h15_an_impossible_flowspec_is_10045_and_says_why(pair):
    spi = pair.a.spi
    s = socket(pair.a)
    bad = asking(spi, 100, 100)
    bad.SendingFlowspec.PeakBandwidth = 99
    with fails("EOPNOTSUPP"):
        spi.WSPConnect(s, (pair.b.address, PORT), None, None, bad)
    objects = parse_objects(read(pair.a, s).ProviderSpecific)
    assert objects == [RSVP_STATUS_INFO(spi.WSA_QOS_EFLOWSPEC)]


# ---- endings


def abort(pair, s, made):
    spi = pair.a.spi
    spi.WSPSetSockOpt(s, spi.SOL_SOCKET, spi.SO_LINGER, b"\1\0\0\0")
    spi.WSPCloseSocket(s)


def close_both(pair, s, made):
    pair.a.spi.WSPCloseSocket(s)
    pair.b.spi.WSPCloseSocket(made)


def shut_down_both(pair, s, made):
    """Nobody closes a socket."""
    pair.a.spi.WSPShutdown(s, pair.a.spi.SD_SEND)
    pair.b.spi.WSPShutdown(made, pair.b.spi.SD_SEND)


def vanish(pair, s, made):
    pair.reset()


@pytest.mark.parametrize("end", [abort, close_both, shut_down_both, vanish])
def test_whatever_way_it_ends_the_ledger_balances(pair, end):
    spi = pair.a.spi
    s, made = negotiate(pair, asking(spi, 100, 200))
    assert totals(pair) == (Rates(100, 200), Rates(200, 100))
    end(pair, s, made)
    pair.advance(5)
    assert totals(pair) == (Rates(), Rates())


def test_a_connect_that_fails_gives_back(pair):
    spi = pair.a.spi
    s = socket(pair.a)
    with fails("ECONNREFUSED"):
        spi.WSPConnect(s, (pair.b.address, PORT), None, None, asking(spi, 5, 5))
    assert totals(pair) == (Rates(), Rates())


# ---- later changes


def test_another_level_is_agreed_upon_and_both_sides_hear_of_it(pair):
    a, b = pair.a.spi, pair.b.spi
    s, made = negotiate(pair, asking(a, 100, 200))
    event = b.WSACreateEvent()
    b.WSPEventSelect(made, event, b.FD_QOS)
    pair.spawn(a.WSPIoctl, s, a.SIO_SET_QOS, asking(a, 300, 400)).result()
    assert read(pair.a, s) == asking(a, 300, 400)
    pair.advance(0.1)
    assert read(pair.b, made) == asking(a, 400, 300)
    assert totals(pair) == (Rates(300, 400), Rates(400, 300))
    events = b.WSPEnumNetworkEvents(made, event)
    assert events.lNetworkEvents == b.FD_QOS


def test_the_acceptor_may_ask_too_and_again(pair):
    b = pair.b.spi
    s, made = negotiate(pair, asking(b, 100, 200))
    for rate in (5, 6, 5, 5):
        pair.spawn(b.WSPIoctl, made, b.SIO_SET_QOS, asking(b, rate, 7)).result()
        pair.advance(0.1)
        assert read(pair.a, s) == asking(b, 7, rate)
        assert totals(pair) == (Rates(7, rate), Rates(rate, 7))


def test_r07_a_refused_change_leaves_the_old_level(pair):
    a = pair.a.spi
    s, made = negotiate(pair, asking(a, 100, 200))
    holder = ledger(pair.b)
    stranger = type("Stranger", (), {"is_alive": lambda self: True})()
    assert holder.reserve(stranger, 0, Rates(0, ROOM - 100))
    with fails("EOPNOTSUPP"):
        pair.spawn(a.WSPIoctl, s, a.SIO_SET_QOS, asking(a, 101, 200)).result()
    assert read(pair.b, made) == asking(a, 200, 100)
    left = read(pair.a, s)
    assert (left.SendingFlowspec, left.ReceivingFlowspec) == (flow(a, 100), flow(a, 200))
    assert parse_objects(left.ProviderSpecific) == [RSVP_STATUS_INFO(a.WSA_QOS_ADMISSION_FAILURE)]
    assert ledger(pair.a).total() == (100, 200)
    with fails("EOPNOTSUPP"):
        a.WSPIoctl(s, a.SIO_SET_QOS, asking(a, ROOM + 1, 1))
    assert ledger(pair.a).total() == (100, 200)


def test_both_may_ask_at_once(pair):
    a, b = pair.a.spi, pair.b.spi
    s, made = negotiate(pair, asking(a, 100, 200))
    one = pair.spawn(a.WSPIoctl, s, a.SIO_SET_QOS, asking(a, 1, 2))
    other = pair.spawn(b.WSPIoctl, made, b.SIO_SET_QOS, asking(b, 3, 4))
    one.result()
    other.result()
    pair.advance(1)
    assert read(pair.a, s) == asking(a, 1, 2)
    assert read(pair.b, made) == asking(a, 2, 1)
    assert totals(pair) == (Rates(1, 2), Rates(2, 1))


def test_a_non_blocking_change_is_told_of_by_fd_qos(pair):
    a = pair.a.spi
    s, made = negotiate(pair, asking(a, 100, 200))
    event = a.WSACreateEvent()
    a.WSPEventSelect(s, event, a.FD_QOS)
    with fails("EWOULDBLOCK"):
        a.WSPIoctl(s, a.SIO_SET_QOS, asking(a, 1, 2))
    pair.advance(0.1)
    assert a.WSPEnumNetworkEvents(s, event).lNetworkEvents == a.FD_QOS
    assert read(pair.a, s) == asking(a, 1, 2)
    assert read(pair.b, made) == asking(a, 2, 1)


def test_r06_every_change_is_reported_once_with_sio_get_qos_between(pair):
    a, b = pair.a.spi, pair.b.spi
    s, made = negotiate(pair, asking(a, 100, 200))
    event = b.WSACreateEvent()
    b.WSPEventSelect(made, event, b.FD_QOS)
    for rate in (300, 400):
        pair.spawn(a.WSPIoctl, s, a.SIO_SET_QOS, asking(a, rate, 200)).result()
        pair.advance(0.1)
        assert event.is_set()
        assert b.WSPEnumNetworkEvents(made, event).lNetworkEvents == b.FD_QOS
        assert read(pair.b, made) == asking(b, 200, rate)
        pair.advance(0.1)
        assert b.WSPEnumNetworkEvents(made, event).lNetworkEvents == 0


def test_r04_after_a_failed_connect_the_qos_holds_legal_values(pair):
    spi = pair.a.spi
    s = socket(pair.a)
    with fails("ECONNREFUSED"):
        spi.WSPConnect(s, (pair.b.address, PORT), None, None, asking(spi, 5, 6))
    after = read(pair.a, s)
    spi.WSPIoctl(socket(pair.a), spi.SIO_SET_QOS, after)  # legal: it can be asked for
    negotiate(pair, asking(spi, 7, 8), s=s)
    assert read(pair.a, s) == asking(spi, 7, 8)


def test_r13_group_qos_counts_only_from_the_groups_creator(pair):
    spi = pair.a.spi
    kind = (spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP)
    creator = spi.WSPSocket(*kind, None, spi.SG_UNCONSTRAINED_GROUP)
    g = spi.WSPGetSockOpt(creator, spi.SOL_SOCKET, spi.SO_GROUP_ID)
    member = spi.WSPSocket(*kind, None, g)
    listen(pair)
    name = (pair.b.address, PORT)
    spi.WSPConnect(member, name, gqos=asking(spi, 1, 2))
    assert spi.WSPIoctl(member, spi.SIO_GET_GROUP_QOS) == spi.QOS()
    spi.WSPConnect(creator, name, gqos=asking(spi, 3, 4))
    assert spi.WSPIoctl(member, spi.SIO_GET_GROUP_QOS) == asking(spi, 3, 4)


# ---- on the wire


def test_r12_packets_carry_the_code_point_of_their_service(pair):
    a = pair.a.spi
    services = {
        a.SERVICETYPE_CONTROLLEDLOAD: 24,
        a.SERVICETYPE_GUARANTEED: 40,
        a.SERVICETYPE_NETWORK_CONTROL: 48,
        a.SERVICETYPE_BESTEFFORT: 0,
        a.SERVICETYPE_QUALITATIVE: 0,
    }
    for kind, point in services.items():
        s, made = negotiate(pair, a.QOS(flow(a, 100, kind), flow(a, 100, kind)))
        pair.a.collect()
        a.WSPSend(s, b"marked")
        pair.advance(0.01)
        (frame,) = [f for _, f in pair.a.collect() if b"marked" in f]
        assert frame[15] >> 2 == point
        close_both(pair, s, made)


def test_a_shaping_rate_is_kept(pair):
    a, b = pair.a.spi, pair.b.spi
    asked = asking(a, 20_000, 20_000)
    asked.ProviderSpecific = build_objects([QOS_SHAPING_RATE(10_000)])
    s, made = negotiate(pair, asked)
    start = pair.now
    a.WSPSend(s, bytes(20_000))
    got = 0
    while got < 20_000:
        got += b.WSPRecv(made, [bytearray(65536)])[0]
    assert 1.5 < pair.now - start < 3
