"""The search for a larger path MTU behind a black hole (Q15, RFC 4821 7.3 to 7.7)."""

import pytest
from scapy.layers.inet import ICMP, IP, TCP
from scapy.packet import Raw

from pyprov.lab import Lab
from tests.proofs import proves
from tests.python.tcp.host import Host
from tests.python.tcp.stream import carry

PLAIN = [("MSS", 1460)]
SACK = [("MSS", 1460), ("SAckOK", b"")]


class Path:
    """A peer behind a path on which packets larger than `mtu` vanish; it acknowledges the rest.

    Attributes:
        sizes: of the segments that were sent, lost ones included, in their order.
    """

    def __init__(self, host, mtu, *, v6=False, options=SACK, told=False):
        self.host, self.mtu, self.told = host, mtu, told
        self.headers = 60 if v6 else 40
        self.end, self.app = host.connection(options=options, v6=v6)
        self.end.window = 16_000
        self.sack = options is SACK
        self.got = {}  # seq: end, of what came behind a gap
        self.sizes = []

    def receive(self, segment):
        size = len(segment.payload)
        if size == 0:
            return
        self.sizes.append(size)
        self.host.lab.advance(1e-6)  # no two ACKs at once
        if size + self.headers > self.mtu:
            if self.told and self.host.counter("BLACK_HOLE"):
                self.tell(segment)
            return
        self.got[segment.seq] = max(segment.seq + size, self.got.get(segment.seq, 0))
        while True:
            done = [s for s in self.got if s <= self.end.ack]
            if not done:
                break
            for seq in done:
                self.end.ack = max(self.end.ack, self.got.pop(seq))
        blocks = sorted(self.got.items())
        merged = []
        for left, right in blocks:
            if merged and merged[-1][1] >= left:
                merged[-1][1] = max(merged[-1][1], right)
            else:
                merged.append([left, right])
        edges = tuple(edge for pair in merged[:3] for edge in pair)
        self.end.segment("A", options=[("SAck", edges)] if edges and self.sack else [])

    def tell(self, segment):
        us, them = self.host.lab.address, self.host.peer.address
        quoted = bytes(IP(src=us, dst=them, len=40 + len(segment.payload)) / segment)[:28]
        message = ICMP(type=3, code=4, nexthopmtu=self.mtu) / Raw(quoted)
        self.host.peer.send(IP(src="10.9.0.77", dst=us) / message)

    def run(self, seconds, step=0.1):
        """So much time with all that the application can send; `step` is the round trip."""
        end = self.host.lab.now + seconds
        while self.host.lab.now < end:
            self.host.dataplane.send(self.app.handle, bytes(20_000), 0)
            self.round(step)

    def round(self, step):
        """One round trip; false: nothing was sent."""
        before = len(self.sizes)
        for frame in self.host.peer.frames(step):
            if TCP in frame and frame[TCP].dport == self.end.sport:
                self.receive(frame[TCP])
        return len(self.sizes) != before

    def pause(self, seconds):
        """Let what was written arrive, then nothing for a while."""
        while self.round(0.1):
            pass
        self.host.lab.advance(seconds)

    def fall(self):
        """Until the black hole is found and what was in flight has arrived."""
        for _ in range(20):
            self.run(0.5)
            if self.host.counter("BLACK_HOLE") and self.app.info.backoff == 0:
                return
        raise AssertionError("still in the hole")


def full(path, mtu):
    return mtu - path.headers


@proves("Q15")
@pytest.mark.parametrize(
    ("mtu", "options", "v6"),
    [(1300, SACK, False), (1400, PLAIN, False), (1400, PLAIN, True), (1472, SACK, True)],
)
def test_behind_a_black_hole_the_largest_size_that_passes_is_found(mtu, options, v6):
    with Host() as host:
        path = Path(host, mtu, v6=v6, options=options)
        path.fall()
        assert full(path, 1280) <= path.app.info.snd_mss <= full(path, mtu)
        path.run(4)
        assert full(path, mtu) - 16 <= path.app.info.snd_mss <= full(path, mtu)
        assert path.app.info.pmtu == path.app.info.snd_mss + path.headers
        probes, lost = host.counts("MTU_PROBES", "MTU_PROBES_LOST")
        assert 1 <= lost < probes <= 12
        before = len(path.sizes)
        path.run(2)
        assert set(path.sizes[before:]) == {path.app.info.snd_mss}  # the search is over


@proves("Q15")
@pytest.mark.parametrize("options", [PLAIN, SACK], ids=["plain", "sack"])
def test_the_loss_of_a_probe_alone_is_no_congestion(options):
    with Host() as host:
        path = Path(host, 1300, options=options)
        path.fall()
        for _ in range(100):
            before = path.app.info
            counts = host.counts("TCP_FAST_RETRANSMIT", "TCP_RTO")
            path.run(0.1)
            if host.counter("MTU_PROBES_LOST"):
                break
        after = path.app.info
        assert (after.snd_ssthresh, after.backoff) == (before.snd_ssthresh, 0)
        assert after.snd_cwnd >= before.snd_cwnd
        assert host.counts("TCP_FAST_RETRANSMIT", "TCP_RTO") == counts


@proves("Q15")
def test_other_losses_beside_that_of_a_probe_are_congestion():
    with Host() as host:
        path = Path(host, 1300)
        path.fall()
        receive, dropped = path.receive, []

        def lossy(segment):
            if path.sizes and path.sizes[-1] > full(path, 1300) and not dropped:
                dropped.append(segment.seq)  # the one behind the probe
                path.sizes.append(len(segment.payload))
            else:
                receive(segment)

        path.receive = lossy
        reduced = host.counter("TCP_FAST_RETRANSMIT")
        path.run(2)
        assert dropped
        assert host.counter("TCP_FAST_RETRANSMIT") == reduced + 1
        path.run(4)
        assert path.app.info.snd_mss >= full(path, 1300) - 16


@proves("Q15")
def test_a_routers_word_ends_a_probe_at_once():
    with Host() as host:
        path = Path(host, 1380, told=True)
        path.run(6)
        assert path.app.info.snd_mss == full(path, 1380)
        assert host.counter("MTU_PROBES_LOST") == 1


@proves("Q11", "Q15")
def test_after_ten_minutes_a_silent_path_is_tried_by_one_segment():
    with Host() as host:
        path = Path(host, 1400)
        path.fall()
        path.run(4)
        found = path.app.info.snd_mss
        path.pause(560)
        sent = len(path.sizes)
        path.run(5)
        assert max(path.sizes[sent:]) == found
        path.pause(60)
        sent, timeouts = len(path.sizes), host.counter("TCP_RTO")
        path.run(5)
        assert path.sizes[sent:].count(1460) == 1
        assert path.app.info.snd_mss == found
        assert host.counter("TCP_RTO") == timeouts
        path.mtu = 1500  # the hole is mended
        path.pause(620)
        path.run(5)
        assert path.app.info.snd_mss == 1460


@proves("Q15")
def test_without_the_switch_nothing_is_tried():
    with Host(tcp={"mtu_probing": False}) as host:
        path = Path(host, 1500)
        path.run(2)
        assert host.counter("MTU_PROBES") == 0


@proves("Q15")
def test_on_a_path_without_holes_no_segment_is_larger():
    with Host() as host:
        path = Path(host, 1500)
        path.run(2)
        assert host.counter("MTU_PROBES") == 0
        assert max(path.sizes) == 1460


@proves("Q15")
@pytest.mark.parametrize("loss", [0, 0.01])
def test_a_stream_through_a_narrow_wire_arrives_whole(loss):
    with Lab.pair(seed=3, mtu=1372, delay=0.01, rate=10e6, loss=loss) as two:
        handle = carry(two, two.b.address, bytes(i * 7 % 251 for i in range(3_000_000)))
        assert 1320 - 16 <= two.a.dataplane.info(handle).snd_mss <= 1320
        assert two.a.dataplane.counters()["MTU_PROBES"] >= 2
