"""WSPSelect: which of many sockets can be read, written, or have something exceptional.

What is ready already is seen in the status records. Only if nothing is, every socket is watched by
the thread's waiter, and the thread sleeps until one of them has changed.
"""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from pyprov.core import port
from pyprov.core.blocking import BlockedCall, enter, leave, pause
from pyprov.core.connection import poll_connect
from pyprov.core.failure import translate
from pyprov.core.port import DataplaneError
from pyprov.core.span import nanoseconds
from pyprov.core.states import State
from pyprov.winsock.codes import WSAEFAULT, WSAEINTR, WSAEINVAL, WSAENOTSOCK
from pyprov.winsock.errors import WSAError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyprov.core.control import Control
    from pyprov.core.socket import Socket

Sets: TypeAlias = "tuple[list[int], list[int], list[int]]"

_ENDED: Final = port.READY_CLOSE | port.READY_ERROR
_NS: Final = 1_000_000_000


class _Asked(NamedTuple):
    """The sockets of one call, by SOCKET; each in the order given."""

    read: dict[int, Socket]
    write: dict[int, Socket]
    exceptional: dict[int, Socket]

    def sockets(self) -> list[Socket]:
        return list({id(s): s for part in self for s in part.values()}.values())


def select(
    control: Control,
    sets: tuple[Sequence[int] | None, Sequence[int] | None, Sequence[int] | None],
    timeout: object,
) -> Sets:
    """Wait until something holds of one of the sockets.

    Args:
        control: the provider's state.
        sets: SOCKETs to read, to write, to be told of exceptional things.
        timeout: seconds; None: for ever, 0: only look.

    Returns:
        The same, as far as it holds; three empty lists when time is up.

    Raises:
        WSAError: WSAEFAULT for what is no set, WSAEINVAL without any socket or for a bad timeout,
            WSAENOTSOCK, WSAEINTR.
    """
    asked = _Asked(*(_members(control, given) for given in sets))
    if not any(asked):
        raise WSAError(WSAEINVAL, "there is no socket in any of the sets")
    span = _span(timeout)
    found = _look(control, asked)
    if any(found) or span == 0:
        return found
    return _wait(control, asked, None if span is None else control.dataplane.now() + span)


def _members(control: Control, given: object) -> dict[int, Socket]:
    if given is None:
        return {}
    try:
        handles = list(given)  # type: ignore[call-overload] # whatever was given
    except TypeError as error:
        raise WSAError(WSAEFAULT, f"{given!r} is no set of sockets") from error
    members = {}
    for s in handles:
        try:
            socket = control.sockets.find(s)
        except (TypeError, ValueError):  # it cannot be hashed
            socket = None
        if socket is None:
            raise WSAError(WSAENOTSOCK, f"{s!r} is no socket")
        members[s] = socket
    return members


def _span(timeout: object) -> int | None:
    if timeout is None:
        return None
    if not isinstance(timeout, (int, float)) or not math.isfinite(timeout) or timeout < 0:
        raise WSAError(WSAEINVAL, f"{timeout!r} is no timeout")
    return nanoseconds(timeout)


def _look(control: Control, asked: _Asked) -> Sets:
    """Return what holds now."""
    ready = {id(socket): _ready(control, socket) for socket in asked.sockets()}
    read, write, exceptional = (
        [s for s, socket in part.items() if ready[id(socket)][i]] for i, part in enumerate(asked)
    )
    return read, write, exceptional


def _ready(control: Control, socket: Socket) -> tuple[bool, bool, bool]:
    """Say whether a socket can be read, written, and has something exceptional."""
    try:
        if socket.state is State.CONNECTING:
            poll_connect(control, socket)
        if socket.state is State.LISTENING:
            return control.status(socket).queued > 0, False, False
        if socket.state is not State.CONNECTED:
            return False, False, socket.failed
        bits = control.status(socket).ready
    except WSAError:
        return False, False, False  # another thread is closing it
    urgent = bool(bits & port.READY_OOB)
    inline = socket.options.oob_inline
    return (
        bool(bits & (port.READY_READ | _ENDED)) or (urgent and inline),
        bool(bits & (port.READY_WRITE | port.READY_ERROR)),
        urgent and not inline,
    )


def _wait(control: Control, asked: _Asked, deadline: int | None) -> Sets:
    sockets = asked.sockets()
    call = enter(control, sockets)
    watched: dict[int, int] = {}
    try:
        while True:
            _watch(call, watched, _wanted(asked))
            found = _look(control, asked)
            left = None if deadline is None else deadline - control.dataplane.now()
            if any(found) or (left is not None and left <= 0):
                return found
            pause(control, sockets[0].profile.catalog_id, call, left)
            if call.cancelled:
                raise WSAError(WSAEINTR)
            closed = _closed(asked)
            if closed is not None:
                return closed
    except DataplaneError as error:
        raise translate(error) from error
    finally:
        with contextlib.suppress(DataplaneError):
            _watch(call, watched, {})
        leave(control, sockets, call)


def _wanted(asked: _Asked) -> dict[int, int]:
    """Return which READY_* bits of which handles can bring the answer."""
    wanted: dict[int, int] = {}
    for part, bits in zip(
        asked,
        (port.READY_READ | port.READY_ACCEPT | _ENDED, port.READY_WRITE | port.READY_ERROR, 0),
        strict=True,
    ):
        for socket in part.values():
            if socket.handle:
                mask = bits | port.READY_CONNECT | port.READY_OOB
                wanted[socket.handle] = wanted.get(socket.handle, 0) | mask
    return wanted


def _watch(call: BlockedCall, watched: dict[int, int], wanted: dict[int, int]) -> None:
    """Watch what is wanted, and take what was reported: it is looked at anyway."""
    waiter = call.waiter
    for handle in watched.keys() | wanted.keys():
        mask = wanted.get(handle, 0)
        if mask == watched.get(handle, 0):
            continue
        with contextlib.suppress(DataplaneError):  # it has gone
            waiter.watch(handle, mask)
        watched[handle] = mask
    while waiter.take():
        pass


def _closed(asked: _Asked) -> Sets | None:
    """Return what is to be said of sockets that were closed meanwhile; None: none was.

    Raises:
        WSAError: WSAENOTSOCK if one was that nobody wanted to read.
    """
    gone = [s for s, socket in asked.read.items() if socket.state is State.CLOSED]
    if gone:
        return gone, [], []
    if any(socket.state is State.CLOSED for socket in asked.sockets()):
        raise WSAError(WSAENOTSOCK, "a socket was closed during the call")
    return None
