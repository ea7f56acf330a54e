"""Timestamps, PAWS and window scaling (section J)."""

import itertools

import pytest
from scapy.layers.inet import TCP

from pyprov.core.port import OPT_NODELAY
from tests.proofs import proves
from tests.python.peer import stamp_of
from tests.python.tcp.flow import Flow, blocks_of, split, stamps_of
from tests.python.tcp.frames import ACK, FIN, PSH, RST
from tests.python.tcp.host import Host
from tests.python.tcp.wire_rules import TIMESTAMPS, WSCALE

DAY = 24 * 3600
OPTIONS = {"timestamps": ("Timestamp", (77, 0)), "window_scale": ("WScale", 5)}


def syn_ack_options(host, options):
    end = host.peer.tcp(80)
    end.segment("S", options=options)
    return end, dict(end.expect("SA", ack=end.seq)[TCP].options)


@proves("J01", "J04", "J06")
@pytest.mark.parametrize("key", ["timestamps", "window_scale"])
def test_a_syn_ack_has_an_option_only_if_the_syn_had_it(key):
    name, value = OPTIONS[key]
    for ours, theirs in itertools.product([True, False], repeat=2):
        with Host(tcp={key: ours}) as host:
            options = [("MSS", 1460)] + ([(name, value)] if theirs else [])
            end, answered = syn_ack_options(host, options)
            assert (name in answered) == (ours and theirs)
            stamps = answered.get("Timestamp")
            end.segment("A", options=[("Timestamp", (78, stamps[0]))] if stamps else [])
            info = host.accept().info
            assert bool(info.options & (1 if key == "timestamps" else 4)) == (ours and theirs)


@proves("J01", "J06")
@pytest.mark.parametrize("key", ["timestamps", "window_scale"])
@pytest.mark.parametrize("theirs", [True, False])
def test_of_our_syn_too_both_must_have_it(key, theirs):
    name, value = OPTIONS[key]
    with Host(tcp={"timestamps": False, "window_scale": False, key: True}, listen=False) as host:
        end, app = host.connect()
        syn = end.expect("S", ack=0)
        assert name in dict(syn[TCP].options)
        if key == "timestamps":
            value = (77, stamp_of(syn[TCP].options)[0])
        end.segment("SA", options=[("MSS", 1460)] + ([(name, value)] if theirs else []))
        answer = end.expect("A", ack=end.seq)
        assert (("Timestamp" in dict(answer[TCP].options)) == theirs) or key != "timestamps"
        assert bool(app.info.options & (1 if key == "timestamps" else 4)) == theirs


@proves("J01")
@pytest.mark.parametrize("agreed", [True, False])
def test_the_peers_window_is_scaled_only_if_both_agreed(agreed):
    with Host(tcp={"window_scale": agreed, "send_buffer": 1 << 20}) as host:
        flow = Flow(host, wscale=3, window=500, rtt=0.01)
        assert flow.info.snd_wnd == (4000 if agreed else 500)
        assert flow.info.snd_wscale == (3 if agreed else 0)
        host.dataplane.send(flow.app.handle, bytes(8000), 0)
        host.turn()
        assert sum(len(s.payload) for s in flow.collect()) <= (4000 if agreed else 500)


@proves("J02")
def test_windows_of_syns_are_not_scaled():
    tcp = {"recv_buffer": 1 << 20, "recv_buffer_max": 1 << 24}
    with Host(tcp=tcp) as host:
        flow = Flow(host, wscale=7)
        assert flow.syn_ack.window == 65535
        scale = split(flow.syn_ack.options)[WSCALE][0]
        assert 65535 << scale >= 1 << 24
        # What the SYN-ACK told is not what the connection has.
        flow.data(b"x")
        flow.pass_time(0.05)
        assert flow.answer().window << scale > 65535
        end, _ = host.connect()
        syn = end.expect("S")
        assert syn[TCP].window == 65535


@proves("J02")
def test_the_window_of_the_peers_syn_ack_is_not_scaled():
    with Host(listen=False) as host:
        end, app = host.connect()
        syn = end.expect("S")
        options = [("MSS", 1000), ("WScale", 7), ("Timestamp", (1, stamp_of(syn[TCP].options)[0]))]
        end.segment("SA", options=options, window=3000)
        end.expect("A")
        assert app.info.snd_wnd == 3000
        app.option(OPT_NODELAY, 1)
        app.send(bytes(20000))
        assert sum(len(f[TCP].payload) for f in host.peer.frames()) <= 3000


@proves("J03")
@pytest.mark.parametrize(("shift", "taken"), [(0, 0), (14, 14), (15, 14), (255, 14)])
def test_a_shift_above_14_is_14(host, shift, taken):
    flow = Flow(host, wscale=shift, window=100)
    assert flow.info.snd_wscale == taken
    assert flow.info.snd_wnd == 100 << taken


@proves("J05")
@pytest.mark.parametrize("size", [1, 100, 997, 1000])
def test_the_right_edge_is_not_moved_left_by_rounding(size):
    """A scale of 7 tells multiples of 128; the buffer fills in other steps."""
    with Host(tcp={"recv_buffer": 50_001, "recv_buffer_max": 8_000_000}) as host:
        flow = Flow(host, wscale=2)
        scale = split(flow.syn_ack.options)[WSCALE][0]
        assert scale == 7
        edge = 0
        for n in range(120):
            flow.data(bytes(size))
            if n % 7 == 3:
                flow.app.recv(size * 5)
            flow.pass_time(0.05)
            flow.collect()
            for segment in flow.answers:
                now = (segment.ack - flow.start + (segment.window << scale)) % 2**32
                assert (now - edge) % 2**32 < 2**31 or not edge
                edge = now
            flow.answers.clear()


@pytest.fixture
def stamped(host):
    flow = Flow(host, stamps=True)
    assert flow.stamps
    return flow


@proves("J07", "J10")
def test_every_segment_carries_timestamps(host, stamped):
    flow = stamped
    assert stamps_of(flow.syn_ack) is not None
    flow.write(3)
    flow.ack(3)
    flow.data(b"data")
    flow.pass_time(0.1)
    flow.data(b"data", seq=flow.seq + 1000)
    flow.app.shutdown()
    flow.collect()
    assert len(flow.answers) >= 2
    for segment in flow.log + flow.answers:
        value, echo = stamps_of(segment)
        assert value
        assert echo
    assert any(segment.flags & FIN for segment in flow.log)
    end, _ = host.connect()
    assert stamp_of(end.expect("S")[TCP].options)[1] == 0


@proves("J08")
def test_our_reset_carries_them_too(stamped):
    last = stamped.clock + stamped.dataplane.now() // 10**6
    stamped.pass_time(0.5)
    stamped.app.abort()
    reset = stamped.answer()
    assert reset.flags & RST
    assert stamps_of(reset)[1] == last


@proves("J09")
@pytest.mark.parametrize("flags", [ACK, ACK | PSH, ACK | FIN])
def test_a_segment_without_them_is_dropped_silently(host, stamped, flags):
    flow = stamped
    flow.inject(flow.bare(flags=flags, data=b"x" if flags & PSH else b"", stamped=False))
    flow.pass_time(0.2)
    flow.collect()
    assert flow.answers == []
    assert flow.app.recv() is None
    assert flow.app.state == "ESTABLISHED"
    assert host.counter("TCP_NO_TIMESTAMP") == 1


@proves("J09")
def test_a_reset_without_them_counts(stamped):
    stamped.inject(stamped.bare(flags=RST, stamped=False))
    assert stamped.app.status.error


@proves("J11")
def test_our_clock_ticks_in_milliseconds(host, stamped):
    flow = stamped
    values = []
    for _ in range(50):
        flow.pass_time(0.037)
        flow.write(1)
        values.append(stamps_of(flow.log[-1])[0])
        flow.ack(flow.number_sent)
    steps = [(b - a) % 2**32 for a, b in itertools.pairwise(values)]
    assert set(steps) <= {36, 37, 38}
    other = Flow(host, stamps=True)
    other.write(1)
    assert abs(stamps_of(other.log[-1])[0] - values[-1]) > 1000  # an offset of its own


def echoes(flow):
    """TSecr of the answer that is due."""
    return stamps_of(flow.answer())[1]


def stamp(value, echo=0):
    return bytes([1, 1, TIMESTAMPS, 10]) + value.to_bytes(4, "big") + echo.to_bytes(4, "big")


def piece(flow, value, at=0, size=100, **fields):
    """Data from the peer with this TSval, `at` bytes ahead."""
    frame = flow.bare(
        flags=ACK | PSH,
        data=bytes(size),
        seq=flow.seq + at,
        stamped=False,
        options=stamp(value, flow.echo),
        **fields,
    )
    flow.inject(frame)


@pytest.fixture
def clocked(host):
    """A connection whose peer's clock stands at 10000."""
    flow = Flow(host, stamps=True)
    piece(flow, 10_000)
    flow.seq += 100
    flow.pass_time(0.1)
    assert echoes(flow) == 10_000
    return flow


@proves("J12", "J14")
def test_the_echo_follows_in_order_segments_only(clocked):
    flow = clocked
    piece(flow, 10_010, at=100)  # behind a gap
    assert echoes(flow) == 10_000
    piece(flow, 10_020, at=200)
    assert echoes(flow) == 10_000
    piece(flow, 10_030)  # fills it
    assert echoes(flow) == 10_030


@proves("J12")
def test_the_same_value_again_is_no_reason_to_drop(clocked):
    flow = clocked
    for n in range(5):
        piece(flow, 10_000, at=100 * n)
    flow.pass_time(0.1)
    assert flow.app.recv() == bytes(600)


@proves("J13")
def test_with_delayed_acks_the_earliest_segment_is_echoed(clocked):
    flow = clocked
    piece(flow, 10_010, size=10)
    piece(flow, 10_025, at=10, size=10)
    piece(flow, 10_030, at=20, size=10)
    assert flow.answers == []
    flow.pass_time(0.05)
    assert echoes(flow) == 10_010
    piece(flow, 10_070, at=30, size=10)
    flow.pass_time(0.05)
    assert echoes(flow) == 10_070


@proves("J13")
def test_in_a_burst_too(clocked):
    flow = clocked
    frames = [
        flow.bare(
            flags=ACK | PSH,
            data=bytes(10),
            seq=flow.seq + 10 * n,
            stamped=False,
            options=stamp(10_001 + n),
        )
        for n in range(5)
    ]
    flow.inject(*frames)
    flow.pass_time(0.05)
    assert echoes(flow) == 10_001


@proves("J15")
@pytest.mark.parametrize("back", [1, 1000, 2**31 - 1])
def test_an_older_timestamp_is_dropped_and_acknowledged(host, clocked, back):
    flow = clocked
    piece(flow, (10_000 - back) % 2**32)
    answer = flow.answer()
    assert answer.ack == flow.seq
    assert blocks_of(answer) == []
    assert flow.app.recv() == bytes(100)
    assert flow.app.recv() is None
    assert host.counter("TCP_PAWS") == 1
    piece(flow, 10_001)
    flow.pass_time(0.05)
    assert flow.app.recv() == bytes(100)


@proves("J15")
def test_a_value_half_the_circle_ahead_is_newer(clocked):
    flow = clocked
    piece(flow, 10_000 + 2**31 - 1)
    flow.pass_time(0.05)
    assert echoes(flow) == 10_000 + 2**31 - 1


@proves("J15")
def test_an_old_ack_is_no_ack(clocked):
    flow = clocked
    flow.write(2)
    flow.inject(flow.bare(flow.at(2), stamped=False, options=stamp(9_000)))
    assert flow.info.unacked == 2


@proves("J12", "Q16")
@pytest.mark.parametrize(
    "wrong", [{"ack": 9999}, {"ack": -70_000}, {"flags": PSH}], ids=["too new", "too old", "none"]
)
def test_a_segment_with_a_wrong_ack_does_not_change_the_echo(clocked, wrong):
    flow = clocked
    fields = {"flags": ACK | PSH} | wrong
    ack = (flow.acked + fields.pop("ack", 0)) % 2**32
    flow.inject(flow.bare(ack, data=bytes(100), stamped=False, options=stamp(99_000), **fields))
    piece(flow, 10_001)
    flow.pass_time(0.05)
    assert echoes(flow) == 10_001
    assert flow.app.recv() == bytes(200)


@proves("J15")
def test_a_reset_is_exempt(clocked):
    flow = clocked
    flow.inject(flow.bare(flags=RST, stamped=False, options=stamp(1)))
    assert flow.app.status.error


@proves("J16")
def test_after_24_days_of_silence_the_old_value_says_nothing(clocked):
    flow = clocked
    flow.pass_time(24 * DAY - 3600)
    piece(flow, 9_000)
    assert flow.answer().ack == flow.seq
    flow.pass_time(2 * 3600)
    piece(flow, 9_000)
    flow.pass_time(0.05)
    assert echoes(flow) == 9_000
    flow.seq += 100
    piece(flow, 8_999)  # from then on it counts again
    assert flow.answer().ack == flow.seq


@proves("J17")
def test_an_ack_without_progress_is_no_sample(host):
    with Host(tcp={"tlp": False}) as quiet:
        flow = Flow(quiet, stamps=True)
        flow.write(2)
        old, before = flow.echo, flow.info
        flow.pass_time(0.25)
        for _ in range(2):
            flow.ack(0, echo=old)
        flow.data(b"x", echo=old)
        assert (flow.info.srtt, flow.info.rttvar) == (before.srtt, before.rttvar)


@proves("J17")
def test_many_acks_of_a_round_trip_are_one_sample():
    with Host(tcp={"tlp": False}) as quiet:
        flow = Flow(quiet, stamps=True, rtt=0.1)
        flow.write(10)
        flow.pass_time(0.2)
        for number in range(1, 11):
            flow.ack(number)
        mean = 0.875 * 0.1 + 0.125 * 0.2
        assert flow.info.srtt / 1e6 == pytest.approx(mean, abs=0.001)


@proves("J17")
def test_of_what_was_sent_twice_the_echo_tells_the_time():
    with Host(tcp={"tlp": False, "f_rto": False}) as quiet:
        flow = Flow(quiet, stamps=True, rtt=0.1)
        flow.write(1)
        assert flow.next().number == 0
        flow.pass_time(0.16)
        flow.ack(1)
        mean = 0.875 * 0.1 + 0.125 * 0.16
        assert flow.info.srtt / 1e6 == pytest.approx(mean, abs=0.002)


@proves("J18")
def test_data_leaves_room_for_the_option(host):
    for mss in (536, 1000, 1460):
        flow = Flow(host, stamps=True, mss=mss)
        assert flow.info.snd_mss == mss - 12
        flow.write(5)
        assert {len(s.payload) + len(s.options) for s in flow.log} == {mss}
