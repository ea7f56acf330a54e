"""Telling that an overlapped request has ended.

    hEvent  routine   what happens
    -       -         the completion port of the socket, if it has one
    set     -         the event object is set, and the port
    any     given     the routine is queued to the thread that asked

A request that is done at once is told of like any other; one that fails at once is not: its call
has raised. What the last WSPCleanup cancels is not told of at all.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from pyprov.core.apc import own
from pyprov.core.events import WSAEVENT
from pyprov.core.failure import translate
from pyprov.core.port import DataplaneError
from pyprov.winsock.codes import (
    WSA_INVALID_HANDLE,
    WSA_IO_INCOMPLETE,
    WSAEFAULT,
    WSAEINTR,
    WSAEINVAL,
)
from pyprov.winsock.constants import WSS_OPERATION_IN_PROGRESS as PENDING
from pyprov.winsock.errors import WSAError
from pyprov.winsock.structs import WSAOVERLAPPED

if TYPE_CHECKING:
    from pyprov.core.apc import Apcs
    from pyprov.core.control import Control
    from pyprov.core.lanes import Lanes, Result
    from pyprov.core.socket import Socket

# error, transferred, overlapped, flags
Routine: TypeAlias = Callable[[int, int, WSAOVERLAPPED, int], object]


class Request:
    """Who is to be told of an overlapped request's end.

    Attributes:
        overlapped: the caller's structure.
        routine: his completion routine, or None.
        lanes: of the socket that the call named.
    """

    __slots__ = ("_apcs", "_thread", "lanes", "overlapped", "routine")

    def __init__(self, overlapped: WSAOVERLAPPED, routine: Routine | None, lanes: Lanes) -> None:
        self.overlapped = overlapped
        self.routine = routine
        self.lanes = lanes
        self._thread = threading.get_ident()
        self._apcs: weakref.ref[Apcs] | None = None if routine is None else weakref.ref(own())

    def begin(self, control: Control) -> None:
        """It is under way from now on.

        Raises:
            WSAError: WSAEINVAL if the structure is another pending request's.
        """
        overlapped = self.overlapped
        with control.lock:
            if overlapped.Internal == PENDING:
                raise WSAError(WSAEINVAL, "the structure is a pending request's")
            overlapped.Internal = PENDING
        if self.routine is None and isinstance(overlapped.hEvent, WSAEVENT):
            control.upcalls.WPUResetEvent(overlapped.hEvent)

    def drop(self) -> None:
        """It has failed at once, which its call tells."""
        self.overlapped.Internal = 0

    def complete(self, control: Control, result: Result, *, silent: bool = False) -> None:
        """It has ended."""
        fill(self.overlapped, result.error, result.transferred, result.flags)
        if silent:
            return
        if self.routine is not None:
            self._queue(control, result)
        else:
            tell(control, self.overlapped, self.lanes)

    def _queue(self, control: Control, result: Result) -> None:
        if self._apcs is None or self._apcs() is None or self.routine is None:
            return  # its thread has ended, and another may have its number
        due = _Due(self.lanes, self.routine, result, self.overlapped)
        with contextlib.suppress(WSAError):  # it has ended just now
            control.upcalls.WPUQueueApc(self._thread, _run, due)


class _Due(NamedTuple):
    """A completion routine that is to run."""

    lanes: Lanes
    routine: Routine
    result: Result
    overlapped: WSAOVERLAPPED


def check_request(socket: Socket, overlapped: object, routine: object) -> WSAOVERLAPPED:
    """Look at what describes an overlapped request.

    Raises:
        WSAError: WSAEFAULT for what is no structure or no routine, WSA_INVALID_HANDLE for an event
            that is none, WSAEINVAL for a routine on a socket that has a completion port, and for a
            structure that is in use.
    """
    if not isinstance(overlapped, WSAOVERLAPPED):
        raise WSAError(WSAEFAULT, f"{overlapped!r} is no WSAOVERLAPPED")
    if overlapped.Internal == PENDING:
        raise WSAError(WSAEINVAL, "the structure is a pending request's")
    if routine is not None:
        if not callable(routine):
            raise WSAError(WSAEFAULT, f"{routine!r} cannot be called")
        if socket.lanes is not None and socket.lanes.port is not None:
            raise WSAError(WSAEINVAL, "a socket with a completion port has no routines")
    elif overlapped.hEvent is not None:
        _event(overlapped)
    return overlapped


def _event(overlapped: WSAOVERLAPPED) -> WSAEVENT:
    event = overlapped.hEvent
    if not isinstance(event, WSAEVENT) or event.closed:
        raise WSAError(WSA_INVALID_HANDLE, f"{event!r} is no event object")
    return event


def fill(overlapped: WSAOVERLAPPED, error: int, count: int, flags: int) -> None:
    """Write the end of a request into its structure; `Internal` is what others look at first."""
    overlapped.InternalHigh = count
    overlapped.Offset = flags
    overlapped.OffsetHigh = error
    overlapped.Internal = 0


def tell(control: Control, overlapped: WSAOVERLAPPED, lanes: Lanes | None) -> None:
    """Set the event object, and post to the completion port."""
    if isinstance(overlapped.hEvent, WSAEVENT):
        with contextlib.suppress(WSAError):  # the application has closed it
            control.upcalls.WPUSetEvent(overlapped.hEvent)
    if lanes is not None and lanes.port is not None:
        lanes.port.put(lanes.key, overlapped.InternalHigh, overlapped, overlapped.OffsetHigh)


def _run(context: object) -> None:
    """Call a completion routine; within another one of its socket it waits until that has ended."""
    if not isinstance(context, _Due):
        return
    running, me = context.lanes.running, threading.get_ident()
    if me in running:
        running[me].append(context)
        return
    waiting: deque[object] = deque([context])
    running[me] = waiting
    try:
        while waiting:
            due = waiting.popleft()
            if isinstance(due, _Due):
                result = due.result
                due.routine(result.error, result.transferred, due.overlapped, result.flags)
    finally:
        del running[me]
        for left in waiting:
            own().add(_run, left)


def result_of(control: Control, overlapped: object, *, wait: bool) -> tuple[int, int]:
    """Return what a request has transferred, and its flags.

    Raises:
        WSAError: its error; WSA_IO_INCOMPLETE while it is pending and nobody wants to wait, or its
            event was set by somebody else; WSA_INVALID_HANDLE for a wait without an event;
            WSAEFAULT for what is no structure.
    """
    if not isinstance(overlapped, WSAOVERLAPPED):
        raise WSAError(WSAEFAULT, f"{overlapped!r} is no WSAOVERLAPPED")
    if overlapped.Internal == PENDING and wait:
        _wait(control, _event(overlapped), overlapped)
    if overlapped.Internal == PENDING:
        raise WSAError(WSA_IO_INCOMPLETE)
    if overlapped.OffsetHigh:
        raise WSAError(overlapped.OffsetHigh)
    return overlapped.InternalHigh, overlapped.Offset


def _wait(control: Control, event: WSAEVENT, overlapped: WSAOVERLAPPED) -> None:
    fds = [event.fileno(), control.service.over]
    try:
        ready = control.dataplane.wait_fds(fds)
    except DataplaneError as error:
        if overlapped.Internal == PENDING:
            raise translate(error) from error
        return
    if ready[0] == control.service.over and overlapped.Internal == PENDING:
        raise WSAError(WSAEINTR, "the provider was cleaned up during the call")
