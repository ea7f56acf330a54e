"""What socket options a socket carries.

An `Options` object is never changed once a socket has it: `changed` makes another one. So an
accepted socket inherits all of them by sharing its listener's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from pyprov.winsock.structs import LINGER

_NO_LINGER: Final = LINGER(0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Values as WSPGetSockOpt reads them; times in milliseconds unless a name says otherwise.

    Attributes:
        recv_buffer: SO_RCVBUF, None until it is set: then the engine's configuration holds.
        send_buffer: SO_SNDBUF, the same.
    """

    debug: bool = False
    reuse_address: bool = False
    exclusive_address: bool = False
    keep_alive: bool = False
    dont_route: bool = False
    linger: LINGER = _NO_LINGER
    oob_inline: bool = False
    recv_buffer: int | None = None
    send_buffer: int | None = None
    recv_timeout: int = 0
    send_timeout: int = 0
    conditional_accept: bool = False
    pause_accept: bool = False
    no_delay: bool = False
    v6_only: bool = True


DEFAULTS: Final = Options()


def changed(options: Options, **values: bool | int | LINGER | None) -> Options:
    """Return options that differ in some values."""
    return replace(options, **values)  # type: ignore[arg-type] # each name has its own type
