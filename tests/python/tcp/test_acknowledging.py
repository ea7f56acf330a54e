"""When we acknowledge (section G)."""

import socket

import pytest
from scapy.layers.inet import TCP

from pyprov.core.port import ConnectParams, ListenParams, pack_address
from pyprov.lab import Lab
from tests.proofs import proves
from tests.python.peer import payload_of
from tests.python.tcp.frames import (
    ACK,
    PSH,
    Segment,
    Wire,
    ethernet,
    frame4,
    ip4,
    is_tcp,
    tcp,
)
from tests.python.tcp.host import PORT, Host
from tests.python.tcp.wire_rules import IP4

PLAIN = [("MSS", 1460)]
SACK = [("MSS", 1460), ("SAckOK", b"")]
FULL = 1460

both = pytest.mark.parametrize("options", [PLAIN, SACK], ids=["plain", "sack"])


def opened(host, options=PLAIN, **tcp):
    return host.connection(options=options, **tcp)


def delay_of(host, end):
    """How long the answer to one small segment takes."""
    sent = host.lab.now
    end.segment("PA", b"x")
    answer = end.expect("A", ack=end.seq, within=0.6)
    return answer.time - sent


@proves("G01", "G02")
def test_one_small_segment_is_acknowledged_after_40_ms(host):
    end, _ = opened(host)
    for _ in range(3):
        assert delay_of(host, end) == pytest.approx(0.04, abs=0.002)
        host.lab.advance(0.1)
    assert host.counter("TCP_DELAYED_ACK") == 3


@proves("G02")
@pytest.mark.parametrize("delay", [0.001, 0.2, 0.499])
def test_the_delay_is_as_configured(delay):
    with Host(tcp={"delayed_ack_time": delay}) as host:
        end, _ = opened(host)
        assert delay_of(host, end) == pytest.approx(delay, abs=0.002)


@proves("G02")
def test_later_segments_do_not_put_the_delay_off(host):
    end, _ = opened(host)
    sent = host.lab.now
    for _ in range(4):
        end.segment("PA", b"x")
        assert end.take() is None
        host.lab.advance(0.009)
    answer = end.expect("A", ack=end.seq, within=0.1)
    assert answer.time - sent == pytest.approx(0.04, abs=0.002)


@proves("G01")
def test_without_delay_and_at_a_quick_start_each_segment_is_acknowledged_at_once():
    with Host(tcp={"delayed_ack": False}) as host:
        end, _ = opened(host)
        assert [delay_of(host, end) for _ in range(3)] == [0, 0, 0]
    with Host(tcp={"quick_ack_start": 2}) as host:
        end, _ = opened(host)
        assert [round(delay_of(host, end), 2) for _ in range(4)] == [0, 0, 0.04, 0.04]


@proves("G03")
@pytest.mark.parametrize("size", [FULL, 536])
def test_every_second_full_segment_is_acknowledged_at_once(host, size):
    end, app = opened(host)
    answers = []
    for _ in range(20):
        end.segment("A", bytes(size))
        answers.append(end.take())
        app.recv()
        assert not host.peer.frames()
    if size == FULL:
        gaps = [answer is not None for answer in answers]
        assert gaps == [False, True] * 10
    else:  # of smaller ones no more than two full segments wait
        waiting = 0
        for answer in answers:
            waiting += size
            assert waiting < 2 * FULL
            waiting = waiting if answer is None else 0


@proves("G03")
@pytest.mark.parametrize("v6", [False, True])
def test_full_are_the_segments_that_we_asked_for(v6):
    with Host(tcp={"mss_clamp": 250}) as host:
        end, _ = host.connection(options=PLAIN, v6=v6)
        answers = []
        for _ in range(8):
            end.segment("A", bytes(250))
            answers.append(end.take() is not None)
    assert answers == [False, True] * 4


@both
@proves("G04")
def test_out_of_order_data_is_acknowledged_at_once_and_each_time(host, options):
    end, _ = opened(host, options)
    for n in (3, 5, 7, 4, 1):
        end.segment("PA", b"x" * 100, seq=end.seq + 100 * n)
        end.expect("A", ack=end.seq)
    assert host.peer.frames(0.5) == []


@both
@proves("G05")
def test_what_fills_a_gap_in_part_or_whole_is_acknowledged_at_once(host, options):
    end, _ = opened(host, options)
    start = end.seq
    end.segment("PA", bytes(100), seq=start + 300)
    end.expect("A", ack=start)
    end.segment("PA", bytes(100), seq=start)  # in order, but a gap is left
    end.expect("A", ack=start + 100)
    end.segment("PA", bytes(100), seq=start + 200)  # from above
    end.expect("A", ack=start + 100)
    end.segment("PA", bytes(100), seq=start + 100)
    end.expect("A", ack=start + 400)
    assert host.peer.frames(0.5) == []


def burst(host, end, parts):
    """Let segments with these bytes arrive together."""
    frames, seq = [], end.seq
    for part in parts:
        frames.append(frame4((end.sport, PORT), ACK | PSH, seq, end.ack, data=part))
        seq += len(part)
    end.seq = seq
    return Wire(host).send(*frames)


@proves("G06")
@pytest.mark.parametrize("n", [2, 5, 20, 32])
def test_a_burst_is_acknowledged_once(host, n):
    end, app = opened(host)
    (answer,) = burst(host, end, [bytes(FULL)] * n)
    assert answer.ack == end.seq
    assert app.recv() == bytes(FULL * n)


@proves("G06")
def test_the_acknowledgment_of_a_burst_goes_with_the_data_it_sets_free(host):
    end, app = opened(host)
    app.send(bytes(20 * FULL))
    first = host.peer.frames()
    end.ack = (first[-1].seq + len(payload_of(first[-1][TCP]))) % 2**32
    sent = burst(host, end, [bytes(FULL)] * 4)
    assert sent
    assert all(segment.payload for segment in sent)
    assert sent[-1].ack == end.seq


@proves("G07")
def test_data_carries_the_acknowledgment(host):
    end, app = opened(host)
    end.segment("PA", b"request")
    host.lab.advance(0.02)
    app.send(b"response")
    end.expect("PA", b"response", ack=end.seq)
    end.segment("A")
    assert host.peer.frames(0.6) == []
    assert host.counter("TCP_DELAYED_ACK") == 0


@proves("G07")
def test_a_fin_carries_the_acknowledgment(host):
    end, app = opened(host)
    end.segment("PA", b"request")
    app.shutdown()
    end.expect("FA", ack=end.seq)
    end.segment("A")
    assert host.peer.frames(0.6) == []


@proves("G08")
def test_an_acknowledgment_is_never_acknowledged(host):
    end, app = opened(host)
    for n in range(10):
        end.segment("A")
        end.segment("A", window=1000 + n)
        end.segment("A", ack=end.ack - n)
    app.send(b"x")
    end.expect("PA")
    for _ in range(10):
        end.segment("A")
    assert host.peer.frames(1) == []


def forge(node, source, numbers, data):
    """Let a segment arrive at one end of a pair that the other never sent."""
    addresses = (socket.inet_aton(source.address), socket.inet_aton(node.address))
    ports = (PORT, 5000) if source.address.endswith(".2") else (5000, PORT)
    segment = tcp(ports, ACK | PSH, *numbers, addresses=addresses, data=data)
    packet = ip4(segment, source=addresses[0], destination=addresses[1])
    node.inject(ethernet(packet, IP4, destination=bytes.fromhex(node.mac.replace(":", ""))))


@proves("G08")
@pytest.mark.parametrize("at", [0, 1, 500, 10**6, -1, -500])
def test_two_of_us_do_not_answer_each_other_for_ever(at):
    """Forged data in both directions: each end finds all that the other says wrong."""
    with Lab.pair() as two:
        two.b.dataplane.listen(ListenParams(port=PORT))
        peer = pack_address(two.b.address)
        two.a.dataplane.connect(ConnectParams(peer=peer, peer_port=PORT, local_port=5000))
        two.advance(0.1)
        syn_ack = next(Segment(f) for _, f in two.b.collect() if is_tcp(f))
        a_next, b_next = syn_ack.ack, syn_ack.seq + 1
        two.a.collect()
        forge(two.a, two.b, (b_next + at, a_next), b"forged")
        forge(two.b, two.a, (a_next + at, b_next), b"forged too")
        two.advance(10)
        assert len(two.a.collect()) + len(two.b.collect()) < 60


@both
@proves("G09")
def test_a_fin_is_acknowledged_at_once(host, options):
    end, app = opened(host, options)
    end.segment("FA")
    end.expect("A", ack=end.seq)
    assert host.peer.frames(0.5) == []
    end, app = opened(host, options)
    end.segment("FPA", b"data")
    end.expect("A", ack=end.seq)
    assert host.peer.frames(0.5) == []
    assert app.recv() == b"data"


SMALL = {"recv_buffer": 8192, "recv_buffer_max": 8192}


def filled(host):
    end, app = opened(host)
    left = 8192
    while left:
        end.segment("PA", bytes(min(left, FULL)))
        answer = end.expect("A", ack=end.seq, within=0.3)
        left = answer.window
    return end, app


@proves("G10", "O05")
def test_a_window_update_comes_when_a_segment_fits_again():
    with Host(tcp=SMALL) as host:
        end, app = filled(host)
        taken = 0
        while taken < FULL - 100:
            taken += len(app.recv(100))
            assert host.peer.frames(0.1) == [], f"update after {taken} bytes"
        taken += len(app.recv(100))
        end.expect("A", ack=end.seq, window=taken)
        assert host.peer.frames(0.5) == []


@proves("G10")
def test_with_a_small_buffer_half_of_it_is_worth_an_update():
    with Host(tcp={"recv_buffer": 2048, "recv_buffer_max": 2048}) as host:
        end, app = opened(host)
        left = 2048
        while left:
            end.segment("PA", bytes(min(left, 500)))
            left = end.expect("A", ack=end.seq, within=0.3).window
        app.recv(1000)
        assert host.peer.frames(0.5) == []
        app.recv(24)
        end.expect("A", ack=end.seq, window=1024)


@proves("G10")
def test_no_update_comes_while_the_window_is_wide(host):
    end, app = opened(host)
    for _ in range(10):
        end.segment("PA", bytes(100))
        end.expect("A", within=0.3)
        app.recv()
        assert host.peer.frames(0.5) == []


@both
@proves("G11")
def test_duplicate_data_is_acknowledged_at_once(host, options):
    end, app = opened(host, options)
    end.segment("PA", bytes(1000))
    end.expect("A", ack=end.seq, within=0.3)
    start = end.seq - 1000
    for at, size in ((0, 1000), (100, 1), (999, 1), (0, 500)):
        end.segment("PA", bytes(size), seq=start + at)
        answer = end.expect("A", ack=end.seq)
        blocks = dict(answer[TCP].options).get("SAck")
        assert blocks == ((start + at, start + at + size) if options is SACK else None)
    assert app.recv() == bytes(1000)
    assert host.peer.frames(0.5) == []


@proves("G11")
def test_a_duplicate_of_held_data_is_reported_first(host):
    end, _ = opened(host, SACK)
    start = end.seq
    end.segment("PA", bytes(100), seq=start + 100)
    end.expect("A")
    end.segment("PA", bytes(50), seq=start + 120)
    answer = end.expect("A", ack=start)
    blocks = dict(answer[TCP].options)["SAck"]
    assert blocks == (start + 120, start + 170, start + 100, start + 200)
    end.segment("PA", bytes(100), seq=start + 300)
    answer = end.expect("A", ack=start)  # reported once
    assert dict(answer[TCP].options)["SAck"] == (start + 300, start + 400, start + 100, start + 200)


@proves("G01")
def test_a_segment_with_push_waits_like_any_other(host):
    end, _ = opened(host)
    end.segment("A", b"x")
    assert end.take() is None
    end.expect("A", ack=end.seq, within=0.1)
    end.segment("PA", b"x")
    assert end.take() is None
    end.expect("A", ack=end.seq, within=0.1)
