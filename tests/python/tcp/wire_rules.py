"""What holds for every frame of ours, whatever it is for. The peer of these tests looks at all."""

import struct

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (1 << bit for bit in range(8))

END, NOP, MSS, WSCALE, SACK_OK, SACK, TIMESTAMPS = 0, 1, 2, 3, 4, 5, 8
LENGTHS = {MSS: 4, WSCALE: 3, SACK_OK: 2, TIMESTAMPS: 10}

IP4, IP6 = 0x0800, 0x86DD
PROTO_TCP = 6
HOP_BY_HOP = 0


def checksum(data):
    """The Internet checksum (RFC 1071); 0 if one is inside and right."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def tcp_checksum(source, destination, segment):
    """The checksum over pseudo header and segment; addresses as 4 or 16 bytes."""
    if len(source) == 4:
        pseudo = struct.pack("!4s4sBBH", source, destination, 0, PROTO_TCP, len(segment))
    else:
        pseudo = struct.pack("!16s16sII", source, destination, len(segment), PROTO_TCP)
    return checksum(pseudo + segment)


def split_options(area):
    """Return [(kind, value)]; what lies behind an END option must be zero."""
    options, at = [], 0
    while at < len(area):
        kind = area[at]
        if kind == END:
            assert not any(area[at:]), "padding behind the end of the options is not zero"
            break
        if kind == NOP:
            options.append((NOP, b""))
            at += 1
            continue
        length = area[at + 1]
        assert 2 <= length <= len(area) - at, "option runs past the header"
        options.append((kind, area[at + 2 : at + length]))
        at += length
    return options


def check_options(area, flags):
    options = split_options(area)
    kinds = [kind for kind, _ in options if kind != NOP]
    assert len(set(kinds)) == len(kinds), f"options {kinds}: one is there twice"
    for kind, value in options:
        assert len(value) + 2 == LENGTHS.get(kind, len(value) + 2), f"length of option {kind}"
    if flags & SYN:
        assert SACK not in kinds
    else:
        assert not {MSS, WSCALE, SACK_OK} & set(kinds), f"options {kinds} without SYN"
    for kind, value in options:
        if kind == SACK:
            assert len(value) in {8, 16, 24, 32}
        if kind == TIMESTAMPS and not flags & ACK:
            assert value[4:] == bytes(4), "TSecr is not zero where no ACK is"


def check_tcp(source, destination, segment):
    assert len(segment) >= 20
    assert tcp_checksum(source, destination, segment) == 0, "TCP checksum"
    offset, flags = segment[12], segment[13]
    header = (offset >> 4) * 4
    assert 20 <= header <= len(segment)
    assert offset & 0x0F == 0, "reserved bits"
    assert flags & (SYN | FIN | RST) in {0, SYN, FIN, RST}
    assert flags & (SYN | RST | ACK), "neither SYN nor RST, and no ACK"
    if not flags & ACK:
        assert segment[8:12] == bytes(4), "acknowledgment number where no ACK is"
    if not flags & URG:
        assert segment[18:20] == bytes(2), "urgent pointer where no URG is"
    if flags & RST:
        assert segment[14:16] == bytes(2), "a RST offers a window"
    if flags & (SYN | RST) and b"PVSP" not in segment[20:header]:
        assert len(segment) == header, "data on a SYN or RST"
    check_options(segment[20:header], flags)


def check_ip4(packet):
    assert packet[0] == 0x45
    length = int.from_bytes(packet[2:4], "big")
    assert 20 <= length <= len(packet)
    assert not any(packet[length:]), "trailing bytes are not zero"
    assert checksum(packet[:20]) == 0, "IPv4 header checksum"
    if packet[9] == PROTO_TCP:
        assert packet[6:8] == b"\x40\x00", "DF, and no fragment"
        check_tcp(packet[12:16], packet[16:20], packet[20:length])
    else:
        assert checksum(packet[20:length]) == 0, "ICMP checksum"


def check_ip6(packet):
    assert packet[0] >> 4 == 6
    length = int.from_bytes(packet[4:6], "big")
    assert 40 + length <= len(packet)
    if packet[6] == PROTO_TCP:
        check_tcp(packet[8:24], packet[24:40], packet[40 : 40 + length])


def check_frame(frame):
    """Raises AssertionError if it breaks a rule."""
    kind = int.from_bytes(frame[12:14], "big")
    if kind == IP4:
        check_ip4(frame[14:])
    elif kind == IP6:
        check_ip6(frame[14:])
