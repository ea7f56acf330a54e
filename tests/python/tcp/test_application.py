"""What the application sees of its connections (section U)."""

import errno
import threading

import pytest

from pyprov.core.port import (
    IO_PEEK,
    IO_WHOLE,
    READY_CLOSE,
    READY_ERROR,
    READY_READ,
    READY_WRITE,
    ConnectParams,
    DataplaneError,
    ListenParams,
    pack_address,
)
from pyprov.lab import Lab
from tests.proofs import proves
from tests.python.peer import LINUX_OPTIONS
from tests.python.tcp.host import PORT, STATES, Host, refused

PLAIN = [("MSS", 1460)]
ETIMEDOUT, ECONNRESET = errno.ETIMEDOUT, errno.ECONNRESET

v4_and_v6 = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])


# Errors


@proves("U01")
def test_an_error_shows_at_once_and_at_each_call(host):
    end, app = host.connection(options=PLAIN)
    end.segment("R")
    assert app.status.error == -ECONNRESET
    assert app.status.ready & (READY_ERROR | READY_CLOSE) == READY_ERROR | READY_CLOSE
    for _ in range(2):
        assert refused(app.recv) == "ECONNRESET"
        assert refused(app.send, b"x") == "ECONNRESET"
        assert refused(app.host.dataplane.shutdown_send, app.handle) == "ECONNRESET"


@proves("U01")
def test_a_waiting_reader_is_woken_by_the_end(host):
    end, app = host.connection(options=PLAIN)
    waiter = host.dataplane.open_waiter()
    waiter.watch(app.handle, READY_READ | READY_ERROR)
    assert waiter.take() == []
    end.segment("R")
    assert [ready.handle for ready in waiter.take()] == [app.handle]


@proves("U01")
def test_a_time_out_is_told_without_a_call():
    with Host(tcp={"data_retries": 2}) as host:
        _, app = host.connection(options=PLAIN)
        app.send(b"x")
        host.lab.advance(30)
        assert app.status.error == -ETIMEDOUT


# Status


@v4_and_v6
@proves("U02")
def test_a_connection_tells_about_itself(host, v6):
    end, app = host.connection(options=LINUX_OPTIONS, v6=v6)
    app.send(b"a" * 100)
    host.lab.advance(0.05)
    end.take()
    end.segment("A", ack=end.ack + 100)
    end.segment("PA", b"b" * 50)
    info = app.info
    assert STATES[info.state] == "ESTABLISHED"
    us = host.lab.address6 if v6 else host.lab.address
    them = host.peer.address6 if v6 else host.peer.address
    assert (info.local, info.local_port) == (pack_address(us), PORT)
    assert (info.peer, info.peer_port) == (pack_address(them), end.sport)
    assert (info.snd_mss, info.pmtu) == (1428 if v6 else 1448, 1500)
    assert info.options == 1 | 2 | 4
    assert (info.snd_wscale, info.snd_wnd) == (7, 65535 << 7)
    assert info.rcv_wnd > 60_000
    assert info.snd_cwnd >= 10 * info.snd_mss
    assert 5_000 < info.srtt < 8_000, "the handshake took no time, the data 50 ms"
    assert info.rto >= 200_000
    assert (info.bytes_sent, info.bytes_acked, info.bytes_received) == (100, 100, 50)
    assert (info.unacked, info.notsent, info.total_retrans) == (0, 0, 0)
    assert info.data_segs_out == info.data_segs_in == 1
    assert info.segs_in == 3 - 1
    assert info.established_ns > 0


@proves("U02")
def test_what_is_in_flight_and_what_waits_can_be_told(host):
    end, app = host.connection(options=PLAIN)
    end.segment("A", window=2000)
    app.send(bytes(5000))
    info = app.info
    assert (info.unacked, info.notsent) == (1, 5000 - 1460)
    host.lab.advance(5)
    assert app.info.retrans == 1
    assert app.info.total_retrans >= 2
    assert app.info.backoff >= 2


@proves("U02")
@pytest.mark.parametrize(
    "state", ["ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING", "LAST-ACK"]
)
def test_the_state_can_be_read(host, state):
    _, app = host.in_state(state)
    assert STATES[app.info.state] == STATES[app.status.state] == state


# Reading


@proves("U03")
@pytest.mark.parametrize("together", [False, True])
def test_zero_comes_at_the_fin_and_after_the_data(host, together):
    end, app = host.connection(options=PLAIN)
    if together:
        end.segment("FPA", b"last words")
    else:
        end.segment("PA", b"last words")
        end.segment("FA")
    assert app.recv(4) == b"last"
    assert app.recv() == b" words"
    assert app.recv() == app.recv() == b""


@proves("U03")
def test_without_a_fin_nothing_is_no_end(host):
    end, app = host.connection(options=PLAIN)
    assert app.recv() is None
    end.segment("PA", b"x")
    assert app.recv() == b"x"
    assert app.recv() is None


@proves("U04")
def test_data_that_came_before_a_reset_can_be_read_and_then_the_error(host):
    end, app = host.connection(options=PLAIN)
    end.segment("PA", b"a" * 150)
    end.segment("R")
    assert app.recv(100) == b"a" * 100
    assert app.recv(100) == b"a" * 50
    assert refused(app.recv) == "ECONNRESET"


@proves("U05")
def test_peeks_partial_reads_and_scattered_buffers_keep_the_stream(host):
    end, app = host.connection(options=PLAIN)
    data = bytes(i % 251 for i in range(20_000))
    for at in range(0, 20_000, 1000):
        end.segment("PA", data[at : at + 1000])
    plane, got = host.dataplane, b""
    for step in range(2000):
        size = (7, 1, 333, 4096)[step % 4]
        peeked = bytearray(size)
        count = plane.recv(app.handle, peeked, IO_PEEK)
        assert bytes(peeked[:count]) == data[len(got) : len(got) + count]
        assert plane.recv(app.handle, bytearray(0)) == 0
        parts = [bytearray(size // 3), bytearray(0), bytearray(size - size // 3)]
        count = plane.recv(app.handle, parts)
        assert count == min(size, 20_000 - len(got))
        got += b"".join(parts)[:count]
        if len(got) == 20_000:
            break
    assert got == data
    assert plane.recv(app.handle, bytearray(1)) is None


@proves("U05")
def test_gathered_and_empty_writes_keep_the_stream(host):
    end, app = host.connection(options=PLAIN)
    host.dataplane.send(app.handle, [b"ab", b"", bytearray(b"c"), memoryview(b"de")])
    host.dataplane.send(app.handle, [])
    host.dataplane.send(app.handle, b"")
    end.expect("PA", b"abcde")
    end.segment("A")
    end.expect_nothing(1)


@proves("U06")
@pytest.mark.parametrize("seed", range(3))
def test_writers_and_readers_at_once_do_not_interleave_within_a_call(seed):
    """Each call moves one record of 4000 equal bytes."""
    with Lab.pair(seed=seed) as two:
        plane_a, plane_b = two.a.dataplane, two.b.dataplane
        listener = plane_a.listen(ListenParams(port=PORT, family=4))
        here = plane_b.connect(ConnectParams(peer=pack_address(two.a.address), peer_port=PORT))
        two.advance(0.1)
        there = plane_a.accept(listener).handle
        read, lock = bytearray(), threading.Lock()

        def write(byte):
            for _ in range(10):
                while plane_b.send(here, bytes([byte]) * 4000, IO_WHOLE) is None:
                    plane_b.thread_waiter().wait_for(here, READY_WRITE)

        def take():
            while len(read) < 5 * 10 * 4000:
                part = bytearray(4000)
                with lock:
                    count = plane_a.recv(there, part)
                    read.extend(part[: count or 0])
                if not count:
                    plane_a.thread_waiter().wait_for(there, READY_READ, 1_000_000_000)

        jobs = [two.spawn(write, byte) for byte in range(5)] + [two.spawn(take) for _ in range(2)]
        for job in jobs:
            job.result()
        records = [bytes(read[at : at + 4000]) for at in range(0, len(read), 4000)]
        assert all(len(set(record)) == 1 for record in records)


# Names


@v4_and_v6
@proves("U08")
@pytest.mark.parametrize("state", ["ESTABLISHED", "CLOSE-WAIT", "FIN-WAIT-2", "LAST-ACK"])
def test_both_addresses_are_right_in_every_state(host, v6, state):
    end, app = host.in_state(state, v6=v6)
    us = pack_address(host.lab.address6 if v6 else host.lab.address)
    them = pack_address(host.peer.address6 if v6 else host.peer.address)
    info = app.info
    assert (info.local, info.local_port, info.peer, info.peer_port) == (us, PORT, them, end.sport)


@v4_and_v6
@proves("U08")
def test_both_addresses_of_a_connect_are_known_from_the_start(host, v6):
    end, app = host.connect(v6=v6)
    info = app.info
    assert STATES[info.state] == "SYN-SENT"
    assert info.local == pack_address(host.lab.address6 if v6 else host.lab.address)
    assert info.peer == pack_address(host.peer.address6 if v6 else host.peer.address)
    assert (info.local_port, info.peer_port) == (end.port, 7)


@proves("U08")
def test_a_request_names_both_ends(host):
    end = host.peer.tcp(PORT)
    end.handshake()
    request = host.dataplane.accept(host.listener)
    assert request.peer == pack_address(host.peer.address)
    assert request.local == pack_address(host.lab.address)
    assert (request.peer_port, request.local_port) == (end.sport, PORT)


# Binding


def listens(host, **params):
    try:
        return host.dataplane.listen(ListenParams(port=PORT, **{"family": 4} | params))
    except DataplaneError as error:
        return errno.errorcode[-error.error]


@proves("U09")
def test_two_listeners_share_no_address_and_port():
    with Host(listen=False, port={"address": ["10.9.0.2/24", "10.9.0.3/24", "fd09::2/64"]}) as host:
        two, three = pack_address("10.9.0.2"), pack_address("10.9.0.3")
        first = listens(host, local=two)
        assert listens(host, local=two) == "EADDRINUSE"
        assert isinstance(listens(host, local=three), int)
        assert isinstance(listens(host, family=6), int)
        assert listens(host, family=46) == "EADDRINUSE"
        host.dataplane.listener_close(first)
        assert isinstance(listens(host, local=two), int)
        assert listens(host, local=pack_address("10.9.0.9")) == "EADDRNOTAVAIL"


@proves("U09")
@pytest.mark.parametrize("state", ["TIME-WAIT", "ESTABLISHED", "CLOSE-WAIT", "FIN-WAIT-2"])
def test_no_connection_keeps_a_listener_from_its_port(host, state):
    if state == "TIME-WAIT":
        end, app = host.in_state("FIN-WAIT-2")
        end.segment("FA")
        assert app.state == "TIME-WAIT"
        app.close()
    else:
        host.in_state(state)
    host.dataplane.listener_close(host.listener)
    host.listener = host.listen()
    end = host.peer.tcp(PORT)
    end.handshake()
    assert host.accept() is not None


# Limits


@proves("U10")
def test_at_the_limit_of_connections_nothing_leaks_and_errors_are_clean():
    with Host(provider={"max_connections": 50}) as host:
        for _ in range(3):
            ends = []
            for _ in range(50):
                end = host.peer.tcp(PORT)
                end.handshake(PLAIN)
                ends.append((end, host.accept()))
            assert len(host.dataplane.connections()) == 50
            end = host.peer.tcp(PORT)
            end.segment("S", options=PLAIN)
            end.expect("SA")
            end.segment("A")
            end.expect("R")
            assert host.accept() is None
            assert refused(host.connect) == "ENOBUFS"
            end, app = ends[0]
            app.send(b"x")
            end.expect("PA", b"x")
            for _, app in ends:
                app.abort()
            host.peer.frames()
            assert host.dataplane.connections() == []


# Inheritance


@proves("U07")
@pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
def test_a_connection_takes_what_is_configured_when_it_is_made(host, v6):
    host.lab.configure(ttl=7, dscp=11, nagle=False)
    end, app = host.connection(options=PLAIN, v6=v6)
    for byte in (b"a", b"b"):
        app.send(byte)
        frame = end.expect("PA", byte)
        ip = frame.payload
        assert (ip.hlim, ip.tc) == (7, 11 << 2) if v6 else (ip.ttl, ip.tos) == (7, 11 << 2)
