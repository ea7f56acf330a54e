"""A connection that is quiet gives back what only a busy one needs, and nobody notices."""

import dataclasses

import pytest

from pyprov.core import port
from tests.python.tcp.host import Host

STAMPED = [("MSS", 1460), ("SAckOK", b""), ("WScale", 7), ("Timestamp", (1000, 0))]
TIMES = {"last_data_sent", "last_data_recv", "last_ack_recv"}  # in microseconds
QUIET = 5.0  # longer than it takes


@pytest.fixture
def host():
    with Host() as made:
        yield made


def talk(end, app, question=b"question", answer=b"answer" * 500):
    """The peer asks, we answer, and that is acknowledged."""
    end.segment("PA", question)
    assert app.recv() == question
    app.send(answer)
    end.expect_data(len(answer))


def facts(info):
    """What a connection knows about itself, but for when."""
    return {k: v for k, v in dataclasses.asdict(info).items() if k not in TIMES}


def rested(host, seconds=QUIET):
    """How many have come to rest in a while without traffic."""
    before = host.counter("TCP_RESTED")
    host.lab.advance(seconds)
    return host.counter("TCP_RESTED") - before


def test_it_knows_the_same_as_before(host):
    end, app = host.connection(options=STAMPED)
    for _ in range(5):
        talk(end, app)
    before = app.info
    assert rested(host) == 1
    after = app.info
    assert facts(after) == facts(before)
    for name in TIMES:
        passed = getattr(after, name) - getattr(before, name)
        assert passed == pytest.approx(QUIET * 1e6, abs=1500)
    assert host.dataplane.deadline(housekeeping=False) is not None, "who was only asked rests again"
    assert rested(host) == 1


@pytest.mark.parametrize("options", [[("MSS", 1460)], STAMPED], ids=["plain", "stamped"])
@pytest.mark.parametrize("congestion", ["cubic", "newreno", "dctcp"])
def test_it_goes_on_as_after_any_pause(options, congestion):
    with Host(tcp={"congestion": congestion}) as host:
        end, app = host.connection(options=options)
        end.window = 60_000
        for _ in range(3):
            talk(end, app)
        restart = app.info.snd_cwnd
        assert rested(host) == 1
        talk(end, app)
        assert host.counter("TCP_IDLE_RESTART") == 1
        assert app.info.snd_cwnd <= restart
        app.send(bytes(30_000))
        assert sum(len(end.expect("A").payload) > 0 for _ in range(5)) == 5
        assert host.counter("NEVER") == 0


def test_after_a_loss_it_remembers_the_threshold_and_starts_no_first_slow_start():
    with Host() as host:
        end, app = host.connection(options=[("MSS", 1460)])
        app.send(bytes(1000))
        host.lab.advance(3)  # the retransmission timer
        end.expect_data(1000)
        before = app.info
        assert before.timeouts > 0
        assert before.snd_ssthresh < 1 << 20
        assert rested(host, 130) == 1
        after = app.info
        assert (after.snd_ssthresh, after.timeouts) == (before.snd_ssthresh, before.timeouts)


def unread(_host, end, _app):
    end.segment("PA", b"unread")


def in_flight(_host, end, app):
    app.send(b"data")


def half_closed(_host, _end, app):
    app.shutdown()


def gap(_host, end, _app):
    end.segment("PA", b"behind", seq=end.seq + 100)


def option(number, value):
    return lambda _host, _end, app: app.option(number, value)


@pytest.mark.parametrize(
    "why",
    [
        unread,
        in_flight,
        half_closed,
        gap,
        option(port.OPT_KEEPALIVE, 1),
        option(port.OPT_USER_TIMEOUT, 77_000),
        option(port.OPT_RATE, 10_000),
    ],
    ids=["unread", "in flight", "half closed", "gap", "keepalive", "user timeout", "rate"],
)
def test_who_has_something_under_way_or_of_its_own_does_not_rest(host, why):
    end, app = host.connection(options=STAMPED)
    talk(end, app)
    why(host, end, app)
    before = facts(app.info)
    assert rested(host) == 0
    for name in ("snd_cwnd", "bytes_received", "bytes_acked"):
        assert facts(app.info)[name] <= before[name]


@pytest.mark.parametrize("way", ["reset", "fin", "close", "abort", "engine"])
def test_it_ends_like_any_other_and_leaves_nothing(host, way):
    end, app = host.connection(options=STAMPED)
    talk(end, app)
    assert rested(host) == 1
    if way == "reset":
        end.segment("R", ack=0)
        assert app.state == "CLOSED"
    elif way == "fin":
        end.segment("FA")
        assert app.state == "CLOSE-WAIT"
        assert app.recv() == b""
        app.close()
        end.expect("A")
        end.expect("FA")
        end.segment("A")
    elif way == "close":
        app.close()
        end.expect("FA")
        end.segment("FA")
    elif way == "abort":
        app.abort()
        end.expect("RA")
    else:
        host.lab.reset()
    host.lab.advance(300)
    assert host.dataplane.connections() == []
    assert host.dataplane.deadline(housekeeping=False) is None
    assert host.counter("NEVER") == 0


def test_a_segment_out_of_place_is_answered_as_ever(host):
    end, app = host.connection(options=STAMPED)
    talk(end, app)
    assert rested(host) == 1
    end.segment("R", seq=end.seq + 10, ack=0)
    end.expect("A", seq=end.ack, ack=end.seq)
    assert app.state == "ESTABLISHED"
    end.segment("PA", b"old", seq=end.seq - 3)
    end.expect("A", ack=end.seq)
    talk(end, app)
