"""What is bounded so that no peer can use it up: orphans, refusals, cookies that come again."""

import pytest
from scapy.layers.inet import TCP

from pyprov.core.port import SYN_COOKIES_ALWAYS
from tests.python.tcp.frames import ACK, RST, SYN, Wire, frame4
from tests.python.tcp.host import PORT, Host

PLAIN = [("MSS", 1460)]


def closed_with_data(host):
    """A connection that was closed while data waits for its peer."""
    end = host.peer.tcp(PORT)
    end.window = 0
    end.handshake(PLAIN)
    app = host.accept()
    app.send(b"last words")
    app.close()
    return end


def test_of_closed_connections_half_of_all_may_wait_for_their_peers():
    with Host(provider={"max_connections": 40}) as host:
        ends = [closed_with_data(host) for _ in range(30)]
        resets = {f[TCP].dport for f in host.peer.frames() if TCP in f and f[TCP].flags == "RA"}
        assert resets == {end.sport for end in ends[21:]}
        assert host.counter("TCP_ORPHANS_LIMITED") == 9
        end, app = host.connection(options=PLAIN)
        app.send(b"x")
        end.expect("PA", b"x")


def test_a_closed_connection_does_not_wait_for_a_window_for_ever():
    with Host(tcp={"data_retries": 5, "rto_max": 10}) as host:
        end = closed_with_data(host)
        for _ in range(100):
            frame = end.take(1)
            if frame is not None and frame[TCP].flags == "RA":
                break
            end.segment("A")
        assert frame is not None
        assert frame[TCP].flags == "RA"
        assert host.lab.now > 10
        assert host.dataplane.connections() == []


def test_a_closed_connection_delivers_when_the_window_opens():
    with Host(tcp={"data_retries": 5, "rto_max": 10}) as host:
        end = closed_with_data(host)
        for _ in range(5):
            end.take(1)
            end.segment("A")
        end.segment("A", window=65535)
        host.lab.advance(0.1)
        assert end.expect("FPA", b"last words", within=1)


def test_orphans_are_counted_down_again():
    with Host(provider={"max_connections": 10}) as host:
        for _ in range(50):
            end, app = host.connection(options=PLAIN)
            app.close()
            end.expect("FA")
            end.segment("FA")
            end.expect("A", ack=end.seq)
        assert host.counter("TCP_ORPHANS_LIMITED") == 0


@pytest.mark.parametrize("paused", [True, False], ids=["paused", "backlog"])
def test_refusals_are_limited(paused):
    params = {"paused": True} if paused else {"backlog": 1, "backlog_overflow": 1}
    with Host(tcp={"reset_limit": 10}, listen=False) as host:
        host.listener = host.listen(**params)
        if not paused:
            host.peer.tcp(PORT).handshake(PLAIN)
        wire = Wire(host)
        answers = [s for n in range(30) for s in wire.send(frame4((6000 + n, PORT), SYN, n))]
        assert len([s for s in answers if s.flags & RST]) == 10
        assert host.counter("TCP_RST_LIMITED") == 20
        host.lab.advance(1.1)
        assert len(wire.send(frame4((7000, PORT), SYN, 1))) == 1


def test_the_ack_of_a_cookie_opens_no_second_connection():
    with Host(syn_cookies=SYN_COOKIES_ALWAYS) as host:
        wire = Wire(host)
        for port in range(5000, 5050):
            (answer,) = wire.send(frame4((port, PORT), SYN, 100))
            last = frame4((port, PORT), ACK, 101, answer.seq + 1)
            assert wire.send(last) == []
            assert host.accept() is not None
            wire.send(frame4((port, PORT), RST, 101))
            assert [s.flags for s in wire.send(last)] == [RST]
            assert host.accept() is None
        # The same client, with the same number, may come again.
        (answer,) = wire.send(frame4((5000, PORT), SYN, 100))
        assert wire.send(frame4((5000, PORT), ACK, 101, answer.seq + 1)) == []
        assert host.accept() is not None
