"""WSPConnect, WSPJoinLeaf, WSPSendDisconnect, WSPRecvDisconnect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyprov.core import closing, connecting
from pyprov.spi.base import Calls
from pyprov.winsock.codes import WSAENOPROTOOPT, WSAEOPNOTSUPP, WSAEPROTONOSUPPORT
from pyprov.winsock.constants import SD_RECEIVE, SD_SEND
from pyprov.winsock.errors import WSAError

if TYPE_CHECKING:
    from pyprov.winsock.address import SockAddr
    from pyprov.winsock.qos import QOS
    from pyprov.winsock.structs import WSABUF


class ConnectingCalls(Calls):
    """The active side of connecting, and disconnecting."""

    def WSPConnect(
        self,
        s: int,
        name: SockAddr,
        caller_data: bytes | None = None,
        callee_data: WSABUF | None = None,
        sqos: QOS | None = None,
        gqos: QOS | None = None,
    ) -> None:
        """Connect a socket; a non-blocking one begins and raises WSAEWOULDBLOCK.

        Args:
            s: the socket; bound to a free port if it is unbound.
            name: the peer's address.
            caller_data: cannot be sent.
            callee_data: its length is set to 0: none comes.
            sqos: cannot be met.
            gqos: cannot be met.

        Raises:
            WSAError: WSAENOTSOCK; WSAEALREADY, WSAEISCONN, WSAEINVAL for the socket's state;
                WSAEFAULT, WSAEAFNOSUPPORT, WSAEADDRNOTAVAIL for the name; WSAEPROTONOSUPPORT for
                caller data, WSAEOPNOTSUPP for flowspecs; WSAECONNREFUSED, WSAETIMEDOUT,
                WSAENETUNREACH, WSAEHOSTUNREACH, WSAEADDRINUSE, WSAENOBUFS; WSAEINTR.
        """
        control, socket = self._find(s)
        if caller_data:
            raise WSAError(WSAEPROTONOSUPPORT, "caller data is not supported")
        if sqos is not None or gqos is not None:
            raise WSAError(WSAEOPNOTSUPP, "flowspecs are not supported")
        if callee_data is not None:
            callee_data.len = 0
        connecting.connect(control, socket, name)

    def WSPJoinLeaf(
        self,
        s: int,
        name: SockAddr,
        caller_data: bytes | None = None,
        callee_data: WSABUF | None = None,
        sqos: QOS | None = None,
        gqos: QOS | None = None,
        flags: int = 0,
    ) -> int:
        """TCP has no multipoint sockets.

        Raises:
            WSAError: WSAENOTSOCK, WSAEOPNOTSUPP.
        """
        self._find(s)
        raise WSAError(WSAEOPNOTSUPP, "TCP has no multipoint sockets")

    def WSPSendDisconnect(self, s: int, data: bytes | None = None) -> None:
        """End sending; like WSPShutdown(s, SD_SEND).

        Raises:
            WSAError: WSAENOTSOCK, WSAENOTCONN, WSAENOPROTOOPT for data.
        """
        control, socket = self._find(s)
        if data:
            raise WSAError(WSAENOPROTOOPT, "disconnect data is not supported")
        closing.shutdown(control, socket, SD_SEND)

    def WSPRecvDisconnect(self, s: int, data: WSABUF | None = None) -> None:
        """End receiving; like WSPShutdown(s, SD_RECEIVE).

        Raises:
            WSAError: WSAENOTSOCK, WSAENOTCONN, WSAENOPROTOOPT for data.
        """
        control, socket = self._find(s)
        if data is not None:
            raise WSAError(WSAENOPROTOOPT, "disconnect data is not supported")
        closing.shutdown(control, socket, SD_RECEIVE)
