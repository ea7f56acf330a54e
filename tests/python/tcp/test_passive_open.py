"""Passive opens (section D)."""

import itertools

import pytest
from scapy.layers.inet import TCP

from pyprov.core.port import (
    OVERFLOW_DROP,
    OVERFLOW_RESET,
    SYN_COOKIES_ALWAYS,
    SYN_COOKIES_NEVER,
    pack_address,
)
from tests.proofs import proves
from tests.python.peer import LINUX_OPTIONS
from tests.python.tcp import wire_rules
from tests.python.tcp.frames import ACK, RST, SYN, SYN_OPTIONS, Wire, frame4, frame6
from tests.python.tcp.host import PORT, Host, refused

both = pytest.mark.parametrize("v6", [False, True], ids=["ipv4", "ipv6"])
PLAIN = [("MSS", 1460)]


def half_open(host, options=PLAIN, **tcp):
    """The peer's end of a handshake that lacks its ACK; the SYN-ACK has been taken."""
    end = host.peer.tcp(PORT, **tcp)
    end.segment("S", options=options)
    end.expect("SA", ack=end.seq)
    return end


def completes(host, end):
    end.segment("A")
    app = host.accept()
    assert app is not None
    assert app.state == "ESTABLISHED"
    end.segment("PA", b"works")
    assert app.recv() == b"works"
    return app


@both
@proves("D01")
def test_a_syn_is_answered(host, v6):
    end = host.peer.tcp(PORT, v6=v6, isn=123456789)
    end.segment("S", options=PLAIN)
    end.expect("SA", ack=123456790)
    assert host.accept() is None  # not before its ACK
    completes(host, end)


@proves("D01")
@pytest.mark.parametrize("isn", [0, 1, 2**31 - 1, 2**31, 2**32 - 1])
def test_any_number_may_begin_a_connection(host, isn):
    end = half_open(host, isn=isn)
    assert end.seq == (isn + 1) % 2**32
    completes(host, end)


@proves("D01")
@pytest.mark.parametrize("flags", ["SP", "SU", "SE", "SC", "SEC", "SPU"])
def test_other_flags_beside_syn_do_not_matter(host, flags):
    end = host.peer.tcp(PORT)
    end.segment(flags, options=PLAIN, urgptr=5 if "U" in flags else 0)
    end.expect("SA", ack=end.seq)
    completes(host, end)


@both
@proves("D02", "D04")
@pytest.mark.parametrize("flags", ["A", "PA", "FA", "UA", "FPUA", "SA", "SFA", "SPA"])
def test_an_ack_to_a_listener_is_reset(host, v6, flags):
    end = host.peer.tcp(PORT, v6=v6)
    for ack in (0, 1, 77777, 2**32 - 1):
        end.segment(flags, b"x" if "P" in flags else b"", ack=ack, seq=5)
        end.expect("R", seq=ack)
    assert host.peer.frames(3) == []
    assert host.accept() is None


@both
@proves("D03", "E03")
@pytest.mark.parametrize("flags", ["R", "RA", "RS", "RSA", "RF", "RFPUA"])
def test_a_rst_to_a_listener_is_ignored(host, v6, flags):
    host.peer.tcp(PORT, v6=v6).segment(flags, ack=9)
    assert host.peer.frames(3) == []
    completes(host, half_open(host, v6=v6))


@proves("D05")
@pytest.mark.parametrize("flags", ["", "F", "P", "U", "FPU", "E", "C", "FP", "PU"])
@pytest.mark.parametrize("payload", [b"", b"data"])
def test_neither_syn_nor_ack_nor_rst_to_a_listener_is_dropped(host, flags, payload):
    host.peer.tcp(PORT).segment(flags, payload)
    assert host.peer.frames(3) == []
    assert host.counter("TCP_LISTEN_IGNORED") == 1


@both
@proves("D06")
def test_syn_with_fin_is_dropped_so_that_no_fin_is_lost(host, v6):
    for flags in ("SF", "SFP", "SFU"):
        host.peer.tcp(PORT, v6=v6).segment(flags, options=PLAIN)
    assert host.peer.frames(3) == []
    assert host.counter("TCP_SYN_BAD_FLAGS") == 3
    end = half_open(host, v6=v6)
    end.segment("SF", seq=end.seq - 1, options=PLAIN)  # nor does one end a handshake
    assert host.peer.frames() == []
    completes(host, end)


@both
@proves("D07")
def test_data_on_a_syn_is_left_to_be_sent_again(host, v6):
    end = host.peer.tcp(PORT, v6=v6)
    end.segment("S", b"early", options=PLAIN, seq=1000)
    end.seq = 1001
    end.expect("SA", ack=1001)
    assert host.accept() is None
    end.segment("A")
    app = host.accept()
    assert app.recv() is None
    end.segment("PA", b"early")
    assert app.recv() == b"early"


@proves("D08")
def test_listeners_and_their_connections_share_a_port():
    addresses = ["10.9.0.2/24", "10.9.0.3/24", "fd09::2/64"]
    with Host(listen=False, port={"address": addresses}) as host:
        general = host.listen(PORT, family=4)
        special = host.listen(PORT, family=4, local=pack_address("10.9.0.3"))
        six = host.listen(PORT, family=6)
        other = host.listen(81, family=4)
        expected = []
        for i, (listener, port, v6, address) in enumerate(
            [
                (general, PORT, False, "10.9.0.2"),
                (special, PORT, False, "10.9.0.3"),
                (six, PORT, True, None),
                (other, 81, False, "10.9.0.2"),
                (other, 81, False, "10.9.0.3"),
                (general, PORT, False, "10.9.0.2"),
            ]
        ):
            end = host.peer.tcp(port, v6=v6)
            if address:
                end.ip.dst = address
            end.handshake()
            app = host.accept(listener)
            assert app is not None
            end.segment("PA", bytes([i]))
            expected.append((app, bytes([i])))
        for app, data in expected:
            assert app.recv() == data
        assert len({app.handle for app, _ in expected}) == 6


@proves("D08")
def test_one_peer_port_may_reach_many_of_ours_and_many_one(host):
    host.listen(81)
    ends = [host.peer.tcp(PORT, sport=port) for port in (5000, 5001, 5002)]
    for end in ends:
        end.handshake()
    handles = {host.accept().handle for _ in ends}
    assert len(handles) == 3
    second = host.peer.tcp(81, sport=5000)
    second.handshake()
    assert all(host.dataplane.status(handle).state == 4 for handle in handles)


@both
@proves("D09")
@pytest.mark.parametrize("by", [-1, 1, 1000, 2**31, -(2**16)])
def test_a_wrong_ack_of_a_syn_ack_is_reset_and_the_right_one_still_counts(host, v6, by):
    end = half_open(host, v6=v6)
    wrong = (end.ack + by) % 2**32
    for flags, payload in (("A", b""), ("PA", b"data"), ("FA", b"")):
        end.segment(flags, payload, ack=wrong, seq=end.seq)
        end.expect("R", seq=wrong)
    assert host.accept() is None
    completes(host, end)


@both
@proves("D10")
def test_an_exact_rst_ends_a_handshake_without_a_word_to_the_application(host, v6):
    for flags in ("R", "RA"):
        end = half_open(host, v6=v6)
        end.segment(flags)
        assert host.peer.frames(3) == []
        end.segment("A")
        end.expect("R", seq=end.ack)
        assert host.accept() is None
    assert host.counts("TCP_REQUESTS", "TCP_HALF_OPEN_RST") == (0, 2)
    completes(host, half_open(host, v6=v6, sport=end.sport, isn=77))  # it listens again


@proves("D11")
@pytest.mark.parametrize("options", [PLAIN, LINUX_OPTIONS])
def test_a_rst_in_the_window_of_a_handshake_is_challenged(host, options):
    end = half_open(host, options)
    for by in (1, 2, 1000, 65000):
        end.segment("R", seq=end.seq + by)
        end.expect("A", seq=end.ack, ack=end.seq)
    for by in (-1, -1000, 70000, 2**31):
        end.segment("R", seq=(end.seq + by) % 2**32)
        end.expect_nothing()
    assert host.accept() is None
    if options is PLAIN:
        completes(host, end)


@both
@proves("D12")
def test_a_repeated_syn_gets_the_same_answer(host, v6):
    end = host.peer.tcp(PORT, v6=v6)
    answers = []
    for _ in range(3):
        end.segment("S", options=PLAIN, seq=1000)
        answers.append(end.expect("SA", ack=1001))
        host.lab.advance(0.2)
    assert len({answer.seq for answer in answers}) == 1
    end.seq = 1001
    completes(host, end)


@proves("D13")
@pytest.mark.parametrize(("scale", "window"), [(None, 5000), (0, 5000), (3, 5000), (14, 65535)])
def test_the_window_of_the_last_ack_is_scaled(host, scale, window):
    end = host.peer.tcp(PORT)
    end.window = window
    end.handshake(PLAIN + ([("WScale", scale)] if scale is not None else []))
    assert host.accept().info.snd_wnd == window << (scale or 0)


@both
@proves("D14")
@pytest.mark.parametrize("retries", [0, 1, 3, 5])
def test_a_syn_ack_is_repeated_with_back_off_and_then_given_up(v6, retries):
    with Host(tcp={"syn_ack_retries": retries}) as host:
        end = half_open(host, v6=v6)
        start = host.lab.now
        host.lab.advance(200)
        repeats = host.peer.frames()
        times = [frame.time - start for frame in repeats]
        assert times == pytest.approx([2**n - 1 for n in range(1, retries + 1)], abs=0.01)
        assert {(f[TCP].seq, str(f[TCP].flags)) for f in repeats} <= {(end.ack - 1, "SA")}
        assert host.counter("TCP_HALF_OPEN_EXPIRED") == 1
        end.segment("A")
        end.expect("R", seq=end.ack)


@proves("D14")
def test_an_ack_between_the_repetitions_still_completes(host):
    end = half_open(host)
    host.lab.advance(8)
    assert len(host.peer.frames()) == 3
    completes(host, end)
    host.lab.advance(100)
    assert not [f for f in host.peer.frames() if f[TCP].flags.S]


@both
@proves("D15")
def test_data_stands_in_for_a_lost_ack(host, v6):
    for flags, tail in (("PA", None), ("A", None), ("FPA", b"")):
        end = half_open(host, v6=v6)
        end.segment(flags, b"hello")
        app = host.accept()
        assert app.recv() == b"hello"
        end.expect("A", ack=end.seq, within=0.2)
        assert app.recv() == tail


@proves("D15")
def test_a_fin_alone_stands_in_for_a_lost_ack(host):
    end = half_open(host)
    end.segment("FA")
    app = host.accept()
    end.expect("A", ack=end.seq)
    assert app.recv() == b""
    assert app.state == "CLOSE-WAIT"


@proves("D15")
def test_data_out_of_order_completes_a_handshake_too(host):
    end = half_open(host)
    end.segment("PA", b"world", seq=end.seq + 5)
    app = host.accept()
    assert app is not None
    end.expect("A", ack=end.seq)
    end.segment("PA", b"hello")
    assert app.recv() == b"helloworld"


@proves("D16")
@pytest.mark.parametrize("overflow", [OVERFLOW_RESET, OVERFLOW_DROP])
@pytest.mark.parametrize("backlog", [1, 3, 5])
def test_a_full_backlog_turns_syns_away_and_keeps_what_it_has(overflow, backlog):
    with Host(backlog=backlog, backlog_overflow=overflow) as host:
        ends = [host.peer.tcp(PORT) for _ in range(backlog)]
        for i, end in enumerate(ends):
            end.handshake(PLAIN)
            end.segment("PA", bytes([i]))
            end.expect("A", within=0.2)
        late = host.peer.tcp(PORT)
        late.segment("S", options=PLAIN)
        if overflow == OVERFLOW_RESET:
            late.expect("RA", ack=late.seq)
        assert host.peer.frames(5) == []
        assert [host.accept().recv() for _ in ends] == [bytes([i]) for i in range(backlog)]
        assert host.accept() is None
        completes(host, half_open(host))  # room again


@proves("D16")
def test_handshakes_that_end_together_do_not_overfill_a_backlog():
    with Host(backlog=3) as host:
        wire = Wire(host)
        ports = [(5000 + i, PORT) for i in range(10)]
        answers = wire.send(*(frame4(pair, SYN, 100) for pair in ports))
        assert len(answers) == 10
        acks = [frame4((a.dport, PORT), ACK, 101, a.seq + 1) for a in answers]
        resets = wire.send(*acks)
        assert [a.flags & RST for a in resets] == [RST] * 7
        apps = [host.accept() for _ in range(4)]
        assert apps[3] is None
        assert [app.state for app in apps[:3]] == ["ESTABLISHED"] * 3
        assert host.counter("TCP_ACK_BACKLOG") == 7
        assert {a.dport for a in resets} == {port for port, _ in ports[3:]}


@both
@proves("D17")
def test_closing_a_listener_resets_what_nobody_will_accept(host, v6):
    waiting = host.peer.tcp(PORT, v6=v6)
    waiting.handshake()
    taken, app = host.peer.tcp(PORT, v6=v6), None
    taken.handshake()
    pending = half_open(host, v6=v6)
    app = host.accept()  # the first
    host.dataplane.listener_close(host.listener)
    host.turn()
    taken.expect("RA", seq=taken.ack)
    pending.segment("A")
    pending.expect("R", seq=pending.ack)
    late = host.peer.tcp(PORT, v6=v6)
    late.segment("S")
    late.expect("RA", ack=late.seq)
    assert app.state == "ESTABLISHED"
    waiting.segment("PA", b"still here")
    assert app.recv() == b"still here"
    assert refused(host.dataplane.accept, host.listener) == "EBADF"
    assert host.peer.frames(3) != []  # no more than the ACK of that
    assert host.counts("LISTENER_RESET", "TCP_ABORTED") == (1, 1)


def flood(wire, first, n):
    """SYNs of n made-up sources, in bursts."""
    for at in range(first, first + n, 32):
        wire.send(
            *(
                frame4((1024 + i % 60000, PORT), SYN, i, options=SYN_OPTIONS)
                for i in range(at, at + 32)
            )
        )


@proves("D18")
def test_a_flood_without_cookies_fills_a_bounded_table_and_hurts_no_connection():
    provider = {"half_open_max": 64}
    with Host(provider=provider, syn_cookies=SYN_COOKIES_NEVER) as host:
        end, app = host.connection()
        wire = Wire(host)
        flood(wire, 0, 2048)
        accepted, dropped = host.counts("TCP_SYN_ACCEPTED", "TCP_SYN_DROPPED_FULL")
        assert (accepted, dropped) == (1 + 64, 2048 - 64)
        end.segment("PA", b"alive")
        assert app.recv() == b"alive"
        app.send(b"yes")
        end.expect_data(3)
        host.lab.advance(200)  # the half-open ones are forgotten
        wire.collect()
        host.peer.frames()
        completes(host, half_open(host))


@proves("D18", "D19")
def test_a_flood_with_cookies_lets_real_peers_in(host):
    wire = Wire(host)
    flood(wire, 0, 8192)
    assert host.counter("COOKIE_ON") == 1
    for _ in range(5):
        end = host.peer.tcp(PORT)
        end.handshake()
        app = host.accept()
        end.segment("PA", b"real")
        assert app.recv() == b"real"
        app.send(b"yes")
        end.expect_data(3)
        flood(wire, 9000, 256)
        host.peer.frames()
    assert host.counter("TCP_ACK_COOKIE") == 5


@both
@proves("D19")
@pytest.mark.parametrize("mss", [100, 536, 1220, 1400, 1460])
@pytest.mark.parametrize("sack", [False, True])
@pytest.mark.parametrize("scale", [None, 0, 7])
@pytest.mark.parametrize("stamps", [False, True])
def test_a_cookie_remembers_mss_sack_and_scale(v6, mss, sack, scale, stamps):
    options = [("MSS", mss)]
    options += [("SAckOK", b"")] if sack else []
    options += [("Timestamp", (1, 0))] if stamps else []
    options += [("WScale", scale)] if scale is not None else []
    with Host(syn_cookies=SYN_COOKIES_ALWAYS) as host:
        end = host.peer.tcp(PORT, v6=v6)
        end.window = 1000
        end.handshake(options)
        assert host.counts("TCP_SYN_COOKIE", "TCP_ACK_COOKIE") == (1, 1)
        info = host.accept().info
        kept = 64 if mss < 536 else mss
        kept = min(kept, 1440) if v6 else kept
        assert info.snd_mss == kept - 12 * stamps
        assert bool(info.options & 2) == sack
        assert bool(info.options & 1) == stamps
        assert bool(info.options & 4) == (scale is not None)
        assert info.snd_wnd == 1000 << (scale or 0)


@proves("D19")
def test_a_wrong_cookie_is_reset():
    with Host(syn_cookies=SYN_COOKIES_ALWAYS) as host:
        wire = Wire(host)
        (answer,) = wire.send(frame4((5000, PORT), SYN, 100))
        right = answer.seq + 1
        wrong = [right + by for by in (-1, 1, 256, 1000, 2**31, -(2**16))]
        tries = [frame4((5000, PORT), ACK, 101, ack) for ack in wrong]
        tries += [
            frame4((5001, PORT), ACK, 101, right),  # another's
            frame4((5000, PORT), ACK, 102, right),
            frame4((5000, PORT), ACK, 100, right),
        ]
        resets = wire.send(*tries)
        assert [segment.flags for segment in resets] == [RST] * 9
        assert [segment.seq for segment in resets] == [a % 2**32 for a in wrong] + [right] * 3
        assert host.accept() is None
        assert wire.send(frame4((5000, PORT), ACK, 101, right)) == []
        assert host.accept() is not None


@proves("D20")
@pytest.mark.parametrize(
    ("age", "good"), [(0.5, True), (9.5, True), (20.5, False), (40, False), (300, False)]
)
def test_a_cookie_is_good_in_its_epoch_and_the_next(age, good):
    with Host(tcp={"epoch": 10}, syn_cookies=SYN_COOKIES_ALWAYS) as host:
        end = half_open(host)
        while host.lab.now < age:
            half_open(host)  # others keep coming, so that cookies are looked at
            host.lab.advance(min(2.5, age - host.lab.now))
        host.peer.frames()
        end.segment("A")
        assert (host.accept() is not None) == good
        if not good:
            end.expect("R", seq=end.ack)


@pytest.mark.parametrize("make", [frame4, frame6])
@pytest.mark.parametrize(
    ("cluster", "age", "good"),
    [(True, 0, True), (True, 9, True), (True, 20.5, False), (False, 0, False)],
)
def test_a_node_of_a_cluster_takes_the_cookies_of_another(make, cluster, age, good):
    """Also when the secret changes between SYN and ACK; without `cluster` none but its own."""
    tcp = {"epoch": 10, "secret": "0123456789abcdef" * 2, "cluster": cluster}
    with (
        Host(1, tcp=tcp, syn_cookies=SYN_COOKIES_ALWAYS) as one,
        Host(2, tcp=tcp, syn_cookies=SYN_COOKIES_ALWAYS) as other,
    ):
        one.lab.advance(5)
        other.lab.advance(5)
        (answer,) = Wire(one).send(make((5000, PORT), SYN, 100))
        other.lab.advance(age)
        ack = make((5000, PORT), ACK, 101, (answer.seq + 1) % 2**32)
        wrong = make((5000, PORT), ACK, 101, (answer.seq + 2) % 2**32)
        assert [segment.flags for segment in Wire(other).send(wrong)] == [RST]
        refused = [segment.flags for segment in Wire(other).send(ack)]
        assert (refused == []) == good
        assert (other.accept() is not None) == good


@proves("D20")
def test_numbers_change_with_the_epoch():
    with Host(tcp={"epoch": 10}, syn_cookies=SYN_COOKIES_ALWAYS) as host:
        numbers = []
        for _ in range(6):
            (answer,) = Wire(host).send(frame4((5000, PORT), SYN, 100))
            numbers.append(answer.seq)
            host.lab.advance(10)
        assert len(set(numbers)) == 6
        assert host.counter("SECRET_ROTATED") == 6


@proves("D21")
def test_no_cookie_while_there_is_room(host):
    for _ in range(50):
        completes(host, half_open(host))
    assert host.counts("TCP_SYN_COOKIE", "TCP_ACK_COOKIE", "COOKIE_ON") == (0, 0, 0)
    assert host.counter("TCP_ACK_ACCEPTED") == 50


@proves("D19")
def test_a_cookie_connection_carries_data_both_ways_under_all_layouts():
    every = ([], [("SAckOK", b"")], [("WScale", 6)], [("Timestamp", (5, 0))])
    with Host(syn_cookies=SYN_COOKIES_ALWAYS, backlog=64) as host:
        for chosen in itertools.combinations(every, 2):
            end = host.peer.tcp(PORT)
            end.handshake([("MSS", 1000), *itertools.chain(*chosen)])
            app = host.accept()
            app.send(bytes(5000))
            end.expect_data(5000)
            end.segment("PA", b"back")
            assert app.recv() == b"back"


@proves("D01")
def test_what_is_not_offered_is_not_taken():
    """Each option only if the SYN had it."""
    offered = {
        wire_rules.SACK_OK: ("SAckOK", b""),
        wire_rules.TIMESTAMPS: ("Timestamp", (9, 0)),
        wire_rules.WSCALE: ("WScale", 3),
    }
    with Host() as host:
        for n in range(4):
            for chosen in itertools.combinations(offered, n):
                end = host.peer.tcp(PORT)
                end.segment("S", options=PLAIN + [offered[kind] for kind in chosen])
                answer = end.expect("SA")[TCP]
                area = bytes(answer)[20 : answer.dataofs * 4]
                kinds = {kind for kind, _ in wire_rules.split_options(area)}
                assert kinds - {wire_rules.NOP, wire_rules.MSS} == set(chosen)
