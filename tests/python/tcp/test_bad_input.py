"""Whatever arrives: each frame ends in one counter, nothing dies, nobody else notices."""

import random

import pytest

from pyprov._dataplane import ffi, lib
from tests.proofs import proves
from tests.python.tcp.frames import (
    ACK,
    FIN,
    OUR4,
    PEER4,
    PSH,
    RST,
    SYN,
    SYN_OPTIONS,
    Wire,
    ethernet,
    frame4,
    frame6,
    ip4,
    tcp,
)
from tests.python.tcp.host import PORT, STATES, Host, refused
from tests.python.tcp.mutations import good_frames, mutated
from tests.python.tcp.wire_rules import IP4, URG, check_frame, checksum

OUTCOMES = [
    ffi.string(lib.pv_counter_name(i)).decode()
    for i in range(lib.pv_counter_count())
    if lib.pv_counter_kind(i) == 0
]

BATCH = 500
SMALL = {"packet_buffers": 2048, "max_connections": 512, "half_open_max": 256, "time_wait_max": 256}


def outcomes(host):
    counters = host.dataplane.counters()
    return sum(counters[name] for name in OUTCOMES), counters


class Witness:
    """A connection that nobody may disturb."""

    def __init__(self, host, sport=6000):
        self.wire = Wire(host)
        self.ports = (sport, PORT)
        (answer,) = self.wire.send(frame4(self.ports, SYN, 10**6))
        self.ack, self.seq = answer.seq + 1, 10**6 + 1
        self.wire.send(frame4(self.ports, ACK, self.seq, self.ack))
        self.app = host.accept()

    def works(self, n):
        data = f"message {n}".encode()
        frame = frame4(self.ports, ACK | PSH, self.seq, self.ack, data=data)
        self.wire.send(frame)
        assert self.app.recv() == data
        self.seq += len(data)
        self.app.send(data)
        came = [s for s in self.wire.collect() if s.dport == self.ports[0]]
        assert came[-1].payload == data
        assert came[-1].ack == self.seq
        self.ack += len(data)
        self.wire.send(frame4(self.ports, ACK, self.seq, self.ack))


class Target:
    """A connection in some state, and good segments for it that are to be spoiled."""

    def __init__(self, host, wire, rng):
        self.rng = rng
        self.make = rng.choice((frame4, frame4, frame6))
        self.ports = (rng.randrange(10000, 60000), PORT)
        self.seq, self.ack = rng.randrange(2**32), 0
        self.stamps = b""
        self.app = None
        options = rng.choice((b"", SYN_OPTIONS, SYN_OPTIONS, bytes.fromhex("01010402")))
        for answer in wire.send(self.frame(SYN, options=options)):
            self.open(host, wire, answer)

    def frame(self, flags, by=0, **fields):
        fields.setdefault("options", self.stamps)
        return self.make(self.ports, flags, self.seq + by, self.ack, **fields)

    def open(self, host, wire, answer):
        self.seq += 1
        self.ack = answer.seq + 1
        if len(answer.options) == 20:
            self.stamps = b"\1\1\x08\x0a\0\0\0\2" + answer.options[8:12]
        if self.rng.random() < 0.2:
            return  # half-open it stays
        wire.send(self.frame(ACK))
        self.app = host.accept()
        if self.app is not None:
            self.progress(wire)

    def progress(self, wire):
        """On to one of the states that follow."""
        app, draw = self.app, self.rng.random
        if draw() < 0.3:
            wire.send(self.frame(ACK | FIN))
            self.seq += 1
        if draw() < 0.3:
            app.send(bytes(self.rng.choice((1, 100, 5000))))
        if draw() < 0.5:
            self.rng.choice((app.shutdown, app.shutdown, app.close, app.abort))()
        for segment in wire.collect():
            if segment.dport == self.ports[0] and draw() < 0.7:
                length = len(segment.payload) + (segment.flags & FIN)
                self.ack = segment.seq + length
        if draw() < 0.7:
            wire.send(self.frame(ACK))
        if draw() < 0.3:
            wire.send(self.frame(ACK | FIN))

    def frames(self):
        inner = ip4(
            tcp((PORT, self.ports[0]), ACK, self.ack - 1, addresses=(OUR4, PEER4)),
            source=OUR4,
            destination=PEER4,
        )
        code = self.rng.choice((0, 1, 2, 3, 4, 13))
        icmp = bytes((3, code)) + bytes(4) + (600).to_bytes(2, "big") + inner[:28]
        sum_ = checksum(icmp).to_bytes(2, "big")
        return [
            self.frame(ACK),
            self.frame(ACK | PSH, data=b"data"),
            self.frame(ACK | PSH, 1000, data=bytes(100)),
            self.frame(ACK | FIN, 4),
            self.frame(ACK | FIN),
            self.frame(ACK | URG, data=b"urgent", urgent=2),
            self.frame(RST),
            self.frame(RST, 100),
            self.frame(SYN, -1),
            self.frame(SYN, 10**6),
            ethernet(ip4(icmp[:2] + sum_ + icmp[4:], protocol=1), IP4),
        ]

    def close(self):
        if self.app is not None:
            assert self.app.status.state < len(STATES)
            refused(self.rng.choice((self.app.close, self.app.abort)))


def throw(host, rng, corpus, n):
    """Let n spoiled frames arrive, some to a burst; checks what is sent in return."""
    inject, done = host.dataplane.inject, 0
    while done < n:
        for _ in range(min(rng.choice((1, 4, 32)), n - done)):
            inject(0, mutated(rng, rng.choice(corpus)))
            done += 1
        host.turn()
    for _, frame in host.dataplane.collect(0):
        check_frame(frame)


def is_empty(host, targets):
    """Nothing is known any more, and there is room for as much as ever."""
    assert host.dataplane.connections() == []
    wire = Wire(host)
    for target in targets:
        (answer,) = wire.send(target.frame(ACK))
        assert answer.flags == RST
    before = host.counts("TCP_SYN_ACCEPTED", "TCP_ACK_ACCEPTED")
    for port in range(3000, 3000 + SMALL["half_open_max"] // 2):
        wire.send(frame4((port, PORT), SYN, 9))
    for port in range(2000, 2000 + SMALL["max_connections"]):
        (answer,) = wire.send(frame4((port, PORT), SYN, 9))
        wire.send(frame4((port, PORT), ACK, 10, answer.seq + 1))
        assert host.accept() is not None
    after = host.counts("TCP_SYN_ACCEPTED", "TCP_ACK_ACCEPTED")
    assert after[1] - before[1] == SMALL["max_connections"]
    assert after[0] - before[0] == SMALL["max_connections"] + SMALL["half_open_max"] // 2


@proves("V01")
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "seed", [1, *(pytest.param(s, marks=pytest.mark.slow) for s in range(2, 20))]
)
def test_a_hundred_thousand_spoiled_frames(seed):
    rng = random.Random(seed)
    known = good_frames()
    with Host(provider=SMALL, backlog=64) as host:
        witness = Witness(host)
        for batch in range(100_000 // BATCH):
            targets = [Target(host, witness.wire, rng) for _ in range(15)]
            corpus = known + [frame for target in targets for frame in target.frames()]
            throw(host, rng, corpus, BATCH)
            ended, counters = outcomes(host)
            assert ended == counters["RX_FRAMES"], f"batch {batch}"
            assert counters["NEVER"] == 0
            witness.works(batch)
            for target in targets:
                target.close()
            while (late := host.accept()) is not None:
                late.abort()
            if batch % 20 == 19:
                host.lab.advance(rng.choice((0.1, 3, 40)))
        assert counters["RX_FRAMES"] > 100_000
        assert counters["NO_MBUF"] == 0
        seen = [name for name in OUTCOMES if counters[name]]
        assert len(seen) > 70, sorted(set(OUTCOMES) - set(seen))
        host.lab.reset()
        witness.app.close()
        is_empty(host, targets)


def conversation(host, ports, layout, ending):
    """A whole connection; returns the peer's frames, in order."""
    wire, frames = Wire(host), []

    def say(flags, seq, ack, data=b"", options=b""):
        frames.append(frame4(ports, flags, seq, ack, data=data, options=options))
        return wire.send(frames[-1])

    (answer,) = say(SYN, 100, 0, options=layout)
    ours, stamps = answer.seq + 1, b""
    if len(answer.options) == 20:
        stamps = b"\1\1\x08\x0a\0\0\0\2" + answer.options[8:12]
    say(ACK, 101, ours, options=stamps)
    app = host.accept()
    say(ACK | PSH, 101, ours, b"first", stamps)
    say(ACK | PSH, 106, ours, b"second", stamps)
    assert app.recv() == b"firstsecond"
    if ending == "ours":
        app.close()
        say(ACK | FIN, 112, ours + 1, options=stamps)
    elif ending == "theirs":
        say(ACK | FIN, 112, ours, options=stamps)
        app.close()
        say(ACK, 113, ours + 1, options=stamps)
    elif ending == "reset":
        say(RST, 112, ours)
        app.close()
    else:
        app.abort()
    wire.collect()
    assert host.dataplane.connections() == []
    return frames


LAYOUTS = {"plain": b"", "sack": bytes.fromhex("01010402"), "linux": SYN_OPTIONS}


@pytest.mark.parametrize("pause", [0, 0.001, 1, 30, 61, 200])
@pytest.mark.parametrize("ending", ["ours", "theirs", "reset", "abort"])
def test_a_finished_connection_cannot_be_replayed(pause, ending):
    """Not by any segment alone, nor by all in order; the numbers are new each time."""
    with Host(backlog=100) as host:
        wire, played = Wire(host), []
        for i, layout in enumerate(LAYOUTS.values()):
            played.append(conversation(host, (5000 + i, PORT), layout, ending))
        requests = host.counter("TCP_REQUESTS")
        host.lab.advance(pause)
        for frames in played:
            for frame in frames:
                wire.send(frame)
            for frame in (*frames, *reversed(frames)):
                wire.send(frame)
        wire.send(*(frame for frames in played for frame in frames))  # in one burst
        assert host.accept() is None
        assert host.counter("TCP_REQUESTS") == requests


def test_a_reset_engine_takes_nothing_of_what_was_before():
    with Host() as host:
        frames = conversation(host, (5000, PORT), SYN_OPTIONS, "theirs")
        host.lab.reset()
        host.lab.advance(0.5)
        for frame in frames:
            Wire(host).send(frame)
        assert host.accept() is None
