"""ICMP errors, path MTU, blind attacks (section Q)."""

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6PacketTooBig,
    ICMPv6ParamProblem,
    ICMPv6TimeExceeded,
    IPv6,
)
from scapy.packet import Raw

from tests.proofs import proves
from tests.python.peer import LINUX_OPTIONS, payload_of
from tests.python.tcp.frames import ACK, PSH, Wire, ethernet, ip4
from tests.python.tcp.frames import tcp as make_tcp
from tests.python.tcp.host import PORT, Host
from tests.python.tcp.wire_rules import IP4

PLAIN = [("MSS", 1460)]
SACK = [("MSS", 1460), ("SAckOK", b"")]
ETIMEDOUT, ECONNREFUSED, EHOSTUNREACH, ENETUNREACH = 110, 111, 113, 101
ROUTER4, ROUTER6 = "10.9.0.77", "fd09::77"

v4_and_v6 = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])

SOFT4 = [
    (3, 0),
    (3, 1),
    (3, 5),
    (3, 6),
    (3, 7),
    (3, 8),
    (3, 11),
    (3, 12),
    (11, 0),
    (11, 1),
    (12, 0),
]
HARD4 = [(3, 2), (3, 3), (3, 9), (3, 10), (3, 13)]
SOFT6 = [
    ICMPv6DestUnreach(code=0),
    ICMPv6DestUnreach(code=3),
    ICMPv6TimeExceeded(code=0),
    ICMPv6ParamProblem(code=0),
]
HARD6 = [ICMPv6DestUnreach(code=1), ICMPv6DestUnreach(code=4), ICMPv6ParamProblem(code=1)]


def quote(end, *, seq, size=0, **ports):
    """Our segment to this peer as an ICMP error has it: header and eight bytes."""
    src, dst = end.ip.dst, end.ip.src
    segment = TCP(**{"sport": end.port, "dport": end.sport, "seq": seq, "flags": "A"} | ports)
    if isinstance(end.ip, IP):
        packet = IP(src=src, dst=dst, len=40 + size) / segment
        return bytes(packet)[:28]
    return bytes(IPv6(src=src, dst=dst, plen=20 + size) / segment)[:60]


def send_error(host, end, message, quoted):
    """`message`: an ICMP layer without its quote."""
    if isinstance(end.ip, IP):
        host.peer.send(IP(src=ROUTER4, dst=end.ip.dst) / message / Raw(quoted))
    else:
        host.peer.send(IPv6(src=ROUTER6, dst=end.ip.dst) / message / Raw(quoted))


def too_big(host, end, mtu, *, seq, size=1460, **ports):
    v4 = isinstance(end.ip, IP)
    message = ICMP(type=3, code=4, nexthopmtu=mtu) if v4 else ICMPv6PacketTooBig(mtu=mtu)
    send_error(host, end, message, quote(end, seq=seq, size=size, **ports))


def unreachable(end, hard):
    if isinstance(end.ip, IP):
        return ICMP(type=3, code=3 if hard else 1)
    return ICMPv6DestUnreach(code=4 if hard else 3)


def segments(host, end, seconds=0.0):
    return [f[TCP] for f in host.peer.frames(seconds) if TCP in f and f[TCP].dport == end.sport]


def sizes(host, end, seconds=0.0):
    return [len(payload_of(tcp)) for tcp in segments(host, end, seconds)]


def ids(message):
    return f"{message.type}-{message.code}"


# Errors


@proves("Q01", "Q05")
@pytest.mark.parametrize(("kind", "code"), HARD4)
def test_hard_errors_refuse_a_connect(host, kind, code):
    end, app = host.connect()
    syn = end.expect("S")
    send_error(host, end, ICMP(type=kind, code=code), quote(end, seq=syn.seq))
    assert app.state == "CLOSED"
    assert app.error == ECONNREFUSED


@proves("Q01", "Q05")
@pytest.mark.parametrize("message", HARD6, ids=ids)
def test_hard_errors_refuse_a_connect_over_ipv6(host, message):
    end, app = host.connect(v6=True)
    syn = end.expect("S")
    send_error(host, end, message, quote(end, seq=syn.seq))
    assert app.error == ECONNREFUSED


@proves("Q03", "Q05")
@pytest.mark.parametrize(("kind", "code"), SOFT4 + HARD4)
def test_no_error_ends_an_established_connection(host, kind, code):
    end, app = host.connection(options=PLAIN)
    app.send(b"data")
    seq = end.expect("PA").seq
    send_error(host, end, ICMP(type=kind, code=code), quote(end, seq=seq))
    end.segment("A")
    app.send(b"more")
    end.expect("PA", b"more")
    assert app.state == "ESTABLISHED"
    assert host.counter("ICMP_ERROR_TAKEN") == 1


@proves("Q03", "Q05")
@pytest.mark.parametrize("message", SOFT6 + HARD6, ids=ids)
def test_no_error_ends_an_established_connection_over_ipv6(host, message):
    end, app = host.connection(options=PLAIN, v6=True)
    app.send(b"data")
    seq = end.expect("PA").seq
    send_error(host, end, message, quote(end, seq=seq))
    end.segment("A")
    app.send(b"more")
    end.expect("PA", b"more")
    assert host.counter("ICMP_ERROR_TAKEN") == 1


@proves("Q03")
@pytest.mark.parametrize("kind", range(4))
def test_a_soft_error_does_not_end_a_connect(host, kind):
    end, app = host.connect()
    syn = end.expect("S")
    send_error(host, end, ICMP(type=3, code=kind % 2), quote(end, seq=syn.seq))
    assert app.state == "SYN-SENT"
    end.expect("S", within=1.1)
    end.segment("SA", options=PLAIN)
    assert app.state == "ESTABLISHED"


@v4_and_v6
@proves("Q04")
@pytest.mark.parametrize("established", [False, True])
def test_a_soft_error_is_the_reason_of_a_later_time_out(v6, established):
    with Host(tcp={"syn_retries": 2, "data_retries": 2}) as host:
        if established:
            end, app = host.connection(options=PLAIN, v6=v6)
            app.send(b"x")
            seq = end.expect("PA").seq
        else:
            end, app = host.connect(v6=v6)
            seq = end.expect("S").seq
        send_error(host, end, unreachable(end, hard=False), quote(end, seq=seq))
        host.lab.advance(60)
        assert app.error == EHOSTUNREACH


@proves("Q04")
def test_a_soft_error_that_was_overcome_is_forgotten():
    with Host(tcp={"data_retries": 2}) as host:
        end, app = host.connection(options=PLAIN)
        app.send(b"x")
        seq = end.expect("PA").seq
        send_error(host, end, unreachable(end, hard=False), quote(end, seq=seq))
        end.segment("A")
        app.send(b"y")
        host.lab.advance(60)
        assert app.error == ETIMEDOUT


@proves("Q02")
def test_source_quench_is_ignored(host):
    end, app = host.connection(options=PLAIN)
    app.send(bytes(20_000))
    seq = segments(host, end)[0].seq
    before = app.info.snd_cwnd
    send_error(host, end, ICMP(type=4), quote(end, seq=seq))
    assert app.info.snd_cwnd == before
    end.ack += 14_600
    end.segment("A")
    assert app.info.snd_cwnd > before


@v4_and_v6
@proves("Q01", "Q06")
@pytest.mark.parametrize("by", [-1000, -1, 1, 2, 70_000, 1 << 31])
def test_a_quoted_number_outside_of_the_flight_is_ignored(host, v6, by):
    end, app = host.connect(v6=v6)
    syn = end.expect("S")
    send_error(host, end, unreachable(end, hard=True), quote(end, seq=(syn.seq + by) % 2**32))
    assert app.state == "SYN-SENT"
    assert host.counter("ICMP_ERROR_IGNORED") == 1


@v4_and_v6
@proves("Q06")
def test_of_what_is_acknowledged_an_error_says_nothing(host, v6):
    end, app = host.connection(options=PLAIN, v6=v6)
    app.send(bytes(1440))
    start = end.ack
    segments(host, end)
    end.ack += 1440
    end.segment("A")
    for seq in (start, start + 1439, start + 1440):
        too_big(host, end, 1300, seq=seq)
    assert app.info.snd_mss == 1440 if v6 else 1460
    assert host.counter("MTU_LOWERED") == 0


@proves("Q01")
@pytest.mark.parametrize("change", [{"sport": 81}, {"dport": 1}])
def test_an_error_about_another_connection_is_ignored(host, change):
    end, app = host.connect()
    syn = end.expect("S")
    quoted = quote(end, seq=syn.seq, **change)
    send_error(host, end, unreachable(end, hard=True), quoted)
    assert app.state == "SYN-SENT"


@proves("Q01")
def test_an_error_with_a_cut_quote_is_ignored(host):
    end, app = host.connect()
    syn = end.expect("S")
    whole = quote(end, seq=syn.seq)
    for size in range(len(whole)):
        send_error(host, end, unreachable(end, hard=True), whole[:size])
    assert app.state == "SYN-SENT"


@proves("H19")
@pytest.mark.parametrize("state", ["FIN-WAIT-1", "CLOSING", "LAST-ACK"])
def test_in_closing_states_errors_are_soft_too(host, state):
    end, app = host.in_state(state, options=PLAIN)
    send_error(host, end, unreachable(end, hard=True), quote(end, seq=end.ack - 1))
    assert app.state == state


# Path MTU


def full(v6, mtu=1500):
    return mtu - (60 if v6 else 40)


@v4_and_v6
@proves("Q07", "Q12")
@pytest.mark.parametrize("options", [PLAIN, SACK, LINUX_OPTIONS], ids=["plain", "sack", "linux"])
def test_too_big_lowers_the_segments_and_resends_at_once(host, v6, options):
    end, app = host.connection(options=options, v6=v6)
    room = 12 if options is LINUX_OPTIONS else 0
    data = bytes(i % 251 for i in range(8000))
    app.send(data)
    sent = segments(host, end)
    assert len(payload_of(sent[0])) == full(v6) - room
    before = app.info
    too_big(host, end, 1300, seq=sent[0].seq)
    again = segments(host, end)
    assert app.info.snd_mss == full(v6, 1300) - room
    assert app.info.pmtu == 1300
    assert {len(payload_of(tcp)) for tcp in again[:3]} == {
        full(v6, 1300) - room,
        full(v6) - full(v6, 1300),
    }
    assert again[0].seq == sent[0].seq
    assert (app.info.snd_cwnd, app.info.backoff) == (before.snd_cwnd, 0)
    assert app.info.snd_ssthresh == before.snd_ssthresh
    got = {}
    for tcp in again:
        for i, byte in enumerate(payload_of(tcp)):
            got[tcp.seq - sent[0].seq + i] = byte
    last = sent[-1]
    for i, byte in enumerate(payload_of(last)):
        got.setdefault(last.seq - sent[0].seq + i, byte)
    assert bytes(got[i] for i in range(8000)) == data
    end.ack += 8000
    end.segment("A")
    app.send(bytes(3000))
    assert sizes(host, end)[0] == full(v6, 1300) - room


@v4_and_v6
@proves("Q07")
def test_a_new_connection_knows_the_path(host, v6):
    end, app = host.connection(options=PLAIN, v6=v6)
    app.send(bytes(3000))
    too_big(host, end, 1400, seq=end.ack)
    segments(host, end)
    end, app = host.connection(options=PLAIN, v6=v6)
    app.send(bytes(1500))
    assert sizes(host, end)[0] == full(v6, 1400)


@proves("Q07")
def test_another_connection_learns_of_it_when_its_segments_are_lost(host):
    first, one = host.connection(options=PLAIN)
    second, two = host.connection(options=PLAIN)
    one.send(bytes(1460))
    two.send(bytes(1460))
    host.peer.frames()
    too_big(host, first, 1400, seq=first.ack)
    host.peer.frames()
    host.lab.advance(1.1)
    assert sizes(host, second)[0] == 1360


@v4_and_v6
@proves("Q08")
@pytest.mark.parametrize("mtu", [1, 40, 67])
def test_an_impossible_mtu_is_ignored(host, v6, mtu):
    end, app = host.connection(options=PLAIN, v6=v6)
    app.send(bytes(1400))
    segments(host, end)
    too_big(host, end, mtu, seq=end.ack)
    assert app.info.snd_mss == full(v6)
    assert segments(host, end) == []


@proves("Q08")
@pytest.mark.parametrize("mtu", [68, 296, 551, 552])
def test_a_small_mtu_is_adopted_down_to_a_floor(host, mtu):
    end, app = host.connection(options=PLAIN)
    app.send(bytes(1460))
    too_big(host, end, mtu, seq=end.ack)
    assert app.info.snd_mss == 512


@proves("Q08")
@pytest.mark.parametrize("mtu", [68, 552, 1279])
def test_below_1280_nothing_is_adopted_over_ipv6(host, mtu):
    end, app = host.connection(options=PLAIN, v6=True)
    app.send(bytes(1440))
    too_big(host, end, mtu, seq=end.ack)
    assert app.info.snd_mss == 1440


@v4_and_v6
@proves("Q09")
@pytest.mark.parametrize("mtu", [1500, 1501, 9000, 65535])
def test_a_larger_mtu_is_ignored(host, v6, mtu):
    end, app = host.connection(options=PLAIN, v6=v6)
    app.send(bytes(1440))
    too_big(host, end, 1400, seq=end.ack)
    assert app.info.snd_mss == full(v6, 1400)
    too_big(host, end, mtu, seq=end.ack)
    assert app.info.snd_mss == full(v6, 1400)
    assert app.info.pmtu == 1400


@proves("Q10")
@pytest.mark.parametrize(
    ("size", "mtu"), [(1460, 1492), (1452, 1280), (1240, 1006), (800, 576), (500, 552)]
)
def test_an_old_message_means_the_next_plateau(host, size, mtu):
    end, app = host.connection(options=PLAIN)
    app.send(bytes(1460))
    segments(host, end)
    too_big(host, end, 0, seq=end.ack, size=size)
    assert app.info.snd_mss == mtu - 40


@v4_and_v6
@proves("Q11")
def test_after_ten_minutes_more_is_tried_again_not_before(host, v6):
    end, app = host.connection(options=PLAIN, v6=v6)
    app.send(bytes(full(v6)))
    segments(host, end)
    too_big(host, end, 1300, seq=end.ack)
    end.ack += full(v6)
    segments(host, end)
    end.segment("A")
    since = host.lab.now
    largest = 0
    while host.lab.now - since < 700 and largest <= full(v6, 1300):
        app.send(bytes(3000))
        largest = max(sizes(host, end))
        host.lab.advance(0.01)
        end.ack += 3000
        end.segment("A")
        host.lab.advance(10)
    assert 600 <= host.lab.now - since < 650
    assert largest == full(v6)


@v4_and_v6
@proves("Q13")
def test_while_such_segments_arrive_the_message_is_not_believed(host, v6):
    end, app = host.connection(options=PLAIN, v6=v6)
    app.send(bytes(full(v6)))
    end.expect_data(full(v6))
    for _ in range(2):
        app.send(bytes(3 * full(v6)))
        segments(host, end)
        too_big(host, end, 1300, seq=end.ack)
        assert app.info.snd_mss == full(v6)
        end.ack += 3 * full(v6)
        end.segment("A")
    app.send(bytes(full(v6)))
    segments(host, end)
    too_big(host, end, 1300, seq=end.ack)
    assert sizes(host, end, 1)[0] == full(v6, 1300), "once nothing comes back it is"


@v4_and_v6
@proves("Q14")
@pytest.mark.parametrize(("size", "window"), [(20_000, 65_535), (1400, 65_535), (5000, 1400)])
def test_a_black_hole_is_got_around(host, v6, size, window):
    """Segments larger than 1300 vanish without a word, full ones, the last, or all of a window."""
    end, app = host.connection(options=PLAIN, v6=v6)
    end.window = window
    end.segment("A")
    data = bytes(i % 251 for i in range(size))
    app.send(data)
    start, got = end.ack, b""
    for _ in range(400):
        for tcp in segments(host, end, 0.2):
            part = payload_of(tcp)
            if len(part) <= 1240 and tcp.seq - start == len(got):
                got += part
        end.ack = start + len(got)
        end.segment("A")
        if got == data:
            break
    assert got == data
    assert host.counter("BLACK_HOLE") >= 1
    assert host.lab.now < 30


@proves("Q14")
def test_without_probing_a_black_hole_is_none_of_our_business():
    with Host(tcp={"mtu_probing": False}) as host:
        end, app = host.connection(options=PLAIN)
        app.send(bytes(5000))
        segments(host, end)
        assert set(sizes(host, end, 60)) == {1460}
        assert host.counter("BLACK_HOLE") == 0


# Blind attacks


@v4_and_v6
@proves("Q16")
@pytest.mark.parametrize("which", ["ack too old", "ack too new", "seq below", "seq above"])
def test_injected_data_needs_both_numbers(host, v6, which):
    end, app = host.connection(options=PLAIN, v6=v6)
    numbers = {
        "ack too old": {"ack": (end.ack - 70_000) % 2**32},
        "ack too new": {"ack": end.ack + 1},
        "seq below": {"seq": (end.seq - 10_000) % 2**32},
        "seq above": {"seq": end.seq + 70_000},
    }[which]
    end.segment("PA", b"evil", **{"seq": end.seq, "ack": end.ack} | numbers)
    assert app.recv() is None
    answers = segments(host, end)
    assert [(tcp.seq, tcp.ack, str(tcp.flags)) for tcp in answers] == [(end.ack, end.seq, "A")]
    end.segment("PA", b"good")
    assert app.recv() == b"good"


# What others ask of a host


@proves("Q17")
def test_udp_and_unknown_protocols_are_refused_and_echo_is_answered(host):
    us, them = host.lab.address, host.peer.address
    host.peer.send(IP(src=them, dst=us) / UDP(sport=53, dport=9) / b"data")
    answer = host.peer.frames()[0]
    assert (answer[ICMP].type, answer[ICMP].code) == (3, 3)
    host.peer.send(IP(src=them, dst=us, proto=99) / Raw(b"x" * 20))
    answer = host.peer.frames()[0]
    assert (answer[ICMP].type, answer[ICMP].code) == (3, 2)
    host.peer.send(IP(src=them, dst=us) / ICMP(id=7, seq=9) / b"ping")
    answer = host.peer.frames()[0]
    assert (answer[ICMP].type, answer[ICMP].id, answer[ICMP].seq) == (0, 7, 9)
    assert answer[Raw].load[:4] == b"ping"


@proves("Q17")
def test_udp_and_unknown_headers_are_refused_and_echo_is_answered_over_ipv6(host):
    us, them = host.lab.address6, host.peer.address6
    host.peer.send(IPv6(src=them, dst=us) / UDP(sport=53, dport=9) / b"data")
    answer = host.peer.frames()[0]
    assert answer[ICMPv6DestUnreach].code == 4
    host.peer.send(IPv6(src=them, dst=us, nh=99) / Raw(b"x" * 20))
    answer = host.peer.frames()[0]
    assert (answer[ICMPv6ParamProblem].code, answer[ICMPv6ParamProblem].ptr) == (1, 6)
    host.peer.send(IPv6(src=them, dst=us) / ICMPv6EchoRequest(id=7, seq=9, data=b"ping"))
    answer = host.peer.frames()[0]
    assert (answer[ICMPv6EchoReply].id, answer[ICMPv6EchoReply].data) == (7, b"ping")


# Fragments


def pieces(segment, *cuts, ident=1):
    """An IPv4 packet with this TCP segment as fragments [(from, to)], in this order."""
    for first, last in cuts:
        flags = 0 if last >= len(segment) else 0x2000
        part = segment[first:last]
        yield ethernet(ip4(part, fragment=flags | first // 8, ident=ident), IP4)


def data_segment(end, data):
    return make_tcp((end.sport, PORT), ACK | PSH, end.seq, end.ack, data=data)


@proves("Q18")
@pytest.mark.parametrize("order", [1, -1])
def test_a_segment_in_fragments_is_put_together(host, order):
    end, app = host.connection(options=PLAIN)
    segment = data_segment(end, bytes(range(200)))
    cuts = [(0, 48), (48, 120), (120, 220)][::order]
    Wire(host).send(*pieces(segment, *cuts))
    assert app.recv() == bytes(range(200))
    assert host.counter("IP4_REASSEMBLED") == 1


@proves("Q18")
@pytest.mark.parametrize("first", [8, 16])
def test_a_header_in_two_pieces_is_thrown_away(host, first):
    end, app = host.connection(options=PLAIN)
    segment = data_segment(end, b"x" * 100)
    Wire(host).send(*pieces(segment, (0, first), (first, 120)))
    assert app.recv() is None
    assert host.counter("IP4_FRAGMENT_DROPPED") == 2


@proves("Q18")
@pytest.mark.parametrize("at", [0, 8, 16, 24, 40])
def test_overlapping_fragments_overwrite_nothing(host, at):
    """A second fragment over the first one: whatever is delivered, it is no mixture."""
    end, app = host.connection(options=PLAIN)
    good = data_segment(end, b"g" * 100)
    evil = make_tcp((end.sport, PORT), ACK | PSH, end.seq, end.ack, data=b"e" * 100)
    wire = Wire(host)
    wire.send(
        *pieces(good, (0, 48)),
        ethernet(ip4(evil[at : at + 56], fragment=0x2000 | at // 8, ident=1), IP4),
        *pieces(good, (48, 120)),
    )
    read = app.recv()
    assert read in {None, b"g" * 100}
    host.lab.advance(60)
    segment = data_segment(end, b"g" * 100)
    if read is None:
        wire.send(ethernet(ip4(segment), IP4))
        assert app.recv() == b"g" * 100
