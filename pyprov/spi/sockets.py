"""WSPSocket, WSPDuplicateSocket, WSPShutdown, WSPCloseSocket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyprov.core import closing, creating
from pyprov.spi.base import Calls
from pyprov.winsock.flags import WSA_FLAG_OVERLAPPED
from pyprov.winsock.protocol_info import WSAPROTOCOL_INFOW

if TYPE_CHECKING:
    from collections.abc import Sequence


class SocketCalls(Calls):
    """Making and ending sockets."""

    def WSPSocket(
        self,
        af: int,
        type: int,  # noqa: A002 - Winsock's name
        protocol: int,
        protocol_info: WSAPROTOCOL_INFOW | None = None,
        g: int = 0,
        flags: int = WSA_FLAG_OVERLAPPED,
    ) -> int:
        """Make a socket: blocking, unbound, with default options.

        Args:
            af: AF_INET or AF_INET6; 0 or FROM_PROTOCOL_INFO as in protocol_info.
            type: SOCK_STREAM; likewise.
            protocol: IPPROTO_TCP; likewise.
            protocol_info: a catalog entry, or what WSPDuplicateSocket returned: then the result is
                another descriptor of that socket and the rest is ignored.
            g: 0, the id of a group to join, or SG_* for a new one.
            flags: WSA_FLAG_*.

        Raises:
            WSAError: WSAESOCKTNOSUPPORT, WSAEAFNOSUPPORT, WSAEPROTONOSUPPORT, WSAEINVAL,
                WSAEMFILE.
        """
        control = self._control()
        if isinstance(protocol_info, WSAPROTOCOL_INFOW) and protocol_info.dwProviderReserved:
            return creating.redeem(control, protocol_info.dwProviderReserved)
        wanted = creating.merge((af, type, protocol), protocol_info)
        return creating.create(control, wanted, g, flags)

    def WSPDuplicateSocket(self, s: int, process_id: int) -> WSAPROTOCOL_INFOW:
        """Describe a socket so that WSPSocket makes another descriptor of it, once.

        Only within this process: the connection is in its memory.

        Raises:
            WSAError: WSAENOTSOCK, WSAEINVAL for another process.
        """
        control, socket = self._find(s)
        return creating.duplicate(control, socket, process_id)

    def WSPShutdown(self, s: int, how: int) -> None:
        """End sending (SD_SEND), receiving (SD_RECEIVE) or both (SD_BOTH); never blocks.

        Raises:
            WSAError: WSAENOTSOCK, WSAENOTCONN, WSAEINVAL.
        """
        control, socket = self._follow(s)
        closing.shutdown(control, socket, how)

    def WSPCloseSocket(self, s: int) -> None:
        """Close a descriptor; the last one of a socket closes its connection as SO_LINGER says.

        Calls that wait on the socket in other threads end with WSAEINTR.

        Raises:
            WSAError: WSAENOTSOCK, WSAEWOULDBLOCK for a non-blocking socket that would linger.
        """
        control, socket = self._find(s)
        closing.close(control, s, socket)

    def protocols(self) -> Sequence[WSAPROTOCOL_INFOW]:
        """Return the provider's catalog entries."""
        return list(creating.CATALOG.values())
