"""Socket addresses: the tuples of the `socket` module, Windows' sockaddr bytes, and text.

`Address` is the checked form that the rest of the provider uses. Hosts are numeric; no name is ever
looked up. A socket's address family decides what it accepts: an address of the other family is
WSAEAFNOSUPPORT, something that is no address at all WSAEFAULT.
"""

import re
import struct
from dataclasses import dataclass
from socket import AF_INET as _POSIX_INET
from socket import AF_INET6 as _POSIX_INET6
from socket import inet_ntop, inet_pton
from typing import Self, TypeAlias

from pyprov.winsock.codes import WSAEAFNOSUPPORT, WSAEFAULT, WSAEINVAL
from pyprov.winsock.constants import AF_INET, AF_INET6
from pyprov.winsock.errors import WSAError

SockAddr: TypeAlias = tuple[str, int] | tuple[str, int, int, int]

MAPPED = bytes(10) + b"\xff\xff"
SOCKADDR_SIZE = {AF_INET: 16, AF_INET6: 28}

# Fields are little endian as on Windows, but for those that the headers keep in network order.
_FAMILY = struct.Struct("<H")
_PORT = struct.Struct(">H")
_FLOWINFO = struct.Struct(">L")
_SCOPE = struct.Struct("<L")

_C_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*")
_TEXT_MAX = 255


@dataclass(frozen=True, slots=True)
class Address:
    """An IPv4 or IPv6 address with a port.

    Attributes:
        family: AF_INET or AF_INET6, Winsock's numbers.
        packed: 4 or 16 bytes in network order.
        port: 0 to 65535.
        flowinfo: IPv6 traffic class and flow label, else 0.
        scope_id: IPv6 scope, else 0.
    """

    family: int
    packed: bytes
    port: int
    flowinfo: int = 0
    scope_id: int = 0

    def __post_init__(self) -> None:
        if self.family not in SOCKADDR_SIZE:
            raise WSAError(WSAEAFNOSUPPORT, f"address family {self.family} is not supported")
        if len(self.packed) != (4 if self.family == AF_INET else 16):
            raise WSAError(WSAEFAULT, f"{len(self.packed)} bytes are no address of this family")
        if not 0 <= self.port <= 0xFFFF:
            raise WSAError(WSAEINVAL, f"port {self.port} is not in 0 to 65535")
        if not (0 <= self.flowinfo <= 0xFFFF_FFFF and 0 <= self.scope_id <= 0xFFFF_FFFF):
            raise WSAError(WSAEINVAL, "flowinfo and scope_id are 32-bit numbers")

    @classmethod
    def from_tuple(cls, name: object, family: int | None = None) -> Self:
        """Check a tuple of the `socket` module.

        Args:
            name: (host, port), or for IPv6 also (host, port, flowinfo[, scope_id]). An empty host
                is the wildcard address.
            family: The family that the address must have; None takes either.

        Raises:
            WSAError: WSAEFAULT for what is no such tuple, WSAEAFNOSUPPORT for the wrong family,
                WSAEINVAL for a host that is not numeric or a number out of range.
        """
        if not isinstance(name, (tuple, list)) or not 2 <= len(name) <= 4:
            raise WSAError(WSAEFAULT, f"{name!r} is no address: expected (host, port)")
        host, *numbers = name
        if not isinstance(host, str) or not all(isinstance(n, int) for n in numbers):
            raise WSAError(WSAEFAULT, f"{name!r} is no address: expected (host, port)")
        found, packed, scope = _parse_host(host, family)
        if family is not None and found != family:
            raise WSAError(WSAEAFNOSUPPORT, f"{host!r} is not of the socket's address family")
        if found == AF_INET:
            if len(numbers) > 1:
                raise WSAError(WSAEFAULT, f"{name!r} is no IPv4 address: expected (host, port)")
            return cls(found, packed, numbers[0])
        port, flowinfo, scope_id = (*numbers, 0, 0)[:3]
        return cls(found, packed, port, flowinfo, scope_id or scope)

    def to_tuple(self) -> SockAddr:
        """Return the tuple of the `socket` module: two elements for IPv4, four for IPv6."""
        if self.family == AF_INET:
            return inet_ntop(_POSIX_INET, self.packed), self.port
        return inet_ntop(_POSIX_INET6, self.packed), self.port, self.flowinfo, self.scope_id

    def pack(self) -> bytes:
        """Return Windows' sockaddr_in (16 bytes) or sockaddr_in6 (28 bytes)."""
        head = _FAMILY.pack(self.family) + _PORT.pack(self.port)
        if self.family == AF_INET:
            return head + self.packed + bytes(8)
        return head + _FLOWINFO.pack(self.flowinfo) + self.packed + _SCOPE.pack(self.scope_id)

    @classmethod
    def unpack(cls, data: bytes, family: int | None = None) -> Self:
        """Read Windows' sockaddr bytes. Bytes past the structure are ignored.

        Raises:
            WSAError: WSAEFAULT if too short, WSAEAFNOSUPPORT if of another family than asked for.
        """
        expected = SOCKADDR_SIZE.get(AF_INET if family is None else family, 0)
        if len(data) < expected:
            raise WSAError(WSAEFAULT, f"{len(data)} bytes are too short for a sockaddr")
        (found,) = _FAMILY.unpack_from(data)
        if found not in SOCKADDR_SIZE or family not in {None, found}:
            raise WSAError(WSAEAFNOSUPPORT, f"address family {found} is not supported here")
        if len(data) < SOCKADDR_SIZE[found]:
            raise WSAError(WSAEFAULT, f"{len(data)} bytes are too short for a sockaddr_in6")
        (port,) = _PORT.unpack_from(data, 2)
        if found == AF_INET:
            return cls(found, bytes(data[4:8]), port)
        (flowinfo,) = _FLOWINFO.unpack_from(data, 4)
        (scope_id,) = _SCOPE.unpack_from(data, 24)
        return cls(found, bytes(data[8:24]), port, flowinfo, scope_id)

    @property
    def is_any(self) -> bool:
        """Whether this is the wildcard address, all zero."""
        return not any(self.packed)

    @property
    def is_loopback(self) -> bool:
        """Whether this is in 127.0.0.0/8, which may be mapped, or ::1."""
        if self.family == AF_INET or self.is_mapped:
            return self.packed[-4] == 127
        return self.packed == bytes(15) + b"\x01"

    @property
    def is_mapped(self) -> bool:
        """Whether this is an IPv4 address in IPv6's clothes, ::ffff:0:0/96."""
        return self.family == AF_INET6 and self.packed[:12] == MAPPED

    @property
    def is_multicast(self) -> bool:
        """Whether this is in 224.0.0.0/4 or ff00::/8."""
        if self.family == AF_INET:
            return self.packed[0] & 0xF0 == 0xE0
        return self.packed[0] == 0xFF


def address_to_string(address: object, capacity: int | None = None) -> str:
    """Spell an address as WSPAddressToString does.

    `a.b.c.d` or `a.b.c.d:port`, an IPv6 address plain or `[..]:port`, `%scope` when the scope is
    not 0. A port of 0 is left out.

    Args:
        address: A tuple of the `socket` module, or an `Address`.
        capacity: Size of the caller's buffer in characters, where there is one.

    Raises:
        WSAError: WSAEFAULT without an address, or if the text and its NUL do not fit (`needed`
            says what would); WSAEINVAL for a bad address or family.
    """
    if address is None:
        raise WSAError(WSAEFAULT, "no address given")
    if not isinstance(address, Address):
        try:
            address = Address.from_tuple(address)
        except WSAError as error:
            raise WSAError(WSAEINVAL, error.strerror) from None
    text = address.to_tuple()[0]
    if address.scope_id:
        text = f"{text}%{address.scope_id}"
    if address.port:
        text = f"[{text}]" if address.family == AF_INET6 else text
        text = f"{text}:{address.port}"
    if capacity is not None and capacity < len(text) + 1:
        raise WSAError(WSAEFAULT, needed=len(text) + 1)
    return text


def string_to_address(text: object, family: object, capacity: int | None = None) -> SockAddr:
    """Read an address as WSPStringToAddress does.

    IPv4 takes the forms of inet_aton: one to four parts, each decimal, octal or hexadecimal. The
    port takes the same three notations; without one it is 0, and 0 itself cannot be written.

    Args:
        text: The address, with nothing before or after it.
        family: AF_INET or AF_INET6.
        capacity: Size of the caller's sockaddr in bytes, where there is one.

    Raises:
        WSAError: WSAEINVAL if the text is no address of that family, WSAEFAULT if the sockaddr does
            not fit (`needed` says what would).
    """
    if not isinstance(family, int) or family not in SOCKADDR_SIZE:
        raise WSAError(WSAEINVAL, f"{family!r} is no address family that is supported")
    if not isinstance(text, str) or len(text) > _TEXT_MAX:
        raise WSAError(WSAEINVAL, f"{text!r} is no address of family {family!r}")
    if capacity is not None and capacity < SOCKADDR_SIZE[family]:
        raise WSAError(WSAEFAULT, needed=SOCKADDR_SIZE[family])
    try:
        address = _parse_inet(text) if family == AF_INET else _parse_inet6(text)
    except ValueError:
        raise WSAError(WSAEINVAL, f"{text!r} is no address of family {family}") from None
    return address.to_tuple()


def _parse_host(host: str, family: int | None) -> tuple[int, bytes, int]:
    """Read a numeric host: its family, bytes and textual scope."""
    if not host:
        wanted = AF_INET if family is None else family
        return wanted, bytes(4 if wanted == AF_INET else 16), 0
    try:
        if ":" in host:
            return AF_INET6, *_parse_scoped(host)
        return AF_INET, inet_pton(_POSIX_INET, host), 0
    except (OSError, ValueError):
        raise WSAError(
            WSAEINVAL, f"{host!r} is no numeric address; names are not looked up"
        ) from None


def _parse_inet(text: str) -> Address:
    host, colon, port = text.partition(":")
    values = [_parse_number(part) for part in host.split(".")]
    room = 256 ** (5 - len(values)) if len(values) <= 4 else 0
    if values[-1] >= room or any(value > 255 for value in values[:-1]):
        raise ValueError(text)
    packed = bytes(values[:-1]) + values[-1].to_bytes(5 - len(values), "big")
    return Address(AF_INET, packed, _parse_port(port) if colon else 0)


def _parse_inet6(text: str) -> Address:
    port = 0
    if text.startswith("["):
        text, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(text)
        port = _parse_port(rest[1:]) if rest else 0
    packed, scope = _parse_scoped(text)
    return Address(AF_INET6, packed, port, scope_id=scope)


def _parse_scoped(text: str) -> tuple[bytes, int]:
    """Read an IPv6 address with an optional numeric %scope."""
    host, percent, scope = text.partition("%")
    if percent and not re.fullmatch("[0-9]{1,10}", scope):
        raise ValueError(text)
    if percent and int(scope) > 0xFFFF_FFFF:
        raise ValueError(text)
    try:
        return inet_pton(_POSIX_INET6, host), int(scope or "0")
    except OSError:
        raise ValueError(text) from None


def _parse_port(text: str) -> int:
    port = _parse_number(text)
    if not 1 <= port <= 0xFFFF:
        raise ValueError(text)
    return port


def _parse_number(text: str) -> int:
    """Read a number as C's strtoul does with base 0, but with nothing around it."""
    if not _C_NUMBER.fullmatch(text):
        raise ValueError(text)
    if text[:2] in {"0x", "0X"}:
        return int(text, 16)
    return int(text, 8 if text.startswith("0") else 10)
