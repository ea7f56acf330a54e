"""A condition says the same as Python and as a program."""

import collections
import dataclasses

import pytest

from pyprov.conditions import ACCEPT, ASK, DROP, REJECT, Sources
from pyprov.runtime.condition import Runner
from tests.python.conditions import samples
from tests.python.conditions.requests import requests


@pytest.fixture(scope="module")
def many():
    return list(requests(seed=1, n=3_000))


def compare(condition, wanted):
    """Decide with both; returns how often each verdict came, and the counters."""
    sources, counters = Sources(), collections.Counter()
    wanted = [
        dataclasses.replace(request, sources=sources, counters=counters) for request in wanted
    ]
    runner = Runner(condition.program)
    compiled = runner.run(b"".join(request.pack() for request in wanted))
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
@pytest.mark.timeout(600)
@pytest.mark.parametrize("condition", samples.CONDITIONS, ids=lambda c: c.source.name)
def test_python_and_program_agree_on_hundreds_of_thousands(condition):
    for seed in range(10):
        compare(condition, list(requests(seed, n=30_000)))


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
    for condition in samples.CONDITIONS:
        seen += compare(condition, many)[0]
    assert set(seen) == {ACCEPT, REJECT, DROP, ASK}
    _, counters = compare(samples.counted, many)
    assert counters["all"] == len(many) > counters["low"] > counters["both low"] > 0


def test_many_ways_are_walked_without_jumps():
    """The verifier walks each way; four networks looked at one by one would be five of them."""
    negations = samples.many_ways.program.code[::8].count(0x87)
    assert negations >= 4 + 4 + 5 + 4
