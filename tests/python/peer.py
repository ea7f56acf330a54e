"""The other host on a lab's wire, made of scapy: tests say segment by segment what it does.

    peer = Peer(lab)
    tcp = peer.tcp(80)              # a client's end; nothing is sent yet
    tcp.handshake()
    tcp.segment("PA", b"hello")
    tcp.expect("A")
    tcp.segment("FA"); tcp.expect("A")

Sequence numbers are kept: `segment` moves `seq` by what it sent, `expect` moves `ack` to what came.
ARP requests and neighbour solicitations for the peer's addresses are answered whenever frames are
looked at.
"""

from collections import deque

from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

LINUX_OPTIONS = [
    ("MSS", 1460),
    ("SAckOK", b""),
    ("Timestamp", (1, 0)),
    ("NOP", None),
    ("WScale", 7),
]
MODULUS = 2**32


def payload_of(segment):
    """Its data, without the padding of a short Ethernet frame."""
    return segment[Raw].load if Raw in segment else b""


def stamp_of(options):
    """(TSval, TSecr) among options, None if they are not there."""
    return next((value for name, value in options if name == "Timestamp"), None)


class Peer:
    def __init__(
        self, lab, *, address="10.9.0.1", address6="fd09::1", mac="02:00:00:00:00:99", port=0
    ):
        self.lab = lab
        self.address = address
        self.address6 = address6
        self.mac = mac
        self.port = port
        self.inbox = deque()
        self.next_port = 40000

    def send(self, packet, **ether):
        """Put an IP packet (or anything above Ethernet) on the wire."""
        frame = Ether(**{"src": self.mac, "dst": self.lab.mac} | ether) / packet
        self.lab.inject(bytes(frame), self.port)

    def raw(self, frame):
        self.lab.inject(bytes(frame), self.port)

    def frames(self, seconds=0.0):
        """All frames that came, as scapy packets, after so much time; ours are answered first."""
        self.poll()
        if seconds:
            self.lab.advance(seconds)
            self.poll()
        taken, self.inbox = list(self.inbox), deque()
        return taken

    def poll(self):
        while True:
            fresh = self.lab.collect(self.port)
            if not fresh:
                return
            for when, data in fresh:
                frame = Ether(data)
                frame.time = when
                if not self.answer(frame):
                    self.inbox.append(frame)

    def answer(self, frame):
        """Reply to a request for our station address."""
        if ARP in frame and frame[ARP].op == 1 and frame[ARP].pdst == self.address:
            asked = frame[ARP]
            reply = ARP(op=2, hwsrc=self.mac, psrc=self.address, hwdst=asked.hwsrc, pdst=asked.psrc)
            self.send(reply)
            return True
        if ICMPv6ND_NS in frame and frame[ICMPv6ND_NS].tgt == self.address6:
            if frame[IPv6].src == "::":
                return False
            advertisement = ICMPv6ND_NA(R=0, S=1, O=1, tgt=self.address6)
            target = ICMPv6NDOptDstLLAddr(lladdr=self.mac)
            ip = IPv6(src=self.address6, dst=frame[IPv6].src, hlim=255)
            self.send(ip / advertisement / target)
            return True
        return False

    def announce(self):
        """Let the lab learn our station address, so that it asks nothing later."""
        lab = self.lab
        self.send(
            ARP(op=1, hwsrc=self.mac, psrc=self.address, pdst=lab.address),
            dst="ff:ff:ff:ff:ff:ff",
        )
        solicitation = ICMPv6ND_NS(tgt=lab.address6) / ICMPv6NDOptSrcLLAddr(lladdr=self.mac)
        self.send(IPv6(src=self.address6, dst=lab.address6, hlim=255) / solicitation)
        self.frames()

    def tcp(self, port, *, sport=None, v6=False, isn=1000):
        """Our end of a connection to (or from) the lab's port."""
        if sport is None:
            sport, self.next_port = self.next_port, self.next_port + 1
        return Connection(self, port, sport, v6=v6, isn=isn)


class Connection:
    """One TCP connection from the peer's side."""

    def __init__(self, peer, port, sport, *, v6, isn):
        self.peer = peer
        self.port = port
        self.sport = sport
        self.seq = isn
        self.ack = 0
        self.window = 65535
        self.options = []  # of every segment but those of the handshake
        if v6:
            self.ip = IPv6(src=peer.address6, dst=peer.lab.address6)
        else:
            self.ip = IP(src=peer.address, dst=peer.lab.address)

    def build(self, flags, payload=b"", **fields):
        known = {
            "sport": self.sport,
            "dport": self.port,
            "seq": self.seq,
            "ack": self.ack if "A" in flags else 0,
            "window": self.window,
            "options": self.options,
        }
        return self.ip / TCP(flags=flags, **known | fields) / payload

    def segment(self, flags, payload=b"", **fields):
        """Send a segment. Fields given by hand leave `seq` where it is."""
        self.peer.send(self.build(flags, payload, **fields))
        if "seq" not in fields:
            self.seq = (self.seq + len(payload) + ("S" in flags) + ("F" in flags)) % MODULUS

    def take(self, seconds=0.0):
        """The next segment of this connection, or None if none has come after so much time."""
        found = self.find()
        if found is None and seconds:
            self.peer.lab.advance(seconds)
            found = self.find()
        return found

    def find(self):
        self.peer.poll()
        for frame in self.peer.inbox:
            if TCP in frame and (frame.sport, frame.dport) == (self.port, self.sport):
                self.peer.inbox.remove(frame)
                return frame
        return None

    def expect(self, flags, payload=None, *, within=0.0, **fields):
        """The next segment, which must have these flags, payload and header fields."""
        frame = self.take(within)
        assert frame is not None, f"no segment came; expected {flags}"
        tcp = frame[TCP]
        data = payload_of(tcp)
        assert str(tcp.flags) == flags, f"{tcp.flags}, expected {flags}: {frame.summary()}"
        if payload is not None:
            assert data == payload
        for name, value in fields.items():
            assert getattr(tcp, name) == value, f"{name} is {getattr(tcp, name)}, not {value}"
        if "R" not in flags:
            self.ack = (tcp.seq + len(data) + ("S" in flags) + ("F" in flags)) % MODULUS
        return frame

    def expect_nothing(self, seconds=0.0):
        frame = self.take(seconds)
        assert frame is None, f"came, but nothing was expected: {frame.summary()}"

    def expect_data(self, size, *, within=1.0):
        """Take so many bytes, acknowledging each segment."""
        data = b""
        while len(data) < size:
            frame = self.take(within)
            assert frame is not None, f"{len(data)} of {size} bytes came"
            assert frame.seq == self.ack, f"{frame.seq} is not next, {self.ack} is"
            data += payload_of(frame)
            self.ack = (self.ack + len(payload_of(frame))) % MODULUS
            self.segment("A")
        assert len(data) == size
        return data

    def handshake(self, options=None):
        """Open the connection from our side; the SYN-ACK is returned."""
        options = LINUX_OPTIONS if options is None else options
        self.segment("S", options=options)
        answer = self.expect("SA", ack=self.seq)
        ours, theirs = stamp_of(options), stamp_of(answer[TCP].options)
        if theirs:
            timestamps = (ours[0] + 1, theirs[0])
            self.options = [("NOP", None), ("NOP", None), ("Timestamp", timestamps)]
        self.segment("A")
        return answer

    def answer_handshake(self, options=None):
        """Take the lab's SYN and let it in; the SYN is returned."""
        syn = self.expect("S")
        self.segment("SA", options=LINUX_OPTIONS if options is None else options)
        self.expect("A", ack=self.seq)
        return syn
