"""What socket options a socket carries.

An `Options` object is never changed once a socket has it: `changed` makes another one. So an
accepted socket inherits all of them by sharing its listener's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from pyprov.core import port
from pyprov.winsock.structs import LINGER

if TYPE_CHECKING:
    from collections.abc import Callable

_NO_LINGER: Final = LINGER(0, 0)
_BUFFER_MOST: Final = 1 << 30
_NEVER: Final = 0xFFFF_FFFF
_NEVER_MS: Final = 100 * 366 * 86_400 * 1000  # what "never" is to a timer: a century

Value: TypeAlias = "bool | int | LINGER | tuple[tuple[int, int, int], ...] | None"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Values as WSPGetSockOpt reads them; None: not set, the engine's configuration holds.

    Attributes:
        recv_timeout: milliseconds, as all times here.
        keep_idle: silence before the first keep-alive probe.
        keep_interval: between two unanswered probes.
        keep_count: unanswered probes before the connection is given up.
        give_up: how long data may go unacknowledged; 0xFFFFFFFF: for ever.
        first_rto: retransmission time-out of the first SYN.
        syn_retries: retransmissions of a SYN.
        max_segment: the largest segment that is sent.
        hops: time to live, hop limit.
        tos: type of service, traffic class.
        others: (level, option, value) of options that are only remembered.
        live: what differs from the configuration, as OPT_* and value for the dataplane.
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
    keep_idle: int | None = None
    keep_interval: int | None = None
    keep_count: int | None = None
    give_up: int | None = None
    first_rto: int | None = None
    syn_retries: int | None = None
    max_segment: int | None = None
    timestamps: bool | None = None
    congestion: int | None = None
    hops: int | None = None
    tos: int | None = None
    others: tuple[tuple[int, int, int], ...] = ()
    live: tuple[tuple[int, int], ...] = ()

    def other(self, level: int, option: int) -> int | None:
        """Return the value of an option that is only remembered, None if it was not set."""
        for known_level, known_option, value in self.others:
            if (known_level, known_option) == (level, option):
                return value
        return None

    def with_other(self, level: int, option: int, value: int) -> Options:
        """Return options in which one that is only remembered has another value."""
        rest = (row for row in self.others if row[:2] != (level, option))
        return replace(self, others=(*rest, (level, option, value)))


DEFAULTS: Final = Options()


def buffer_size(wanted: int | None) -> int:
    """Return a buffer's size as the dataplane has it, to whom 0 is "as configured"."""
    return 0 if wanted is None else min(max(wanted, 1), _BUFFER_MOST)


# What the dataplane is told of an option: OPT_* and the value in its units.
LIVE: Final[dict[str, tuple[int, Callable[[int], int]]]] = {
    "no_delay": (port.OPT_NODELAY, int),
    "keep_idle": (port.OPT_KEEPALIVE_IDLE, int),
    "keep_interval": (port.OPT_KEEPALIVE_INTERVAL, int),
    "keep_count": (port.OPT_KEEPALIVE_COUNT, int),
    "keep_alive": (port.OPT_KEEPALIVE, int),
    "give_up": (port.OPT_USER_TIMEOUT, lambda ms: _NEVER_MS if ms == _NEVER else ms),
    "max_segment": (port.OPT_MAXSEG, int),
    "recv_buffer": (port.OPT_RECV_BUFFER, buffer_size),
    "send_buffer": (port.OPT_SEND_BUFFER, buffer_size),
    "hops": (port.OPT_TTL, int),
    "tos": (port.OPT_TOS, int),
    "congestion": (port.OPT_CONGESTION, int),
    "oob_inline": (port.OPT_OOB_INLINE, int),
}


def changed(options: Options, **values: Value) -> Options:
    """Return options that differ in some values."""
    made = replace(options, **values)  # type: ignore[arg-type] # each name has its own type
    live = tuple(
        (number, convert(getattr(made, name)))
        for name, (number, convert) in LIVE.items()
        if getattr(made, name) != getattr(DEFAULTS, name)
    )
    return replace(made, live=live)


def live_value(options: Options, name: str) -> tuple[int, int] | None:
    """Return what the dataplane is told of one option, None if it is none of its business."""
    known = LIVE.get(name)
    value = getattr(options, name)
    if known is None or value is None:
        return None
    number, convert = known
    return number, convert(value)
