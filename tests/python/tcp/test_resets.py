"""Closed ports, resets given and taken, challenges (section E)."""

import pytest
from scapy.layers.inet import TCP

from pyprov.core.port import READY_CLOSE, READY_ERROR
from tests.proofs import proves
from tests.python.peer import LINUX_OPTIONS, payload_of
from tests.python.tcp.frames import RST, SYN, Wire, frame4
from tests.python.tcp.host import PORT, SYNCHRONISED, Host, refused

both = pytest.mark.parametrize("v6", [False, True], ids=["ipv4", "ipv6"])
in_all_states = pytest.mark.parametrize("state", SYNCHRONISED)
PLAIN = [("MSS", 1460)]
CLOSED = 81


def is_gone(host, end):
    """The connection is: whatever comes gets the answer of a closed port."""
    end.segment("A", seq=end.seq)
    end.expect("R", seq=end.ack)


@both
@proves("E01", "E04")
@pytest.mark.parametrize("flags", ["A", "PA", "FA", "SA", "UA", "SFPUA"])
@pytest.mark.parametrize("ack", [0, 1, 2**31, 2**32 - 1])
def test_an_ack_to_a_closed_port_is_reset_at_its_number(host, v6, flags, ack):
    end = host.peer.tcp(CLOSED, v6=v6)
    end.segment(flags, b"data" if "P" in flags else b"", ack=ack)
    answer = end.expect("R", seq=ack, window=0)
    assert payload_of(answer[TCP]) == b""
    assert host.peer.frames(3) == []


@both
@proves("E02", "E04")
@pytest.mark.parametrize(
    ("flags", "payload", "length"),
    [
        ("S", b"", 1),
        ("", b"", 0),
        ("F", b"", 1),
        ("SF", b"", 2),
        ("P", b"data", 4),
        ("S", b"data", 5),
        ("SFPU", b"data!", 7),
        ("U", b"x", 1),
    ],
)
def test_without_ack_a_closed_port_acknowledges_what_it_resets(host, v6, flags, payload, length):
    for seq in (0, 12345, 2**32 - 1):
        end = host.peer.tcp(CLOSED, v6=v6, isn=seq)
        end.segment(flags, payload)
        end.expect("RA", seq=0, ack=(seq + length) % 2**32, window=0)
    assert host.peer.frames(3) == []


@both
@proves("E03")
@pytest.mark.parametrize("flags", ["R", "RA", "RS", "RFA", "RPUA", "RSFPUA"])
def test_a_rst_is_never_answered(host, v6, flags):
    for port in (CLOSED, PORT):
        for payload in (b"", b"data"):
            host.peer.tcp(port, v6=v6).segment(flags, payload, ack=5)
    end, _ = host.in_state("TIME-WAIT", v6=v6)
    end.segment(flags, seq=end.seq)
    end.segment(flags, seq=end.seq + 100000)
    assert host.peer.frames(3) == []


@both
@in_all_states
@proves("E06", "E05", "H16")
@pytest.mark.parametrize("payload", [b"", b"because"])
def test_an_exact_rst_ends_a_connection_at_once(host, v6, state, payload):
    end, app = host.in_state(state, v6=v6)
    closed = host.counter("TCP_CLOSED")
    end.segment("R", payload, seq=end.seq)
    assert host.peer.frames(3) == []
    assert app.state == "CLOSED"
    assert host.counts("TCP_RST", "TCP_CLOSED") == (1, closed + 1)
    if state in {"CLOSING", "LAST-ACK"}:  # both sides had closed: no error
        assert app.status.error == 0
        assert app.recv() == b""
    else:
        assert app.status.ready & READY_ERROR
        assert app.status.ready & READY_CLOSE
        assert refused(app.recv) == "ECONNRESET"
        assert refused(app.send, b"x") == "ECONNRESET"
    is_gone(host, end)


@in_all_states
@proves("E06")
def test_the_ack_of_a_rst_does_not_matter(host, state):
    end, app = host.in_state(state)
    end.segment("RA", ack=(end.ack + 10**6) % 2**32)
    assert app.state == "CLOSED"
    assert host.peer.frames() == []


@both
@in_all_states
@proves("E07")
def test_a_rst_in_the_window_is_challenged(host, v6, state):
    end, app = host.in_state(state, v6=v6)
    for by in (1, 2, 1000, 60000):
        end.segment("R", seq=end.seq + by)
        end.expect("A", seq=end.ack, ack=end.seq)
    assert app.state == state
    assert host.counts("TCP_RST_CHALLENGED", "TCP_CHALLENGE_ACK") == (4, 4)


@in_all_states
@proves("E08")
def test_a_rst_outside_the_window_is_dropped(host, state):
    end, app = host.in_state(state)
    for by in (-1, -2, -1000, -(2**20), 10**7, 2**31, 2**31 - 1):
        end.segment("R", seq=(end.seq + by) % 2**32)
        end.expect_nothing()
    assert app.state == state
    assert host.counter("TCP_RST_IGNORED") == 7


def filled(host):
    """A connection whose receive window is used up."""
    end, app = host.connection(options=PLAIN)
    while True:
        end.segment("PA", bytes(min(1000, end.window)))
        answer = end.expect("A", within=0.3)
        if answer.window == 0:
            assert answer.ack == end.seq
            return end, app
        end.window = max(answer.window, 1)


@pytest.fixture
def small():
    with Host(tcp={"recv_buffer": 4096, "recv_buffer_max": 4096}) as host:
        yield host


@proves("E09")
def test_a_rst_counts_with_a_zero_window(small):
    end, app = filled(small)
    end.segment("R", seq=end.seq + 1)
    end.segment("R", seq=end.seq - 1)
    assert app.state == "ESTABLISHED"
    end.segment("R")
    assert app.state == "CLOSED"
    assert app.status.error < 0


@both
@in_all_states
@proves("E10", "E11")
@pytest.mark.parametrize("flags", ["S", "SA", "SF", "SFA", "SPU"])
def test_a_syn_is_challenged_wherever_it_lies(host, v6, state, flags):
    end, app = host.in_state(state, v6=v6)
    options = end.options
    for by in (0, -1, -2, 1, 1000, 10**6, 2**31, -(10**6)):
        end.options = options if by % 2 else LINUX_OPTIONS
        end.segment(flags, seq=(end.seq + by) % 2**32)
        end.expect("A", seq=end.ack, ack=end.seq)
    assert app.state == state
    assert host.counter("TCP_SYN_CHALLENGED") == 8


@in_all_states
@proves("E10")
@pytest.mark.parametrize("options", [[], PLAIN, [("Timestamp", (0, 0))]])
def test_a_syn_is_challenged_whatever_its_timestamps(host, state, options):
    """A peer that began anew need not offer what it offered before, nor keep its clock."""
    end, app = host.in_state(state)
    end.options = options
    for _ in range(3):
        end.segment("S", seq=end.seq + 10**8)
        end.expect("A", seq=end.ack, ack=end.seq)
    assert app.state == state


@proves("E12")
def test_challenges_are_limited_by_a_number_nobody_knows():
    with Host(tcp={"challenge_ack_limit": 20}) as host:
        end, app = host.connection(options=PLAIN)
        rst = frame4((end.sport, PORT), RST, end.seq + 100)
        sent = []
        for _ in range(12):
            sent.append(sum(len(Wire(host).send(rst)) for _ in range(50)))
            host.lab.advance(1)
        assert min(sent) >= 8
        assert max(sent) <= 20
        assert len(set(sent)) > 3
        limited, challenges = host.counts("TCP_CHALLENGE_LIMITED", "TCP_CHALLENGE_ACK")
        assert challenges == sum(sent)
        assert limited == 12 * 50 - sum(sent)
        assert app.state == "ESTABLISHED"


@proves("E12")
def test_the_limit_of_challenges_is_ample_by_default(host):
    end, _ = host.connection(options=PLAIN)
    rst = frame4((end.sport, PORT), RST, end.seq + 100)
    assert sum(len(Wire(host).send(rst)) for _ in range(400)) == 400


@both
@pytest.mark.parametrize("state", ["ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT"])
@proves("E13")
def test_abort_sends_a_rst_at_the_next_number_and_frees_all(host, v6, state):
    end, app = host.in_state(state, v6=v6)
    app.abort()
    end.expect("RA", seq=end.ack, ack=end.seq)
    assert host.peer.frames(100) == []
    is_gone(host, end)
    assert refused(app.recv) == "EBADF"


@proves("E13")
def test_abort_drops_what_was_not_sent_and_what_was_not_acknowledged(host):
    end, app = host.connection()
    app.send(bytes(60000))
    sent = host.peer.frames()
    app.abort()
    last = sent[-1]
    (rst,) = host.peer.frames(100)
    assert rst[TCP].flags.R
    assert rst[TCP].seq == (last.seq + len(payload_of(last[TCP]))) % 2**32
    end.ack = rst[TCP].seq
    is_gone(host, end)


@both
@pytest.mark.parametrize("state", ["ESTABLISHED", "CLOSE-WAIT"])
@proves("E14")
def test_close_with_unread_data_resets(host, v6, state):
    end, app = host.connection(v6=v6)
    end.segment("FPA" if state == "CLOSE-WAIT" else "PA", b"unread")
    end.expect("A", ack=end.seq, within=0.3)
    app.close()
    end.expect("RA", seq=end.ack)
    assert host.peer.frames(100) == []
    is_gone(host, end)


@proves("E14")
def test_close_with_data_half_read_resets_and_with_all_read_does_not(host):
    end, app = host.connection()
    end.segment("PA", b"unread")
    end.expect("A", within=0.3)
    assert app.recv(3) == b"unr"
    app.close()
    end.expect("RA")
    end, app = host.connection()
    end.segment("PA", b"read")
    end.expect("A", within=0.3)
    assert app.recv() == b"read"
    app.close()
    end.expect("FA")


@both
@proves("E15", "E17")
def test_a_rebooted_peer_resets_us_when_we_send(host, v6):
    end, app = host.connection(v6=v6)
    app.send(b"are you there?")
    lost = end.expect("PA")
    end.options = []
    end.segment("R", seq=lost[TCP].ack)  # as who knows nothing answers an ACK
    assert refused(app.send, b"x") == "ECONNRESET"
    assert refused(app.recv) == "ECONNRESET"
    assert host.peer.frames(300) == []


@both
@pytest.mark.parametrize("stamps", ["same", "older", "none"])
@pytest.mark.parametrize("by", [-1, 0, 5000, 10**8, -(10**8)])
@proves("E16")
def test_a_rebooted_peer_finds_out_and_connects_anew(host, v6, stamps, by):
    end, app = host.connection(v6=v6, options=[*LINUX_OPTIONS[:2], ("Timestamp", (5000, 0))])
    again = host.peer.tcp(PORT, v6=v6, sport=end.sport, isn=(end.seq + by) % 2**32)
    clock = {"same": [("Timestamp", (5001, 0))], "older": [("Timestamp", (1, 0))], "none": []}
    options = [("MSS", 1460), *clock[stamps]]
    again.segment("S", options=options, seq=again.seq)
    challenge = again.expect("A", seq=end.ack, ack=end.seq)
    again.segment("R", seq=challenge[TCP].ack)
    assert app.state == "CLOSED"
    assert refused(app.recv) == "ECONNRESET"
    again.handshake(options)
    new = host.accept()
    again.segment("PA", b"anew")
    assert new.recv() == b"anew"


@proves("E17")
def test_data_that_came_before_the_rst_can_still_be_read(host):
    end, app = host.connection()
    end.segment("PA", b"last words")
    end.segment("R")
    assert app.recv() == b"last words"
    assert refused(app.recv) == "ECONNRESET"
    assert host.peer.frames(100) == []


def test_resets_for_no_connection_are_limited():
    with Host(tcp={"reset_limit": 10}) as host:
        for _ in range(3):
            syns = [frame4((5000 + i, CLOSED), SYN) for i in range(30)]
            assert len(Wire(host).send(*syns)) == 10
            host.lab.advance(1)
        assert host.counter("TCP_NO_CONNECTION_LIMITED") == 60
