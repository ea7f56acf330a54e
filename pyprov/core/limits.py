"""The bounds of a provider and what holds at them, from the configuration."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pyprov.core.port import OVERFLOW_DROP, OVERFLOW_RESET, SYN_COOKIES_AUTO
from pyprov.winsock.qos import DSCP, QOS
from pyprov.winsock.templates import WELL_KNOWN, well_known

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpDefaults:
    """What holds for a connection whose options say nothing: what the [tcp] table says.

    Attributes:
        recv_buffer: bytes, as send_buffer.
        keep_idle: milliseconds, as all times here.
        give_up: how long data may go unacknowledged; 0: so many retransmissions.
        congestion: 0 CUBIC, 1 NewReno, 2 DCTCP.
        hops: time to live, hop limit.
        tos: type of service, traffic class.
    """

    recv_buffer: int = 65536
    send_buffer: int = 65536
    keep_idle: int = 7_200_000
    keep_interval: int = 1000
    keep_count: int = 10
    give_up: int = 0
    congestion: int = 0
    timestamps: bool = True
    hops: int = 128
    tos: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class QosRules:
    """What the [qos] table and the ports say.

    Attributes:
        reservable: share of a port's rate that can be reserved, 0 to 1.
        rates: of the ports, bits a second.
        dscp: code points by SERVICETYPE_*.
        names: of the templates.
        template: returns a copy of one; WSAEINVAL if there is none.
    """

    reservable: float = 0.8
    rates: tuple[int, ...] = (10_000_000_000,)
    dscp: Mapping[int, int] = field(default_factory=lambda: DSCP)
    names: tuple[str, ...] = WELL_KNOWN
    template: Callable[[str], QOS] = well_known

    def capacities(self) -> list[int]:
        """Return how many bytes a second can be reserved in each direction, port by port."""
        return [int(rate * self.reservable) // 8 for rate in self.rates]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """As in the [provider] table, whose keys have the same names.

    Attributes:
        max_sockets: SOCKETs at a time; requests in a backlog don't count.
        backlog_max: longest backlog that WSPListen grants.
        backlog_overflow: OVERFLOW_*, what answers a request that finds the backlog full.
        half_open_overflow: OVERFLOW_*, what answers a SYN when there is no half-open entry left.
        syn_cookies: SYN_COOKIES_*.
        tcp: what connections have that no option says otherwise.
        qos: quality of service.
    """

    max_sockets: int = 1_048_576
    backlog_max: int = 65535
    backlog_overflow: int = OVERFLOW_RESET
    half_open_overflow: int = OVERFLOW_DROP
    syn_cookies: int = SYN_COOKIES_AUTO
    tcp: TcpDefaults = field(default_factory=TcpDefaults)
    qos: QosRules = field(default_factory=QosRules)
