"""Active opens."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from pyprov.core import port
from pyprov.core.blocking import wait
from pyprov.core.failure import translate
from pyprov.core.port import ConnectParams, DataplaneError
from pyprov.core.socket import to_sockaddr
from pyprov.core.states import Call, State
from pyprov.winsock.address import Address
from pyprov.winsock.codes import WSAEADDRNOTAVAIL, WSAEINTR, WSAEINVAL, WSAEWOULDBLOCK
from pyprov.winsock.constants import AF_INET
from pyprov.winsock.errors import WSAError, code_from_errno

if TYPE_CHECKING:
    from pyprov.core.control import Control
    from pyprov.core.socket import Socket

_MAPPED = bytes(10) + b"\xff\xff"


def pack(address: Address) -> bytes:
    """Return an address as the dataplane has it; the wildcard is its ANY_ADDRESS."""
    if address.is_any:
        return port.ANY_ADDRESS
    return _MAPPED + address.packed if address.family == AF_INET else address.packed


def connect(control: Control, socket: Socket, name: object) -> None:
    """Connect a socket; a blocking one waits for the end.

    Raises:
        WSAError: what the table of states says; WSAEWOULDBLOCK when a non-blocking connect has
            begun; the errors of the address; the connection's failure.
    """
    if socket.state is State.CONNECTING:
        poll_connect(control, socket)
    start(control, socket, name)
    if not socket.blocking:
        raise WSAError(WSAEWOULDBLOCK, "the connect has begun")
    while socket.state is State.CONNECTING:
        wait(control, socket, port.READY_CONNECT)
        poll_connect(control, socket)
    if socket.failed:
        code, socket.error = socket.error, 0  # only an asynchronous failure leaves its code
        raise WSAError(code)


def start(control: Control, socket: Socket, name: object) -> None:
    """Begin an active open; the socket is CONNECTING then."""
    with control.claim(socket, Call.CONNECT) as before:
        peer = _peer(control, socket, name)
        try:
            handle = control.dataplane.connect(_params(socket, peer))
        except DataplaneError as error:
            raise translate(error) from error
        socket.peer = peer.to_tuple()
        socket.handle, socket.status, socket.failed = handle, None, False
        socket.before_connect = before
        if not control.settle(socket, State.CONNECTING):
            _let_go(control, handle)
            raise WSAError(WSAEINTR, "the socket was closed during the call")
    if socket.events is not None:
        with control.lock:
            socket.events.connected = False
            socket.events.forget_counters()


def _peer(control: Control, socket: Socket, name: object) -> Address:
    peer = Address.from_tuple(name, socket.profile.family)
    if peer.is_any or not peer.port:
        raise WSAError(WSAEADDRNOTAVAIL, "the wildcard and port 0 are nobody's address")
    group = socket.group
    if group is not None:
        with control.lock:
            if not group.admits(peer.to_tuple()[0]):
                raise WSAError(WSAEINVAL, f"the socket's group is constrained to {group.host}")
    return peer


def _params(socket: Socket, peer: Address) -> ConnectParams:
    options = socket.options
    local, local_port = port.ANY_ADDRESS, 0
    if socket.bound is not None:
        local, local_port = pack(socket.bound), socket.bound.port
    return ConnectParams(
        peer=pack(peer),
        peer_port=peer.port,
        local=local,
        local_port=local_port,
        recv_buffer=options.recv_buffer or 0,
        send_buffer=options.send_buffer or 0,
    )


def poll_connect(control: Control, socket: Socket) -> None:
    """Look whether an active open has ended, and let the socket follow."""
    status = control.status(socket)
    if not status.ready & port.READY_CONNECT:
        return
    code = 0 if status.writes else connect_code(status.error)
    now = control.dataplane.now()
    with control.lock:
        if socket.state is not State.CONNECTING:
            return
        handle = _fail(socket, code) if code else _succeed(socket, now)
        if socket.events is not None:
            socket.events.record_connect(code)
    if handle:
        _let_go(control, handle)


def _succeed(socket: Socket, now: int) -> int:
    socket.state = State.CONNECTED
    socket.error, socket.failed = 0, False
    socket.connected_ns = now
    group = socket.group
    if group is not None and group.host is None and socket.peer is not None:
        group.host = socket.peer[0]
    return 0


def _fail(socket: Socket, code: int) -> int:
    """Take the socket back to where it was; returns the handle to be let go."""
    handle = socket.handle
    socket.state = socket.before_connect
    socket.error, socket.failed = code, True
    socket.handle, socket.status, socket.peer = 0, None, None
    return handle


def connect_code(error: int) -> int:
    """Return the Winsock code of a failed connect; a reset of the SYN is a refusal."""
    return code_from_errno(-errno.ECONNREFUSED if error == -errno.ECONNRESET else error)


def _let_go(control: Control, handle: int) -> None:
    try:
        control.dataplane.close(handle, port.CLOSE_ABORT)
    except DataplaneError:
        return  # it has gone by itself


def local_name(control: Control, socket: Socket) -> tuple[str, int] | tuple[str, int, int, int]:
    """Return the local address of a connection that WSPConnect made."""
    try:
        info = control.dataplane.info(socket.handle)
    except DataplaneError as error:
        raise translate(error) from error
    return to_sockaddr(socket.profile.family, info.local, info.local_port)
