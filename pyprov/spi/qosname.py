"""WSPGetQOSByName."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyprov.spi.base import Calls
from pyprov.winsock.codes import WSAEOPNOTSUPP
from pyprov.winsock.errors import WSAError

if TYPE_CHECKING:
    from pyprov.winsock.qos import QOS


class QosNameCalls(Calls):
    """Flowspecs by name."""

    def WSPGetQOSByName(self, s: int, name: str) -> QOS | list[str]:
        """Not supported yet.

        Raises:
            WSAError: WSAENOTSOCK, WSAEOPNOTSUPP.
        """
        self._find(s)
        raise WSAError(WSAEOPNOTSUPP)
