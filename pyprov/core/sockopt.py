"""WSPGetSockOpt and WSPSetSockOpt: reading and writing one option.

What each option is stands in core/option_table.py. A value that the dataplane has to know goes to a
live connection at once; on other sockets it waits in `Socket.options`, and `apply` hands it over
once there is a connection.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from pyprov.core.failure import translate
from pyprov.core.options import changed, live_value
from pyprov.core.port import DataplaneError
from pyprov.core.states import State
from pyprov.winsock.codes import WSAEFAULT, WSAEINVAL, WSAENOPROTOOPT
from pyprov.winsock.errors import WSAError
from pyprov.winsock.macros import DWORD

if TYPE_CHECKING:
    from pyprov.core.control import Control
    from pyprov.core.option_kinds import Kind
    from pyprov.core.options import Value
    from pyprov.core.socket import Socket
    from pyprov.winsock.structs import LINGER

Get: TypeAlias = "Callable[[Control, Socket], object]"
Set: TypeAlias = "Callable[[Control, Socket, int | LINGER | bytes], None]"


class Option(NamedTuple):
    """One option.

    Attributes:
        kind: its type.
        get: reads it; None: it cannot be read.
        set: writes it; None: it cannot be written.
    """

    kind: Kind
    get: Get | None = None
    set: Set | None = None


Table: TypeAlias = Mapping[int, Mapping[int, Option | int]]


def get_option(
    table: Table, control: Control, socket: Socket, name: tuple[object, object], optlen: object
) -> object:
    """Read an option.

    Args:
        table: by level and option: what it is, or the error that it always answers.
        control: the provider's state.
        socket: the socket.
        name: level and option.
        optlen: None for an object, else how many bytes there is room for.

    Raises:
        WSAError: WSAEINVAL for an unknown level, WSAENOPROTOOPT for an option that is unknown there
            or cannot be read, WSAEFAULT if there is too little room.
    """
    option = _find(table, name)
    if option.get is None:
        raise WSAError(WSAENOPROTOOPT, "this option cannot be read")
    value = option.get(control, socket)
    if optlen is None:
        return value
    if not isinstance(optlen, int) or optlen <= 0:
        raise WSAError(WSAEFAULT, f"{optlen!r} is no length")
    return option.kind.encode(value, optlen)


def set_option(
    table: Table, control: Control, socket: Socket, name: tuple[object, object], value: object
) -> None:
    """Write an option; see `get_option`.

    Raises:
        WSAError: what `get_option` does, and WSAEINVAL for a value that is not legal, or not now.
    """
    option = _find(table, name)
    if option.set is None:
        raise WSAError(WSAENOPROTOOPT, "this option cannot be set")
    option.set(control, socket, option.kind.decode(value))


def _find(table: Table, name: tuple[object, object]) -> Option:
    level, optname = name
    if not (isinstance(level, int) and isinstance(optname, int)):
        raise WSAError(WSAEINVAL, f"{name} are no numbers")
    options = table.get(DWORD(level))
    if options is None:
        raise WSAError(WSAEINVAL, f"there is no level {level:#x}")
    found = options.get(DWORD(optname))
    if found is None:
        raise WSAError(WSAENOPROTOOPT, f"there is no option {optname:#x} at level {level:#x}")
    if isinstance(found, int):
        raise WSAError(found, f"option {optname:#x} is not supported on this socket")
    return found


def change(control: Control, socket: Socket, name: str, value: Value) -> None:
    """Give a socket another value of an option, and its connection too."""
    with control.lock:
        socket.options = changed(socket.options, **{name: value})
    told = live_value(socket.options, name)
    if told is not None and socket.state is State.CONNECTED:
        tell(control, socket, told)


def apply(control: Control, socket: Socket) -> None:
    """Tell a new connection all that differs from the configuration."""
    for told in socket.options.live:
        tell(control, socket, told)


def tell(control: Control, socket: Socket, told: tuple[int, int]) -> None:
    """Give a connection's dataplane one value; a connection that has ended needs none.

    Raises:
        WSAError: WSAEINVAL if the dataplane finds it illegal, WSAENOBUFS.
    """
    try:
        control.dataplane.set_option(socket.handle, *told)
    except DataplaneError as error:
        if error.error not in {-errno.ENOTCONN, -errno.EBADF}:
            raise translate(error) from error
