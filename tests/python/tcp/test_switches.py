"""Every key of [tcp] changes what is to be seen on the wire, at the start and while we run."""

import dataclasses
import itertools

import pytest
from scapy.layers.inet import IP, TCP

from pyprov.core.port import OPT_KEEPALIVE
from pyprov.runtime.config import Tcp
from pyprov.spi import AF_INET, IPPROTO_TCP, SOCK_STREAM
from tests.python.peer import LINUX_OPTIONS, payload_of
from tests.python.tcp.flow import Flow, in_flight
from tests.python.tcp.frames import RST
from tests.python.tcp.host import Host

# What the defaults are measured against; keys that only blur the others are off.
QUIET = {"mtu_probing": False, "tlp": False, "hystart": False, "congestion": "newreno"}
SWITCHES = {}


def switch(key, value, usual, changed, **also):
    """A function that observes a fresh host; what it sees usually, and with another value."""

    def register(observe):
        SWITCHES[key] = (value, observe, usual, changed, QUIET | also)
        return observe

    return register


def tenths(seconds):
    return round(seconds, 1)


def syn_ack(host):
    end = host.peer.tcp(80)
    end.segment("S", options=LINUX_OPTIONS)
    return end.expect("SA")


def names(frame):
    return [name for name, _ in frame[TCP].options if name != "NOP"]


@switch("sack", False, True, False)
def offers_sack(host):
    return "SAckOK" in names(syn_ack(host))


@switch("timestamps", False, True, False)
def offers_timestamps(host):
    return "Timestamp" in names(syn_ack(host))


@switch("window_scale", False, True, False)
def offers_a_window_scale(host):
    return "WScale" in names(syn_ack(host))


@switch(
    "option_order",
    "freebsd",
    ["MSS", "SAckOK", "Timestamp", "WScale"],
    ["MSS", "WScale", "SAckOK", "Timestamp"],
)
def order(host):
    return names(syn_ack(host))


@switch("ecn", True, "S", "SEC")
def flags_of_our_syn(host):
    end, _ = host.connect()
    return str(end.take()[TCP].flags)


@switch("mss_clamp", 500, 1460, 500)
def offered_mss(host):
    return dict(syn_ack(host)[TCP].options)["MSS"]


@switch("ttl", 7, 128, 7)
def time_to_live(host):
    return syn_ack(host)[IP].ttl


@switch("dscp", 46, 0, 46)
def code_point(host):
    return syn_ack(host)[IP].tos >> 2


@switch("recv_buffer", 8192, 65535, 8192)
def first_window(host):
    return syn_ack(host)[TCP].window


@switch("recv_buffer_max", 1 << 24, 7, 9)
def window_scale(host):
    return dict(syn_ack(host)[TCP].options)["WScale"]


@switch("send_buffer", 8192, 65536, 8192)
def bytes_taken(host):
    flow = Flow(host, window=0)
    return host.dataplane.send(flow.app.handle, bytes(100_000), 0)


@switch("send_buffer_max", 100_000, True, False)
def takes_much_once_the_window_is_wide(host):
    flow = Flow(host, wscale=6)
    for _ in range(8):
        host.dataplane.send(flow.app.handle, bytes(400_000), 0)
        host.turn()
        last = flow.number_sent
        flow.pass_time(0.01)
        for number in range(flow.number_acked + 1, last + 1):
            flow.ack(number)
        flow.collect()
    host.dataplane.send(flow.app.handle, bytes(400_000), 0)
    host.turn()
    return flow.info.notsent + flow.info.unacked * flow.mss > 110_000


@switch("secret", "00112233445566778899aabbccddeeff", False, True)
def numbers_are_those_of_a_known_key(host):
    return host.lab.config.tcp.secret.hex().startswith("001122") and syn_ack(host).seq > 0


@switch("epoch", 10, 3, 20)
def rotations(host):
    host.lab.advance(205)
    return host.counter("SECRET_ROTATED")


@switch("cluster", True, "NO_CONNECTION", "ACK_COOKIE_BAD", secret="01" * 16)
def what_an_ack_to_a_listener_is_taken_for(host):
    """A node of a cluster looks whether it is a cookie of another's."""
    end = host.peer.tcp(80)
    end.segment("A")
    end.expect("R")
    return next(name for name in ("NO_CONNECTION", "ACK_COOKIE_BAD") if host.counter(f"TCP_{name}"))


@switch("syn_cookies", "always", (1, 0), (0, 1))
def records_and_cookies(host):
    """A listener's own setting comes from the key when the provider makes it."""
    spi = host.lab.spi
    sock = spi.WSPSocket(AF_INET, SOCK_STREAM, IPPROTO_TCP)
    spi.WSPBind(sock, ("0.0.0.0", 8080))
    spi.WSPListen(sock, 5)
    host.peer.tcp(8080).segment("S", options=LINUX_OPTIONS)
    return host.counts("TCP_SYN_ACCEPTED", "TCP_SYN_COOKIE")


@switch("syn_retries", 2, 7, 3)
def syns(host):
    host.connect()
    return len(host.peer.frames(300))


@switch("syn_ack_retries", 2, 5, 2)
def repeated_syn_acks(host):
    syn_ack(host)
    return len(host.peer.frames(300))


@switch("data_retries", 3, 15, 3)
def retransmissions(host):
    flow = Flow(host)
    flow.write(1)
    host.lab.advance(3000)
    return len(flow.collect())


@switch("user_timeout", 1.5, 0, 110)
def error_after_two_seconds(host):
    flow = Flow(host)
    flow.write(1)
    host.lab.advance(2)
    return flow.app.error


@switch("congestion", "cubic", 5, 7)
def threshold_after_a_timeout(host):
    flow = Flow(host)
    flow.write(10)
    flow.next()
    return flow.ssthresh


@switch("hystart", True, 12, 18)
def window_after_one_ack(host):
    flow = in_flight(host)
    flow.ack(10)
    return flow.cwnd


@switch("initial_window", 4, 10, 4)
def first_flight(host):
    return len(Flow(host).write(20))


@switch("slow_start_after_idle", False, 10, 20)
def flight_after_a_pause(host):
    flow = Flow(host)
    flow.write(10)
    flow.deliver(range(10))
    flow.pass_time(3)
    return len(flow.write(30))


@switch("rack", False, [0], [])
def lost_by_time(host):
    flow = in_flight(host, waiting=0)
    flow.sack(0, (1, 2))
    return [number for _, number in flow.wait(0.03)]


@switch("tlp", True, 0.3, 0.2)
def first_timer(host):
    flow = Flow(host)
    flow.write(3)
    return tenths(flow.next().when)


@switch("f_rto", False, [10, 11], [1, 2])
def sent_after_the_first_ack_of_a_timeout(host):
    flow = in_flight(host)
    flow.next()
    sent = flow.ack(1)
    flow.ack(2)
    return sent


@switch("limited_transmit", False, [[10], [11]], [[], []])
def sent_on_two_duplicates(host):
    return in_flight(host, sack=False).duplicates(0, 2)


@switch("prr", False, True, False, initial_window=20)
def sends_early_in_recovery(host):
    flow = in_flight(host, 20, 10, sack=False)
    return any(flow.duplicates(0, 9)[3:])


@switch("undo", False, True, False)
def takes_a_reduction_back(host):
    flow = in_flight(host, sack=True)
    for n in (2, 3, 4):
        flow.sack(0, (1, n))
    flow.ack(5)
    flow.sack(5, (0, 1))
    return flow.info.snd_ssthresh > 2**30


@switch("rto_initial", 0.5, 1.0, 0.5)
def first_syn_timeout(host):
    end, _ = host.connect()
    first, second = end.take(), end.take(3)
    return tenths(second.time - first.time)


@switch("rto_min", 0.5, 0.2, 0.5)
def least_timeout(host):
    flow = Flow(host, rtt=0.01)
    flow.write(1)
    return tenths(flow.next().when)


@switch("rto_max", 5.0, 38.4, 5.0)
def greatest_timeout(host):
    flow = Flow(host)
    flow.write(1)
    host.lab.advance(60)
    return tenths(flow.rto)


def delay(host, flow):
    flow.data(b"x")
    before = host.lab.now
    while not flow.answers:
        host.lab.advance(0.01)
        flow.collect()
    flow.answers.clear()
    return round(host.lab.now - before, 2)


@switch("delayed_ack", False, [0.04, 0.04], [0, 0])
def delays(host):
    flow = Flow(host)
    return [delay(host, flow) for _ in range(2)]


@switch("delayed_ack_time", 0.2, 0.04, 0.2)
def delay_of_one(host):
    return delay(host, Flow(host))


@switch("quick_ack_start", 2, [0.04, 0.04, 0.04], [0, 0, 0.04])
def first_delays(host):
    flow = Flow(host)
    return [delay(host, flow) for _ in range(3)]


@switch("nagle", False, [b"ab"], [b"ab", b"c"])
def small_writes(host):
    _, app = host.connection(options=[("MSS", 1000)])
    app.send(b"ab")
    app.send(b"c")
    return [payload_of(frame[TCP]) for frame in host.peer.frames()]


@switch("time_wait", 1.0, "A", "R")
def answer_five_seconds_after_the_close(host):
    end, _ = host.in_state("TIME-WAIT")
    host.peer.frames(5)
    end.segment("FA", seq=end.seq - 1)
    return str(end.take()[TCP].flags)


@switch("fin_wait_2", 1.0, 1, 0)
def orphans_after_five_seconds(host):
    end, app = host.connection(options=[("MSS", 1000)])
    app.close()
    end.expect("FA")
    end.segment("A")
    host.lab.advance(5)
    return len(host.dataplane.connections())


def probe_times(host, seconds):
    """When probes come, counted from the first."""
    _, app = host.connection(options=[("MSS", 1000)])
    app.option(OPT_KEEPALIVE, 1)
    host.lab.advance(seconds)
    frames = [frame for frame in host.peer.frames() if TCP in frame and frame[TCP].flags == "A"]
    return [round(frame.time - frames[0].time) for frame in frames]


@switch("keepalive_idle", 30, 0, 1, keepalive_count=1)
def probes_within_a_minute(host):
    return len(probe_times(host, 60))


@switch("keepalive_interval", 7, [0, 1, 2], [0, 7, 14], keepalive_idle=10, keepalive_count=3)
def pauses_between_probes(host):
    return probe_times(host, 100)


@switch("keepalive_count", 2, 10, 2, keepalive_idle=10)
def probes_before_the_end(host):
    return len(probe_times(host, 100))


@switch("challenge_ack_limit", 3, True, False)
def all_are_challenged(host):
    flow = Flow(host)
    for n in range(10):
        flow.inject(flow.bare(flags=RST, seq=flow.seq + 100 + n))
    flow.collect()
    return len(flow.answers) > 3


@switch("invalid_ack_limit", 0.0, 1, 5)
def answers_to_invalid_segments(host):
    flow = Flow(host)
    for _ in range(5):
        flow.inject(flow.bare(seq=flow.seq - 1000))
        flow.pass_time(0.01)
    flow.collect()
    return len(flow.answers)


@switch("reset_limit", 3, 10, 3)
def resets_from_a_closed_port(host):
    for _ in range(10):
        host.peer.tcp(81).segment("S")
    return len(host.peer.frames())


@switch("mtu_probing", True, {1000}, {1000, 966})
def sizes_of_what_is_sent_again(host):
    flow = Flow(host)
    flow.write(1)
    host.lab.advance(3)
    return {len(segment.payload) for segment in flow.collect()}


def test_no_key_is_forgotten():
    assert set(SWITCHES) == {field.name for field in dataclasses.fields(Tcp)}


@pytest.mark.parametrize("key", SWITCHES)
def test_each_key_does_what_it_says(key):
    value, observe, usual, changed, tcp = SWITCHES[key]
    with Host(tcp=tcp) as host:
        assert observe(host) == usual
    with Host(tcp=tcp | {key: value}) as host:
        assert observe(host) == changed


# What an algorithm counts while it is on.
COUNTERS = {
    "rack": "TCP_RACK_LOST",
    "tlp": "TCP_TLP",
    "f_rto": "TCP_UNDO_FRTO",
    "limited_transmit": "LIMITED_TRANSMIT",
    "prr": "PRR",
    "undo": "TCP_UNDO_DSACK",
    "slow_start_after_idle": "TCP_IDLE_RESTART",
    "delayed_ack": "TCP_DELAYED_ACK",
}


@pytest.mark.parametrize("key", COUNTERS)
def test_an_algorithm_counts_what_it_does_and_nothing_when_it_is_off(key):
    _, observe, _, _, tcp = SWITCHES[key]
    for on in (True, False):
        with Host(tcp=tcp | {key: on}) as host:
            observe(host)
            assert (host.counter(COUNTERS[key]) > 0) == on


# Part of what the engine is, not of how connections behave.
AT_START = {"secret", "epoch", "cluster", "reset_limit", "challenge_ack_limit"}


@pytest.mark.parametrize("key", [key for key in SWITCHES if key not in AT_START])
def test_each_key_can_be_changed_while_we_run(key):
    value, observe, _, changed, tcp = SWITCHES[key]
    with Host(tcp=tcp, listen=False) as host:
        host.lab.configure(**{key: value})
        host.listener = host.listen()
        assert observe(host) == changed


@pytest.mark.parametrize(
    ("sack", "timestamps", "scale"), list(itertools.product([True, False], repeat=3))
)
def test_the_layout_of_the_options_is_the_documented_one(sack, timestamps, scale):
    """mss, sackOK, TS, nop, wscale; without timestamps nop, nop before sackOK."""
    with Host(tcp={"sack": sack, "timestamps": timestamps, "window_scale": scale}) as host:
        kinds = [name for name, _ in syn_ack(host)[TCP].options]
        want = ["MSS"]
        if sack:
            want += ["SAckOK"] if timestamps else ["NOP", "NOP", "SAckOK"]
        if timestamps:
            want += ["Timestamp"] if sack else ["NOP", "NOP", "Timestamp"]
        if scale:
            want += ["NOP", "WScale"]
        assert kinds == want
