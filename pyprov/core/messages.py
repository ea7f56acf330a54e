"""Message queues, and where network events become messages.

A `Pump` is one waiter with the sockets that are watched on it: it learns which of them have
changed, and has their messages posted. Every message queue has a pump of its own, which runs when
somebody takes a message or looks for one: so no thread of ours lies between a packet and whoever
waits for its message. Where WPUPostMessage was replaced, the provider has one pump for all
sockets, and a service thread that runs it.

Posting goes through the upcall table always; the default puts the message into the queue, in which
nothing is ever taken back.
"""

from __future__ import annotations

import contextlib
import errno
import os
import queue
import select
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from pyprov.core.failure import translate
from pyprov.core.port import DataplaneError, is_running
from pyprov.core.service import ServiceThread
from pyprov.core.span import nanoseconds
from pyprov.winsock.codes import WSA_INVALID_HANDLE, WSAEINVAL
from pyprov.winsock.errors import WSAError
from pyprov.winsock.structs import MSG

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyprov.core.port import Dataplane, Waiter
    from pyprov.core.socket import Socket

_NS: Final = 1_000_000_000
_MS: Final = 1000

# As many as Windows lets wait in the queue of a thread.
CAPACITY: Final = 10_000
# When the service thread posts a message again that was refused.
RETRY_NS: Final = 100_000_000


class Pump:
    """One waiter of an engine, and the sockets on it.

    Attributes:
        dataplane: the engine.
        waiter: where it reports changes.
        closed: nothing more is watched here.
        service: a thread of its own runs it, and nobody else posts.
    """

    __slots__ = (
        "_again",
        "_by_handle",
        "_lock",
        "_notice",
        "_thread",
        "closed",
        "dataplane",
        "service",
        "waiter",
    )

    def __init__(
        self, dataplane: Dataplane, notice: Callable[[Socket], None], *, service: bool = False
    ) -> None:
        """Open the waiter.

        Args:
            dataplane: the engine.
            notice: called with a socket that has changed: posts its messages.
            service: a thread of its own runs it, and nobody else posts.
        """
        try:
            self.waiter: Waiter = dataplane.open_waiter()
        except DataplaneError as error:
            raise translate(error) from error
        self.dataplane = dataplane
        self.closed = False
        self.service = service
        self._thread: ServiceThread | None = None
        self._notice = notice
        self._by_handle: dict[int, Socket] = {}
        self._again: dict[int, Socket] = {}
        self._lock = threading.Lock()

    def signal(self, dataplane: Dataplane) -> Waiter:
        """Return the waiter.

        Raises:
            WSAError: WSAEINVAL if this is another engine's.
        """
        if dataplane is not self.dataplane:
            raise WSAError(WSAEINVAL, "the queue serves another engine")
        return self.waiter

    def add(self, handle: int, socket: Socket) -> None:
        """Changes of this handle are this socket's."""
        with self._lock:
            self._by_handle[handle] = socket

    def remove(self, handle: int) -> None:
        """They are nobody's any more."""
        with self._lock:
            self._by_handle.pop(handle, None)

    def again(self, socket: Socket) -> None:
        """A message could not be posted, or is to be posted by whoever runs this pump."""
        with self._lock:
            self._again[id(socket)] = socket

    def run(self) -> None:
        """Have the messages of all that has changed posted."""
        with self._lock:
            again = list(self._again.values())
            self._again.clear()
        for socket in again:
            self._notice(socket)
        while changed := self._take():
            for socket in changed:
                self._notice(socket)

    def _take(self) -> list[Socket]:
        try:
            handles = [ready.handle for ready in self.waiter.take()]
        except DataplaneError:
            return []  # the engine has stopped
        with self._lock:
            found = [self._by_handle.get(handle) for handle in handles]
        return list({id(socket): socket for socket in found if socket is not None}.values())

    def wake(self) -> None:
        """Let the service thread run."""
        with contextlib.suppress(DataplaneError):
            self.waiter.ring()

    def start(self) -> None:
        """Let a thread of its own run it."""
        self._thread = ServiceThread(self.dataplane, self.waiter, self._turn, "pyprov messages")

    def _turn(self) -> int | None:
        self.run()
        return RETRY_NS if self._again else None

    def end(self) -> None:
        """End that thread, and return when it has ended."""
        self.closed = True
        if self._thread is not None:
            self._thread.end()

    def close(self) -> None:
        """Let go of the waiter."""
        self.closed = True
        with contextlib.suppress(DataplaneError):
            self.waiter.close()


class MessageQueue:
    """What a window is on Windows: messages of network events come here.

    Any thread may take them. `fileno` is readable while there may be some, for select, epoll and
    asyncio; look with `peek` or `get(0)` then.
    """

    __slots__ = ("_bell", "_epoll", "_lock", "_messages", "_pump", "capacity")

    def __init__(self, capacity: int = CAPACITY) -> None:
        """Make an empty queue.

        Args:
            capacity: so many messages may wait; posting another one fails.
        """
        self.capacity = capacity
        self._messages: deque[MSG] = deque()
        self._lock = threading.Lock()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll = select.epoll()
        self._epoll.register(self._bell, select.EPOLLIN)
        self._pump: Pump | None = None

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._bell < 0

    def fileno(self) -> int:
        """Return the descriptor, readable while there may be messages."""
        if self.closed:
            raise WSAError(WSA_INVALID_HANDLE, "the queue is closed")
        return self._epoll.fileno()

    def post(self, message: int, wParam: int, lParam: int) -> bool:  # noqa: N803 - Windows' names
        """Append a message; False if the queue is full or closed."""
        with self._lock:
            if self.closed or len(self._messages) >= self.capacity:
                return False
            self._messages.append(MSG(self, message, wParam, lParam))
            os.eventfd_write(self._bell, 1)
        return True

    def peek(self) -> MSG | None:
        """Return the oldest message and leave it there; None if there is none."""
        self._run()
        with self._lock:
            return self._messages[0] if self._messages else None

    def get(self, timeout: float | None = None) -> MSG:
        """Take the oldest message; wait for one so many seconds, None: for ever.

        Raises:
            queue.Empty: none came in time.
            WSAError: WSA_INVALID_HANDLE if the queue is closed.
        """
        span = nanoseconds(timeout)
        deadline = None if span is None else self._now() + span
        while True:
            fd = self.fileno()
            self._run()
            taken = self._pop()
            if taken is not None:
                return taken
            left = None if deadline is None else deadline - self._now()
            if left is not None and left <= 0:
                raise queue.Empty
            self._sleep(fd, left)

    def _pop(self) -> MSG | None:
        with self._lock:
            taken = self._messages.popleft() if self._messages else None
            if not self._messages and not self.closed:
                with contextlib.suppress(BlockingIOError):
                    os.eventfd_read(self._bell)
            return taken

    def _run(self) -> None:
        pump = self._pump
        if pump is not None:
            pump.run()

    def _now(self) -> int:
        pump = self._pump
        if pump is not None:
            with contextlib.suppress(DataplaneError):
                return pump.dataplane.now()
        return time.monotonic_ns()

    def _sleep(self, fd: int, left: int | None) -> None:
        pump = self._pump
        if pump is None:
            self._epoll.poll(None if left is None else left / _NS)
            return
        try:
            pump.dataplane.wait_fds([fd], left)
        except DataplaneError as error:
            if error.error != -errno.ESHUTDOWN:
                raise translate(error) from error
            self._forget(pump)

    def pump(self, dataplane: Dataplane, notice: Callable[[Socket], None]) -> Pump:
        """Return this queue's pump for an engine.

        Raises:
            WSAError: WSAEINVAL if the queue is closed, or serves another engine that runs.
        """
        known = self._pump
        if known is not None and known.dataplane is not dataplane:
            if is_running(known.dataplane):
                raise WSAError(WSAEINVAL, "the queue serves another engine")
            self._forget(known)
        with self._lock:
            if self.closed:
                raise WSAError(WSAEINVAL, "the queue is closed")
            if self._pump is None:
                self._pump = Pump(dataplane, notice)
                self._epoll.register(self._pump.waiter.fileno(), select.EPOLLIN)
            return self._pump

    def _forget(self, pump: Pump) -> None:
        """Its engine has stopped; the waiter's descriptor went with it."""
        with self._lock:
            if self._pump is pump:
                self._pump = None
        pump.close()

    def close(self) -> None:
        """Throw away what waits; registrations for this queue end."""
        with self._lock:
            if self.closed:
                return
            bell, self._bell = self._bell, -1
            pump, self._pump = self._pump, None
            self._messages.clear()
        self._epoll.close()
        os.close(bell)
        if pump is not None:
            pump.close()

    def __del__(self) -> None:
        if getattr(self, "_bell", -1) >= 0:
            self.close()

    def __repr__(self) -> str:
        return "<MessageQueue closed>" if self.closed else f"<MessageQueue {self._bell}>"
