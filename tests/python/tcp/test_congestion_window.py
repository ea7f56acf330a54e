"""How much may be on its way: slow start, avoidance, what a loss costs (section L)."""

import itertools

import pytest

from pyprov.core.port import OPT_NODELAY
from tests.proofs import proves
from tests.python.tcp.flow import Flow
from tests.python.tcp.host import Host

RENO = {"congestion": "newreno", "hystart": False, "mtu_probing": False}
CLASSIC = RENO | {"rack": False}  # without loss detection by time

controllers = pytest.mark.parametrize("congestion", ["cubic", "newreno", "dctcp"])
with_and_without_sack = pytest.mark.parametrize("sack", [True, False], ids=["sack", "plain"])


@pytest.fixture
def reno():
    with Host(tcp=RENO) as host:
        yield host


@pytest.fixture
def classic():
    with Host(tcp=CLASSIC) as host:
        yield host


def whole(segments):
    return list(range(segments))


@controllers
@proves("L01")
@pytest.mark.parametrize(("mss", "segments"), [(536, 10), (1000, 10), (1460, 10), (64, 10)])
def test_the_initial_window_is_ten_segments(congestion, mss, segments):
    with Host(tcp={"congestion": congestion}) as host:
        flow = Flow(host, mss=mss)
        assert flow.write(30) == whole(segments)
        assert flow.cwnd == segments


@proves("L01")
@pytest.mark.parametrize(("mss", "segments"), [(4000, 3), (8000, 2), (8960, 2), (1800, 8)])
def test_of_large_segments_it_is_14600_bytes_and_at_least_two(mss, segments):
    with Host(port={"mtu": 9000}, tcp={"send_buffer": 1 << 20}) as host:
        flow = Flow(host, mss=mss)
        assert flow.write(12) == whole(segments)
        assert flow.info.snd_cwnd == max(14600, 2 * flow.mss)


@proves("L01")
@pytest.mark.parametrize("segments", [1, 2, 4, 40])
def test_the_initial_window_is_as_configured(segments):
    with Host(tcp={"initial_window": segments, "send_buffer": 1 << 20}) as host:
        flow = Flow(host)
        assert flow.write(60) == whole(segments)


@proves("L02")
@controllers
@pytest.mark.parametrize("passive", [True, False])
def test_after_a_lost_syn_it_is_one_segment(congestion, passive):
    with Host(tcp={"congestion": congestion}) as host:
        end, app = host.after_a_lost_syn(passive=passive)
        app.option(OPT_NODELAY, 1)
        app.send(bytes(5000))
        end.expect("A")
        assert end.take() is None


@proves("L03")
@with_and_without_sack
def test_slow_start_adds_a_segment_for_each_that_is_acknowledged(reno, sack):
    flow = Flow(reno, sack=sack)
    assert flow.write(60) == whole(10)
    flow.pass_time(0.1)
    sent = 10
    for number in range(10):
        assert flow.ack(number + 1) == [sent, sent + 1]
        sent += 2
        assert flow.cwnd == 11 + number


@proves("L03")
def test_one_ack_opens_the_window_by_two_segments_at_most(reno):
    flow = Flow(reno)
    flow.write(60)
    flow.pass_time(0.1)
    flow.ack(2)
    assert flow.cwnd == 12
    flow.ack(10)
    assert flow.cwnd == 14


@proves("L03")
def test_with_hystart_one_ack_opens_it_by_eight_at_most():
    with Host(tcp={"congestion": "newreno"}) as host:
        flow = Flow(host)
        flow.write(60)
        flow.pass_time(0.1)
        flow.ack(10)
        assert flow.cwnd == 18


def avoiding(host, *, sack=True):
    """A flow in congestion avoidance; returns it and the first segment not yet acknowledged."""
    flow = Flow(host, sack=sack)
    host.dataplane.send(flow.app.handle, bytes(60 * flow.mss), 0)
    host.turn()
    assert flow.numbers(flow.collect()) == whole(10)
    flow.pass_time(0.1)
    if sack:
        flow.sack(0, (1, 4))
    else:
        flow.duplicates(0, 3)
    flow.collect()
    flow.pass_time(0.1)
    recover = 1 + max(flow.number(segment) for segment in flow.log)
    flow.ack(recover)
    assert flow.info.recovery == 0
    assert flow.cwnd <= flow.ssthresh
    return flow


@proves("L04")
@with_and_without_sack
def test_congestion_avoidance_adds_a_segment_a_round_trip(classic, sack):
    flow = avoiding(classic, sack=sack)
    for _ in range(5):
        before = flow.cwnd
        first = flow.number(flow.log[-1]) + 1
        classic.dataplane.send(flow.app.handle, bytes(40 * flow.mss), 0)
        classic.turn()
        acked = (flow.acked - flow.start) // flow.mss
        flow.collect()
        flow.pass_time(0.1)
        for number in range(acked, acked + int(before)):
            flow.ack(number + 1)
        assert before + 0.7 <= flow.cwnd <= before + 1.3
        assert first


@proves("L05")
@controllers
def test_the_first_threshold_is_very_high(congestion):
    with Host(tcp={"congestion": congestion}) as host:
        assert Flow(host).info.snd_ssthresh >= 2**30


@proves("L06", "L07")
@with_and_without_sack
@pytest.mark.parametrize(("flight", "threshold"), [(10, 5), (8, 4), (3, 2), (1, 2)])
def test_a_timeout_leaves_half_the_flight_as_threshold_and_one_segment(
    classic, sack, flight, threshold
):
    flow = Flow(classic, sack=sack)
    assert flow.write(flight) == whole(flight)
    assert flow.next().number == 0
    assert (flow.cwnd, flow.ssthresh) == (1, threshold)
    assert flow.wait(0.1) == []
    for _ in range(3):
        assert flow.next().number == 0
        assert (flow.cwnd, flow.ssthresh) == (1, threshold)


@proves("L06")
def test_the_timeout_of_another_segment_reduces_again():
    with Host(tcp=CLASSIC | {"f_rto": False}) as host:
        flow = Flow(host)
        flow.write(10)
        flow.next()
        assert flow.ssthresh == 5
        flow.pass_time(0.1)
        flow.ack(4)
        assert flow.next().number == 4
        assert (flow.cwnd, flow.ssthresh) == (1, 3)


@proves("L07")
@with_and_without_sack
def test_after_a_timeout_slow_start_sends_again(classic, sack):
    with Host(tcp=CLASSIC | {"f_rto": False}) as host:
        flow = Flow(host, sack=sack)
        flow.write(10)
        assert flow.next().number == 0
        flow.pass_time(0.1)
        assert flow.ack(1) == [1, 2]
        flow.pass_time(0.1)
        assert flow.ack(2) == [3, 4]
        assert flow.ack(3) == [5, 6]
        assert flow.cwnd == 4


@proves("L07")
@controllers
@with_and_without_sack
def test_the_ack_that_ends_a_timeout_counts_for_slow_start(congestion, sack):
    """A window of one segment would wait for the peer's delayed ACK at each turn."""
    with Host(tcp=CLASSIC | {"congestion": congestion}) as host:
        flow = Flow(host, sack=sack)
        flow.write(1)
        assert flow.next().number == 0
        assert flow.cwnd == 1
        flow.ack(1)
        assert flow.info.recovery == 0
        assert flow.cwnd == 2
        assert flow.write(5) == [1, 2]


@proves("L08", "L10")
def test_the_third_duplicate_ack_resends_at_once(classic):
    flow = Flow(classic, sack=False)
    assert flow.write(30) == whole(10)
    flow.pass_time(0.1)
    assert flow.duplicates(0, 2) == [[10], [11]]
    assert flow.cwnd == 10
    assert classic.counter("LIMITED_TRANSMIT") == 2
    assert flow.duplicates(0, 1) == [[0]]
    assert classic.counter("TCP_FAST_RETRANSMIT") == 1
    assert flow.ssthresh == 6  # half of the twelve in flight


@proves("L10")
def test_limited_transmit_sends_nothing_beyond_the_peers_window(classic):
    flow = Flow(classic, sack=False, window=10500)
    assert flow.write(30) == whole(10)
    flow.pass_time(0.1)
    assert flow.duplicates(0, 3) == [[], [], [0]]


@proves("L10")
def test_limited_transmit_can_be_switched_off():
    with Host(tcp=CLASSIC | {"limited_transmit": False}) as host:
        flow = Flow(host, sack=False)
        assert flow.write(30) == whole(10)
        flow.pass_time(0.1)
        assert flow.duplicates(0, 3) == [[], [], [0]]
        assert host.counter("LIMITED_TRANSMIT") == 0


@proves("L09")
@pytest.mark.parametrize(
    "fields", [{"window": 60000}, {"data": b"x"}, {"flags": 0x11}], ids=["window", "data", "fin"]
)
def test_what_else_brings_no_new_ack_is_no_duplicate(classic, fields):
    flow = Flow(classic, sack=False)
    assert flow.write(30) == whole(10)
    flow.pass_time(0.1)
    for n in range(6):
        now = dict(fields)
        if "window" in now:
            now["window"] += n
        if "data" in now:
            flow.data(b"x")
            continue
        flow.ack(0, **now)
    assert classic.counter("TCP_FAST_RETRANSMIT") == 0
    assert classic.counter("LIMITED_TRANSMIT") == 0


@proves("L09")
def test_nothing_is_a_duplicate_while_nothing_is_in_flight(classic):
    flow = Flow(classic, sack=False)
    flow.duplicates(0, 5)
    assert flow.write(10) == whole(10)
    flow.pass_time(0.1)
    assert flow.duplicates(0, 2) == [[], []]
    assert classic.counter("TCP_FAST_RETRANSMIT") == 0


@proves("L11")
@pytest.mark.parametrize("prr", [True, False])
def test_without_sack_duplicates_let_new_data_out_in_recovery(prr):
    with Host(tcp=CLASSIC | {"prr": prr}) as host:
        flow = Flow(host, sack=False)
        assert flow.write(40) == whole(10)
        flow.pass_time(0.1)
        assert flow.duplicates(0, 3) == [[10], [11], [0]]
        more = list(itertools.chain(*flow.duplicates(0, 8)))
        # Six may be in flight of twelve; one is the retransmission.
        assert more == list(range(12, 12 + len(more)))
        assert 4 <= len(more) <= 6
        assert flow.info.recovery == 2
        flow.pass_time(0.1)
        flow.ack(12)  # the full ACK
        assert flow.info.recovery == 0
        assert flow.ssthresh == 6
        assert flow.cwnd == 6


@proves("L11")
def test_new_data_below_the_recovery_point_does_not_end_it(classic):
    flow = Flow(classic, sack=False)
    flow.write(40)
    flow.pass_time(0.1)
    flow.duplicates(0, 3)
    flow.pass_time(0.1)
    flow.ack(11)
    assert flow.info.recovery == 2
    flow.pass_time(0.1)
    flow.ack(12)
    assert flow.info.recovery == 0


@proves("L12")
def test_a_partial_ack_resends_the_next_hole_at_once(classic):
    flow = Flow(classic, sack=False)
    flow.write(30)
    flow.pass_time(0.1)
    flow.duplicates(0, 3)
    flow.pass_time(0.1)
    for hole in (3, 4, 9):
        assert flow.ack(hole)[0] == hole
        flow.pass_time(0.1)
    assert flow.info.recovery == 2
    assert classic.counter("TCP_RTO") == 0
    assert classic.counter("TCP_FAST_RETRANSMIT") == 1
    flow.ack(12)
    assert flow.info.recovery == 0


@proves("L13")
def test_after_a_timeout_duplicates_of_its_repeats_start_no_recovery(classic):
    flow = Flow(classic, sack=False)
    flow.write(30)
    assert flow.next().number == 0
    flow.pass_time(0.1)
    flow.ack(10)
    flow.duplicates(10, 5)
    assert classic.counter("TCP_FAST_RETRANSMIT") == 0


@proves("L13")
def test_duplicates_behind_the_recovery_point_do_start_one(classic):
    flow = Flow(classic, sack=False)
    flow.write(30)
    assert flow.next().number == 0
    flow.pass_time(0.1)
    flow.ack(10)
    flow.ack(11)
    assert flow.duplicates(11, 3)[-1] == [11]
    assert classic.counter("TCP_FAST_RETRANSMIT") == 1


@proves("L14")
@controllers
def test_after_a_pause_the_window_is_the_initial_one(congestion):
    with Host(tcp={"congestion": congestion}) as host:
        flow = Flow(host)
        flow.write(30)
        acked = 0
        while acked < 30:
            flow.pass_time(0.1)
            numbers = [flow.number(s) for s in flow.log if flow.number(s) >= acked]
            for number in numbers:
                flow.ack(number + 1)
            acked = numbers[-1] + 1
        assert flow.cwnd > 15
        flow.pass_time(0.5)
        assert flow.write(30) == list(range(30, 40))
        assert flow.cwnd == 10
        assert host.counter("TCP_IDLE_RESTART") == 1


@proves("L14")
def test_a_short_pause_costs_nothing_nor_any_if_so_configured():
    for pause, tcp in ((0.1, {}), (5, {"slow_start_after_idle": False})):
        with Host(tcp=RENO | tcp) as host:
            flow = Flow(host)
            flow.write(10)
            flow.deliver(range(10))
            flow.write(10)
            flow.deliver(range(10, 20))
            assert flow.cwnd >= 20
            flow.pass_time(pause)
            assert len(flow.write(30)) >= 20
            assert host.counter("TCP_IDLE_RESTART") == 0


@proves("L14")
def test_a_pause_does_not_open_a_window_that_was_smaller(classic):
    flow = Flow(classic)
    flow.write(4)
    flow.next()
    assert flow.cwnd == 1
    flow.pass_time(0.1)
    flow.ack(4)
    before = flow.cwnd
    assert before < 10
    flow.pass_time(10)
    flow.write(20)
    assert flow.cwnd == before


@proves("L15")
@controllers
def test_a_sender_that_does_not_use_the_window_does_not_open_it(congestion):
    with Host(tcp={"congestion": congestion}) as host:
        flow = Flow(host)
        for number in range(0, 40, 4):
            assert flow.write(4) == list(range(number, number + 4))
            flow.deliver(range(number, number + 4))
        assert flow.cwnd == 10
        flow.write(10)  # all of it
        flow.deliver(range(40, 50))
        assert flow.cwnd > 10


@proves("L15")
def test_nor_one_that_the_peers_window_holds_back(reno):
    flow = Flow(reno, window=5000)
    flow.write(40)
    for number in range(30):
        flow.pass_time(0.02)
        flow.ack(number + 1)
    assert flow.cwnd == 10


@proves("L16")
@controllers
def test_many_acks_of_one_segment_count_once(congestion):
    with Host(tcp={"congestion": congestion, "hystart": False}) as host:
        flow = Flow(host)
        flow.write(40)
        flow.pass_time(0.1)
        for n in range(1, 101):
            flow.inject(flow.acking(n / 100))
        assert flow.cwnd == 11


@proves("L16")
def test_an_ack_of_what_was_not_sent_opens_nothing(reno):
    flow = Flow(reno)
    flow.write(40)
    for number in range(11, 30):
        flow.inject(flow.bare(flow.at(number)))
    assert flow.cwnd == 10
    assert len(flow.log) == 10


@proves("L17")
@with_and_without_sack
@pytest.mark.parametrize("congestion", ["cubic", "newreno"])
def test_the_end_of_a_recovery_lets_no_burst_out(congestion, sack):
    """The peer's window holds new data back in recovery, and opens with the ACK that ends it."""
    with Host(tcp={"congestion": congestion, "hystart": False, "send_buffer": 1 << 20}) as host:
        flow = Flow(host, sack=sack, wscale=4)
        host.dataplane.send(flow.app.handle, bytes(500 * flow.mss), 0)
        host.turn()
        flow.collect()
        while flow.cwnd < 80:
            flow.deliver(range(flow.number_acked, flow.number_sent))
        first, last = flow.number_acked, flow.number_sent
        shut = (last - first) * flow.mss // 16
        flow.window = shut
        flow.pass_time(0.1)
        for n in range(first + 2, last + 1):
            if sack:
                flow.sack(first, (first + 1, n))
            else:
                flow.ack(first)
        flow.pass_time(0.1)
        assert flow.info.recovery == 2
        flow.window = 65535
        assert len(flow.ack(last)) <= 10
        assert flow.info.recovery == 0
        assert flow.ssthresh >= 40


@proves("L17")
def test_a_timeout_that_was_none_lets_no_burst_out():
    with Host(tcp=CLASSIC) as host:
        flow = Flow(host, stamps=True)
        flow.write(60)
        flow.deliver(range(10))
        first, last = flow.number_acked, flow.number_sent
        assert (first, last) == (10, 30)
        old = flow.echo
        assert flow.next().number == first
        sent = [flow.ack(number + 1, echo=old) for number in range(first, last)]
        assert max(map(len, sent)) <= 10
        assert host.counter("TCP_RTO_SPURIOUS") == 1
