"""Explicit congestion notification and DCTCP's way with it (section N, N01 to N07)."""

import pytest
from scapy.layers.inet import IP, TCP

from pyprov.core.port import OPT_CONGESTION
from tests.proofs import proves
from tests.python.tcp.flow import CE, ECT, Flow
from tests.python.tcp.frames import ACK, PSH
from tests.python.tcp.host import Host
from tests.python.tcp.wire_rules import CWR, ECE, FIN

ECN = {"ecn": True, "congestion": "newreno", "hystart": False, "mtu_probing": False}

DCTCP = 2  # enum pv_congestion


@pytest.fixture
def ecn():
    with Host(tcp=ECN) as host:
        yield host


@proves("N01")
@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize("theirs", ["SEC", "SE", "SC", "S"])
def test_only_a_syn_with_both_bits_gets_a_syn_ack_with_ece(ours, theirs):
    with Host(tcp={"ecn": ours}) as host:
        end = host.peer.tcp(80)
        end.segment(theirs, options=[("MSS", 1000)])
        agreed = ours and theirs == "SEC"
        end.seq = 1001
        answer = end.expect("SAE" if agreed else "SA", ack=1001)
        assert answer[IP].tos & 3 == 0
        end.segment("A")
        assert bool(host.accept().info.options & 8) == agreed


@proves("N01", "N02")
@pytest.mark.parametrize(
    ("answer", "agreed"), [("SAE", True), ("SA", False), ("SAEC", False), ("SAC", False)]
)
def test_our_syn_asks_with_both_and_takes_ece_alone_for_an_answer(ecn, answer, agreed):
    end, app = ecn.connect()
    syn = end.take()
    assert str(syn[TCP].flags) == "SEC"
    assert syn[IP].tos & 3 == 0
    end.ack = syn.seq + 1
    end.segment(answer, options=[("MSS", 1000)])
    end.seq = 1001
    end.expect("A", ack=1001)
    assert bool(app.info.options & 8) == agreed
    app.send(b"data")
    data = end.expect("PA", b"data")
    assert data[IP].tos & 3 == (ECT if agreed else 0)


@proves("N01")
def test_without_the_key_our_syn_asks_for_nothing(host):
    end, _ = host.connect()
    assert str(end.take()[TCP].flags) == "S"


@proves("N01")
def test_dctcp_asks_by_itself():
    with Host(tcp={"congestion": "dctcp"}) as host:
        end, _ = host.connect()
        assert str(end.take()[TCP].flags) == "SEC"
        assert Flow(host, ecn=True).info.options & 8


@proves("N03")
def test_new_data_is_ect_and_nothing_else(ecn):
    flow = Flow(ecn, ecn=True)
    assert flow.write(3) == [0, 1, 2]
    assert {segment.ecn for segment in flow.log} == {ECT}
    flow.data(b"x")
    flow.pass_time(0.05)
    assert flow.answer().ecn == 0  # a bare ACK
    first = len(flow.log)
    for _ in range(3):
        flow.pass_time(1)
        flow.collect()
    resent = flow.log[first:]
    assert resent
    assert {segment.ecn for segment in resent} == {0}
    flow.ack(3, window=0)
    flow.dataplane.send(flow.app.handle, b"waits", 0)
    ecn.turn()
    flow.pass_time(5)
    assert flow.answer().ecn == 0  # a window probe
    flow.ack(3)
    flow.collect()
    flow.app.shutdown()
    flow.pass_time(0.01)
    flow.collect()
    fins = [segment for segment in flow.log if segment.flags & FIN and not segment.payload]
    assert {segment.ecn for segment in fins} <= {0}


@proves("N03")
def test_without_agreement_nothing_is_ect(ecn):
    flow = Flow(ecn)
    flow.write(5)
    assert {segment.ecn for segment in flow.log} == {0}
    assert not any(segment.flags & (ECE | CWR) for segment in flow.log)


def marked(flow, payload=b"x", **fields):
    """Data from the peer that the path has marked."""
    flow.tos = CE
    flow.data(payload, **fields)
    flow.tos = ECT


@proves("N04")
def test_every_ack_echoes_a_mark_until_cwr_comes(ecn):
    flow = Flow(ecn, ecn=True)
    flow.tos = ECT
    flow.data(b"x")
    flow.pass_time(0.05)
    assert not flow.answer().flags & ECE
    marked(flow)
    assert flow.answer().flags & ECE  # at once
    for _ in range(3):
        flow.data(b"x")
        flow.pass_time(0.05)
        assert flow.answer().flags & ECE
    flow.write(1)
    assert flow.log[-1].flags & ECE  # data too
    cwr(flow)
    flow.pass_time(0.05)
    assert not flow.answer().flags & ECE
    assert ecn.counter("TCP_ECN_CE") == 1


def cwr(flow, tos=ECT):
    """Data from the peer with CWR."""
    flow.tos = tos
    flow.inject(flow.bare(flags=ACK | PSH | CWR, data=b"x"))
    flow.seq += 1


@proves("N04")
def test_cwr_on_a_marked_segment_begins_anew(ecn):
    flow = Flow(ecn, ecn=True)
    marked(flow)
    flow.answer()
    cwr(flow, tos=CE)
    flow.pass_time(0.05)
    assert flow.answer().flags & ECE


@proves("N04")
def test_a_mark_means_nothing_without_agreement(ecn):
    flow = Flow(ecn)
    marked(flow)
    flow.pass_time(0.05)
    assert not flow.answer().flags & ECE


@proves("N05")
def test_an_echo_reduces_once_a_window_and_cwr_goes_with_new_data(ecn):
    flow = Flow(ecn, ecn=True)
    flow.write(40)
    flow.pass_time(0.1)
    flow.ack(1, flags=ACK | ECE)
    assert flow.cwnd == pytest.approx(8, abs=0.1)  # a fifth less (RFC 8511)
    assert flow.ssthresh == flow.cwnd
    before = flow.cwnd
    for number in range(2, 11):
        flow.ack(number, flags=ACK | ECE)  # of the same window
    assert flow.cwnd <= before + 1.2
    assert ecn.counter("TCP_ECN_REDUCED") == 1
    with_cwr = [segment for segment in flow.log if segment.flags & CWR]
    assert len(with_cwr) == 1
    assert flow.number(with_cwr[0]) == 10  # the first new one
    last = flow.number_sent
    flow.pass_time(0.1)
    before = flow.cwnd
    flow.ack(last, flags=ACK | ECE)  # of all that is in flight
    assert ecn.counter("TCP_ECN_REDUCED") == 2
    assert flow.ssthresh == pytest.approx(0.8 * before, abs=0.5)
    assert flow.info.total_retrans == 0


@proves("N05")
def test_a_loss_too_is_told_with_cwr_and_costs_no_second_reduction(ecn):
    flow = Flow(ecn, ecn=True)
    flow.write(40)
    flow.pass_time(0.1)
    flow.sack(0, (1, 3), flags=ACK | ECE)
    assert ecn.counter("TCP_ECN_REDUCED") == 1
    before = flow.ssthresh
    for n in range(4, 11):
        flow.sack(0, (1, n), flags=ACK | ECE)
    resent = [segment for segment in flow.log if flow.number(segment) == 0][1:]
    assert resent
    assert not resent[0].flags & CWR
    assert ecn.counter("TCP_ECN_REDUCED") == 1
    assert flow.ssthresh <= before
    fresh = [segment for segment in flow.log[10:] if flow.number(segment) >= 10]
    assert fresh[0].flags & CWR


@proves("N05")
def test_an_echo_counts_for_nothing_without_agreement(ecn):
    flow = Flow(ecn)
    flow.write(40)
    flow.pass_time(0.1)
    flow.ack(5, flags=ACK | ECE)
    assert flow.cwnd == 12
    assert ecn.counter("TCP_ECN_REDUCED") == 0


@proves("N07")
@pytest.mark.parametrize(
    ("congestion", "factor"), [("newreno", 0.8), ("cubic", 0.85), ("dctcp", 0.5)]
)
def test_a_mark_costs_less_than_a_loss(congestion, factor):
    """RFC 8511 for NewReno and CUBIC. DCTCP begins with the share taken for one."""
    with Host(tcp=ECN | {"congestion": congestion, "initial_window": 20}) as host:
        flow = Flow(host, ecn=True)
        flow.write(60)
        flow.pass_time(0.1)
        flow.ack(1, flags=ACK | ECE)
        assert flow.ssthresh == pytest.approx(20 * factor, abs=1)


def round_trip(flow, marks=0):
    """All in flight is acknowledged, the last `marks` segments with an echo."""
    flow.pass_time(0.1)
    first, last = flow.number_acked, flow.number_sent
    for number in range(first + 1, last + 1):
        flow.ack(number, flags=ACK | (ECE if number > last - marks else 0))
    return last - first


@proves("N07")
def test_dctcp_reduces_by_the_share_of_marks():
    with Host(tcp=ECN | {"congestion": "dctcp", "send_buffer": 4 << 20}) as host:
        flow = Flow(host, ecn=True, wscale=5)
        host.dataplane.send(flow.app.handle, bytes(3000 * flow.mss), 0)
        host.turn()
        flow.collect()
        while flow.cwnd < 64:
            round_trip(flow)
        windows = host.counter("CC_DCTCP")
        assert windows >= 2
        for _ in range(60):  # a mark or two a window: the share becomes small
            round_trip(flow, marks=2)
        assert host.counter("CC_DCTCP") > windows + 50
        reductions = host.counter("TCP_ECN_REDUCED")
        while host.counter("TCP_ECN_REDUCED") == reductions:
            before = flow.cwnd
            round_trip(flow, marks=1)
        assert flow.cwnd > 0.85 * before
        assert flow.info.total_retrans == 0


@proves("N04")
def test_dctcp_echoes_each_segments_mark():
    """RFC 8257 3.2: what changes is told before it changes."""
    with Host(tcp={"congestion": "dctcp"}) as host:
        flow = Flow(host, ecn=True)
        flow.tos = ECT
        flow.data(bytes(100))
        assert flow.answers == []  # delayed
        marked(flow, bytes(100))
        first = flow.answers.pop()
        assert not first.flags & ECE
        assert first.ack == flow.seq - 100
        flow.data(bytes(100))  # not marked: the mark is told first
        echo = flow.answers.pop()
        assert echo.flags & ECE
        assert echo.ack == flow.seq - 100
        flow.pass_time(0.05)
        assert not flow.answer().flags & ECE


@proves("N07")
def test_a_controller_can_be_chosen_while_the_connection_lives(ecn):
    flow = Flow(ecn, ecn=True)
    flow.app.option(OPT_CONGESTION, DCTCP)
    assert flow.info.congestion == DCTCP
    flow.write(40)
    flow.pass_time(0.1)
    flow.ack(1, flags=ACK | ECE)
    assert flow.ssthresh == pytest.approx(5, abs=1)
