"""`pyprov bench memory`: bytes that a connection costs, as the process grows by it.

An engine on the wire in memory is started and filled with so many connections of one kind, then
another with twice as many, each with tables that hold no more. What the process grew by more, huge
pages under its tables included, is divided by the connections more. So what every engine has
cancels out, and everything that grows with the connections is in: records, control blocks, status
records, and the tables with all that stands empty in them.
"""

import argparse
import json
import os
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypedDict, TypeVar

from pyprov.core.port import (
    CLOSE_GRACEFUL,
    REQUEST_DTYPE,
    SYN_COOKIES_NEVER,
    ConnectParams,
    Dataplane,
    pack_address,
)
from pyprov.runtime import engine
from pyprov.runtime.config import Config
from pyprov.runtime.generator import GUEST, Close, Generator, Load, Service, start_service
from pyprov.tools.bench.accept_server import listen_params
from pyprov.tools.bench.ends import Setup, config_of, tables
from pyprov.tools.errors import Failed

if TYPE_CHECKING:
    from collections.abc import Iterator

import numpy as np

_PORT: Final = 80
_SERVERS: Final = ("10.9.0.2", "fd09::2")  # by --ipv6
_PATIENCE: Final = 300.0
_BATCH: Final = 1024
_FEW: Final = 16_384  # of the kinds that are not measured
_TALK: Final = 8192  # connections that have something to say at the same time
_TALKED_MOST: Final = 20_000  # twice as many have ports of their own


T = TypeVar("T")


class Kind(TypedDict):
    """One row of the table."""

    state: str
    connections: int
    bytes_each: float


class Filled(NamedTuple):
    """An engine full of connections."""

    connections: int
    grown: int  # bytes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--flows", type=int, default=250_000, help="connections; and twice that")
    parser.add_argument("--ipv6", action="store_true")


def resident() -> int:
    """Bytes of this process in memory, those on huge pages of EAL not counted."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _config(limit: str, flows: int) -> Config:
    mac = "02:00:00:00:00:01"
    network = {
        "device": "ring",
        "address": [f"{_SERVERS[0]}/24", f"{_SERVERS[1]}/64"],
        "gateway": ["10.9.0.1", "fd09::1"],
        "neighbour": [{"address": host, "mac": mac} for host in ("10.9.0.1", "fd09::1")],
        "dad": False,
    }
    limits = {"max_connections": _FEW, "half_open_max": _FEW, "time_wait_max": _FEW}
    limits[limit] = flows + _FEW
    return Config.from_dict(
        {
            "port": [network],
            "workers": {"lcores": str(max(os.sched_getaffinity(0))), "poll": "busy"},
            "provider": {**limits, "memory": 512, "packet_buffers": 32_768},
            "tcp": {"syn_ack_retries": 0, "rto_initial": 60.0},
        }
    )


@contextmanager
def _engine(limit: str, flows: int) -> "Iterator[tuple[Dataplane, int]]":
    """Start an engine, with what the process had before."""
    before = resident()
    dataplane = engine.start(_config(limit, flows))
    try:
        yield dataplane, before
    finally:
        engine.stop(dataplane)


def _fill(
    dataplane: Dataplane,
    load: Load,
    flows: int,
    count_now: Callable[[dict[str, int]], int],
    serve: Callable[[], None],
) -> int:
    """Run the generator until a counter has reached the number wanted; the number."""
    generator = Generator(dataplane, load, cpu=GUEST)
    pause = threading.Event()  # never set
    end = time.monotonic() + _PATIENCE
    count = 0
    while count < flows:
        serve()
        pause.wait(0.001)
        count = count_now(dataplane.counters())
        if time.monotonic() > end:
            raise Failed(f"only {count} of {flows} were there after {_PATIENCE:.0f} s")
    generator.pause()
    generator.stop()
    return count


def _waiting(counters: dict[str, int]) -> int:
    return counters["TCP_SYN_ACCEPTED"] - counters["TCP_ACK_ACCEPTED"]


def half_open(server: str, flows: int) -> Filled:
    """SYNs of a flood, none of which is ever acknowledged."""
    with _engine("half_open_max", flows) as (dataplane, before):
        listener = dataplane.listen(listen_params(server, _PORT, 1024, SYN_COOKIES_NEVER))
        start_service(dataplane, listener, Service.COUNT)
        # The few legitimate clients beside the flood come and go.
        load = Load(server=server, port=_PORT, flows=16, flood=60.0, close=Close.RST)
        count = _fill(dataplane, load, flows, _waiting, lambda: None)
        return Filled(count, resident() - before)


def established(server: str, flows: int) -> Filled:
    """Accepted, nothing said since."""
    with _engine("max_connections", flows) as (dataplane, before):
        listener = dataplane.listen(listen_params(server, _PORT, 1024, SYN_COOKIES_NEVER))
        start_service(dataplane, listener, Service.COUNT)
        load = Load(server=server, port=_PORT, flows=flows, close=Close.NONE)
        count = _fill(dataplane, load, flows, itemgetter("TCP_ESTABLISHED"), lambda: None)
        return Filled(count, resident() - before)


def _until(ready: Callable[[], T | None]) -> T:
    """Look until there is something: a waiter would have memory of its own for a connection."""
    pause = threading.Event()  # never set
    end = time.monotonic() + _PATIENCE
    while (found := ready()) is None:
        if time.monotonic() > end:
            raise Failed("a connection did not get on")
        pause.wait(0.001)
    return found


def _talk(near: Dataplane, far: Dataplane, server: str, listener: int) -> None:
    """Open connections, ask and answer on each."""
    peer = ConnectParams(peer=pack_address(server), peer_port=_PORT)
    asking = [near.connect(peer) for _ in range(_TALK)]
    answering = [_until(lambda: far.accept(listener)).handle for _ in asking]
    memory = bytearray(64)
    for sender, senders, receiver, receivers in (
        (near, asking, far, answering),
        (far, answering, near, asking),
    ):
        for handle in senders:
            sender.send(handle, memory)
        for handle in receivers:
            _until(partial(receiver.recv, handle, memory))


def _wait_for_rest(planes: list[Dataplane], count: int) -> None:
    pause = threading.Event()  # never set
    end = time.monotonic() + _PATIENCE
    while any(plane.counters()["TCP_RESTED"] < count for plane in planes):
        if time.monotonic() > end:
            raise Failed("the connections that were quiet did not come to rest")
        pause.wait(0.02)


@contextmanager
def _joined(flows: int, end: int) -> "Iterator[Dataplane]":
    """One of two engines that a wire in memory joins."""
    setup = Setup(wire="ring", flows=flows, mtu=1500, ipv6=False, service=Service.NONE)
    dataplane = engine.start(config_of(setup, tables(setup, end - 1, "")))
    try:
        yield dataplane
    finally:
        engine.stop(dataplane)


def talked(server: str, flows: int) -> Filled:
    """Two engines whose connections asked and answered, some at a time, and are quiet now."""
    flows = -(-flows // _TALK) * _TALK
    before = resident()
    with _joined(flows, 1) as near, _joined(flows, 2) as far:
        listener = far.listen(listen_params(server, _PORT, _TALK, SYN_COOKIES_NEVER))
        for done in range(_TALK, flows + _TALK, _TALK):
            _talk(near, far, server, listener)
            _wait_for_rest([near, far], done)
        return Filled(2 * flows, resident() - before)


def time_wait(server: str, flows: int) -> Filled:
    """Closed by us with a FIN, then by the peer."""
    rows, handles = np.zeros(_BATCH, REQUEST_DTYPE), np.zeros(_BATCH, np.uint64)
    with _engine("time_wait_max", flows) as (dataplane, before):
        listener = dataplane.listen(listen_params(server, _PORT, 65_535, SYN_COOKIES_NEVER))

        def close() -> None:
            while n := dataplane.accept_many(listener, rows):
                handles[:n] = rows["handle"][:n]
                dataplane.close_many(handles[:n], CLOSE_GRACEFUL)

        load = Load(server=server, port=_PORT, flows=flows, window=256, close=Close.SERVER)
        count = _fill(dataplane, load, flows, itemgetter("TCP_TIME_WAIT_STARTED"), close)
        return Filled(count, resident() - before)


STATES: Final = {
    "half-open": half_open,
    "established, idle": established,
    "established, quiet": talked,
    "TIME-WAIT": time_wait,
}


def difference(once: Filled, twice: Filled) -> float:
    """Bytes that a connection more has cost."""
    return (twice.grown - once.grown) / (twice.connections - once.connections)


def measure(flows: int, *, ipv6: bool) -> list[Kind]:
    """All kinds, each in engines of its own."""
    server = _SERVERS[ipv6]
    kinds = []
    for state, fill in STATES.items():
        most = min(flows, _TALKED_MOST) if fill is talked else flows
        fill(server, _FEW)  # what only a process's first takes
        once, twice = fill(server, most), fill(server, 2 * most)
        each = round(difference(once, twice), 1)
        kinds.append(Kind(state=state, connections=twice.connections, bytes_each=each))
    return kinds


def run(arguments: argparse.Namespace) -> int:
    """Measure and print."""
    kinds = measure(arguments.flows, ipv6=arguments.ipv6)
    if arguments.json:
        print(json.dumps({"flows": arguments.flows, "ipv6": arguments.ipv6, "kinds": kinds}))
        return 0
    print(f"{'':20}{'connections':>12}{'bytes each':>12}")
    for kind in kinds:
        print(f"{kind['state']:20}{kind['connections']:>12,}{kind['bytes_each']:>12}")
    return 0
