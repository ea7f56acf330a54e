"""Keep-alive and the user time-out (section O)."""

import pytest
from scapy.layers.inet import TCP

from pyprov.core.port import (
    OPT_KEEPALIVE,
    OPT_KEEPALIVE_COUNT,
    OPT_KEEPALIVE_IDLE,
    OPT_KEEPALIVE_INTERVAL,
    OPT_USER_TIMEOUT,
)
from tests.proofs import proves
from tests.python.peer import LINUX_OPTIONS, payload_of
from tests.python.tcp.host import Host

PLAIN = [("MSS", 1460)]
ETIMEDOUT, ECONNRESET, ENETRESET = 110, 104, 102

v4_and_v6 = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])


def kept_alive(host, *, idle=10, interval=2, count=3, options=PLAIN, **tcp):
    end, app = host.connection(options=options, **tcp)
    app.option(OPT_KEEPALIVE_IDLE, idle * 1000)
    app.option(OPT_KEEPALIVE_INTERVAL, interval * 1000)
    app.option(OPT_KEEPALIVE_COUNT, count)
    app.option(OPT_KEEPALIVE, 1)
    return end, app


def came(host, seconds):
    """(time since now, flags) of the segments that come."""
    since = host.lab.now
    host.peer.poll()
    host.lab.advance(seconds)
    frames = [f for f in host.peer.frames() if TCP in f]
    return [(round(f.time - since, 2), str(f[TCP].flags)) for f in frames]


@proves("O12")
def test_it_is_off_by_default(host):
    end, app = host.connection(options=PLAIN)
    assert came(host, 3 * 86400) == []
    app.send(b"x")
    end.expect("PA", b"x")


@proves("O12")
def test_it_can_be_switched_off_again(host):
    _, app = kept_alive(host)
    app.option(OPT_KEEPALIVE, 0)
    assert came(host, 3600) == []


@proves("O13")
def test_the_idle_time_is_two_hours_by_default(host):
    _, app = host.connection(options=PLAIN)
    app.option(OPT_KEEPALIVE, 1)
    assert came(host, 7199) == []
    assert came(host, 2)[0] == (1.0, "A")


@proves("O13")
def test_the_idle_time_is_configured():
    keys = {"keepalive_idle": 5, "keepalive_interval": 1, "keepalive_count": 2}
    with Host(tcp=keys) as host:
        _, app = host.connection(options=PLAIN)
        app.option(OPT_KEEPALIVE, 1)
        assert came(host, 100) == [(5.0, "A"), (6.0, "A"), (7.0, "RA")]


@v4_and_v6
@proves("O15", "O16", "O18")
@pytest.mark.parametrize("options", [PLAIN, LINUX_OPTIONS], ids=["plain", "linux"])
def test_probes_without_answer_end_the_connection(host, v6, options):
    end, app = kept_alive(host, v6=v6, options=options)
    end.peer.poll()
    host.lab.advance(100)
    frames = [f for f in host.peer.frames() if TCP in f]
    for frame in frames[:3]:
        assert (frame[TCP].seq, frame[TCP].ack) == (end.ack - 1, end.seq)
        assert payload_of(frame[TCP]) == b""
    assert [(str(f[TCP].flags), f[TCP].seq - end.ack) for f in frames] == [
        ("A", -1),
        ("A", -1),
        ("A", -1),
        ("RA", 0),
    ]
    assert host.counter("TCP_KEEPALIVE") == 3
    assert app.error == ENETRESET, "the time-out of a keep-alive has a name of its own"


@proves("O15")
@pytest.mark.parametrize("lost", [0, 1, 2])
def test_an_answer_in_time_keeps_it(host, lost):
    end, app = kept_alive(host)
    for _ in range(5):
        for wait in [10, *[2] * lost]:
            end.expect("A", seq=end.ack - 1, within=wait)
            end.ack += 1  # the probe is no progress
        end.segment("A")
    assert app.state == "ESTABLISHED"


@proves("O14")
def test_whatever_comes_puts_it_off(host):
    end, app = kept_alive(host)
    assert came(host, 9) == []
    end.segment("A")
    assert came(host, 9) == []
    end.segment("PA", b"x")
    assert [flags for _, flags in came(host, 9)] == ["A"]
    assert app.recv() == b"x"
    assert came(host, 2) == [(1.0, "A")]


@proves("O14")
def test_data_on_its_way_has_timers_of_its_own(host):
    end, app = kept_alive(host)
    app.send(b"data")
    host.lab.advance(60)
    frames = [f[TCP] for f in host.peer.frames() if TCP in f]
    assert {tcp.seq for tcp in frames} == {end.ack}
    assert host.counter("TCP_KEEPALIVE") == 0


@proves("O18")
def test_a_rst_for_an_answer_is_a_reset(host):
    end, app = kept_alive(host)
    end.expect("A", within=10)
    end.segment("R", seq=end.seq)
    assert app.error == ECONNRESET


@proves("O15")
@pytest.mark.parametrize("count", [1, 10])
def test_the_count_is_configured(host, count):
    kept_alive(host, count=count)
    assert [flags for _, flags in came(host, 200)] == ["A"] * count + ["RA"]


@proves("O12")
@pytest.mark.parametrize("state", ["FIN-WAIT-2", "CLOSE-WAIT"])
def test_it_works_in_half_closed_states(host, state):
    _, app = host.in_state(state, options=PLAIN)
    app.option(OPT_KEEPALIVE_IDLE, 10_000)
    app.option(OPT_KEEPALIVE_INTERVAL, 1_000)
    app.option(OPT_KEEPALIVE_COUNT, 2)
    app.option(OPT_KEEPALIVE, 1)
    assert [flags for _, flags in came(host, 60)] == ["A", "A", "RA"]


@v4_and_v6
@proves("O17")
@pytest.mark.parametrize("garbage", [b"", b"g"], ids=["empty", "garbage"])
def test_the_peers_probe_is_answered_at_once(host, v6, garbage):
    end, app = host.connection(options=LINUX_OPTIONS, v6=v6)
    end.segment("PA", b"data")
    end.expect("A", within=0.1)
    for _ in range(3):
        end.segment("A", garbage, seq=end.seq - 1)
        end.expect("A", ack=end.seq, seq=end.ack)
        host.lab.advance(10)
    assert app.recv() == b"data"


# The user time-out


@proves("K16")
@pytest.mark.parametrize("seconds", [0.5, 3, 30])
def test_the_user_timeout_ends_a_connection_whose_data_is_not_acknowledged(host, seconds):
    _, app = host.connection(options=PLAIN)
    app.option(OPT_USER_TIMEOUT, int(seconds * 1000))
    host.lab.advance(100)
    app.send(b"x")
    host.lab.advance(seconds - 0.01)
    assert app.state == "ESTABLISHED"
    host.lab.advance(0.02)
    assert app.error == ETIMEDOUT


@proves("K16")
def test_the_user_timeout_begins_anew_with_each_progress():
    with Host(tcp={"user_timeout": 2}) as host:
        end, app = host.connection(options=PLAIN)
        for _ in range(10):
            app.send(b"x")
            host.peer.frames(1.5)
            end.ack += 1
            end.segment("A")
        assert app.state == "ESTABLISHED"
        app.send(b"x")
        host.lab.advance(2.1)
        assert app.error == ETIMEDOUT


@proves("K16")
def test_a_long_user_timeout_outlasts_the_retransmissions():
    with Host(tcp={"data_retries": 2, "rto_max": 5}) as host:
        _, app = host.connection(options=PLAIN)
        app.option(OPT_USER_TIMEOUT, 600_000)
        app.send(b"x")
        host.lab.advance(590)
        assert app.state == "ESTABLISHED"
        host.lab.advance(11)
        assert app.error == ETIMEDOUT
