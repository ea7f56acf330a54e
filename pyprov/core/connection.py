"""How an active open ends, and what the dataplane knows of a connection's addresses."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from pyprov.core import conndata, negotiation, port, qos, sockopt
from pyprov.core.port import DataplaneError
from pyprov.core.states import State
from pyprov.winsock.address import MAPPED
from pyprov.winsock.codes import WSAEINVAL
from pyprov.winsock.constants import AF_INET
from pyprov.winsock.errors import code_from_errno

if TYPE_CHECKING:
    from pyprov.core.control import Control
    from pyprov.core.socket import Socket
    from pyprov.winsock.address import Address


def pack(address: Address) -> bytes:
    """Return an address as the dataplane has it; the wildcard is its ANY_ADDRESS."""
    if address.is_any:
        return port.ANY_ADDRESS
    return MAPPED + address.packed if address.family == AF_INET else address.packed


def poll_connect(control: Control, socket: Socket) -> None:
    """Look whether an active open has ended, and let the socket follow."""
    status = control.status(socket)
    if not status.ready & port.READY_CONNECT:
        return
    code = 0 if status.writes else connect_code(status.error)
    if socket.conndata is not None and socket.handle:
        conndata.take_answer(control, socket, socket.handle)
    if socket.qos is not None:
        code = negotiation.finish(control, socket, code)
    now = control.dataplane.now()
    with control.lock:
        if socket.state not in {State.CONNECTING, State.CONNECTING_EX}:
            return
        if not code and not _fits_group(socket):
            code = WSAEINVAL
        handle = _fail(socket, code) if code else _succeed(socket, now)
        if socket.events is not None:
            socket.events.record_connect(code)
    if handle:
        qos.forget(control, socket)
        let_go(control, handle)
    elif not code:
        sockopt.apply(control, socket)
        negotiation.begin(control, socket)


def _fits_group(socket: Socket) -> bool:
    """Whether no other member of its group was faster in connecting to another host."""
    group = socket.group
    return group is None or socket.peer is None or group.admits(socket.peer[0])


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
    socket.handle, socket.status, socket.peer, socket.local = 0, None, None, None
    return handle


def connect_code(error: int) -> int:
    """Return the Winsock code of a failed connect; a reset of the SYN is a refusal."""
    return code_from_errno(-errno.ECONNREFUSED if error == -errno.ECONNRESET else error)


def let_go(control: Control, handle: int) -> None:
    """Give up a connection that no socket has."""
    try:
        control.dataplane.close(handle, port.CLOSE_ABORT)
    except DataplaneError:
        return  # it has gone by itself
