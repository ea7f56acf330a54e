"""What a condition sees of a connection request."""

from __future__ import annotations

import ipaddress
import struct
from collections import Counter
from dataclasses import astuple, dataclass, field
from typing import Final

from pyprov.conditions.layout import DATA_BYTES, FORMAT
from pyprov.winsock.service import QOS_NOT_SPECIFIED, SERVICETYPE_NOCHANGE

_SECOND: Final = 1_000_000_000
_CONTEXT: Final = struct.Struct(FORMAT)
_MAPPED: Final = 0xFFFF << 32


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A numeric host, IPv4 dotted, IPv6 in its shortest form, and a port."""

    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Syn:
    """What the SYN said.

    Attributes:
        mss: Largest segment the caller takes; 536 (IPv4) or 1220 (IPv6) if it did not say.
        window: Its window, unscaled.
        scale: Its window scale, 0 if it has none.
        sack: It would use selective acknowledgments.
        timestamps: It would use timestamps.
    """

    mss: int = 1460
    window: int = 65535
    scale: int = 0
    sack: bool = False
    timestamps: bool = False


@dataclass(frozen=True, slots=True)
class Flow:
    """A FLOWSPEC, its fields in Python's spelling."""

    token_rate: int = QOS_NOT_SPECIFIED
    token_bucket_size: int = QOS_NOT_SPECIFIED
    peak_bandwidth: int = QOS_NOT_SPECIFIED
    latency: int = QOS_NOT_SPECIFIED
    delay_variation: int = QOS_NOT_SPECIFIED
    service_type: int = SERVICETYPE_NOCHANGE
    max_sdu_size: int = QOS_NOT_SPECIFIED
    minimum_policed_size: int = QOS_NOT_SPECIFIED


@dataclass(frozen=True, slots=True)
class RequestQos:
    """The flowspecs of a request, from the acceptor's side: *sending* is what it would send.

    Attributes:
        given: The caller asked for QoS; otherwise the flows hold the defaults.
    """

    given: bool = False
    sending: Flow = Flow()
    receiving: Flow = Flow()


class CallerData:
    """Caller data: its length, and its first 64 bytes by index, 0 where there are none."""

    __slots__ = ("_first", "length")

    def __init__(self, data: bytes = b"") -> None:
        self.length = len(data)
        self._first = data[:DATA_BYTES].ljust(DATA_BYTES, b"\0")

    def __getitem__(self, index: int) -> int:
        return self._first[index]

    @property
    def first(self) -> bytes:
        """The first bytes, padded with zeroes."""
        return self._first


class Sources:
    """Token buckets by source, as workers have them but without bound.

    A bucket is the time at which it will be full again (the generic cell rate algorithm), so one
    number a source is all there is to keep.
    """

    __slots__ = ("_full_at",)

    def __init__(self) -> None:
        self._full_at: dict[tuple[int, int, int], int] = {}

    def take(self, source: int, rate: int, burst: int, now: int) -> bool:
        """Take a token if there is one."""
        interval = _SECOND // rate
        key = (source, rate, burst)
        full_at = max(self._full_at.get(key, 0), now)
        if full_at + interval - now > burst * interval:
            return False
        self._full_at[key] = full_at + interval
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionRequest:
    """A connection request, in Python as in a compiled condition.

    Attributes:
        caller: Who asks.
        callee: Whom, with the address that was really called.
        time: When the SYN arrived, nanoseconds of the engine's clock.
        syn: Its options.
        ttl: Its time to live or hop limit.
        dscp: Its code point, 0 to 63.
        data: Caller data.
        qos: Both flowspecs.
        backlog: Requests that wait at the listener now.
        half_open: Half-open connections of the listener at this worker.
        load: Per cent of the worker's time that is spent on work.
        sources: The token buckets of per_source.
        counters: What `counter` counts.
    """

    caller: Endpoint
    callee: Endpoint
    time: int = 0
    syn: Syn = Syn()
    ttl: int = 64
    dscp: int = 0
    data: CallerData = field(default_factory=CallerData)
    qos: RequestQos = RequestQos()
    backlog: int = 0
    half_open: int = 0
    load: int = 0
    sources: Sources = field(default_factory=Sources, compare=False, repr=False)
    counters: Counter[str] = field(default_factory=Counter, compare=False, repr=False)

    def per_source(self, rate: int, burst: int) -> bool:
        """Take a token from the bucket of this source; False if it is empty.

        A source is an IPv4 address or an IPv6 /64. Each pair of rate and burst has buckets of its
        own. A worker keeps its own, for its share of the rate (the rate divided by the workers);
        where more sources come than it has room for, it forgets the ones that were quiet longest.

        Args:
            rate: Tokens a second.
            burst: Tokens that a full bucket holds.
        """
        high, low = _words(self.caller.address)
        source = low if high == 0 else high << 64
        return self.sources.take(source, rate, burst, self.time)

    def counter(self, name: str) -> None:
        """Count one under a name."""
        self.counters[name] += 1

    def pack(self) -> bytes:
        """Return struct pv_condition_context."""
        syn, qos = self.syn, self.qos
        return _CONTEXT.pack(
            self.time,
            *_words(self.caller.address),
            *_words(self.callee.address),
            self.caller.port,
            self.callee.port,
            *astuple(syn),
            6 if ":" in self.caller.address else 4,
            self.ttl,
            self.dscp,
            self.data.length,
            self.backlog,
            self.half_open,
            self.load,
            qos.given,
            *astuple(qos.sending),
            *astuple(qos.receiving),
            self.data.first,
        )


def _words(address: str) -> tuple[int, int]:
    """Return the two halves of an address's 16 bytes."""
    number = int(ipaddress.ip_address(address))
    if ":" not in address:
        number |= _MAPPED
    return number >> 64, number & 0xFFFF_FFFF_FFFF_FFFF
