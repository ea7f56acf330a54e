"""What a connection knows about itself (TCP_INFO)."""

import pytest

from pyprov.core.port import OPT_MAXSEG, OPT_RATE
from tests.proofs import proves
from tests.python.tcp.flow import Flow, in_flight
from tests.python.tcp.host import PORT, Host

BASE = {"congestion": "newreno", "hystart": False, "mtu_probing": False, "tlp": False}

OPEN, DISORDER, RECOVERY, LOSS = range(4)  # enum pv_recovery
TIMESTAMPS, SACK, WINDOW_SCALE, ECN = 1, 2, 4, 8


@pytest.fixture
def base():
    with Host(tcp=BASE | {"ecn": True}) as host:
        yield host


@proves("U02")
def test_what_was_agreed_on(base):
    flow = Flow(base, stamps=True, wscale=3, ecn=True, window=1000)
    info = flow.info
    assert info.options == TIMESTAMPS | SACK | WINDOW_SCALE | ECN
    assert (info.snd_wscale, info.rcv_wscale) == (3, 7)
    assert (info.snd_mss, info.pmtu) == (988, 1500)
    assert info.snd_wnd == 8000
    assert (info.local_port, info.peer_port) == (80, flow.ports[0])
    assert info.established_ns == base.dataplane.now()
    assert Flow(base, sack=False).info.options == 0


@proves("U02")
def test_windows_and_times(base):
    flow = Flow(base, rtt=0.08)
    info = flow.info
    assert info.srtt == pytest.approx(80_000, abs=200)
    assert info.rttvar == pytest.approx(40_000, abs=200)
    assert info.min_rtt == pytest.approx(80_000, abs=200)
    assert info.rto == pytest.approx(240_000, abs=1000)
    assert info.snd_cwnd == 10_000
    assert info.rcv_wnd == 65535
    flow.write(1)
    flow.pass_time(0.05)
    flow.ack(1)
    flow.data(b"x" * 300)
    flow.pass_time(0.25)
    info = flow.info
    assert info.min_rtt == pytest.approx(50_000, abs=200)
    assert info.last_data_sent == pytest.approx(300_000, abs=1000)
    assert info.last_data_recv == pytest.approx(250_000, abs=1000)
    assert info.last_ack_recv == pytest.approx(250_000, abs=1000)
    assert info.rcv_wnd == 65535 - 300


@proves("U02")
def test_a_connection_that_did_nothing_yet_tells_with_what_it_will_begin(base):
    flow = Flow(base, rtt=0.08, nodelay=False)
    established = base.dataplane.now()
    flow.pass_time(5)
    before = flow.info
    assert before.established_ns == established
    assert before.snd_cwnd == 10_000
    assert before.srtt == pytest.approx(80_000, abs=200)
    flow.write(1)
    after = flow.info
    for name in ("snd_cwnd", "snd_ssthresh", "srtt", "rttvar", "min_rtt", "rto", "established_ns"):
        assert getattr(before, name) == getattr(after, name), name


@proves("U02")
@pytest.mark.parametrize("times", [(3.0, 1.0), (1.0, 3.0)])
def test_a_round_trip_time_outlives_a_change_of_the_configuration(times):
    with Host(tcp=BASE | {"rto_initial": times[0]}) as host:
        older = host.peer.tcp(PORT)
        older.segment("S")
        older.expect("SA")
        host.lab.advance(0.1)
        host.lab.configure(rto_initial=times[1])
        assert Flow(host, rtt=0.05).info.srtt == pytest.approx(50_000, abs=200)
        host.lab.advance(0.3)
        older.segment("A")
        assert host.accept().info.srtt == pytest.approx(450_000, abs=200)


@proves("U02")
def test_segments_in_flight_by_their_fate(base):
    flow = in_flight(base)
    assert (flow.info.unacked, flow.info.notsent, flow.info.recovery) == (10, 20_000, OPEN)
    flow.sack(0, (1, 3))
    info = flow.info
    assert (info.unacked, info.sacked, info.lost, info.recovery) == (12, 2, 0, DISORDER)
    flow.sack(0, (1, 4))
    info = flow.info
    assert (info.sacked, info.lost, info.retrans, info.recovery) == (3, 1, 1, RECOVERY)
    assert (info.total_retrans, info.bytes_retrans) == (1, 1000)
    assert info.snd_ssthresh == 6000
    flow.sack(5, (0, 1))
    assert flow.info.dsack_dups == 1


@proves("U02")
def test_timeouts(base):
    flow = in_flight(base)
    for n in range(1, 4):
        flow.next()
        info = flow.info
        assert (info.backoff, info.recovery, info.snd_cwnd) == (n, LOSS, 1000)
        assert (info.total_retrans, info.lost) == (n, 10)
    flow.ack(10)
    assert (flow.info.backoff, flow.info.unacked > 0) == (0, True)


@proves("U02")
def test_what_came_and_went(base):
    flow = Flow(base)
    flow.write(3)
    flow.ack(2)
    flow.data(b"x" * 500)
    flow.data(b"x" * 500)
    flow.pass_time(0.05)
    info = flow.info
    assert (info.bytes_sent, info.bytes_acked, info.data_segs_out) == (3000, 2000, 3)
    assert (info.bytes_received, info.data_segs_in) == (1000, 2)
    assert info.segs_in == 3
    assert info.segs_out == 3 + len(flow.answers)
    assert info.rcv_mss == 536


@proves("U02")
def test_a_closed_window_and_a_full_buffer_hold_sending_back():
    with Host(tcp=BASE | {"send_buffer": 8192, "send_buffer_max": 8192}) as host:
        flow = Flow(host, window=4000, rtt=0.05)
        host.dataplane.send(flow.app.handle, bytes(8192), 0)
        host.turn()
        flow.pass_time(0.2)
        info = flow.info
        assert info.rwnd_limited == pytest.approx(200_000, abs=2000)
        assert info.sndbuf_limited == 0
        flow.ack(4)
        flow.ack(4, window=0)
        flow.pass_time(3)
        assert flow.info.probes > 0


@proves("U02")
def test_what_was_set(base):
    flow = Flow(base)
    flow.app.option(OPT_MAXSEG, 500)
    flow.app.option(OPT_RATE, 12345)
    assert (flow.info.snd_mss, flow.info.pacing_rate) == (500, 12345)


@proves("U02")
def test_reordering_is_remembered():
    with Host(tcp=BASE) as host:
        flow = in_flight(host)
        assert flow.info.reordering == 0
        flow.sack(0, (1, 3))
        flow.ack(3)
        assert flow.info.reordering > 0
