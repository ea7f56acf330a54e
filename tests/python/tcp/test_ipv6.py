"""What only IPv6 has: neighbour discovery, a router, extension headers, listeners for both."""

import errno

import pytest
from scapy.layers.inet import TCP
from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    ICMPv6ParamProblem,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    PadN,
)
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from pyprov.core.port import ConnectParams, DataplaneError, ListenParams, pack_address
from tests.python.tcp.frames import ACK, OUR6, PEER6, PSH, Wire, ethernet, ip6
from tests.python.tcp.frames import tcp as make_tcp
from tests.python.tcp.host import PORT, Application, Host
from tests.python.tcp.wire_rules import IP6, PROTO_TCP

PLAIN = [("MSS", 1440)]
SOLICITED_NODE, SOLICITED_MAC = "ff02::1:ff00:2", "33:33:ff:00:00:02"


def solicit(peer, *, src, dst=SOLICITED_NODE, target="fd09::2", hops=255, mac=SOLICITED_MAC):
    question = ICMPv6ND_NS(tgt=target)
    if src != "::":
        question /= ICMPv6NDOptSrcLLAddr(lladdr=peer.mac)
    peer.send(IPv6(src=src, dst=dst, hlim=hops) / question, dst=mac)


def answers(host, seconds=0.0):
    """Advertisements of our address; the link-local one speaks for itself."""
    frames = host.peer.frames(seconds)
    return [f for f in frames if ICMPv6ND_NA in f and f[ICMPv6ND_NA].tgt == "fd09::2"]


# Neighbour discovery


def test_a_solicitation_is_answered(host):
    solicit(host.peer, src="fd09::1")
    (answer,) = answers(host)
    assert (answer[Ether].dst, answer[IPv6].dst) == (host.peer.mac, "fd09::1")
    assert (answer[IPv6].src, answer[IPv6].hlim) == ("fd09::2", 255)
    assert (answer[ICMPv6ND_NA].R, answer[ICMPv6ND_NA].S, answer[ICMPv6ND_NA].O) == (0, 1, 1)
    assert answer[ICMPv6ND_NA].tgt == "fd09::2"
    assert answer[ICMPv6NDOptDstLLAddr].lladdr == host.lab.mac


def test_who_probes_for_our_address_is_told_in_front_of_all(host):
    solicit(host.peer, src="::")
    (answer,) = answers(host)
    assert (answer[IPv6].dst, answer[Ether].dst) == ("ff02::1", "33:33:00:00:00:01")
    assert answer[ICMPv6ND_NA].S == 0


@pytest.mark.parametrize(
    "bad", [{"hops": 254}, {"target": "fd09::3"}, {"target": "ff02::1"}], ids=str
)
def test_what_is_no_solicitation_for_us_gets_no_answer(host, bad):
    solicit(host.peer, src="fd09::1", **bad)
    assert answers(host, 1) == []


def test_a_neighbour_is_asked_for_and_learned():
    with Host(port={"neighbour": []}) as host:
        host.peer.answer = lambda frame: False
        end, _ = host.connect(v6=True)
        question = host.peer.frames()[0]
        assert question[ICMPv6ND_NS].tgt == "fd09::1"
        assert question[IPv6].dst == "ff02::1:ff00:1"
        assert question[Ether].dst == "33:33:ff:00:00:01"
        assert question[IPv6].hlim == 255
        assert question[ICMPv6NDOptSrcLLAddr].lladdr == host.lab.mac
        news = ICMPv6ND_NA(R=0, S=1, O=1, tgt="fd09::1")
        option = ICMPv6NDOptDstLLAddr(lladdr="02:00:00:00:00:42")
        host.peer.send(IPv6(src="fd09::1", dst="fd09::2", hlim=255) / news / option)
        assert end.expect("S")[Ether].dst == "02:00:00:00:00:42"


def tentative():
    """A host whose address is not yet its own, and what it has asked."""
    host = Host(port={"dad": True, "neighbour": []}, listen=False)
    host.peer.answer = lambda frame: False
    host.turn()
    frames = [f for f in host.peer.frames() if f[ICMPv6ND_NS].tgt == "fd09::2"]
    return host, frames


def test_an_address_is_probed_for_before_it_is_used():
    host, frames = tentative()
    with host:
        (probe,) = frames
        assert (probe[IPv6].src, probe[IPv6].dst) == ("::", SOLICITED_NODE)
        assert (probe[Ether].dst, probe[ICMPv6ND_NS].tgt) == (SOLICITED_MAC, "fd09::2")
        assert ICMPv6NDOptSrcLLAddr not in probe
        solicit(host.peer, src="fd09::1")
        assert answers(host, 0.9) == [], "not ours yet"
        (news,) = answers(host, 0.2)
        assert (news[IPv6].dst, news[ICMPv6ND_NA].tgt) == ("ff02::1", "fd09::2")
        solicit(host.peer, src="fd09::1")
        assert len(answers(host)) == 1


@pytest.mark.parametrize("how", ["advertisement", "probe"])
def test_an_address_that_somebody_has_is_not_used(how):
    host, _ = tentative()
    with host:
        if how == "probe":
            solicit(host.peer, src="::")
        else:
            news = ICMPv6ND_NA(R=0, S=0, O=1, tgt="fd09::2")
            target = ICMPv6NDOptDstLLAddr(lladdr=host.peer.mac)
            packet = IPv6(src="fd09::2", dst="ff02::1", hlim=255) / news / target
            host.peer.send(packet, dst="33:33:00:00:00:01")
        host.lab.advance(5)
        solicit(host.peer, src="fd09::1")
        assert answers(host, 1) == []


# A router


def test_far_peers_are_reached_by_the_router():
    port = {
        "gateway": ["fd09::fe"],
        "neighbour": [{"address": "fd09::fe", "mac": "02:00:00:00:00:fe"}],
    }
    with Host(port=port) as host:
        handle = host.dataplane.connect(
            ConnectParams(peer=pack_address("2001:db8::7"), peer_port=9)
        )
        host.turn()
        frame = host.peer.frames()[0]
        assert (frame[Ether].dst, frame[IPv6].dst) == ("02:00:00:00:00:fe", "2001:db8::7")
        assert frame[IPv6].src == "fd09::2"
        assert Application(host, handle).state == "SYN-SENT"


def test_without_a_router_far_peers_are_unreachable(host):
    params = ConnectParams(peer=pack_address("2001:db8::7"), peer_port=9)
    try:
        handle = host.dataplane.connect(params)
        host.turn()
        error = host.dataplane.status(handle).error
    except DataplaneError as refused:
        error = refused.error
    assert error == -errno.ENETUNREACH


# Extension headers

SKIPPED = {
    "hop-by-hop": IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0" * 4)]),
    "destination": IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 4)]),
    "both": IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0" * 4)])
    / IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 12)]),
    "routing without segments": IPv6ExtHdrRouting(type=0, segleft=0, addresses=[]),
}


@pytest.mark.parametrize("header", SKIPPED)
def test_headers_before_a_segment_are_passed_over(host, header):
    end, app = host.connection(options=PLAIN, v6=True)
    segment = end.build("PA", b"behind headers")[TCP]
    host.peer.send(IPv6(src="fd09::1", dst="fd09::2") / SKIPPED[header] / segment)
    assert app.recv() == b"behind headers"
    assert app.state == "ESTABLISHED"


def option(kind):
    """A destination option header with one unknown option of this kind."""
    return Raw(bytes([PROTO_TCP, 0, kind, 4, 1, 2, 3, 4]))


@pytest.mark.parametrize(
    ("kind", "taken", "told"),
    [
        (0x1E, True, False),
        (0x5E, False, False),
        (0x9E, False, True),
        (0xDE, False, True),
    ],
)
def test_unknown_options_are_treated_as_they_ask_for(host, kind, taken, told):
    end, app = host.connection(options=PLAIN, v6=True)
    segment = end.build("PA", b"x")
    data = bytes(segment)[40:]
    packet = IPv6(src="fd09::1", dst="fd09::2", nh=60) / Raw(bytes(option(kind)) + data)
    host.peer.send(packet)
    assert app.recv() == (b"x" if taken else None)
    problems = [f[ICMPv6ParamProblem] for f in host.peer.frames() if ICMPv6ParamProblem in f]
    assert [(p.code, p.ptr) for p in problems] == ([(2, 42)] if told else [])


def test_a_routing_header_with_segments_left_is_refused(host):
    end, app = host.connection(options=PLAIN, v6=True)
    header = IPv6ExtHdrRouting(type=0, segleft=1, addresses=["fd09::5"])
    segment = end.build("PA", b"x")[TCP]
    host.peer.send(IPv6(src="fd09::1", dst="fd09::2") / header / segment)
    assert app.recv() is None
    assert [f[ICMPv6ParamProblem].code for f in host.peer.frames() if ICMPv6ParamProblem in f] == [
        0
    ]


# Fragments


def pieces(segment, *cuts):
    for first, last in cuts:
        more = last < len(segment)
        header = bytes([PROTO_TCP, 0]) + (first | more).to_bytes(2, "big") + bytes([0, 0, 0, 9])
        yield ethernet(ip6(header + segment[first:last], protocol=44), IP6)


@pytest.mark.parametrize("order", [1, -1])
def test_a_segment_in_fragments_is_put_together(host, order):
    end, app = host.connection(options=PLAIN, v6=True)
    segment = make_tcp(
        (end.sport, PORT),
        ACK | PSH,
        end.seq,
        end.ack,
        addresses=(PEER6, OUR6),
        data=bytes(range(200)),
    )
    Wire(host).send(*pieces(segment, *[(0, 48), (48, 120), (120, 220)][::order]))
    assert app.recv() == bytes(range(200))


def test_a_header_in_two_pieces_is_thrown_away(host):
    end, app = host.connection(options=PLAIN, v6=True)
    segment = make_tcp(
        (end.sport, PORT), ACK | PSH, end.seq, end.ack, addresses=(PEER6, OUR6), data=b"x" * 100
    )
    Wire(host).send(*pieces(segment, (0, 16), (16, 120)))
    assert app.recv() is None


# Listeners for one family or both


@pytest.mark.parametrize(
    ("family", "v4", "v6"), [(4, True, False), (6, False, True), (46, True, True)]
)
def test_a_listener_takes_the_families_it_is_for(host, family, v4, v6):
    listener = host.dataplane.listen(ListenParams(port=90, family=family))
    for is_v6, taken in ((False, v4), (True, v6)):
        end = host.peer.tcp(90, v6=is_v6)
        end.segment("S", options=PLAIN)
        end.expect("SA" if taken else "RA")
        if taken:
            end.segment("A")
            request = host.dataplane.accept(listener)
            peer = host.peer.address6 if is_v6 else host.peer.address
            assert request.peer == pack_address(peer)


def test_one_port_has_a_listener_for_each_family(host):
    four = host.dataplane.listen(ListenParams(port=90, family=4))
    six = host.dataplane.listen(ListenParams(port=90, family=6))
    for is_v6, listener in ((False, four), (True, six)):
        end = host.peer.tcp(90, v6=is_v6)
        end.handshake(PLAIN)
        assert host.dataplane.accept(listener) is not None
        assert host.dataplane.accept(four if is_v6 else six) is None
