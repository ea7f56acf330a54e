"""A live worker never runs a program that was taken away: conditions change hands under load."""

import pytest

import pyprov
from pyprov.core.port import ListenParams
from pyprov.runtime.config import Config
from pyprov.runtime.generator import GUEST, Generator, Load, Service, start_service
from tests.python import live

CLIENTS = pyprov.prefix("198.18.0.0/15")
TABLES = {
    "provider": {"memory": 48, "packet_buffers": 4096, "max_connections": 8192},
    "port": [
        {
            "device": "ring",
            "address": ["10.9.0.2/24"],
            "gateway": ["10.9.0.1"],
            "neighbour": [{"address": "10.9.0.1", "mac": "02:00:00:00:00:01"}],
        }
    ],
}


@pyprov.condition
def accept_clients(req):
    req.counter("seen")
    if req.caller.address in CLIENTS:
        return pyprov.ACCEPT
    return pyprov.DROP


@pyprov.condition
def accept_slowly(req):
    req.counter("seen")
    if req.per_source(rate=1000, burst=1000):
        return pyprov.ACCEPT
    return pyprov.REJECT


@pytest.fixture
def plane():
    made = live.start(Config.from_dict(TABLES))
    yield made
    made.stop(0)


def test_programs_are_replaced_while_they_run(plane):
    listener = plane.listen(ListenParams(port=80, backlog=1024))
    start_service(plane, listener, Service.COUNT)
    load = Load(server="10.9.0.2", port=80, flows=512, window=64)
    generator = Generator(plane, load, cpu=GUEST)
    seen = 0
    for turn in range(300):
        condition = (accept_clients, accept_slowly)[turn % 2]
        plane.set_condition(listener, condition.program)
        decided = 0
        while decided < 20:
            counts = plane.condition_counts(listener)
            decided = sum(counts.verdicts.values())
        assert counts.clamped == 0
        assert counts.counters["seen"] >= decided  # read later, and the worker goes on
        seen += decided
    plane.set_condition(listener, None)
    stats = generator.read()
    generator.stop()
    assert stats.bad == 0
    assert stats.handshakes > 0
    assert seen >= 300 * 20
