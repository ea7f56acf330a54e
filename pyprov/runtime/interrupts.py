"""Signals that come while the main thread is about to sleep.

Python's handler in C only leaves a note; the function given to `signal.signal` runs when the main
thread is back in Python. A signal that comes after Python's last look and before the sleep would
therefore be noticed no sooner than the sleep ends by itself: Ctrl-C would seem to do nothing. So
the main thread asks for a byte in a pipe with each signal (`signal.set_wakeup_fd`) and sleeps on
that pipe too. Who else asked for such bytes, an event loop for example, gets them passed on.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from types import TracebackType

NONE: Final = -1
_MAIN: Final = threading.main_thread()


class Interrupts:
    """Watches signals in a `with`; in a thread other than the main one it does nothing.

    Attributes:
        fd: readable when a signal came; NONE outside of the main thread.
    """

    __slots__ = ("_previous", "fd")

    def __init__(self) -> None:
        self.fd = NONE
        self._previous = NONE

    def __enter__(self) -> Self:
        if threading.get_ident() == _MAIN.ident:
            readable, writable = _pipe.ends()
            # From here on a byte comes.
            self._previous = signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
            self.fd = readable
            # This call handles a signal that came before. The interpreter itself does not look
            # when it was another thread that the signal interrupted.
            signal.pthread_sigmask(signal.SIG_BLOCK, ())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.fd != NONE:
            ours = self._previous == _pipe.ends()[1]
            signal.set_wakeup_fd(NONE if ours else self._previous, warn_on_full_buffer=False)

    def take(self) -> None:
        """Take what came, after the descriptor was readable."""
        if self.fd == NONE:
            return
        with contextlib.suppress(BlockingIOError):
            numbers = os.read(self.fd, 256)
            if self._previous not in {NONE, _pipe.ends()[1]}:
                os.write(self._previous, numbers)


class _Pipe:
    """One for the process, made at first use."""

    def __init__(self) -> None:
        self._ends: tuple[int, int] | None = None

    def ends(self) -> tuple[int, int]:
        if self._ends is None:
            self._ends = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        return self._ends


_pipe: Final = _Pipe()
