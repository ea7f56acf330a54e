"""WSPGetQOSByName."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyprov.spi.base import Calls
from pyprov.winsock.codes import WSAEFAULT
from pyprov.winsock.errors import WSAError

if TYPE_CHECKING:
    from pyprov.winsock.qos import QOS


class QosNameCalls(Calls):
    """Flowspecs by name."""

    def WSPGetQOSByName(self, s: int, name: str) -> QOS | list[str]:
        """Return a copy of a QoS template, or with an empty name the names of all.

        Args:
            s: the socket.
            name: one of the eight of qosname.h or of the configuration's; case does not matter.

        Raises:
            WSAError: WSAENOTSOCK; WSAEFAULT for what is no text; WSAEINVAL if there is no such
                template.
        """
        control, _ = self._find(s)
        if not isinstance(name, str):
            raise WSAError(WSAEFAULT, f"{name!r} is no name")
        rules = control.limits.qos
        return rules.template(name) if name else list(rules.names)
