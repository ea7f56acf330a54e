"""Whole transfers over emulated wires: nothing is lost, nobody starves, reordering costs little."""

import itertools
import random
import zlib

import pytest

from pyprov.core.port import (
    OPT_RATE,
    ConnectParams,
    ListenParams,
    pack_address,
)
from pyprov.lab import Lab
from tests.proofs import proves
from tests.python.tcp.flow import Flow
from tests.python.tcp.host import Host

MB = 1 << 20


class End:
    """One end of a connection of a pair: what it sends is drawn from a seed."""

    def __init__(self, dataplane, handle, total, seed):
        self.dataplane, self.handle = dataplane, handle
        self.total, self.sent, self.got = total, 0, 0
        self.block = random.Random(seed).randbytes(1 << 16)
        self.told = self.heard = 0
        self.buffer = bytearray(1 << 20)

    def work(self):
        """Write what is taken, read what is there."""
        while self.sent < self.total:
            at = self.sent % len(self.block)
            part = self.block[at : at + self.total - self.sent]
            taken = self.dataplane.send(self.handle, part, 0)
            if not taken:
                break
            self.told = zlib.crc32(part[:taken], self.told)
            self.sent += taken
        while count := self.dataplane.recv(self.handle, self.buffer, 0):
            self.heard = zlib.crc32(memoryview(self.buffer)[:count], self.heard)
            self.got += count


def join(two, sizes, port=80, seed=1):
    """A connection from a to b that carries so many bytes each way."""
    listener = two.b.dataplane.listen(ListenParams(port=port))
    handle = two.a.dataplane.connect(
        ConnectParams(peer=pack_address(two.b.address), peer_port=port)
    )
    request = None
    while request is None:
        two.advance(0.05)
        request = two.b.dataplane.accept(listener)
    return (
        End(two.a.dataplane, handle, sizes[0], seed),
        End(two.b.dataplane, request.handle, sizes[1], seed + 1),
    )


def carry(two, sizes, step, limit, seed=1):
    """Carry the bytes; returns the virtual seconds that took."""
    a, b = join(two, sizes, seed=seed)
    began = two.now
    while a.got < sizes[1] or b.got < sizes[0]:
        for end in (a, b):
            end.work()
        two.advance(step)
        assert two.now - began < limit, f"{a.got} and {b.got} bytes after {limit} s"
    assert (a.told, b.told) == (b.heard, a.heard)
    return two.now - began


WIRES = [
    {"loss": 0.01},
    {"loss": 0.05, "reorder": 0.05},
    {"loss": 0.2, "reorder": 0.1, "duplicate": 0.05},
]


@proves("M25")
@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: f"{wire['loss']:.0%}")
@pytest.mark.parametrize("sack", [True, False])
def test_every_byte_arrives_in_spite_of_loss(wire, sack):
    size = 200_000 if wire["loss"] > 0.1 else MB
    with Lab.pair(seed=5, config={"tcp": {"sack": sack}}, rate=1e8, delay=0.005, **wire) as two:
        carry(two, (size, size // 4), 0.02, 20_000)
        for node in (two.a, two.b):
            assert node.dataplane.counters()["NEVER"] == 0


@pytest.mark.slow
@pytest.mark.timeout(1800)
@proves("M25")
@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: f"{wire['loss']:.0%}")
def test_a_hundred_megabytes_arrive_in_spite_of_loss(wire):
    with Lab.pair(seed=6, rate=1e9, delay=0.001, **wire) as two:
        carry(two, (100 * MB, 10 * MB), 0.5 if wire["loss"] > 0.1 else 0.05, 10_000_000)


def goodput(*, tcp=None, size=2 * MB, **wire):
    """Bytes a second of one transfer at 20 Mb/s and 20 ms there and back."""
    with Lab.pair(seed=7, config={"tcp": tcp or {}}, rate=2e7, delay=0.01, **wire) as two:
        seconds = carry(two, (size, 0), 0.01, 600)
        counters = two.a.dataplane.counters()
        return size / seconds, counters


@proves("M15")
@pytest.mark.parametrize("share", [0.02, 0.2])
def test_reordering_is_tolerated(share):
    straight, _ = goodput()
    mixed, counters = goodput(reorder=share)
    assert mixed > 0.6 * straight
    assert counters["TCP_RTO"] <= 1


@proves("M15")
def test_rack_bears_reordering_better_than_counting_does():
    _, by_time = goodput(reorder=0.1)
    _, by_count = goodput(reorder=0.1, tcp={"rack": False})
    assert by_time["TCP_RETRANSMITTED"] < by_count["TCP_RETRANSMITTED"]


def test_sack_repairs_faster_than_partial_acks_do():
    with_sack, _ = goodput(loss=0.05)
    without, _ = goodput(loss=0.05, tcp={"sack": False})
    assert with_sack > 1.2 * without


@proves("L18")
@pytest.mark.parametrize("congestion", ["cubic", "newreno"])
def test_two_flows_share_a_bottleneck(congestion):
    """One has the path for itself, then the other begins; in the end each has its part."""
    config = {"tcp": {"congestion": congestion}}
    with Lab.pair(seed=8, config=config, rate=1e7, delay=0.01, queue=30_000) as two:
        flows = [join(two, (1 << 40, 0), port=80)]
        got = []
        for seconds in (3, 20, 20):
            before = [end.got for _, end in flows]
            until = two.now + seconds
            while two.now < until:
                for end in itertools.chain(*flows):
                    end.work()
                two.advance(0.01)
            got.append([end.got - was for (_, end), was in zip(flows, before, strict=True)])
            if len(flows) == 1:
                flows.append(join(two, (1 << 40, 0), port=81, seed=3))
        alone, _, shared = got
        assert alone[0] / 3 > 0.8 * 1e7 / 8
        assert sum(shared) / 20 > 0.85 * 1e7 / 8
        assert 0.3 < shared[0] / sum(shared) < 0.7


@pytest.mark.parametrize("rate", [100_000, 1_000_000])
def test_pacing_spaces_segments_at_the_rate(rate):
    with Host(tcp={"initial_window": 20}) as host:
        flow = Flow(host)
        flow.app.option(OPT_RATE, rate)
        flow.write(20)
        flow.pass_time(20_000 / rate)
        flow.collect()
        gaps = [b.when - a.when for a, b in itertools.pairwise(flow.log)]
        assert len(gaps) == 19
        assert all(gap == pytest.approx(1000 / rate, abs=70e-6) for gap in gaps)
        assert sum(gaps) == pytest.approx(19_000 / rate, abs=70e-6)
        assert flow.info.pacing_rate == rate
        assert host.counter("TCP_PACED") >= 18


def test_the_rate_is_kept_when_timers_are_late():
    """A worker looks at its timers every 0.3 ms; a segment is due every 0.77."""
    rate = 1_300_000
    with Host(tcp={"initial_window": 200, "send_buffer": 1 << 20}) as host:
        flow = Flow(host, wscale=5)
        flow.app.option(OPT_RATE, rate)
        flow.write(100)
        for _ in range(290):
            host.dataplane.step(host.dataplane.now() + 300_000)
        flow.collect()
        took = flow.log[-1].when - flow.log[0].when
        assert len(flow.log) == 100
        assert took == pytest.approx(99_000 / rate, rel=0.01)


def test_without_a_rate_nothing_waits_and_one_can_be_taken_back(host):
    flow = Flow(host)
    flow.app.option(OPT_RATE, 10_000)
    assert len(flow.write(10)) == 1
    flow.app.option(OPT_RATE, 0)
    assert len(flow.collect()) + 1 == 10
    other = Flow(host)
    assert len(other.write(10)) == 10
