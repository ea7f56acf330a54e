"""Making a socket a listener."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyprov.core.blocking import interrupt
from pyprov.core.connection import pack
from pyprov.core.failure import translate
from pyprov.core.notification import synchronise
from pyprov.core.options import buffer_size
from pyprov.core.port import DataplaneError, ListenParams
from pyprov.core.states import Call, State
from pyprov.winsock.codes import WSAEFAULT, WSAEINTR, WSAEINVAL
from pyprov.winsock.constants import AF_INET, SOMAXCONN
from pyprov.winsock.errors import WSAError

if TYPE_CHECKING:
    from pyprov.core.control import Control
    from pyprov.core.socket import Socket

# What SOMAXCONN_HINT asks for is brought into these bounds.
HINT_LEAST: Final = 200
HINT_MOST: Final = 65535


def clamp_backlog(backlog: int, most: int) -> int:
    """Return the nearest legal backlog: 1 to `most`, which is also what SOMAXCONN means."""
    if backlog < 0:
        backlog = min(max(-backlog, HINT_LEAST), HINT_MOST)
    elif backlog == SOMAXCONN:
        backlog = most
    return min(max(backlog, 1), most)


def listen(control: Control, socket: Socket, backlog: object) -> None:
    """Let a bound socket listen, or give a listener another backlog.

    Raises:
        WSAError: what the table of states says; WSAEADDRINUSE, WSAEADDRNOTAVAIL or WSAENOBUFS.
    """
    with control.claim(socket, Call.LISTEN) as before:
        if not isinstance(backlog, int):
            raise WSAError(WSAEFAULT, f"{backlog!r} is no number")
        length = clamp_backlog(backlog, control.limits.backlog_max)
        try:
            if before is State.LISTENING:
                control.dataplane.listener_update(socket.handle, _params(control, socket, length))
            else:
                _open(control, socket, length)
        except DataplaneError as error:
            raise translate(error) from error
        socket.backlog = length
        socket.deciding = socket.deciding or []
    if socket.blocked:
        interrupt(control, socket)  # somebody selects on it
    synchronise(control, socket)


def follow_options(control: Control, socket: Socket) -> None:
    """Let a listener answer SYNs as its options say now; any other socket does so when it listens.

    Raises:
        WSAError: WSAENOTSOCK.
    """
    if socket.state is not State.LISTENING:
        return
    try:
        control.dataplane.listener_update(socket.handle, _params(control, socket, socket.backlog))
    except DataplaneError as error:
        raise translate(error) from error


def _open(control: Control, socket: Socket, backlog: int) -> None:
    handle = control.dataplane.listen(_params(control, socket, backlog))
    socket.handle, socket.status = handle, None
    if not control.settle(socket, State.LISTENING):
        control.dataplane.listener_close(handle)
        raise WSAError(WSAEINTR, "the socket was closed during the call")


def _params(control: Control, socket: Socket, backlog: int) -> ListenParams:
    options, bound, limits = socket.options, socket.bound, control.limits
    if bound is None:
        raise WSAError(WSAEINVAL, "the socket is not bound")
    families = 4 if bound.family == AF_INET or bound.is_mapped else 6
    if families == 6 and bound.is_any and not options.v6_only:
        families = 46
    return ListenParams(
        local=pack(bound),
        port=bound.port,
        family=families,
        backlog=backlog,
        conditional=options.conditional_accept,
        paused=options.pause_accept,
        reuse=socket.binding is not None and socket.binding.shared,
        recv_buffer=buffer_size(options.recv_buffer),
        send_buffer=buffer_size(options.send_buffer),
        backlog_overflow=limits.backlog_overflow,
        half_open_overflow=limits.half_open_overflow,
        syn_cookies=limits.syn_cookies,
        ttl=options.hops or 0,
        tos=options.tos,
    )
