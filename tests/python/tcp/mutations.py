"""Frames as no honest host sends them: a collection of good ones, and ways to spoil them."""

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption, IPOption_RR, fragment
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoRequest,
    ICMPv6MLQuery,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptSrcLLAddr,
    ICMPv6PacketTooBig,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    PadN,
)
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw

from tests.python.peer import LINUX_OPTIONS
from tests.python.tcp.frames import OUR4, OUR6, PEER4, PEER6
from tests.python.tcp.wire_rules import PROTO_TCP, checksum, tcp_checksum

OUR_MAC, PEER_MAC = "02:00:00:00:09:02", "02:00:00:00:00:99"
SACK = [("NOP", None), ("NOP", None), ("SAck", (100, 200, 300, 400))]

# What fields of one, two and four bytes are set to.
BYTES = (0, 1, 2, 4, 5, 6, 0x0F, 0x40, 0x45, 0x46, 0x4F, 0x50, 0x7F, 0x80, 0xF0, 0xFF)
EDGE = (0, 1, 2, 3, 7, 8, 19, 20, 21, 39, 40, 41, 59, 60, 1499, 1500, 1501, 65534, 65535)


def _tcp4(ports, flags, **fields):
    return IP(src="10.9.0.1", dst="10.9.0.2") / TCP(
        sport=ports[0], dport=ports[1], flags=flags, **fields
    )


def _quoted(ip_layer):
    """An ICMP error's view of a segment of ours."""
    return ip_layer / TCP(sport=80, dport=5000, seq=1000) / Raw(b"x" * 8)


def _arp():
    ours, peers = "10.9.0.2", "10.9.0.1"
    yield ARP(op=1, hwsrc=PEER_MAC, psrc=peers, pdst=ours)
    yield ARP(op=2, hwsrc=PEER_MAC, psrc=peers, hwdst=OUR_MAC, pdst=ours)
    yield ARP(op=1, hwsrc=PEER_MAC, psrc=ours, pdst=ours)  # who else has ours
    yield ARP(op=1, hwsrc=PEER_MAC, psrc="10.9.0.77", pdst="10.9.0.77")


def _segments4():
    for flags in ("S", "A", "PA", "FA", "R", "SA", "", "FPU", "SFRPAUEC"):
        for port in (80, 81):
            data = b"data!" if "P" in flags else b""
            yield _tcp4((5000, port), flags, options=LINUX_OPTIONS) / data
            yield _tcp4((5001, port), flags, seq=7, ack=9) / data
    yield _tcp4((5002, 80), "A", seq=1, ack=1, options=SACK)
    yield _tcp4((5003, 80), "UPA", urgptr=3) / b"urgent"
    yield _tcp4((5004, 80), "A") / bytes(1460)
    yield IP(src="10.9.0.1", dst="10.9.0.2", options=[IPOption_RR()]) / TCP(dport=80, flags="S")
    yield IP(src="10.9.0.1", dst="10.9.0.2", options=[IPOption(b"\x94\4\0\0")]) / TCP(dport=80)
    yield IP(src="255.255.255.255", dst="10.9.0.2") / TCP(dport=80, flags="S")
    yield IP(src="10.9.0.1", dst="224.0.0.1") / TCP(dport=80, flags="S")


def _others4():
    ip4 = IP(src="10.9.0.1", dst="10.9.0.2")
    yield ip4 / ICMP() / b"ping"
    yield IP(src="10.9.0.1", dst="10.9.0.255") / ICMP() / b"ping"
    yield ip4 / ICMP(type=13)
    inner = _quoted(IP(src="10.9.0.2", dst="10.9.0.1"))
    for kind, code in ((3, 0), (3, 1), (3, 2), (3, 3), (3, 13), (4, 0), (5, 1), (11, 0), (12, 0)):
        yield ip4 / ICMP(type=kind, code=code) / inner
    yield ip4 / ICMP(type=3, code=4, nexthopmtu=600) / inner
    yield ip4 / UDP(sport=53, dport=53) / b"data"
    yield IP(src="10.9.0.1", dst="10.9.0.2", proto=47) / Raw(b"gre")
    whole = IP(src="10.9.0.1", dst="10.9.0.2", id=7) / TCP(dport=80, flags="PA") / bytes(1000)
    yield from fragment(whole, 400)
    yield from fragment(IP(src="10.9.0.1", dst="10.9.0.2", id=8) / ICMP() / bytes(500), 200)


def _packets6():
    ip6 = IPv6(src="fd09::1", dst="fd09::2")
    for flags in ("S", "A", "PA", "FA", "R", "SA", ""):
        for port in (80, 81):
            yield ip6 / TCP(sport=5000, dport=port, flags=flags, options=LINUX_OPTIONS)
    extensions = [
        IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0\0\0\0")]),
        IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0\0")]),
        IPv6ExtHdrRouting(addresses=["fd09::3"]),
        IPv6ExtHdrFragment(id=5, m=0, offset=0),
        IPv6ExtHdrFragment(id=6, m=1, offset=0),
        IPv6ExtHdrFragment(id=6, m=0, offset=8),
    ]
    for extension in extensions:
        yield ip6 / extension / TCP(sport=5000, dport=80, flags="S") / bytes(44)
    yield ip6 / extensions[0] / extensions[1] / extensions[3] / TCP(dport=80, flags="S")
    yield ip6 / ICMPv6EchoRequest(data=b"ping")
    yield IPv6(src="fd09::1", dst="ff02::1") / ICMPv6EchoRequest(data=b"ping")
    inner = _quoted(IPv6(src="fd09::2", dst="fd09::1"))
    yield ip6 / ICMPv6DestUnreach(code=4) / inner
    yield ip6 / ICMPv6PacketTooBig(mtu=1280) / inner
    yield ip6 / UDP(sport=53, dport=53) / b"data"
    link = IPv6(src="fd09::1", dst="fd09::2", hlim=255)
    yield link / ICMPv6ND_NS(tgt="fd09::2") / ICMPv6NDOptSrcLLAddr(lladdr=PEER_MAC)
    yield link / ICMPv6ND_NA(tgt="fd09::1") / ICMPv6NDOptDstLLAddr(lladdr=PEER_MAC)
    yield link / ICMPv6ND_RA() / ICMPv6NDOptPrefixInfo(prefix="fd10::")
    yield IPv6(src="::", dst="ff02::1:ff00:2", hlim=255) / ICMPv6ND_NS(tgt="fd09::2")
    yield ip6 / ICMPv6MLQuery()


def good_frames():
    """Bytes of frames of every kind that a host may see."""
    ether = Ether(src=PEER_MAC, dst=OUR_MAC)
    frames = [ether / packet for packet in (*_segments4(), *_others4(), *_packets6())]
    frames += [Ether(src=PEER_MAC, dst="ff:ff:ff:ff:ff:ff") / packet for packet in _arp()]
    frames += [ether / packet for packet in _arp()]
    some = _tcp4((5000, 80), "S")
    frames += [
        Ether(src=PEER_MAC, dst="ff:ff:ff:ff:ff:ff") / some,
        Ether(src=PEER_MAC, dst="02:00:00:00:00:77") / some,
        ether / Dot1Q(vlan=0) / some,
        ether / Dot1Q(vlan=5) / some,
        ether / Dot1Q(vlan=0) / Dot1Q(vlan=5) / some,
        Ether(src=PEER_MAC, dst=OUR_MAC, type=0x88CC) / Raw(b"lldp"),
        Ether(src=PEER_MAC, dst=OUR_MAC, type=64) / Raw(bytes(64)),
    ]
    return [bytes(frame) for frame in frames]


def _repair4(frame):
    """Make the checksums of an IPv4 frame right again, as far as its lengths make sense."""
    header = (frame[14] & 0x0F) * 4
    if header < 20 or len(frame) < 14 + header:
        return
    frame[24:26] = bytes(2)
    frame[24:26] = checksum(bytes(frame[14 : 14 + header])).to_bytes(2, "big")
    end = min(14 + int.from_bytes(frame[16:18], "big"), len(frame))
    body = bytes(frame[14 + header : end])
    at = 14 + header
    if frame[23] == PROTO_TCP and len(body) >= 20:
        body = body[:16] + bytes(2) + body[18:]
        sum_ = tcp_checksum(bytes(frame[26:30]), bytes(frame[30:34]), body)
        frame[at + 16 : at + 18] = sum_.to_bytes(2, "big")
    elif frame[23] == 1 and len(body) >= 4:
        body = body[:2] + bytes(2) + body[4:]
        frame[at + 2 : at + 4] = checksum(body).to_bytes(2, "big")


def _repair6(frame):
    end = min(54 + int.from_bytes(frame[18:20], "big"), len(frame))
    body = bytes(frame[54:end])
    source, destination = bytes(frame[22:38]), bytes(frame[38:54])
    if frame[20] == PROTO_TCP and len(body) >= 20:
        body = body[:16] + bytes(2) + body[18:]
        frame[70:72] = tcp_checksum(source, destination, body).to_bytes(2, "big")
    elif frame[20] == 58 and len(body) >= 4:
        body = body[:2] + bytes(2) + body[4:]
        pseudo = source + destination + len(body).to_bytes(4, "big") + bytes(3) + b"\x3a"
        frame[56:58] = checksum(pseudo + body).to_bytes(2, "big")


def repair(frame):
    kind = frame[12:14]
    if kind == b"\x08\x00" and len(frame) >= 34:
        _repair4(frame)
    elif kind == b"\x86\xdd" and len(frame) >= 54:
        _repair6(frame)


def _flip(rng, frame):
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        frame[rng.randrange(len(frame))] ^= 1 << rng.randrange(8)


def _set_byte(rng, frame):
    for _ in range(rng.choice((1, 1, 2, 4))):
        frame[rng.randrange(min(len(frame), 80))] = rng.choice(BYTES)


def _set_length(rng, frame):
    """A length that lies: of the IP packet, of a header, of an option."""
    at = rng.choice((16, 18, 20, 56, 58, 54, 55, 35, 46, rng.randrange(14, 90)))
    if at + 2 <= len(frame):
        frame[at : at + 2] = rng.choice(EDGE).to_bytes(2, "big")


def _cut(rng, frame):
    del frame[rng.randrange(len(frame)) :]


def _grow(rng, frame):
    frame += rng.randbytes(rng.choice((1, 2, 7, 100, 1400)))
    del frame[1514:]


def _insert(rng, frame):
    at = rng.randrange(len(frame))
    frame[at:at] = rng.randbytes(rng.choice((1, 2, 4, 8)))


def _remove(rng, frame):
    at = rng.randrange(len(frame))
    del frame[at : at + rng.choice((1, 2, 4, 8))]


def _addresses(rng, frame):
    """Who must not speak, and whom nobody may mean."""
    odd4 = (bytes(4), b"\xff" * 4, b"\x7f\0\0\1", b"\xe0\0\0\1", b"\x0a\x09\0\xff", OUR4, PEER4)
    odd6 = (bytes(16), bytes(15) + b"\1", b"\xff\2" + bytes(13) + b"\1", OUR6, PEER6)
    if frame[12:14] == b"\x86\xdd":
        at = rng.choice((22, 38))
        frame[at : at + 16] = rng.choice(odd6)
    else:
        at = rng.choice((26, 30))
        frame[at : at + 4] = rng.choice(odd4)


def _nothing(rng, frame):
    pass


MUTATIONS = (
    _flip,
    _flip,
    _set_byte,
    _set_byte,
    _set_length,
    _cut,
    _grow,
    _insert,
    _remove,
    _addresses,
    _nothing,
)


def mutated(rng, frame):
    """One frame more or less like the given one; half of the time with its sums made right."""
    frame = bytearray(frame)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        rng.choice(MUTATIONS)(rng, frame)
        frame = frame or bytearray(1)
    if rng.random() < 0.6:
        repair(frame)
    return bytes(frame)


__all__ = ["good_frames", "mutated", "repair"]
