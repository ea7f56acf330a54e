"""Binding, and the names of both ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyprov.core.connection import pack
from pyprov.core.socket import to_sockaddr
from pyprov.core.states import Call, State, check
from pyprov.winsock.address import Address
from pyprov.winsock.codes import WSAEADDRNOTAVAIL, WSAEINVAL, WSAENOTCONN
from pyprov.winsock.errors import WSAError

if TYPE_CHECKING:
    from pyprov.core.control import Control
    from pyprov.core.socket import Socket
    from pyprov.winsock.address import SockAddr


def bind(control: Control, socket: Socket, name: object) -> None:
    """Give a socket its local address and port; port 0 takes a free one.

    Raises:
        WSAError: WSAEINVAL if it is bound already, the errors of the address, WSAEADDRNOTAVAIL if
            it is not one of ours, WSAEADDRINUSE or WSAEACCES for a conflict, WSAENOBUFS.
    """
    check(Call.BIND, socket.state)
    address = Address.from_tuple(name, socket.profile.family)
    if not is_own(control, address):
        raise WSAError(WSAEADDRNOTAVAIL, f"{address.to_tuple()[0]} is not one of our addresses")
    if address.is_mapped and socket.options.v6_only:
        raise WSAError(WSAEADDRNOTAVAIL, "the socket is for IPv6 only")
    with control.lock:
        check(Call.BIND, socket.state)
        if socket.claimed:
            raise WSAError(WSAEINVAL, "the socket is being connected")
        binding = control.bindings.bind(address, socket.options)
        socket.binding = binding
        socket.bound = Address(
            address.family, address.packed, binding.port, address.flowinfo, address.scope_id
        )
        socket.state = State.BOUND


def is_own(control: Control, address: Address) -> bool:
    """Whether an address may be bound: the wildcard, loopback, or a port's own.

    All but the wildcard are the same in every scope, and so have no scope id.
    """
    if address.is_any:
        return True
    if address.scope_id:
        return False
    if address.is_loopback:
        return True
    packed = pack(address)
    return any(own.address == packed for own in control.dataplane.addresses())


def sock_name(control: Control, socket: Socket) -> SockAddr:
    """Return the local address: of a connection the real one, before that what was bound.

    Raises:
        WSAError: WSAEINVAL on an unbound socket.
    """
    del control
    check(Call.SOCK_NAME, socket.state)
    request = socket.request
    if request is not None:
        if socket.lanes is not None and socket.lanes.context is not None:
            raise WSAError(WSAEINVAL, "SO_UPDATE_ACCEPT_CONTEXT is yet to come")
        return to_sockaddr(socket.profile.family, request.local, request.local_port)
    if socket.local is not None:
        return socket.local
    if socket.bound is None:
        raise WSAError(WSAEINVAL, "the socket is not bound")
    return socket.bound.to_tuple()


def peer_name(control: Control, socket: Socket) -> SockAddr:
    """Return the peer's address, also of a connect that is under way.

    Raises:
        WSAError: WSAENOTCONN.
    """
    del control
    check(Call.PEER_NAME, socket.state)
    if socket.peer is None or (socket.lanes is not None and socket.lanes.context is not None):
        raise WSAError(WSAENOTCONN)
    return socket.peer
