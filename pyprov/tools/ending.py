"""A tool that runs until it is told to end."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from types import FrameType

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Ending:
    """Waits in the main thread for SIGINT, SIGTERM, or another thread's word.

    Attributes:
        error: what the other thread said was the reason.
    """

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self._bell = -1
        self._before: list[object] = []

    def __enter__(self) -> Self:
        self._bell = os.eventfd(0, os.EFD_CLOEXEC)
        self._before = [signal.signal(number, self._on_signal) for number in _SIGNALS]
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in zip(_SIGNALS, self._before, strict=True):
            signal.signal(number, handler)  # type: ignore[arg-type] # as it was given to us
        os.close(self._bell)

    def wait(self) -> None:
        """Sleep until the end is asked for."""
        while True:
            try:
                os.eventfd_read(self._bell)
            except InterruptedError:
                continue  # the signal's handler may have rung, the next read says
            return

    def ask(self, error: BaseException | None = None) -> None:
        """Ask for the end, from any thread."""
        self.error = error
        os.eventfd_write(self._bell, 1)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        os.eventfd_write(self._bell, 1)
