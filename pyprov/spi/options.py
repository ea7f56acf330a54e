"""WSPGetSockOpt, WSPSetSockOpt."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from pyprov.core.option_kinds import DWORD as DWORD_KIND
from pyprov.core.option_table import OPTIONS, OPTIONS_IPV4
from pyprov.core.sockopt import get_option, set_option
from pyprov.spi.base import Calls
from pyprov.winsock.codes import WSAEFAULT
from pyprov.winsock.constants import AF_INET
from pyprov.winsock.errors import WSAError
from pyprov.winsock.macros import DWORD
from pyprov.winsock.options import SO_OPENTYPE, SOL_SOCKET

if TYPE_CHECKING:
    from pyprov.core.socket import Socket
    from pyprov.core.sockopt import Table

_OPEN_TYPE: Final = (SOL_SOCKET, SO_OPENTYPE)


class OptionCalls(Calls):
    """Socket options."""

    def __init__(self) -> None:
        super().__init__()
        self._of_thread = threading.local()

    def WSPGetSockOpt(self, s: int, level: int, optname: int, optlen: int | None = None) -> object:
        """Read a socket option.

        Args:
            s: the socket; SO_OPENTYPE is the thread's and looks at none.
            level: SOL_SOCKET, IPPROTO_TCP, IPPROTO_IP, IPPROTO_IPV6.
            optname: SO_*, TCP_*, IP_*, IPV6_*.
            optlen: how many bytes there is room for.

        Returns:
            The value: an int (0 or 1 for a boolean), a LINGER, a structure; bytes with `optlen`.

        Raises:
            WSAError: WSAENOTSOCK; WSAEINVAL for an unknown level; WSAENOPROTOOPT for an option that
                is unknown there or not for this socket; WSAEFAULT for too little room (`needed`
                says what would do); WSAENOTCONN.
        """
        control = self._control()
        if _is_open_type(level, optname):
            value = getattr(self._of_thread, "open_type", 0)
            return value if optlen is None else DWORD_KIND.encode(value, _length(optlen))
        control, socket = self._follow(s)
        return get_option(_table(socket), control, socket, (level, optname), optlen)

    def WSPSetSockOpt(self, s: int, level: int, optname: int, value: object) -> None:
        """Write a socket option.

        Args:
            s: the socket; SO_OPENTYPE is the thread's and looks at none.
            level: SOL_SOCKET, IPPROTO_TCP, IPPROTO_IP, IPPROTO_IPV6.
            optname: SO_*, TCP_*, IP_*, IPV6_*.
            value: an int, a LINGER, or bytes in Windows' layout.

        Raises:
            WSAError: WSAENOTSOCK; WSAEINVAL for an unknown level, a value that is not legal, or the
                wrong state; WSAENOPROTOOPT for an option that is unknown there, not for this socket
                or only to be read; WSAEFAULT for a value of a wrong type or with too few bytes.
        """
        control = self._control()
        if _is_open_type(level, optname):
            self._of_thread.open_type = DWORD_KIND.decode(value)
            return
        control, socket = self._follow(s)
        set_option(_table(socket), control, socket, (level, optname), value)


def _is_open_type(level: object, optname: object) -> bool:
    if not (isinstance(level, int) and isinstance(optname, int)):
        return False
    return (DWORD(level), DWORD(optname)) == _OPEN_TYPE


def _table(socket: Socket) -> Table:
    return OPTIONS_IPV4 if socket.profile.family == AF_INET else OPTIONS


def _length(optlen: object) -> int:
    if not isinstance(optlen, int):
        raise WSAError(WSAEFAULT, f"{optlen!r} is no length")
    return optlen
