"""WSPGetOverlappedResult, WPUCompleteOverlappedRequest, CompletionPort, WSPCancelBlockingCall."""

from __future__ import annotations

from pyprov.core import blocking, completion
from pyprov.core.completion_port import CompletionPort
from pyprov.spi.base import Calls
from pyprov.winsock.codes import WSAEFAULT, WSAEINVAL
from pyprov.winsock.errors import WSAError
from pyprov.winsock.structs import WSAOVERLAPPED


class OverlappedCalls(Calls):
    """Requests that complete later, and calls that are not to complete."""

    def WSPGetOverlappedResult(
        self,
        s: int,
        overlapped: WSAOVERLAPPED,
        wait: bool,
    ) -> tuple[int, int]:
        """Return how an overlapped request has ended.

        Args:
            s: the socket that it was made for.
            overlapped: its structure.
            wait: wait for its end, by its event object; not alertable.

        Returns:
            Bytes transferred and flags.

        Raises:
            WSAError: WSAENOTSOCK; WSA_IO_INCOMPLETE while it is pending; WSA_INVALID_HANDLE for a
                wait without an event; WSAEFAULT for what is no structure; the request's own error,
                WSA_OPERATION_ABORTED for example; WSAEINTR.
        """
        control, _ = self._find(s)
        return completion.result_of(control, overlapped, wait=bool(wait))

    def WPUCompleteOverlappedRequest(
        self, s: int, overlapped: WSAOVERLAPPED, error: int, transferred: int
    ) -> None:
        """Write the end of a request into its structure, set its event, post to the port.

        Raises:
            WSAError: WSAEINVAL for a handle that is not this provider's, WSAEFAULT.
        """
        control = self._control()
        try:
            _, socket = self._find(s)
        except WSAError as bad:
            raise WSAError(WSAEINVAL, "the handle was not made by WPUCreateSocketHandle") from bad
        if not isinstance(overlapped, WSAOVERLAPPED):
            raise WSAError(WSAEFAULT, f"{overlapped!r} is no WSAOVERLAPPED")
        completion.fill(overlapped, error, transferred, 0)
        completion.tell(control, overlapped, socket.lanes)

    def CompletionPort(self) -> CompletionPort:
        """Make a completion port for sockets of this provider."""
        return CompletionPort(self._find, self._control)

    def WSPCancelBlockingCall(self, thread_id: int | None = None) -> None:
        """End the blocking call of a thread with WSAEINTR.

        Args:
            thread_id: whose; by default the caller's own, who is in the blocking hook then.

        Raises:
            WSAError: WSAEINVAL if none is outstanding there.
        """
        blocking.cancel(self._control(), thread_id)
