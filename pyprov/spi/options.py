"""WSPGetSockOpt, WSPSetSockOpt."""

from __future__ import annotations

from pyprov.spi.base import Calls
from pyprov.winsock.codes import WSAEOPNOTSUPP
from pyprov.winsock.errors import WSAError


class OptionCalls(Calls):
    """Socket options."""

    def WSPGetSockOpt(self, s: int, level: int, optname: int, optlen: int | None = None) -> object:
        """Not supported yet.

        Raises:
            WSAError: WSAENOTSOCK, WSAEOPNOTSUPP.
        """
        self._find(s)
        raise WSAError(WSAEOPNOTSUPP)

    def WSPSetSockOpt(self, s: int, level: int, optname: int, value: object) -> None:
        """Not supported yet.

        Raises:
            WSAError: WSAENOTSOCK, WSAEOPNOTSUPP.
        """
        self._find(s)
        raise WSAError(WSAEOPNOTSUPP)
