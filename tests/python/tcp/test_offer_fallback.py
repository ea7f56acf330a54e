"""A connect with data meets peers and paths that do not speak the option, or speak it badly."""

import pytest
from scapy.layers.inet import TCP

from pyprov.core.offer import OFFER_ANSWER, OFFER_REQUEST, Offer
from pyprov.core.port import READY_CONNECT
from tests.python.peer import payload_of

DATA = b"caller"
BLOCK = b"\x01\x00\x06" + DATA
REQ, PEND, ACC, REJ, RESEND = 1, 2, 4, 8, 16


def option(flags, length, reason=0):
    content = b"PVSP" + bytes([flags, reason]) + length.to_bytes(2, "big")
    return (253, content)


def asking(host):
    end, app = host.connect(offer=Offer(kind=OFFER_REQUEST, data=DATA))
    return end, app


def connected(app):
    return bool(app.status.ready & READY_CONNECT) and app.status.writes == 1


def works(end, app):
    assert connected(app)
    end.segment("PA", b"to you")
    assert app.recv() == b"to you"
    app.send(b"and back")
    assert end.expect_data(8) == b"and back"


def test_two_syns_bring_the_block_and_later_ones_do_not(host):
    end, _ = asking(host)
    syns = [end.expect("S", within=5) for _ in range(4)]
    assert [payload_of(syn[TCP]) for syn in syns] == [BLOCK, BLOCK, b"", b""]
    assert len({syn.seq for syn in syns}) == 1
    assert [253 in dict(syn[TCP].options) for syn in syns] == [True, True, False, False]


def test_a_plain_peer_gets_a_plain_connection(host):
    end, app = asking(host)
    syn = end.expect("S")
    end.ack = syn.seq + 1
    end.segment("SA", options=[("MSS", 1460)])
    end.expect("A", b"", seq=syn.seq + 1)
    works(end, app)
    assert host.dataplane.offer(app.handle, OFFER_ANSWER) is None


def test_a_block_that_went_into_the_stream_is_taken_back_with_the_connection(host):
    end, app = asking(host)
    syn = end.expect("S")
    end.segment("SA", options=[("MSS", 1460)])
    end.expect("R", seq=syn.seq + 1 + len(BLOCK))
    again = end.expect("S", b"")
    assert again.seq != syn.seq
    assert 253 not in dict(again[TCP].options)
    end.seq = 5000
    end.segment("SA", options=[("MSS", 1460)])
    end.expect("A")
    works(end, app)


def test_an_answer_with_the_syn_ack(host):
    end, app = asking(host)
    end.expect("S")
    answer = b"\x01\x00\x02hi"
    end.segment("SA", answer, options=[("MSS", 1460), option(ACC, len(answer))])
    end.expect("A", ack=end.seq)
    assert host.dataplane.offer(app.handle, OFFER_ANSWER).data == b"hi"
    works(end, app)


def pending(host):
    end, app = asking(host)
    end.expect("S")
    end.segment("SA", options=[("MSS", 1460), option(PEND, 0)])
    end.expect("A", ack=end.seq)
    assert not app.status.ready & READY_CONNECT
    return end, app


def test_an_answer_in_two_parts_and_out_of_order(host):
    end, app = pending(host)
    answer = b"\x01\x00\x04wait"
    more = {"options": [option(ACC | 0x80, 3)]}
    start = end.seq
    end.segment("A", answer[3:], seq=start + 3, options=[option(ACC, len(answer) - 3)])
    end.expect("A", ack=start)
    end.segment("A", answer[:3], seq=start, **more)
    end.expect("A", ack=start + 3)
    end.segment("A", answer[3:], seq=start + 3, options=[option(ACC, len(answer) - 3)])
    end.expect("A", ack=start + len(answer))
    end.seq = start + len(answer)
    assert host.dataplane.offer(app.handle, OFFER_ANSWER).data == b"wait"
    works(end, app)


def test_bytes_without_the_option_after_pend_are_the_end(host):
    end, app = pending(host)
    end.segment("PA", b"stripped")
    end.expect("RA")
    assert app.status.error != 0
    assert not connected(app)


@pytest.mark.parametrize("with_reason", [False, True])
def test_a_reset_while_pending_is_a_refusal(host, with_reason):
    end, app = pending(host)
    end.segment("RA", options=[option(REJ, 0)] if with_reason else [])
    assert app.status.error == -111


def test_a_client_that_waits_probes_and_gives_up_with_its_schedule(host):
    end, app = pending(host)
    following = end.ack
    end.expect("A", b"", within=2, seq=following - 1)
    end.ack = following
    for _ in range(30):
        host.peer.frames(5)
        end.segment("A")
    assert app.status.error == -110


@pytest.mark.parametrize(
    ("flags", "length", "payload"),
    [
        (ACC, 9, b"\x01\x00\x02hi"),  # longer than the payload
        (ACC, 5, b"\x01\x00\x09hi"),  # a value past the end
        (ACC | REJ, 5, b"\x01\x00\x02hi"),
        (REQ | ACC, 5, b"\x01\x00\x02hi"),
    ],
)
def test_malformed_answers_are_dropped_and_counted(host, flags, length, payload):
    end, app = asking(host)
    end.expect("S")
    end.segment("SA", payload, seq=1000, options=[("MSS", 1460), option(flags, length)])
    end.expect_nothing()
    assert host.counter("TCP_OFFER_BAD") == 1
    assert not app.status.ready & READY_CONNECT


def test_both_ends_at_once_get_a_plain_connection(host):
    end, app = asking(host)
    syn = end.expect("S")
    end.segment("S", BLOCK, options=[("MSS", 1460), option(REQ, len(BLOCK))])
    end.seq -= len(BLOCK)
    end.expect("SA", b"", seq=syn.seq, ack=end.seq)
    end.ack = syn.seq + 1
    end.segment("A")
    works(end, app)
