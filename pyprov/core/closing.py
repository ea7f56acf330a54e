"""Ending a connection in one direction, and giving up a socket."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from pyprov.core import conndata, port, qos
from pyprov.core.blocking import interrupt
from pyprov.core.connection import poll_connect
from pyprov.core.failure import translate
from pyprov.core.lanes import cancel_all
from pyprov.core.notification import forget, post_due
from pyprov.core.port import CLOSE_ABORT, CLOSE_GRACEFUL, DataplaneError
from pyprov.core.socket import PUT_OFF, SHUT_BOTH, SHUT_RECEIVE, SHUT_SEND
from pyprov.core.states import Call, State, check
from pyprov.winsock.codes import WSAEFAULT, WSAEINVAL, WSAENOTCONN, WSAEWOULDBLOCK
from pyprov.winsock.constants import SD_BOTH, SD_RECEIVE, SD_SEND
from pyprov.winsock.errors import WSAError
from pyprov.winsock.structs import WSABUF

if TYPE_CHECKING:
    from pyprov.core.control import Control
    from pyprov.core.socket import Socket

_NS = 1_000_000_000
_LISTENING: Final = State.LISTENING  # asking the enumeration each time would be felt
_CONNECTING: Final = State.CONNECTING
_CONNECTED: Final = State.CONNECTED
_CLOSED: Final = State.CLOSED
_DIRECTIONS = {
    SD_RECEIVE: SHUT_RECEIVE,
    SD_SEND: SHUT_SEND,
    SD_BOTH: SHUT_BOTH,
}


def shutdown(control: Control, socket: Socket, how: object, data: object = None) -> None:
    """End one or both directions of a connection; never blocks.

    Args:
        control: the provider's state.
        socket: a connected one.
        how: SD_*.
        data: goes with the FIN.

    Raises:
        WSAError: WSAENOTCONN, WSAEINVAL for a `how` that is none, WSAEFAULT for data that is none
            or too long.
    """
    _check_connected(socket)
    content = None if data is None else conndata.as_bytes(data)
    wanted = _DIRECTIONS.get(how) if isinstance(how, int) else None
    if wanted is None:
        raise WSAError(WSAEINVAL, f"{how!r} is none of SD_RECEIVE, SD_SEND, SD_BOTH")
    if socket.state is State.DISCONNECTED:
        return
    with control.lock:
        new = wanted & ~socket.shut
        late = new & _at_work(socket)
        socket.shut |= wanted | late << PUT_OFF
    if late & SHUT_SEND and content is not None:
        conndata.of(socket).parting = content
    try:
        _end(control, socket, new & ~late, content)
    except DataplaneError as error:
        if socket.state is not State.CLOSED and control.status(socket).error:
            return  # the connection has ended, and both directions with it
        raise translate(error) from error


def end_late(control: Control, socket: Socket) -> None:
    """A call has ended; let the connection hear of a WSPShutdown that came while it waited.

    What was asked for before the shutdown is still received and sent.
    """
    with control.lock:
        due = socket.shut >> PUT_OFF & ~_at_work(socket)
        socket.shut &= ~(due << PUT_OFF)
    with contextlib.suppress(DataplaneError, WSAError):  # it has gone by itself
        _end(control, socket, due, None)


def _at_work(socket: Socket) -> int:
    """Return SHUT_* of the directions in which calls and requests wait; under `Control.lock`."""
    mask = 0
    for call in socket.blocked or ():
        mask |= call.mask
    lanes = socket.lanes
    receives = mask & port.READY_READ or (lanes is not None and lanes.receive)
    sends = mask & port.READY_WRITE or (lanes is not None and lanes.send)
    return (SHUT_RECEIVE if receives else 0) | (SHUT_SEND if sends else 0)


def _end(control: Control, socket: Socket, directions: int, content: bytes | None) -> None:
    if directions & SHUT_SEND:
        conndata.send_parting(control, socket, content)
        control.dataplane.shutdown_send(socket.handle)
    if directions & SHUT_RECEIVE:
        control.dataplane.shutdown_receive(socket.handle)


def receive_parting(control: Control, socket: Socket, data: object) -> None:
    """End receiving, and fetch what came with the peer's FIN unless `data` is None.

    Raises:
        WSAError: WSAENOTCONN, WSAEFAULT for what is no WSABUF or has too little room.
    """
    _check_connected(socket)
    if data is not None:
        if not isinstance(data, WSABUF):
            raise WSAError(WSAEFAULT, f"{data!r} is no WSABUF")
        content = conndata.parting_of_peer(control, socket)
        if len(content) > data.capacity:
            raise WSAError(WSAEFAULT, f"{len(content)} bytes of disconnect data do not fit")
        data.write(content)
    shutdown(control, socket, SD_RECEIVE)


def _check_connected(socket: Socket) -> None:
    """Raise WSAENOTCONN unless there is a connection that can be shut down."""
    check(Call.SHUTDOWN, socket.state)
    if socket.lanes is not None and socket.lanes.context is socket:
        raise WSAError(WSAENOTCONN, "SO_UPDATE_CONNECT_CONTEXT is yet to come")


def close(control: Control, s: int, socket: Socket) -> None:
    """Give up one SOCKET; the last one of a socket gives up its connection or listener.

    Raises:
        WSAError: WSAEWOULDBLOCK for a non-blocking socket that would linger (nothing is done),
            WSAENOTSOCK if another thread was faster.
    """
    on, seconds = socket.options.linger
    if on and socket.state is _CONNECTING:
        poll_connect(control, socket)
    span = seconds if on and socket.state is _CONNECTED else 0
    if span and not socket.blocking and socket.descriptors == 1:
        raise WSAError(WSAEWOULDBLOCK, "a non-blocking socket cannot linger")
    if socket.events is not None:
        post_due(control, socket)
    _, last = control.sockets.remove(s)
    if last:
        how = CLOSE_ABORT if on and not seconds else CLOSE_GRACEFUL
        release(control, socket, how, span * _NS)
    upcalls = control.upcalls
    if upcalls.WPUCloseSocketHandle is not upcalls.own_close:
        upcalls.WPUCloseSocketHandle(s)


def release(
    control: Control,
    socket: Socket,
    how: int = CLOSE_ABORT,
    linger_ns: int = 0,
    *,
    silent: bool = False,
) -> None:
    """Let go of all that a socket holds, and end the calls that wait on it.

    Args:
        control: the provider's state.
        socket: what nobody can reach by a SOCKET any more.
        how: CLOSE_*, for its connection.
        linger_ns: so long to wait until the peer has acknowledged all; then it is reset.
        silent: nobody is told of the end of its overlapped requests.
    """
    with control.lock:
        before, socket.state = socket.state, _CLOSED
        handle, socket.handle = socket.handle, 0
        if socket.binding is not None:
            control.bindings.release(socket.binding)
            socket.binding = None
        of_group = None if socket.group is None else control.groups.leave(socket)
        if socket.events is not None:
            forget(socket)
    if of_group is not None:
        control.ledger.release(of_group)
    if (
        socket.blocked
        or socket.lanes is not None
        or socket.qos is not None
        or socket.conndata is not None
        or control.changes.asked
    ):
        _end_calls(control, socket, handle, silent=silent)
    if not handle:
        return
    try:
        if before is _LISTENING:
            control.dataplane.listener_close(handle)
        else:
            if linger_ns and not _linger(control, handle, linger_ns):
                how = CLOSE_ABORT
            control.dataplane.close(handle, how)
    except DataplaneError:
        return  # it has gone by itself


def _end_calls(control: Control, socket: Socket, handle: int, *, silent: bool) -> None:
    """Give back what was reserved, and end what waits for the socket; few have any of it."""
    qos.forget(control, socket)
    if socket.blocked:
        interrupt(control, socket)
    control.changes.drop(control, socket, silent=silent)
    if socket.lanes is not None:
        cancel_all(control, socket, silent=silent)
    control.service.forget(handle)


def _linger(control: Control, handle: int, span_ns: int) -> bool:
    """Send the rest and FIN, and wait until the peer has acknowledged it all; False: too late."""
    dataplane = control.dataplane
    deadline = dataplane.now() + span_ns
    dataplane.shutdown_send(handle)
    waiter, status = dataplane.thread_waiter(), dataplane.status(handle)
    sent = port.READY_SENT | port.READY_ERROR
    while not port.has_finished(status):
        left = deadline - dataplane.now()
        if left <= 0:
            return False
        waiter.wait_for(handle, sent, left)
    return True
