"""Event objects: an eventfd that is readable while the event is set.

Manual reset, as Winsock wants them. The dataplane's workers write to the descriptor by themselves
when a socket registered with WSPEventSelect changes (`signal`), so that no thread of ours lies
between a packet and whoever waits for the event. As it is a descriptor, select, epoll and asyncio
can wait for it too.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
from typing import TYPE_CHECKING

from pyprov.core.failure import translate
from pyprov.core.port import DataplaneError, is_running
from pyprov.core.span import nanoseconds
from pyprov.winsock.codes import WSA_INVALID_HANDLE, WSAEINVAL
from pyprov.winsock.errors import WSAError

if TYPE_CHECKING:
    from pyprov.core.port import Dataplane, Waiter

_MS: int = 1_000_000
_POLL_MOST: int = (1 << 31) - 1


class WSAEVENT:
    """An event object.

    Everything but `close` raises WSA_INVALID_HANDLE once it is closed.
    """

    __slots__ = ("_dataplane", "_fd", "_lock", "_signal")

    def __init__(self, dataplane: Dataplane | None = None) -> None:
        """Make an event, not set.

        Args:
            dataplane: the engine in whose time `wait` waits; without one it is the engine of the
                first socket it is registered for, and until then the machine's clock.
        """
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._dataplane = dataplane
        self._signal: Waiter | None = None
        self._lock = threading.Lock()

    def fileno(self) -> int:
        """Return the descriptor, readable while the event is set."""
        if self._fd < 0:
            raise WSAError(WSA_INVALID_HANDLE, "the event is closed")
        return self._fd

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._fd < 0

    def set(self) -> None:
        """Set it; it stays set until `reset`."""
        os.eventfd_write(self.fileno(), 1)

    def reset(self) -> None:
        """Make it not set."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self.fileno())

    def is_set(self) -> bool:
        """Whether it is set; changes nothing."""
        poll = select.poll()
        poll.register(self.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def wait(self, timeout: float | None = None) -> bool:
        """Block until it is set (True) or so many seconds have passed (False); None: for ever."""
        fd, span = self.fileno(), nanoseconds(timeout)
        if self._dataplane is None:
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            return bool(poll.poll(None if span is None else min(span // _MS, _POLL_MOST)))
        try:
            return bool(self._dataplane.wait_fds([fd], span))
        except DataplaneError as error:
            raise translate(error) from error

    def signal(self, dataplane: Dataplane) -> Waiter:
        """Return the waiter through which an engine's workers set this event.

        Raises:
            WSAError: WSA_INVALID_HANDLE if closed, WSAEINVAL if it serves another engine.
        """
        before = self._dataplane
        if before is not None and before is not dataplane and not is_running(before):
            self.forget(before)
        known = self._known_signal(dataplane)
        if known is not None:
            return known
        try:
            made = dataplane.open_signal(self.fileno())
        except DataplaneError as error:
            raise translate(error) from error
        with self._lock:
            if self._signal is None:
                self._dataplane, self._signal = dataplane, made
                return made
        made.close()  # another thread was faster
        return self.signal(dataplane)

    def _known_signal(self, dataplane: Dataplane) -> Waiter | None:
        with self._lock:
            if self._signal is not None and self._dataplane is not dataplane:
                raise WSAError(WSAEINVAL, "the event serves another engine")
            return self._signal

    def forget(self, dataplane: Dataplane) -> None:
        """An engine has stopped: it sets this event no more."""
        with self._lock:
            if self._dataplane is not dataplane:
                return
            signal, self._signal, self._dataplane = self._signal, None, None
        if signal is not None:
            with contextlib.suppress(DataplaneError):
                signal.close()

    def close(self) -> None:
        """Give the descriptor back; registrations for this event end."""
        with self._lock:
            fd, self._fd = self._fd, -1
            signal, self._signal = self._signal, None
        if signal is not None:
            with contextlib.suppress(DataplaneError):
                signal.close()
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        if getattr(self, "_fd", -1) >= 0:
            self.close()

    def __repr__(self) -> str:
        return "<WSAEVENT closed>" if self.closed else f"<WSAEVENT {self._fd}>"
