"""What `bench accept --curve` writes, from made-up phases; what memory is counted."""

import csv
import mmap

import numpy as np
import pytest

from pyprov import cli
from pyprov.runtime.generator import Stats, WorkerLoad
from pyprov.tools.bench import curve, memory
from pyprov.tools.bench.accept_run import Phase, Window
from pyprov.tools.bench.latency import waits


def window(seconds, syns, accepts, requests=(0,), **counters):
    names = Stats.__dataclass_fields__
    stats = Stats(**{**dict.fromkeys(names, 0), "syns": syns, "tx_full": syns - accepts})
    return Window(WorkerLoad(0, 0, 0, 0), accepts, requests, counters, seconds, stats)


def test_a_point_is_the_middle_one_of_the_windows_and_says_what_was_lost():
    ends = {"TCP_SYN_UNREAD": 20, "TCP_ACK": 9, "TCP_SYN_DROPPED_FULL": 3}
    begins = {"TCP_SYN_UNREAD": 10, "TCP_ACK": 0, "TCP_SYN_DROPPED_FULL": 3}
    borders = [
        window(1.0, 100, 50, **begins),
        window(2.0, 150, 90, **begins),
        window(3.0, 300, 150, **begins),
        window(5.0, 500, 250, **ends),
    ]
    phase = Phase(borders=borders, latency={"p50": 1.234, "p999": 9.876})
    lost = {"wire_full": 50, "TCP_SYN_UNREAD": 2}
    assert curve.point(2.0, phase) == curve.Point(2.0, 100, 50, 0.5, 1.23, 9.88, lost)


def test_goodput_is_never_more_than_all():
    assert Phase(borders=[window(0, 0, 0), window(1, 100, 103)]).goodput() == 1.0


def test_shares_are_of_the_requests_of_all_workers():
    phase = Phase(borders=[window(0, 0, 0, (10, 10)), window(1, 0, 0, (40, 20))])
    assert phase.shares() == [0.75, 0.25]


def points(most):
    """Of a server that takes a million a second, from a generator that sends `most` at most."""
    for load in curve.LOADS:
        offered = min(round(load * 1e6), most)
        served = min(offered, 1_000_000)
        lost = {"wire_full": offered - served} if offered > served else {}
        yield curve.Point(load, offered, served, served / offered, 10.0, 20.0, lost)


def test_the_curve_is_a_table_and_two_pictures(tmp_path):
    pytest.importorskip("matplotlib")
    whole = curve.Curve(1_000_000, 1.5, list(points(20_000_000)))
    curve.prepare(tmp_path / "a" / "folder")
    table, png, svg = curve.write(tmp_path / "a" / "folder", whole)
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["load"]) for row in rows] == list(curve.LOADS)
    assert rows[-1]["offered_per_s"] == "10000000"
    assert [int(row["wire_full_per_s"]) for row in rows[-2:]] == [4_000_000, 9_000_000]
    assert rows[0]["wire_full_per_s"] == "0"
    assert png.read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in svg.read_bytes()


def test_a_generator_that_sends_less_than_asked_is_told(tmp_path):
    assert curve.Curve(1_000_000, 1.5, list(points(20_000_000))).limit() is None
    short = curve.Curve(1_000_000, 1.5, list(points(1_900_000)))
    assert short.limit().load == 3.0
    assert curve.Curve(1_000_000, 1.5, []).reasons() == []


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--flows", "0"], "--flows 0: expected 1 to"),
        (["--flows", "99999999999"], "--flows 99999999999: expected 1 to"),
        (["--seconds", "nan"], "--seconds nan: expected 0.1 to"),
        (["--window", "-1"], "--window -1: expected 1 to"),
        (["--workers", "0"], "--workers 0: expected 1 to"),
        (["--flood", "-1"], "--flood -1.0: expected 0 to"),
        (["--rate", "-5"], "--rate -5: expected 0 to"),
        (["--load", "nan"], "--load nan: expected 0 to"),
        (["--curve", "/proc/x"], "--curve /proc/x: No such file or directory"),
        (["--config", "/nowhere"], "/nowhere: cannot be read"),
        (["--wire", "memif", "--workers", "2"], "goes with no other --workers than 1"),
    ],
)
def test_what_cannot_be_measured_is_told_in_one_line(capsys, words, complaint):
    if "--curve" in words:
        pytest.importorskip("matplotlib")
    assert cli.main(["bench", "accept", "--single-core", *words]) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert said.count("\n") == 1


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
