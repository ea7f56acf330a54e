"""The two FINs, half-close, TIME-WAIT (section H)."""

import itertools
import random
import resource

import numpy as np
import pytest
from scapy.layers.inet import TCP

from pyprov.core.port import (
    CLOSE_ABORT,
    CLOSE_GRACEFUL,
    READY_CLOSE,
    READY_ERROR,
    READY_SENT,
    REQUEST_DTYPE,
)
from tests.proofs import proves
from tests.python.peer import LINUX_OPTIONS, payload_of
from tests.python.tcp.frames import ACK, FIN, RST, SYN, Wire, frame4
from tests.python.tcp.host import PORT, Host, refused

PLAIN = [("MSS", 1460)]

both = pytest.mark.parametrize("v6", [False, True], ids=["ipv4", "ipv6"])
layouts = pytest.mark.parametrize("options", [PLAIN, LINUX_OPTIONS], ids=["plain", "stamps"])


def opened(host, options=PLAIN, **tcp):
    return host.connection(options=options, **tcp)


def no_connections(host):
    return host.dataplane.connections() == []


@both
@proves("H01")
def test_after_our_fin_data_still_flows_in(host, v6):
    end, app = host.in_state("FIN-WAIT-2", v6=v6)
    data = random.Random(1).randbytes(5000)
    for at in range(0, 5000, 1000):
        end.segment("PA", data[at : at + 1000])
    assert app.recv() == data
    end.segment("FPA", b"last")
    assert app.recv() == b"last"
    assert app.recv() == b""
    assert app.state == "TIME-WAIT"


@proves("H01")
def test_data_flows_in_before_our_fin_is_acknowledged(host):
    end, app = host.in_state("FIN-WAIT-1")
    end.segment("PA", b"data", ack=end.ack - 1)
    assert app.recv() == b"data"
    assert app.state == "FIN-WAIT-1"
    assert refused(app.send, b"x") == "EPIPE"


@both
@layouts
@proves("H02")
def test_the_fin_follows_all_data(host, v6, options):
    end, app = opened(host, options, v6=v6)
    data = random.Random(2).randbytes(40000)
    assert app.send(data) == 40000
    app.shutdown()
    assert refused(app.send, b"x") == "EPIPE"
    got = b""
    while True:
        frame = end.take()
        assert frame.seq == end.ack
        got += payload_of(frame[TCP])
        end.ack += len(payload_of(frame[TCP]))
        if frame[TCP].flags.F:
            break
        end.segment("A")
    assert got == data
    end.ack += 1
    end.segment("A")
    assert app.state == "FIN-WAIT-2"
    assert host.peer.frames(1) == []


@proves("H02")
def test_a_lost_fin_is_repeated_with_back_off(host):
    end, app = opened(host)
    app.shutdown()
    first = end.expect("FA")
    again = host.peer.frames(20)
    assert {(f.seq, f.ack, str(f[TCP].flags)) for f in again} == {(first.seq, end.seq, "FA")}
    steps = [b.time - a.time for a, b in itertools.pairwise(again)]
    assert len(steps) >= 4
    assert all(1.8 * a < b < 2.2 * a for a, b in itertools.pairwise(steps))
    assert app.state == "FIN-WAIT-1"
    end.segment("A")
    assert app.state == "FIN-WAIT-2"
    assert host.peer.frames(100) == []


@proves("H02")
def test_a_fin_lost_with_data_is_repeated_with_it(host):
    end, app = opened(host)
    app.send(b"data")
    app.shutdown()
    host.peer.frames()
    got, start = b"", end.ack
    for _ in range(4):
        again = end.take(10)
        if again[TCP].flags.F:
            assert again.seq + len(payload_of(again[TCP])) == start + 4
        got = payload_of(again[TCP]) or got
        if again[TCP].flags.F and got:
            break
        end.segment("A", ack=start + 4 if again.seq == start else start)
    assert got == b"data"
    end.segment("A", ack=start + 5)
    assert app.state == "FIN-WAIT-2"


@both
@proves("H03")
def test_from_fin_wait_1_by_ack_by_fin_and_by_both(host, v6):
    end, app = host.in_state("FIN-WAIT-1", v6=v6)
    end.segment("A")
    assert app.state == "FIN-WAIT-2"
    end, app = host.in_state("FIN-WAIT-1", v6=v6)
    end.segment("FA", ack=end.ack - 1)
    assert app.state == "CLOSING"
    end.expect("A", ack=end.seq)
    end, app = host.in_state("FIN-WAIT-1", v6=v6)
    end.segment("FA")
    assert app.state == "TIME-WAIT"
    end.expect("A", ack=end.seq)


@proves("H03")
def test_an_ack_of_data_is_none_of_the_fin(host):
    end, app = opened(host)
    app.send(bytes(3000))
    app.shutdown()
    host.peer.frames()
    for acked in (1, 1460, 3000):
        end.segment("A", ack=end.ack + acked)
        assert app.state == "FIN-WAIT-1"
    end.segment("A", ack=end.ack + 3001)
    assert app.state == "FIN-WAIT-2"


@both
@proves("H04")
def test_simultaneous_close(host, v6):
    end, app = host.in_state("CLOSING", v6=v6)
    assert host.peer.frames() == []
    end.segment("A")
    assert app.state == "TIME-WAIT"
    assert host.counter("TCP_TIME_WAIT_STARTED") == 1
    assert app.recv() == b""


@proves("H04")
def test_in_closing_the_fin_is_still_repeated(host):
    end, app = host.in_state("CLOSING")
    again = end.take(3)
    assert again[TCP].flags.F
    assert again.ack == end.seq
    end.segment("A")
    assert app.state == "TIME-WAIT"


@both
@proves("H05", "H06")
def test_in_close_wait_we_may_still_send(host, v6):
    end, app = host.in_state("CLOSE-WAIT", v6=v6)
    data = random.Random(3).randbytes(20000)
    app.send(data)
    assert end.expect_data(20000) == data
    app.shutdown()
    assert app.state == "LAST-ACK"
    end.expect("FA")
    end.segment("A")
    assert app.state == "CLOSED"
    assert app.status.error == 0
    assert app.status.ready & READY_SENT
    assert host.counter("TCP_TIME_WAIT_STARTED") == 0
    end.segment("A")
    end.expect("R", seq=end.ack)  # nothing is left of it
    app.close()
    assert no_connections(host)


@proves("H06")
def test_last_ack_needs_the_ack_of_the_fin(host):
    end, app = opened(host)
    end.segment("FA")
    end.expect("A")
    app.send(b"data")
    app.shutdown()
    host.peer.frames()
    end.segment("A")
    end.segment("A", ack=end.ack + 4)
    assert app.state == "LAST-ACK"
    again = end.take(3)
    assert again[TCP].flags.F
    end.segment("A", ack=end.ack + 5)
    assert app.state == "CLOSED"


def time_wait(host, options=PLAIN, **tcp):
    """In TIME-WAIT since now; the application is gone."""
    end, app = host.in_state("TIME-WAIT", options=options, **tcp)
    app.close()
    assert no_connections(host)
    return end


@both
@pytest.mark.parametrize("seconds", [1, 60, 240])
@proves("H07")
def test_time_wait_lasts_as_configured(v6, seconds):
    with Host(tcp={"time_wait": seconds}) as host:
        end = time_wait(host, v6=v6)
        host.lab.advance(seconds * 0.98)
        end.segment("FA", seq=end.seq - 2)  # does not restart it: not the FIN
        end.expect("A", seq=end.ack, ack=end.seq)
        host.lab.advance(seconds * 0.02 + 0.1)
        end.segment("A")
        end.expect("R", seq=end.ack)


@proves("H07")
def test_only_the_active_closer_waits(host):
    end, app = host.in_state("LAST-ACK")
    end.segment("A")
    assert host.counter("TCP_TIME_WAIT_STARTED") == 0
    assert app.state == "CLOSED"


@both
@layouts
@proves("H08")
def test_a_fin_again_in_time_wait_is_acknowledged_and_restarts_it(host, v6, options):
    end = time_wait(host, options, v6=v6)
    for _ in range(3):
        host.lab.advance(50)
        end.segment("FA", seq=end.seq - 1)
        end.expect("A", seq=end.ack, ack=end.seq)
    host.lab.advance(59)
    end.segment("FA", seq=end.seq - 1)
    end.expect("A", seq=end.ack, ack=end.seq)
    host.lab.advance(61)
    end.segment("FA", seq=end.seq - 1)
    end.expect("R", seq=end.ack)


@layouts
@proves("H09")
def test_in_time_wait_old_segments_get_an_ack_and_no_more(host, options):
    end = time_wait(host, options)
    for flags, by, payload in (
        ("PA", -100, b"x" * 50),
        ("A", 10**6, b""),
        ("PA", 10**6, b"data"),
        ("A", -5, b""),
        ("PA", 0, b"data"),
    ):
        end.segment(flags, payload, seq=(end.seq + by) % 2**32)
        end.expect("A", seq=end.ack, ack=end.seq)
    end.segment("A")  # nothing wrong with it, nothing to say
    assert host.peer.frames(1) == []


@both
@proves("H10")
@pytest.mark.parametrize("flags", ["R", "RA"])
def test_a_rst_does_not_end_time_wait(host, v6, flags):
    end = time_wait(host, v6=v6)
    for by in (0, 1, -1, 1000, 10**6):
        end.segment(flags, seq=end.seq + by)
    assert host.peer.frames(1) == []
    end.segment("FA", seq=end.seq - 1)
    end.expect("A", seq=end.ack, ack=end.seq)


SYNS = [  # (number beyond the old connection's, timestamp beyond its or None, may it reopen?)
    (1, None, True),
    (10**6, None, True),
    (0, None, False),
    (-1, None, False),
    (-(10**6), None, False),
    (1, 1, True),
    (-(10**6), 1, True),
    (10**6, 0, True),
    (-(10**6), 0, False),
    (10**6, -1, False),
]


@both
@pytest.mark.parametrize(("number", "stamp", "good"), SYNS)
@proves("H11")
def test_a_syn_in_time_wait_reopens_only_if_newer(host, v6, number, stamp, good):
    old = [*PLAIN, ("Timestamp", (5000, 0))] if stamp is not None else PLAIN
    end = time_wait(host, old, v6=v6)
    options = PLAIN if stamp is None else [*PLAIN, ("Timestamp", (5001 + stamp, 0))]
    again = host.peer.tcp(PORT, v6=v6, sport=end.sport, isn=(end.seq + number) % 2**32)
    if good:
        again.handshake(options)
        app = host.accept()
        again.segment("PA", b"anew")
        assert app.recv() == b"anew"
        assert host.counter("TCP_TIME_WAIT_REUSED") == 1
    else:
        again.segment("S", options=options)
        again.expect("A", seq=end.ack, ack=end.seq)
        assert host.accept() is None


@proves("H11")
def test_without_a_listener_a_syn_in_time_wait_is_only_acknowledged(host):
    end = time_wait(host)
    host.dataplane.listener_close(host.listener)
    again = host.peer.tcp(PORT, sport=end.sport, isn=end.seq + 1000)
    again.segment("S", options=PLAIN)
    again.expect("A", seq=end.ack, ack=end.seq)


@pytest.mark.parametrize("seconds", [1, 60])
@proves("H13")
def test_an_orphan_does_not_wait_for_ever_for_the_peers_fin(seconds):
    with Host(tcp={"fin_wait_2": seconds}) as host:
        end, app = opened(host)
        app.close()
        end.expect("FA")
        end.segment("A")
        host.lab.advance(seconds - 0.1)
        end.segment("A")
        assert host.peer.frames() == []
        host.lab.advance(0.2)
        end.segment("A")
        end.expect("R", seq=end.ack)
        end.segment("FA")
        end.expect("R", seq=end.ack)
        assert no_connections(host)


@proves("H13")
def test_a_half_closed_connection_waits_as_long_as_its_application(host):
    end, app = host.in_state("FIN-WAIT-2")
    host.lab.advance(3600)
    end.segment("PA", b"late")
    assert app.recv() == b"late"
    app.close()
    host.peer.frames(61)
    end.segment("A")
    end.expect("R")


@both
@proves("H14")
@pytest.mark.parametrize("acked", [False, True])
def test_data_after_a_full_close_is_reset(host, v6, acked):
    end, app = opened(host, v6=v6)
    app.close()
    end.expect("FA")
    if acked:
        end.segment("A")
    end.segment("PA", b"too late", ack=end.ack - (not acked), seq=end.seq)
    answer = end.take()
    assert answer[TCP].flags.R
    assert answer.seq in {end.ack, end.ack - 1}
    assert no_connections(host)
    assert host.counter("TCP_AFTER_CLOSE") == 1
    assert host.peer.frames(300) == []


@proves("H14")
def test_after_a_full_close_a_fin_still_ends_it_well(host):
    end, app = opened(host)
    app.send(b"bye")
    app.close()
    host.peer.frames()
    end.segment("A", ack=end.ack + 4)
    end.ack += 4
    end.segment("FA")
    end.expect("A", ack=end.seq)
    assert host.counts("TCP_TIME_WAIT_STARTED", "TCP_RST_SENT") == (1, 0)


@proves("H15")
def test_an_abortive_close_drops_what_is_left(host):
    _, app = opened(host)
    app.send(bytes(100000))
    assert host.peer.frames()
    app.abort()
    (rst,) = host.peer.frames(300)
    assert rst[TCP].flags.R
    assert no_connections(host)


@proves("H15")
def test_a_graceful_close_sends_what_is_left_and_then_a_fin(host):
    end, app = opened(host)
    data = random.Random(4).randbytes(50000)
    app.send(data)
    app.close()
    got = b""
    while (frame := end.take(1)) is not None and not frame[TCP].flags.F:
        got += payload_of(frame[TCP])
        end.ack += len(payload_of(frame[TCP]))
        end.segment("A")
    got += payload_of(frame[TCP])
    assert got == data


@proves("H15")
def test_all_sent_is_told_when_the_fin_is_acknowledged(host):
    """What a lingering close waits for."""
    end, app = opened(host)
    app.send(b"data")
    app.shutdown()
    host.peer.frames()
    assert not app.status.ready & READY_SENT
    end.segment("A", ack=end.ack + 4)
    assert not app.status.ready & READY_SENT
    end.segment("A", ack=end.ack + 5)
    assert app.status.ready & READY_SENT


@proves("H16")
def test_normal_close_and_abort_are_told_apart(host):
    end, app = opened(host)
    end.segment("FPA", b"bye")
    assert app.status.ready & READY_CLOSE
    assert not app.status.ready & READY_ERROR
    assert (app.recv(), app.recv(), app.recv()) == (b"bye", b"", b"")
    end.segment("R")
    assert app.status.ready & READY_ERROR
    assert app.status.error == -104
    end, app = opened(host)
    end.segment("R")
    assert app.status.ready & READY_CLOSE
    assert app.status.ready & READY_ERROR
    assert refused(app.recv) == "ECONNRESET"


@proves("H17")
def test_a_fin_waits_for_a_zero_window_and_probes_it(host):
    end, app = opened(host)
    end.segment("A", window=0)
    app.shutdown()
    assert host.peer.frames() == []
    times = []
    while len(times) < 5:  # each probe is answered: the window is still closed
        host.lab.advance(0.05)
        for probe in host.peer.frames():
            assert payload_of(probe[TCP]) == b""
            assert not probe[TCP].flags.F
            times.append(probe.time)
            end.segment("A", window=0)
    assert times[-1] - times[-2] > 1.8 * (times[-2] - times[-3])
    assert app.state == "FIN-WAIT-1"
    end.segment("A")
    end.expect("FA", seq=end.ack)
    end.segment("A")
    assert app.state == "FIN-WAIT-2"


@proves("H17")
def test_a_fin_behind_data_waits_until_all_of_it_fits(host):
    end, app = opened(host)
    end.segment("A", window=1000)
    app.send(bytes(1500))
    app.shutdown()
    (first,) = host.peer.frames(0.3)
    assert len(payload_of(first[TCP])) == 1000
    assert not first[TCP].flags.F
    end.ack += 1000
    end.segment("A", window=500)
    second = host.peer.frames(0.1)
    assert [len(payload_of(frame[TCP])) for frame in second] == [500]
    assert not second[0][TCP].flags.F  # it needs a number of its own
    end.ack += 500
    end.segment("A", window=500)
    end.expect("FA", seq=end.ack)


@pytest.mark.parametrize("state", ["FIN-WAIT-1", "FIN-WAIT-2", "CLOSING", "LAST-ACK"])
@proves("H19")
def test_a_rst_frees_a_closing_connection_at_once(host, state):
    end, app = host.in_state(state)
    app.close()
    host.peer.frames()
    assert len(host.dataplane.connections()) <= 1
    end.segment("R")
    assert no_connections(host)
    assert host.peer.frames(300) == []
    end.segment("A")
    end.expect("R")


def short_connections(host, n, first):
    """Open and close n connections, half of them from our side; in bursts of 32."""
    wire, table = Wire(host), np.zeros(64, REQUEST_DTYPE)
    for at in range(first, first + n, 32):
        ports = [(1024 + i % 60000, PORT) for i in range(at, at + 32)]
        seq = 7 * at
        syn_acks = wire.send(*(frame4(pair, SYN, seq) for pair in ports))
        assert len(syn_acks) == 32
        ours = {a.dport: a.seq + 1 for a in syn_acks}
        wire.send(*(frame4(pair, ACK, seq + 1, ours[pair[0]]) for pair in ports))
        assert host.dataplane.accept_many(host.listener, table) == 32
        handles = np.ascontiguousarray(table["handle"][:32])
        if at % 64:  # we close first
            assert host.dataplane.close_many(handles, CLOSE_GRACEFUL) == 32
            host.turn()
            assert len(wire.collect()) == 32
            fins = [frame4(pair, FIN | ACK, seq + 1, ours[pair[0]] + 1) for pair in ports]
            assert len(wire.send(*fins)) == 32
        else:
            fins = [frame4(pair, FIN | ACK, seq + 1, ours[pair[0]]) for pair in ports]
            assert len(wire.send(*fins)) == 32
            assert host.dataplane.close_many(handles, CLOSE_GRACEFUL) == 32
            host.turn()
            assert len(wire.collect()) == 32
            wire.send(*(frame4(pair, ACK, seq + 2, ours[pair[0]] + 1) for pair in ports))
        assert no_connections(host)


@pytest.mark.parametrize(
    "n", [4096, pytest.param(100_000, marks=[pytest.mark.slow, pytest.mark.timeout(300)])]
)
@proves("H18")
def test_short_connections_leave_nothing_behind(n):
    limits = {"max_connections": 64, "half_open_max": 64, "time_wait_max": 4096}
    with Host(provider=limits, backlog=64) as host:
        before = 0
        for first in range(0, n, 1024):
            short_connections(host, 1024, first)
            host.lab.advance(61)  # TIME-WAIT ends
            if first == 1024:
                before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown < 4096, f"{grown} KiB more"
        done = -(-n // 1024) * 1024
        names = ("TCP_ESTABLISHED", "TCP_CLOSED", "TCP_TIME_WAIT_STARTED", "TCP_TIME_WAIT_FULL")
        assert host.counts(*names) == (done, done, done // 2, 0)
        assert host.counts("NO_MBUF", "NO_CHUNK", "NEVER") == (0, 0, 0)


@proves("H18")
def test_aborted_connections_leave_nothing_behind():
    limits = {"max_connections": 64, "half_open_max": 64}
    with Host(provider=limits, backlog=64) as host:
        wire, table = Wire(host), np.zeros(64, REQUEST_DTYPE)
        for i in range(0, 2048, 32):
            ports = [(1024 + i + k, PORT) for k in range(32)]
            ours = {a.dport: a.seq + 1 for a in wire.send(*(frame4(p, SYN, 5) for p in ports))}
            wire.send(*(frame4(pair, ACK, 6, ours[pair[0]], data=b"x") for pair in ports))
            assert host.dataplane.accept_many(host.listener, table) == 32
            handles = np.ascontiguousarray(table["handle"][:32])
            if i % 64:
                wire.send(*(frame4(pair, RST, 7) for pair in ports))
            host.dataplane.close_many(handles, CLOSE_ABORT)
            host.turn()
            wire.collect()
            assert no_connections(host)
        assert host.counts("TCP_ESTABLISHED", "TCP_CLOSED") == (2048, 2048)
        assert host.counts("NO_MBUF", "NO_CHUNK", "NEVER") == (0, 0, 0)
