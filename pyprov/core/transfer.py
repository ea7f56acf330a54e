"""Sending and receiving on a connection.

The first try is the dataplane's call alone, with the caller's buffers as they are. What remains
(the rest of a partial send, a wait, a check of what was given) is only done when that call says so.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from pyprov.core import port
from pyprov.core.blocking import deadline_after, wait
from pyprov.core.closing import end_late
from pyprov.core.connection import poll_connect
from pyprov.core.failure import translate
from pyprov.core.lanes import drive, is_clear
from pyprov.core.notification import after_receive
from pyprov.core.port import DataplaneError
from pyprov.core.socket import SHUT_BOTH, SHUT_RECEIVE, SHUT_SEND
from pyprov.core.states import Call, State, check
from pyprov.winsock.codes import (
    WSAEFAULT,
    WSAEINVAL,
    WSAENETRESET,
    WSAENOTCONN,
    WSAEOPNOTSUPP,
    WSAESHUTDOWN,
    WSAETIMEDOUT,
    WSAEWOULDBLOCK,
)
from pyprov.winsock.errors import WSAError
from pyprov.winsock.flags import (
    MSG_DONTROUTE,
    MSG_OOB,
    MSG_PARTIAL,
    MSG_PEEK,
    MSG_PUSH_IMMEDIATE,
    MSG_WAITALL,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyprov.core.control import Control
    from pyprov.core.lanes import Lane
    from pyprov.core.port import Buffers
    from pyprov.core.socket import Socket

_SEND_FLAGS: Final = MSG_OOB | MSG_DONTROUTE
_RECV_FLAGS: Final = MSG_OOB | MSG_PEEK | MSG_WAITALL | MSG_PARTIAL | MSG_PUSH_IMMEDIATE

# Of the flags given to a receiving call, those that come back: no message of a stream is partial.
FLAGS_OUT: Final = MSG_OOB
_ENDED: Final = port.READY_CLOSE | port.READY_ERROR


def send(control: Control, socket: Socket, buffers: Buffers, flags: int) -> int:
    """Append to the stream; a blocking socket waits until all is taken over.

    A non-blocking one takes everything at once, or nothing when its buffer is full, as Windows has
    it; less than all only when memory runs out.

    Returns:
        Bytes taken over.

    Raises:
        WSAError: see spi/transfer.py.
    """
    plain = flags.__class__ is int and not flags
    if not plain or socket.state is not State.CONNECTED or socket.shut & SHUT_SEND:
        check_send(control, socket, flags)
    total = size(buffers)
    port_flags = 0 if socket.blocking else port.IO_WHOLE
    if flags and flags & MSG_OOB:
        port_flags |= port.IO_OOB
    try:
        if socket.lanes is not None:
            give_way(control, socket, socket.lanes.send, socket.options.send_timeout)
        try:
            sent = _try_send(control, socket, buffers, port_flags)
        except WSAError as error:
            refuse_late(error)
            raise
        if sent == total or not socket.blocking:
            if sent is None:
                raise WSAError(WSAEWOULDBLOCK, "the send buffer is full")
            return sent
        return _send_rest(control, socket, buffers, sent or 0, port_flags)
    finally:
        if socket.shut > SHUT_BOTH:
            end_late(control, socket)


def check_send(control: Control, socket: Socket, flags: object) -> None:
    """Raise why a socket cannot send with these flags now, if it cannot."""
    if socket.state is State.CONNECTING:
        poll_connect(control, socket)
    check(Call.SEND, socket.state)
    if socket.shut & SHUT_SEND:
        raise WSAError(WSAESHUTDOWN)
    if not isinstance(flags, int) or flags & ~_SEND_FLAGS:
        raise WSAError(WSAEOPNOTSUPP, f"flags {flags!r} are not supported here")


def give_way(control: Control, socket: Socket, lane: Lane, timeout: int = 0) -> None:
    """Let overlapped requests that were made before this call go first.

    Raises:
        WSAError: WSAEWOULDBLOCK on a non-blocking socket, WSAETIMEDOUT after so many milliseconds,
            WSAEINTR.
    """
    deadline = deadline_after(control, timeout)
    while lane:
        drive(control, socket, lane)
        if is_clear(control, lane):
            return
        if not (waiting := list(lane.waiting)):
            continue
        if not socket.blocking:
            raise WSAError(WSAEWOULDBLOCK, "overlapped requests wait already")
        if not wait(control, socket, waiting[0].bits, deadline):
            raise WSAError(WSAETIMEDOUT, "overlapped requests before this call took too long")


def _try_send(control: Control, socket: Socket, buffers: Buffers, flags: int) -> int | None:
    try:
        return control.dataplane.send(socket.handle, buffers, flags)
    except DataplaneError as error:
        raise _failure(socket, error) from error
    except (TypeError, ValueError, BufferError) as error:
        raise WSAError(WSAEFAULT, str(error)) from error


def _send_rest(control: Control, socket: Socket, buffers: Buffers, sent: int, flags: int) -> int:
    deadline = deadline_after(control, socket.options.send_timeout)
    rest = skip(views(buffers), sent)
    while rest:
        if not wait(control, socket, port.READY_WRITE | port.READY_ERROR, deadline):
            raise WSAError(WSAETIMEDOUT, f"{sent} bytes were taken over in time")
        count = _try_send(control, socket, rest, flags)
        if count:
            sent += count
            rest = skip(rest, count)
    return sent


def receive(control: Control, socket: Socket, buffers: Buffers, flags: int) -> int:
    """Take stream bytes; a blocking socket waits for the first, or for all with MSG_WAITALL.

    Returns:
        Bytes written into the buffers, 0 after the peer's orderly close.

    Raises:
        WSAError: see spi/transfer.py.
    """
    fault = False
    try:
        plain = flags.__class__ is int and not flags
        if not plain or socket.state is not State.CONNECTED or socket.shut & SHUT_RECEIVE:
            check_receive(control, socket, flags)
        if socket.lanes is not None:
            give_way(control, socket, socket.lanes.receive, socket.options.recv_timeout)
        return _receive(control, socket, buffers, flags)
    except WSAError as error:
        fault = error.code == WSAEFAULT
        raise
    finally:
        if socket.shut > SHUT_BOTH:
            end_late(control, socket)
        if socket.events is not None:
            after_receive(control, socket, socket.events, fault=fault)


def _receive(control: Control, socket: Socket, buffers: Buffers, flags: int) -> int:
    port_flags = _receive_flags(flags) if flags else 0
    try:
        some = len(buffers)  # type: ignore[arg-type] # tried, not known
    except TypeError:
        some = 0
    if not some:
        size(buffers)
    if flags and flags & MSG_WAITALL and not port_flags and socket.blocking:
        return _receive_all(control, socket, buffers)
    try:
        received = _try_receive(control, socket, buffers, port_flags)
    except WSAError as error:
        refuse_late(error)
        raise
    if received is not None:
        return received
    if flags and flags & MSG_OOB:
        raise WSAError(WSAEINVAL, "there is no urgent data")
    if not socket.blocking:
        raise WSAError(WSAEWOULDBLOCK, "nothing to receive yet")
    deadline = deadline_after(control, socket.options.recv_timeout)
    while received is None:
        if not wait(control, socket, port.READY_READ | _ENDED, deadline):
            raise WSAError(WSAETIMEDOUT, "nothing came in time")
        received = _try_receive(control, socket, buffers, port_flags)
    return received


def _receive_flags(flags: int) -> int:
    return (port.IO_PEEK if flags & MSG_PEEK else 0) | (port.IO_OOB if flags & MSG_OOB else 0)


def check_receive(control: Control, socket: Socket, flags: object) -> None:
    """Raise why a socket cannot receive with these flags now, if it cannot."""
    if socket.state is State.CONNECTING:
        poll_connect(control, socket)
    check(Call.RECV, socket.state)
    if socket.shut & SHUT_RECEIVE:
        raise WSAError(WSAESHUTDOWN)
    if not isinstance(flags, int) or flags & ~_RECV_FLAGS:
        raise WSAError(WSAEOPNOTSUPP, f"flags {flags!r} are not supported here")
    if flags & MSG_OOB and socket.options.oob_inline:
        raise WSAError(WSAEINVAL, "urgent data is in the stream")


def _try_receive(control: Control, socket: Socket, buffers: Buffers, flags: int) -> int | None:
    try:
        return control.dataplane.recv(socket.handle, buffers, flags)
    except DataplaneError as error:
        raise _failure(socket, error) from error
    except (TypeError, ValueError, BufferError) as error:
        raise WSAError(WSAEFAULT, str(error)) from error


def _receive_all(control: Control, socket: Socket, buffers: Buffers) -> int:
    """Fill the buffers; less only at the peer's close, or when an error or the time limit comes."""
    deadline = deadline_after(control, socket.options.recv_timeout)
    rest = views(buffers)
    received = 0
    waited = False
    while rest:
        try:
            count = _try_receive(control, socket, rest, 0)
        except WSAError as error:
            if not waited:
                refuse_late(error)
            raise
        if count == 0:
            break
        if count is not None:
            received += count
            rest = skip(rest, count)
        else:
            waited = wait(control, socket, port.READY_READ | _ENDED, deadline)
            if not waited:
                raise WSAError(WSAETIMEDOUT, f"{received} bytes came in time")
    return received


def _failure(socket: Socket, error: DataplaneError) -> WSAError:
    """Return what a connection's end looks like to the caller."""
    if error.error == -errno.EBADF and socket.state is not State.CLOSED:
        return WSAError(WSAESHUTDOWN, "the connection has been given up")
    return translate(error)


def refuse_late(error: WSAError) -> None:
    """Raise WSAENOTCONN to a call that was not in progress yet when keep-alive failed."""
    if error.code == WSAENETRESET:
        raise WSAError(WSAENOTCONN, "keep-alive has found the connection broken") from error


def size(buffers: Buffers) -> int:
    """Return how many bytes one or several buffers hold.

    Raises:
        WSAError: WSAEFAULT for what is no buffer, WSAEINVAL for no buffers at all.
    """
    if isinstance(buffers, (bytes, bytearray)):
        return len(buffers)
    return sum(view.nbytes for view in views(buffers))


def views(buffers: Buffers) -> list[memoryview]:
    """Return one or several buffers as memoryviews of bytes; raises what `size` does."""
    try:
        return [memoryview(buffers).cast("B")]  # type: ignore[arg-type] # tried, not known
    except TypeError:
        pass
    try:
        found = [memoryview(buffer).cast("B") for buffer in buffers]  # type: ignore[union-attr]
    except TypeError as error:
        raise WSAError(WSAEFAULT, str(error)) from error
    if not found:
        raise WSAError(WSAEINVAL, "no buffer was given")
    return found


def skip(buffers: Sequence[memoryview], count: int) -> list[memoryview]:
    """Return what is left of buffers after so many bytes."""
    rest = []
    for view in buffers:
        if count < view.nbytes:
            rest.append(view[count:])
            count = 0
        else:
            count -= view.nbytes
    return rest
