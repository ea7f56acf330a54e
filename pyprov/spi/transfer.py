"""WSPSend, WSPSendTo, WSPRecv, WSPRecvFrom.

Errors of a connection's end: WSAECONNRESET (RST), WSAECONNABORTED (this side gave up), WSAENETRESET
(keep-alive), WSAETIMEDOUT (the peer is dead). They come once all data that arrived before is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyprov.core import overlapped as requests
from pyprov.core import transfer
from pyprov.spi.base import Calls

if TYPE_CHECKING:
    from pyprov.core.port import Buffers


class TransferCalls(Calls):
    """Data."""

    def WSPSend(
        self,
        s: int,
        buffers: Buffers,
        flags: int = 0,
        overlapped: object = None,
        routine: object = None,
    ) -> int:
        """Send one or several buffers; a blocking socket waits until all is taken over.

        A non-blocking socket takes all of it as long as its buffer is not full.

        Args:
            s: a connected socket.
            buffers: one bytes-like object or a sequence of them.
            flags: MSG_OOB, MSG_DONTROUTE.
            overlapped: makes it a request that never blocks, and whose end is told as
                core/completion.py says; the buffers are in use until then. Without
                WSA_FLAG_OVERLAPPED the socket looks at neither this nor the routine.
            routine: the completion routine, called with error, bytes, overlapped and flags in an
                alertable wait of this thread.

        Returns:
            Bytes taken over.

        Raises:
            WSAError: WSAENOTSOCK, WSAENOTCONN, WSAESHUTDOWN, WSAEOPNOTSUPP for other flags,
                WSAEFAULT, WSAEINVAL without a buffer, WSAEWOULDBLOCK, WSAETIMEDOUT (SO_SNDTIMEO),
                WSAEINTR, or the connection's end. WSA_IO_PENDING, WSA_INVALID_HANDLE for the event.
        """
        control, socket = self._find(s)
        if overlapped is not None and socket.profile.overlapped:
            return requests.send(control, socket, buffers, flags, overlapped, routine)
        return transfer.send(control, socket, buffers, flags)

    def WSPSendTo(
        self,
        s: int,
        buffers: Buffers,
        flags: int = 0,
        to: object = None,
        overlapped: object = None,
        routine: object = None,
    ) -> int:
        """WSPSend: on a connection the address is not even looked at."""
        del to
        return self.WSPSend(s, buffers, flags, overlapped, routine)

    def WSPRecv(
        self,
        s: int,
        buffers: Buffers,
        flags: int = 0,
        overlapped: object = None,
        routine: object = None,
    ) -> tuple[int, int]:
        """Receive into one or several buffers; a blocking socket waits for the first byte.

        Args:
            s: a connected socket.
            buffers: one writable bytes-like object or a sequence of them.
            flags: MSG_PEEK, MSG_OOB, MSG_WAITALL.
            overlapped: makes it a request that never blocks, and whose end is told as
                core/completion.py says; the buffers are in use until then. Without
                WSA_FLAG_OVERLAPPED the socket looks at neither this nor the routine.
            routine: the completion routine, called with error, bytes, overlapped and flags in an
                alertable wait of this thread.

        Returns:
            Bytes received, 0 after the peer's orderly close, and the flags as received.

        Raises:
            WSAError: WSAENOTSOCK, WSAEINVAL (unbound; no buffer; no urgent data), WSAENOTCONN,
                WSAESHUTDOWN, WSAEOPNOTSUPP for other flags, WSAEFAULT, WSAEWOULDBLOCK,
                WSAETIMEDOUT (SO_RCVTIMEO), WSAEINTR, or the connection's end. WSA_IO_PENDING,
                WSA_INVALID_HANDLE for the event.
        """
        control, socket = self._find(s)
        if overlapped is not None and socket.profile.overlapped:
            return requests.receive(control, socket, buffers, flags, overlapped, routine)
        return transfer.receive(control, socket, buffers, flags), flags & transfer.FLAGS_OUT

    def WSPRecvFrom(
        self,
        s: int,
        buffers: Buffers,
        flags: int = 0,
        overlapped: object = None,
        routine: object = None,
    ) -> tuple[int, int, None]:
        """WSPRecv: a connection says nothing of where from."""
        return (*self.WSPRecv(s, buffers, flags, overlapped, routine), None)
