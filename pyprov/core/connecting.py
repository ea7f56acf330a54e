"""Active opens."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from pyprov.core import conndata, negotiation, port, qos
from pyprov.core.blocking import interrupt, wait
from pyprov.core.connection import let_go, pack, poll_connect
from pyprov.core.failure import translate
from pyprov.core.notification import synchronise
from pyprov.core.options import buffer_size
from pyprov.core.port import ConnectParams, DataplaneError, OwnName
from pyprov.core.socket import to_sockaddr
from pyprov.core.states import Call, State
from pyprov.winsock.address import Address
from pyprov.winsock.codes import (
    WSAEADDRNOTAVAIL,
    WSAEINTR,
    WSAEINVAL,
    WSAENETUNREACH,
    WSAEWOULDBLOCK,
)
from pyprov.winsock.errors import WSAError

if TYPE_CHECKING:
    from pyprov.core.control import Control
    from pyprov.core.socket import Socket
    from pyprov.winsock.structs import WSABUF


# Elsewhere the table of states says why there can be no connect.
_MAY_CONNECT: Final = frozenset({State.OPEN, State.BOUND})


def connect(
    control: Control,
    socket: Socket,
    name: object,
    caller_data: object = None,
    callee_data: WSABUF | None = None,
    flows: tuple[object, object] = (None, None),
) -> None:
    """Connect a socket; a blocking one waits for the end.

    Raises:
        WSAError: what the table of states says; WSAEWOULDBLOCK when a non-blocking connect has
            begun; the errors of the address; the connection's failure.
    """
    if socket.state is State.CONNECTING:
        poll_connect(control, socket)
    if socket.lanes is not None and socket.lanes.context is socket:
        raise WSAError(WSAEINVAL, "SO_UPDATE_CONNECT_CONTEXT is yet to come")
    if socket.state in _MAY_CONNECT:
        conndata.prepare(socket, caller_data, callee_data)
        negotiation.prepare(control, socket, *flows)
    start(control, socket, name)
    if not socket.blocking:
        conndata.expect_answer(control, socket, partial(poll_connect, control, socket))
        raise WSAError(WSAEWOULDBLOCK, "the connect has begun")
    while socket.state is State.CONNECTING:
        wait(control, socket, port.READY_CONNECT)
        poll_connect(control, socket)
    if socket.failed:
        code, socket.error = socket.error, 0  # only an asynchronous failure leaves its code
        raise WSAError(code)


def start(
    control: Control,
    socket: Socket,
    name: object,
    call: Call = Call.CONNECT,
    state: State = State.CONNECTING,
) -> None:
    """Begin an active open for a call; the socket is in that state then."""
    with control.claim(socket, call) as before:
        peer = _peer(control, socket, name)
        negotiation.reserve(control, socket, pack(peer))
        own = OwnName()
        try:
            handle = control.dataplane.connect(_params(socket, peer), own)
        except DataplaneError as error:
            qos.forget(control, socket)
            raise translate(error) from error
        if socket.events is not None:
            with control.lock:
                socket.events.connected = False
                socket.events.forget_counters()
        socket.peer = peer.to_tuple()
        socket.local = to_sockaddr(socket.profile.family, own.address, own.port)
        socket.handle, socket.status, socket.failed = handle, None, False
        socket.before_connect = before
        if not control.settle(socket, state):
            qos.forget(control, socket)
            let_go(control, handle)
            raise WSAError(WSAEINTR, "the socket was closed during the call")
    if socket.blocked:
        interrupt(control, socket)  # somebody selects on it
    synchronise(control, socket)


def _peer(control: Control, socket: Socket, name: object) -> Address:
    peer = Address.from_tuple(name, socket.profile.family)
    if peer.is_any or not peer.port:
        raise WSAError(WSAEADDRNOTAVAIL, "the wildcard and port 0 are nobody's address")
    if peer.is_mapped and socket.options.v6_only:
        raise WSAError(WSAENETUNREACH, "the socket is for IPv6 only")
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
        recv_buffer=buffer_size(options.recv_buffer),
        send_buffer=buffer_size(options.send_buffer),
        rto_initial=options.first_rto or 0,
        syn_retries=options.syn_retries,
        timestamps=options.timestamps,
        ttl=options.hops or 0,
        tos=options.tos,
        offer=negotiation.request(socket, conndata.request(socket)),
    )
