"""Urgent data (RFC 6093): the pointer on the wire, the byte and the mark for the application."""

import itertools

import pytest
from scapy.layers.inet import TCP

from pyprov.core.port import (
    IO_OOB,
    IO_PEEK,
    OPT_OOB_INLINE,
    OPT_SEND_BUFFER,
    READY_OOB,
    READY_READ,
    URGENT_AHEAD,
    URGENT_HERE,
    URGENT_WAITS,
)
from tests.proofs import proves
from tests.python.peer import payload_of
from tests.python.tcp.host import Host, refused

SACK = [("MSS", 1460), ("SAckOK", b"")]


@pytest.fixture
def opened(host):
    return host.connection(options=SACK)


def where(app):
    return app.host.dataplane.urgent(app.handle)


def oob(app, flags=0, size=10):
    return app.recv(size, IO_OOB | flags)


def urgent(end, data, **fields):
    """A segment whose last byte is urgent."""
    end.segment("PAU", data, urgptr=len(data), **fields)


# Receiving


@pytest.mark.parametrize(
    ("data", "taken", "answer"),
    [(b"!", None, "RA"), (b"a!", 1, "RA"), (b"!", IO_OOB, "FA"), (b"!b", 1, "FA")],
    ids=["alone", "next", "taken", "passed"],
)
def test_closing_before_an_urgent_byte_was_come_to_resets(opened, data, taken, answer):
    end, app = opened
    end.segment("PAU", data, urgptr=data.index(b"!") + 1)
    if taken == IO_OOB:
        assert oob(app) == b"!"
    elif taken:
        assert len(app.recv(10)) == taken
    end.take()
    app.close()
    frame = end.take(0.5)
    assert str(frame[TCP].flags) == answer


@proves("I14")
def test_an_urgent_byte_goes_past_the_stream_and_is_told(opened):
    end, app = opened
    urgent(end, b"abcd!")
    assert app.status.oobs == 1
    assert app.status.ready & READY_OOB
    assert where(app) == URGENT_WAITS | URGENT_AHEAD
    assert app.host.dataplane.readable(app.handle) == 4
    assert oob(app, IO_PEEK) == b"!"
    assert oob(app) == b"!"
    assert not app.status.ready & READY_OOB
    assert where(app) == URGENT_AHEAD
    assert app.recv(2) == b"ab"
    assert where(app) == URGENT_AHEAD
    assert app.recv() == b"cd"
    assert where(app) == URGENT_HERE
    end.segment("PA", b"more")
    assert app.recv() == b"more"
    assert where(app) == 0
    end.expect("A", ack=end.seq, within=0.1)


@proves("I14")
def test_a_read_ends_at_the_mark(opened):
    end, app = opened
    urgent(end, b"before!")
    end.segment("PA", b"behind")
    assert app.host.dataplane.readable(app.handle) == 6
    assert app.recv(100, IO_PEEK) == b"before"
    assert app.recv() == b"before"
    assert app.status.ready & READY_READ
    assert where(app) & URGENT_HERE
    assert app.recv() == b"behind"
    assert not app.status.ready & READY_READ


@proves("I14")
def test_a_lone_urgent_byte_is_no_stream_data(opened):
    end, app = opened
    urgent(end, b"!")
    assert not app.status.ready & READY_READ
    assert app.status.reads == 0
    assert app.recv() is None
    assert oob(app) == b"!"
    assert refused(oob, app) == "EINVAL"


def test_urgent_bytes_wait_one_behind_the_other(opened):
    end, app = opened
    for byte in b"1234567":
        urgent(end, bytes([byte]))
    assert app.status.oobs == 7
    assert [oob(app) for _ in range(7)] == [b"1", b"2", b"3", b"4", b"5", b"6", b"7"]
    assert refused(oob, app) == "EINVAL"
    assert not app.status.ready & READY_OOB


def test_those_that_find_no_room_stay_in_the_stream(opened):
    end, app = opened
    for byte in b"12345678":
        urgent(end, bytes([byte]))
    assert app.recv() == b"8"
    assert b"".join(oob(app) for _ in range(7)) == b"1234567"


@proves("I14")
def test_in_line_the_byte_stays_and_the_mark_is_known(opened):
    end, app = opened
    app.option(OPT_OOB_INLINE, 1)
    urgent(end, b"abcd!")
    end.segment("PA", b"more")
    assert app.status.oobs == 1
    assert app.status.ready & READY_OOB
    assert refused(oob, app) == "EINVAL"
    assert where(app) == URGENT_AHEAD
    assert app.recv() == b"abcd"
    assert where(app) == URGENT_HERE
    assert app.status.ready & READY_OOB
    assert app.recv() == b"!more"
    assert where(app) == 0
    assert not app.status.ready & READY_OOB


@proves("I14")
@pytest.mark.parametrize("ahead", [1, 10, 3000, 65534])
def test_the_pointer_may_run_ahead_of_the_data(opened, ahead):
    end, app = opened
    end.segment("AU", b"x", urgptr=1 + ahead)
    assert app.status.oobs == 1, "the application learns of it at once"
    assert app.status.ready & READY_OOB
    assert where(app) & URGENT_AHEAD
    assert oob(app) is None, "but has to wait for the byte"
    data = bytes(i % 251 for i in range(ahead))
    for at in range(0, ahead, 1000):
        end.segment("PA", data[at : at + 1000])
        end.take(0.1)
    assert app.status.oobs == 2
    assert oob(app) == data[-1:]
    assert app.recv(1 << 17) == b"x" + data[:-1]


@proves("I14")
def test_a_pointer_on_a_bare_ack_counts(opened):
    end, app = opened
    end.segment("AU", urgptr=2)
    assert app.status.oobs == 1
    assert oob(app) is None
    end.segment("PA", b"ab")
    assert oob(app) == b"b"
    assert app.recv() == b"a"


@proves("I14")
def test_an_old_pointer_says_nothing(opened):
    end, app = opened
    urgent(end, b"abc!")
    assert oob(app) == b"!"
    urgent(end, b"abc!", seq=end.seq - 4)  # again
    end.segment("PAU", b"def", urgptr=0)
    assert app.status.oobs == 1
    assert refused(oob, app) == "EINVAL"
    assert app.recv() == b"abc"
    assert app.recv() == b"def"


def test_of_a_segment_that_overlaps_the_pointer_counts_from_its_start(opened):
    end, app = opened
    end.segment("PA", b"abc")
    end.segment("PAU", b"bcde!f", seq=end.seq - 2, urgptr=5)
    assert oob(app) == b"!"
    assert app.recv() == b"abcde"
    assert app.recv() == b"f"


@proves("I14")
def test_every_order_of_arrival_gives_the_same(host):
    parts = [(0, b"ab1", 3), (3, b"cd", 0), (5, b"2", 1), (6, b"e3f", 2)]
    for order in itertools.permutations(parts):
        end, app = host.connection(options=SACK)
        start = end.seq
        for at, data, pointer in order:
            flags = "PAU" if pointer else "PA"
            end.segment(flags, data, seq=start + at, urgptr=pointer)
            host.peer.frames()
        read = b""
        while (part := app.recv()) is not None:
            read += part
        assert read == b"abcdef", order
        assert [oob(app) for _ in range(3)] == [b"1", b"2", b"3"], order
        end.seq = start + 9
        end.segment("PA", b"g")
        end.expect("A", ack=start + 10, within=0.1)


@proves("I15")
def test_a_pointer_is_read_while_the_window_is_closed():
    with Host(recv_buffer=4096) as host:
        end, app = host.connection(options=SACK)
        while end.window:
            end.segment("PA", bytes(min(1000, end.window)))
            frame = end.take(0.1)
            end.window = end.window if frame is None else frame.window
        assert frame.window == 0
        end.window = 65535
        urgent(end, b"abc!", seq=end.seq)
        assert app.status.oobs == 1
        assert app.status.ready & READY_OOB
        assert oob(app) is None
        while app.recv():
            pass
        host.peer.frames()
        urgent(end, b"abc!")
        assert oob(app) == b"!"
        assert app.recv() == b"abc"


def test_urgent_data_that_nobody_took_goes_with_the_connection():
    with Host(provider={"max_connections": 1}) as host:
        for _ in range(3):
            end, app = host.connection(options=SACK)
            assert where(app) == 0
            assert refused(oob, app) == "EINVAL"
            urgent(end, b"!")
            app.abort()


def test_the_last_urgent_byte_outlives_the_peers_reset(opened):
    end, app = opened
    urgent(end, b"!")
    end.segment("R")
    assert oob(app) == b"!"
    assert refused(oob, app) == "ECONNRESET"


# Sending


@proves("I13")
def test_the_pointer_names_the_octet_behind_the_urgent_one(opened):
    end, app = opened
    assert app.send(b"abc!", IO_OOB) == 4
    segment = end.expect("PAU", b"abc!")
    assert segment[TCP].urgptr == 4
    end.segment("A")
    app.send(b"more")
    end.expect("PA", b"more")


@proves("I13")
def test_all_segments_up_to_the_urgent_octet_point_at_it(opened):
    end, app = opened
    start = end.ack
    app.send(bytes(4000) + b"!", IO_OOB)
    app.send(b"x" * 1460)
    seen = []
    while (frame := end.take()) is not None:
        tcp = frame[TCP]
        seen.append((tcp.seq - start, "U" in tcp.flags, tcp.urgptr))
        end.ack = max(end.ack, tcp.seq + len(payload_of(tcp)))
    assert seen == [(0, True, 4001), (1460, True, 2541), (2920, True, 1081), (4001, False, 0)]
    end.segment("A")
    app.send(b"y")
    end.expect("PA", b"y")


@proves("I13")
def test_a_retransmission_still_points_at_it(opened):
    end, app = opened
    app.send(b"abc!", IO_OOB)
    end.expect("PAU", b"abc!")
    assert end.expect("PAU", b"abc!", within=2)[TCP].urgptr == 4


def test_nagle_does_not_hold_it_back(opened):
    end, app = opened
    app.send(b"a")
    end.expect("PA", b"a")
    app.send(b"b")
    end.expect_nothing()
    app.send(b"!", IO_OOB)
    assert end.expect("PAU", b"b!")[TCP].urgptr == 2


@proves("I13")
def test_more_than_a_pointer_can_reach_is_pointed_at_later():
    with Host() as host:
        end, app = host.connection(options=[("MSS", 1460)])
        app.option(OPT_SEND_BUFFER, 1 << 20)
        assert app.send(bytes(99_999) + b"!", IO_OOB) == 100_000
        start, left = end.ack, 100_000
        while left > 0:
            tcp = end.take(0.5)[TCP]
            assert left == 100_000 - (tcp.seq - start)
            assert ("U" in tcp.flags) == (left <= 65535)
            assert tcp.urgptr == (left if left <= 65535 else 0)
            left -= len(payload_of(tcp))
            end.ack = tcp.seq + len(payload_of(tcp))
            end.segment("A")


@proves("I13")
def test_the_peer_learns_of_it_while_its_window_is_closed(opened):
    end, app = opened
    end.segment("A", window=0)
    app.send(b"abc!", IO_OOB)
    frame = end.expect("AU", b"", seq=end.ack)
    assert frame[TCP].urgptr == 4
    probes = [frame for frame in app.host.peer.frames(1.5) if TCP in frame]
    assert [("U" in f[TCP].flags, f[TCP].seq - end.ack) for f in probes[:2]] == [
        (True, -1),
        (True, 0),
    ]
    end.segment("A")
    assert end.expect("PAU", b"abc!", within=1)[TCP].urgptr == 4


def test_of_what_the_buffer_took_in_part_nothing_is_urgent():
    with Host() as host:
        end, app = host.connection(options=SACK)
        app.option(OPT_SEND_BUFFER, 4096)
        assert app.send(bytes(5000), IO_OOB) == 4096
        segments = [frame[TCP] for frame in host.peer.frames() if TCP in frame]
        assert sum(len(payload_of(tcp)) for tcp in segments) == 4096
        assert not any("U" in tcp.flags for tcp in segments)
        end.ack += 4096
        end.segment("A")
        assert app.send(bytes(904), IO_OOB) == 904
        assert end.expect("PAU")[TCP].urgptr == 904
