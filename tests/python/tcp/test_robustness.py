"""Floods, shortages, clocks and neighbours (section V)."""

import random
import resource

import pytest
from scapy.layers.inet import TCP
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

from pyprov.core.port import (
    OPT_KEEPALIVE,
    OPT_RECV_BUFFER,
    OPT_SEND_BUFFER,
    ConnectParams,
    ListenParams,
    pack_address,
)
from pyprov.lab import Lab
from tests.proofs import proves
from tests.python.peer import LINUX_OPTIONS, payload_of
from tests.python.tcp.frames import ACK, PSH, SYN, Wire, frame4, frame6
from tests.python.tcp.host import PORT, Host

PLAIN = [("MSS", 1460)]
SCALED = [("MSS", 1460), ("SAckOK", b""), ("WScale", 7)]
ETIMEDOUT, EHOSTUNREACH = 110, 113

v4_and_v6 = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])


def segments(host, end, seconds=0.0):
    return [f[TCP] for f in host.peer.frames(seconds) if TCP in f and f[TCP].dport == end.sport]


def resident():
    """KiB at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


# Floods


@proves("V02", "V01")
@pytest.mark.parametrize(
    "n",
    [50_000, pytest.param(10_000_000, marks=[pytest.mark.slow, pytest.mark.timeout(900)])],
    ids=["short", "long"],
)
def test_random_segments_cost_no_memory_and_leave_a_connection_alone(n):
    rng = random.Random(1)
    with Host(tcp={"time_wait": 1}) as host:
        end, app = host.connection(options=LINUX_OPTIONS)
        frames = []
        for _ in range(5000):
            make = frame6 if rng.random() < 0.3 else frame4
            ports = (rng.randrange(1, 65536), rng.choice([PORT, PORT, rng.randrange(1, 65536)]))
            fields = {"window": rng.randrange(65536), "urgent": rng.randrange(65536)}
            fields["data"] = rng.randbytes(rng.choice([0, 0, 1, 30]))
            if rng.random() < 0.3:
                fields["options"] = rng.randbytes(rng.choice([4, 12, 20, 40]))
            flags, seq, ack = rng.randrange(256), rng.getrandbits(32), rng.getrandbits(32)
            frames.append(make(ports, flags, seq, ack, **fields))
        # Half of them are for the connection itself, blindly.
        for _ in range(5000):
            seq, ack = rng.getrandbits(32), rng.getrandbits(32)
            data = rng.randbytes(rng.choice([0, 1, 30]))
            flags = rng.randrange(256)
            frames.append(frame4((end.sport, PORT), flags, seq, ack, data=data))
        dataplane, before = host.dataplane, 0
        for at in range(0, n, 32):
            for frame in frames[at % 10_000 : at % 10_000 + 32]:
                dataplane.inject(0, frame)
            if at % 3200 == 0:
                host.lab.advance(0.001)
                dataplane.collect(0)
            else:
                dataplane.step(dataplane.now())
            if at == 25_600:
                before = resident()
        dataplane.collect(0)
        assert resident() - before < 65_536
        assert app.state == "ESTABLISHED"
        host.lab.advance(300)
        host.peer.frames()
        end.segment("PA", b"still here")
        assert app.recv() == b"still here"
        app.send(b"so are we")
        assert segments(host, end)[-1].dport == end.sport


@proves("V05")
def test_sack_of_every_second_byte_costs_little(host):
    end, app = host.connection(options=SCALED)
    app.option(OPT_SEND_BUFFER, 1 << 20)
    app.send(bytes(1 << 20))
    start = end.ack
    for _ in range(8):  # open the congestion window
        for tcp in segments(host, end):
            end.ack = max(end.ack, tcp.seq + len(payload_of(tcp)))
        end.segment("A")
        host.lab.advance(0.01)
    in_flight = sum(len(payload_of(tcp)) for tcp in segments(host, end))
    assert in_flight > 100_000
    wire, ports = Wire(host), (end.sport, PORT)
    una, answers = end.ack, 0
    for at in range(1, in_flight - 8, 8):
        blocks = b"".join(
            (una + at + i).to_bytes(4, "big") + (una + at + i + 1).to_bytes(4, "big")
            for i in (6, 4, 2, 0)
        )
        answers += len(wire.send(frame4(ports, ACK, end.seq, una, options=b"\1\1\5\x22" + blocks)))
    assert answers < 200, "an attacker gets no more than a retransmission of what is in flight"
    host.lab.advance(0.5)
    wire.collect()
    while app.info.notsent or app.info.unacked:
        end.ack = start + app.info.bytes_sent
        end.segment("A")
        host.peer.frames(0.1)
    assert app.state == "ESTABLISHED"


@proves("V06")
def test_many_tiny_segments_are_taken_with_bounded_memory():
    with Host(provider={"packet_buffers": 1024}) as host:
        end, app = host.connection(options=SCALED)
        wire, ports, start = Wire(host), (end.sport, PORT), end.seq
        data = bytes(i % 251 for i in range(3000))
        order = list(range(3000))
        random.Random(1).shuffle(order)
        for _ in range(40):  # as a sender that repeats what was not acknowledged
            for at in order:
                if start + at >= end.seq:
                    byte = data[at : at + 1]
                    wire.send(frame4(ports, ACK | PSH, start + at, end.ack, data=byte))
            end.seq = start + app.info.bytes_received
            if end.seq == start + 3000:
                break
            order.sort()
        assert app.recv() == data


@proves("V07")
def test_slow_readers_are_bounded_and_disturb_nobody():
    with Host(provider={"memory": 64}, tcp={"recv_buffer_max": 65_536}) as host:
        wire, hoarders = Wire(host), []
        for _ in range(200):
            end, app = host.connection(options=PLAIN)
            hoarders.append(app)
            while (room := app.info.rcv_wnd) > 0:
                size = min(1460, room)
                wire.send(frame4((end.sport, PORT), ACK | PSH, end.seq, end.ack, data=bytes(size)))
                end.seq += size
            waiting = host.dataplane.readable(app.handle)
            assert waiting <= 65_536 + 1
        end, app = host.connection(options=PLAIN)
        for _ in range(50):
            end.segment("PA", b"x" * 1000)
            assert app.recv() == b"x" * 1000
            app.send(b"y" * 1000)
            assert end.take() is not None
            end.ack += 1000
        assert all(hoarder.state == "ESTABLISHED" for hoarder in hoarders)


# Shortages


@proves("V03")
def test_without_buffers_segments_are_lost_and_come_again():
    """Peers hold most buffers with data before its turn; the rest goes on, and all recovers."""
    with Host(provider={"packet_buffers": 512, "memory": 64}) as host:
        wire, ends = Wire(host), []
        for _ in range(12):
            end, app = host.connection(options=SCALED)
            ends.append((end, app))
            for n in range(2, 60):
                host.dataplane.inject(
                    0,
                    frame4((end.sport, PORT), ACK, end.seq + 700 * n, end.ack, data=bytes(700)),
                )
            host.turn()
            wire.collect()
        for end, app in ends:
            for _ in range(200):
                sent = app.info.bytes_received
                if sent >= 60 * 700:
                    break
                seq = end.seq + sent
                wire.send(frame4((end.sport, PORT), ACK, seq, end.ack, data=bytes(700)))
                app.recv()
            assert app.info.bytes_received == 60 * 700
            app.send(bytes(5000))
        host.lab.advance(5)
        host.peer.frames()
        for end, _ in ends:
            end.seq += 60 * 700
            end.segment("A", ack=end.ack + 5000)
        assert all(app.info.unacked == 0 for _, app in ends)


@proves("V03")
def test_a_burst_larger_than_all_buffers_gets_through_in_the_end():
    config = {"provider": {"packet_buffers": 512, "memory": 32}}
    with Lab.pair(seed=1, config=config, delay=0.02) as two:
        a, b = two.a.dataplane, two.b.dataplane
        listener = a.listen(ListenParams(port=PORT, family=4))
        here = b.connect(ConnectParams(peer=pack_address(two.a.address), peer_port=PORT))
        two.advance(1)
        there = a.accept(listener).handle
        b.set_option(here, OPT_SEND_BUFFER, 4 << 20)
        a.set_option(there, OPT_RECV_BUFFER, 4 << 20)
        data = random.Random(1).randbytes(3 << 20)
        sent, got = 0, bytearray()
        for _ in range(2000):
            sent += b.send(here, data[sent : sent + 500_000]) or 0
            part = bytearray(1 << 20)
            got += part[: a.recv(there, part) or 0]
            if len(got) == len(data):
                break
            two.advance(0.05)
        assert bytes(got) == data


# Clocks


@proves("V08")
def test_the_clock_may_jump_an_hour(host):
    end, app = host.connection(options=PLAIN)
    kept, keeper = host.connection(options=PLAIN)
    keeper.option(OPT_KEEPALIVE, 1)
    app.send(b"data")
    end.expect("PA", b"data")
    before = host.counter("TCP_RTO")
    host.dataplane.step(host.dataplane.now() + 3_600_000_000_000)
    assert host.counter("TCP_RTO") == before + 1
    again = segments(host, end)
    assert [payload_of(tcp) for tcp in again] == [b"data"]
    end.segment("A")
    app.send(b"more")
    end.expect("PA", b"more")
    assert keeper.state == "ESTABLISHED"
    host.dataplane.step(host.dataplane.now() + 3_600_000_000_000)
    assert [str(tcp.flags) for tcp in segments(host, kept)] == ["A"], "one keep-alive probe"


# Neighbours


@v4_and_v6
@proves("V09")
def test_a_peer_may_change_its_station_address(v6):
    with Host(port={"neighbour": []}) as host:
        host.peer.announce()
        end, app = host.connection(options=PLAIN, v6=v6)
        host.peer.mac = "02:00:00:00:00:55"
        if v6:
            news = ICMPv6ND_NA(R=0, S=0, O=1, tgt=host.peer.address6)
            target = ICMPv6NDOptDstLLAddr(lladdr=host.peer.mac)
            host.peer.send(
                IPv6(src=host.peer.address6, dst="ff02::1", hlim=255) / news / target,
                dst="33:33:00:00:00:01",
            )
        else:
            mac, own = host.peer.mac, host.peer.address
            host.peer.send(ARP(op=1, hwsrc=mac, psrc=own, pdst=own), dst="ff:ff:ff:ff:ff:ff")
        app.send(b"hello")
        frame = end.expect("PA", b"hello", within=5)
        assert frame[Ether].dst == host.peer.mac
        end.segment("A")
        end.segment("PA", b"hi")
        assert app.recv() == b"hi"


@v4_and_v6
@proves("V09")
def test_a_peer_that_comes_back_with_another_address_is_found(v6):
    """Its old station is silent: after some retransmissions it is asked for anew."""
    with Host(port={"neighbour": []}) as host:
        host.peer.announce()
        end, app = host.connection(options=PLAIN, v6=v6)
        host.peer.frames()
        old = host.peer.mac
        host.peer.mac = "02:00:00:00:00:55"
        app.send(b"hello")
        for _ in range(60):
            frame = end.take(1)
            if frame is not None and frame[Ether].dst == host.peer.mac:
                break
            assert frame is None or frame[Ether].dst == old
        else:
            pytest.fail("it was not found")
        end.ack += 5
        end.segment("A")
        assert app.info.unacked == 0


@v4_and_v6
@proves("V10")
def test_a_neighbour_that_does_not_answer_ends_a_connect_by_rule(v6):
    with Host(tcp={"syn_retries": 3}, port={"neighbour": []}) as host:
        host.peer.address, host.peer.address6 = "10.9.0.66", "fd09::66"
        host.peer.answer = lambda frame: False
        _, app = host.connect(v6=v6)
        frames = host.peer.frames(20)
        asked = [f for f in frames if ARP in f or (IPv6 in f and f[IPv6].nh == 58)]
        assert 3 <= len(asked) <= 30
        assert not [f for f in frames if TCP in f]
        assert app.state == "CLOSED"
        assert app.error in {EHOSTUNREACH, ETIMEDOUT}


@v4_and_v6
@proves("V10")
def test_what_waits_for_a_neighbour_leaves_when_it_answers(v6):
    with Host(port={"neighbour": []}) as host:
        answer = host.peer.answer
        host.peer.answer = lambda frame: False
        end, app = host.connect(v6=v6)
        host.peer.frames()
        host.peer.answer = answer
        syn = next(filter(None, (end.take(0.2) for _ in range(15))))
        assert syn[TCP].flags == "S"
        end.ack = syn[TCP].seq + 1
        end.segment("SA", options=PLAIN)
        assert app.state == "ESTABLISHED"


# Many, and the end


@proves("V11")
def test_timers_of_idle_connections_cost_nothing_until_they_are_due():
    with Host(provider={"max_connections": 20_000, "backlog_max": 20_000}, listen=False) as host:
        host.listener = host.listen(backlog=20_000)
        wire = Wire(host)
        n = 10_000
        for first in range(0, n, 20):
            ports = [(1024 + (first + i) % 60_000, PORT) for i in range(20)]
            answers = wire.send(*(frame4(p, SYN, 1000) for p in ports))
            wire.send(*(frame4((a.dport, PORT), ACK, 1001, a.seq + 1) for a in answers))
        apps = []
        while (app := host.accept()) is not None:
            app.option(OPT_KEEPALIVE, 1)
            apps.append(app)
        assert len(apps) == n
        turns = 0
        since = host.lab.now
        while host.lab.now - since < 7000:
            deadline = host.dataplane.deadline(housekeeping=False)
            if deadline - host.dataplane.now() > (7100 - (host.lab.now - since)) * 1e9:
                break
            host.dataplane.step(deadline)
            turns += 1
        assert turns <= 20, "nothing fires before its time"


@proves("V07")
def test_without_chunks_data_is_refused_and_comes_again():
    """Readers that do not read hold all stream memory; when one reads, the rest goes on."""
    room = {"memory": 16, "packet_buffers": 4096}
    with Host(provider=room, tcp={"recv_buffer": 1 << 20, "recv_buffer_max": 1 << 20}) as host:
        wire, ends = Wire(host), []
        while host.counter("NO_CHUNK") == 0:
            end, app = host.connection(options=SCALED)
            ends.append((end, app))
            assert len(ends) < 40
            for _ in range(600):
                data = frame4((end.sport, PORT), ACK | PSH, end.seq, end.ack, data=bytes(1400))
                wire.send(data)
                end.seq += app.info.bytes_received - (end.seq - 1001)
        last, app = ends[-1]
        before = app.info.bytes_received
        assert ends[0][1].recv(1 << 20)
        wire.send(frame4((last.sport, PORT), ACK | PSH, last.seq, last.ack, data=bytes(1400)))
        assert app.info.bytes_received == before + 1400
        assert all(app.state == "ESTABLISHED" for _, app in ends)
