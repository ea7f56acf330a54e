"""Received segments put together before TCP.

What the application reads and what the peer sees must be as if each had come by itself.
"""

import contextlib
import random

import pytest

from tests.proofs import proves
from tests.python.tcp.flow import CE, ECT, Flow, blocks_of, with_tos
from tests.python.tcp.frames import ACK, PSH
from tests.python.tcp.host import Host
from tests.python.tcp.test_bad_input import outcomes
from tests.python.tcp.wire_rules import ECE, FIN, RST

SIZE = 1000


@contextlib.contextmanager
def receiving(*, coalesced=True, tcp=None, **flow):
    with Host(tcp=tcp, port={"receive_offload": coalesced}) as host:
        yield Flow(host, mss=SIZE, **flow)


def train(flow, count, *, size=SIZE, last=ACK, **fields):
    """So many full segments in a row as frames; the last one has flags of its own."""
    sent = []
    for number in range(count):
        flags = last if number == count - 1 else ACK
        data = bytes([flow.seq // SIZE % 251]) * size
        sent.append(flow.bare(flags=flags, data=data, seq=flow.seq, **fields))
        flow.seq += size
    return sent


def merged(flow):
    return flow.host.counter("RX_COALESCED")


def seen(flow):
    """What can be told of the receiving end from outside."""
    info = flow.info
    answers = [(a.ack, a.flags, a.window, blocks_of(a)) for a in flow.answers]
    flow.answers.clear()
    return answers, flow.app.recv(), info.data_segs_in, info.segs_in, info.rcv_mss


def alike(deliver, **params):
    """Deliver with and without; returns what is seen if that is the same, and how many merged."""
    both = []
    for coalesced in (False, True):
        with receiving(coalesced=coalesced, **params) as flow:
            deliver(flow)
            both.append(seen(flow))
            count = merged(flow)
            assert coalesced or count == 0
    assert both[0] == both[1]
    return both[1], count


@proves("G03", "G06")
@pytest.mark.parametrize("params", [{}, {"stamps": True}, {"sack": False}])
def test_a_train_is_one_packet_and_counts_as_all_its_segments(params):
    (answers, data, segments, _, mss), count = alike(
        lambda flow: flow.inject(*train(flow, 30, last=ACK | PSH)), **params
    )
    assert count == 28  # the last one is pushed, and comes by itself
    assert len(answers) == 1
    assert len(data) == 30 * SIZE
    assert segments == 30
    assert mss <= SIZE


@proves("G03")
def test_two_full_segments_as_one_are_acknowledged_at_once_and_one_is_not():
    with receiving() as flow:
        flow.inject(*train(flow, 2))
        assert merged(flow) == 1
        assert flow.answer().ack == flow.seq
        flow.inject(*train(flow, 1))
        assert flow.answers == []


def test_a_packet_is_never_larger_than_a_packet_may_be():
    size, tcp = 1400, {"recv_buffer": 1 << 20, "recv_buffer_max": 1 << 20}

    def deliver(flow):
        flow.data(b"x")
        flow.pass_time(0.1)  # the window that is told now is scaled
        flow.inject(*train(flow, 64, size=size))

    (_, data, segments, _, _), count = alike(deliver, tcp=tcp, wscale=7)
    assert len(data) == 64 * size + 1 > 65_535
    assert segments == 65
    assert count == 62


def test_what_differs_in_more_than_its_number_ends_a_train():
    def deliver(flow):
        flow.inject(*train(flow, 3), *train(flow, 3, window=60_000))
        flow.inject(*train(flow, 3), *train(flow, 3, last=ACK | PSH), *train(flow, 2))
        flow.inject(*train(flow, 3, size=500), *train(flow, 3, size=SIZE))

    _, count = alike(deliver)
    assert count == (2 + 2) + (4 + 1) + (2 + 2)


@pytest.mark.parametrize("order", [(0, 1, 2, 4, 5, 3), (5, 4, 3, 2, 1, 0), (0, 2, 4, 1, 3, 5)])
@pytest.mark.parametrize("sack", [True, False])
def test_what_is_out_of_order_is_told_as_if_it_were_single(order, sack):
    def deliver(flow):
        frames = train(flow, 6)
        flow.inject(*[frames[number] for number in order])
        flow.pass_time(0.1)
        flow.collect()

    (answers, data, _, _, _), _ = alike(deliver, sack=sack)
    assert len(data) == 6 * SIZE
    assert answers


def test_without_sack_each_segment_behind_a_gap_is_a_duplicate_ack():
    def deliver(flow):
        first, *rest = train(flow, 6)
        flow.inject(*rest)
        flow.first = first

    (answers, data, _, _, _), count = alike(deliver, sack=False)
    assert count == 4
    assert len(answers) == 5
    assert not data


@proves("N04")
def test_a_mark_is_not_lost_among_unmarked_segments():
    tcp = {"ecn": True}

    def deliver(flow):
        frames = [with_tos(frame, ECT) for frame in train(flow, 9)]
        frames[4] = with_tos(frames[4], CE)
        flow.inject(*frames)

    (answers, _, _, _, _), count = alike(deliver, tcp=tcp, ecn=True)
    assert answers[-1][1] & ECE
    assert count == 3 + 3


def test_dctcp_hears_of_marks_where_they_begin_and_end():
    def deliver(flow):
        frames = [
            with_tos(frame, CE if 3 <= i < 6 else ECT) for i, frame in enumerate(train(flow, 9))
        ]
        flow.inject(*frames)

    (answers, _, _, _, _), count = alike(deliver, tcp={"congestion": "dctcp"}, ecn=True)
    assert [bool(answer[1] & ECE) for answer in answers] == [False, True, False]
    assert count == 6


@proves("A03")
def test_a_wrong_checksum_keeps_a_segment_out_of_the_train():
    def deliver(flow):
        frames = train(flow, 8)
        frames[4] = frames[4][:-1] + bytes([frames[4][-1] ^ 1])
        flow.inject(*frames)
        assert flow.host.counter("TCP_CHECKSUM") == 1

    (answers, data, _, _, _), count = alike(deliver)
    assert len(data) == 4 * SIZE
    assert answers[-1][3]
    assert count == 3 + 2


def test_only_neighbours_of_one_connection_become_one():
    with Host(port={"receive_offload": True}) as host:
        one, two = Flow(host, mss=SIZE), Flow(host, mss=SIZE)
        frames = [
            frame for pair in zip(train(one, 4), train(two, 4), strict=True) for frame in pair
        ]
        one.inject(*frames)
        assert merged(one) == 0
        one.inject(*train(one, 4), *train(two, 4))
        assert merged(one) == 6
        assert [len(flow.app.recv()) for flow in (one, two)] == [8 * SIZE, 8 * SIZE]


@pytest.mark.parametrize("last", [FIN | ACK, RST | ACK])
def test_the_end_of_a_connection_stays_behind_its_data(last):
    with receiving() as flow:
        flow.inject(*train(flow, 4), flow.bare(flags=last))
        assert merged(flow) == 3
        assert flow.app.status.state == (5 if last & FIN else 0)
        if last & FIN:
            assert len(flow.app.recv()) == 4 * SIZE


@proves("F03", "F04")
def test_a_train_that_overlaps_what_is_there_and_passes_the_window_is_cut():
    with receiving(tcp={"recv_buffer": 8 * SIZE, "recv_buffer_max": 8 * SIZE}) as flow:
        frames = train(flow, 10)
        flow.inject(*frames[:4])
        flow.inject(*frames)
        assert len(flow.app.recv()) == 8 * SIZE
        assert flow.answer().ack == flow.seq - 2 * SIZE
        assert merged(flow) == 3 + 9


def test_shorts_and_handshakes_stay_what_they_are():
    def deliver(flow):
        flow.inject(*train(flow, 20, size=100))

    _, count = alike(deliver)
    assert count == 0


def segments_of(rng, flow):
    """A stream cut up, shuffled, some of it twice, broken or marked; then all of it in order."""
    cut, seq = [], flow.seq
    for _ in range(rng.randrange(2, 40)):
        size = rng.choice([SIZE, SIZE, SIZE, 700, 300, 100])
        fields = {"window": rng.choice([65_535, 65_535, 65_535, 30_000])}
        flags = rng.choice([ACK, ACK, ACK, ACK, ACK | PSH])
        cut.append({"seq": seq, "data": rng.randbytes(size), "flags": flags} | fields)
        seq += size
    sent = []
    for number, segment in enumerate(cut):
        frame = flow.bare(**segment)
        if rng.random() < 0.05:
            frame = frame[:-1] + bytes([frame[-1] ^ 1])
        if rng.random() < 0.05:
            frame = with_tos(frame, CE)
        if rng.random() < 0.9:
            sent.insert(len(sent) - (rng.random() < 0.1), frame)
        if rng.random() < 0.05:
            sent.append(flow.bare(**cut[rng.randrange(number + 1)]))
    flow.seq = seq
    return sent, [flow.bare(**segment) for segment in cut]


@pytest.mark.parametrize("seed", range(40))
def test_whatever_comes_the_stream_is_the_same(seed):
    got = []
    for coalesced in (False, True):
        rng = random.Random(seed)
        with receiving(coalesced=coalesced, stamps=seed % 3 == 0, sack=seed % 4 > 0) as flow:
            first, again = segments_of(rng, flow)
            flow.inject(*first)
            flow.inject(*again)
            flow.pass_time(0.1)
            assert flow.answer().ack == flow.seq
            got.append(flow.app.recv())
            ended, counters = outcomes(flow.host)
            assert ended == counters["RX_FRAMES"]
    assert got[0] == got[1]
    assert got[0]
