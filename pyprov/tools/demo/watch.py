"""Frames on an interface of the kernel, and what they say in words."""

from __future__ import annotations

import select
import socket
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.l2 import ARP, Ether

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_ETH_P_ALL: Final = 3
_SO_TIMESTAMPNS: Final = 35
_OUTGOING: Final = 4  # PACKET_OUTGOING
_FRAME: Final = 65536
_QUIET: Final = 0.1  # seconds without a frame after which nothing more is expected

_FLAGS: Final = {"S": "SYN", "A": "ACK", "F": "FIN", "R": "RST", "P": "PSH", "U": "URG"}
_OPTIONS: Final = {
    "MSS": "MSS {}",
    "SAckOK": "SACK permitted",
    "WScale": "window scale {}",
    "Timestamp": "timestamps",
}


class Seen(NamedTuple):
    """A frame on the interface.

    Attributes:
        when: seconds since 1970.
        from_kernel: whether the kernel sent it.
        frame: its bytes.
    """

    when: float
    from_kernel: bool
    frame: bytes


class Watch:
    """Sees what goes over an interface."""

    def __init__(self, interface: str) -> None:
        protocol = socket.htons(_ETH_P_ALL)
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, protocol)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.bind((interface, _ETH_P_ALL))

    def take(self) -> list[Seen]:
        """Return the frames since the last call, once no more come."""
        seen = []
        while select.select([self._socket], [], [], _QUIET)[0]:
            frame, notes, _, address = self._socket.recvmsg(_FRAME, 64)
            seconds, nanoseconds = struct.unpack("qq", notes[0][2][:16])
            seen.append(Seen(seconds + nanoseconds / 1e9, address[2] == _OUTGOING, frame))
        return seen

    def close(self) -> None:
        """End it."""
        self._socket.close()


def in_words(frames: Sequence[Seen]) -> Iterator[str]:
    """Yield a line for each frame."""
    for seen in frames:
        milliseconds = (seen.when - frames[0].when) * 1000
        who = "kernel -> pyprov" if seen.from_kernel else "pyprov -> kernel"
        yield f"{milliseconds:8.3f} ms  {who}  {_say(Ether(seen.frame))}"


def _say(frame: Ether) -> str:
    if ARP in frame:
        arp = frame[ARP]
        if arp.op == 1:
            return f"ARP: who has {arp.pdst}? tell {arp.psrc}"
        return f"ARP: {arp.psrc} is at {arp.hwsrc}"
    if TCP in frame:
        return _say_tcp(frame[IP].len - 4 * frame[IP].ihl, frame[TCP])
    return "ICMP" if ICMP in frame else str(frame.summary())


def _say_tcp(length: int, tcp: TCP) -> str:
    words = "+".join(_FLAGS.get(flag, flag) for flag in str(tcp.flags))
    if tcp.flags.S:
        options = [_OPTIONS[name].format(value) for name, value in tcp.options if name in _OPTIONS]
        words += f" ({', '.join(options)})"
    data = length - 4 * tcp.dataofs
    return f"{words}, {data} bytes of data" if data else words
