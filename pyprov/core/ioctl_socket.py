"""Control codes about a socket itself: its blocking mode, what waits in it, its handle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyprov.core import option_facts
from pyprov.core.port import DataplaneError
from pyprov.core.states import State
from pyprov.winsock.codes import WSAEFAULT, WSAEINVAL
from pyprov.winsock.errors import WSAError

if TYPE_CHECKING:
    from pyprov.core.ioctl import IoctlCall


def set_blocking(call: IoctlCall) -> None:
    """FIONBIO: 0 makes calls wait.

    Raises:
        WSAError: WSAEINVAL for 0 while network events are registered.
    """
    control, socket = call.control, call.socket
    if not isinstance(call.value, int):
        raise WSAError(WSAEFAULT, f"{call.value!r} is no number")
    with control.lock:
        blocking = not call.value
        if blocking and socket.events is not None and socket.events.mask:
            raise WSAError(WSAEINVAL, "network events are registered")
        socket.blocking = blocking


def readable(call: IoctlCall) -> int:
    """FIONREAD: how many bytes one receiving call would find: it stops at the urgent mark."""
    if call.socket.state is not State.CONNECTED:
        return 0
    try:
        return call.control.dataplane.readable(call.socket.handle)
    except DataplaneError:
        return 0


def at_mark(call: IoctlCall) -> int:
    """SIOCATMARK: 1 if no urgent data waits; in the stream: if none lies ahead of its mark."""
    return option_facts.at_mark(call.control, call.socket)


def own_handle(call: IoctlCall) -> int:
    """SIO_BASE_HANDLE and its kin: there is no provider below this one."""
    return call.s
