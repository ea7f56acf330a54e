"""What `bench accept --curve` writes, from made-up phases; what memory is counted."""

import csv
import mmap

import numpy as np
import pytest

from pyprov.runtime.generator import Stats, WorkerLoad
from pyprov.tools.bench import curve, memory
from pyprov.tools.bench.accept_run import Phase, Window
from pyprov.tools.bench.latency import waits


def window(seconds, syns, handshakes, requests=(0,)):
    names = Stats.__dataclass_fields__
    stats = Stats(**{**dict.fromkeys(names, 0), "syns": syns, "handshakes": handshakes})
    load = WorkerLoad(0, 0, 0, 0)
    return Window(load, handshakes, requests, seconds, stats)


def test_a_point_is_the_difference_of_two_borders():
    phase = Phase(borders=[window(1.0, 100, 50), window(2.0, 150, 90), window(3.0, 300, 150)])
    phase.latency = {"p50": 1.234, "p999": 9.876}
    assert curve.point(2.0, phase) == curve.Point(2.0, 100, 50, 1.23, 9.88)
    assert phase.goodput() == 0.5


def test_shares_are_of_the_requests_of_all_workers():
    phase = Phase(borders=[window(0, 0, 0, (10, 10)), window(1, 0, 0, (40, 20))])
    assert phase.shares() == [0.75, 0.25]


def test_the_curve_is_a_table_and_two_pictures(tmp_path):
    pytest.importorskip("matplotlib")
    points = [curve.Point(load, round(load * 1e6), 900_000, 10.0, 20.0) for load in curve.LOADS]
    table, png, svg = curve.write(tmp_path / "out", 1_000_000, points)
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["load"]) for row in rows] == list(curve.LOADS)
    assert rows[-1]["offered_per_s"] == "10000000"
    assert png.read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in svg.read_bytes()


def test_memory_grows_by_what_is_touched():
    before = memory.resident()
    with mmap.mmap(-1, 16 << 20) as held:  # fresh from the kernel, not from an allocator's stock
        for page in range(0, len(held), mmap.PAGESIZE):
            held[page] = 1
        assert memory.resident() - before > 8 << 20


def test_what_every_engine_has_is_nobodys_memory():
    once, twice = memory.Filled(1000, 1_000_000), memory.Filled(2100, 1_110_000)
    assert memory.difference(once, twice) == 100.0


def test_a_wait_is_for_the_rest_of_the_gap_that_is_met():
    # 1,000 gaps of 1 us and one of 1,000 us: who comes at any moment meets the long one half of
    # the times, and waits more than 998 us in one of a thousand.
    floors = np.array([1, 1000], np.uint64)
    found = waits(np.array([1000, 1], np.uint64), floors, 1_000_000)
    assert found["p50"] == pytest.approx(1.0, abs=1.0)
    assert found["p99"] == pytest.approx(980.0)
    assert found["p999"] == pytest.approx(998.0)
    alike = waits(np.array([0, 7], np.uint64), floors, 1_000_000)
    assert alike == pytest.approx({"p50": 500, "p99": 990, "p999": 999})
    assert waits(np.zeros(2, np.uint64), floors, 1) == {}
