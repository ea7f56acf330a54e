"""An emulated wire between two engines: rate, delay, loss, reordering, duplication, all seeded."""

from __future__ import annotations

import heapq
import itertools
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pyprov.tools.lab.engine import LabDataplane

_SECOND: Final = 1_000_000_000
_OVERHEAD: Final = 24  # preamble, checksum and gap of Ethernet

# A frame that is to be overtaken waits so much longer, at most.
_REORDER_DELAY: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WireParams:
    """What a wire does to the frames in each direction.

    Attributes:
        rate: bits a second.
        delay: seconds that a frame travels.
        loss: share of the frames that vanish.
        reorder: share of the frames that others may overtake.
        duplicate: share of the frames that arrive twice.
    """

    rate: float = 10e9
    delay: float = 1e-4
    loss: float = 0.0
    reorder: float = 0.0
    duplicate: float = 0.0

    def __post_init__(self) -> None:
        if self.rate <= 0 or self.delay < 0:
            raise ValueError("a wire needs a rate above 0 and a delay of at least 0")
        for name in ("loss", "reorder", "duplicate"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a share between 0 and 1")


class _Direction:
    """Frames on their way from one engine to the other."""

    def __init__(self, params: WireParams, seed: str) -> None:
        self._params = params
        self._random = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self._free_at = 0
        self._numbers = itertools.count()
        self.flying: list[tuple[int, int, bytes]] = []  # a heap by arrival

    def send(self, when: int, frame: bytes) -> None:
        params, draw = self._params, self._random.random
        bits = 8 * (len(frame) + _OVERHEAD)
        self._free_at = max(self._free_at, when) + round(bits * _SECOND / params.rate)
        lost, twice, late = (
            draw() < share for share in (params.loss, params.duplicate, params.reorder)
        )
        if lost:
            return
        arrival = self._free_at + round(params.delay * _SECOND)
        if late:
            arrival += round(draw() * max(params.delay * _SECOND, _REORDER_DELAY))
        for _ in range(2 if twice else 1):
            heapq.heappush(self.flying, (arrival, next(self._numbers), frame))


class Wire:
    """Joins port 0 of two engines. What each sends is kept for `collect` too."""

    def __init__(self, a: LabDataplane, b: LabDataplane, params: WireParams, seed: int) -> None:
        self._ends = (
            (a, b, _Direction(params, f"{seed} a")),
            (b, a, _Direction(params, f"{seed} b")),
        )
        self._sent: dict[LabDataplane, list[tuple[int, bytes]]] = {a: [], b: []}

    def deadline(self) -> int | None:
        """Return when the next frame arrives."""
        arrivals = [way.flying[0][0] for _, _, way in self._ends if way.flying]
        return min(arrivals, default=None)

    def move(self, now: int) -> None:
        """Take what was sent, let arrive what is due."""
        for sender, receiver, way in self._ends:
            frames = sender.collect(0) if sender.home.alive else []
            self._sent[sender] += frames
            for when, frame in frames:
                way.send(when, frame)
            while way.flying and way.flying[0][0] <= now:
                frame = heapq.heappop(way.flying)[2]
                if receiver.home.alive:
                    receiver.inject(0, frame)

    def sent(self, engine: LabDataplane) -> list[tuple[int, bytes]]:
        """Return what an engine has sent since the last call, lost or not."""
        self.move(0)
        frames, self._sent[engine] = self._sent[engine], []
        return frames

    def clear(self) -> None:
        """Let everything on the wire vanish."""
        for _, _, way in self._ends:
            way.flying.clear()
