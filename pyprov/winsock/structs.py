"""The structures of winsock2.h, ws2spi.h and mswsock.h as Python objects.

What crosses a border as bytes has `pack` and `unpack` in the layout of 64-bit Windows: little
endian, `long` of 32 bits. Where the layout has a pointer to a sockaddr, the packed form has the
offset of that sockaddr, which follows in the same bytes.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from pyprov.winsock.address import SOCKADDR_SIZE, Address, SockAddr
from pyprov.winsock.codes import WSAEFAULT, WSAEINVAL
from pyprov.winsock.constants import AF_INET
from pyprov.winsock.errors import WSAError
from pyprov.winsock.flags import FD_MAX_EVENTS

# ruff: noqa: A003, N801, N815 - the names are the headers'

_LINGER = struct.Struct("<HH")
_NETWORK_EVENTS = struct.Struct("<l10l")
_SOCKET_ADDRESS = struct.Struct("<Ql4x")
_CSADDR_TAIL = struct.Struct("<ll")
_LIST_HEAD = struct.Struct("<l4x")
_KEEPALIVE = struct.Struct("<LLL")
_INITIAL_RTO = struct.Struct("<HBx")
_INTERFACE_FLAGS = struct.Struct("<L")
_GENERIC_ADDRESS_SIZE = 24  # sockaddr_gen: a union that is cut short for IPv6


def as_bytes(value: object) -> bytes | None:
    """Return what is bytes-like as bytes, None for anything else."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    return None


def require(data: bytes, size: int) -> None:
    """Raise WSAEFAULT, with `needed`, unless an input buffer holds so many bytes."""
    if len(data) < size:
        raise WSAError(WSAEFAULT, f"{len(data)} bytes given, {size} needed", needed=size)


def read(layout: struct.Struct, data: bytes) -> tuple[int, ...]:
    """Take numbers from the start of an input buffer, as `require` does; more is ignored."""
    require(data, layout.size)
    return layout.unpack_from(data)


def write(layout: struct.Struct, *values: int | bytes) -> bytes:
    """Pack a structure; WSAEINVAL if a number does not fit its field."""
    try:
        return layout.pack(*values)
    except struct.error as error:
        raise WSAError(WSAEINVAL, f"{values}: {error}") from None


class WSABUF:
    """A buffer with its length: what carries caller and callee data, and names.

    `len` begins as the capacity and ends as the number of bytes used. It can be set beyond the
    capacity, as in C; whoever takes the buffer back then answers WSAEINVAL.

    Attributes:
        buf: The storage, a writable memoryview.
        address: In a condition function, the address that a caller or callee id stands for.
    """

    __slots__ = ("_len", "_used", "address", "buf")

    def __init__(
        self,
        storage: int | bytes | bytearray | memoryview = 0,
        *,
        address: SockAddr | None = None,
    ) -> None:
        """Wrap storage, or make some.

        Args:
            storage: A writable buffer to use as it is, bytes to copy, or a capacity.
            address: The address that the buffer stands for.
        """
        view = memoryview(bytearray(storage) if isinstance(storage, (int, bytes)) else storage)
        if view.readonly:
            view = memoryview(bytearray(view))
        self.buf = view.cast("B")
        self.address = address
        self._len = len(self.buf)
        self._used = False

    @property
    def len(self) -> int:
        """Bytes that count; the capacity until it is set."""
        return self._len

    @len.setter
    def len(self, value: int) -> None:
        if value < 0:
            raise ValueError("a length cannot be negative")
        self._len = value
        self._used = True

    @property
    def capacity(self) -> int:
        """Bytes that the storage holds."""
        return len(self.buf)

    @property
    def overrun(self) -> bool:
        """Whether `len` was set beyond the capacity."""
        return self._len > len(self.buf)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Copy data to the start of the storage and set `len`; ValueError if it does not fit."""
        if len(data) > len(self.buf):
            raise ValueError(f"{len(data)} bytes do not fit into {len(self.buf)}")
        self.buf[: len(data)] = data
        self.len = len(data)

    def answer(self) -> bytes:
        """Return what was put in: nothing unless `len` was set or `write` called."""
        return bytes(self) if self._used else b""

    def __bytes__(self) -> bytes:
        return bytes(self.buf[: self._len])

    def __len__(self) -> int:
        return self._len

    def __repr__(self) -> str:
        return f"WSABUF(len={self._len}, buf={bytes(self)!r})"


class LINGER(NamedTuple):
    """SO_LINGER.

    Attributes:
        l_onoff: Not 0 to linger.
        l_linger: Seconds; 0 closes hard.
    """

    l_onoff: int
    l_linger: int

    def pack(self) -> bytes:
        """Return the 4 bytes of Windows' layout."""
        return write(_LINGER, *self)

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Read Windows' layout; WSAEFAULT if too short."""
        return cls(*read(_LINGER, data))


@dataclass(slots=True)
class GROUP:
    """A socket group id, an output of a condition function: 0 is none."""

    value: int = 0


@dataclass(slots=True)
class WSPDATA:
    """What WSPStartup says of the provider. Versions have the major number in the low byte."""

    wVersion: int = 0
    wHighVersion: int = 0
    szDescription: str = ""


@dataclass(slots=True)
class WSADATA(WSPDATA):
    """The same as WSAStartup gives it to applications; the last three are always empty."""

    szSystemStatus: str = ""
    iMaxSockets: int = 0
    iMaxUdpDg: int = 0


@dataclass(slots=True)
class WSANETWORKEVENTS:
    """What WSPEnumNetworkEvents reports: a mask of FD_* and an error code for each bit in it."""

    lNetworkEvents: int = 0
    iErrorCode: list[int] = field(default_factory=lambda: [0] * FD_MAX_EVENTS)

    def pack(self) -> bytes:
        """Return the 44 bytes of Windows' layout."""
        return write(_NETWORK_EVENTS, self.lNetworkEvents, *self.iErrorCode)

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Read Windows' layout; WSAEFAULT if too short."""
        events, *codes = read(_NETWORK_EVENTS, data)
        return cls(events, codes)


@dataclass(slots=True, eq=False)
class WSAOVERLAPPED:
    """One overlapped request. Its identity is what counts, so that no two are ever equal.

    Attributes:
        hEvent: The event object to set on completion, or None.
        Internal: 0x103 while the request is pending, then 0.
        InternalHigh: Bytes transferred.
        Offset: Flags of the completed request.
        OffsetHigh: Error code of the completed request, 0 for success.
    """

    hEvent: object = None
    Internal: int = 0
    InternalHigh: int = 0
    Offset: int = 0
    OffsetHigh: int = 0


class MSG(NamedTuple):
    """A network event message: for whom, which, the socket, and event and error in lParam."""

    hWnd: object
    message: int
    wParam: int
    lParam: int


@dataclass(slots=True)
class WSAMSG:
    """The message of WSARecvMsg."""

    name: SockAddr | None = None
    lpBuffers: Sequence[WSABUF] = ()
    Control: WSABUF = field(default_factory=WSABUF)
    dwFlags: int = 0


@dataclass(slots=True)
class CSADDR_INFO:
    """SO_BSP_STATE: both addresses of a socket, None where there is none, type and protocol."""

    LocalAddr: SockAddr | None
    RemoteAddr: SockAddr | None
    iSocketType: int
    iProtocol: int

    def pack(self) -> bytes:
        """Return the 40 bytes of Windows' layout, followed by the sockaddrs."""
        head = 2 * _SOCKET_ADDRESS.size + _CSADDR_TAIL.size
        entries, tail = _pack_addresses([self.LocalAddr, self.RemoteAddr], head)
        return entries + write(_CSADDR_TAIL, self.iSocketType, self.iProtocol) + tail

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Read what `pack` made; WSAEFAULT if too short."""
        local, remote = _unpack_addresses(data, 0, 2)
        tail = data[2 * _SOCKET_ADDRESS.size :]
        return cls(local, remote, *read(_CSADDR_TAIL, tail))


class SOCKET_ADDRESS_LIST(tuple[SockAddr, ...]):
    """What SIO_ADDRESS_LIST_QUERY returns: addresses with port 0."""

    __slots__ = ()

    def pack(self) -> bytes:
        """Return Windows' layout, followed by the sockaddrs."""
        head = _LIST_HEAD.size + len(self) * _SOCKET_ADDRESS.size
        entries, tail = _pack_addresses(list(self), head)
        return _LIST_HEAD.pack(len(self)) + entries + tail

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Read what `pack` made; WSAEFAULT if too short."""
        (count,) = read(_LIST_HEAD, data)
        found = _unpack_addresses(data, _LIST_HEAD.size, max(count, 0))
        return cls(address for address in found if address is not None)


class tcp_keepalive(NamedTuple):
    """SIO_KEEPALIVE_VALS. Times in milliseconds."""

    onoff: int
    keepalivetime: int
    keepaliveinterval: int

    def pack(self) -> bytes:
        """Return the 12 bytes of Windows' layout."""
        return write(_KEEPALIVE, *self)

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Read Windows' layout; WSAEFAULT if too short."""
        return cls(*read(_KEEPALIVE, data))


class TCP_INITIAL_RTO_PARAMETERS(NamedTuple):
    """SIO_TCP_INITIAL_RTO. The time is in milliseconds."""

    Rtt: int
    MaxSynRetransmissions: int

    def pack(self) -> bytes:
        """Return the 4 bytes of Windows' layout."""
        return write(_INITIAL_RTO, *self)

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Read Windows' layout; WSAEFAULT if too short."""
        return cls(*read(_INITIAL_RTO, data))


class INTERFACE_INFO(NamedTuple):
    """One interface of SIO_GET_INTERFACE_LIST; `iiFlags` is a mask of IFF_*."""

    iiFlags: int
    iiAddress: SockAddr
    iiBroadcastAddress: SockAddr
    iiNetmask: SockAddr

    def pack(self) -> bytes:
        """Return the 76 bytes of Windows' layout, in which an IPv6 scope is cut off."""
        packed = [Address.from_tuple(name).pack() for name in self[1:]]
        return write(_INTERFACE_FLAGS, self.iiFlags) + b"".join(
            data[:_GENERIC_ADDRESS_SIZE].ljust(_GENERIC_ADDRESS_SIZE, b"\0") for data in packed
        )


def _pack_addresses(names: Sequence[SockAddr | None], at: int) -> tuple[bytes, bytes]:
    """Return SOCKET_ADDRESS entries and the sockaddrs they refer to, which begin at an offset."""
    entries, tail = b"", b""
    for name in names:
        packed = b"" if name is None else Address.from_tuple(name).pack()
        entries += _SOCKET_ADDRESS.pack(at + len(tail) if packed else 0, len(packed))
        tail += packed.ljust(-(-len(packed) // 8) * 8, b"\0")
    return entries, tail


def _unpack_addresses(data: bytes, at: int, count: int) -> list[SockAddr | None]:
    names: list[SockAddr | None] = []
    for index in range(count):
        where, length = read(_SOCKET_ADDRESS, data[at + index * _SOCKET_ADDRESS.size :])
        if length < SOCKADDR_SIZE[AF_INET]:
            names.append(None)
        else:
            names.append(Address.unpack(data[where : where + length]).to_tuple())
    return names
