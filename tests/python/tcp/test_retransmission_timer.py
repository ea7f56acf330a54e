"""Round-trip time, the retransmission timer, and giving up (section K)."""

import errno
import itertools

import pytest

from pyprov.core.port import OPT_MAXSEG, OPT_USER_TIMEOUT
from tests.proofs import proves
from tests.python.tcp.flow import Flow
from tests.python.tcp.frames import is_tcp
from tests.python.tcp.host import Host

TICK = 0.0011  # a millisecond, and what rounding a SYN's time takes

NO_PROBE = {"tlp": False}  # so that the retransmission timer is the first to fire


def near(seconds):
    return pytest.approx(seconds, abs=TICK)


@pytest.fixture
def plain():
    """Our side without tail loss probes."""
    with Host(tcp=NO_PROBE) as host:
        yield host


def sample(flow, number, seconds):
    """Segment `number` is sent and acknowledged so much later."""
    assert flow.write(1) == [number]
    flow.pass_time(seconds)
    flow.ack(number + 1)


@proves("K01")
@pytest.mark.parametrize("initial", [None, 0.5, 3.0])
def test_the_first_timeout_is_a_second_or_as_configured(initial):
    tcp = {"rto_initial": initial} if initial else {}
    with Host(tcp=tcp, listen=False) as host:
        end, _ = host.connect()
        first = end.expect("S")
        second = end.take(5)
        assert second.time - first.time == near(initial or 1.0)


@proves("K02")
@pytest.mark.parametrize("rtt", [0.1, 0.4, 0.9, 0.02])
def test_the_first_sample_sets_mean_variance_and_timeout(plain, rtt):
    flow = Flow(plain, rtt=rtt)
    assert flow.info.srtt / 1e6 == near(rtt)
    assert flow.info.rttvar / 1e6 == near(rtt / 2)
    assert flow.rto == near(max(rtt + 4 * rtt / 2, 0.2))
    assert flow.write(1) == [0]
    assert flow.next() == (near(max(3 * rtt, 0.2)), 0)


@proves("K03")
def test_later_samples_move_the_variance_first_then_the_mean(plain):
    flow = Flow(plain, rtt=0.2)
    mean, spread = 0.2, 0.1
    for number, rtt in enumerate([0.3, 0.1, 0.5, 0.5, 0.05, 0.2]):
        sample(flow, number, rtt)
        spread = 0.75 * spread + 0.25 * abs(mean - rtt)
        mean = 0.875 * mean + 0.125 * rtt
        assert flow.info.srtt / 1e6 == near(mean)
        assert flow.info.rttvar / 1e6 == near(spread)
        assert flow.rto == pytest.approx(mean + 4 * spread, abs=0.003)


@proves("K04")
@pytest.mark.parametrize("least", [0.2, 1.0, 0.01])
def test_the_timeout_is_not_less_than_configured(least):
    with Host(tcp=NO_PROBE | {"rto_min": least}) as host:
        flow = Flow(host, rtt=0.001)
        for number in range(20):
            sample(flow, number, 0.001)
        assert flow.rto == near(least)
        assert flow.write(1) == [20]
        assert flow.next() == (near(least), 20)


@proves("K04")
def test_on_a_steady_path_a_held_back_acknowledgment_causes_no_timeout(plain):
    """The variance goes to zero; what a peer may hold its ACK back is left all the same."""
    flow = Flow(plain, rtt=0.3)
    for number in range(40):
        sample(flow, number, 0.3)
    assert flow.info.rttvar < 1000
    sample(flow, 40, 0.39)
    assert plain.counter("TCP_RTO") == 0


@proves("K05")
def test_the_timeout_doubles_up_to_its_maximum():
    with Host(tcp=NO_PROBE) as host:
        flow = Flow(host)
        flow.write(1)
        gaps = [flow.next(within=130).when for _ in range(12)]
        assert gaps[0] == near(0.3)
        assert all(
            b == pytest.approx(min(2 * a, 120), rel=0.01) for a, b in itertools.pairwise(gaps)
        )
        assert gaps[-1] == near(120)
        assert flow.rto >= 60


@proves("K06")
def test_without_timestamps_what_was_sent_twice_is_no_sample(plain):
    flow = Flow(plain)
    flow.write(1)
    assert flow.next() == (near(0.3), 0)
    before = flow.info
    flow.pass_time(0.01)
    flow.ack(1)
    assert (flow.info.srtt, flow.info.rttvar, flow.info.min_rtt) == (
        before.srtt,
        before.rttvar,
        before.min_rtt,
    )


@proves("K06")
def test_an_ack_of_both_kinds_is_no_sample_either(plain):
    flow = Flow(plain)
    flow.write(3)
    assert flow.next().number == 0
    before = flow.info
    flow.pass_time(0.5)
    flow.ack(3)
    assert flow.info.srtt == before.srtt


@proves("K07", "K08", "K09")
def test_the_timer_starts_with_data_restarts_with_acks_and_stops_at_the_end(plain):
    flow = Flow(plain)
    assert flow.write(1) == [0]
    flow.pass_time(0.2)
    assert flow.write(1) == [1]  # runs already
    assert flow.next() == (near(0.1), 0)
    flow = Flow(plain)
    flow.write(3)
    flow.pass_time(0.1)
    flow.ack(1)
    rto = flow.rto
    assert flow.next() == (near(rto), 1)  # from the ACK on
    flow = Flow(plain)
    flow.write(3)
    flow.pass_time(0.1)
    flow.ack(3)
    assert flow.wait(10) == []


@proves("K09")
def test_duplicate_acks_do_not_restart_the_timer(plain):
    flow = Flow(plain)
    flow.write(4)
    flow.pass_time(0.1)
    flow.ack(0)
    flow.pass_time(0.1)
    flow.ack(0)
    assert flow.next() == (near(0.1), 0)


@proves("K10")
@pytest.mark.parametrize("sack", [True, False])
@pytest.mark.parametrize("stamps", [True, False])
def test_on_expiry_the_first_segment_is_sent_again_with_back_off(plain, sack, stamps):
    flow = Flow(plain, sack=sack, stamps=stamps)
    assert flow.write(5) == [0, 1, 2, 3, 4]
    rto = flow.rto
    for n in range(5):
        assert flow.next() == (near(rto * 2**n), 0)
        assert flow.rto == near(rto * 2 ** (n + 1))
        assert flow.info.backoff == n + 1
    assert plain.counter("TCP_RTO") == 5


@proves("K11")
def test_the_doubled_timeout_stays_until_there_is_a_sample(plain):
    flow = Flow(plain)
    flow.write(2)
    flow.next()
    flow.next()
    assert flow.rto == near(1.2)
    assert flow.ack(1) == [1]  # of what was sent twice: no sample
    assert flow.rto == near(1.2)
    flow.pass_time(0.1)
    flow.ack(2)
    assert flow.rto == near(1.2)
    assert flow.write(1) == [2]
    flow.pass_time(0.1)
    flow.ack(3)  # sent once
    assert flow.rto < 0.4


@proves("K11")
def test_timestamps_give_a_sample_at_once(plain):
    flow = Flow(plain, stamps=True)
    flow.write(2)
    flow.next()
    flow.next()
    flow.pass_time(0.1)
    flow.ack(1)
    assert flow.rto < 0.4


@proves("K12")
@pytest.mark.parametrize("passive", [True, False])
def test_after_a_lost_syn_data_starts_with_three_seconds(passive):
    with Host(tcp=NO_PROBE) as host:
        end, app = host.after_a_lost_syn(passive=passive)
        app.send(b"x")
        first = end.expect("PA", b"x")
        again = end.take(10)
        assert again.time - first.time == near(3.0)


@proves("K13", "K15")
def test_after_three_retransmissions_the_neighbour_is_asked_again():
    with Host(tcp=NO_PROBE, port={"neighbour": []}) as host:
        host.peer.announce()
        flow = Flow(host)
        flow.write(1)
        data = asked = 0
        while not asked:
            host.lab.advance(0.05)
            for _, frame in host.lab.collect():
                data += is_tcp(frame)
                asked += frame[12:14] == b"\x08\x06"
            assert data <= 3, "R1 is past"
        assert data == 3


@proves("K13", "K15")
def test_a_connection_is_given_up_after_the_configured_retransmissions(plain):
    flow = Flow(plain)
    flow.write(1)
    began = plain.lab.now
    sent = []
    while flow.app.info.state == 4:
        before = plain.lab.now
        plain.lab.advance(30)
        sent += flow.collect()
        if plain.lab.now - before > 10_000 or flow.app.status.error:
            break
    assert flow.app.error == errno.ETIMEDOUT
    assert len(sent) == 15
    assert plain.lab.now - began > 100
    assert plain.counter("TCP_TIMED_OUT") == 1


@proves("K13")
@pytest.mark.parametrize("retries", [1, 3, 7])
def test_the_number_of_retransmissions_is_as_configured(retries):
    with Host(tcp=NO_PROBE | {"data_retries": retries}) as host:
        flow = Flow(host)
        flow.write(1)
        host.lab.advance(500)
        assert len(flow.collect()) == retries
        assert flow.app.error == errno.ETIMEDOUT


@proves("K14", "K16")
@pytest.mark.parametrize("seconds", [0.5, 3, 20])
def test_the_application_may_set_how_long_it_waits(plain, seconds):
    flow = Flow(plain)
    flow.app.option(OPT_USER_TIMEOUT, round(seconds * 1000))
    flow.write(1)
    plain.lab.advance(seconds - 0.01)
    assert not flow.app.status.error
    plain.lab.advance(0.02)
    assert flow.app.error == errno.ETIMEDOUT


@proves("K14")
def test_the_application_may_wait_for_ever(plain):
    flow = Flow(plain)
    flow.app.option(OPT_USER_TIMEOUT, 2**64 - 1)
    flow.write(1)
    plain.lab.advance(24 * 3600)
    assert len(flow.collect()) > 100
    assert not flow.app.status.error
    flow.ack(1)
    flow.app.send(b"more")  # however small full segments have become
    (sent,) = flow.collect()
    assert flow.number(sent) == 1


@proves("K16")
def test_the_users_timeout_holds_for_a_closed_window_too(plain):
    flow = Flow(plain)
    flow.app.option(OPT_USER_TIMEOUT, 5000)
    flow.write(2)
    flow.pass_time(0.1)
    flow.ack(2, window=0)
    plain.dataplane.send(flow.app.handle, b"x", 0)
    plain.turn()
    for _ in range(48):
        plain.lab.advance(0.1)
        assert not flow.app.status.error
        if flow.answers:
            flow.answer()
            flow.ack(2, window=0)
    plain.lab.advance(0.4)
    assert flow.app.error == errno.ETIMEDOUT


@proves("K16")
def test_progress_begins_the_users_timeout_anew():
    with Host(tcp=NO_PROBE | {"user_timeout": 2.0}) as host:
        flow = Flow(host)
        flow.write(8)
        for number in range(8):
            flow.pass_time(1.5)
            flow.ack(number + 1)
        assert not flow.app.status.error
        flow.pass_time(10)
        assert not flow.app.status.error  # nothing waits for the peer


@proves("K17")
def test_after_a_smaller_mss_what_is_resent_is_cut_anew(plain):
    flow = Flow(plain)
    data = bytes(range(256)) * 8
    plain.dataplane.send(flow.app.handle, data[:2000], 0)
    plain.turn()
    assert [len(s.payload) for s in flow.collect()] == [1000, 1000]
    flow.app.option(OPT_MAXSEG, 300)
    first = len(flow.log)
    have = b""
    while len(have) < 2000:
        plain.lab.advance(1)
        flow.collect()
        got = {(s.seq - flow.start) % 2**32: s.payload for s in flow.log[first:]}
        before, have = have, b""
        while len(have) in got:
            have += got[len(have)]
        assert len(have) > len(before)
        flow.inject(flow.acking(len(have) / flow.mss))
    assert all(len(segment.payload) <= 300 for segment in flow.log[first:])
    assert have == data[:2000]


@proves("K18")
def test_the_clock_is_finer_than_a_hundredth_of_a_second():
    with Host(tcp=NO_PROBE | {"rto_min": 0.001}) as host:
        for rtt in (0.003, 0.004, 0.005):
            flow = Flow(host, rtt=rtt)
            flow.write(1)
            assert flow.next() == (pytest.approx(3 * rtt, abs=0.0005), 0)
