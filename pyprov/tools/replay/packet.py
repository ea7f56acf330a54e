"""As much of a frame as a replay has to look at."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

FIN: Final = 0x01
SYN: Final = 0x02
RST: Final = 0x04
ACK: Final = 0x10

_ETH: Final = 14
_VLAN: Final = frozenset({0x8100, 0x88A8})
_IPV4: Final = 0x0800
_IPV6: Final = 0x86DD
_TCP: Final = 6
_FRAGMENT: Final = 0x3FFF  # more to come, or not the first


class Packet(NamedTuple):
    """Where a frame goes.

    Attributes:
        to: station address it is for.
        sender: station address it comes from.
        source: IP address, 4 or 16 bytes; empty if it is no IP packet.
        target: the same of the destination.
        tcp: where in the frame the TCP header is; 0 if there is no whole one.
        tcp_end: where that ends.
    """

    to: bytes
    sender: bytes
    source: bytes = b""
    target: bytes = b""
    tcp: int = 0
    tcp_end: int = 0


def dissect(frame: bytes) -> Packet:
    """Look at a frame; whatever is odd about it is left to the dataplane to complain of."""
    to, sender = frame[0:6], frame[6:12]
    kind, at = _type_at(frame, 12), _ETH
    while kind in _VLAN:
        kind, at = _type_at(frame, at + 2), at + 4
    if kind == _IPV4 and len(frame) >= at + 20:
        source, target = frame[at + 12 : at + 16], frame[at + 16 : at + 20]
        (fragment,) = struct.unpack_from("!H", frame, at + 6)
        is_tcp = frame[at + 9] == _TCP and not fragment & _FRAGMENT
        begin = at + 4 * (frame[at] & 0xF)
    elif kind == _IPV6 and len(frame) >= at + 40:
        source, target = frame[at + 8 : at + 24], frame[at + 24 : at + 40]
        is_tcp, begin = frame[at + 6] == _TCP, at + 40
    else:
        return Packet(to, sender)
    if not is_tcp or len(frame) < begin + 20:
        return Packet(to, sender, source, target)
    end = begin + 4 * (frame[begin + 12] >> 4)
    if end < begin + 20 or end > len(frame):
        return Packet(to, sender, source, target)
    return Packet(to, sender, source, target, begin, end)


def _type_at(frame: bytes, at: int) -> int:
    return int.from_bytes(frame[at : at + 2], "big")


def is_group(station: bytes) -> bool:
    """Ask whether a station address is a group's, or everybody's."""
    return bool(station[:1]) and bool(station[0] & 1)


class Segment(NamedTuple):
    """The numbers of a TCP header."""

    source: int
    target: int
    seq: int
    ack: int
    flags: int


def segment(frame: bytes, packet: Packet) -> Segment:
    """Read the TCP header of a packet that has one."""
    source, target, seq, ack, _, flags = struct.unpack_from("!HHIIBB", frame, packet.tcp)
    return Segment(source, target, seq, ack, flags)
