"""CUBIC's curve (RFC 9438) and HyStart++ (RFC 9406) as they show on the wire (N08 to N14)."""

import itertools

import pytest

from tests.proofs import proves
from tests.python.tcp.flow import Flow
from tests.python.tcp.host import Host

BUFFERS = {"send_buffer": 8 << 20, "send_buffer_max": 8 << 20}
CUBIC = BUFFERS | {"congestion": "cubic", "mtu_probing": False}
C, BETA = 0.4, 0.7
ALPHA = 3 * (1 - BETA) / (1 + BETA)


class Path(Flow):
    """A path on which every segment is acknowledged after one round-trip time."""

    def __init__(self, host, *, rtt=0.1, **params):
        super().__init__(host, rtt=rtt, wscale=8, window=65535, **params)
        self.feed()

    def feed(self):
        waiting = self.info.notsent
        if waiting < 2000 * self.mss:
            self.dataplane.send(self.app.handle, bytes(4000 * self.mss - waiting), 0)
            self.host.turn()

    def round(self):
        """All that is in flight is acknowledged within a round trip; returns cwnd after it."""
        self.feed()
        first, last = self.number_acked, self.number_sent
        self.pass_time(self.rtt)
        for number in range(first + 1, last + 1):
            self.ack(number)
        self.log.clear()
        return self.cwnd

    @property
    def number_sent(self):
        info = self.info
        return (info.bytes_acked // self.mss) + info.unacked

    def lose(self):
        """The first segment in flight is lost and repaired; returns the cwnd before."""
        before = self.cwnd
        first, last = self.number_acked, self.number_sent
        self.pass_time(self.rtt)
        for number in range(first + 2, last + 1):
            self.sack(first, (first + 1, number))
        assert self.info.recovery == 2
        self.pass_time(self.rtt)
        self.ack(last + 2)  # two went out before the third duplicate
        assert self.info.recovery == 0
        return before

    def grow(self, until):
        while self.cwnd < until:
            self.round()


@pytest.fixture
def cubic():
    with Host(tcp=CUBIC | {"hystart": False}) as host:
        yield host


@proves("N11")
def test_a_loss_leaves_seven_tenths(cubic):
    path = Path(cubic)
    path.grow(100)
    before = path.lose()
    assert path.ssthresh == pytest.approx(BETA * before, abs=1.5)
    assert path.cwnd <= path.ssthresh + 1


@proves("N11")
def test_of_a_tiny_flight_two_segments_are_left(cubic):
    flow = Flow(cubic)
    flow.write(2)
    flow.next()
    flow.next()
    assert flow.ssthresh == 2


@proves("N08", "N09")
@pytest.mark.parametrize("rtt", [0.1, 0.2])
def test_the_window_follows_the_curve(cubic, rtt):
    """At these windows Reno is slower: K is the cube root of 0.3 Wmax / C."""
    path = Path(cubic, rtt=rtt)
    path.grow(100)
    w_max = path.lose()
    start = path.cwnd
    began = cubic.lab.now
    k = ((w_max - start) / C) ** (1 / 3)
    worst = 0
    friendly = cubic.counter("CC_CUBIC_FRIENDLY")
    while cubic.lab.now - began < 1.3 * k:
        window = path.round()
        t = cubic.lab.now - began
        want = C * (t - k) ** 3 + w_max
        if t > 4 * rtt:
            worst = max(worst, abs(window - want) / want)
    assert worst < 0.03
    assert path.cwnd > w_max
    assert cubic.counter("CC_CUBIC") > 100
    assert cubic.counter("CC_CUBIC_FRIENDLY") - friendly <= start  # the first round at most


@proves("N09")
def test_no_round_trip_grows_by_more_than_half(cubic):
    """Far behind the curve, after a long time at a small window."""
    path = Path(cubic)
    path.grow(300)
    path.lose()
    windows = [path.cwnd]
    path.pass_time(60)  # not idle: all of it is in flight
    path.collect()
    windows += [path.round() for _ in range(6)]
    assert all(b <= 1.5 * a + 1 for a, b in itertools.pairwise(windows))


@proves("N10")
def test_on_a_short_path_it_is_as_fast_as_reno(cubic):
    """With 10 ms and few segments the curve is slower than Reno would be."""
    path = Path(cubic, rtt=0.01)
    path.grow(20)
    path.lose()
    start = path.cwnd
    rounds = 30
    for _ in range(rounds):
        path.round()
    assert path.cwnd >= start + ALPHA * rounds * 0.85
    assert cubic.counter("CC_CUBIC_FRIENDLY") > 100
    # Once it is where the loss was, by a segment a round trip.
    while path.cwnd < 30:
        path.round()
    before = path.cwnd
    for _ in range(10):
        path.round()
    assert path.cwnd >= before + 8


@proves("N11")
def test_a_second_loss_below_the_first_lets_others_have_more(cubic):
    """Fast convergence: Wmax is (1 + beta)/2 of the window, so the plateau comes sooner."""
    path = Path(cubic, rtt=0.2)
    path.grow(400)
    path.lose()
    for _ in range(3):
        path.round()
    before = path.lose()  # below the last Wmax
    start, began = path.cwnd, cubic.lab.now
    w_max = before * (1 + BETA) / 2
    k = ((w_max - start) / C) ** (1 / 3)
    while cubic.lab.now - began < k:
        path.round()
    assert path.cwnd == pytest.approx(w_max, rel=0.03)


@proves("N12")
def test_after_a_timeout_the_curve_begins_at_the_end_of_slow_start(cubic):
    path = Path(cubic)
    path.grow(200)
    path.pass_time(20)  # everything is lost, several times
    path.collect()
    assert path.cwnd == 1
    path.ack(path.number_sent)
    threshold = path.ssthresh
    while path.cwnd < threshold:
        path.round()
    start, began = path.cwnd, cubic.lab.now
    for _ in range(30):
        path.round()
    t = cubic.lab.now - began
    reno = start + ALPHA * 30
    assert path.cwnd <= max(start + C * (t + 0.2) ** 3, reno * 1.1) + 2
    assert path.cwnd > start


@proves("N13")
def test_time_in_which_the_application_sends_little_does_not_count(cubic):
    path = Path(cubic)
    path.grow(200)
    path.lose()
    for _ in range(10):
        path.round()
    before = path.cwnd
    # From here on one segment at a time: the queue is emptied first.
    while path.info.notsent:
        path.pass_time(path.rtt)
        path.ack(path.number_sent)
    reached = path.cwnd
    for _ in range(100):
        path.write(1)
        path.pass_time(path.rtt)
        path.ack(path.number_sent)
    assert path.cwnd == reached
    later = path.round()
    assert later <= max(before, reached) * 1.1


@proves("N14")
@pytest.mark.parametrize("congestion", ["cubic", "newreno"])
def test_hystart_leaves_slow_start_when_the_delay_rises(congestion):
    with Host(tcp=CUBIC | {"congestion": congestion}) as host:
        path = Path(host, rtt=0.05)
        path.grow(100)
        assert path.info.snd_ssthresh > 2**30
        path.rtt = 0.07
        windows = [path.round() for _ in range(8)]
        assert host.counter("HYSTART_CSS") == 1
        assert host.counter("HYSTART") == 1
        assert path.info.snd_ssthresh < 2**30
        steps = [b / a for a, b in itertools.pairwise(windows)]
        assert all(step < 1.45 for step in steps)  # a quarter of slow start
        assert steps[-1] < 1.1  # then avoidance


@proves("N14")
def test_hystart_goes_on_when_the_delay_falls_again():
    with Host(tcp=CUBIC) as host:
        path = Path(host, rtt=0.05)
        path.grow(60)
        path.rtt = 0.07
        path.round()
        path.round()
        assert host.counter("HYSTART_CSS") == 1
        path.rtt = 0.05
        path.round()
        windows = [path.round() for _ in range(3)]
        assert windows[-1] > 1.8 * windows[-2]
        assert host.counter("HYSTART") == 0


@proves("N14")
@pytest.mark.parametrize("congestion", ["cubic", "newreno"])
def test_hystart_is_for_the_first_slow_start_only(congestion):
    """Later ones take two segments an ACK, not eight."""
    tcp = CUBIC | {"congestion": congestion, "initial_window": 20}
    with Host(tcp=tcp) as host:
        flow = Flow(host)
        flow.write(20)
        while flow.cwnd != 1:
            flow.next()
        flow.pass_time(0.1)
        flow.ack(20)
        assert flow.cwnd == 3
        flow.write(60)
        for window in (5, 7, 9):
            flow.pass_time(0.1)
            flow.ack(flow.number_sent)
            assert flow.cwnd == window


@proves("N14")
def test_without_hystart_a_rising_delay_changes_nothing(cubic):
    path = Path(cubic, rtt=0.05)
    path.grow(100)
    path.rtt = 0.07
    before = path.cwnd
    path.round()
    assert path.round() > 3.5 * before
    assert cubic.counter("HYSTART_CSS") == 0
