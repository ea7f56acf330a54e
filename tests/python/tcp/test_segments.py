"""Header, checksum and options (section A)."""

import itertools
import random

import pytest
from scapy.layers.inet import IP, TCP, IPOption, IPOption_NOP, IPOption_RR
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from pyprov.core.port import OPT_TOS, OPT_TTL, ConnectParams, pack_address
from tests.proofs import proves
from tests.python.peer import LINUX_OPTIONS, payload_of, stamp_of
from tests.python.tcp import wire_rules
from tests.python.tcp.flow import split
from tests.python.tcp.frames import ACK, PSH, SYN, Wire, frame4, frame6
from tests.python.tcp.host import PORT, Host, refused

both = pytest.mark.parametrize("v6", [False, True], ids=["ipv4", "ipv6"])


def corrupted(end, flags, payload=b"", flip=1, **fields):
    """The segment with one bit of its checksum wrong."""
    packet = end.build(flags, payload, **fields)
    packet = packet.__class__(bytes(packet))
    packet[TCP].chksum ^= flip
    return packet


@both
@proves("A01", "A02", "A04")
def test_what_we_send_has_the_right_sum_whatever_its_length(host, v6):
    end, app = host.connection(v6=v6)
    for size in (1, 2, 3, 7, 8, 63, 64, 65, 1447, 1448):
        data = random.Random(size).randbytes(size)  # the watching peer checks every sum
        app.send(data)
        assert end.expect_data(size) == data


@both
@proves("A04")
def test_odd_lengths_are_padded_for_the_sum_only(host, v6):
    end, app = host.connection(v6=v6)
    for size in (1, 2, 3, 5, 9, 31, 33, 999):
        data = bytes([0xFF]) * size
        end.segment("PA", data)
        assert app.recv() == data


def test_the_watching_peer_notices_broken_frames(host):
    _, app = host.connection()
    app.send(b"x")
    (_, good) = host.lab.collect()[-1]
    wire_rules.check_frame(good)
    for at in (14 + 8, 14 + 20 + 4, 14 + 20 + 12, 14 + 20 + 16, len(good) - 1):
        bad = bytearray(good)
        bad[at] ^= 1
        with pytest.raises(AssertionError):
            wire_rules.check_frame(bytes(bad))


@both
@proves("A03")
def test_a_wrong_sum_is_dropped_in_silence(host, v6):
    end, app = host.connection(v6=v6)
    other = host.peer.tcp(PORT, v6=v6)
    closed = host.peer.tcp(81, v6=v6)
    before = host.counter("TCP_CHECKSUM")
    for packet in (
        corrupted(other, "S"),
        corrupted(closed, "S"),
        corrupted(closed, "A"),
        corrupted(end, "PA", b"data", flip=0x8000),
        corrupted(end, "FA"),
        corrupted(end, "R"),
        corrupted(end, "S"),
    ):
        host.peer.send(packet)
    assert host.peer.frames(0.3) == []
    assert host.counter("TCP_CHECKSUM") == before + 7
    end.segment("PA", b"data")
    assert app.recv() == b"data"
    assert app.state == "ESTABLISHED"


@proves("A03")
def test_a_sum_of_zero_is_wrong_like_any_other(host):
    end, app = host.connection()
    end.segment("PA", b"data", chksum=0)
    assert app.recv() is None
    assert host.counter("TCP_CHECKSUM") == 1


@proves("A06")
@pytest.mark.parametrize("bits", range(1, 16))
def test_reserved_bits_are_ignored(host, bits):
    def send(end, flags, payload=b"", **fields):
        packet = end.build(flags, payload, **fields)
        raw = bytearray(bytes(packet))
        raw[20 + 12] |= bits
        fixed = IP(bytes(raw))
        del fixed[TCP].chksum
        host.peer.send(fixed)

    end = host.peer.tcp(PORT)
    send(end, "S", options=LINUX_OPTIONS)
    end.seq += 1
    answer = end.expect("SA", ack=end.seq)
    stamp, _ = stamp_of(answer[TCP].options)
    end.options = [("Timestamp", (2, stamp))]
    send(end, "PA", b"data")
    app = host.accept()
    assert app.recv() == b"data"
    end.seq += 4
    end.expect("A", ack=end.seq, within=0.2)  # the watching peer wants ours to be zero


@both
@proves("A07")
@pytest.mark.parametrize("offset", [0, 1, 4, 9, 15])
def test_an_impossible_data_offset_is_dropped(host, v6, offset):
    end, app = host.connection(v6=v6)
    other = host.peer.tcp(PORT, v6=v6)
    closed = host.peer.tcp(81, v6=v6)
    for whose, flags in ((other, "S"), (closed, "A"), (end, "A"), (end, "R")):
        whose.segment(flags, dataofs=offset, options=[], seq=whose.seq)
    assert host.peer.frames(0.3) == []
    assert host.counter("TCP_MALFORMED") == 4
    end.segment("PA", b"data")
    assert app.recv() == b"data"


@both
@proves("A07")
@pytest.mark.parametrize("size", [0, 1, 8, 19])
def test_a_segment_shorter_than_a_header_is_dropped(host, v6, size):
    end = host.peer.tcp(PORT, v6=v6)
    whole = bytes(end.build("S")[TCP])
    packet = end.ip.copy()
    if v6:
        packet.nh = 6
    else:
        packet.proto = 6
    host.peer.send(packet / Raw(whole[:size]))
    assert host.peer.frames(0.1) == []
    assert host.counter("TCP_TRUNCATED") == 1


@proves("A08", "A10", "A12")
@pytest.mark.parametrize(
    "options",
    [
        "020402bc",
        "01 020402bc 00 0000",
        "0101 020402bc 0101",
        "010101 020402bc 00",
        "020402bc 00 ffffff",  # behind the end nothing is looked at
        "fd08f9891234 5678 020402bc",
        "1e0c0001 0000000000000000 020402bc",
        "fe02 fe03ff 020402bc 01 fe02",
        "22 02 020402bc 0101",
    ],
)
def test_mss_is_found_among_other_options(host, options):
    wire = Wire(host)
    ports = (5000, PORT)
    area = bytes.fromhex(options)
    (answer,) = wire.send(frame4(ports, SYN, 100, options=area))
    wire.send(frame4(ports, ACK, 101, answer.seq + 1))
    app = host.accept()
    app.send(bytes(1600))
    assert [len(segment.payload) for segment in wire.collect()][:2] == [700, 700]


@proves("A12")
@pytest.mark.parametrize(
    "order", list(itertools.permutations(["020405b4", "0402", "080a0000002a00000000", "030305"]))
)
def test_options_of_a_syn_are_found_in_any_order_and_place(host, order):
    wire = Wire(host)
    area = bytes.fromhex("01".join(order))
    (answer,) = wire.send(frame4((5000, PORT), SYN, 100, options=area))
    kinds = dict(wire_rules.split_options(answer.options))
    assert kinds[wire_rules.TIMESTAMPS][4:] == (42).to_bytes(4, "big")
    assert {wire_rules.SACK_OK, wire_rules.WSCALE} < set(kinds)
    stamps = b"\x08\x0a\0\0\0\x2b" + kinds[wire_rules.TIMESTAMPS][:4]
    wire.send(frame4((5000, PORT), ACK, 101, answer.seq + 1, options=stamps, window=1000))
    info = host.accept().info
    assert (info.snd_wscale, info.snd_wnd, info.options & 7) == (5, 32000, 7)


@proves("A09", "A12")
@pytest.mark.parametrize("shift", range(4))
def test_options_are_read_on_any_segment_at_any_place(host, shift):
    end, app = host.connection()
    stamp = end.options[-1][1][1]
    nops = [("NOP", None)] * shift
    end.options = [*nops, ("Timestamp", (77, stamp)), (253, b"abcd"), ("MSS", 100)]
    end.segment("PA", b"data")
    assert app.recv() == b"data"
    answer = end.expect("A", within=0.2)
    assert stamp_of(answer[TCP].options)[1] == 77
    app.send(bytes(1000))  # an MSS beside no SYN means nothing
    end.expect("PA", bytes(1000))


@proves("A11")
@pytest.mark.parametrize(
    "options",
    [
        "0200ffff",  # lengths of 0 and 1
        "0201ffff",
        "fd000000",
        "01010101 01010801",
        "0101fd01",
        "01 01 01 02",  # a kind at the very end
        "0204",  # cut off
        "010102ff",
        "0101 080a 00000001 0000",
        "05ff 0000",
        "01fdff00",
        "0203ff 00",  # not the kind's own length
        "03020101",
        "0403ff 00",
        "0809 00000001 000000 00",
        "0509 0000000000000001 0000",
    ],
)
def test_impossible_option_lengths_end_the_segment_alone(host, options):
    wire = Wire(host)
    area = bytes.fromhex(options)
    area += b"\x01" * (-len(area) % 4) if options != "0204" else b""
    if options == "0204":
        area = b"\x01\x01" + area
    end, app = host.connection(options=[("MSS", 1460)])
    ports = (end.sport, PORT)
    before = host.counter("TCP_OPTIONS")
    answers = wire.send(
        frame4((5000, PORT), SYN, 100, options=area),
        frame4(ports, ACK | PSH, end.seq, end.ack, options=area, data=b"data"),
        frame4((5000, 81), SYN, 100, options=area),
    )
    bad = host.counter("TCP_OPTIONS") - before
    assert (bad, app.recv(), answers) in [
        (3, None, []),  # dropped, all three
        (0, b"data", answers),  # or taken without that option
    ]
    if bad:
        end.segment("PA", b"data")
        assert app.recv() == b"data"


@proves("A10", "A11")
@pytest.mark.parametrize(
    "wrong",
    ["0203ff", "02060400 0000", "0302", "03040707", "0403ff", "0809 00000001 000000", "05 03 00"],
)
def test_a_known_option_of_a_wrong_length_is_skipped(host, wrong):
    area = bytes.fromhex(wrong + "020403e8")  # MSS 1000 behind it
    area += b"\x01" * (-len(area) % 4)
    (answer,) = Wire(host).send(frame4((5000, PORT), SYN, 100, options=area))
    assert answer.flags == SYN | ACK
    assert set(split(answer.options)) == {wire_rules.MSS}
    Wire(host).send(frame4((5000, PORT), ACK, 101, answer.seq + 1))
    assert host.accept().info.snd_mss == 1000


@proves("A14")
def test_the_window_is_unsigned(host):
    for scale, window in ((0, 0xFFFF), (0, 0x8000), (14, 0xFFFF), (1, 0xC001)):
        end = host.peer.tcp(PORT)
        end.window = window
        end.handshake([("MSS", 1460), ("WScale", scale)])
        assert host.accept().info.snd_wnd == window << scale


@proves("A14")
def test_a_window_above_32767_is_used_up():
    with Host(tcp={"initial_window": 64}) as host:
        end = host.peer.tcp(PORT)
        end.window = 40000
        end.handshake([("MSS", 1460)])
        host.accept().send(bytes(60000))
        sizes = [len(payload_of(frame)) for frame in host.peer.frames()]
        assert 40000 - 1460 < sum(sizes) <= 40000


@both
@proves("A15")
@pytest.mark.parametrize("before", [0, 1, 2, 5, 1460, 5000])
def test_what_we_receive_may_wrap(host, v6, before):
    end, app = host.connection(v6=v6, isn=2**32 - 1 - before)
    data = random.Random(before).randbytes(12000)
    order = list(range(0, 12000, 1000))
    random.Random(before).shuffle(order)
    start = end.seq
    for at in order:
        end.segment("PA", data[at : at + 1000], seq=(start + at) % 2**32)
    assert app.recv() == data
    end.seq = (start + 12000) % 2**32
    end.segment("FA")
    assert end.find() is not None
    assert app.recv() == b""


def host_with_iss_below(end, wire):
    """A SYN whose answer's number lies less than `end` before the wrap: (ports, SYN-ACK)."""
    for first in range(1024, 65536, 32):
        ports = [(port, PORT) for port in range(first, min(first + 32, 65536))]
        for answer in wire.send(*(frame4(pair, SYN, 100) for pair in ports)):
            if answer.seq > 2**32 - end:
                return (answer.dport, PORT), answer
    pytest.fail("no such number in 64512 connections")


@proves("A15")
def test_what_we_send_may_wrap():
    with Host(tcp={"syn_cookies": "never"}, provider={"half_open_max": 65536}) as host:
        wire = Wire(host)
        ports, answer = host_with_iss_below(1 << 19, wire)
        wire.send(frame4(ports, ACK, 101, answer.seq + 1))
        app = host.accept()
        data = random.Random(1).randbytes(1 << 19)
        came, next_seq, written = bytearray(), answer.seq + 1, 0
        while len(came) < len(data):
            written += app.send(data[written : written + 65536]) or 0
            for segment in wire.collect():
                assert segment.seq == next_seq % 2**32
                came += segment.payload
                next_seq += len(segment.payload)
            wire.dataplane.inject(0, frame4(ports, ACK, 101, next_seq))
        assert next_seq > 2**32
        assert came == data


@proves("A16", "A13", "A06", "A20")
def test_a_whole_conversation_keeps_to_the_rules_of_the_wire(host):
    end, app = host.connection()
    app.send(b"hello")
    end.expect_data(5)
    end.segment("PA", b"there", seq=end.seq + 1000)  # selective acknowledgment
    end.expect("A")
    app.shutdown()
    end.expect("FA")
    end.segment("S")
    end.expect("A")
    host.peer.tcp(81).segment("S")
    host.peer.tcp(81).segment("PA")
    assert len(host.peer.frames()) == 2
    assert app.state == "FIN-WAIT-1"


@proves("A17")
@pytest.mark.parametrize(
    "options",
    [
        [IPOption_NOP()],
        [IPOption_RR(routers=["0.0.0.0"] * 3)],
        [IPOption(copy_flag=1, optclass=0, option=20, length=4, value=b"\0\0")],
        [IPOption(copy_flag=0, optclass=2, option=30, length=8, value=b"abcdef")],
    ],
    ids=["nop", "record route", "router alert", "unknown"],
)
def test_ip_options_are_passed_over(host, options):
    end = host.peer.tcp(PORT)
    end.ip.options = options
    end.handshake()
    app = host.accept()
    end.segment("PA", b"data")
    assert app.recv() == b"data"


@both
@proves("A18")
def test_ttl_is_as_configured_and_can_be_set(v6):
    field = "hlim" if v6 else "ttl"
    layer = IPv6 if v6 else IP
    with Host(tcp={"ttl": 33}) as host:
        end = host.peer.tcp(PORT, v6=v6)
        assert getattr(end.handshake()[layer], field) == 33
        app = host.accept()
        app.send(b"x")
        assert getattr(end.expect("PA")[layer], field) == 33
        app.option(OPT_TTL, 77)
        end.segment("A")
        app.send(b"x")
        assert getattr(end.expect("PA")[layer], field) == 77


@both
@proves("A19")
def test_dscp_can_change_during_a_connection(v6):
    field, layer = ("tc", IPv6) if v6 else ("tos", IP)
    with Host(tcp={"dscp": 10}) as host:
        end = host.peer.tcp(PORT, v6=v6)
        end.handshake()
        app = host.accept()
        app.send(b"x")
        assert getattr(end.expect("PA")[layer], field) == 10 << 2
        end.segment("A")
        app.option(OPT_TOS, 46 << 2)
        app.send(b"x")
        assert getattr(end.expect("PA")[layer], field) == 46 << 2
        end.segment("A")


BAD4 = {
    "broadcast source": {"src": "255.255.255.255"},
    "net broadcast source": {"src": "10.9.0.255"},
    "multicast source": {"src": "224.0.0.1"},
    "class E source": {"src": "241.1.1.1"},
    "no source": {"src": "0.0.0.0"},
    "this net's source": {"src": "0.1.2.3"},
    "loopback source": {"src": "127.0.0.1"},
    "our source": {"src": "10.9.0.2"},
    "broadcast": {"dst": "255.255.255.255"},
    "net broadcast": {"dst": "10.9.0.255"},
    "multicast": {"dst": "224.0.0.1"},
}
BAD6 = {
    "multicast source6": {"src": "ff02::1"},
    "no source6": {"src": "::"},
    "loopback source6": {"src": "::1"},
    "mapped source6": {"src": "::ffff:10.9.0.1"},
    "our source6": {"src": "fd09::2"},
    "all nodes": {"dst": "ff02::1"},
    "solicited nodes": {"dst": "ff02::1:ff00:2"},
}


@proves("A20")
@pytest.mark.parametrize("flags", ["S", "A", "PA", "FA", "R"])
@pytest.mark.parametrize("who", [*BAD4, *BAD6])
def test_impossible_addresses_get_silence(host, who, flags):
    layer = (
        IP(src="10.9.0.1", dst="10.9.0.2") if who in BAD4 else IPv6(src="fd09::1", dst="fd09::2")
    )
    for name, value in (BAD4 | BAD6)[who].items():
        setattr(layer, name, value)
    for port in (PORT, 81):
        host.peer.send(layer / TCP(sport=5000, dport=port, flags=flags))
    assert host.peer.frames(0.1) == []
    names = ("IP4_SOURCE", "IP4_BROADCAST", "IP6_SOURCE", "IP6_MULTICAST")
    assert sum(host.counts(*names)) == 2


@proves("A20")
@pytest.mark.parametrize("to", ["ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01"])
def test_a_segment_in_a_broadcast_frame_gets_silence(host, to):
    for port in (PORT, 81):
        host.peer.send(host.peer.tcp(port).build("S"), dst=to)
    assert host.peer.frames(0.1) == []
    assert host.counter("IP4_BROADCAST") == 2


@proves("A21")
@pytest.mark.parametrize(
    "address", ["255.255.255.255", "10.9.0.255", "224.0.0.1", "239.1.2.3", "ff02::1", "ff0e::1"]
)
def test_a_connect_to_a_group_is_refused(host, address):
    params = ConnectParams(peer=pack_address(address), peer_port=7)
    assert refused(host.dataplane.connect, params)
    host.turn()
    assert host.peer.frames() == []


@proves("A22")
@pytest.mark.parametrize(
    ("keys", "layout"),
    [
        ({}, "020405b4 0402 080a 01 0303"),
        ({"timestamps": False}, "020405b4 01 01 0402 01 0303"),
        ({"timestamps": False, "sack": False}, "020405b4 01 0303"),
        ({"window_scale": False}, "020405b4 0402 080a"),
        ({"sack": False}, "020405b4 01 01 080a 01 0303"),
    ],
)
def test_options_of_syn_and_syn_ack_stand_in_linux_order(keys, layout):
    def shape(area):
        shown = ""
        at = 0
        while at < len(area):
            kind = area[at]
            length = 1 if kind in {0, 1} else area[at + 1]
            value = area[at + 2 : at + length] if kind == wire_rules.MSS else b""
            shown += area[at : at + (1 if kind in {0, 1} else 2)].hex() + value.hex()
            at += length
        return shown

    with Host(tcp=keys) as host:
        end = host.peer.tcp(PORT)
        answer = end.handshake()
        area = bytes(answer[TCP])[20 : answer[TCP].dataofs * 4]
        assert shape(area) == layout.replace(" ", "")
        end, _ = host.connect()
        syn = end.expect("S")
        area = bytes(syn[TCP])[20 : syn[TCP].dataofs * 4]
        assert shape(area) == layout.replace(" ", "")


@proves("A22")
def test_options_of_later_segments(host):
    end, app = host.connection()
    app.send(b"x")
    data = end.expect("PA")
    assert bytes(data[TCP])[20:24] == bytes.fromhex("0101080a")
    assert data[TCP].dataofs == 8
    end.segment("A")
    end.segment("PA", b"x", seq=end.seq + 10)
    held = end.expect("A")
    area = bytes(held[TCP])[20 : held[TCP].dataofs * 4]
    assert (area[:4].hex(), area[12:16].hex(), len(area)) == ("0101080a", "0101050a", 24)


@proves("A23")
def test_df_is_set_on_every_segment(host):
    end = host.peer.tcp(PORT)
    answer = end.handshake()
    app = host.accept()
    app.send(bytes(3000))
    frames = [answer, *host.peer.frames()]
    host.peer.tcp(81).segment("S")
    frames += host.peer.frames()
    assert len(frames) == 5
    assert all(frame[IP].flags == "DF" and frame[IP].frag == 0 for frame in frames)


@both
@proves("A24")
def test_truncated_packets_are_dropped_and_padding_is_no_data(host, v6):
    end, app = host.connection(v6=v6)
    whole = bytes(Ether(src=host.peer.mac, dst=host.lab.mac) / end.build("PA", b"some data"))
    for cut in (1, 5, 9, 20, 40, len(whole) - 14 - 1, len(whole) - 14):
        host.peer.raw(whole[:-cut])
    assert app.recv() is None
    assert sum(host.counts("IP4_TRUNCATED", "IP6_TRUNCATED")) == 7
    host.peer.raw(whole + b"padding that is no data")
    assert app.recv() == b"some data"
    end.seq += 9
    end.segment("A")
    host.peer.raw(
        bytes(Ether(src=host.peer.mac, dst=host.lab.mac) / end.build("A")).ljust(60, b"\xff")
    )
    assert app.recv() is None


@proves("A24")
def test_trailing_bytes_do_not_complete_a_cut_header(host):
    wire = Wire(host)
    frame = bytearray(frame4((5000, PORT), SYN, 1))
    frame[16:18] = (39).to_bytes(2, "big")  # total length: one byte of the header is missing
    frame[24:26] = bytes(2)
    frame[24:26] = wire_rules.checksum(bytes(frame[14:34])).to_bytes(2, "big")
    assert wire.send(bytes(frame)) == []
    assert host.counter("TCP_TRUNCATED") == 1
    frame6_ = bytearray(frame6((5000, PORT), SYN, 1))
    frame6_[18:20] = (19).to_bytes(2, "big")
    assert wire.send(bytes(frame6_)) == []
    assert host.counter("TCP_TRUNCATED") == 2
