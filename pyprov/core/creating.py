"""Making sockets: which family, type and protocol, and duplicates."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pyprov.core.options import DEFAULTS
from pyprov.core.socket import Profile, Socket
from pyprov.core.states import State
from pyprov.winsock.codes import (
    WSAEAFNOSUPPORT,
    WSAEINVAL,
    WSAEPROTONOSUPPORT,
    WSAESOCKTNOSUPPORT,
)
from pyprov.winsock.constants import (
    AF_INET,
    AF_INET6,
    AF_UNSPEC,
    FROM_PROTOCOL_INFO,
    IPPROTO_TCP,
    SOCK_DGRAM,
    SOCK_RAW,
    SOCK_RDM,
    SOCK_SEQPACKET,
    SOCK_STREAM,
)
from pyprov.winsock.errors import WSAError
from pyprov.winsock.flags import (
    WSA_FLAG_ACCESS_SYSTEM_SECURITY,
    WSA_FLAG_NO_HANDLE_INHERIT,
    WSA_FLAG_OVERLAPPED,
    WSA_FLAG_REGISTERED_IO,
)
from pyprov.winsock.protocol_info import WSAPROTOCOL_INFOW, protocols

if TYPE_CHECKING:
    from pyprov.core.control import Control

_TYPES: Final = {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_RDM, SOCK_SEQPACKET}
_FROM_INFO: Final = {0, FROM_PROTOCOL_INFO}
# The others ask for multipoint sockets, which TCP has none of.
_FLAGS: Final = (
    WSA_FLAG_OVERLAPPED
    | WSA_FLAG_ACCESS_SYSTEM_SECURITY
    | WSA_FLAG_NO_HANDLE_INHERIT
    | WSA_FLAG_REGISTERED_IO
)

CATALOG: Final = {entry.iAddressFamily: entry for entry in protocols(connect_data=True)}
_PROFILES: Final = {
    (family, overlapped): Profile(info, overlapped=overlapped)
    for family, info in CATALOG.items()
    for overlapped in (False, True)
}


def create(control: Control, wanted: tuple[int, int, int], g: object, flags: object) -> int:
    """Make a socket of (family, type, protocol), 0 where it does not matter.

    Returns:
        Its SOCKET.

    Raises:
        WSAError: WSAESOCKTNOSUPPORT, WSAEAFNOSUPPORT, WSAEPROTONOSUPPORT or WSAEINVAL for what was
            asked, WSAEMFILE.
    """
    family = resolve(*wanted)
    if not isinstance(flags, int) or flags & ~_FLAGS:
        raise WSAError(WSAEINVAL, f"flags {flags!r} are not supported")
    made = Socket(_PROFILES[family, bool(flags & WSA_FLAG_OVERLAPPED)], DEFAULTS)
    with control.lock:
        group = control.groups.choose(g)
    value = control.new_value(made)
    if group is not None:
        with control.lock:
            control.groups.join(made, group)
    return value


def resolve(family: int, kind: int, protocol: int) -> int:
    """Return the family of the TCP socket that was asked for; the type is looked at first."""
    if kind not in _TYPES | _FROM_INFO:
        raise WSAError(WSAESOCKTNOSUPPORT, f"socket type {kind} is not supported")
    if family == AF_UNSPEC and not protocol:
        raise WSAError(WSAEINVAL, "neither a family nor a protocol was given")
    if family not in {AF_UNSPEC, AF_INET, AF_INET6}:
        raise WSAError(WSAEAFNOSUPPORT, f"address family {family} is not supported")
    if protocol not in {0, IPPROTO_TCP}:
        raise WSAError(WSAEPROTONOSUPPORT, f"protocol {protocol} is not supported")
    if kind not in {0, SOCK_STREAM}:
        # Datagrams over TCP are a contradiction; the other types have no protocol here at all.
        code = WSAEPROTONOSUPPORT if kind == SOCK_DGRAM else WSAESOCKTNOSUPPORT
        raise WSAError(code, "this provider has streams only")
    return AF_INET6 if family == AF_INET6 else AF_INET


def merge(wanted: tuple[object, object, object], info: object) -> tuple[int, int, int]:
    """Take what was left open (0 or FROM_PROTOCOL_INFO) from a catalog entry.

    Raises:
        WSAError: WSAEINVAL for what are no numbers, or no entry where one is needed.
    """
    family, kind, protocol = wanted
    if not (isinstance(family, int) and isinstance(kind, int) and isinstance(protocol, int)):
        raise WSAError(WSAEINVAL, f"{wanted} are no numbers")
    if info is None:
        if FROM_PROTOCOL_INFO in wanted:
            raise WSAError(WSAEINVAL, "FROM_PROTOCOL_INFO without a protocol info")
        return family, kind, protocol
    if not isinstance(info, WSAPROTOCOL_INFOW):
        raise WSAError(WSAEINVAL, f"{info!r} is no WSAPROTOCOL_INFO")
    return (
        info.iAddressFamily if family in _FROM_INFO else family,
        info.iSocketType if kind in _FROM_INFO else kind,
        info.iProtocol if protocol in _FROM_INFO else protocol,
    )


def duplicate(control: Control, socket: Socket, process_id: object) -> WSAPROTOCOL_INFOW:
    """Describe a socket for WSPSocket of a process, which may use the description once.

    Raises:
        WSAError: WSAEINVAL for a process that does not exist, and for every other one than this:
            the connection lives in this process's memory.
    """
    if not isinstance(process_id, int) or process_id != os.getpid():
        raise WSAError(WSAEINVAL, "a socket can only be duplicated within its own process")
    with control.lock:
        ticket = control.tickets.issue(socket)
    return replace(socket.profile.info, dwProviderReserved=ticket)


def redeem(control: Control, ticket: int) -> int:
    """Make the SOCKET that a description from `duplicate` promises."""
    with control.lock:
        socket = control.tickets.redeem(ticket)
    if socket is None or socket.state is State.CLOSED:
        raise WSAError(WSAEINVAL, "this description has been used, or is another provider's")
    return control.new_value(socket)
