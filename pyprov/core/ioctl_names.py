"""Control codes about the engine's addresses and routes."""

from __future__ import annotations

import errno
import ipaddress
from typing import TYPE_CHECKING, Final, cast

from pyprov.core.connection import pack
from pyprov.core.failure import translate
from pyprov.core.port import DataplaneError
from pyprov.core.socket import to_sockaddr
from pyprov.winsock.address import MAPPED, Address
from pyprov.winsock.codes import WSAEFAULT, WSAEOPNOTSUPP
from pyprov.winsock.constants import AF_INET
from pyprov.winsock.errors import WSAError
from pyprov.winsock.flags import (
    FD_ADDRESS_LIST_CHANGE,
    FD_ROUTING_INTERFACE_CHANGE,
    IFF_BROADCAST,
    IFF_LOOPBACK,
    IFF_MULTICAST,
    IFF_UP,
)
from pyprov.winsock.structs import INTERFACE_INFO, SOCKET_ADDRESS_LIST

if TYPE_CHECKING:
    from pyprov.core.control import Control
    from pyprov.core.ioctl import IoctlCall
    from pyprov.core.port import OwnAddress
    from pyprov.winsock.address import SockAddr

_BROADCAST: Final = "255.255.255.255"
_LOOPBACK: Final = INTERFACE_INFO(
    IFF_UP | IFF_LOOPBACK | IFF_MULTICAST,
    ("127.0.0.1", 0),
    ("127.255.255.255", 0),
    ("255.0.0.0", 0),
)


def unpack_address(data: bytes) -> SockAddr:
    """Read a sockaddr."""
    return Address.unpack(data).to_tuple()


def pack_address(name: object) -> bytes:
    """Return a sockaddr."""
    return Address.from_tuple(name).pack()


def pack_interfaces(interfaces: object) -> bytes:
    """Return INTERFACE_INFO structures, one after the other."""
    return b"".join(entry.pack() for entry in cast("list[INTERFACE_INFO]", interfaces))


def address_list(call: IoctlCall) -> SOCKET_ADDRESS_LIST:
    """SIO_ADDRESS_LIST_QUERY: what a socket of this family may be bound to, but for loopback."""
    family = call.socket.profile.family
    return SOCKET_ADDRESS_LIST(
        to_sockaddr(family, own.address, 0) for own in _own(call.control, family)
    )


def _own(control: Control, family: int) -> list[OwnAddress]:
    found = [own for own in control.dataplane.addresses() if own.used]
    return [own for own in found if own.address.startswith(MAPPED) == (family == AF_INET)]


def sorted_list(call: IoctlCall) -> SOCKET_ADDRESS_LIST:
    """SIO_ADDRESS_LIST_SORT: own addresses first, then those with a route, then the others.

    Raises:
        WSAError: WSAEFAULT for what is no list, the errors of its addresses.
    """
    if not isinstance(call.value, (list, tuple)):
        raise WSAError(WSAEFAULT, f"{call.value!r} is no list of addresses")
    family = call.socket.profile.family
    addresses = [Address.from_tuple(name, family) for name in call.value]
    addresses.sort(key=lambda address: _rank(call.control, address))
    return SOCKET_ADDRESS_LIST(address.to_tuple() for address in addresses)


def _rank(control: Control, address: Address) -> int:
    wanted = pack(address)
    source = _source(control, wanted)
    if source is None:
        return 2
    return int(source != wanted)


def _source(control: Control, peer: bytes) -> bytes | None:
    """Return our address in a connection with a peer, None without a route."""
    try:
        return control.dataplane.source(peer)
    except DataplaneError as error:
        if error.error == -errno.ENETUNREACH:
            return None
        raise translate(error) from error


def routing_interface(call: IoctlCall) -> SockAddr:
    """SIO_ROUTING_INTERFACE_QUERY: the local address from which a remote one is reached.

    Raises:
        WSAError: WSAENETUNREACH without a route, the errors of the address.
    """
    peer = Address.from_tuple(call.value, call.socket.profile.family)
    try:
        local = call.control.dataplane.source(pack(peer))
    except DataplaneError as error:
        raise translate(error) from error
    return to_sockaddr(call.socket.profile.family, local, 0)


def interfaces(call: IoctlCall) -> list[INTERFACE_INFO]:
    """SIO_GET_INTERFACE_LIST: one entry for each IPv4 address, loopback among them."""
    found = [_LOOPBACK]
    for own in _own(call.control, AF_INET):
        network = ipaddress.IPv4Interface((own.address[12:], own.prefix)).network
        found.append(
            INTERFACE_INFO(
                IFF_UP | IFF_BROADCAST | IFF_MULTICAST,
                to_sockaddr(AF_INET, own.address, 0),
                (str(network.broadcast_address), 0),
                (str(network.netmask), 0),
            )
        )
    return found


def broadcast_address(call: IoctlCall) -> SockAddr:
    """SIO_GET_BROADCAST_ADDRESS.

    Raises:
        WSAError: WSAEOPNOTSUPP: IPv6 has none.
    """
    if call.socket.profile.family != AF_INET:
        raise WSAError(WSAEOPNOTSUPP, "IPv6 has no broadcast")
    return _BROADCAST, 0


def address_list_change(call: IoctlCall) -> None:
    """SIO_ADDRESS_LIST_CHANGE; see core/changes.py."""
    call.control.changes.ask(call, FD_ADDRESS_LIST_CHANGE)


def routing_interface_change(call: IoctlCall) -> None:
    """SIO_ROUTING_INTERFACE_CHANGE: a change of the way to one address.

    Raises:
        WSAError: what `Changes.ask` does, and the errors of the address.
    """
    Address.from_tuple(call.value, call.socket.profile.family)
    call.control.changes.ask(call, FD_ROUTING_INTERFACE_CHANGE)
