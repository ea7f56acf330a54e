"""What every group of calls stands on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyprov.core.connection import poll_connect
from pyprov.core.states import State
from pyprov.winsock.codes import WSAENOTSOCK, WSANOTINITIALISED
from pyprov.winsock.errors import WSAError

if TYPE_CHECKING:
    from pyprov.core.control import Control
    from pyprov.core.socket import Socket


class Calls:
    """A group of calls of one provider; the groups are put together in spi/provider.py."""

    def __init__(self) -> None:
        self._started: Control | None = None

    def _control(self) -> Control:
        """Return the provider's state; WSANOTINITIALISED before WSPStartup."""
        control = self._started
        if control is None:
            raise WSAError(WSANOTINITIALISED)
        return control

    def _find(self, s: object) -> tuple[Control, Socket]:
        """Return the provider's state and the socket of a SOCKET.

        Raises:
            WSAError: WSANOTINITIALISED or WSAENOTSOCK.
        """
        control = self._started
        if control is None:
            raise WSAError(WSANOTINITIALISED)
        try:
            socket = control.sockets.find(s)  # type: ignore[call-overload] # whatever was given
        except (TypeError, ValueError):  # it cannot be hashed
            socket = None
        if socket is None:
            raise WSAError(WSAENOTSOCK, f"{s!r} is no socket")
        return control, socket

    def _follow(self, s: object) -> tuple[Control, Socket]:
        """Do as `_find`, for calls that do not look themselves whether a connect has ended."""
        control, socket = self._find(s)
        if socket.state is State.CONNECTING:
            poll_connect(control, socket)
        return control, socket
