"""WSPGetOverlappedResult, WSPCancelBlockingCall."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyprov.core import blocking
from pyprov.spi.base import Calls
from pyprov.winsock.codes import WSAEOPNOTSUPP
from pyprov.winsock.errors import WSAError

if TYPE_CHECKING:
    from pyprov.winsock.structs import WSAOVERLAPPED


class OverlappedCalls(Calls):
    """Requests that complete later, and calls that are not to complete."""

    def WSPGetOverlappedResult(
        self,
        s: int,
        overlapped: WSAOVERLAPPED,
        wait: bool,
    ) -> tuple[int, int]:
        """Not supported yet.

        Raises:
            WSAError: WSAENOTSOCK, WSAEOPNOTSUPP.
        """
        self._find(s)
        raise WSAError(WSAEOPNOTSUPP)

    def WSPCancelBlockingCall(self, thread_id: int | None = None) -> None:
        """End the blocking call of a thread with WSAEINTR.

        Args:
            thread_id: whose; by default the caller's own, who is in the blocking hook then.

        Raises:
            WSAError: WSAEINVAL if none is outstanding there.
        """
        blocking.cancel(self._control(), thread_id)
