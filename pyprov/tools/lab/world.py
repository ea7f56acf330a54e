"""Virtual time: one clock, the engines that live by it, and what lies between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyprov.tools.lab.engine import LabDataplane

START: Final = 1_000_000_000
"""Engine time at which a lab begins: times of 0 mean "never" in places."""


class Link(Protocol):
    """What carries frames between engines."""

    def deadline(self) -> int | None:
        """Return when the next frame arrives somewhere."""

    def move(self, now: int) -> None:
        """Let arrive what is due."""


class Unplugged:
    """No link: frames wait until the test collects them."""

    def deadline(self) -> int | None:
        """See Link."""
        return None

    def move(self, now: int) -> None:
        """See Link."""


class World:
    """The clock. Engines act in the order given whenever two are due at the same time."""

    def __init__(self, engines: Sequence[LabDataplane], link: Link) -> None:
        self._engines = tuple(engines)
        self._link = link
        self._now = START
        self._turn()

    def now(self) -> int:
        """Return the virtual time in nanoseconds."""
        return self._now

    def deadline(self, *, housekeeping: bool) -> int | None:
        """Return when the next thing happens."""
        self._link.move(self._now)
        due = [engine.deadline(housekeeping=housekeeping) for engine in self._running()]
        return min(
            (when for when in (*due, self._link.deadline()) if when is not None), default=None
        )

    def run_until(self, when: int) -> None:
        """Let everything up to and including `when` happen in order."""
        while True:
            due = self.deadline(housekeeping=True)
            if due is None or due > when:
                break
            self._now = max(self._now, due)
            self._turn()
        self._now = max(self._now, when)
        self._turn()

    def _turn(self) -> None:
        self._link.move(self._now)
        for engine in self._running():
            engine.step(self._now)
        self._link.move(self._now)

    def _running(self) -> list[LabDataplane]:
        return [engine for engine in self._engines if engine.home.alive]
