"""Asynchronous procedure calls: what a thread runs while it waits alertably.

Every thread has a queue. Others put functions into it; the thread calls them, in order, inside a
wait that allows it (SleepEx, WSAWaitForMultipleEvents, a blocking call that really waits), and
nowhere else. Whoever queues one wakes the wait that is under way: an *alert* descriptor that is
readable while something is queued, or the waiter of a blocking call.

A queue lives as long as its thread. A thread's number may come again: what was meant for a thread
that has ended is not given to the next one of that number, as long as the sender kept `Apcs.alive`.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from pyprov.core.port import DataplaneError
from pyprov.winsock.codes import WSAEFAULT
from pyprov.winsock.errors import WSAError

if TYPE_CHECKING:
    from pyprov.core.port import Waiter

Apc: TypeAlias = Callable[[object], None]


class Apcs:
    """The queue of one thread.

    Attributes:
        waiter: that of the blocking call under way, rung when something is queued.
    """

    __slots__ = ("__weakref__", "_fd", "_lock", "_queue", "waiter")

    def __init__(self) -> None:
        self._queue: deque[tuple[Apc, object]] = deque()
        self._lock = threading.Lock()
        self._fd = -1
        self.waiter: Waiter | None = None

    def __bool__(self) -> bool:
        return bool(self._queue)

    def fileno(self) -> int:
        """Return a descriptor that is readable while something is queued; made at first use."""
        with self._lock:
            if self._fd < 0:
                queued = int(bool(self._queue))
                self._fd = os.eventfd(queued, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            return self._fd

    def add(self, function: Apc, context: object) -> None:
        """Queue a call, and wake the thread if it waits alertably; from any thread."""
        with self._lock:
            self._queue.append((function, context))
            if self._fd >= 0:
                os.eventfd_write(self._fd, 1)
        waiter = self.waiter
        if waiter is not None:
            with contextlib.suppress(DataplaneError):  # its engine stops, which wakes it too
                waiter.ring()

    def run(self) -> bool:
        """Call all that is queued, also what is queued meanwhile; only by the thread itself.

        What a function raises comes out, and the rest stays queued.

        Returns:
            Whether there was anything.
        """
        ran = False
        while self._queue:
            function, context = self._take()
            ran = True
            function(context)
        return ran

    def _take(self) -> tuple[Apc, object]:
        with self._lock:
            taken = self._queue.popleft()
            if not self._queue and self._fd >= 0:
                with contextlib.suppress(BlockingIOError):
                    os.eventfd_read(self._fd)
            return taken

    def __del__(self) -> None:
        if getattr(self, "_fd", -1) >= 0:
            os.close(self._fd)


class _Mine(threading.local):
    """The calling thread's queue, entered in `_threads` when it is made."""

    def __init__(self) -> None:
        super().__init__()
        self.apcs = Apcs()
        thread_id = threading.get_ident()

        def forget(ended: weakref.ref[Apcs]) -> None:
            if _threads.get(thread_id) is ended:
                del _threads[thread_id]

        _threads[thread_id] = weakref.ref(self.apcs, forget)


_threads: Final[dict[int, weakref.ref[Apcs]]] = {}
_mine: Final = _Mine()


def own() -> Apcs:
    """Return the calling thread's queue."""
    return _mine.apcs


def open_thread() -> int:
    """Return the calling thread's number; from then on others can queue calls to it."""
    own()
    return threading.get_ident()


def queue(thread_id: object, function: object, context: object) -> None:
    """Queue a call to a thread.

    Raises:
        WSAError: WSAEFAULT if no such thread has ever waited or asked for a completion routine, or
            it has ended, or the function cannot be called.
    """
    if not callable(function):
        raise WSAError(WSAEFAULT, f"{function!r} cannot be called")
    known = _threads.get(thread_id) if isinstance(thread_id, int) else None
    apcs = None if known is None else known()
    if apcs is None:
        raise WSAError(WSAEFAULT, f"{thread_id!r} is no thread that could be called")
    apcs.add(function, context)
