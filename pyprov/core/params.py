"""What listeners and connections are made of, and what a connection tells of itself.

Part of the dataplane's port (core/port.py), which hands these names on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pyprov.core.offer import Offer

# What a listener does with a SYN when its queue or the half-open table is full.
OVERFLOW_DROP: Final = 0
OVERFLOW_RESET: Final = 1

SYN_COOKIES_AUTO: Final = 0
SYN_COOKIES_ALWAYS: Final = 1
SYN_COOKIES_NEVER: Final = 2

ANY_ADDRESS: Final = bytes(16)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenParams:
    """What a listener is made of.

    Attributes:
        local: the address, ANY_ADDRESS for all of the family.
        port: 1..65535.
        family: 4, 6, or 46 for both.
        backlog: waiting requests over all workers, 1..the configured limit.
        conditional: hold SYNs for a verdict.
        paused: answer every SYN with RST.
        reuse: share address and port with other listeners that say so too.
        recv_buffer: bytes for accepted connections; 0: as configured.
        send_buffer: the same.
        backlog_overflow: OVERFLOW_*, for a full accept queue.
        half_open_overflow: OVERFLOW_*, for a full half-open table without cookies.
        syn_cookies: SYN_COOKIES_*.
        ttl: of its SYN-ACKs and of what it accepts; 0: as configured.
        tos: the same; None: as configured.
    """

    local: bytes = ANY_ADDRESS
    port: int
    family: int = 4
    backlog: int = 5
    conditional: bool = False
    paused: bool = False
    reuse: bool = False
    recv_buffer: int = 0
    send_buffer: int = 0
    backlog_overflow: int = OVERFLOW_RESET
    half_open_overflow: int = OVERFLOW_DROP
    syn_cookies: int = SYN_COOKIES_AUTO
    ttl: int = 0
    tos: int | None = None


@dataclass(slots=True)
class OwnName:
    """The end of an active open that is ours, as `Dataplane.connect` has chosen it."""

    address: bytes = ANY_ADDRESS
    port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectParams:
    """Where an active open goes.

    Attributes:
        peer: the other end's address.
        peer_port: its port.
        local: our address, ANY_ADDRESS: by the route.
        local_port: 0: an ephemeral one.
        recv_buffer: bytes; 0: as configured.
        send_buffer: the same.
        offer: what goes with the SYN; None: a plain one.
        rto_initial: milliseconds until the SYN is repeated; 0: as configured.
        syn_retries: how often it is; None: as configured.
        timestamps: offer them; None: as configured.
        ttl: 0: as configured.
        tos: None: as configured.
    """

    peer: bytes
    peer_port: int
    local: bytes = ANY_ADDRESS
    local_port: int = 0
    recv_buffer: int = 0
    send_buffer: int = 0
    offer: Offer | None = None
    rto_initial: int = 0
    syn_retries: int | None = None
    timestamps: bool | None = None
    ttl: int = 0
    tos: int | None = None


@dataclass(frozen=True, slots=True)
class Info:
    """What a connection knows about itself, as TCP_INFO does.

    Times are microseconds, windows and thresholds bytes, `unacked` to `dsack_dups` segments,
    `pacing_rate` bytes a second; `established_ns` is engine time, 0 before it is established.
    `options`: 1 timestamps, 2 SACK, 4 window scale, 8 ECN. `recovery`: 0 open, 1 disorder,
    2 recovery, 3 loss.
    """

    local: bytes
    peer: bytes
    local_port: int
    peer_port: int
    state: int
    options: int
    snd_wscale: int
    rcv_wscale: int
    recovery: int
    backoff: int
    probes: int
    congestion: int
    snd_mss: int
    rcv_mss: int
    pmtu: int
    rto: int
    srtt: int
    rttvar: int
    min_rtt: int
    snd_cwnd: int
    snd_ssthresh: int
    snd_wnd: int
    rcv_wnd: int
    unacked: int
    sacked: int
    lost: int
    retrans: int
    total_retrans: int
    reordering: int
    dsack_dups: int
    last_data_sent: int
    last_data_recv: int
    last_ack_recv: int
    notsent: int
    rcv_buffer: int
    fast_retrans: int
    timeouts: int
    dup_acks: int
    syn_retrans: int
    bytes_reordered: int
    bytes_sent: int
    bytes_received: int
    bytes_acked: int
    bytes_retrans: int
    segs_out: int
    segs_in: int
    data_segs_out: int
    data_segs_in: int
    pacing_rate: int
    rwnd_limited: int
    sndbuf_limited: int
    established_ns: int
