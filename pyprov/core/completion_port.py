"""Completion ports: one queue for the ended requests of many sockets.

Its descriptor is readable while something is queued, so that select, epoll and asyncio can wait for
it too. Any number of threads may take from it.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from pyprov.core.lanes import lanes_of
from pyprov.core.waiting import deadline_in, wait_until
from pyprov.winsock.codes import (
    WSA_INVALID_HANDLE,
    WSA_INVALID_PARAMETER,
    WSAEINTR,
)
from pyprov.winsock.errors import WSAError

if TYPE_CHECKING:
    from pyprov.core.control import Control
    from pyprov.core.socket import Socket
    from pyprov.winsock.structs import WSAOVERLAPPED

Find: TypeAlias = Callable[[object], "tuple[Control, Socket]"]


class Completion(NamedTuple):
    """One ended request."""

    key: object
    transferred: int
    overlapped: WSAOVERLAPPED | None
    error: int


class CompletionPort:
    """A queue of ended requests.

    Everything but `close` raises WSA_INVALID_HANDLE once it is closed.
    """

    def __init__(self, find: Find, control: Callable[[], Control]) -> None:
        """Make an empty port.

        Args:
            find: from a SOCKET to its provider's state and its socket.
            control: the provider's state, in whose engine's time `get` waits.
        """
        self._find = find
        self._control = control
        self._queue: deque[Completion] = deque()
        self._lock = threading.Lock()
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def associate(self, s: int, key: object = 0) -> None:
        """Let the requests of a socket be told here, with a key; once and for all.

        Raises:
            WSAError: WSAENOTSOCK; WSA_INVALID_PARAMETER for a socket that has a port, or was made
                without WSA_FLAG_OVERLAPPED.
        """
        self.fileno()
        control, socket = self._find(s)
        if not socket.profile.overlapped:
            raise WSAError(WSA_INVALID_PARAMETER, "the socket was not made for overlapped requests")
        lanes = lanes_of(control, socket)
        with control.lock:
            if lanes.port is not None:
                raise WSAError(WSA_INVALID_PARAMETER, "the socket has a completion port")
            lanes.port, lanes.key = self, key

    def get(self, timeout: float | None = None) -> Completion:
        """Take the oldest completion; blocks until there is one.

        Args:
            timeout: seconds; None: no limit.

        Returns:
            Its key, bytes transferred, structure and error (0: success).

        Raises:
            queue.Empty: time is up.
            WSAError: WSAEINVAL for what is no time, WSAEINTR when the provider is cleaned up,
                WSANOTINITIALISED.
        """
        found = self._take()
        if found is not None:
            return found
        control = self._control()
        deadline = deadline_in(control, timeout)
        while True:
            ready = wait_until(control, [self.fileno(), control.service.over], deadline)
            found = self._take()
            if found is not None:
                return found
            if not ready:
                raise queue.Empty
            if control.service.over in ready:
                raise WSAError(WSAEINTR, "the provider was cleaned up during the call")

    def _take(self) -> Completion | None:
        with self._lock:
            self.fileno()
            if not self._queue:
                return None
            taken = self._queue.popleft()
            if not self._queue:
                with contextlib.suppress(BlockingIOError):
                    os.eventfd_read(self._fd)
            return taken

    def post(
        self,
        key: object = 0,
        transferred: int = 0,
        overlapped: WSAOVERLAPPED | None = None,
        error: int = 0,
    ) -> None:
        """Put something in by hand: `get` returns it as it is."""
        self.fileno()
        self.put(key, transferred, overlapped, error)

    def put(
        self, key: object, transferred: int, overlapped: WSAOVERLAPPED | None, error: int
    ) -> None:
        """Put a completion in; a port that is closed loses it."""
        with self._lock:
            if self._fd >= 0:
                self._queue.append(Completion(key, transferred, overlapped, error))
                os.eventfd_write(self._fd, 1)

    def fileno(self) -> int:
        """Return a descriptor that is readable while there is something to get."""
        if self._fd < 0:
            raise WSAError(WSA_INVALID_HANDLE, "the completion port is closed")
        return self._fd

    def close(self) -> None:
        """Give the descriptor back; what is queued, and what ends later, is told to nobody."""
        with self._lock:
            fd, self._fd = self._fd, -1
            self._queue.clear()
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        if getattr(self, "_fd", -1) >= 0:
            self.close()
