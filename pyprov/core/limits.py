"""The bounds of a provider and what holds at them, from the configuration."""

from __future__ import annotations

from dataclasses import dataclass

from pyprov.core.port import OVERFLOW_DROP, OVERFLOW_RESET, SYN_COOKIES_AUTO


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """As in the [provider] table, whose keys have the same names.

    Attributes:
        max_sockets: SOCKETs at a time; requests in a backlog don't count.
        backlog_max: longest backlog that WSPListen grants.
        backlog_overflow: OVERFLOW_*, what answers a request that finds the backlog full.
        half_open_overflow: OVERFLOW_*, what answers a SYN when there is no half-open entry left.
        syn_cookies: SYN_COOKIES_*.
    """

    max_sockets: int = 1_048_576
    backlog_max: int = 65535
    backlog_overflow: int = OVERFLOW_RESET
    half_open_overflow: int = OVERFLOW_DROP
    syn_cookies: int = SYN_COOKIES_AUTO
