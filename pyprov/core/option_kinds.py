"""How the values of socket options look, as objects and as bytes: Windows' rules of length.

A DWORD is set from four bytes or more. Many booleans also take one or two, of which the first
counts, and some take none at all; three of them look at the first byte even where there are four.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from pyprov.winsock.codes import WSAEFAULT, WSAEINVAL
from pyprov.winsock.errors import WSAError
from pyprov.winsock.structs import LINGER, as_bytes

_DWORD: Final = 4
_HANDLE: Final = 8
_LOWEST: Final = -(1 << 31)
_HIGHEST: Final = 0xFFFF_FFFF


class Kind(Protocol):
    """The type of an option."""

    def decode(self, value: object) -> int | LINGER | bytes:
        """Check what WSPSetSockOpt was given: an object, or bytes.

        Raises:
            WSAError: WSAEFAULT for the wrong type or too few bytes, WSAEINVAL out of range.
        """

    def encode(self, value: object, optlen: int) -> bytes:
        """Make bytes of what WSPGetSockOpt returns.

        Raises:
            WSAError: WSAEFAULT if they do not fit; `needed` says what would.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A DWORD or boolean.

    Attributes:
        fewest: bytes that set takes at least.
        first_byte: only the first byte counts, and only one is returned.
        truth: everything but 0 is 1.
        most: the largest legal value.
    """

    fewest: int = _DWORD
    first_byte: bool = False
    truth: bool = False
    most: int = _HIGHEST

    def decode(self, value: object) -> int:
        """See Kind."""
        data = as_bytes(value)
        number = self._from_number(value) if data is None else self._from_bytes(data)
        if self.truth:
            return int(number != 0)
        if number > self.most:
            raise WSAError(WSAEINVAL, f"{number} is more than {self.most}")
        return number

    def _from_bytes(self, data: bytes) -> int:
        if len(data) < self.fewest:
            raise WSAError(WSAEFAULT, f"{len(data)} bytes given, {self.fewest} needed")
        whole = len(data) >= _DWORD and not self.first_byte
        return int.from_bytes(data[: _DWORD if whole else 1], "little")

    def _from_number(self, value: object) -> int:
        if not isinstance(value, int):
            raise WSAError(WSAEFAULT, f"{value!r} is no number")
        if not _LOWEST <= value <= _HIGHEST:
            raise WSAError(WSAEINVAL, f"{value} is no DWORD")
        return self._from_bytes((value & _HIGHEST).to_bytes(_DWORD, "little"))

    def encode(self, value: object, optlen: int) -> bytes:
        """See Kind."""
        if optlen < _DWORD <= self.fewest:
            raise WSAError(WSAEFAULT, f"{optlen} bytes are too few", needed=_DWORD)
        size = _DWORD if optlen >= _DWORD and not self.first_byte else 1
        number = value if isinstance(value, int) else 0
        return (number & _HIGHEST).to_bytes(_DWORD, "little")[:size]


class Linger:
    """SO_LINGER: a LINGER or its four bytes."""

    def decode(self, value: object) -> LINGER:
        """See Kind."""
        data = as_bytes(value)
        if data is not None:
            return LINGER.unpack(data)
        match value:
            case (int(onoff), int(seconds)):
                return LINGER.unpack(LINGER(onoff, seconds).pack())
        raise WSAError(WSAEFAULT, f"{value!r} is no LINGER")

    def encode(self, value: object, optlen: int) -> bytes:
        """See Kind."""
        return Structure().encode(value, optlen)


class Structure:
    """A structure that can only be read."""

    def pack(self, value: object) -> bytes:
        """Return its layout."""
        data: bytes = value.pack()  # type: ignore[attr-defined] # it is what our own row returned
        return data

    def decode(self, value: object) -> bytes:
        """See Kind."""
        raise WSAError(WSAEFAULT, f"{value!r} cannot be set")

    def encode(self, value: object, optlen: int) -> bytes:
        """See Kind."""
        data = self.pack(value)
        if optlen < len(data):
            detail = f"{optlen} bytes are too few for {len(data)}"
            raise WSAError(WSAEFAULT, detail, needed=len(data))
        return data


class Narrow(Structure):
    """A protocol info with a name of bytes."""

    def pack(self, value: object) -> bytes:
        """Return its layout."""
        data: bytes = value.pack(wide=False)  # type: ignore[attr-defined] # as above
        return data


class Bytes:
    """Bytes as they are."""

    def decode(self, value: object) -> bytes:
        """See Kind."""
        data = as_bytes(value)
        if data is None:
            raise WSAError(WSAEFAULT, f"{value!r} is not bytes")
        return data

    def encode(self, value: object, optlen: int) -> bytes:
        """See Kind."""
        data = value if isinstance(value, bytes) else b""
        if optlen < len(data):
            raise WSAError(WSAEFAULT, f"{optlen} bytes are too few", needed=len(data))
        return data


class Handle:
    """A SOCKET or its eight bytes; it can only be set."""

    def decode(self, value: object) -> int:
        """See Kind."""
        data = as_bytes(value)
        if data is not None:
            if len(data) < _HANDLE:
                raise WSAError(WSAEFAULT, f"{len(data)} bytes given, {_HANDLE} needed")
            return int.from_bytes(data[:_HANDLE], "little")
        if not isinstance(value, int):
            raise WSAError(WSAEFAULT, f"{value!r} is no SOCKET")
        return value

    def encode(self, value: object, optlen: int) -> bytes:
        """See Kind."""
        raise WSAError(WSAEFAULT, f"{value!r} cannot be read into {optlen} bytes")


class Nothing(Handle):
    """An option that is set without a value; one that is given is not looked at."""

    def decode(self, value: object) -> int:
        """See Kind."""
        del value
        return 0


DWORD: Final = Number()
BOOL: Final = Number(truth=True)  # four bytes, no fewer
SHORT_BOOL: Final = Number(truth=True, fewest=1)
ANY_BOOL: Final = Number(truth=True, fewest=0)
BYTE_BOOL: Final = Number(truth=True, fewest=1, first_byte=True)
BYTE: Final = Number(fewest=1, most=255)
COUNT: Final = Number(most=255)
LINGERING: Final = Linger()
STRUCTURE: Final = Structure()
NARROW_INFO: Final = Narrow()
BYTES: Final = Bytes()
HANDLE: Final = Handle()
NOTHING: Final = Nothing()
