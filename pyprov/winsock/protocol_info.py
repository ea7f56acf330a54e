"""WSAPROTOCOL_INFO: what a provider says of itself, and the entries of this one."""

import struct
from dataclasses import dataclass, field, fields
from typing import Self
from uuid import UUID

from pyprov.winsock.constants import (
    AF_INET,
    AF_INET6,
    BASE_PROTOCOL,
    BIGENDIAN,
    IPPROTO_TCP,
    MAX_PROTOCOL_CHAIN,
    SECURITY_PROTOCOL_NONE,
    SOCK_STREAM,
    WSAPROTOCOL_LEN,
)
from pyprov.winsock.flags import (
    PFL_MATCHES_PROTOCOL_ZERO,
    XP1_CONNECT_DATA,
    XP1_DISCONNECT_DATA,
    XP1_EXPEDITED_DATA,
    XP1_GRACEFUL_CLOSE,
    XP1_GUARANTEED_DELIVERY,
    XP1_GUARANTEED_ORDER,
    XP1_QOS_SUPPORTED,
)
from pyprov.winsock.structs import require, write

# ruff: noqa: N801, N815 - the names are winsock2.h's

PROVIDER_ID = UUID("9c1f4a52-6f0e-4b58-9a3d-70797072f001")

_FIXED = struct.Struct("<5L16sLl7L9lLL")
_NAME = WSAPROTOCOL_LEN + 1
SIZE_A = _FIXED.size + _NAME
SIZE_W = _FIXED.size + 2 * _NAME


@dataclass(slots=True)
class WSAPROTOCOLCHAIN:
    """ChainLen is 0 for a layered protocol, 1 for a base provider, more for a chain."""

    ChainLen: int = BASE_PROTOCOL
    ChainEntries: list[int] = field(default_factory=lambda: [0] * MAX_PROTOCOL_CHAIN)


@dataclass(slots=True)
class WSAPROTOCOL_INFOW:
    """One catalog entry.

    Attributes:
        dwServiceFlags1: XP1_*; the three others are unused.
        dwProviderFlags: PFL_*.
        ProviderId: The provider, the same in all its entries.
        dwCatalogEntryId: This entry, for the upcalls.
        iMaxSockAddr: Size of the longest sockaddr, bytes; iMinSockAddr of the shortest.
        dwMessageSize: 0 for a stream.
        dwProviderReserved: Free for the provider between WSPDuplicateSocket and WSPSocket.
        szProtocol: Name for people, up to 255 characters.
    """

    dwServiceFlags1: int = 0
    dwServiceFlags2: int = 0
    dwServiceFlags3: int = 0
    dwServiceFlags4: int = 0
    dwProviderFlags: int = 0
    ProviderId: UUID = PROVIDER_ID
    dwCatalogEntryId: int = 0
    ProtocolChain: WSAPROTOCOLCHAIN = field(default_factory=WSAPROTOCOLCHAIN)
    iVersion: int = 0
    iAddressFamily: int = 0
    iMaxSockAddr: int = 0
    iMinSockAddr: int = 0
    iSocketType: int = 0
    iProtocol: int = 0
    iProtocolMaxOffset: int = 0
    iNetworkByteOrder: int = BIGENDIAN
    iSecurityScheme: int = SECURITY_PROTOCOL_NONE
    dwMessageSize: int = 0
    dwProviderReserved: int = 0
    szProtocol: str = ""

    def pack(self, *, wide: bool = True) -> bytes:
        """Return the 628 bytes of WSAPROTOCOL_INFOW, or the 372 of WSAPROTOCOL_INFOA.

        A name that is too long is cut; what is not ASCII becomes "?" in the short form.

        Raises:
            WSAError: WSAEINVAL if a number does not fit its field.
        """
        if wide:
            name = self.szProtocol.encode("utf-16-le", "replace")[: 2 * WSAPROTOCOL_LEN]
        else:
            name = self.szProtocol.encode("ascii", "replace")[:WSAPROTOCOL_LEN]
        values = (getattr(self, part.name) for part in fields(self) if part.name != "szProtocol")
        flat: list[int | bytes] = []
        for value in values:
            match value:
                case UUID():
                    flat.append(value.bytes_le)
                case WSAPROTOCOLCHAIN():
                    flat += [value.ChainLen, *value.ChainEntries]
                case _:
                    flat.append(value)
        return (write(_FIXED, *flat) + name).ljust(SIZE_W if wide else SIZE_A, b"\0")

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Read either form, told apart by its length; WSAEFAULT if too short."""
        require(data, SIZE_A)
        values = _FIXED.unpack_from(data)
        text = bytes(data[_FIXED.size : SIZE_W])
        if len(data) >= SIZE_W:
            name = text.decode("utf-16-le", "replace")
        else:
            name = text[:_NAME].decode("ascii", "replace")
        provider, entry, length, *chain = values[5:15]
        nested = [UUID(bytes_le=provider), entry, WSAPROTOCOLCHAIN(length, chain)]
        info = cls(*values[:5], *nested, *values[15:])
        info.szProtocol = name.partition("\0")[0]
        return info


WSAPROTOCOL_INFO = WSAPROTOCOL_INFOW


def protocols(*, connect_data: bool) -> list[WSAPROTOCOL_INFOW]:
    """Return the provider's catalog entries: TCP over IPv4 and over IPv6.

    Args:
        connect_data: Whether caller, callee and disconnect data really travel.
    """
    flags = (
        XP1_GUARANTEED_DELIVERY
        | XP1_GUARANTEED_ORDER
        | XP1_GRACEFUL_CLOSE
        | XP1_EXPEDITED_DATA
        | XP1_QOS_SUPPORTED
    )
    if connect_data:
        flags |= XP1_CONNECT_DATA | XP1_DISCONNECT_DATA
    return [
        WSAPROTOCOL_INFOW(
            dwServiceFlags1=flags,
            dwProviderFlags=PFL_MATCHES_PROTOCOL_ZERO,
            ProviderId=PROVIDER_ID,
            dwCatalogEntryId=entry,
            iVersion=2,
            iAddressFamily=family,
            iMaxSockAddr=size,
            iMinSockAddr=size,
            iSocketType=SOCK_STREAM,
            iProtocol=IPPROTO_TCP,
            szProtocol=name,
        )
        for entry, family, size, name in (
            (1001, AF_INET, 16, "pyprov [TCP/IP]"),
            (1002, AF_INET6, 28, "pyprov [TCP/IPv6]"),
        )
    ]
