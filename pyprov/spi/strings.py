"""WSPAddressToString, WSPStringToAddress."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyprov.spi.base import Calls
from pyprov.winsock.address import address_to_string, string_to_address

if TYPE_CHECKING:
    from pyprov.winsock.address import SockAddr
    from pyprov.winsock.protocol_info import WSAPROTOCOL_INFOW


class StringCalls(Calls):
    """Addresses as text. No name is ever looked up."""

    def WSPAddressToString(
        self, addr: SockAddr, protocol_info: WSAPROTOCOL_INFOW | None = None
    ) -> str:
        """Spell an address.

        Raises:
            WSAError: WSAEFAULT without an address, WSAEINVAL for a bad one.
        """
        del protocol_info
        self._control()
        return address_to_string(addr)

    def WSPStringToAddress(
        self, text: str, family: int, protocol_info: WSAPROTOCOL_INFOW | None = None
    ) -> SockAddr:
        """Read an address of one family.

        Raises:
            WSAError: WSAEINVAL for what is none.
        """
        del protocol_info
        self._control()
        return string_to_address(text, family)
