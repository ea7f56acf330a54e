"""A path that cuts large packets into fragments, which may be lost, late, doubled or out of order.

It takes the place of a lab's wire. What no fragment could carry (our packets ask not to be cut) a
middlebox cuts all the same; reassembly and TCP must bear it.
"""

import heapq
import itertools

from tests.python.tcp.wire_rules import IP6, checksum

FRAGMENT = 44
HEADER, HEADER4, HEADER6 = 14, 20, 40
MS = 1_000_000


def cut(frame, size, ident):
    """The frame in fragments with at most `size` bytes behind the IP header."""
    six = int.from_bytes(frame[12:14], "big") == IP6
    if frame[12] not in {0x08, 0x86} or (frame[13] == 6 and not six):  # ARP
        return [frame]
    length = HEADER6 if six else HEADER4
    head, data = frame[: HEADER + length], frame[HEADER + length :]
    data = data[: int.from_bytes(frame[18:20] if six else frame[16:18], "big") - length * (not six)]
    size -= size % 8
    if len(data) <= size:
        return [frame]
    pieces = []
    for at in range(0, len(data), size):
        more = at + size < len(data)
        make = fragment6 if six else fragment4
        pieces.append(make(bytearray(head), data[at : at + size], at, more, ident))
    return pieces


def fragment4(head, data, at, more, ident):
    head[16:18] = (HEADER4 + len(data)).to_bytes(2, "big")
    head[18:20] = (ident & 0xFFFF).to_bytes(2, "big")
    head[20:22] = (0x2000 * more | at // 8).to_bytes(2, "big")
    head[24:26] = bytes(2)
    head[24:26] = checksum(bytes(head[HEADER:])).to_bytes(2, "big")
    return bytes(head) + data


def fragment6(head, data, at, more, ident):
    header = bytes([head[20], 0]) + (at | more).to_bytes(2, "big") + ident.to_bytes(4, "big")
    head[18:20] = (len(header) + len(data)).to_bytes(2, "big")
    head[20] = FRAGMENT
    return bytes(head) + header + data


class Cutter:
    """The link between two engines of a lab."""

    def __init__(self, two, rng, *, size, delay, loss=0.0, reorder=0.0, duplicate=0.0):
        self.planes = (two.a.dataplane, two.b.dataplane)
        self.rng, self.size, self.delay = rng, size, delay
        self.loss, self.reorder, self.duplicate = loss, reorder, duplicate
        self.numbers = itertools.count()
        self.flying = []  # (when, number, to, frame)
        two.wire.close()
        two._world._link = self

    def deadline(self):
        return self.flying[0][0] if self.flying else None

    def move(self, now):
        for side, plane in enumerate(self.planes):
            for when, frame in plane.collect(0) if plane.home.alive else ():
                for piece in cut(frame, self.size, next(self.numbers)):
                    self.launch(when, 1 - side, piece)
        while self.flying and self.flying[0][0] <= now:
            _, _, side, piece = heapq.heappop(self.flying)
            if self.planes[side].home.alive:
                self.planes[side].inject(0, piece)

    def launch(self, when, side, piece):
        rng = self.rng
        for _ in range(1 + (rng.random() < self.duplicate)):
            if rng.random() >= self.loss:
                late = rng.randrange(5 * MS) if rng.random() < self.reorder else 0
                due = when + self.delay + late
                heapq.heappush(self.flying, (due, next(self.numbers), side, piece))
