"""Emulated wires: between the two engines of a lab, and live between ring ports."""

import subprocess
import sys

import pytest

from pyprov.core import port
from pyprov.core.port import ConnectParams, ListenParams
from pyprov.lab import Lab
from pyprov.runtime.config import Config, ConfigError
from pyprov.runtime.config_wire import WireParams
from pyprov.runtime.failure import StartError
from pyprov.runtime.wire import Joints
from tests.proofs import proves
from tests.python import live
from tests.python.live import PATIENCE

SECOND = 1_000_000_000


def call(two):
    """Let a look for b, long enough for it to ask again; returns when b sent its answers."""
    two.b.collect()
    begin = two.now
    two.a.dataplane.connect(ConnectParams(peer=port.pack_address(two.b.address), peer_port=80))
    two.advance(5)
    return [when - begin for when, _ in two.b.collect()]


def test_a_frame_takes_its_bits_and_the_delay():
    with Lab.pair(rate=1e6, delay=0.01) as two:
        first, *_ = call(two)  # b answers the ARP request when it is there
    assert first == pytest.approx(0.01 + (60 + 24) * 8 / 1e6, abs=1e-6)


def test_what_a_wire_does_is_counted_and_can_be_changed():
    with Lab.pair(loss=1) as two:
        assert call(two) == []
        assert two.wire.stats(0).lost == two.wire.stats(0).frames > 0
        assert two.wire.stats(1).frames == 0
        two.wire.change(0, loss=0, duplicate=1)
        frames = two.wire.stats(0).frames
        assert call(two)
        assert two.wire.stats(0).duplicated == two.wire.stats(0).frames - frames > 0
        assert two.wire.stats(1).duplicated == 0


def test_keys_stay_as_they_are_until_they_are_changed():
    with Lab.pair(delay=0.02, loss=1) as two:
        two.wire.change(0, loss=0)
        assert call(two)[0] > 0.02


def test_frames_too_large_for_a_wire_vanish():
    config = {"tcp": {"mtu_probing": False}}
    with Lab.pair(config=config, mtu=600) as two:
        b = two.b.dataplane
        listener = b.listen(ListenParams(port=80))
        handle = two.a.dataplane.connect(
            ConnectParams(peer=port.pack_address(two.b.address), peer_port=80)
        )
        two.advance(0.1)
        accepted = b.accept(listener).handle
        two.a.dataplane.send(handle, b"x" * 500)
        two.advance(1)
        assert b.readable(accepted) == 500
        two.a.dataplane.send(handle, b"x" * 1000)
        two.advance(1)
        assert b.readable(accepted) == 500
        assert two.wire.stats(0).too_large > 0


def test_a_reset_pair_has_nothing_on_its_wire():
    with Lab.pair(delay=1) as two:
        two.a.dataplane.connect(ConnectParams(peer=port.pack_address(two.b.address), peer_port=80))
        two.advance(0.5)
        assert two.wire.stats(0).flying == 1
        two.reset()
        two.advance(10)
        assert two.b.collect() == []


def test_frames_are_kept_only_if_they_are_asked_for():
    with Lab.pair(keep=False) as two:
        assert call(two) == []
        assert two.wire.stats(1).frames > 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate": -1},
        {"delay": -1},
        {"loss": 1.5},
        {"reorder": -0.1},
        {"corrupt": "much"},
        {"burst": 0},
        {"mtu": 10},
        {"reorder_delay": -1},
        {"loss": 1, "burst": 5},
        {"latency": 1},
    ],
)
def test_what_no_wire_does_is_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Lab.pair(**wrong)


def test_overtaking_takes_the_delay_unless_it_is_said():
    assert WireParams.of().overtaken == 1e-4
    assert WireParams.of(delay=0.5).overtaken == 0.5
    assert WireParams.of(delay=0.5, reorder_delay=0.1).overtaken == 0.1


# --- live


def config(number, device="ring", **wire):
    table = {"device": device, "address": [f"10.9.0.{number}/24"], "dad": False}
    table["mac"] = f"02:00:00:00:09:{number:02x}"
    tables = {
        "provider": {"memory": 24, "packet_buffers": 2048, "max_connections": 1024},
        "port": [table | ({"wire": wire} if wire else {})],
    }
    return Config.from_dict(tables)


class Engines:
    """Live engines in an EAL that other tests use too, joined as runtime/engine.py does it."""

    def __init__(self):
        self.joints = Joints()
        self.running = []

    def start(self, *configs):
        for each in configs:
            made = live.start(each)
            self.running.append(made)
            self.joints.start(made, each)
        return self.running[-len(configs) :]

    def stop(self, made):
        self.running.remove(made)
        made.stop(SECOND)
        self.joints.stop(made)


@pytest.fixture
def engines():
    engines = Engines()
    yield engines
    for made in list(engines.running):
        engines.stop(made)


def transfer(a, b, size=1_000_000):
    """Send from a to b, all of it."""
    listener = b.listen(ListenParams(port=80))
    handle = a.connect(ConnectParams(peer=port.pack_address("10.9.0.2"), peer_port=80))
    assert b.thread_waiter().wait_for(listener, port.READY_ACCEPT, 5 * SECOND)
    accepted = b.accept(listener).handle
    sent, got, data, buffer = 0, 0, bytes(range(250)) * 1000, bytearray(250_000)
    while got < size:
        if sent < size:
            sent += a.send(handle, data[sent % 250 : sent % 250 + min(100_000, size - sent)]) or 0
        n = b.recv(accepted, buffer)
        if n is None:
            assert b.thread_waiter().wait_for(accepted, port.READY_READ, 5 * SECOND)
            continue
        assert buffer[:n] == (data[got % 250 :] + data)[:n]
        got += n
    b.listener_close(listener)


def test_live_engines_talk_over_the_wire_that_both_name(engines):
    a, b = engines.start(
        config(1, name="x", delay=0.002, loss=0.01, duplicate=0.01),
        config(2, name="x", delay=0.002),
    )
    transfer(a, b)
    assert a.counters()["TCP_RETRANSMITTED"] > 0
    assert b.counters()["TCP_DUPLICATE"] > 0


def test_a_wire_is_there_again_when_its_engine_is(engines):
    a, b = engines.start(config(1, name="x"), config(2, name="x"))
    transfer(a, b, 1000)
    engines.stop(b)
    (b,) = engines.start(config(2, name="x"))
    transfer(a, b, 1000)


def test_a_ring_with_a_name_needs_no_wire(engines):
    a, b = engines.start(config(1, "ring:y"), config(2, "ring:y"))
    transfer(a, b)


@proves("V04")
def test_a_full_transmit_ring_loses_nothing_for_good(engines):
    """The other end starts only when the ring has been full of SYNs for a while."""
    first, second = config(1, name="z"), config(2, name="z")
    near = {"address": "10.9.0.2", "mac": "02:00:00:00:09:02"}
    tables = {"device": "ring", "address": ["10.9.0.1/24"], "mac": "02:00:00:00:09:01"}
    tables |= {"neighbour": [near], "wire": {"name": "z"}}
    quick = {"rto_initial": 0.05, "rto_max": 1, "syn_retries": 60}
    room = {"memory": 64, "packet_buffers": 8192}
    (a,) = engines.start(first.updated({"port": [tables], "tcp": quick, "provider": room}))
    params = ConnectParams(peer=port.pack_address("10.9.0.2"), peer_port=80)
    handles = [a.connect(params) for _ in range(900)]
    waiter = a.thread_waiter()
    for _ in range(500):
        if a.counters()["TX_DROPPED"] > 0:
            break
        waiter.wait_for(handles[0], port.READY_CONNECT, SECOND // 50)
    assert a.counters()["TX_DROPPED"] > 0
    (b,) = engines.start(second)
    listener = b.listen(ListenParams(port=80, backlog=1000))
    for handle in handles:
        assert waiter.wait_for(handle, port.READY_CONNECT | port.READY_ERROR, 20 * SECOND)
        assert a.status(handle).error == 0
    assert a.send(handles[-1], b"through") == 7
    for _ in range(500):  # until no SYN is on its way again: a worker counts while we read
        counts = a.counters()
        if counts["TX_FRAMES"] + counts["TX_DROPPED"] >= counts["TCP_SEGMENTS_SENT"]:
            break
        waiter.wait_for(handles[0], port.READY_READ, SECOND // 50)
    assert counts["TX_FRAMES"] + counts["TX_DROPPED"] >= counts["TCP_SEGMENTS_SENT"]
    b.listener_close(listener)


def test_a_third_end_is_refused(engines):
    engines.start(config(1, name="x"), config(2, name="x"))
    with pytest.raises(StartError, match='"x"'):
        engines.start(config(3, name="x"))


STARTED = """
from pyprov.core import port
from pyprov.core.port import ConnectParams, ListenParams
from pyprov.runtime import engine
from tests.python.test_wire import SECOND, config

a, b = (engine.start(config(i, name="x")) for i in (1, 2))
listener = b.listen(ListenParams(port=80))
handle = a.connect(ConnectParams(peer=port.pack_address("10.9.0.2"), peer_port=80))
assert b.thread_waiter().wait_for(listener, port.READY_ACCEPT, 5 * SECOND)
accepted = b.accept(listener).handle
a.send(handle, b"flushed")
engine.stop(a)
assert b.thread_waiter().wait_for(accepted, port.READY_READ, 5 * SECOND)
print(b.readable(accepted))
engine.stop(b)
"""


def test_an_engine_that_stops_flushes_into_its_wire():
    done = subprocess.run(
        [sys.executable, "-c", STARTED],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert done.stdout.strip() == "7"


@pytest.mark.parametrize(
    ("device", "wire", "key"),
    [
        ("ring", {"loss": 0.1}, "wire.name"),
        ("ring", {"name": "no spaces"}, "wire.name"),
        ("ring", {"name": "x", "loss": 2}, "wire.loss"),
        ("net_tap0", {"name": "x"}, "wire"),
        ("ring:y", {"name": "x"}, "wire"),
    ],
)
def test_wires_that_cannot_be_are_told_by_their_key(device, wire, key):
    with pytest.raises(ConfigError) as told:
        config(1, device, **wire)
    assert told.value.key == f"port[0].{key}"
