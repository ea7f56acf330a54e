"""We send, the peer acknowledges as it likes: segments by number, the first one being 0.

    with Host(tcp={...}) as host:
        flow = Flow(host, rtt=0.1)
        assert flow.write(12) == [0, 1, ..., 9]     # which leave at once
        assert flow.ack(2) == [10, 11]              # the peer has all before 2
        assert flow.sack(2, (3, 6)) == [2]          # ... and 3, 4, 5
        assert flow.wait(0.3) == [(0.2, 2)]         # what timers send, and when

Segments have 1000 bytes, less what timestamps take. Every frame of ours is checked.
"""

from typing import NamedTuple

from pyprov.core.port import OPT_NODELAY
from tests.python.tcp.frames import ACK, PSH, SYN, Segment, frame4, is_tcp
from tests.python.tcp.host import PORT
from tests.python.tcp.wire_rules import CWR, ECE, FIN, MSS, SACK, TIMESTAMPS, check_frame

CE = 3
ECT = 2


def split(area):
    """{kind: value} of the options of a segment."""
    options, at = {}, 0
    while at < len(area):
        if area[at] == 0:
            break
        if area[at] == 1:
            at += 1
            continue
        options[area[at]] = area[at + 2 : at + area[at + 1]]
        at += area[at + 1]
    return options


def words(value):
    return [int.from_bytes(value[at : at + 4], "big") for at in range(0, len(value), 4)]


def blocks_of(segment):
    """The SACK blocks of a segment, [(left, right)]."""
    edges = words(split(segment.options).get(SACK, b""))
    return list(zip(edges[::2], edges[1::2], strict=True))


def stamps_of(segment):
    """(TSval, TSecr), None if there are none."""
    value = split(segment.options).get(TIMESTAMPS)
    return None if value is None else tuple(words(value))


class Ours(Segment):
    """A segment of ours, when it left, and the ECN field of its packet."""

    __slots__ = ("ecn", "when")

    def __init__(self, when, frame):
        super().__init__(frame)
        self.when = when / 1e9
        self.ecn = frame[15] & 3


class Sent(NamedTuple):
    """A segment of ours: when it left (since the flow began to be watched), which it is."""

    when: float
    number: int


class Flow:
    """A connection to our port that the peer opened; `rtt` is that of its handshake."""

    _next_port = 20000

    def __init__(self, host, *, sack=True, stamps=False, wscale=None, mss=1000, **params):
        self.host = host
        self.dataplane = host.dataplane
        self.sack_ok, self.stamps = sack, stamps
        self.window = params.pop("window", 65535)
        self.rtt = params.pop("rtt", 0.1)
        self.nodelay = params.pop("nodelay", True)
        self.ecn = params.pop("ecn", False)
        assert not params, params
        Flow._next_port += 1
        self.ports = (Flow._next_port, PORT)
        self.seq = 5000
        self.clock = 100  # the peer's TSval at time 0, in milliseconds
        self.echo = 0  # our TSval that the peer echoes
        self.tos = 0  # of what the peer sends
        self.log = []  # every data segment of ours
        self.answers = []  # every other one
        self.open(mss, wscale)
        self.mss = self.info.snd_mss
        if self.nodelay:
            self.app.option(OPT_NODELAY, 1)

    def open(self, mss, wscale):
        options = bytes([MSS, 4]) + mss.to_bytes(2, "big")
        if self.sack_ok:
            options += bytes([1, 1, 4, 2])
        if wscale is not None:
            options += bytes([1, 3, 3, wscale])
        if self.stamps:
            options += self.timestamps(0)
        flags = SYN | (ECE | CWR if self.ecn else 0)
        self.inject(frame4(self.ports, flags, self.seq, options=options, window=self.window))
        self.syn_ack = syn_ack = self.answers.pop()
        self.start = (syn_ack.seq + 1) % 2**32
        self.acked = self.start
        self.seq += 1
        self.stamps = stamps_of(syn_ack) is not None
        self.pass_time(self.rtt)
        self.inject(self.bare())
        self.app = self.host.accept()

    def timestamps(self, echo=None):
        value = self.clock + self.dataplane.now() // 10**6
        echo = self.echo if echo is None else echo
        return bytes([1, 1, TIMESTAMPS, 10]) + value.to_bytes(4, "big") + echo.to_bytes(4, "big")

    def bare(self, ack=None, options=b"", **fields):
        """A segment of the peer's, as a frame."""
        echo = fields.pop("echo", None)
        flags = fields.pop("flags", ACK)
        if self.stamps and fields.pop("stamped", True):
            options = self.timestamps(echo) + options
        fields = {"window": self.window} | fields
        ack = self.acked if ack is None else ack
        seq = fields.pop("seq", self.seq)
        frame = frame4(self.ports, flags, seq, ack, options=options, **fields)
        if self.tos:
            frame = with_tos(frame, self.tos)
        return frame

    def inject(self, *frames):
        """Let frames of the peer arrive in one burst; returns the data segments that leave."""
        for frame in frames:
            self.dataplane.inject(0, frame)
        self.dataplane.step(self.dataplane.now())
        return self.collect()

    def collect(self):
        """Our data segments since the last call; others go to `answers`."""
        found = []
        for when, frame in self.dataplane.collect(0):
            if not is_tcp(frame):
                continue
            check_frame(frame)
            segment = Ours(when, frame)
            if segment.dport != self.ports[0]:
                continue
            stamps = stamps_of(segment)
            if stamps is not None:
                self.echo = stamps[0]
            (found if segment.payload or segment.flags & FIN else self.answers).append(segment)
        self.log += found
        return found

    def numbers(self, segments):
        return [self.number(segment) for segment in segments]

    def number(self, segment):
        """Which one it is; it must begin where a full segment does."""
        bytes_before = (segment.seq - self.start) % 2**32
        assert bytes_before % self.mss == 0, f"{bytes_before} is no boundary"
        return bytes_before // self.mss

    def at(self, number):
        """The sequence number at which a segment begins."""
        return (self.start + round(number * self.mss)) % 2**32

    def write(self, segments, extra=0):
        """The application writes; returns the numbers of the segments that leave at once."""
        size = segments * self.mss + extra
        taken = self.dataplane.send(self.app.handle, bytes(size), 0)
        assert taken == size, f"only {taken} of {size} bytes were taken"
        self.host.turn()
        return self.numbers(self.collect())

    def ack(self, number, **fields):
        """All before `number` is acknowledged; returns what leaves at once."""
        return self.sack(number, **fields)

    def sack(self, number, *blocks, **fields):
        """The same with SACK blocks (left, right), right being the first one not included."""
        return self.numbers(self.inject(self.acking(number, *blocks, **fields)))

    def acking(self, number, *blocks, **fields):
        """That ACK as a frame; the numbers may be fractions."""
        options = b""
        if blocks:
            edges = b"".join(self.at(edge).to_bytes(4, "big") for pair in blocks for edge in pair)
            options = bytes([1, 1, SACK, 2 + len(edges)]) + edges
        ack = self.at(number)
        if (ack - self.acked) % 2**32 < 2**31:
            self.acked = ack
        return self.bare(ack, options, **fields)

    def duplicates(self, number, count, **fields):
        """So many duplicate ACKs, one by one; returns what each lets out."""
        return [self.ack(number, **fields) for _ in range(count)]

    def data(self, payload, **fields):
        """The peer sends data; returns our data segments that leave at once."""
        sent = self.inject(self.bare(flags=ACK | PSH, data=payload, **fields))
        if "seq" not in fields:
            self.seq += len(payload)
        return sent

    def pass_time(self, seconds):
        self.host.lab.advance(seconds)

    def wait(self, seconds):
        """Let time pass; returns what leaves meanwhile, [(seconds from now, number)]."""
        before = self.dataplane.now() / 1e9
        self.pass_time(seconds)
        return [
            Sent(round(segment.when - before, 6), self.number(segment))
            for segment in self.collect()
        ]

    def next(self, within=10.0):
        """The next segment that a timer sends: (seconds from now, number)."""
        before = self.dataplane.now() / 1e9
        while (passed := self.dataplane.now() / 1e9 - before) < within:
            deadline = self.dataplane.deadline(housekeeping=False)
            ahead = within if deadline is None else (deadline - self.dataplane.now()) / 1e9
            self.pass_time(max(0, min(ahead, within - passed)) + 1e-9)
            found = self.collect()
            if found:
                assert len(found) == 1, f"{self.numbers(found)} at once"
                return Sent(round(found[0].when - before, 6), self.number(found[0]))
        raise AssertionError(f"nothing within {within} s")

    def answer(self):
        """The last segment without data that came, which is then forgotten."""
        self.collect()
        segment = self.answers.pop()
        self.answers.clear()
        return segment

    @property
    def number_acked(self):
        """The first segment that is not acknowledged."""
        return (self.acked - self.start) % 2**32 // self.mss

    @property
    def number_sent(self):
        """The first one that was never sent."""
        self.collect()
        return 1 + max((self.number(segment) for segment in self.log), default=-1)

    def deliver(self, segments, *, rtt=None):
        """A round trip in which all of `segments` are acknowledged one by one; what leaves."""
        self.pass_time(self.rtt if rtt is None else rtt)
        sent = self.numbers(self.collect())
        for number in segments:
            sent += self.ack(number + 1)
        return sent

    @property
    def info(self):
        return self.app.info

    @property
    def cwnd(self):
        """In segments."""
        return self.info.snd_cwnd / self.mss

    @property
    def ssthresh(self):
        return self.info.snd_ssthresh / self.mss

    @property
    def rto(self):
        """In seconds."""
        return self.info.rto / 1e6


def in_flight(host, segments=10, waiting=20, **params):
    """A flow with so many segments on their way, 100 ms old, and more that wait."""
    flow = Flow(host, **params)
    assert flow.write(segments + waiting) == list(range(segments))
    flow.pass_time(0.1)
    return flow


def with_tos(frame, tos):
    """The IPv4 frame with another type of service; its checksum is kept right."""
    packet = bytearray(frame)
    packet[15] = tos
    total = int.from_bytes(packet[24:26], "big") ^ 0xFFFF
    total += (0xFFFF - (0x4500 + (frame[15]))) + (0x4500 + tos)
    total = (total & 0xFFFF) + (total >> 16)
    packet[24:26] = (total ^ 0xFFFF).to_bytes(2, "big")
    return bytes(packet)


__all__ = [
    "CE",
    "ECT",
    "Flow",
    "Sent",
    "blocks_of",
    "in_flight",
    "split",
    "stamps_of",
    "with_tos",
    "words",
]
