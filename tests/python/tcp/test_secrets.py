"""Initial sequence numbers, ports and timestamp offsets: what others must not guess (section B).

A cookie's number is a keyed function of the tuple and the peer's number; to all others a clock of
4 us is added.
"""

import functools
import itertools
import math
import statistics

import pytest
from scapy.layers.inet6 import IPv6

from tests.proofs import proves
from tests.python.peer import LINUX_OPTIONS
from tests.python.tcp import wire_rules
from tests.python.tcp.frames import RST, SYN, SYN_OPTIONS, Wire, frame4, frame6
from tests.python.tcp.host import PORT, Host

MANY = 4000
TICK = 4e-6


def answers(wire, syns, burst=32):
    found = []
    for at in range(0, len(syns), burst):
        found += wire.send(*syns[at : at + burst])
    assert len(found) == len(syns)
    return found


def passive_numbers(host, make=frame4, n=MANY):
    syns = [make((1024 + i, PORT), SYN, 1000) for i in range(n)]
    return [answer.seq for answer in answers(Wire(host), syns)]


def active_number(host, **params):
    """ISS of a connect that the peer then refuses."""
    end, _ = host.connect(**params)
    syn = end.expect("S")
    end.segment("RA")
    return syn.seq


def distance(a, b):
    return min((a - b) % 2**32, (b - a) % 2**32)


def difficulty(numbers, interval):
    """nmap's TCP sequence prediction index, over more than its six samples."""
    steps = [distance(a, b) for a, b in itertools.pairwise(numbers)]
    divisor = functools.reduce(math.gcd, steps)
    rates = [step / divisor / interval for step in steps]
    return divisor, round(8 * math.log2(statistics.pstdev(rates)))


@proves("B04")
@pytest.mark.parametrize("make", [frame4, frame6])
@pytest.mark.parametrize("cookies", ["never", "always"])
def test_numbers_of_many_passive_opens_show_no_pattern(make, cookies):
    with Host(tcp={"syn_cookies": cookies}, provider={"half_open_max": 8192}) as host:
        numbers = passive_numbers(host, make)
    divisor, index = difficulty(numbers, 0.1)
    assert divisor < 7
    assert index >= 260
    assert len(set(numbers)) >= MANY - 1
    for bit in range(32):  # each set in about half of them, in numbers and in differences
        ones = sum(number >> bit & 1 for number in numbers)
        flips = sum((a ^ b) >> bit & 1 for a, b in itertools.pairwise(numbers))
        assert abs(ones - MANY / 2) < 5 * math.sqrt(MANY) / 2, f"bit {bit}"
        assert abs(flips - MANY / 2) < 5 * math.sqrt(MANY) / 2, f"bit {bit}"


@proves("B04")
def test_numbers_of_one_tuple_do_not_follow_the_peers(host):
    """Neither equal nor in step when the peer counts its own number up."""
    wire, numbers = Wire(host), []
    for seq in range(500):
        (answer,) = wire.send(frame4((5000, PORT), SYN, seq))
        numbers.append(answer.seq)
        wire.send(frame4((5000, PORT), RST, seq + 1))
    _, index = difficulty(numbers, 0.1)
    assert index >= 258
    assert len(set(numbers)) == 500


@proves("B01", "B05")
def test_active_numbers_of_one_tuple_follow_a_clock_of_4_us(host):
    first = active_number(host, local_port=5000)
    for seconds in (0.001, 0.25, 1, 3600):
        host.lab.advance(seconds)
        second = active_number(host, local_port=5000)
        assert (second - first) % 2**32 == pytest.approx(seconds / TICK, rel=0.03)
        first = second


@proves("B02")
def test_active_numbers_of_other_tuples_lie_elsewhere(host):
    numbers = [active_number(host, local_port=port) for port in range(20000, 20200)]
    numbers += [active_number(host, local_port=20000, port=port) for port in range(7000, 7050)]
    numbers.append(active_number(host, local_port=20000, v6=True))
    assert len({number >> 16 for number in numbers}) > 240
    _, index = difficulty(numbers, 0.1)
    assert index >= 255


@proves("B03")
def test_the_key_is_drawn_at_each_start_and_decides_everything():
    def first_numbers(secret, seed=1):
        with Host(seed, tcp={"secret": secret}) as host:
            return [*passive_numbers(host, n=8), active_number(host, local_port=5000)]

    a, b = "00" * 15 + "01", "00" * 15 + "02"
    assert first_numbers(a) == first_numbers(a)
    assert first_numbers(a) == first_numbers(a, seed=2)  # nothing but the secret
    assert not set(first_numbers(a)) & set(first_numbers(b))
    assert not set(first_numbers("")) & set(first_numbers(""))


def stamped(options, value):
    return [("Timestamp", (value, 0)) if o[0] == "Timestamp" else o for o in options]


@proves("B05")
@pytest.mark.parametrize("options", [LINUX_OPTIONS, [("MSS", 1460)]], ids=["stamps", "plain"])
def test_a_syn_into_time_wait_gets_a_number_beyond_the_old_connections(host, options):
    end, app = host.in_state("TIME-WAIT", sport=5000, options=options)
    for clock in range(1000, 4000, 1000):
        before = end.ack
        host.lab.advance(0.5)
        end = host.peer.tcp(PORT, sport=5000, isn=end.seq + 1000)
        answer = end.handshake(stamped(options, clock))
        assert 0 < (answer.seq - before) % 2**32 < 2**31
        app = host.accept()
        app.shutdown()
        end.expect("FA")
        end.segment("A")
        end.segment("FA")
        end.expect("A")
        assert app.state == "TIME-WAIT"


def ephemeral_ports(seed, n=400):
    with Host(seed) as host:
        for _ in range(n):
            host.connect()
        return [frame.sport for frame in host.peer.frames()]


@proves("B06")
def test_ephemeral_ports_are_spread_and_unpredictable():
    ports = ephemeral_ports(1)
    assert len(set(ports)) == len(ports) == 400
    assert min(ports) >= 1024
    assert max(ports) - min(ports) > 40000
    steps = [(b - a) % 65536 for a, b in itertools.pairwise(ports)]
    assert len(set(steps)) > 350
    assert len({port * 16 // 65536 for port in ports}) >= 12
    assert len(set(ports) & set(ephemeral_ports(2))) < 30


def stamp_of(answer):
    value = dict(wire_rules.split_options(answer.options))[wire_rules.TIMESTAMPS]
    return int.from_bytes(value[:4], "big")


@proves("B07")
@pytest.mark.parametrize("cookies", ["never", "always"])
def test_timestamps_start_elsewhere_for_each_connection(cookies):
    with Host(tcp={"syn_cookies": cookies}) as host:
        syns = [frame4((1024 + i, PORT), SYN, 1, options=SYN_OPTIONS) for i in range(1000)]
        stamps = [stamp_of(answer) for answer in answers(Wire(host), syns)]
    assert len({stamp >> 12 for stamp in stamps}) > 990
    uptime = [stamp for stamp in stamps if stamp < 3_600_000]
    assert len(uptime) < 10
    assert statistics.pstdev(stamps) > 2**32 / math.sqrt(12) * 0.9


@proves("B08")
def test_flow_labels_stay_with_a_connection_and_differ_between_them(host):
    labels = []
    for _ in range(40):
        end = host.peer.tcp(PORT, v6=True)
        seen = {end.handshake()[IPv6].fl}
        app = host.accept()
        app.send(b"x")
        seen.add(end.expect("PA")[IPv6].fl)
        app.shutdown()
        seen.add(end.expect("FA")[IPv6].fl)
        end.segment("RA")
        assert len(seen) == 1
        labels += seen
    assert len(set(labels)) > 35


@proves("B01")
def test_passive_numbers_of_one_tuple_follow_a_clock_and_count_connections(host):
    wire, syn, numbers = Wire(host), frame4((5000, PORT), SYN, 77), []
    for _ in range(5):
        (answer,) = wire.send(syn)
        numbers.append(answer.seq)
        wire.send(frame4((5000, PORT), RST, 78))
        host.lab.advance(0.5)
    for a, b in itertools.pairwise(numbers):
        assert (b - a) % 2**32 == pytest.approx(0.5 / TICK, rel=0.03)


@proves("B01")
def test_at_one_moment_a_tuple_gets_another_number_each_time(host):
    wire, numbers = Wire(host), set()
    for _ in range(100):
        (answer,) = wire.send(frame4((5000, PORT), SYN, 77))
        numbers.add(answer.seq)
        wire.send(frame4((5000, PORT), RST, 78))
    assert len(numbers) == 100
