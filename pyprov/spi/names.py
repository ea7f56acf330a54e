"""WSPBind, WSPGetSockName, WSPGetPeerName."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyprov.core import naming
from pyprov.spi.base import Calls

if TYPE_CHECKING:
    from pyprov.winsock.address import SockAddr


class NameCalls(Calls):
    """The addresses of a socket."""

    def WSPBind(self, s: int, name: SockAddr) -> None:
        """Give a socket its local address; port 0 takes a free one.

        Raises:
            WSAError: WSAENOTSOCK, WSAEINVAL if it is bound, WSAEFAULT or WSAEAFNOSUPPORT for a bad
                name, WSAEADDRNOTAVAIL, WSAEADDRINUSE, WSAEACCES, WSAENOBUFS.
        """
        control, socket = self._follow(s)
        naming.bind(control, socket, name)

    def WSPGetSockName(self, s: int) -> SockAddr:
        """Return the local address.

        Raises:
            WSAError: WSAENOTSOCK, WSAEINVAL on an unbound socket.
        """
        control, socket = self._follow(s)
        return naming.sock_name(control, socket)

    def WSPGetPeerName(self, s: int) -> SockAddr:
        """Return the peer's address.

        Raises:
            WSAError: WSAENOTSOCK, WSAENOTCONN.
        """
        control, socket = self._follow(s)
        return naming.peer_name(control, socket)
