"""The descriptor table: SOCKET values and what they stand for.

A value is `generation << 40 | n << 2`. The generation is the table's, counted over the process, and
n only grows: no value is ever given twice, so a stale one, one of an earlier startup or one of
another engine is never somebody else's. Several values may stand for one socket
(WSPDuplicateSocket).
"""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, Final

from pyprov.winsock.codes import WSAEMFILE, WSAENOTSOCK
from pyprov.winsock.errors import WSAError

if TYPE_CHECKING:
    from pyprov.core.socket import Socket

_GENERATION_SHIFT: Final = 40
_STEP: Final = 4  # Windows' handles are multiples of four
_generations: Final = itertools.count(1)


class Descriptors:
    """The SOCKETs of one provider; safe from any thread.

    A lock would cost an accept more than all else here, so the table goes by what a dict does at
    one stroke; there is one only for the numbers of sockets that have several SOCKETs.

    Attributes:
        limit: how many there may be at a time.
        find: the socket of a value, or None; a dict's `get`, since every call begins with it.
    """

    __slots__ = ("_lock", "_next", "_table", "find", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._table: dict[int, Socket] = {}
        self.find = self._table.get
        self._next = itertools.count((next(_generations) << _GENERATION_SHIFT) + _STEP, _STEP)

    def __len__(self) -> int:
        return len(self._table)

    @property
    def full(self) -> bool:
        """Whether `add` would fail now."""
        return len(self._table) >= self.limit

    def next_value(self) -> int:
        """Return a value that nobody has had."""
        return next(self._next)

    def add(self, socket: Socket, value: int | None = None) -> int:
        """Let a value stand for a socket, a new one unless it is given.

        Raises:
            WSAError: WSAEMFILE at the limit, WSAENOTSOCK if the given value is taken.
        """
        table = self._table
        if value is None:
            value = next(self._next)
        elif value in table:
            raise WSAError(WSAENOTSOCK, f"{value} stands for another socket")
        table[value] = socket
        if len(table) > self.limit:
            del table[value]
            raise WSAError(WSAEMFILE, f"all {self.limit} sockets are in use")
        if socket.descriptors == 0:
            socket.descriptors = 1
        else:
            with self._lock:
                socket.descriptors += 1
        return value

    def remove(self, value: int) -> tuple[Socket, bool]:
        """Take a value out and return its socket and whether this was the last one for it.

        Raises:
            WSAError: WSAENOTSOCK.
        """
        socket = self._table.pop(value, None)
        if socket is None:
            raise WSAError(WSAENOTSOCK)
        if socket.descriptors == 1:
            socket.descriptors = 0
            return socket, True
        with self._lock:
            socket.descriptors -= 1
            return socket, socket.descriptors == 0

    def clear(self) -> list[Socket]:
        """Take all values out and return their sockets, each once."""
        sockets = {}
        for value, socket in self.items():
            if self._table.pop(value, None) is not None:
                socket.descriptors = 0
                sockets[id(socket)] = socket
        return list(sockets.values())

    def items(self) -> list[tuple[int, Socket]]:
        """Return all values and their sockets as they are now."""
        return list(self._table.copy().items())


class Tickets:
    """Descriptions of sockets that WSPDuplicateSocket gave out; under `Control.lock`."""

    __slots__ = ("_last", "_sockets")

    def __init__(self) -> None:
        self._last = 0
        self._sockets: dict[int, Socket] = {}

    def issue(self, socket: Socket) -> int:
        """Return the number, above 0, that stands for a socket once."""
        self._last += 1
        self._sockets[self._last] = socket
        return self._last

    def redeem(self, ticket: int) -> Socket | None:
        """Return the socket that a number stands for; the number is worth nothing then."""
        return self._sockets.pop(ticket, None)

    def clear(self) -> None:
        """Forget all."""
        self._sockets.clear()
