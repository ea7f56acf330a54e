"""Clients and floods of all kinds on the wire in memory: each frame is in one account."""

import time

import pytest

from pyprov.core.port import ListenParams, pack_address
from pyprov.runtime.config import Config
from pyprov.runtime.generator import (
    GUEST,
    Close,
    Flood,
    Generator,
    Load,
    Service,
    start_service,
    worker_load,
)
from tests.python import live
from tests.python.live import PATIENCE

# SYNs that were answered, or why not; and what only tells of them.
EVENTS = ("TCP_SYN_ACK_SENT", "TCP_SYN_ACK_RETRANSMITTED", "TCP_SYN_SENT", "TCP_SYN_SENT_BAD")
# Where segments end that belong to nothing, or to what a flood of SYNs has left.
STRAYS = (
    "TCP_NO_CONNECTION",
    "TCP_NO_CONNECTION_LIMITED",
    "TCP_NO_CONNECTION_RST",
    "TCP_ACK_COOKIE_BAD",
    "TCP_LISTEN_IGNORED",
    "TCP_HALF_OPEN_OTHER",
)


def start(workers):
    neighbours = [{"address": name, "mac": "02:00:00:00:00:01"} for name in ("10.9.0.1", "fd09::1")]
    port = {
        "device": "ring",
        "address": ["10.9.0.2/24", "fd09::2/64"],
        "gateway": ["10.9.0.1", "fd09::1"],
        "neighbour": neighbours,
        "dad": False,
    }
    provider = {"memory": 128, "max_connections": 20_000}
    tables = {"port": [port], "provider": provider, "workers": {"count": workers, "poll": "busy"}}
    return live.start(Config.from_dict(tables))


def until(true):
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end


def flood(dataplane, workers, server, kind, seed):
    """What a generator did until all was quiet again."""
    load = Load(
        server=server,
        port=80,
        flows=300,
        window=32,
        flood=2,
        flood_kind=kind,
        close=Close.RST,
        seed=seed,
    )
    before = dataplane.counters()["RX_FRAMES"]
    generator = Generator(dataplane, load, cpu=GUEST)
    until(lambda: generator.read().flood_sent > 2000)
    generator.pause()
    until(lambda: generator.read().in_flight == 0 and generator.read().alive == 0)
    done = generator.read()
    frames = done.syns + done.handshakes + done.repeated + done.closes + done.flood_sent
    until(lambda: dataplane.counters()["RX_FRAMES"] == before + frames)
    for worker in range(workers):  # and the turn that received the last one is over
        turns = worker_load(dataplane, worker).turns
        until(lambda: worker_load(dataplane, worker).turns > turns + 1)  # noqa: B023
    generator.stop()
    return done


def syns(counters):
    named = sum(n for name, n in counters.items() if name.startswith("TCP_SYN_"))
    return named - sum(counters[name] for name in EVENTS) + counters["TCP_HALF_OPEN_CHALLENGED"]


@pytest.mark.parametrize("server", ["10.9.0.2", "fd09::2"])
@pytest.mark.parametrize("workers", [1, 2])
def test_syns_are_answers_and_named_reasons_also_among_floods(workers, server):
    dataplane = start(workers)
    try:
        listening = ListenParams(
            local=pack_address(server), port=80, family=6 if ":" in server else 4, backlog=4096
        )
        start_service(dataplane, dataplane.listen(listening), Service.COUNT)
        sent = strays = handshakes = 0
        for seed, kind in enumerate((Flood.SYN, Flood.ACK, Flood.RST, Flood.SYN)):
            done = flood(dataplane, workers, server, kind, seed)
            assert done.tx_full == done.bad == 0
            assert done.syns == done.handshakes + done.refused + done.lost
            handshakes += done.handshakes
            sent += done.syns + (done.flood_sent if kind == Flood.SYN else 0)
            strays += done.flood_sent if kind != Flood.SYN else 0
            now = dataplane.counters()
            assert syns(now) == sent
            assert sum(now[name] for name in STRAYS) == strays
        assert now["TCP_REQUESTS"] == handshakes
        assert now["TX_DROPPED"] == 0
    finally:
        dataplane.stop(0)
