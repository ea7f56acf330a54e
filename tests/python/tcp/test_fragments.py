"""What the sender of fragments hears when nothing can be made of them (RFC 1122, RFC 8200)."""

import pytest
from scapy.layers.inet import ICMP
from scapy.layers.inet6 import ICMPv6ParamProblem, ICMPv6TimeExceeded

from tests.python.tcp.frames import ethernet, ip4, ip6
from tests.python.tcp.host import Host
from tests.python.tcp.wire_rules import IP4, IP6, PROTO_TCP

FRAGMENT = 44
MINUTE = 60.0


@pytest.fixture
def host():
    with Host() as made:
        yield made


def fragment4(data, at, *, more=True):
    return ethernet(ip4(data, fragment=0x2000 * more | at // 8, ident=7), IP4)


def fragment6(data, at, *, more=True):
    header = bytes([PROTO_TCP, 0]) + (at | more).to_bytes(2, "big") + bytes([0, 0, 0, 9])
    return ethernet(ip6(header + data, protocol=FRAGMENT), IP6)


def problems(host, frame):
    """(code, pointer) of what the frame is answered with."""
    host.peer.raw(frame)
    answers = [f[ICMPv6ParamProblem] for f in host.peer.frames() if ICMPv6ParamProblem in f]
    return [(answer.code, answer.ptr) for answer in answers]


def test_who_sent_no_whole_packet_in_a_minute_is_told(host):
    host.peer.raw(fragment4(bytes(48), 0))
    host.lab.advance(20)
    host.peer.raw(fragment6(bytes(48), 0))
    assert host.peer.frames(MINUTE - 20.1) == []
    (late,) = host.peer.frames(1)
    assert (late[ICMP].type, late[ICMP].code) == (11, 1)
    assert bytes(late[ICMP].payload)[:28] == fragment4(bytes(48), 0)[14:42]
    (late,) = host.peer.frames(20)
    assert late[ICMPv6TimeExceeded].code == 1
    assert host.peer.frames(2 * MINUTE) == []


def test_without_the_first_fragment_nobody_is_told(host):
    host.peer.raw(fragment4(bytes(48), 48))
    host.peer.raw(fragment6(bytes(48), 48))
    assert host.peer.frames(2 * MINUTE) == []


def test_impossible_fragments_are_refused_over_ipv6(host):
    assert problems(host, fragment6(bytes(49), 0)) == [(0, 4)]  # no whole number of units
    assert problems(host, fragment6(bytes(80), 0xFFF8 - 40)) == [(0, 42)]  # beyond 65,535
    assert problems(host, fragment6(bytes(16), 0)) == [(3, 0)]  # not the whole TCP header
    assert problems(host, fragment6(bytes(48), 48)) == []


def test_a_late_hop_by_hop_header_is_refused_as_an_unknown_one(host):
    pads = bytes([0, 0, 1, 4, 0, 0, 0, 0]) + bytes([PROTO_TCP, 0, 1, 4, 0, 0, 0, 0])
    assert problems(host, ethernet(ip6(pads + bytes(20), protocol=60), IP6)) == [(1, 40)]
