"""Finding what is lost and sending it again: RFC 6675, 8985, 6937 (M10 to M21)."""

import itertools

import pytest

from tests.proofs import proves
from tests.python.tcp.flow import Flow, in_flight
from tests.python.tcp.host import Host

BASE = {"congestion": "newreno", "hystart": False, "mtu_probing": False}
BY_COUNT = BASE | {"rack": False}

TICK = 0.0015


def near(seconds):
    return pytest.approx(seconds, abs=TICK)


@pytest.fixture
def by_count():
    """Our side without RACK: RFC 6675 alone."""
    with Host(tcp=BY_COUNT) as host:
        yield host


@pytest.fixture
def rack():
    with Host(tcp=BASE) as host:
        yield host


# RFC 6675


@proves("M10")
def test_three_sacked_segments_above_make_one_lost(by_count):
    flow = in_flight(by_count)
    assert flow.sack(0, (1, 2)) == [10]
    assert flow.sack(0, (1, 3)) == [11]
    assert flow.info.lost == 0
    assert flow.sack(0, (1, 4)) == [0]
    assert flow.info.lost == 1
    assert by_count.counter("TCP_SACK_LOST") == 1


@proves("M10")
def test_they_need_not_be_neighbours(by_count):
    flow = in_flight(by_count, waiting=0)
    assert flow.sack(0, (9, 10)) == []
    assert flow.sack(0, (5, 6), (9, 10)) == []
    assert flow.sack(0, (7, 8), (5, 6), (9, 10)) == [0]
    assert flow.info.lost == 5  # 0 to 4: the 6th has two above it only


@proves("M10")
def test_more_than_two_segments_worth_of_bytes_will_do(by_count):
    """Three SACKed records make one lost; here two large ones and a bit of a third."""
    flow = Flow(by_count)
    flow.write(3)
    flow.write(0, extra=100)
    flow.pass_time(0.1)
    assert flow.sack(0, (1, 3)) == []
    assert flow.sack(0, (1, 3.1)) == [0]


@proves("M11", "M12")
def test_the_pipe_limits_sending_until_the_recovery_point(by_count):
    flow = in_flight(by_count)
    for n in (2, 3, 4):
        flow.sack(0, (1, n))
    assert flow.ssthresh == 6
    for n in range(5, 13):
        flow.sack(0, (1, n))
        info = flow.info
        pipe = info.unacked - info.sacked - info.lost + info.retrans
        assert pipe * flow.mss <= max(info.snd_cwnd, info.snd_ssthresh)
    flow.pass_time(0.1)
    for number in (1, 5, 11):  # not yet what was sent when it began
        flow.inject(flow.acking(number))
        assert flow.info.recovery == 2
    flow.ack(12)
    assert flow.info.recovery == 0
    assert flow.cwnd <= 6


@proves("M13")
def test_first_the_holes_then_new_data_then_what_lies_below_sacked_data(by_count):
    flow = in_flight(by_count, waiting=2)
    assert flow.sack(0, (3, 4), (5, 6), (7, 8)) == [0]
    order = [0]
    acked, blocks = 0, [(3, 4), (5, 6), (7, 8)]
    for _ in range(12):
        flow.pass_time(0.001)
        blocks = [(left, right + (left == 7 and right < 9)) for left, right in blocks]
        order += flow.sack(acked, *blocks)
        if order[-1] == 2:
            break
        acked += acked < 2
    assert order[:3] == [0, 1, 2]
    new = [n for n in order if n >= 10]
    assert not new
    flow.pass_time(0.01)
    order = flow.sack(4, (5, 6), (7, 10))
    order += flow.sack(4, (5, 6), (7, 10))
    assert order[0] in {4, 6, 10}
    assert by_count.counter("TCP_RTO") == 0


@proves("M13")
def test_the_rescue_retransmission_keeps_a_recovery_alive(by_count):
    """Nothing lost is left to send and nothing new there: the end of the flight, once."""
    flow = in_flight(by_count, waiting=0)
    flow.sack(0, (1, 2))
    flow.sack(0, (1, 3))
    assert flow.sack(0, (1, 4)) == [0]
    sent = []
    for n in range(5, 8):
        sent += flow.sack(0, (1, n))
    assert sent == [9]
    assert by_count.counter("TCP_RESCUED") == 1
    for _ in range(3):
        assert flow.sack(0, (1, 7)) == []


# RACK and the tail loss probe


@proves("M14")
def test_at_no_distance_a_retransmission_is_not_taken_for_older_than_what_it_followed(rack):
    """All at one time: the copy of the first left after the original of the last."""
    flow = Flow(rack, rtt=0)
    assert flow.write(6) == list(range(6))
    assert flow.sack(0, (1, 2)) == [0]
    assert [flow.sack(0, (1, n)) for n in range(3, 7)] == [[]] * 4
    assert flow.ack(6) == []
    assert flow.info.total_retrans == 1


@proves("M14", "M19")
def test_with_rack_nothing_is_sent_again_that_is_not_known_to_be_lost(rack):
    """A needless copy would come back as a duplicate and widen the reordering window."""
    flow = in_flight(rack, 10, 0)
    for n in (2, 3, 4):
        flow.sack(0, (1, n))
    assert [flow.sack(0, (1, n)) for n in range(5, 10)] == [[]] * 5
    assert flow.info.total_retrans == 1
    flow.pass_time(0.1)
    assert flow.ack(9) == [9]  # sent before what has now arrived


@proves("M14", "M16")
def test_rack_waits_a_quarter_of_the_round_trip_time(rack):
    flow = in_flight(rack, waiting=0)
    assert flow.sack(0, (1, 2)) == []
    assert flow.info.recovery == 1
    assert flow.next() == (near(0.025), 0)
    assert rack.counter("TCP_RACK_LOST") == 1
    assert flow.info.recovery == 2


@proves("M14")
def test_rack_finds_no_loss_if_the_segment_comes_in_time(rack):
    flow = in_flight(rack, waiting=0)
    flow.sack(0, (1, 2))
    flow.pass_time(0.02)
    flow.ack(2)
    for number in range(3, 11):
        flow.pass_time(0.005)
        flow.ack(number)
    assert rack.counter("TCP_RETRANSMITTED") == 0
    assert flow.info.reordering == 1


@proves("M15")
def test_the_window_is_zero_after_three_sacked_while_no_reordering_was_seen(rack):
    flow = in_flight(rack, waiting=0)
    assert flow.sack(0, (1, 2)) == []
    assert flow.sack(0, (1, 3)) == []
    assert flow.sack(0, (1, 4)) == [0]
    assert rack.counter("TCP_RACK_LOST") == 1


def reordered(host):
    """A flow that has seen reordering, twenty segments in flight."""
    flow = in_flight(host, 10, 10)
    flow.sack(0, (1, 3))
    flow.ack(3)
    assert flow.info.reordering == 1
    flow.ack(10)
    flow.pass_time(0.1)
    return flow


@proves("M15")
def test_after_reordering_time_alone_decides(rack):
    flow = reordered(rack)
    for n in range(12, 20):
        assert flow.sack(10, (11, n)) == []
    assert rack.counter("TCP_FAST_RETRANSMIT") == 0
    assert flow.next() == (near(0.025), 10)


@proves("M15")
def test_what_one_ack_brings_is_no_reordering(rack):
    """The ACK of 0 and 1 is lost, so 0, 1 and 3 are heard of at once."""
    flow = in_flight(rack, waiting=0)
    flow.sack(2, (3, 4))
    assert flow.info.reordering == 0
    flow.sack(2, (9, 10), (7, 8), (5, 6))
    assert flow.info.reordering == 0


@proves("M15")
def test_a_duplicate_sack_widens_the_window_and_recoveries_narrow_it_again(rack):
    flow = reordered(rack)

    def waits(first):
        """For how long the loss of a segment is not believed."""
        assert flow.write(2) == [first, first + 1]
        flow.pass_time(0.1)
        flow.sack(first, (first + 1, first + 2))
        found = flow.next()
        assert found.number == first
        flow.pass_time(0.1)
        flow.ack(flow.number_sent)
        return found.when

    flow.ack(20)
    assert waits(20) == near(0.025)
    first = flow.number_sent
    flow.write(2)
    flow.pass_time(0.1)
    flow.sack(first + 2, (first, first + 1))  # it came twice
    assert flow.info.dsack_dups == 1
    widths = [waits(flow.number_sent) for _ in range(17)]
    assert widths[0] == near(0.05)
    assert widths[14] == near(0.05)
    assert widths[16] == near(0.025)


@proves("M17")
def test_rack_finds_a_lost_retransmission(rack):
    flow = in_flight(rack, waiting=30)
    flow.sack(0, (1, 2))
    flow.sack(0, (1, 3))
    assert flow.sack(0, (1, 4)) == [0]
    flow.pass_time(0.01)
    later = []
    for n in range(5, 11):
        later += flow.sack(0, (1, n))
    assert later
    assert 0 not in later
    flow.pass_time(0.1)
    resent = flow.sack(0, (1, later[-1] + 1))
    assert resent[0] == 0
    assert rack.counter("TCP_RACK_LOST") == 2
    assert rack.counter("TCP_RTO") == 0


@proves("M14", "K10")
def test_a_fast_retransmission_has_a_whole_timeout_of_its_own(rack):
    """It is not sent again less than one RTO after it was sent (RFC 6298 5)."""
    flow = Flow(rack)
    for number in range(12):
        flow.write(1)
        flow.pass_time(0.1)
        flow.ack(number + 1)
    assert flow.rto < 0.21
    assert flow.write(2) == [12, 13]
    flow.pass_time(0.1)
    flow.sack(12, (13, 14))
    assert flow.next() == (near(0.025), 12)
    assert flow.next() == (near(0.2), 12)


@proves("M14")
@pytest.mark.parametrize("on", [True, False])
def test_a_timeout_gives_up_only_what_is_overdue(on):
    """RFC 8985 6.3: what was sent a moment ago may still arrive."""
    with Host(tcp=BASE | {"tlp": False, "rack": on}) as host:
        flow = Flow(host)
        flow.write(1)
        flow.pass_time(0.1)
        flow.ack(1)
        assert flow.write(2) == [1, 2]
        flow.pass_time(0.17)
        assert flow.write(1) == [3]
        assert flow.next().number == 1
        assert flow.info.lost == (2 if on else 3)


@proves("M17")
def test_without_rack_only_the_timer_finds_it(by_count):
    flow = in_flight(by_count, waiting=30)
    for n in range(2, 11):
        flow.sack(0, (1, n))
    last = flow.number_sent
    flow.pass_time(0.1)
    flow.sack(0, (1, last))
    assert [flow.number(s) for s in flow.log].count(0) == 2
    assert flow.next().number == 0
    assert by_count.counter("TCP_RTO") == 1


@proves("M18")
def test_the_probe_comes_after_two_round_trip_times(rack):
    flow = Flow(rack)
    flow.write(3)
    srtt = flow.info.srtt / 1e6
    assert flow.next() == (near(2 * srtt), 2)
    assert rack.counter("TCP_TLP") == 1
    assert rack.counter("TCP_RTO") == 0


@proves("M18")
@pytest.mark.parametrize("rtt", [0.05, 0.1, 0.3])
def test_with_one_segment_in_flight_it_allows_for_a_delayed_ack(rtt):
    with Host(tcp=BASE | {"rto_min": 1.0}) as host:
        flow = Flow(host, rtt=rtt)
        flow.write(1)
        assert flow.next() == (near(min(2 * rtt + 0.2, 1.0)), 0)
        assert host.counter("TCP_TLP") == 1


@proves("M18")
def test_it_does_not_come_after_the_retransmission_timer_would(rack):
    flow = Flow(rack)
    flow.write(1)  # 2 SRTT + 200 ms are 400 ms; the time-out is at 300 ms
    assert flow.next() == (near(0.3), 0)
    assert (rack.counter("TCP_TLP"), rack.counter("TCP_RTO")) == (1, 0)


@proves("M19")
def test_the_probe_is_new_data_if_there_is_some(rack):
    flow = in_flight(rack)  # the window is full, 20 more wait
    assert flow.next() == (near(0.1), 10)
    assert flow.next().number == 0  # one probe; then the timer
    assert (rack.counter("TCP_TLP"), rack.counter("TCP_RTO")) == (1, 1)


@proves("M19")
def test_without_new_data_it_is_the_last_segment_once(rack):
    flow = in_flight(rack, waiting=0)
    rto = flow.rto
    assert flow.next() == (near(0.1), 9)
    assert flow.next() == (near(rto), 0)
    assert (rack.counter("TCP_TLP"), rack.counter("TCP_RTO")) == (1, 1)


@proves("M19")
def test_the_probe_lets_a_lost_tail_be_repaired_without_a_timeout(rack):
    flow = in_flight(rack, waiting=0)
    flow.ack(7)  # 7, 8 and 9 are lost
    assert flow.next().number == 9
    flow.pass_time(0.1)
    assert flow.sack(7, (9, 10)) == [7]
    assert flow.info.recovery == 2
    flow.pass_time(0.1)
    assert flow.sack(8, (9, 10)) == [8]
    flow.pass_time(0.1)
    flow.ack(10)
    assert rack.counter("TCP_RTO") == 0
    assert flow.info.recovery == 0


@proves("M18", "M19")
def test_probes_can_be_switched_off():
    with Host(tcp=BASE | {"tlp": False}) as host:
        flow = Flow(host)
        flow.write(3)
        assert flow.next() == (near(0.3), 0)
        assert (host.counter("TCP_TLP"), host.counter("TCP_RTO")) == (0, 1)


@proves("M20")
@pytest.mark.parametrize("answer", ["one copy", "D-SACK", "both copies"])
def test_a_loss_that_the_probe_repaired_is_answered_like_one(rack, answer):
    flow = in_flight(rack, waiting=0)
    flow.ack(9)
    before = flow.cwnd
    assert flow.next().number == 9
    flow.pass_time(0.1)
    if answer == "D-SACK":
        flow.sack(10, (9, 10))
    else:
        flow.ack(10)
    if answer == "both copies":
        flow.ack(10)
        flow.write(1)
    else:
        assert flow.write(1) == [10]
    flow.pass_time(0.1)
    flow.ack(11)
    if answer == "one copy":
        assert flow.cwnd < before
    else:
        assert flow.cwnd >= before


@proves("M20")
def test_a_probe_of_new_data_costs_nothing(rack):
    flow = in_flight(rack, waiting=1)
    assert flow.next().number == 10
    before = flow.cwnd
    flow.ack(11)
    assert flow.cwnd >= before


# Proportional rate reduction


@proves("M21")
@pytest.mark.parametrize("congestion", ["newreno", "cubic"])
def test_in_recovery_as_much_leaves_as_ssthresh_has_of_the_flight(congestion):
    with Host(tcp=BASE | {"congestion": congestion, "initial_window": 20}) as host:
        flow = in_flight(host, 20, 30)
        flow.sack(0, (1, 2))
        flow.sack(0, (1, 3))
        assert flow.sack(0, (1, 4)) == [0]
        share = {"newreno": 0.5, "cubic": 0.7}[congestion]
        assert flow.ssthresh == pytest.approx(22 * share, abs=0.5)
        sent = [len(flow.sack(0, (1, n))) for n in range(5, 23)]
        total = list(itertools.accumulate(sent))
        for n, so_far in enumerate(total[:12]):
            # One went out with the ACK that began it.
            assert so_far + 1 == pytest.approx((n + 1) * share, abs=1.6)
        info = flow.info
        assert info.unacked - info.sacked == pytest.approx(flow.ssthresh, abs=1)
        flow.pass_time(0.1)
        flow.ack(22)
        assert flow.cwnd == pytest.approx(22 * share, abs=0.1)
        assert host.counter("PRR") == total[-1] + 1


@proves("M21")
@pytest.mark.parametrize("lost", [1, 4])
def test_below_ssthresh_each_ack_lets_one_segment_out_from_the_first_on(lost):
    """What the ACK brought that showed the loss counts too: the fast retransmit was its due."""
    with Host(tcp=BASE | {"congestion": "cubic"}) as host:
        flow = in_flight(host, 10, 0)
        for n in (1, 2):
            assert flow.sack(0, (lost, lost + n)) == []
        assert flow.sack(0, (lost, lost + 3)) == [0]
        flow.write(20)
        due = [*range(1, lost), *range(10, 30)]
        for n in range(lost + 4, 11):
            assert flow.sack(0, (lost, n)) == [due.pop(0)]


@proves("M21")
def test_when_much_is_lost_it_rebuilds_by_slow_start(rack):
    """12 of 20 are lost: what is in flight is below ssthresh."""
    with Host(tcp=BASE | {"initial_window": 20}) as host:
        flow = in_flight(host, 20, 30)
        sent = [len(flow.sack(0, (12, n))) for n in range(14, 21)]
        assert max(sent) <= 2
        acked = [flow.sack(n, (12, 20)) for n in range(1, 6)]
        assert all(1 <= len(out) <= 2 for out in acked)


@proves("M21")
def test_without_proportional_reduction_half_a_window_of_acks_lets_nothing_out():
    with Host(tcp=BASE | {"initial_window": 20, "prr": False}) as host:
        flow = in_flight(host, 20, 30)
        flow.sack(0, (1, 2))
        flow.sack(0, (1, 3))
        assert flow.sack(0, (1, 4)) == [0]
        sent = [len(flow.sack(0, (1, n))) for n in range(5, 21)]
        assert sent[:6] == [0] * 6
        assert sum(sent) in range(7, 11)
        assert host.counter("PRR") == 0
