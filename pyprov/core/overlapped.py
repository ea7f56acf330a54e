"""Overlapped sending and receiving.

What comes for a waiting request is put into its buffers by the provider's service, not by the
worker. Received bytes have one consumer at a time, who holds the stream's lock; a worker takes no
lock, and as a consumer would have to know all that ours do between two bytes: calls that wait their
turn, the urgent mark, MSG_WAITALL, cancelling and WSPShutdown under way. Order and exactly one
completion for each request are kept in one place, core/lanes.py. The price is a switch of threads
for each completion: on one CPU 54 us from a question to the event that tells of its answer, where a
call that waits and spins takes 4.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from pyprov.core import port
from pyprov.core.closing import end_late
from pyprov.core.completion import Request, check_request
from pyprov.core.lanes import (
    RECEIVABLE,
    SENDABLE,
    Operation,
    Result,
    drive,
    failure,
    lanes_of,
    post,
)
from pyprov.core.notification import after_receive, synchronise
from pyprov.core.port import DataplaneError
from pyprov.core.socket import SHUT_BOTH
from pyprov.core.transfer import FLAGS_OUT, check_receive, check_send, refuse_late, skip, views
from pyprov.winsock.codes import WSA_IO_PENDING, WSAEFAULT, WSAEINVAL, WSAEOPNOTSUPP
from pyprov.winsock.errors import WSAError
from pyprov.winsock.flags import MSG_OOB, MSG_PEEK, MSG_WAITALL

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyprov.core.completion import Routine
    from pyprov.core.control import Control
    from pyprov.core.port import Buffers
    from pyprov.core.socket import Socket


def new_request(control: Control, socket: Socket, overlapped: object, routine: object) -> Request:
    """Describe who is to be told of a request; raises what `check_request` does."""
    checked = check_request(socket, overlapped, routine)
    called: Routine | None = routine  # type: ignore[assignment] # check_request has looked
    return Request(checked, called, lanes_of(control, socket))


# ---- receiving


class Receive(Operation):
    """A request for stream bytes.

    Attributes:
        given: the caller's buffers.
        buffers: what is not filled yet.
        flags: MSG_*.
        received: bytes so far; more than one arrival only with MSG_WAITALL.
    """

    __slots__ = ("buffers", "flags", "given", "received")

    def __init__(
        self, socket: Socket, request: Request, buffers: list[memoryview], flags: int
    ) -> None:
        super().__init__(socket, request, RECEIVABLE)
        self.given = self.buffers = buffers
        self.flags = flags
        self.received = 0

    def attempt(self, control: Control) -> Result | None:
        """See Operation."""
        port_flags = port.IO_OOB if self.flags & MSG_OOB else 0
        while True:
            try:
                count = control.dataplane.recv(self.socket.handle, self.buffers, port_flags)
            except DataplaneError as error:
                raise failure(error) from error
            if count is None:
                if port_flags:
                    raise WSAError(WSAEINVAL, "there is no urgent data")
                return None
            self.received += count
            if not self.flags & MSG_WAITALL or not count:
                break
            self.buffers = skip(self.buffers, count)
            if not self.buffers:
                break
        return Result(0, self.received, self.flags & FLAGS_OUT)

    def done(self, control: Control) -> None:
        """See Operation."""
        release(self.given, self.buffers)
        after_request(control, self.socket)


def receive(
    control: Control,
    socket: Socket,
    buffers: Buffers,
    flags: int,
    overlapped: object,
    routine: object,
) -> tuple[int, int]:
    """Receive with an overlapped request.

    Returns:
        Bytes and flags, if it is done at once.

    Raises:
        WSAError: WSA_IO_PENDING; see spi/transfer.py.
    """
    fault = False
    try:
        operation = _to_receive(control, socket, buffers, flags, (overlapped, routine))
        result = post(control, operation.request.lanes.receive, operation)
    except WSAError as error:
        fault = error.code == WSAEFAULT
        refuse_late(error)
        raise
    finally:
        if socket.events is not None:
            after_request(control, socket, fault=fault)
    return result.transferred, result.flags


def _to_receive(
    control: Control, socket: Socket, buffers: Buffers, flags: int, told: tuple[object, object]
) -> Receive:
    """Check what was given; `told` are the structure and the routine."""
    check_receive(control, socket, flags)
    if flags & MSG_PEEK:
        raise WSAError(WSAEOPNOTSUPP, "MSG_PEEK is for calls that are not overlapped")
    request = new_request(control, socket, *told)
    into = views(buffers)
    if any(view.readonly for view in into):
        raise WSAError(WSAEFAULT, "a buffer is read-only")
    return Receive(socket, request, into, flags)


def after_request(control: Control, socket: Socket, *, fault: bool = False) -> None:
    """A request to receive was made or has ended: network events, and what WSPShutdown put off."""
    if socket.events is not None:
        after_receive(control, socket, socket.events, fault=fault)
        synchronise(control, socket)
    if socket.shut > SHUT_BOTH:
        end_late(control, socket)


def release(*views: list[memoryview]) -> None:
    """Let go of the caller's memory, whoever else still knows the views of it."""
    for view in itertools.chain(*views):
        view.release()


# ---- sending


class Send(Operation):
    """A request to send some buffers.

    Attributes:
        given: the caller's buffers.
        buffers: what is not taken over yet.
        port_flags: IO_*.
        sent: bytes taken over.
    """

    __slots__ = ("buffers", "given", "port_flags", "sent")

    def __init__(
        self, socket: Socket, request: Request, buffers: list[memoryview], port_flags: int = 0
    ) -> None:
        super().__init__(socket, request, SENDABLE)
        self.given = self.buffers = buffers
        self.port_flags = port_flags
        self.sent = 0

    def attempt(self, control: Control) -> Result | None:
        """See Operation."""
        sent = push(control, self.socket, self.buffers, self.port_flags)
        self.sent += sent
        self.buffers = skip(self.buffers, sent)
        return None if self.buffers else Result(0, self.sent)

    def done(self, control: Control) -> None:
        """See Operation."""
        release(self.given, self.buffers)
        if self.socket.shut > SHUT_BOTH:
            end_late(control, self.socket)
        lanes = self.socket.lanes
        if lanes is not None and lanes.change:
            drive(control, self.socket, lanes.change)  # a disconnect waits for the last one


def push(control: Control, socket: Socket, buffers: list[memoryview], flags: int = 0) -> int:
    """Let the dataplane take over as much as it does now.

    Raises:
        WSAError: the connection has ended.
    """
    total, rest = 0, skip(buffers, 0)
    while rest:
        try:
            count = control.dataplane.send(socket.handle, rest, flags)
        except DataplaneError as error:
            raise failure(error) from error
        if not count:
            break
        total += count
        rest = skip(rest, count)
    return total


def send(
    control: Control,
    socket: Socket,
    buffers: Buffers,
    flags: int,
    overlapped: object,
    routine: object,
) -> int:
    """Send with an overlapped request.

    Returns:
        Bytes taken over, if it is done at once.

    Raises:
        WSAError: WSA_IO_PENDING; see spi/transfer.py.
    """
    check_send(control, socket, flags)
    request = new_request(control, socket, overlapped, routine)
    port_flags = port.IO_OOB if flags & MSG_OOB else 0
    operation = Send(socket, request, views(buffers), port_flags)
    try:
        return post(control, request.lanes.send, operation).transferred
    except WSAError as error:
        refuse_late(error)
        raise


# ---- anything that is done at once


def at_once(
    control: Control, request: Request, function: Callable[[], tuple[object, int]]
) -> object:
    """Do something whose end is told like a request's.

    Returns:
        What the function returned; the number beside it is what counts as transferred.

    Raises:
        WSAError: what it raised; then nobody is told. After WSA_IO_PENDING the function has seen to
            it that the request ends.
    """
    request.begin(control)
    try:
        value, transferred = function()
    except WSAError as error:
        if error.code != WSA_IO_PENDING:
            request.drop()
        raise
    request.complete(control, Result(0, transferred))
    return value


def end_later(control: Control, request: Request, error: int) -> None:
    """Let a request pend and then end with an error at once: what an unknown ioctl does."""
    request.begin(control)
    request.complete(control, Result(error))
