"""WSPListen, WSPAccept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyprov.core import accept, listening
from pyprov.spi.base import Calls

if TYPE_CHECKING:
    from pyprov.core.condition import ConditionFunction
    from pyprov.winsock.address import SockAddr


class ListeningCalls(Calls):
    """The passive side of connecting."""

    def WSPListen(self, s: int, backlog: int) -> None:
        """Listen on a bound socket, or give a listener another backlog.

        Args:
            s: the socket.
            backlog: how many requests may wait, brought silently into legal bounds. SOMAXCONN is
                the longest, SOMAXCONN_HINT(n) asks for n between 200 and 65535. A shorter one than
                before resets what waits beyond it.

        Raises:
            WSAError: WSAENOTSOCK, WSAEINVAL on an unbound socket, WSAEISCONN, WSAEADDRINUSE,
                WSAENOBUFS.
        """
        control, socket = self._follow(s)
        listening.listen(control, socket, backlog)

    def WSPAccept(
        self, s: int, condition: ConditionFunction | None = None, callback_data: object = 0
    ) -> tuple[int, SockAddr]:
        """Take the oldest connection request, a deferred one before all others.

        Args:
            s: a listener.
            condition: decides on the request in this thread, before the call returns: CF_ACCEPT,
                CF_REJECT or CF_DEFER. It is called with caller_id, caller_data, sqos, gqos,
                callee_id, callee_data, g, callback_data; without it every request is accepted. If
                it raises, the request is rejected (after KeyboardInterrupt: put back).
            callback_data: goes to the condition function as it is.

        Returns:
            The new socket, which has the listener's properties, and the peer's address.

        Raises:
            WSAError: with the peer's address in `addr` if a request was looked at.
                WSAEINVAL: not listening, a verdict that is none, a bad group or callee data.
                WSAEWOULDBLOCK: nothing waits and the socket is non-blocking.
                WSAECONNREFUSED: CF_REJECT. WSATRY_AGAIN: CF_DEFER.
                WSAECONNRESET: the peer reset the connection meanwhile. WSAEACCES: the request was
                withdrawn. WSAEMFILE: no more sockets; the request stays.
                WSAEFAULT: the condition cannot be called. WSAEINPROGRESS: called from within the
                socket's condition function. WSAEINTR: cancelled, or the listener was closed.
                WSAENOTSOCK.
        """
        control, listener = self._find(s)
        return accept.accept(control, listener, condition, callback_data)
