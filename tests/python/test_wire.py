"""The emulated wire between two labs."""

import itertools
from types import SimpleNamespace

import pytest

from pyprov.tools.lab.wire import Wire, WireParams

SECOND = 1_000_000_000


class Engine:
    def __init__(self):
        self.home = SimpleNamespace(alive=True)
        self.out = []
        self.came = []

    def collect(self, port):
        assert port == 0
        frames, self.out = self.out, []
        return frames

    def inject(self, port, frame):
        assert port == 0
        self.came.append(bytes(frame))


@pytest.fixture
def ends():
    return Engine(), Engine()


def drain(wire):
    """Move time from arrival to arrival; returns the arrivals' times."""
    times = []
    wire.move(0)
    while (when := wire.deadline()) is not None:
        times.append(when)
        wire.move(when)
    return times


def test_a_frame_takes_its_bits_and_the_delay(ends):
    a, b = ends
    wire = Wire(a, b, WireParams(rate=1e9, delay=0.001), 1)
    a.out = [(5000, bytes(976)), (5000, bytes(976))]
    assert drain(wire) == [5000 + 8000 + 1_000_000, 5000 + 16000 + 1_000_000]
    assert len(b.came) == 2
    assert not a.came


def test_directions_do_not_disturb_each_other(ends):
    a, b = ends
    wire = Wire(a, b, WireParams(rate=1e9, delay=0), 1)
    a.out, b.out = [(0, bytes(976))], [(0, bytes(976))]
    assert drain(wire) == [8000]
    assert len(a.came) == len(b.came) == 1


def numbered(n):
    return [(i * 1000, i.to_bytes(4, "big")) for i in range(n)]


def run(seed, **params):
    a, b = Engine(), Engine()
    wire = Wire(a, b, WireParams(**params), seed)
    a.out = numbered(5000)
    drain(wire)
    return [int.from_bytes(frame, "big") for frame in b.came]


def test_shares_are_kept():
    assert run(1) == list(range(5000))
    assert 400 < 5000 - len(run(1, loss=0.1)) < 600
    assert 400 < len(run(1, duplicate=0.1)) - 5000 < 600
    came = run(1, reorder=0.1)
    late = sum(x < y for y, x in itertools.pairwise(came))
    assert sorted(came) == list(range(5000))
    assert 200 < late < 600


def test_the_seed_decides():
    wild = {"loss": 0.1, "duplicate": 0.1, "reorder": 0.1}
    assert run(1, **wild) == run(1, **wild)
    assert run(1, **wild) != run(2, **wild)


def test_what_was_sent_is_seen_lost_or_not_and_cleared_frames_never_come(ends):
    a, b = ends
    wire = Wire(a, b, WireParams(loss=1), 1)
    a.out = [(7, b"x")]
    assert wire.sent(a) == [(7, b"x")]
    assert wire.sent(a) == []
    assert wire.deadline() is None
    wire = Wire(a, b, WireParams(), 1)
    b.out = [(7, b"x")]
    wire.move(7)
    wire.clear()
    assert drain(wire) == []


@pytest.mark.parametrize("wrong", [{"rate": 0}, {"delay": -1}, {"loss": 1.5}, {"reorder": -0.1}])
def test_what_no_wire_does_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        WireParams(**wrong)
