"""Which segments and acknowledgments a synchronised connection takes (section F)."""

import itertools
import random

import pytest
from scapy.layers.inet import TCP

from tests.proofs import proves
from tests.python.peer import LINUX_OPTIONS, payload_of
from tests.python.tcp.frames import ACK, FIN, PSH, RST, SYN, Wire, frame4
from tests.python.tcp.host import PORT, SYNCHRONISED, Host

PLAIN = [("MSS", 1460)]
SACK = [("MSS", 1460), ("SAckOK", b"")]

# Every unacceptable segment is answered, as RFC 9293 has it; by default only some are.
ANSWER_ALL = {"invalid_ack_limit": 0}
SMALL = {"recv_buffer": 4096, "recv_buffer_max": 4096}

in_all_states = pytest.mark.parametrize("state", SYNCHRONISED)


@pytest.fixture
def strict():
    with Host(tcp=ANSWER_ALL) as host:
        yield host


def opened(host, options=PLAIN, **tcp):
    return host.connection(options=options, **tcp)


def fill_window(end):
    """Use the receive window up, whatever steps it opens in."""
    while True:
        end.segment("PA", bytes(min(end.offered, 1000)))
        answer = end.expect("A", within=0.3)
        assert answer.ack == end.seq
        end.offered = answer.window
        if answer.window == 0:
            return


@pytest.mark.parametrize("closed", [False, True], ids=["open", "closed"])
@pytest.mark.parametrize("size", [0, 10])
@proves("F01", "F02")
def test_the_four_cases_of_the_window_test(closed, size):
    with Host(tcp=ANSWER_ALL | SMALL) as host:
        end, app = opened(host)
        end.offered = window = 4096
        if closed:
            fill_window(end)
            window = 0
        cases = {-size or -1: False, window + 1: False, 2**31: False, 2 - 2**31: False}
        if not size:
            cases[0] = True
        if not closed:
            cases |= {1: True, window - 1: True, window - size: True}
            if size:
                cases |= {window: False}
        for by, good in cases.items():
            end.segment("A", bytes(size), seq=(end.seq + by) % 2**32)
            answer = end.take()
            if good and not size:
                assert answer is None, f"{by} is inside, yet answered"
            elif not good:
                assert answer is not None, f"{by} is outside, yet not answered"
                assert (answer.seq, answer.ack) == (end.ack, end.seq)
                assert str(answer[TCP].flags) == "A"
        taken = host.counter("TCP_OUT_OF_WINDOW") + host.counter("TCP_DUPLICATE")
        assert taken == sum(not good for good in cases.values())
        assert app.state == "ESTABLISHED"


@in_all_states
@proves("F02")
@pytest.mark.parametrize("by", [-5, -100000, 10**7, 2**31])
def test_what_is_outside_the_window_is_answered_and_dropped(strict, state, by):
    end, app = strict.in_state(state)
    for flags, payload in (("A", b""), ("PA", b"data"), ("FA", b""), ("UA", b"x")):
        end.segment(flags, payload, seq=(end.seq + by) % 2**32)
        end.expect("A", seq=end.ack, ack=end.seq)
    assert app.state == state
    if state == "ESTABLISHED":
        assert app.recv() is None


@proves("F02")
def test_by_default_answers_without_data_come_twice_a_second_at_most(host):
    end, _ = opened(host)
    answers = 0
    for _ in range(20):
        end.segment("A", seq=end.seq + 10**7)
        answers += len(host.peer.frames(0.1))
    assert 3 <= answers <= 5
    for _ in range(5):  # data is answered each time
        end.segment("PA", b"x", seq=end.seq - 1)
        end.expect("A", ack=end.seq)


@proves("F03")
@pytest.mark.parametrize("old", [1, 3, 9])
@pytest.mark.parametrize("flags", ["PA", "FPA"])
def test_of_a_segment_that_begins_before_the_window_the_new_part_is_used(host, old, flags):
    end, app = opened(host)
    data = bytes(range(20))
    end.segment("PA", data[:10])
    end.segment(flags, data[10 - old :], seq=end.seq - old)
    assert app.recv() == data
    end.seq += 10 + ("F" in flags)
    end.expect("A", ack=end.seq)
    assert app.recv() == (b"" if "F" in flags else None)


@proves("F03", "F04")
def test_one_segment_may_reach_beyond_both_edges():
    with Host(tcp=SMALL) as host:
        end, app = opened(host)
        data = random.Random(1).randbytes(1400 + 4096)
        end.segment("PA", data[:1400])
        end.expect("A", within=0.3)
        edge = 4096
        for at in range(1400, edge - 1000, 500):
            end.segment("PA", data[at : at + 500])
        start = end.seq - (end.seq - 1001)  # the first number of the data
        end.segment("PA", data[1000 : 1000 + 1460], seq=start + 1000)
        got = app.recv()
        assert data.startswith(got)
        assert len(got) <= edge


@proves("F04")
@pytest.mark.parametrize("flags", ["PA", "FPA"])
def test_nothing_beyond_the_right_edge_is_taken(flags):
    with Host(tcp=SMALL) as host:
        end, app = opened(host)
        data = random.Random(2).randbytes(10000)
        at = 0
        while at < 4096 - 500:
            end.segment("PA", data[at : at + 500])
            at += 500
        answers = host.peer.frames(0.3)
        edge = max(f.ack + f[TCP].window for f in answers) - end.seq + at
        end.segment(flags, data[at : at + 1460], seq=end.seq)
        host.lab.advance(0.3)
        last = host.peer.frames()[-1]
        taken = (last.ack - end.seq) % 2**32
        assert taken <= edge - at
        assert app.recv() == data[: at + taken]
        assert app.state == "ESTABLISHED"  # the FIN lies beyond, too
        end.seq += taken
        at += taken
        end.segment(flags, data[at : at + 1000])
        assert app.recv() == data[at : at + 1000]


@proves("F04")
def test_out_of_order_data_beyond_the_edge_is_cut():
    with Host(tcp=SMALL) as host:
        end, app = opened(host, SACK)
        end.segment("PA", bytes(1000), seq=end.seq + 4096 - 100)
        (answer,) = host.peer.frames()
        blocks = dict(answer[TCP].options)["SAck"]
        assert blocks == (end.seq + 3996, end.seq + 4096)
        assert app.recv() is None


@in_all_states
@proves("F05")
def test_without_ack_everything_is_dropped(host, state):
    end, app = host.in_state(state)
    before = host.counter("TCP_NO_ACK")
    for flags in ("", "P", "F", "FP", "U", "FPU"):
        end.segment(flags, b"data" if "P" in flags else b"", seq=end.seq)
    assert host.peer.frames(0.1) == []
    assert host.counter("TCP_NO_ACK") == before + 6
    assert app.state == state


@proves("F05")
def test_what_has_no_ack_is_dropped_whole_even_where_it_crosses_an_edge(host):
    end, app = opened(host)
    for seq in (end.seq - 1, end.seq + app.info.rcv_wnd - 1):
        end.segment("P", b"data", seq=seq)
        end.segment("FP", b"data", seq=seq)
    assert host.peer.frames(0.1) == []
    assert app.recv() is None


@proves("F06")
def test_an_ack_frees_what_it_covers(host):
    end, app = opened(host)
    app.send(bytes(5000))
    frames = host.peer.frames()
    assert sum(len(payload_of(f[TCP])) for f in frames) == 5000
    first = frames[0].seq
    for acked in (1, 1460, 1461, 4999, 5000):
        end.segment("A", ack=first + acked)
        assert app.status.tx_acked == acked
        assert app.info.bytes_acked == acked
    assert app.info.unacked == 0
    assert host.peer.frames(300) == []  # nothing is left to be sent again


@proves("F06")
def test_what_was_acknowledged_in_part_is_repeated_from_there(host):
    end, app = opened(host)
    data = random.Random(3).randbytes(1000)
    app.send(data)
    first = end.expect("PA", data).seq
    end.segment("A", ack=first + 300)
    host.lab.advance(3)
    again = host.peer.frames()[-1]
    assert again.seq == first + 300
    assert payload_of(again[TCP]) == data[300:]


@proves("F07")
@pytest.mark.parametrize("behind", [0, 1, 500, 1000])
def test_data_with_an_old_ack_is_taken(host, behind):
    end, app = opened(host)
    app.send(bytes(1000))
    end.expect_data(1000)
    end.segment("PA", b"data", ack=end.ack - behind)
    assert app.recv() == b"data"


@in_all_states
@proves("F08")
@pytest.mark.parametrize("by", [1, 1000, 2**30])
def test_an_ack_of_what_was_never_sent_is_answered_and_dropped(strict, state, by):
    end, app = strict.in_state(state)
    una = app.status.tx_acked
    for flags, payload in (("A", b""), ("PA", b"data"), ("FA", b"")):
        end.segment(flags, payload, ack=(end.ack + by) % 2**32, seq=end.seq)
        end.expect("A", seq=end.ack, ack=end.seq)
    assert app.state == state
    assert app.status.tx_acked == una
    assert strict.counter("TCP_ACK_TOO_NEW") == 3


@proves("F09")
def test_an_ack_older_than_the_largest_window_is_challenged(host):
    end = host.peer.tcp(PORT)
    end.window = 1000
    end.handshake(PLAIN)
    app = host.accept()
    for _ in range(5):
        app.send(bytes(1000))
        end.expect_data(1000)
    for behind in (1001, 1002, 4000, 2**31 - 1):
        end.segment("PA", b"data", ack=(end.ack - behind) % 2**32, seq=end.seq)
        end.expect("A", seq=end.ack, ack=end.seq)
        assert app.recv() is None
    assert host.counts("TCP_ACK_TOO_OLD", "TCP_CHALLENGE_ACK") == (4, 4)
    end.segment("PA", b"data", ack=end.ack - 1000)
    assert app.recv() == b"data"


def windowed(host):
    """A connection with 1000 bytes sent and acknowledged, and some received."""
    end, app = opened(host)
    app.send(bytes(1000))
    end.expect_data(1000)
    end.segment("PA", bytes(100))
    app.recv()
    return end, app


@proves("F10")
def test_the_window_is_taken_from_newer_segments(host):
    end, app = windowed(host)
    for window in (5000, 3000, 0, 65535):  # same numbers: each replaces the one before
        end.segment("A", window=window)
        assert app.info.snd_wnd == window
    end.segment("PA", b"x", window=2000)  # newer by its sequence number
    assert app.info.snd_wnd == 2000
    app.send(b"y")
    end.expect("PA")
    end.segment("A", window=2500)  # newer by its acknowledgment
    assert app.info.snd_wnd == 2500


@proves("F10", "F11")
def test_the_window_is_not_taken_from_older_segments(host):
    end, app = windowed(host)
    app.send(b"y")
    end.expect("PA")
    end.segment("A", window=4000)
    for window in (0, 100, 65535):
        end.segment("A", window=window, ack=end.ack - 1, seq=end.seq)  # older by its ACK
        end.segment("PA", bytes(50), window=window, seq=end.seq - 50)  # all of it was there
        end.segment("A", window=window, seq=end.seq - 1, ack=end.ack)  # a keep-alive
        end.segment("PA", bytes(60), window=window, seq=end.seq - 60, ack=end.ack - 500)
        assert app.info.snd_wnd == 4000


@proves("F10")
def test_out_of_order_data_is_newer_and_what_fills_its_gap_is_not(host):
    end, app = windowed(host)
    end.segment("PA", b"world", seq=end.seq + 5, window=7000)
    assert app.info.snd_wnd == 7000
    end.segment("PA", b"hello", seq=end.seq, window=100)
    assert app.info.snd_wnd == 7000
    assert app.recv() == b"helloworld"


@proves("F12")
def test_out_of_order_data_waits_and_comes_once(host):
    end, app = opened(host)
    start = end.seq
    data = random.Random(4).randbytes(5000)
    for at in (4000, 2000, 3000, 3000, 1000, 1000, 4000):
        end.segment("PA", data[at : at + 1000], seq=start + at)
        end.expect("A", ack=start)
        assert app.recv() is None
    end.segment("PA", data[:1000])
    end.expect("A", ack=start + 5000)
    assert app.recv() == data
    for at in range(0, 5000, 500):
        end.segment("PA", data[at : at + 1000], seq=start + at)
    assert app.recv() is None


@proves("F13")
@pytest.mark.parametrize("options", [b"", bytes.fromhex("01010402")], ids=["plain", "sack"])
def test_every_order_of_five_segments_and_fin_gives_the_same_bytes(options):
    data = random.Random(5).randbytes(500)
    with Host(provider={"backlog_max": 200}, backlog=200) as host:
        wire = Wire(host)
        for i, order in enumerate(itertools.permutations(range(5))):
            ports = (5000 + i, PORT)
            (answer,) = wire.send(frame4(ports, SYN, 2**32 - 200, options=options))
            wire.send(frame4(ports, ACK, 2**32 - 199, answer.seq + 1))
            app = host.accept()
            for n in order:
                seq, part = 2**32 - 199 + 100 * n, data[100 * n : 100 * n + 100]
                flags = ACK | PSH | (FIN if n == 4 else 0)
                wire.send(frame4(ports, flags, seq, answer.seq + 1, data=part))
            assert app.recv() == data
            assert app.recv() == b""
            assert app.state == "CLOSE-WAIT"
            app.abort()
            wire.collect()


@proves("F12", "F14")
@pytest.mark.parametrize("seed", range(10))
def test_overlapping_segments_give_each_byte_once(host, seed):
    rng = random.Random(seed)
    data = rng.randbytes(6000)
    end, app = opened(host, SACK)
    start, held, got = end.seq, set(), b""
    while len(got) < len(data):
        at = rng.randrange(len(data))
        size = min(rng.choice([1, 10, 700, 1460]), len(data) - at)
        if rng.random() < 0.1:
            at, size = len(got), min(300, len(data) - len(got))
        end.segment("PA", data[at : at + size], seq=start + at)
        held |= set(range(at, at + size))
        got += app.recv() or b""
        assert data.startswith(got)
        for answer in host.peer.frames():
            acked = answer.ack - start
            assert set(range(acked)) <= held
            blocks = list(dict(answer[TCP].options).get("SAck", ()))
            for left, right in zip(blocks[::2], blocks[1::2], strict=True):
                assert left < right
                assert set(range(left - start, right - start)) <= held
    assert got == data


@proves("F14")
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((5, 10), (3, 8)),
        ((5, 10), (8, 14)),
        ((5, 10), (6, 9)),
        ((5, 10), (2, 14)),
        ((5, 10), (5, 10)),
    ],
)
def test_of_two_copies_that_differ_the_first_is_delivered(host, first, second):
    end, app = opened(host, SACK)
    end.segment("PA", b"A" * (first[1] - first[0]), seq=end.seq + first[0])
    end.segment("PA", b"B" * (second[1] - second[0]), seq=end.seq + second[0])
    end.segment("PA", b"C" * 14)
    got = app.recv()
    assert len(got) == 14
    assert got[first[0] : first[1]] == b"A" * 5
    for i, byte in enumerate(
        got
    ):  # a part of the second copy may be gone, none is in a wrong place
        inside = second[0] <= i < second[1] and not first[0] <= i < first[1]
        assert byte in (b"BC" if inside else b"AC")


@proves("F15", "F16")
def test_a_fin_out_of_order_waits_for_the_gap(host):
    end, app = opened(host)
    end.segment("FPA", b"world", seq=end.seq + 5)
    end.expect("A", ack=end.seq)
    assert app.recv() is None
    assert app.state == "ESTABLISHED"
    end.segment("PA", b"hello")
    end.expect("A", ack=end.seq + 6)  # five bytes and the FIN
    assert app.state == "CLOSE-WAIT"
    assert app.recv() == b"helloworld"
    assert app.recv() == b""


@proves("F15")
def test_a_bare_fin_out_of_order_is_remembered_even_alone(host):
    end, app = opened(host)
    end.segment("FA", seq=end.seq + 5)
    end.expect("A", ack=end.seq)
    end.segment("PA", b"hello")
    end.expect("A", ack=end.seq + 1)
    assert app.recv() == b"hello"
    assert app.recv() == b""


@proves("F16")
def test_a_fin_takes_one_number_and_ends_the_stream_behind_all_data(host):
    end, app = opened(host)
    end.segment("FPA", b"data")
    end.expect("A", ack=end.seq)
    assert app.recv(2) == b"da"
    assert app.recv(2) == b"ta"
    assert app.recv() == b""
    assert app.recv() == b""
    end.segment("FA", seq=end.seq - 1)  # again: acknowledged, no second end
    end.expect("A", ack=end.seq)
    assert app.state == "CLOSE-WAIT"


@proves("F17")
@pytest.mark.parametrize("state", ["CLOSE-WAIT", "CLOSING", "LAST-ACK"])
def test_data_behind_the_fin_is_ignored(host, state):
    end, app = host.in_state(state)
    for by in (0, 1, 500):
        end.segment("PA", b"more", seq=end.seq + by, ack=end.ack - (state != "CLOSE-WAIT"))
    host.lab.advance(0.1)
    assert app.recv() == b""
    assert app.state == state
    assert {f.ack for f in host.peer.frames()} <= {end.seq}


@proves("F17")
def test_data_behind_a_fin_that_waits_for_its_gap_is_ignored(host):
    end, app = opened(host, SACK)
    start = end.seq
    end.segment("FA", seq=start + 5)
    end.segment("PA", b"beyond", seq=start + 6)
    end.segment("PA", b"ell", seq=start + 1)
    end.segment("PA", b"ello and more", seq=start + 1)
    end.segment("PA", b"h", seq=start)
    assert app.recv() == b"hello"
    assert app.recv() == b""
    assert host.peer.frames()[-1].ack == start + 6


@proves("F17")
def test_a_second_fin_elsewhere_changes_nothing(host):
    end, app = opened(host)
    start = end.seq
    end.segment("FA", seq=start + 5)
    end.segment("FA", seq=start + 3)
    end.segment("FA", seq=start + 9)
    end.segment("PA", b"hello", seq=start)
    assert app.recv() == b"hello"
    assert app.recv() == b""
    assert host.peer.frames()[-1].ack == start + 6


@proves("F18")
@pytest.mark.parametrize("size", [1, 100, 1460])
def test_out_of_order_data_is_bounded_and_nobody_else_suffers(size):
    """A peer that leaves a hole before every byte takes neither all buffers nor all memory."""
    tcp = {"recv_buffer": 4 << 20, "recv_buffer_max": 4 << 20}
    with Host(tcp=tcp, provider={"packet_buffers": 1024}) as host:
        wire = Wire(host)
        other, other_app = opened(host)
        scale = bytes.fromhex("01010402 01030307")
        (answer,) = wire.send(frame4((5000, PORT), SYN, 0, options=scale))
        wire.send(frame4((5000, PORT), ACK, 1, answer.seq + 1))
        app = host.accept()
        data = random.Random(6).randbytes(1 << 20)
        holes = range(size, len(data) - size, 2 * size if size > 1 else 64)
        for at in holes:
            part = data[at : at + size]
            wire.send(frame4((5000, PORT), ACK, 1 + at, answer.seq + 1, data=part))
        kept, full = host.counts("TCP_OUT_OF_ORDER", "TCP_BEYOND_BUFFER")
        assert kept + full == len(holes) - host.counter("TCP_OUT_OF_WINDOW")
        assert 0 < kept < 1000
        assert host.counter("NO_MBUF") == 0
        other.segment("PA", b"alive")
        assert other_app.recv() == b"alive"
        got = b""
        for at in range(0, 200_000, 1000):  # what was dropped was not acknowledged: it comes again
            wire.send(frame4((5000, PORT), ACK, 1 + at, answer.seq + 1, data=data[at : at + 1000]))
            got += app.recv() or b""
        assert len(got) >= 200_000
        assert data.startswith(got)


@proves("F18")
def test_held_data_is_freed_with_its_connection():
    with Host(provider={"packet_buffers": 512}) as host:
        wire, kept = Wire(host), []
        for i in range(30):
            ports = (5000 + i, PORT)
            (answer,) = wire.send(frame4(ports, SYN, 0))
            wire.send(frame4(ports, ACK, 1, answer.seq + 1))
            app = host.accept()
            for at in range(101, 20001, 200):
                wire.send(frame4(ports, ACK, at, answer.seq + 1, data=b"x"))
            wire.send(frame4(ports, RST, 1))
            assert app.state == "CLOSED"
            app.close()
            kept.append(host.counter("TCP_OUT_OF_ORDER") // (i + 1))
        assert len(set(kept)) == 1
        assert kept[0] > 30
        assert host.counter("NO_MBUF") == 0


@proves("F02", "F08")
@pytest.mark.parametrize("options", [PLAIN, LINUX_OPTIONS], ids=["plain", "stamps"])
def test_two_connections_do_not_mix(strict, options):
    """The same numbers on another port or from another address mean nothing here."""
    end, app = opened(strict, options)
    stranger = strict.peer.tcp(PORT, sport=end.sport + 1)
    stranger.seq, stranger.ack, stranger.options = end.seq, end.ack, end.options
    stranger.segment("PA", b"data")
    stranger.expect("R", seq=end.ack)
    stranger.segment("R", seq=end.seq)
    assert app.state == "ESTABLISHED"
    assert app.recv() is None
