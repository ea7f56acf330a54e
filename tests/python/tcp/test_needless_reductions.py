"""Retransmissions that were not needed, found and taken back: RFC 5682, 3522, 3708 (M22, M23)."""

import pytest

from tests.proofs import proves
from tests.python.tcp.flow import in_flight
from tests.python.tcp.host import Host

BASE = {"congestion": "newreno", "hystart": False, "mtu_probing": False}

with_and_without_sack = pytest.mark.parametrize("sack", [True, False], ids=["sack", "plain"])


@pytest.fixture
def rack():
    with Host(tcp=BASE) as host:
        yield host


@proves("M22")
@with_and_without_sack
def test_f_rto_finds_a_timeout_that_was_none(sack):
    with Host(tcp=BASE | {"tlp": False}) as host:
        flow = in_flight(host, sack=sack)
        cwnd, ssthresh = flow.cwnd, flow.ssthresh
        assert flow.next().number == 0
        assert flow.cwnd == 1
        # The path was only slow: what was sent first is acknowledged.
        assert flow.ack(1) == [10, 11]  # new data, not the next hole
        flow.ack(2)
        assert host.counter("TCP_UNDO_FRTO") == 1
        assert host.counter("TCP_RTO_SPURIOUS") == 1
        assert flow.cwnd >= cwnd
        assert flow.ssthresh == ssthresh
        assert flow.info.lost == 0
        for number in range(3, 13):
            flow.ack(number)
        assert host.counter("TCP_RETRANSMITTED") == 1


@proves("M22")
@with_and_without_sack
def test_without_f_rto_all_is_sent_again(sack):
    with Host(tcp=BASE | {"tlp": False, "f_rto": False}) as host:
        flow = in_flight(host, sack=sack)
        flow.next()
        assert flow.ack(1) == [1, 2]
        flow.ack(2)
        assert host.counter("TCP_RTO_SPURIOUS") == 0
        assert flow.cwnd <= 3
        assert host.counter("TCP_RETRANSMITTED") >= 3


@proves("M22")
@with_and_without_sack
@pytest.mark.parametrize("case", ["first is a duplicate", "second is a duplicate", "all at once"])
def test_f_rto_believes_a_timeout_that_was_one(sack, case):
    with Host(tcp=BASE | {"tlp": False, "rack": False}) as host:
        flow = in_flight(host, sack=sack)
        flow.next()
        if case == "all at once":
            flow.ack(10)
        else:
            if case == "first is a duplicate":
                flow.ack(0)
            flow.ack(1)
            flow.ack(1)
            flow.ack(1)
        assert host.counter("TCP_UNDO") == 0
        assert flow.ssthresh == 5
        flow.pass_time(0.1)
        if case == "all at once":
            return
        sent = []
        for number in range(2, 11):
            flow.pass_time(0.01)
            sent += flow.ack(number)
        assert set(flow.numbers(flow.log)) >= set(range(10))


@proves("M22")
@with_and_without_sack
def test_timestamps_show_that_a_timeout_was_none(sack):
    with Host(tcp=BASE | {"tlp": False, "f_rto": False}) as host:
        flow = in_flight(host, stamps=True, sack=sack)
        old, cwnd = flow.echo, flow.cwnd
        assert flow.next().number == 0
        flow.ack(1, echo=old)
        assert host.counter("TCP_UNDO_EIFEL") == 1
        assert flow.cwnd >= cwnd
        assert flow.info.recovery == 0


@proves("M22")
def test_a_later_echo_shows_that_it_was_one():
    with Host(tcp=BASE | {"tlp": False, "f_rto": False}) as host:
        flow = in_flight(host, stamps=True)
        assert flow.next().number == 0
        flow.pass_time(0.1)
        flow.ack(1)
        assert host.counter("TCP_UNDO") == 0
        assert flow.info.recovery == 3


@proves("M22", "M23")
@pytest.mark.parametrize("undo", [True, False])
def test_timestamps_show_that_a_fast_retransmit_was_none(undo):
    with Host(tcp=BASE | {"undo": undo}) as host:
        flow = in_flight(host, stamps=True)
        old, cwnd, ssthresh = flow.echo, flow.cwnd, flow.ssthresh
        flow.sack(0, (1, 3), echo=old)
        assert flow.sack(0, (1, 4), echo=old)[0] == 0
        assert flow.ssthresh < 10
        flow.pass_time(0.002)
        flow.ack(4, echo=old)
        assert host.counter("TCP_UNDO_EIFEL") == undo
        assert (flow.ssthresh == ssthresh) == undo
        assert (flow.cwnd >= cwnd) == undo


@proves("M23")
@pytest.mark.parametrize("undo", [True, False])
@pytest.mark.parametrize("late", [True, False], ids=["after recovery", "in recovery"])
def test_a_duplicate_sack_shows_that_a_fast_retransmit_was_none(undo, late):
    with Host(tcp=BASE | {"undo": undo}) as host:
        flow = in_flight(host)
        cwnd, ssthresh = flow.cwnd, flow.ssthresh
        flow.sack(0, (1, 3))
        assert flow.sack(0, (1, 4))[0] == 0
        last = flow.number_sent
        flow.ack(last if late else 4)
        assert flow.ssthresh < 10
        flow.pass_time(0.05)
        flow.sack(last if late else 5, (0, 1))
        assert host.counter("TCP_UNDO_DSACK") == undo
        assert (flow.ssthresh == ssthresh) == undo
        assert (flow.cwnd >= cwnd) == undo


@proves("M23")
def test_a_duplicate_of_one_of_two_retransmissions_proves_nothing(rack):
    flow = in_flight(rack)
    for n in range(4, 9):
        flow.sack(0, (2, n))
    assert rack.counter("TCP_RETRANSMITTED") == 2
    flow.sack(8, (0, 1))
    assert rack.counter("TCP_UNDO") == 0
    flow.sack(8, (1, 2))
    assert rack.counter("TCP_UNDO") == 1
