"""Every loss is repaired, wherever it is (M24, M25)."""

import itertools
import random

import pytest

from tests.proofs import proves
from tests.python.tcp.flow import Flow
from tests.python.tcp.host import Host

with_and_without_sack = pytest.mark.parametrize("sack", [True, False], ids=["sack", "plain"])


class Lossy:
    """A peer that loses what it is told to and answers as RFC 2018 and 5681 say."""

    def __init__(self, host, total, *, sack, lose, rtt=0.05):
        self.host = host
        self.flow = Flow(host, sack=sack, rtt=rtt, nodelay=True)
        self.total, self.sack, self.lose, self.rtt = total, sack, lose, rtt
        self.seen = {}
        self.have = set()
        self.events = []  # (time, number) of what arrives

    def take(self, segments):
        now = self.host.lab.now
        for segment in segments:
            number = self.flow.number(segment)
            copy = self.seen[number] = self.seen.get(number, 0) + 1
            if not self.lose(number, copy):
                self.events.append((now + self.rtt, number))

    def answer(self, number):
        self.have.add(number)
        acked = next(n for n in itertools.count() if n not in self.have)
        runs = []
        for n in sorted(n for n in self.have if n > acked):
            if runs and runs[-1][1] == n:
                runs[-1][1] = n + 1
            else:
                runs.append([n, n + 1])
        runs.sort(key=lambda run: number not in range(*run))
        blocks = runs[:3] if self.sack else []
        self.take(self.flow.inject(self.flow.acking(acked, *blocks)))
        return acked

    def run(self, within=60):
        self.host.dataplane.send(self.flow.app.handle, bytes(self.total * self.flow.mss), 0)
        self.host.turn()
        self.take(self.flow.collect())
        acked, end = 0, self.host.lab.now + within
        while acked < self.total:
            assert self.host.lab.now < end, f"only {acked} of {self.total}"
            self.events.sort()
            deadline = self.flow.dataplane.deadline(housekeeping=False)
            timer = self.host.lab.now + (deadline - self.flow.dataplane.now()) / 1e9
            if self.events and self.events[0][0] <= timer:
                when, number = self.events.pop(0)
                self.host.lab.advance(max(0, when - self.host.lab.now))
                self.take(self.flow.collect())
                acked = self.answer(number)
            else:
                self.host.lab.advance(max(0, timer - self.host.lab.now) + 1e-9)
                self.take(self.flow.collect())
        return self.host.lab.now


@proves("M24")
@with_and_without_sack
@pytest.mark.parametrize("rack", [True, False])
@pytest.mark.parametrize("flight", [10, 20, 100])
def test_the_loss_of_any_one_segment_is_repaired(sack, rack, flight):
    """And with SACK, but for the tail without RACK, without a time-out."""
    step = 1 if flight < 100 else 7
    tcp = {"rack": rack, "initial_window": flight, "send_buffer": 1 << 20, "timestamps": False}
    with Host(tcp=tcp) as host:
        for lost in [*range(0, flight, step), flight - 1]:
            before = host.counter("TCP_RTO")
            peer = Lossy(
                host, flight, sack=sack, lose=lambda n, copy, lost=lost: n == lost and copy == 1
            )
            peer.flow.window = 65535
            peer.run()
            assert max(peer.seen.values()) <= 2 + (not sack)
            assert sum(peer.seen.values()) <= flight + 2 + (0 if sack else flight)
            timeouts = host.counter("TCP_RTO") - before
            if (sack and rack) or lost < flight - 3:
                assert timeouts == 0, f"a time-out after the loss of {lost}"
            host.lab.reset()


@proves("M24")
@with_and_without_sack
@pytest.mark.parametrize("seed", range(10))
def test_the_loss_of_several_is_repaired(sack, seed):
    rng = random.Random(seed)
    lost = {n: rng.randrange(1, 3) for n in rng.sample(range(60), 12)}
    with Host(tcp={"send_buffer": 1 << 20}) as host:
        peer = Lossy(host, 60, sack=sack, lose=lambda n, copy: copy <= lost.get(n, 0))
        peer.run()
        assert host.counter("NEVER") == 0
