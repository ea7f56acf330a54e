"""Active opens (section C)."""

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6

from pyprov.core.port import (
    READY_CONNECT,
    READY_ERROR,
    READY_READ,
    READY_WRITE,
    ConnectParams,
    pack_address,
)
from tests.proofs import proves
from tests.python.peer import LINUX_OPTIONS, stamp_of
from tests.python.tcp.host import PORT, Host, refused

both = pytest.mark.parametrize("v6", [False, True], ids=["ipv4", "ipv6"])
PLAIN = [("MSS", 1460)]


def asked(host, **params):
    """A connect whose SYN the peer has seen."""
    end, app = host.connect(**params)
    end.expect("S")
    return end, app


def works(end, app):
    assert app.state == "ESTABLISHED"
    assert app.status.error == 0
    end.segment("PA", b"to you")
    assert app.recv() == b"to you"
    app.send(b"and back")
    assert end.expect_data(8) == b"and back"


@both
@proves("C01")
def test_a_syn(host, v6):
    end, app = host.connect(v6=v6)
    syn = end.expect("S", ack=0, urgptr=0, window=65535, dport=7)
    options = dict(syn[TCP].options)
    assert options["MSS"] == (1440 if v6 else 1460)
    assert options["SAckOK"] == b""
    assert options["Timestamp"][1] == 0
    assert options["WScale"] > 0
    assert app.state == "SYN-SENT"
    assert not app.status.ready & (READY_CONNECT | READY_WRITE)
    assert host.peer.frames() == []


@proves("C01")
def test_the_window_of_a_syn_is_not_scaled():
    with Host(tcp={"recv_buffer": 20000, "recv_buffer_max": 1 << 24}) as host:
        end, _ = host.connect()
        syn = end.expect("S", window=20000)
        assert dict(syn[TCP].options)["WScale"] >= 8
        end, _ = host.connect(recv_buffer=5000)
        end.expect("S", window=5000)


@both
@proves("C02")
@pytest.mark.parametrize("options", [[], PLAIN, LINUX_OPTIONS], ids=["none", "plain", "linux"])
def test_a_syn_ack_establishes_and_is_acknowledged_at_once(host, v6, options):
    end, app = host.connect(v6=v6)
    syn = end.expect("S")
    if options is LINUX_OPTIONS:
        options = [("Timestamp", (9, stamp_of(syn[TCP].options)[0])), *LINUX_OPTIONS[:2]]
    end.segment("SA", options=options)
    answer = end.expect("A", seq=end.ack, ack=end.seq)
    assert app.status.ready & READY_CONNECT
    assert app.status.ready & READY_WRITE
    stamp = stamp_of(answer[TCP].options)
    assert (stamp[1] if stamp else None) == (9 if len(options) > 1 else None)
    end.options = [("Timestamp", (10, stamp[0]))] if stamp else []
    works(end, app)


@proves("C02")
def test_a_syn_ack_again_is_answered(host):
    end, app = asked(host)
    end.segment("SA", options=PLAIN)
    end.expect("A")
    end.segment("SA", seq=end.seq - 1, options=PLAIN)  # our ACK was lost
    end.expect("A", seq=end.ack, ack=end.seq)
    works(end, app)


@both
@proves("C03")
@pytest.mark.parametrize("flags", ["SA", "SPA", "SFA"])
def test_data_on_a_syn_ack_is_delivered_after_establishment(host, v6, flags):
    end, app = asked(host, v6=v6)
    end.segment(flags, b"early", options=PLAIN)
    assert app.state == ("CLOSE-WAIT" if "F" in flags else "ESTABLISHED")
    end.expect("A", ack=end.seq)
    assert app.recv() == b"early"
    assert app.recv() == (b"" if "F" in flags else None)


@both
@proves("C04")
@pytest.mark.parametrize("flags", ["A", "SA", "PA", "FA", "SFA"])
@pytest.mark.parametrize("by", [0, 2, -1, 1000, 2**31])
def test_a_wrong_ack_in_syn_sent_is_reset(host, v6, flags, by):
    end, app = asked(host, v6=v6)
    wrong = (end.ack - 1 + by) % 2**32
    end.segment(flags, seq=5000, ack=wrong, options=PLAIN)
    end.expect("R", seq=wrong)
    assert app.state == "SYN-SENT"
    end.segment("SA", options=PLAIN)
    end.expect("A")
    works(end, app)


@proves("C04", "C06")
@pytest.mark.parametrize("flags", ["R", "RA", "RSA", "RS"])
@pytest.mark.parametrize("by", [-1, 1, 10**6])
def test_a_rst_without_the_right_ack_is_ignored_in_syn_sent(host, flags, by):
    end, app = asked(host)
    for seq in (0, end.seq, end.ack):
        end.segment(flags, seq=seq, ack=(end.ack + by) % 2**32)
    assert host.peer.frames() == []
    assert app.state == "SYN-SENT"
    assert app.status.error == 0


@both
@proves("C05")
@pytest.mark.parametrize("flags", ["RA", "RSA", "RFA"])
def test_a_rst_with_the_right_ack_refuses(host, v6, flags):
    end, app = asked(host, v6=v6)
    end.segment(flags, seq=0)
    assert app.state == "CLOSED"
    assert app.status.error == -111
    assert app.status.ready & READY_CONNECT
    assert app.status.ready & READY_ERROR
    assert host.peer.frames(300) == []
    assert refused(app.recv) == "ECONNREFUSED"
    app.close()
    assert host.dataplane.connections() == []


@both
@proves("C07", "C08")
@pytest.mark.parametrize("flags", ["A", "PA", "FA", "F", "P", "", "U", "FPU"])
def test_without_syn_nothing_happens_in_syn_sent(host, v6, flags):
    end, app = asked(host, v6=v6)
    end.segment(flags, b"data", seq=end.seq)
    assert host.peer.frames() == []
    assert app.state == "SYN-SENT"
    host.lab.advance(1.1)
    end.expect("S", seq=end.ack - 1)
    end.segment("SA", options=PLAIN)
    end.expect("A")
    works(end, app)


@both
@proves("C09")
@pytest.mark.parametrize("last", ["A", "SA"])
def test_simultaneous_open(host, v6, last):
    end, app = asked(host, v6=v6)
    end.segment("S", options=PLAIN)
    end.expect("SA", seq=end.ack - 1, ack=end.seq)
    assert app.state == "SYN-RECEIVED"
    assert not app.status.ready & READY_WRITE
    end.segment(last, options=PLAIN, seq=end.seq - (last == "SA"))
    assert app.status.ready & READY_CONNECT
    works(end, app)


@proves("C09", "D12")
def test_in_a_simultaneous_open_the_syn_ack_is_repeated(host):
    end, app = asked(host)
    end.segment("S", options=PLAIN)
    first = end.expect("SA")
    end.segment("S", options=PLAIN, seq=end.seq - 1)
    end.expect("SA", seq=first.seq, ack=end.seq)
    again = end.take(4)
    assert (str(again[TCP].flags), again.seq) == ("SA", first.seq)
    host.peer.frames()
    end.segment("A")
    works(end, app)


@proves("C09")
def test_data_may_come_with_the_last_ack_of_a_simultaneous_open(host):
    end, app = asked(host)
    end.segment("S", options=PLAIN)
    end.expect("SA")
    end.segment("PA", b"data")
    assert app.recv() == b"data"


@both
@proves("C09")
@pytest.mark.parametrize("fin", [False, True])
def test_what_comes_with_a_crossing_syn_waits_for_the_connection(host, v6, fin):
    """RFC 9293 3.10.7.3: it is queued; a peer goes on behind it."""
    end, app = asked(host, v6=v6)
    end.segment("SF" if fin else "S", b"data", options=PLAIN)
    end.expect("SA", ack=end.seq - 4 - fin)
    assert app.state == "SYN-RECEIVED"
    assert not app.status.ready & READY_READ
    end.segment("A")
    end.expect("A", ack=end.seq)
    assert app.recv() == b"data"
    if fin:
        assert app.state == "CLOSE-WAIT"
        assert app.recv() == b""
    else:
        works(end, app)


@proves("C09")
@pytest.mark.parametrize("flags", ["PA", "SPA"])
@pytest.mark.parametrize("more", [b"", b"and more"])
def test_what_came_with_a_crossing_syn_may_come_again(host, flags, more):
    end, app = asked(host)
    start = end.seq
    end.segment("SF", b"data", options=PLAIN)
    end.expect("SA")
    end.segment(flags, b"data" + more, seq=start + ("S" not in flags))
    assert app.recv() == b"data"  # nothing follows a FIN
    end.expect("A", ack=end.seq)
    assert app.state == "CLOSE-WAIT"


@both
@proves("C10")
def test_a_rst_in_syn_received_refuses_who_had_asked(host, v6):
    end, app = asked(host, v6=v6)
    end.segment("S", options=PLAIN)
    end.expect("SA")
    end.segment("R", seq=end.seq + 100)  # in the window: challenged
    end.expect("A", seq=end.ack, ack=end.seq)
    assert app.state == "SYN-RECEIVED"
    end.segment("R")
    assert app.state == "CLOSED"
    assert app.status.error == -111
    assert app.status.ready & READY_CONNECT
    end.segment("A")
    end.expect("R", seq=end.ack)


@proves("C10", "D09")
def test_a_wrong_ack_in_syn_received_is_reset(host):
    end, app = asked(host)
    end.segment("S", options=PLAIN)
    end.expect("SA")
    for by in (-1, 1, 5000):
        end.segment("A", ack=end.ack + by)
        end.expect("R", seq=end.ack + by)
    assert app.state == "SYN-RECEIVED"
    end.segment("A")
    works(end, app)


@both
@proves("C11", "K01")
def test_a_syn_is_repeated_with_back_off(host, v6):
    _, app = host.connect(v6=v6)
    host.lab.advance(130)
    syns = host.peer.frames()
    assert [f.time for f in syns] == pytest.approx([0, 1, 3, 7, 15, 31, 63], abs=0.02)
    assert len({(f.seq, str(f[TCP].flags)) for f in syns}) == 1
    assert app.status.error == -110


@proves("C12", "C13")
@pytest.mark.parametrize(("retries", "seconds"), [(0, 1), (2, 7), (6, 127), (7, 247)])
def test_the_time_of_giving_up_is_configured(retries, seconds):
    with Host(tcp={"syn_retries": retries}) as host:
        _, app = host.connect()
        host.lab.advance(seconds - 0.1)
        assert app.state == "SYN-SENT"
        host.lab.advance(0.2)
        assert app.status.error == -110
        assert app.status.ready & READY_CONNECT
        assert len(host.peer.frames()) == retries + 1
        assert host.counter("TCP_TIMED_OUT") == 1
        app.close()
        assert host.dataplane.connections() == []
        assert host.peer.frames(300) == []


@proves("C13")
def test_a_late_answer_after_the_time_out_is_reset():
    with Host(tcp={"syn_retries": 1}) as host:
        end, app = asked(host)
        host.lab.advance(10)
        host.peer.frames()
        end.segment("SA", options=PLAIN)
        end.expect("R", seq=end.ack)
        assert app.status.error == -110


@both
@proves("C15")
def test_close_in_syn_sent_forgets_the_connection(host, v6):
    for how in ("close", "abort"):
        end, app = asked(host, v6=v6)
        getattr(app, how)()
        assert host.peer.frames(10) == []
        assert host.dataplane.connections() == []
        end.segment("SA", options=PLAIN)
        end.expect("R", seq=end.ack)


@proves("C16")
def test_the_own_address_follows_the_route_and_stays():
    port = {"address": ["10.9.0.2/24", "10.8.0.2/24", "fd09::2/64"]}
    with Host(port=port) as host:
        end, app = host.connect()
        first = end.expect("S")
        assert first[IP].src == "10.9.0.2"
        host.lab.advance(1.5)
        assert end.expect("S")[IP].src == "10.9.0.2"
        end.segment("SA", options=PLAIN)
        assert end.expect("A")[IP].src == "10.9.0.2"
        works(end, app)
        end, _ = host.connect(v6=True)
        assert end.expect("S")[IPv6].src == "fd09::2"
        end, _ = host.connect(local=pack_address("10.8.0.2"), local_port=5000)
        assert end.expect("S")[IP].src == "10.8.0.2"


@proves("C16")
def test_a_foreign_own_address_and_no_route_are_refused(host):
    peer = pack_address("10.9.0.1")
    for params, error in (
        (ConnectParams(peer=peer, peer_port=7, local=pack_address("10.9.0.3")), "EADDRNOTAVAIL"),
        (ConnectParams(peer=pack_address("192.0.2.1"), peer_port=7), "ENETUNREACH"),
        (ConnectParams(peer=peer, peer_port=0), "EADDRNOTAVAIL"),
    ):
        assert refused(host.dataplane.connect, params) == error
    assert host.peer.frames() == []


@proves("C17")
def test_the_same_connection_cannot_be_opened_twice(host):
    end, app = asked(host, local_port=5000)
    for _ in range(2):  # in SYN-SENT and when it is established
        params = ConnectParams(peer=pack_address("10.9.0.1"), peer_port=7, local_port=5000)
        assert refused(host.dataplane.connect, params) == "EADDRINUSE"
        assert host.peer.frames() == []
        if app.state == "SYN-SENT":
            end.segment("SA", options=PLAIN)
            end.expect("A")
    works(end, app)
    asked(host, local_port=5000, port=8)  # another peer's port is another connection


@proves("C18", "N06")
def test_a_syn_without_answer_is_repeated_without_ecn():
    with Host(tcp={"ecn": True}) as host:
        host.connect()
        host.lab.advance(20)
        flags = [str(frame[TCP].flags) for frame in host.peer.frames()]
        assert flags == ["SEC", "SEC", "S", "S", "S"]


@proves("C18", "N06")
def test_a_refused_syn_with_ecn_is_repeated_without():
    with Host(tcp={"ecn": True}) as host:
        end, app = host.connect()
        end.expect("SEC")
        end.segment("RA", seq=0)
        end.expect("S")
        assert app.state == "SYN-SENT"
        end.segment("RA", seq=0)
        assert app.status.error == -111


@proves("H12")
def test_with_timestamps_our_connect_may_follow_one_in_time_wait(host):
    end, app = host.connect(local_port=5000)
    syn = end.expect("S")
    end.segment("SA", options=[*PLAIN, ("Timestamp", (1, stamp_of(syn[TCP].options)[0]))])
    end.options = [("Timestamp", (2, stamp_of(end.expect("A")[TCP].options)[0]))]
    app.shutdown()
    end.expect("FA")
    end.segment("FA")
    last = end.expect("A")
    assert app.state == "TIME-WAIT"
    app.close()
    host.lab.advance(2)
    again, new = host.connect(local_port=5000)
    syn = again.expect("S")
    assert 0 < (syn.seq - last.seq) % 2**32 < 2**31
    assert stamp_of(syn[TCP].options)[0] > stamp_of(last[TCP].options)[0]
    again.segment("SA", options=PLAIN)
    again.expect("A")
    again.options = []
    works(again, new)


@proves("H12")
def test_without_timestamps_it_must_wait(host):
    end, app = asked(host, local_port=5000)
    end.segment("SA", options=PLAIN)
    end.expect("A")
    app.shutdown()
    end.expect("FA")
    end.segment("FA")
    app.close()
    host.lab.advance(2)
    params = ConnectParams(peer=pack_address("10.9.0.1"), peer_port=7, local_port=5000)
    for seconds, error in ((50, "EADDRINUSE"), (10, "EADDRINUSE"), (0, "")):
        assert refused(host.dataplane.connect, params) == error
        host.lab.advance(seconds)


def test_a_connect_to_ourselves_and_back():
    """Both ends here, by the loopback inside."""
    with Host() as host:
        handle = host.dataplane.connect(
            ConnectParams(peer=pack_address("10.9.0.2"), peer_port=PORT)
        )
        host.lab.advance(0.1)
        server = host.accept()
        assert server is not None
        assert host.dataplane.send(handle, b"hello") == 5
        host.lab.advance(0.1)
        assert server.recv() == b"hello"
        assert host.peer.frames() == []
