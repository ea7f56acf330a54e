"""The receive window, the closed window and its probes (section O)."""

import itertools
import random

import pytest
from scapy.layers.inet import TCP

from pyprov.core.port import OPT_RECV_BUFFER, OPT_USER_TIMEOUT
from tests.proofs import proves
from tests.python.peer import LINUX_OPTIONS, payload_of
from tests.python.tcp.frames import ACK, PSH, Wire, frame4
from tests.python.tcp.host import PORT, Host

PLAIN = [("MSS", 1460)]
SCALED = [("MSS", 1460), ("WScale", 7)]
ETIMEDOUT = 110


def segments(host, end, seconds=0.0):
    return [f[TCP] for f in host.peer.frames(seconds) if TCP in f and f[TCP].dport == end.sport]


def stalled(host, data=5000, options=PLAIN, **tcp):
    """A connection whose peer's window is closed, with data that waits."""
    end, app = host.connection(options=options, **tcp)
    end.segment("A", window=0)
    app.send(bytes(data))
    end.expect_nothing()
    return end, app


def probes(host, end, seconds):
    """The times at which probes came."""
    end.peer.poll()
    host.lab.advance(seconds)
    end.peer.poll()
    frames = [f for f in host.peer.frames() if TCP in f]
    for frame in frames:
        assert frame[TCP].seq == end.ack - 1
        assert payload_of(frame[TCP]) == b""
        assert frame[TCP].flags == "A"
    return [frame.time for frame in frames]


# What we offer


@proves("O01", "J05")
@pytest.mark.parametrize("options", [PLAIN, SCALED], ids=["plain", "scaled"])
@pytest.mark.parametrize("sizes", [[1460], [1, 7, 100, 1460]], ids=["full", "mixed"])
@pytest.mark.parametrize("seed", range(5))
def test_the_right_edge_never_moves_left(seed, sizes, options):
    """Not at all for full segments; small ones may cost less than one step of the scale."""
    rng = random.Random(seed)
    with Host(recv_buffer=rng.choice([3000, 10_001, 65_536, 300_001])) as host:
        end, app = host.connection(options=options)
        shift = app.info.rcv_wscale
        wire = Wire(host)
        start = edge = end.seq + app.info.rcv_wnd
        for _ in range(600):
            size = min(rng.choice(sizes), edge - end.seq)
            answers = []
            if size:
                data = frame4((end.sport, PORT), ACK | PSH, end.seq, end.ack, data=bytes(size))
                answers = wire.send(data)
                end.seq += size
            if rng.random() < 0.4:
                app.recv(rng.choice([1, 50, 700, 5000, 100_000]))
            host.lab.advance(0.05)
            for answer in answers + wire.collect():
                right = answer.ack + (answer.window << shift)
                assert right > edge - (1 if sizes == [1460] else 1 << shift)
                edge = max(edge, right)
                assert answer.ack == end.seq, "what was offered is taken"
        assert edge - start > 50_000


@proves("O04")
@pytest.mark.parametrize("buffer", [1000, 2920, 8000, 65_536, 1_000_000])
def test_the_window_opens_in_steps_worth_a_segment(buffer):
    with Host(recv_buffer=buffer) as host:
        end, app = host.connection(options=SCALED)
        shift = app.info.rcv_wscale
        unit = 1 << shift
        wire = Wire(host)
        edge = end.seq + app.info.rcv_wnd
        while edge - end.seq >= unit:
            size = min(1460, edge - end.seq)
            frame = frame4((end.sport, PORT), ACK | PSH, end.seq, end.ack, data=bytes(size))
            end.seq += size
            answers = wire.send(frame)
            host.lab.advance(0.05)
            for answer in answers + wire.collect():
                edge = max(edge, answer.ack + (answer.window << shift))
        updates = 0
        for _ in range(buffer // 10):
            if app.recv(10) is None:
                break
            for answer in wire.collect():
                right = answer.ack + (answer.window << shift)
                assert right - edge >= min(1460, buffer // 2) - unit
                edge = right
                updates += 1
        assert updates >= 1
        assert updates <= max(2, buffer // min(1460, buffer // 2))


@proves("O05", "O09")
def test_a_full_buffer_closes_the_window_and_reading_opens_it():
    with Host(recv_buffer=4000) as host:
        end, app = host.connection(options=PLAIN)
        for size in (1460, 1460, 1080):
            end.segment("PA", bytes(size))
        assert [tcp.window for tcp in segments(host, end, 0.1)][-1] == 0
        for probe in (b"", b"x"):  # below the window, and a byte in it
            end.segment("A", probe, seq=end.seq - 1 + len(probe))
            host.lab.advance(1)
            answer = end.expect("A", ack=end.seq)
            assert answer.window == 0
        assert len(app.recv(4000)) == 4000
        assert end.expect("A", ack=end.seq).window == 4000
        end.segment("PA", b"x")
        assert app.recv() == b"x"


@proves("O09")
def test_the_byte_of_a_probe_is_taken_when_there_is_room():
    with Host(recv_buffer=4000) as host:
        end, app = host.connection(options=PLAIN)
        end.segment("PA", bytes(1460))
        end.segment("PA", b"y")
        assert end.take(0.1)[TCP].ack == end.seq
        assert len(app.recv()) == 1461


@proves("O09")
@pytest.mark.parametrize("times", [1, 5])
def test_every_probe_is_answered(times):
    with Host(recv_buffer=4000, tcp={"invalid_ack_limit": 0}) as host:
        end, _ = host.connection(options=PLAIN)
        for size in (1460, 1460, 1080):
            end.segment("PA", bytes(size))
        segments(host, end, 0.1)
        for _ in range(times):
            end.segment("A", b"z", seq=end.seq)
            assert end.expect("A", ack=end.seq).window == 0


# What the peer offers


@proves("O06", "O16")
def test_a_closed_window_is_probed_after_the_rto_with_back_off(host):
    end, app = stalled(host)
    since = host.lab.now
    times = probes(host, end, 300)
    gaps = [b - a for a, b in zip([since, *times], times, strict=False)]
    assert gaps[0] == pytest.approx(app.info.rto / 1e6, rel=0.1) or gaps[0] >= 0.2
    assert gaps[0] <= 1.1
    for before, after in itertools.pairwise(gaps):
        assert after == pytest.approx(min(2 * before, 120), rel=0.02)
    assert host.counter("TCP_PERSIST") == len(times) >= 6


@proves("O06")
def test_the_time_to_the_first_probe_is_the_measured_rto(host):
    end, app = host.connection(options=LINUX_OPTIONS)
    for _ in range(20):
        app.send(b"x")
        end.take()
        end.segment("A", ack=end.ack + 1)
        end.ack += 1
    host.peer.frames()
    rto = app.info.rto / 1e6
    end.segment("A", window=0)
    app.send(bytes(100))
    since = host.lab.now
    frame = end.take(3)
    assert frame.time - since == pytest.approx(rto, rel=0.05)


@proves("O07")
def test_a_peer_that_answers_may_keep_its_window_closed_for_ever():
    with Host(tcp={"data_retries": 6, "rto_max": 5}) as host:
        end, app = stalled(host)
        for _ in range(200):
            assert probes(host, end, 5)
            end.segment("A", window=0)
        assert app.state == "ESTABLISHED"
        assert host.lab.now > 900
        end.segment("A", window=65535)
        assert end.expect_data(5000)


@proves("O08")
@pytest.mark.parametrize("retries", [3, 15])
def test_probes_without_answer_end_the_connection(retries):
    with Host(tcp={"data_retries": retries, "rto_max": 10}) as host:
        end, app = stalled(host)
        assert len(probes(host, end, 300)) == retries
        assert app.error == ETIMEDOUT
        end.segment("A")
        end.expect("R", seq=end.ack)


@proves("O08", "K16")
def test_the_user_timeout_counts_while_the_window_is_closed_and_probes_go_unanswered(host):
    end, app = host.connection(options=PLAIN)
    app.option(OPT_USER_TIMEOUT, 10_000)
    end.segment("A", window=0)
    app.send(bytes(100))
    since = host.lab.now
    host.lab.advance(9.5)
    assert app.state == "ESTABLISHED"
    host.lab.advance(1)
    assert app.error == ETIMEDOUT
    assert host.lab.now - since < 11


@proves("O10", "O11")
def test_a_lost_update_is_healed_by_the_probe(host):
    end, _ = stalled(host)
    assert len(probes(host, end, 0.3)) == 1
    end.segment("A", window=3000)
    assert sum(len(payload_of(tcp)) for tcp in segments(host, end)) == 2920
    end.ack += 2920
    end.segment("A")
    assert end.expect_data(2080)


@proves("O11")
def test_an_update_restarts_sending_at_once_also_between_probes(host):
    end, _ = stalled(host)
    probes(host, end, 10)
    end.segment("A", window=65535)
    assert sum(len(payload_of(tcp)) for tcp in segments(host, end)) == 5000
    host.lab.advance(0.1)


@proves("O02", "O03")
def test_a_peer_may_shrink_its_window_below_what_is_in_flight(host):
    end, app = host.connection(options=PLAIN)
    app.send(bytes(10 * 1460))
    assert len(segments(host, end)) == 10
    start = end.ack
    end.ack = start + 1460
    end.segment("A", window=1460)  # the edge moves from start + 65535 to start + 2920
    app.send(bytes(5000))
    again = []
    for _ in range(30):
        for tcp in segments(host, end, 1):
            if payload_of(tcp):
                again.append(tcp.seq - start)
                end.ack = start + 2920
        end.segment("A", window=start + 2920 - end.ack)
    assert set(again) == {1460}, "what lies in the window is sent again, and nothing else"
    assert app.state == "ESTABLISHED"
    end.segment("A", window=65535)
    assert end.expect_data(8 * 1460 + 5000)


@proves("O02", "O03")
def test_a_window_closed_over_data_in_flight_is_probed_and_not_timed_out():
    with Host(tcp={"data_retries": 6, "rto_max": 5}) as host:
        end, app = host.connection(options=PLAIN)
        app.send(bytes(4000))
        segments(host, end)
        end.segment("A", window=0)
        for _ in range(60):
            for tcp in segments(host, end, 5):
                assert payload_of(tcp) == b""
            end.segment("A", window=0)
        assert app.state == "ESTABLISHED"
        end.segment("A", window=65535)
        assert end.expect_data(4000)


@proves("O02")
def test_acks_beyond_a_shrunken_window_count(host):
    end, app = host.connection(options=PLAIN)
    app.send(bytes(4000))
    segments(host, end)
    end.segment("A", window=1000)
    end.ack += 4000
    end.segment("A", window=0)
    assert app.info.unacked == 0
    end.segment("A")
    app.send(b"x")
    end.expect("PA", b"x")


@proves("H17", "O06")
def test_a_fin_behind_waiting_data_is_probed_for_and_then_sent(host):
    end, app = stalled(host, 100)
    app.shutdown()
    assert probes(host, end, 2)
    end.segment("A", window=100)
    frame = end.take()
    assert (len(payload_of(frame[TCP])), str(frame[TCP].flags)) == (100, "PA")
    end.ack += 100
    end.segment("A", window=1)
    end.expect("FA", b"")


# Autotuning


class Stream:
    """A peer that fills every window it is offered, a round-trip time later."""

    def __init__(self, host, rtt):
        self.host, self.rtt = host, rtt
        self.end = host.peer.tcp(PORT)
        self.end.segment("S", options=SCALED)
        self.end.expect("SA")
        host.lab.advance(rtt)
        self.end.segment("A")
        self.app = host.accept()
        self.shift = self.app.info.rcv_wscale
        self.wire = Wire(host)
        self.edge = self.end.seq + self.app.info.rcv_wnd
        self.widest = 0

    def round(self):
        end, answers = self.end, []
        frames = []
        while self.edge - end.seq >= 1460:
            ports = (end.sport, PORT)
            frames.append(frame4(ports, ACK | PSH, end.seq, end.ack, data=bytes(1460)))
            end.seq += 1460
        for at in range(0, len(frames), 32):
            answers += self.wire.send(*frames[at : at + 32])
        return answers

    def turn(self, read):
        answers = self.round()
        while read and self.app.recv(1 << 20):
            pass
        self.host.lab.advance(self.rtt)
        for answer in answers + self.wire.collect():
            window = answer.window << self.shift
            self.edge = max(self.edge, answer.ack + window)
            self.widest = max(self.widest, window)


@proves("O19")
@pytest.mark.parametrize("most", [65_536, 300_000, 1_000_000])
def test_the_buffer_grows_with_what_the_application_reads(most):
    with Host(tcp={"recv_buffer": 65_536, "recv_buffer_max": most}) as host:
        stream = Stream(host, 0.05)
        for _ in range(15):
            stream.turn(read=True)
        assert most * 0.95 <= stream.widest <= most + (1 << stream.shift)


@proves("O19", "V07")
def test_it_does_not_grow_while_nobody_reads():
    with Host(tcp={"recv_buffer": 65_536, "recv_buffer_max": 1_000_000}) as host:
        stream = Stream(host, 0.05)
        for _ in range(15):
            stream.turn(read=False)
        assert stream.widest <= 65_536 + 256
        assert host.dataplane.readable(stream.app.handle) <= 65_536 * 1.5


@proves("O19")
@pytest.mark.parametrize("how", ["listener", "option"])
def test_a_buffer_that_was_asked_for_does_not_grow(how):
    with Host(tcp={"recv_buffer_max": 1_000_000}, recv_buffer=100_000) as host:
        stream = Stream(host, 0.05)
        if how == "option":
            stream.app.option(OPT_RECV_BUFFER, 200_000)
        most = 200_000 if how == "option" else 100_000
        for _ in range(15):
            stream.turn(read=True)
        assert most * 0.9 <= stream.widest <= most + (1 << stream.shift)


def test_a_slow_sender_gets_no_larger_buffer():
    with Host(tcp={"recv_buffer": 65_536, "recv_buffer_max": 1_000_000}) as host:
        end, app = host.connection(options=SCALED)
        for _ in range(300):
            end.segment("PA", bytes(1460))
            host.peer.frames(0.05)
            app.recv()
        assert app.info.rcv_wnd <= 65_536 + 256
