"""The bounds of a provider and what holds at them, from the configuration."""

from __future__ import annotations

from dataclasses import dataclass, field

from pyprov.core.port import OVERFLOW_DROP, OVERFLOW_RESET, SYN_COOKIES_AUTO


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
class Limits:
    """As in the [provider] table, whose keys have the same names.

    Attributes:
        max_sockets: SOCKETs at a time; requests in a backlog don't count.
        backlog_max: longest backlog that WSPListen grants.
        backlog_overflow: OVERFLOW_*, what answers a request that finds the backlog full.
        half_open_overflow: OVERFLOW_*, what answers a SYN when there is no half-open entry left.
        syn_cookies: SYN_COOKIES_*.
        tcp: what connections have that no option says otherwise.
    """

    max_sockets: int = 1_048_576
    backlog_max: int = 65535
    backlog_overflow: int = OVERFLOW_RESET
    half_open_overflow: int = OVERFLOW_DROP
    syn_cookies: int = SYN_COOKIES_AUTO
    tcp: TcpDefaults = field(default_factory=TcpDefaults)
