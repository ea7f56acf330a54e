"""Selective acknowledgments: those we send, and the scoreboard we keep (section M, M01 to M09)."""

import itertools
import random

import pytest

from tests.proofs import proves
from tests.python.tcp.flow import Flow, blocks_of, split
from tests.python.tcp.host import Host
from tests.python.tcp.wire_rules import SACK_OK

layouts = pytest.mark.parametrize("stamps", [False, True], ids=["plain", "stamps"])


class Receiving(Flow):
    """The peer sends, we acknowledge; pieces of 100 bytes by number."""

    def piece(self, first, last=None, **fields):
        """Pieces first to last - 1 in one segment; returns (ACK, blocks) by number."""
        last = first + 1 if last is None else last
        self.data(bytes(100 * (last - first)), seq=self.seq + 100 * first, **fields)
        if not self.answers:
            self.pass_time(0.05)  # in order: the ACK is delayed
        segment = self.answer()
        return self.by_number(segment.ack), [
            (self.by_number(left), self.by_number(right)) for left, right in blocks_of(segment)
        ]

    def by_number(self, seq):
        offset = (seq - self.seq) % 2**32
        assert offset % 100 == 0
        return offset // 100


@pytest.fixture
def receiving(host):
    return Receiving(host)


@proves("M01")
def test_sack_needs_both_syns():
    for ours, theirs in itertools.product([True, False], repeat=2):
        with Host(tcp={"sack": ours, "timestamps": False}) as host:
            flow = Receiving(host, sack=theirs)
            agreed = ours and theirs
            assert (SACK_OK in split(flow.syn_ack.options)) == agreed
            assert bool(flow.info.options & 2) == agreed
            # Blocks that were not agreed on count for nothing.
            flow.write(10)
            flow.sack(0, (1, 9))
            assert flow.info.sacked == (8 if agreed else 0)
            assert flow.piece(2) == (0, [(2, 3)] if agreed else [])


@proves("M01")
@pytest.mark.parametrize("ours", [True, False])
def test_our_syn_offers_sack_as_configured(ours):
    with Host(tcp={"sack": ours}, listen=False) as host:
        end, app = host.connect()
        syn = end.expect("S")
        assert ("SAckOK" in dict(syn["TCP"].options)) == ours
        end.segment("SA", options=[("MSS", 1460), ("SAckOK", b"")])
        end.expect("A")
        assert bool(app.info.options & 2) == ours


@layouts
@proves("M02", "M03", "M04")
def test_the_newest_block_comes_first_and_as_many_as_fit(host, stamps):
    flow = Receiving(host, stamps=stamps)
    most = 3 if stamps else 4
    sent = []
    for number in (2, 8, 4, 14, 6, 12, 10):
        sent.insert(0, (number, number + 1))
        assert flow.piece(number) == (0, sent[:most])


@layouts
@proves("M02")
def test_a_block_that_grows_is_the_newest(host, stamps):
    flow = Receiving(host, stamps=stamps)
    for number in (2, 5, 8):
        flow.piece(number)
    assert flow.piece(3) == (0, [(2, 4), (8, 9), (5, 6)])
    assert flow.piece(4) == (0, [(2, 6), (8, 9)])
    assert flow.piece(7) == (0, [(7, 9), (2, 6)])


@proves("M04")
def test_every_ack_carries_blocks_while_there_are_any(host):
    flow = Receiving(host)
    assert flow.piece(5) == (0, [(5, 6)])
    assert flow.piece(0) == (1, [(5, 6)])
    assert flow.piece(2, 4) == (1, [(2, 4), (5, 6)])
    flow.dataplane.send(flow.app.handle, b"data", 0)
    host.turn()
    (data,) = flow.collect()
    assert [tuple(map(flow.by_number, block)) for block in blocks_of(data)] == [(2, 4), (5, 6)]
    assert flow.piece(1) == (4, [(5, 6)])
    assert flow.piece(4) == (6, [])


@proves("M04")
def test_full_segments_leave_room_for_the_blocks(host):
    flow = Receiving(host)
    flow.piece(5)
    flow.dataplane.send(flow.app.handle, bytes(3000), 0)
    host.turn()
    sent = flow.collect()
    assert all(blocks_of(segment) for segment in sent)
    assert all(len(segment.payload) + len(segment.options) <= 1000 for segment in sent)
    assert sum(len(segment.payload) for segment in sent) == 3000


@proves("M05")
@pytest.mark.parametrize("seed", range(20))
def test_blocks_are_what_was_received_merged(host, seed):
    """Random pieces, also overlapping; the blocks are maximal and all of it is true."""
    rng = random.Random(seed)
    flow = Receiving(host)
    have = set()
    for _ in range(40):
        first = rng.randrange(1, 30)
        last = first + rng.randrange(1, 4)
        ack, blocks = flow.piece(first, last)
        twice = have & set(range(first, last))
        have |= set(range(first, last))
        assert ack == 0
        if twice:
            (left, right), *blocks = blocks
            assert set(range(left, right)) <= twice
        assert first in range(*blocks[0])
        for left, right in blocks:
            assert set(range(left, right)) <= have
            assert left - 1 not in have
            assert right not in have


@layouts
@proves("M06")
def test_duplicates_are_reported_first_and_once(host, stamps):
    flow = Receiving(host, stamps=stamps)
    flow.piece(0, 3)
    flow.seq += 300  # pieces count from RCV.NXT now
    flow.seq %= 2**32
    flow.data(bytes(100), seq=flow.seq - 200)
    left = flow.seq - 200
    segment = flow.answer()
    assert segment.ack == flow.seq
    assert blocks_of(segment) == [(left, left + 100)]
    assert flow.piece(3) == (0, [(3, 4)])
    assert flow.piece(3) == (0, [(3, 4), (3, 4)])
    assert flow.piece(6) == (0, [(6, 7), (3, 4)])
    assert flow.piece(2, 5) == (0, [(3, 4), (2, 5), (6, 7)])


@proves("M06")
def test_a_duplicate_that_reaches_into_new_data_is_reported_in_part(host):
    flow = Receiving(host)
    flow.piece(0, 2)
    flow.data(bytes(300), seq=flow.seq + 100)
    segment = flow.answer()
    assert flow.by_number(segment.ack) == 4
    assert [tuple(map(flow.by_number, block)) for block in blocks_of(segment)] == [(1, 2)]


@layouts
@proves("M06")
def test_of_what_was_held_the_filling_segment_repeats_the_first_is_reported(host, stamps):
    flow = Receiving(host, stamps=stamps)
    for first, last in ((1, 3), (4, 5), (7, 8)):
        flow.piece(first, last)
    assert flow.piece(0, 6) == (6, [(1, 3), (7, 8)])
    assert flow.piece(6, 8) == (8, [(7, 8)])
    flow.piece(9)
    assert flow.piece(8) == (10, [])  # it repeats nothing


def probe_less(**tcp):
    return Host(tcp={"tlp": False, "mtu_probing": False} | tcp)


@proves("M07")
@pytest.mark.parametrize("rack", [True, False])
def test_sacked_data_is_kept_and_sent_again_after_a_timeout_if_need_be(rack):
    with probe_less(rack=rack) as host:
        flow = Flow(host)
        assert flow.write(10) == list(range(10))
        flow.pass_time(0.1)
        flow.sack(0, (1, 10))
        assert flow.info.sacked == 9
        assert flow.info.bytes_acked == 0
        # The peer has thrown it away.
        flow.pass_time(0.1)
        flow.ack(1)
        got = {0}
        for _ in range(30):
            host.lab.advance(1)
            got |= set(flow.numbers(flow.collect()))
            done = next(n for n in range(11) if n not in got or n == 10)
            got |= set(flow.ack(done))
        assert got == set(range(10))


@proves("M08")
@pytest.mark.parametrize(
    "block",
    [(-5, -3), (-2, 0), (-1, 3), (0, 4), (12, 20), (5, 11), (7, 5), (5, 5), (-3000, 70000)],
    ids=str,
)
def test_impossible_blocks_are_ignored(host, block):
    flow = Flow(host)
    assert flow.write(10) == list(range(10))
    flow.pass_time(0.1)
    flow.sack(0, block)
    assert flow.info.sacked == 0
    assert flow.info.lost == 0
    assert host.counter("TCP_FAST_RETRANSMIT") == 0
    # And they spoil nothing.
    flow.sack(0, (5, 10))
    assert flow.info.sacked == 5


@proves("M08")
def test_a_block_seen_too_early_counts_when_it_is_true(host):
    flow = Flow(host)
    flow.write(12)
    flow.sack(0, (8, 12))  # 10 and 11 were not sent yet
    assert flow.info.sacked == 0
    flow.pass_time(0.1)
    flow.ack(4)
    assert flow.number_sent == 12
    flow.sack(4, (8, 12))
    assert flow.info.sacked == 4


@proves("M08")
def test_random_blocks_do_no_harm(host):
    rng = random.Random(3)
    flow = Flow(host, stamps=True)
    flow.dataplane.send(flow.app.handle, bytes(60000), 0)
    host.turn()
    for _ in range(3000):
        blocks = [(rng.uniform(-20, 90), rng.uniform(-20, 90)) for _ in range(rng.randrange(1, 4))]
        flow.inject(flow.acking(rng.choice([0, 0, 0, rng.uniform(0, 12)]), *blocks))
        if rng.random() < 0.05:
            host.lab.advance(0.01)
        if flow.acked != flow.start:
            flow.acked = flow.start
    assert not flow.app.status.error
    assert host.counter("NEVER") == 0


@proves("M09")
@pytest.mark.parametrize("rack", [True, False])
def test_reneging_is_found_and_everything_sent_again(rack):
    with probe_less(rack=rack) as host:
        flow = Flow(host)
        flow.write(10)
        flow.pass_time(0.1)
        flow.sack(0, (3, 8))
        flow.pass_time(0.05)
        flow.ack(3)  # up to what was SACKed, and not beyond: it is gone
        assert flow.next().number == 3
        assert host.counter("TCP_SACK_RENEGED") == 1
        assert flow.info.sacked == 0
        sent = []
        for number in range(3, 10):
            flow.pass_time(0.1)
            sent += flow.ack(number + 1)
        assert sorted(set(sent)) == list(range(4, 10))
        assert host.counter("TCP_RTO") == 1
