"""Connections over a bad wire whose ends write, read and close at random moments.

Each connection has two ends, an end two threads of the lab: one writes, one reads. What an end
wrote is known from the seed, so the other end can compare all it reads. A hasty end closes before
it is done: abortively, or in order with data unread or unwritten.

Some ask first: their connects bring data and a quality of service, a condition function looks at
both and answers, and what is said at the end is compared too. Some paths lose what is larger than
they carry without a word, others cut it into fragments.
"""

import random
from dataclasses import dataclass, field

from pyprov.lab import Lab
from pyprov.winsock.codes import (
    WSAEACCES,
    WSAECONNABORTED,
    WSAECONNREFUSED,
    WSAECONNRESET,
    WSAEHOSTUNREACH,
    WSAEINTR,
    WSAENETRESET,
    WSAENOTSOCK,
    WSAESHUTDOWN,
    WSAETIMEDOUT,
    WSATRY_AGAIN,
)
from pyprov.winsock.constants import CF_ACCEPT, CF_DEFER
from pyprov.winsock.errors import WSAError
from pyprov.winsock.structs import LINGER
from tests.python.tcp.cutter import Cutter

PORT = 80
SD_SEND = 1

# How a connection may end whose ends or wire are rude.
ENDS = {WSAECONNRESET, WSAECONNABORTED, WSAETIMEDOUT, WSAENETRESET}
# What a call gets when the other thread of the same end has closed the socket.
CLOSED = {WSAEINTR, WSAENOTSOCK, WSAESHUTDOWN}


@dataclass
class Offer:
    """What a connect brings along, and what is answered."""

    caller: bytes
    callee: bytes
    rate: int  # asked for each way, bytes a second; 0: no quality of service
    defer: int  # so often the condition function puts the request off
    seen: list = field(default_factory=list)


@dataclass
class End:
    """What one end means to do, and what came of it."""

    data: bytes
    patience: float | None  # seconds until it closes, come what may
    abort: bool
    pause: float  # between its calls, at most
    bye: bytes  # said with the FIN
    got: bytearray = field(default_factory=bytearray)
    whole: bool = False  # read the peer's FIN
    heard: bytes = b""  # and with it
    error: int = 0
    wrong: str = ""


def draw_wire(rng):
    """Every vice with some probability."""

    def some(share, most):
        return rng.random() * most if rng.random() < share else 0.0

    loss = some(0.7, 0.2)
    return {
        "rate": rng.choice([0, 0, 2_000_000, 50_000_000]),
        "queue": rng.choice([0, 20_000]),
        "delay": rng.random() * 0.05,
        "jitter": some(0.3, 0.02),
        "loss": loss,
        "burst": rng.choice([1, 1, 4]),
        "reorder": some(0.4, 0.3),
        "reorder_delay": 0.001 + rng.random() * 0.05,
        "duplicate": some(0.4, 0.2),
        "corrupt": some(0.3, 0.1),
        "mtu": rng.choice([0, 0, 0, 1280, 1300, 1492]),
    }


def draw_fragments(rng):
    """What happens on a path that cuts; None: it does not."""
    if rng.random() < 0.85:
        return None
    return {
        "size": rng.choice([576, 1000, 1280]),
        "delay": rng.randrange(20_000_000),
        "loss": rng.choice([0.0, 0.05]),
        "reorder": rng.choice([0.0, 0.3]),
        "duplicate": rng.choice([0.0, 0.0, 0.1]),
    }


def draw_config(rng):
    """Windows down to tiny ones, and every algorithm on or off."""
    buffers = 2048 << rng.randrange(7)
    tcp = {
        name: rng.random() < 0.75
        for name in ("sack", "timestamps", "window_scale", "rack", "f_rto", "nagle", "delayed_ack")
    }
    return {
        "port": [{"mtu": rng.choice([1280, 1500, 1500, 9000])}],
        "tcp": tcp
        | {
            "ecn": rng.random() < 0.3,
            "congestion": rng.choice(["cubic", "newreno", "dctcp"]),
            "syn_cookies": rng.choice(["auto", "always", "never"]),
            "recv_buffer": buffers,
            "recv_buffer_max": buffers * rng.choice([1, 8]),
            "send_buffer": 2048 << rng.randrange(7),
            "keepalive_idle": 60.0,
        },
    }


class Story:
    """One seed's."""

    def __init__(self, seed, connections=3, most=100_000):
        self.rng = rng = random.Random(f"ends {seed}")
        self.wire, self.config = draw_wire(rng), draw_config(rng)
        self.seed = seed
        self.ends = [(self._end(most), self._end(most)) for _ in range(connections)]
        self.six = [rng.random() < 0.3 for _ in range(connections)]
        self.met = [False] * connections
        self.again = [False] * connections
        self.offers = [self._offer() if rng.random() < 0.3 else None for _ in self.ends]
        self.conditional = rng.random() < 0.25
        self.fragments = draw_fragments(rng)

    def _end(self, most):
        rng = self.rng
        return End(
            data=rng.randbytes(rng.randrange(most)),
            patience=0.01 * 2000 ** rng.random() if rng.random() < 0.3 else None,
            abort=rng.random() < 0.5,
            pause=rng.choice([0, 0, 0.2]),
            bye=rng.choice([b"", b"goodbye"]),
        )

    def _offer(self):
        rng = self.rng
        return Offer(
            caller=rng.randbytes(rng.randrange(1025)),
            callee=rng.randbytes(rng.randrange(1025)),
            rate=rng.choice([0, 50_000, 1_000_000]),
            defer=rng.choice([0, 0, 1, 2]),
        )

    def run(self):
        """Live it; whatever is wrong is an AssertionError that names the seed."""
        with Lab.pair(seed=self.seed, config=self.config, keep=False, **self.wire) as two:
            self.two = two
            if self.fragments is not None:
                Cutter(two, self.rng, **self.fragments)
            listeners = [self._listen(six) for six in (False, True)]
            acceptors = [two.spawn(self._accept, s) for s in listeners]
            jobs = [two.spawn(self._call, i) for i in range(len(self.ends))]
            for job in jobs:
                job.result()
            self._wait_for_far_ends()
            for s in listeners:
                two.b.spi.WSPCloseSocket(s)
            for job in acceptors:
                job.result()
            self.check()
            self._check_empty()

    def check(self):
        for i, (near, far) in enumerate(self.ends):
            for mine, other in ((near, far), (far, near)):
                what = f"seed {self.seed} connection {i}: {mine.error} {mine.wrong}"
                assert not mine.wrong, what
                assert other.data.startswith(mine.got), f"{what}: wrong bytes"
                assert mine.heard in {b"", other.bye}, what
                if mine.whole and other.patience is None and other.error == 0:
                    assert mine.got == other.data, f"{what}: not whole"
            polite = near.patience is None and far.patience is None and not self.again[i]
            if polite and self.met[i] and not (near.error or far.error):
                assert near.whole
                assert far.whole
            if self.offers[i] is not None:
                seen = {*self.offers[i].seen} - {None, self.offers[i].caller}
                assert not seen, f"seed {self.seed} connection {i}: wrong caller data"
            if polite and self._is_faithful():
                errors = {near.error, far.error} - {0}
                assert not errors, f"seed {self.seed} connection {i}: {errors} for no reason"

    def _is_faithful(self):
        """Does every frame arrive, and in an order that a handshake without a record survives?"""
        wire = self.wire
        if self.fragments is not None:  # one that comes twice ends its datagram
            path = self.fragments
            late = path["reorder"] and self._always_cookies()
            return not (path["loss"] or path["duplicate"] or late)
        full = wire["rate"] and wire["queue"]
        late = wire["reorder"] and self._always_cookies()
        return not (wire["loss"] or wire["corrupt"] or full or late)

    def _always_cookies(self):
        return self.config["tcp"]["syn_cookies"] == "always"

    def _check_empty(self):
        # Orphans, keep-alives and TIME-WAIT end by themselves, within an hour.
        self.two.advance(4000)
        for node in (self.two.a, self.two.b):
            assert node.dataplane.connections() == [], f"seed {self.seed}: connections are left"
            timers = node.dataplane.deadline(housekeeping=False)
            assert timers is None, f"seed {self.seed}: a timer is left"
            assert node.dataplane.counters()["NEVER"] == 0, f"seed {self.seed}"

    def _socket(self, spi, six):
        s = spi.WSPSocket(spi.AF_INET6 if six else spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP)
        spi.WSPSetSockOpt(s, spi.SOL_SOCKET, spi.SO_KEEPALIVE, 1)
        return s

    def _listen(self, six):
        spi, b = self.two.b.spi, self.two.b
        s = self._socket(spi, six)
        spi.WSPBind(s, (b.address6 if six else b.address, PORT))
        if self.conditional:
            spi.WSPSetSockOpt(s, spi.SOL_SOCKET, spi.SO_CONDITIONAL_ACCEPT, 1)
        spi.WSPListen(s, 10)
        return s

    def _decide(self, caller_id, caller_data, _sqos, _gqos, _callee_id, callee_data, _g, _data):
        offer = self.offers[caller_id.address[1] - 20_000]
        if offer is None:
            return CF_ACCEPT
        offer.seen.append(None if caller_data is None else bytes(caller_data))
        if offer.defer:
            offer.defer -= 1
            return CF_DEFER
        if len(offer.callee) <= callee_data.capacity:
            callee_data.write(offer.callee)
        return CF_ACCEPT

    def _accept(self, listener):
        spi = self.two.b.spi
        jobs = []
        while True:
            try:
                s, peer = spi.WSPAccept(listener, self._decide)
            except WSAError as error:
                if error.code in CLOSED:
                    break
                # Put off, or gone before anybody took it.
                if error.code not in {WSATRY_AGAIN, WSAEACCES, WSAECONNRESET}:
                    raise
                continue
            i = peer[1] - 20_000
            if self.met[i]:
                self._met_again(spi, s, i)
                continue
            self.met[i] = True
            jobs.append(self.two.spawn(self._live, spi, s, i, 1))
        for job in jobs:
            job.result()

    def _met_again(self, spi, s, i):
        """Nobody remembers a cookie's connection that was reset: what its peer sends once more,
        before it hears of that, looks like the end of a handshake."""
        assert self._always_cookies(), f"seed {self.seed} connection {i}: accepted twice"
        self.again[i] = True
        spi.WSPCloseSocket(s)

    def _call(self, i):
        spi, six = self.two.a.spi, self.six[i]
        end = self.ends[i][0]
        s = self._socket(spi, six)
        a, b = self.two.a, self.two.b
        spi.WSPBind(s, (a.address6 if six else a.address, 20_000 + i))
        try:
            self._connect(spi, s, (b.address6 if six else b.address, PORT), i)
        except WSAError as error:
            end.error = error.code
            # A lossy wire can swallow every SYN, and before it every question for the neighbour.
            if error.code not in {*ENDS, WSAECONNREFUSED, WSAEHOSTUNREACH}:
                end.wrong = f"connect: {error}"
            spi.WSPCloseSocket(s)
            return
        self._live(spi, s, i, 0)

    def _connect(self, spi, s, name, i):
        offer = self.offers[i]
        if offer is None:
            spi.WSPConnect(s, name)
            return
        sqos, answer = None, spi.WSABUF(1024)
        if offer.rate:
            flow = spi.FLOWSPEC(
                TokenRate=offer.rate,
                TokenBucketSize=10_000,
                ServiceType=spi.SERVICETYPE_GUARANTEED,
                MinimumPolicedSize=64,
            )
            sqos = spi.QOS(flow, flow)
        spi.WSPConnect(s, name, offer.caller, answer, sqos)
        if bytes(answer) not in {b"", offer.callee}:
            self.ends[i][0].wrong = f"callee data: {bytes(answer)!r}"

    def _live(self, spi, s, i, side):
        end, other = self.ends[i][side], self.ends[i][1 - side]
        rng = random.Random(f"{self.seed} {i} {side}")
        writer = self.two.spawn(self._write, spi, s, end, rng)
        closer = None
        if end.patience is not None:
            closer = self.two.spawn(self._close_in_time, spi, s, end)
        self._read(spi, s, end, len(other.data), rng)
        writer.result()
        if closer is not None:
            closer.result()
        else:
            spi.WSPCloseSocket(s)

    def _write(self, spi, s, end, rng):
        left = end.data
        try:
            while left:
                part, left = left[: (n := 1 + rng.randrange(9000))], left[n:]
                assert spi.WSPSend(s, part) == len(part)
                if end.pause:
                    self.two.advance(rng.random() * end.pause)
            if end.bye:
                spi.WSPSendDisconnect(s, end.bye)
            else:
                spi.WSPShutdown(s, SD_SEND)
        except WSAError as error:
            self._ended(end, error, "send")

    def _read(self, spi, s, end, most, rng):
        try:
            while len(end.got) <= most:
                buffer = bytearray(1 + rng.randrange(9000))
                n = spi.WSPRecv(s, buffer)[0]
                if n == 0:
                    end.whole = True
                    said = spi.WSABUF(100)
                    spi.WSPRecvDisconnect(s, said)
                    end.heard = bytes(said)
                    return
                end.got += buffer[:n]
                if end.pause:
                    self.two.advance(rng.random() * end.pause)
        except WSAError as error:
            self._ended(end, error, "recv")

    def _ended(self, end, error, call):
        if error.code in ENDS:
            end.error = end.error or error.code
        elif end.patience is None or error.code not in CLOSED:
            end.wrong = f"{call}: {error}"

    def _close_in_time(self, spi, s, end):
        self.two.advance(end.patience)
        if end.abort:
            spi.WSPSetSockOpt(s, spi.SOL_SOCKET, spi.SO_LINGER, LINGER(1, 0))
        spi.WSPCloseSocket(s)

    def _wait_for_far_ends(self):
        """Who has connected is accepted in the end, or was reset: both within keep-alive's time."""
        self.two.advance(300)
