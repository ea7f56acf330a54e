"""WSPConnect, WSPJoinLeaf, WSPSendDisconnect, WSPRecvDisconnect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyprov.core import closing, connecting
from pyprov.spi.base import Calls
from pyprov.winsock.codes import WSAEOPNOTSUPP
from pyprov.winsock.constants import SD_SEND
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
            caller_data: goes with the request; b"" sends none and takes an answer all the same.
                It travels if the peer is a provider like this one, and nothing fails if not.
            callee_data: filled with what the server answered once the connect has ended; its length
                is 0 if that was nothing.
            sqos: what both directions are to have, in place of what SIO_SET_QOS has set.
            gqos: what the group is to have that this socket created; of others ignored.

        Raises:
            WSAError: WSAENOTSOCK; WSAEALREADY, WSAEISCONN, WSAEINVAL for the socket's state;
                WSAEFAULT, WSAEAFNOSUPPORT, WSAEADDRNOTAVAIL for the name; WSAEFAULT for caller data
                that is too long, WSAEOPNOTSUPP for flowspecs; WSAECONNREFUSED, WSAETIMEDOUT,
                WSAENETUNREACH, WSAEHOSTUNREACH, WSAEADDRINUSE, WSAENOBUFS; WSAEINTR.
        """
        control, socket = self._find(s)
        connecting.connect(control, socket, name, caller_data, callee_data, (sqos, gqos))

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
        """End sending; like WSPShutdown(s, SD_SEND), with data for a peer that takes some.

        Raises:
            WSAError: WSAENOTSOCK, WSAENOTCONN, WSAEFAULT for data that is too long.
        """
        control, socket = self._follow(s)
        closing.shutdown(control, socket, SD_SEND, data)

    def WSPRecvDisconnect(self, s: int, data: WSABUF | None = None) -> None:
        """End receiving; like WSPShutdown(s, SD_RECEIVE), and fetch the peer's disconnect data.

        Raises:
            WSAError: WSAENOTSOCK, WSAENOTCONN, WSAEFAULT for what is no WSABUF, or if the data does
                not fit.
        """
        control, socket = self._follow(s)
        closing.receive_parting(control, socket, data)
