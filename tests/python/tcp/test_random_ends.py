"""Whatever network and applications do: streams are whole and in order, or end with an error."""

import os

import pytest

from tests.python.tcp.ends import Story

SEEDS = 50
MANY = 4000
PARTS = 20


@pytest.mark.parametrize("seed", range(SEEDS))
def test_streams_are_whole_or_end_with_an_error_and_leave_nothing(seed):
    Story(seed).run()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(PARTS))
def test_of_thousands(part):
    first = int(os.environ.get("PYPROV_SEED", SEEDS))
    for seed in range(first + part, first + MANY, PARTS):
        Story(seed, connections=4).run()
