"""A condition says the same as Python and as a program."""

import collections
import dataclasses

import pytest

from pyprov.conditions import ACCEPT, ASK, DROP, REJECT, ConnectionRequest, Endpoint, Sources
from pyprov.runtime.condition import Runner
from tests.python.conditions import samples
from tests.python.conditions.requests import requests


@pytest.fixture(scope="module")
def many():
    return list(requests(seed=1, n=3_000))


def pack(wanted):
    return b"".join(request.pack() for request in wanted)


def compare(condition, wanted, packed=None):
    """Decide with both; returns how often each verdict came, and the counters."""
    packed = packed or pack(wanted)
    sources, counters = Sources(), collections.Counter()
    wanted = [
        dataclasses.replace(request, sources=sources, counters=counters) for request in wanted
    ]
    runner = Runner(condition.program)
    compiled = runner.run(packed)
    counted = runner.counters()
    runner.close()
    for request, verdict in zip(wanted, compiled, strict=True):
        assert condition(request) == verdict, request
    assert counted == {name: counters[name] for name in counted}
    return collections.Counter(compiled), counters


@pytest.mark.parametrize("condition", samples.CONDITIONS, ids=lambda c: c.source.name)
def test_python_and_program_agree(condition, many):
    compare(condition, many)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_python_and_program_agree_on_hundreds_of_thousands(seed):
    wanted = list(requests(seed, n=30_000))
    packed = pack(wanted)
    for condition in samples.CONDITIONS:
        compare(condition, wanted, packed)


@pytest.mark.parametrize(
    "condition",
    [c for c in samples.CONDITIONS if c.source.name not in {"counted", "known_at_once"}],
    ids=lambda c: c.source.name,
)
def test_the_requests_take_more_than_one_way(condition, many):
    verdicts, _ = compare(condition, many)
    assert len(verdicts) > 1


def test_every_verdict_and_counter_comes_up(many):
    seen = collections.Counter()
    for condition in (samples.lan_and_modest, samples.token_buckets):
        seen += compare(condition, many)[0]
    assert set(seen) == {ACCEPT, REJECT, DROP, ASK}
    _, counters = compare(samples.counted, many)
    assert counters["all"] == len(many) > counters["low"] > counters["both low"] > 0


def test_many_ways_are_walked_without_jumps():
    """The verifier walks each way; four networks looked at one by one would be five of them."""
    negations = samples.many_ways.program.code[::8].count(0x87)
    assert negations >= 4 + 4 + 5 + 4


def test_more_sources_than_room_are_let_through_rather_than_locked_out():
    """A worker keeps 8,192 buckets; those that are full again soonest make room."""

    def ask(runner, hosts):
        ends = [Endpoint(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", 1) for n in hosts]
        callee = Endpoint("10.9.0.2", 80)
        made = (ConnectionRequest(caller=end, callee=callee, time=10**9) for end in ends)
        return collections.Counter(runner.run(b"".join(request.pack() for request in made)))

    runner = Runner(samples.one_each.program)
    assert ask(runner, range(1_000)) == {ACCEPT: 1_000}
    assert ask(runner, range(1_000))[DROP] > 980
    assert ask(runner, range(1_000, 21_000)) == {ACCEPT: 20_000}
    assert ask(runner, range(1_000))[ACCEPT] > 500
    runner.close()
