"""The send side (section I): the size of segments, Nagle, silly windows, push, limits."""

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6

from pyprov.core.port import (
    OPT_MAXSEG,
    OPT_NODELAY,
    OPT_SEND_BUFFER,
    READY_SENT,
    READY_WRITE,
)
from tests.proofs import proves
from tests.python.peer import LINUX_OPTIONS, payload_of
from tests.python.tcp.host import Host

PLAIN = [("MSS", 1460)]
STAMPS = [("MSS", 1460), ("Timestamp", (1, 0))]

v4_and_v6 = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])


def segments(host, end, seconds=0.0):
    """What has come of this connection, as TCP layers."""
    return [f[TCP] for f in host.peer.frames(seconds) if TCP in f and f[TCP].dport == end.sport]


def sizes(host, end, seconds=0.0):
    return [len(payload_of(tcp)) for tcp in segments(host, end, seconds)]


def mss_of(frame):
    return dict(frame[TCP].options)["MSS"]


@v4_and_v6
@proves("I01", "I04")
@pytest.mark.parametrize("mss", [100, 536, 999, 1000, 1220, 1440, 1460, 9000, 65535])
def test_segments_keep_to_the_peers_mss_and_our_mtu(host, v6, mss):
    ours = 1440 if v6 else 1460
    for extra, room in (([], 0), ([("Timestamp", (1, 0))], 12)):
        end, app = host.connection(options=[("MSS", mss), *extra], v6=v6)
        app.send(bytes(3 * ours))
        full = min(mss, ours) - room
        assert sizes(host, end)[:2] == [full, full]
        app.abort()
        host.peer.frames()


@proves("I04")
def test_sack_blocks_take_their_room_from_the_data(host):
    end, app = host.connection(options=LINUX_OPTIONS)
    for n, blocks in enumerate((1, 2, 3, 3), 1):
        end.segment("PA", b"x", seq=end.seq + 10 * n)
        end.take()
        app.send(bytes(1500))
        first, rest = segments(host, end)
        assert first.dataofs * 4 + len(payload_of(first)) == 1480
        assert len(payload_of(first)) == 1460 - 12 - 4 - 8 * blocks
        assert len(payload_of(rest)) == 1500 - len(payload_of(first))
        end.ack += 1500
        end.segment("A")


@v4_and_v6
@proves("I02")
@pytest.mark.parametrize("active", [False, True], ids=["passive", "active"])
def test_a_peer_that_says_no_mss_gets_small_segments(host, v6, active):
    options = [("NOP", None)]
    if active:
        end, app = host.connect(v6=v6)
        end.answer_handshake(options)
    else:
        end, app = host.connection(options=options, v6=v6)
    app.send(bytes(4000))
    assert sizes(host, end)[:3] == [1220 if v6 else 536] * 3


@v4_and_v6
@proves("I03", "I05")
@pytest.mark.parametrize("mtu", [1280, 1500, 1501, 9000])
def test_the_mss_option_is_the_mtu_without_headers(v6, mtu):
    want = mtu - (60 if v6 else 40)
    for stamps in (True, False):
        with Host(tcp={"timestamps": stamps}, port={"mtu": mtu}) as host:
            for options in (LINUX_OPTIONS, PLAIN, []):
                end = host.peer.tcp(80, v6=v6)
                end.segment("S", options=options)
                assert mss_of(end.expect("SA")) == want
            end, _ = host.connect(v6=v6)
            assert mss_of(end.expect("S")) == want


@v4_and_v6
@proves("I03")
def test_mss_clamp_bounds_what_is_offered_and_sent(v6):
    with Host(tcp={"mss_clamp": 1000}) as host:
        end = host.peer.tcp(80, v6=v6)
        assert mss_of(end.handshake(PLAIN)) == 1000
        app = host.accept()
        app.send(bytes(3000))
        assert sizes(host, end) == [1000, 1000, 1000]
        end, app = host.connect(v6=v6)
        assert mss_of(end.expect("S")) == 1000
        end.segment("SA", options=STAMPS)
        app.send(bytes(2000))
        assert max(sizes(host, end)) == 988


@v4_and_v6
@proves("I06", "V06")
@pytest.mark.parametrize("mss", [0, 1, 8, 47, 48, 64])
@pytest.mark.parametrize("options", [[], [("Timestamp", (1, 0))]], ids=["plain", "stamps"])
def test_an_absurd_mss_is_raised_to_a_floor(host, v6, mss, options):
    end, app = host.connection(options=[("MSS", mss), *options], v6=v6)
    app.send(bytes(5000))
    first = sizes(host, end)
    assert set(first) == {max(mss, 48) - (12 if options else 0)}
    assert len(first) == 10
    end.ack += sum(first)
    end.segment("A")
    assert end.expect_data(5000 - sum(first))


def test_maxseg_lowers_the_segments_of_one_connection(host):
    end, app = host.connection(options=PLAIN)
    app.option(OPT_MAXSEG, 700)
    app.send(bytes(2100))
    assert sizes(host, end) == [700] * 3
    assert app.info.snd_mss == 700


# Nagle


@proves("I07")
def test_a_second_small_segment_waits_for_the_first(host):
    end, app = host.connection(options=PLAIN)
    app.send(b"a")
    end.expect("PA", b"a")
    app.send(b"b")
    app.send(b"c")
    end.expect_nothing(0.1)
    end.segment("A")
    end.expect("PA", b"bc")


@proves("I07")
def test_full_segments_do_not_wait_and_their_rest_does(host):
    end, app = host.connection(options=PLAIN)
    app.send(b"a")
    end.expect("PA", b"a")
    app.send(bytes(1460))
    assert len(payload_of(end.expect("PA")[TCP])) == 1460
    app.send(bytes(1461))
    assert len(payload_of(end.expect("A")[TCP])) == 1460
    end.expect_nothing(0.1)
    end.segment("A")
    end.expect("PA", b"\0")


@proves("I07")
def test_a_small_end_behind_full_segments_goes_at_once(host):
    end, app = host.connection(options=PLAIN)
    app.send(bytes(1561))
    assert sizes(host, end) == [1460, 101]


@proves("I07")
def test_the_last_small_segment_goes_with_the_fin(host):
    end, app = host.connection(options=PLAIN)
    app.send(b"a")
    app.send(b"b")
    end.expect("PA", b"a")
    app.shutdown()
    end.expect("FPA", b"b")


@proves("I08")
def test_nodelay_sends_at_once(host):
    end, app = host.connection(options=PLAIN)
    app.option(OPT_NODELAY, 1)
    for byte in (b"a", b"b", b"c"):
        app.send(byte)
        end.expect("PA", byte)
    app.option(OPT_NODELAY, 0)
    app.send(b"d")
    end.expect_nothing(0.1)
    app.option(OPT_NODELAY, 1)
    end.expect("PA", b"d")


@proves("I08")
@pytest.mark.parametrize("active", [False, True], ids=["passive", "active"])
def test_nagle_can_be_switched_off_for_all(active):
    with Host(tcp={"nagle": False}) as host:
        if active:
            end, app = host.connect()
            end.answer_handshake(PLAIN)
        else:
            end, app = host.connection(options=PLAIN)
        for byte in (b"a", b"b", b"c"):
            app.send(byte)
            end.expect("PA", byte)


# Silly windows


@proves("I09")
def test_a_tiny_window_is_used_only_after_the_override_time(host):
    end, app = host.connection(options=PLAIN)
    end.segment("A", window=100)
    since = host.lab.now
    app.send(bytes(5000))
    frame = end.take(1.1)
    assert frame is not None
    assert 0.1 <= frame.time - since <= 1
    assert len(payload_of(frame[TCP])) == 100
    assert host.counter("TCP_PERSIST") == 0


@proves("I09", "O11")
def test_a_slowly_opening_window_is_not_filled_in_small_pieces(host):
    end, app = host.connection(options=PLAIN)
    end.segment("A", window=0)
    app.send(bytes(8000))
    for window in range(100, 1460, 100):
        end.segment("A", window=window)
        end.expect_nothing()
    end.segment("A", window=1460)
    assert len(payload_of(end.expect("A")[TCP])) == 1460


@proves("I09")
def test_half_of_the_largest_window_is_worth_a_segment(host):
    end = host.peer.tcp(80)
    end.window = 1000
    end.handshake(PLAIN)
    app = host.accept()
    app.send(bytes(5000))
    assert sizes(host, end) == [1000]
    end.ack += 1000
    end.segment("A", window=499)
    end.expect_nothing()
    end.segment("A", window=500)
    assert sizes(host, end) == [500]


@proves("I09")
def test_what_is_the_last_goes_into_a_tiny_window_at_once(host):
    end, app = host.connection(options=PLAIN)
    end.segment("A", window=100)
    app.send(bytes(100))
    assert sizes(host, end) == [100]


# Push


@proves("I10", "I11")
def test_push_is_on_the_last_segment_of_each_send(host):
    end, app = host.connection(options=PLAIN)
    app.option(OPT_NODELAY, 1)
    for size, flags in ((1, ["PA"]), (1460, ["PA"]), (1461, ["A", "PA"]), (5000, [*"AAA", "PA"])):
        app.send(bytes(size))
        assert [str(tcp.flags) for tcp in segments(host, end)] == flags
        end.ack += size
        end.segment("A")


@proves("I10")
def test_push_is_kept_when_the_segment_is_sent_again(host):
    end, app = host.connection(options=PLAIN)
    app.send(bytes(1461))
    segments(host, end)
    assert len(payload_of(end.expect("A", within=0.25)[TCP])) == 1460
    end.segment("A")
    end.expect("PA", b"\0")


@proves("I10")
def test_what_waited_for_the_window_ends_with_a_push(host):
    end, app = host.connection(options=PLAIN)
    end.segment("A", window=0)
    for _ in range(3):
        app.send(bytes(500))
    end.segment("A")
    got = segments(host, end)
    assert [(len(payload_of(tcp)), str(tcp.flags)) for tcp in got] == [(1460, "A"), (40, "PA")]


@proves("I11")
def test_data_without_push_is_delivered_at_once(host):
    end, app = host.connection(options=PLAIN)
    end.segment("A", b"no push")
    assert app.recv() == b"no push"


# Sizes, limits


@proves("I12")
def test_small_writes_that_wait_become_full_segments(host):
    end, app = host.connection(options=PLAIN)
    end.segment("A", window=0)
    for _ in range(60):
        app.send(bytes(100))
    end.segment("A")
    assert sizes(host, end) == [1460] * 4 + [160]


@proves("I16")
def test_no_more_is_sent_than_the_congestion_window(host):
    end, app = host.connection(options=PLAIN)
    app.option(OPT_SEND_BUFFER, 1 << 20)
    app.send(bytes(200_000))
    assert sum(sizes(host, end)) == 10 * 1460 == app.info.snd_cwnd


@proves("I16")
@pytest.mark.parametrize("window", [0, 1, 1460, 3000, 5840, 14000])
def test_no_more_is_sent_than_the_peers_window(host, window):
    end, app = host.connection(options=PLAIN)
    end.segment("A", window=window)
    app.send(bytes(20_000))
    start, edge = end.ack, window
    for _ in range(6):
        for tcp in segments(host, end, 0.3):
            size = len(payload_of(tcp))
            assert tcp.seq - start + size <= edge
            end.ack = max(end.ack, tcp.seq + size)
        edge = end.ack - start + window
        end.segment("A", window=window)


@proves("I17")
def test_a_full_buffer_takes_no_more_until_there_is_room(host):
    end, app = host.connection(options=PLAIN)
    app.option(OPT_SEND_BUFFER, 10_000)
    end.segment("A", window=0)
    assert app.send(bytes(6000)) == 6000
    assert app.send(bytes(6000)) == 4000
    assert app.send(bytes(1)) is None
    assert not app.status.ready & (READY_WRITE | READY_SENT)
    before = app.status.writes
    end.segment("A", window=65535)
    assert end.expect_data(10_000)
    assert app.status.writes == before + 1
    assert app.status.ready & READY_WRITE
    assert app.status.ready & READY_SENT
    assert app.send(bytes(10_000)) == 10_000


@proves("I17", "U07")
@pytest.mark.parametrize("size", [3000, 20_000, 300_000])
def test_the_send_buffer_is_as_the_listener_or_the_connect_says(size):
    with Host(send_buffer=size) as host:
        for active in (False, True):
            end = host.peer.tcp(80)
            if active:
                end, app = host.connect(send_buffer=size)
                end.window = 0
                end.answer_handshake(PLAIN)
            else:
                end.window = 0
                end.handshake(PLAIN)
                app = host.accept()
            assert app.send(bytes(1 << 20)) == size
            assert app.send(b"x") is None


def test_the_send_buffer_follows_a_new_configuration():
    with Host() as host:
        host.lab.configure(send_buffer=5000, send_buffer_max=5000)
        end = host.peer.tcp(80)
        end.window = 0
        end.handshake(PLAIN)
        assert host.accept().send(bytes(1 << 20)) == 5000


@v4_and_v6
@proves("I12")
def test_a_jumbo_mtu_carries_jumbo_segments(v6):
    with Host(port={"mtu": 9000}) as host:
        full = 9000 - (60 if v6 else 40)
        _, app = host.connection(options=[("MSS", 9500)], v6=v6)
        app.send(bytes(2 * full))
        frames = [f for f in host.peer.frames() if TCP in f]
        assert [len(payload_of(f[TCP])) for f in frames] == [full, full]
        assert {f[IPv6].plen + 40 if v6 else f[IP].len for f in frames} == {9000}
