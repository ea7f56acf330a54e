"""Who has bound which address and port, and who may bind beside him.

Two sockets that bind the same port get in each other's way when their addresses meet: both the same
specific one, or one of them the wildcard. Winsock's answer depends on what each of them asked for
with SO_REUSEADDR and SO_EXCLUSIVEADDRUSE, and on whether each bound the wildcard. `CONFLICTS` is
that table as Windows has had it since Server 2003.

A binding lives until the socket is closed. An exclusive one also lives on in the connections that
were accepted under it.
"""

from __future__ import annotations

import random
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from pyprov.winsock.address import MAPPED
from pyprov.winsock.codes import WSAEACCES, WSAEADDRINUSE, WSAENOBUFS
from pyprov.winsock.constants import AF_INET6
from pyprov.winsock.errors import WSAError

if TYPE_CHECKING:
    from pyprov.core.options import Options
    from pyprov.winsock.address import Address

# RFC 6335: ports that nobody registers.
EPHEMERAL_FIRST: Final = 49152
EPHEMERAL_COUNT: Final = 65536 - EPHEMERAL_FIRST


class Sharing(IntEnum):
    """What a socket asked for before it was bound."""

    DEFAULT = 0
    REUSE = 1
    EXCLUSIVE = 2


_OK: Final = 0
_INUSE: Final = int(WSAEADDRINUSE)
_ACCES: Final = int(WSAEACCES)

# fmt: off
# Rows: the first socket; columns: the second.
CONFLICTS: Final = (
    #                default          reuse            exclusive
    #                any     same     any     same     any     same
    (_INUSE, _OK,    _ACCES, _OK,    _INUSE, _OK),     # default, any
    (_OK,    _INUSE, _OK,    _ACCES, _INUSE, _INUSE),  # default, specific
    (_INUSE, _OK,    _OK,    _OK,    _INUSE, _OK),     # reuse, any
    (_OK,    _INUSE, _OK,    _OK,    _INUSE, _INUSE),  # reuse, specific
    (_INUSE, _ACCES, _ACCES, _ACCES, _INUSE, _ACCES),  # exclusive, any
    (_OK,    _INUSE, _OK,    _ACCES, _INUSE, _INUSE),  # exclusive, specific
)
# fmt: on


class Binding:
    """One bound address and port.

    Attributes:
        families: 4 and 6 as far as it takes part in them.
        address: the packed address, None for the wildcard.
        port: the port.
        sharing: what was asked for.
        exclusive: connections accepted under it keep it alive.
        users: sockets that keep it alive.
    """

    __slots__ = ("address", "exclusive", "families", "port", "sharing", "users")

    def __init__(self, address: Address, options: Options, port: int) -> None:
        if address.family != AF_INET6 or address.is_mapped:
            self.families = frozenset({4})
        elif address.is_any and not options.v6_only:
            self.families = frozenset({4, 6})
        else:
            self.families = frozenset({6})
        self.address = None if address.is_any else address.packed.removeprefix(MAPPED)
        self.port = port
        self.sharing = _sharing(options)
        self.exclusive = self.sharing is Sharing.EXCLUSIVE
        self.users = 1

    @property
    def shared(self) -> bool:
        """Whether others that say so too may listen beside it."""
        return self.sharing is Sharing.REUSE

    def refuses(self, other: Binding) -> int:
        """Return 0 if another may be bound after this one, else the error it gets."""
        if not self.families & other.families:
            return _OK
        if None not in {self.address, other.address} and self.address != other.address:
            return _OK
        row = 2 * self.sharing + (self.address is not None)
        return CONFLICTS[row][2 * other.sharing + (other.address is not None)]


class Bindings:
    """All bindings of one provider. Its methods are called under `Control.lock`."""

    __slots__ = ("_by_port", "_random")

    def __init__(self) -> None:
        self._by_port: dict[int, list[Binding]] = {}
        self._random = random.SystemRandom()

    def bind(self, address: Address, options: Options) -> Binding:
        """Enter a binding; port 0 takes a free ephemeral one.

        Raises:
            WSAError: WSAEADDRINUSE or WSAEACCES as the table has it, WSAENOBUFS if no ephemeral
                port is free.
        """
        if address.port:
            made = Binding(address, options, address.port)
            code = self._conflict(made)
            if code:
                raise WSAError(code, f"port {address.port} is bound already")
        else:
            made = self._ephemeral(address, options)
        self._by_port.setdefault(made.port, []).append(made)
        return made

    def release(self, binding: Binding) -> None:
        """One of its users has let go; the last one frees it."""
        binding.users -= 1
        if binding.users:
            return
        others = self._by_port[binding.port]
        others.remove(binding)
        if not others:
            del self._by_port[binding.port]

    def clear(self) -> None:
        """Forget all."""
        self._by_port.clear()

    def _conflict(self, made: Binding) -> int:
        for known in self._by_port.get(made.port, ()):
            code = known.refuses(made)
            if code:
                return code
        return _OK

    def _ephemeral(self, address: Address, options: Options) -> Binding:
        start = self._random.randrange(EPHEMERAL_COUNT)
        for i in range(EPHEMERAL_COUNT):
            port = EPHEMERAL_FIRST + (start + i) % EPHEMERAL_COUNT
            if port not in self._by_port:
                return Binding(address, options, port)
        raise WSAError(WSAENOBUFS, "no ephemeral port is free")


def _sharing(options: Options) -> Sharing:
    if options.exclusive_address:
        return Sharing.EXCLUSIVE
    return Sharing.REUSE if options.reuse_address else Sharing.DEFAULT
