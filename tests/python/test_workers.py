"""Two workers of one engine: whose a connection is, how a backlog in two parts is emptied."""

import numpy as np
import pytest

from pyprov.core.port import REQUEST_DTYPE, ConnectParams, ListenParams, pack_address
from pyprov.lab import Lab

KEY = bytes([0x6D, 0x5A]) * 20
PAIRS = 120


def toeplitz(data):
    """The hash of receive-side scaling, bit by bit as its inventors wrote it down."""
    key, result = int.from_bytes(KEY), 0
    bits = len(KEY) * 8
    for i in range(len(data) * 8):
        if data[i // 8] >> (7 - i % 8) & 1:
            result ^= key >> (bits - 32 - i) & 0xFFFF_FFFF
    return result


def owner(client, client_port, server, server_port, workers=2):
    """Where a card's table of 128 entries sends it: from the client to the server."""
    size = 4 if client.startswith(pack_address("10.0.0.1")[:12]) else 16
    data = client[-size:] + server[-size:] + client_port.to_bytes(2) + server_port.to_bytes(2)
    return toeplitz(data) % 128 % workers


@pytest.fixture
def two():
    with Lab.pair(seed=5, config={"workers": {"count": 2}}) as pair:
        yield pair


def connect(two, n, address):
    """So many connections; their handles at the client's end."""
    params = ConnectParams(peer=pack_address(address), peer_port=80)
    handles = [two.a.dataplane.connect(params) for _ in range(n)]
    two.advance(0.1)
    return handles


def ends(info):
    return info.local, info.local_port, info.peer, info.peer_port


@pytest.mark.parametrize("name", ["address", "address6"])
def test_a_connection_is_whose_a_card_would_give_it_to_at_both_ends(two, name):
    listener = two.b.dataplane.listen(ListenParams(port=80, backlog=PAIRS, family=46))
    handles = connect(two, PAIRS, getattr(two.b, name))
    by_client = [two.a.dataplane.info(handle) for handle in handles]
    # The worker that was asked has taken a port whose answers come to it.
    assert [handle >> 56 for handle in handles] == [owner(*ends(info)) for info in by_client]
    assert {handle >> 56 for handle in handles} == {0, 1}
    rows = np.zeros(PAIRS, REQUEST_DTYPE)
    assert two.b.dataplane.accept_many(listener, rows) == PAIRS
    accepted = [int(handle) for handle in rows["handle"]]
    by_server = [two.b.dataplane.info(handle) for handle in accepted]
    swapped = [(info.peer, info.peer_port, info.local, info.local_port) for info in by_server]
    assert [handle >> 56 for handle in accepted] == [owner(*names) for names in swapped]
    counts = [two.b.dataplane.counters(worker)["TCP_REQUESTS"] for worker in (0, 1)]
    assert counts == [sum(handle >> 56 == worker for handle in accepted) for worker in (0, 1)]
    assert min(counts) > PAIRS / 4


def test_a_backlog_in_two_parts_is_emptied_by_age_and_as_fast_as_one(two):
    plane = two.b.dataplane
    listener = plane.listen(ListenParams(port=80, backlog=PAIRS))
    for _ in range(PAIRS // 4):  # each round later than the one before
        connect(two, 4, two.b.address)
    waiting = [plane.counters(worker)["TCP_REQUESTS"] for worker in (0, 1)]
    few, owners, times = np.zeros(8, REQUEST_DTYPE), [], []
    while len(owners) < PAIRS:
        # Work conserving: as many as were asked for, whoever has them.
        n = plane.accept_many(listener, few)
        assert n == min(len(few), PAIRS - len(owners))
        owners += [int(handle) >> 56 for handle in few["handle"][:n]]
        times += few["when_ns"][:n].tolist()
    assert [owners.count(each) for each in (0, 1)] == waiting
    # Fair: who came first is taken first, whichever worker has it.
    assert times == sorted(times)
    assert len(set(times)) == PAIRS // 4
    assert plane.accept_many(listener, few) == 0


def test_a_backlog_is_as_long_as_it_was_said_over_both_workers(two):
    plane = two.b.dataplane
    plane.listen(ListenParams(port=80, backlog=5))
    connect(two, 40, two.b.address)
    counters = plane.counters()
    assert counters["TCP_REQUESTS"] == 5
    assert counters["TCP_SYN_RESET_BACKLOG"] + counters["TCP_ACK_BACKLOG"] == 35
