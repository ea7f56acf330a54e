"""Acknowledgments of a capture speak of another server's numbers; here they get ours.

A client acknowledges the initial sequence number that it was given, and echoes the clock of the
server's timestamps. Our server gives others. So of each connection the difference is found out,
from the SYN-ACK in the capture, or if that is not there from the first acknowledgment, and added to
whatever the client says of the server's numbers: the acknowledgment, SACK blocks, the timestamp
echoed. Checksums are corrected by the difference, so that a wrong one stays wrong.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from pyprov.tools.replay.packet import ACK, RST, SYN, Packet, segment

if TYPE_CHECKING:
    from collections.abc import Iterator

_FIXED: Final = 20
_CHECKSUM: Final = 16
_ACK_AT: Final = 8
_END: Final = 0
_NOP: Final = 1
_SACK: Final = 5
_TIMESTAMPS: Final = 8


class _Key(NamedTuple):
    client: bytes
    client_port: int
    server: bytes
    server_port: int


class _Numbers(NamedTuple):
    """What a server began with: its sequence number and its clock, 0 without timestamps."""

    iss: int
    clock: int


@dataclass(slots=True)
class _Connection:
    theirs: _Numbers | None = None
    ours: _Numbers | None = None


class Numbers:
    """The connections of one replay."""

    def __init__(self) -> None:
        self._connections: dict[_Key, _Connection] = {}

    def see_theirs(self, frame: bytes, packet: Packet) -> None:
        """Look at what the capture's server sent."""
        key, numbers = _read_syn_ack(frame, packet)
        if key is not None and key in self._connections:
            self._connections[key].theirs = numbers

    def see_ours(self, frame: bytes, packet: Packet) -> None:
        """Look at what our server sent."""
        key, numbers = _read_syn_ack(frame, packet)
        if key is not None and key in self._connections:
            self._connections[key].ours = numbers

    def translate(self, frame: bytes, packet: Packet) -> bytes:
        """Return a client's frame with the server's numbers replaced by ours."""
        if not packet.tcp:
            return frame
        head = segment(frame, packet)
        key = _Key(packet.source, head.source, packet.target, head.target)
        if head.flags & SYN:
            self._connections[key] = _Connection()
            return frame
        connection = self._connections.get(key)
        if connection is None or connection.ours is None or not head.flags & ACK:
            return frame
        if connection.theirs is None:
            if head.flags & RST:
                return frame
            _, echo = _timestamps(frame, packet)
            connection.theirs = _Numbers((head.ack - 1) % 2**32, echo)
        return _shift(frame, packet, connection.theirs, connection.ours)


def _read_syn_ack(frame: bytes, packet: Packet) -> tuple[_Key | None, _Numbers]:
    none = _Numbers(0, 0)
    if not packet.tcp:
        return None, none
    head = segment(frame, packet)
    if head.flags & (SYN | ACK | RST) != SYN | ACK:
        return None, none
    clock, _ = _timestamps(frame, packet)
    key = _Key(packet.target, head.target, packet.source, head.source)
    return key, _Numbers(head.seq, clock)


def _shift(frame: bytes, packet: Packet, theirs: _Numbers, ours: _Numbers) -> bytes:
    """Return the frame with all that speaks of the server's numbers moved."""
    changed = bytearray(frame)
    distance = ours.iss - theirs.iss
    _add(changed, packet.tcp + _ACK_AT, distance)
    for at, kind, size in _options(frame, packet):
        if kind == _SACK and (size - 2) % 8 == 0:
            for edge in range(at + 2, at + size, 4):
                _add(changed, edge, distance)
        elif kind == _TIMESTAMPS and size == 10 and theirs.clock and ours.clock:
            _add(changed, at + 6, ours.clock - theirs.clock)
    _correct_checksum(frame, changed, packet)
    return bytes(changed)


def _add(frame: bytearray, at: int, distance: int) -> None:
    (number,) = struct.unpack_from("!I", frame, at)
    struct.pack_into("!I", frame, at, (number + distance) % 2**32)


def _correct_checksum(before: bytes, after: bytearray, packet: Packet) -> None:
    """RFC 1624: the new checksum from the old one and what has changed."""
    at = packet.tcp + _CHECKSUM
    (checksum,) = struct.unpack_from("!H", before, at)
    total = checksum ^ 0xFFFF
    words = f"!{(packet.tcp_end - packet.tcp) // 2}H"
    for old, new in zip(
        struct.unpack_from(words, before, packet.tcp),
        struct.unpack_from(words, after, packet.tcp),
        strict=True,
    ):
        total += (old ^ 0xFFFF) + new if old != new else 0
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    struct.pack_into("!H", after, at, total ^ 0xFFFF)


def _timestamps(frame: bytes, packet: Packet) -> tuple[int, int]:
    """Return the timestamps option, value and echo; zeros if there is none."""
    for at, kind, size in _options(frame, packet):
        if kind == _TIMESTAMPS and size == 10:
            value, echo = struct.unpack_from("!II", frame, at + 2)
            return value, echo
    return 0, 0


def _options(frame: bytes, packet: Packet) -> Iterator[tuple[int, int, int]]:
    """Yield place, kind and size of each option; nothing after one that can't be."""
    at = packet.tcp + _FIXED
    while at < packet.tcp_end and frame[at] != _END:
        if frame[at] == _NOP:
            at += 1
            continue
        size = frame[at + 1] if at + 1 < packet.tcp_end else 0
        if size < 2 or at + size > packet.tcp_end:
            return
        yield at, frame[at], size
        at += size
