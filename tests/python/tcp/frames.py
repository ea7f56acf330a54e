"""Frames of the peer as bytes, made without scapy: for tests that send thousands."""

import socket
import struct

from tests.python.tcp.wire_rules import (
    ACK,
    FIN,
    IP4,
    IP6,
    PROTO_TCP,
    PSH,
    RST,
    SYN,
    checksum,
    tcp_checksum,
)

OUR_MAC = bytes.fromhex("020000000902")
PEER_MAC = bytes.fromhex("020000000099")

OUR4, PEER4 = socket.inet_aton("10.9.0.2"), socket.inet_aton("10.9.0.1")
OUR6 = socket.inet_pton(socket.AF_INET6, "fd09::2")
PEER6 = socket.inet_pton(socket.AF_INET6, "fd09::1")

SYN_OPTIONS = bytes.fromhex("020405b4 0402 080a00000001 00000000 01 030307")

_TCP = struct.Struct("!HHIIBBHHH")


def ethernet(payload, kind, *, source=PEER_MAC, destination=OUR_MAC):
    return destination + source + kind.to_bytes(2, "big") + payload


def ip4(payload, *, source=PEER4, destination=OUR4, protocol=PROTO_TCP, **fields):
    """An IPv4 packet. Fields: tos, length, ident, fragment (flags and offset), ttl, options."""
    options = fields.get("options", b"")
    header_len = 20 + len(options)
    header = struct.pack(
        "!BBHHHBBH4s4s",
        0x40 | header_len // 4,
        fields.get("tos", 0),
        fields.get("length", header_len + len(payload)),
        fields.get("ident", 0),
        fields.get("fragment", 0x4000),
        fields.get("ttl", 64),
        protocol,
        0,
        source,
        destination,
    )
    header += options
    header = header[:10] + checksum(header).to_bytes(2, "big") + header[12:]
    return header + payload


def ip6(payload, *, source=PEER6, destination=OUR6, protocol=PROTO_TCP, **fields):
    length = fields.get("length", len(payload))
    hops = fields.get("ttl", 64)
    return (
        struct.pack("!IHBB16s16s", 6 << 28, length, protocol, hops, source, destination) + payload
    )


def tcp(ports, flags, seq=0, ack=0, *, addresses=(PEER4, OUR4), **fields):
    """A segment from ports[0] to ports[1]. Fields: data, window, options, urgent."""
    options = fields.get("options", b"")
    options += bytes(-len(options) % 4)
    header = _TCP.pack(
        *ports,
        seq & 0xFFFFFFFF,
        ack & 0xFFFFFFFF,
        (20 + len(options)) << 2,
        flags,
        fields.get("window", 65535),
        0,
        fields.get("urgent", 0),
    )
    segment = header + options + fields.get("data", b"")
    return segment[:16] + tcp_checksum(*addresses, segment).to_bytes(2, "big") + segment[18:]


def frame4(ports, flags, seq=0, ack=0, **fields):
    return ethernet(ip4(tcp(ports, flags, seq, ack, **fields)), IP4)


def frame6(ports, flags, seq=0, ack=0, **fields):
    segment = tcp(ports, flags, seq, ack, addresses=(PEER6, OUR6), **fields)
    return ethernet(ip6(segment), IP6)


class Segment:
    """What came from the lab, read without scapy. `frame` must hold IPv4 or IPv6 and TCP."""

    __slots__ = ("ack", "dport", "flags", "options", "payload", "seq", "sport", "window")

    def __init__(self, frame):
        is4 = frame[12:14] == b"\x08\x00"
        length = int.from_bytes(frame[16:18], "big") if is4 else None
        end = 14 + length if is4 else 54 + int.from_bytes(frame[18:20], "big")
        segment = frame[34 if is4 else 54 : end]
        fields = _TCP.unpack_from(segment)
        self.sport, self.dport, self.seq, self.ack, offset, self.flags, self.window = fields[:7]
        header = (offset >> 4) * 4
        self.options = segment[20:header]
        self.payload = segment[header:]


def is_tcp(frame):
    return (frame[12:14] == b"\x08\x00" and frame[23] == PROTO_TCP) or (
        frame[12:14] == b"\x86\xdd" and frame[20] == PROTO_TCP
    )


class Wire:
    """Bursts of frames to a lab and back; our address resolution must be done."""

    def __init__(self, host):
        self.dataplane = host.dataplane

    def send(self, *frames):
        """Let the frames arrive in one burst; returns the segments that leave at once."""
        for frame in frames:
            self.dataplane.inject(0, frame)
        self.dataplane.step(self.dataplane.now())
        return self.collect()

    def collect(self):
        return [Segment(frame) for _, frame in self.dataplane.collect(0) if is_tcp(frame)]


__all__ = [
    "ACK",
    "FIN",
    "OUR4",
    "OUR6",
    "PEER4",
    "PEER6",
    "PSH",
    "RST",
    "SYN",
    "SYN_OPTIONS",
    "Segment",
    "Wire",
    "ethernet",
    "frame4",
    "frame6",
    "ip4",
    "ip6",
    "is_tcp",
    "tcp",
]
