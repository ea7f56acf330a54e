"""WSPIoctl."""

from __future__ import annotations

from pyprov.spi.base import Calls
from pyprov.winsock.codes import WSAEOPNOTSUPP
from pyprov.winsock.errors import WSAError


class IoctlCalls(Calls):
    """Everything that has no call of its own."""

    def WSPIoctl(
        self,
        s: int,
        code: int,
        value: object = None,
        outlen: int | None = None,
        overlapped: object = None,
        routine: object = None,
    ) -> object:
        """Not supported yet.

        Raises:
            WSAError: WSAENOTSOCK, WSAEOPNOTSUPP.
        """
        self._find(s)
        raise WSAError(WSAEOPNOTSUPP)
