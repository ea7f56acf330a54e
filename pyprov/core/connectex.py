"""ConnectEx and DisconnectEx: a connection's beginning and end as overlapped requests.

Both stand in the lane for changes of a socket. ConnectEx also sends the first data. DisconnectEx
sends FIN behind all that was sent before, and ends when the peer has acknowledged it; then the
socket lets go of the connection, and with TF_REUSE_SOCKET it is as before it was connected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyprov.core import port
from pyprov.core.acceptex import forget_connection
from pyprov.core.blocking import wait
from pyprov.core.completion import Request, check_request
from pyprov.core.connecting import start
from pyprov.core.connection import poll_connect
from pyprov.core.lanes import (
    SENDABLE,
    Lane,
    Operation,
    Result,
    cancel,
    failure,
    lanes_of,
    post,
)
from pyprov.core.overlapped import push, release
from pyprov.core.port import CLOSE_GRACEFUL, DataplaneError
from pyprov.core.socket import SHUT_SEND
from pyprov.core.states import Call, State, check
from pyprov.core.transfer import give_way, skip, views
from pyprov.winsock.codes import (
    WSA_INVALID_PARAMETER,
    WSAECONNABORTED,
    WSAEINVAL,
    WSAENOTCONN,
)
from pyprov.winsock.errors import WSAError
from pyprov.winsock.flags import TF_REUSE_SOCKET

if TYPE_CHECKING:
    from pyprov.core.control import Control
    from pyprov.core.port import Buffers
    from pyprov.core.socket import Socket
    from pyprov.winsock.structs import LINGER

_STARTED: Final = port.READY_CONNECT | port.READY_ERROR
_SENT: Final = port.READY_SENT | port.READY_ERROR


class ConnectEx(Operation):
    """A request to connect, and to send the first data.

    Attributes:
        data: what is not taken over yet.
        sent: bytes taken over.
    """

    __slots__ = ("data", "given", "sent")

    def __init__(self, socket: Socket, request: Request, data: list[memoryview]) -> None:
        super().__init__(socket, request, _STARTED)
        self.given = self.data = data
        self.sent = 0

    def attempt(self, control: Control) -> Result | None:
        """See Operation."""
        socket = self.socket
        if _is_connecting(socket):
            poll_connect(control, socket)
            if _is_connecting(socket):
                return None
            if socket.failed:
                return Result(socket.error)
            with control.lock:
                if socket.lanes is not None and socket.state is State.CONNECTED:
                    socket.lanes.context = socket
        self.bits = SENDABLE
        sent = push(control, socket, self.data)
        self.sent += sent
        self.data = skip(self.data, sent)
        return None if self.data else Result(0, self.sent)

    def done(self, control: Control) -> None:
        """See Operation."""
        del control
        release(self.given, self.data)


def _is_connecting(socket: Socket) -> bool:
    return socket.state is State.CONNECTING_EX


def connect_ex(
    control: Control, socket: Socket, name: object, data: Buffers | None, overlapped: object
) -> int:
    """Begin an active open of a bound socket.

    Returns:
        Bytes sent, if it is connected already.

    Raises:
        WSAError: WSA_IO_PENDING; see spi/extensions.py.
    """
    check(Call.CONNECT_EX, socket.state)
    if overlapped is None:
        raise WSAError(WSA_INVALID_PARAMETER, "ConnectEx needs a WSAOVERLAPPED")
    lanes = lanes_of(control, socket)
    request = Request(check_request(socket, overlapped, None), None, lanes)
    first = [] if data is None else views(data)
    start(control, socket, name, Call.CONNECT_EX, State.CONNECTING_EX)
    return post(control, lanes.change, ConnectEx(socket, request, first)).transferred


def update_connect_context(
    control: Control, socket: Socket, value: int | LINGER | bytes = 0
) -> None:
    """SO_UPDATE_CONNECT_CONTEXT: what ConnectEx has connected is to be like any connected socket.

    Raises:
        WSAError: WSAENOTCONN if it is not connected.
    """
    del value
    if socket.state is not State.CONNECTED:
        raise WSAError(WSAENOTCONN)
    with control.lock:
        if socket.lanes is not None and socket.lanes.context is socket:
            socket.lanes.context = None


class DisconnectEx(Operation):
    """A request to end a connection in good order.

    Attributes:
        reuse: the socket is to be used again.
        transferred: what its end reports, after TransmitFile.
    """

    __slots__ = ("_finishing", "reuse", "transferred")

    def __init__(
        self, socket: Socket, request: Request, *, reuse: bool, transferred: int = 0
    ) -> None:
        super().__init__(socket, request, SENDABLE)
        self.reuse = reuse
        self.transferred = transferred
        self._finishing = False

    def attempt(self, control: Control) -> Result | None:
        """See Operation."""
        socket = self.socket
        if not self._finishing:
            if socket.lanes is not None and socket.lanes.send:
                return None  # what was to be sent before comes first
            self._finishing = True
            self.bits = _SENT
            begin_disconnect(control, socket)
        if not port.has_finished(control.status(socket)):
            return None
        end_disconnect(control, socket, reuse=self.reuse)
        return Result(0, self.transferred)


def begin_disconnect(control: Control, socket: Socket) -> None:
    """Send FIN after what was sent."""
    with control.lock:
        finished = socket.shut & SHUT_SEND
        socket.shut |= SHUT_SEND
    if finished:
        return
    try:
        control.dataplane.shutdown_send(socket.handle)
    except DataplaneError as error:
        if socket.state is State.CLOSED:
            raise failure(error) from error
        # Reset or given up: that is the end too.


def end_disconnect(control: Control, socket: Socket, *, reuse: bool) -> None:
    """Let go of a connection whose socket lives on."""
    with control.lock:
        if socket.state is not State.CONNECTED:
            return
        after = State.DISCONNECTED
        if reuse:
            after = State.OPEN if socket.bound is None else State.BOUND
        handle = forget_connection(control, socket, after)
    lanes = socket.lanes
    if lanes is not None:
        for lane in (lanes.receive, lanes.send):
            cancel(control, lane, error=WSAECONNABORTED)
    control.service.forget(handle)
    try:
        control.dataplane.close(handle, CLOSE_GRACEFUL)
    except DataplaneError:
        return  # it has gone by itself


def disconnect_ex(control: Control, socket: Socket, overlapped: object, flags: object) -> None:
    """End a connection in good order; without a structure a blocking socket waits for the end.

    Raises:
        WSAError: WSA_IO_PENDING; see spi/extensions.py.
    """
    check(Call.SHUTDOWN, socket.state)
    if not isinstance(flags, int) or flags & ~TF_REUSE_SOCKET:
        raise WSAError(WSAEINVAL, f"flags {flags!r} are not supported")
    reuse = bool(flags)
    lanes = lanes_of(control, socket)
    if overlapped is None:
        _disconnect_now(control, socket, lanes.send, reuse=reuse)
        return
    request = Request(check_request(socket, overlapped, None), None, lanes)
    if socket.state is State.DISCONNECTED:
        again = _Again(socket, request, reuse=reuse)
        post(control, lanes.change, again)
    else:
        post(control, lanes.change, DisconnectEx(socket, request, reuse=reuse))


class _Again(DisconnectEx):
    """The same for a socket that has no connection any more."""

    __slots__ = ()

    def attempt(self, control: Control) -> Result | None:
        """See Operation."""
        _reopen(control, self.socket, reuse=self.reuse)
        return Result(0)


def _reopen(control: Control, socket: Socket, *, reuse: bool) -> None:
    """Let a disconnected socket be used again, if that is wanted."""
    with control.lock:
        if reuse and socket.state is State.DISCONNECTED:
            socket.state = State.OPEN if socket.bound is None else State.BOUND


def _disconnect_now(control: Control, socket: Socket, lane: Lane, *, reuse: bool) -> None:
    if socket.state is State.DISCONNECTED:
        _reopen(control, socket, reuse=reuse)
        return
    give_way(control, socket, lane)
    begin_disconnect(control, socket)
    while socket.blocking and not port.has_finished(control.status(socket)):
        wait(control, socket, _SENT)
    end_disconnect(control, socket, reuse=reuse)
