"""`pyprov bench memory`: bytes that a connection costs, as the process grows by it.

An engine on the wire in memory is filled with so many connections of one kind; what its resident
memory grew by, huge pages included, is divided by their number. Tables are mapped at their limits
and take memory as they are touched, so that this is what an operator sees.
"""

import argparse
import json
import os
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from operator import itemgetter
from typing import TYPE_CHECKING, Final, TypedDict

from pyprov.core.port import CLOSE_GRACEFUL, REQUEST_DTYPE, SYN_COOKIES_NEVER, Dataplane
from pyprov.runtime import engine
from pyprov.runtime.config import Config
from pyprov.runtime.generator import GUEST, Close, Generator, Load, Service, start_service
from pyprov.tools.bench.accept_server import listen_params
from pyprov.tools.errors import Failed

if TYPE_CHECKING:
    from collections.abc import Iterator

import numpy as np

_PORT: Final = 80
_SERVER: Final = "10.9.0.2"
_PATIENCE: Final = 300.0
_BATCH: Final = 1024
_FEW: Final = 16_384  # of the kinds that are not measured


class Kind(TypedDict):
    """One row of the table."""

    state: str
    connections: int
    bytes_each: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--flows", type=int, default=500_000, help="connections of each kind")


def resident() -> int:
    """Bytes of this process in memory, those on huge pages of EAL not counted."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _config(limit: str, flows: int) -> Config:
    network = {
        "device": "ring",
        "address": [f"{_SERVER}/24"],
        "gateway": ["10.9.0.1"],
        "neighbour": [{"address": "10.9.0.1", "mac": "02:00:00:00:00:01"}],
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
def _engine(limit: str, flows: int) -> "Iterator[Dataplane]":
    dataplane = engine.start(_config(limit, flows))
    try:
        yield dataplane
    finally:
        engine.stop(dataplane)


def _grown(
    dataplane: Dataplane,
    load: Load,
    flows: int,
    count_now: Callable[[dict[str, int]], int],
    serve: Callable[[], None],
) -> Kind:
    """Run the generator until a counter has reached the number wanted; what memory grew by."""
    generator = Generator(dataplane, load, cpu=GUEST)
    pause = threading.Event()  # never set
    before = resident()
    end = time.monotonic() + _PATIENCE
    count = 0
    while count < flows:
        serve()
        pause.wait(0.001)
        count = count_now(dataplane.counters())
        if time.monotonic() > end:
            raise Failed(f"only {count} of {flows} were there after {_PATIENCE:.0f} s")
    generator.pause()
    grown = resident() - before
    generator.stop()
    return Kind(state="", connections=count, bytes_each=round(grown / count, 1))


def _waiting(counters: dict[str, int]) -> int:
    return counters["TCP_SYN_ACCEPTED"] - counters["TCP_ACK_ACCEPTED"]


def half_open(flows: int) -> Kind:
    """SYNs of a flood, none of which is ever acknowledged."""
    with _engine("half_open_max", flows) as dataplane:
        listener = dataplane.listen(listen_params(_SERVER, _PORT, 1024, SYN_COOKIES_NEVER))
        start_service(dataplane, listener, Service.COUNT)
        # The few legitimate clients beside the flood come and go.
        load = Load(server=_SERVER, port=_PORT, flows=16, flood=60.0, close=Close.RST)
        kind = _grown(dataplane, load, flows, _waiting, lambda: None)
    return Kind(**{**kind, "state": "half-open"})


def established(flows: int) -> Kind:
    """Accepted, nothing said since."""
    with _engine("max_connections", flows) as dataplane:
        listener = dataplane.listen(listen_params(_SERVER, _PORT, 1024, SYN_COOKIES_NEVER))
        start_service(dataplane, listener, Service.COUNT)
        load = Load(server=_SERVER, port=_PORT, flows=flows, close=Close.NONE)
        kind = _grown(dataplane, load, flows, itemgetter("TCP_ESTABLISHED"), lambda: None)
    return Kind(**{**kind, "state": "established, idle"})


def time_wait(flows: int) -> Kind:
    """Closed by us with a FIN, then by the peer."""
    rows, handles = np.zeros(_BATCH, REQUEST_DTYPE), np.zeros(_BATCH, np.uint64)
    with _engine("time_wait_max", flows) as dataplane:
        listener = dataplane.listen(listen_params(_SERVER, _PORT, 65_535, SYN_COOKIES_NEVER))

        def close() -> None:
            while n := dataplane.accept_many(listener, rows):
                handles[:n] = rows["handle"][:n]
                dataplane.close_many(handles[:n], CLOSE_GRACEFUL)

        load = Load(server=_SERVER, port=_PORT, flows=flows, window=256, close=Close.SERVER)
        kind = _grown(dataplane, load, flows, itemgetter("TCP_TIME_WAIT_STARTED"), close)
    return Kind(**{**kind, "state": "TIME-WAIT"})


def measure(flows: int) -> list[Kind]:
    """All kinds, each in an engine of its own."""
    return [fill(flows) for fill in (half_open, established, time_wait)]


def run(arguments: argparse.Namespace) -> int:
    """Measure and print."""
    kinds = measure(arguments.flows)
    if arguments.json:
        print(json.dumps({"flows": arguments.flows, "kinds": kinds}))
        return 0
    print(f"{'':20}{'connections':>12}{'bytes each':>12}")
    for kind in kinds:
        print(f"{kind['state']:20}{kind['connections']:>12,}{kind['bytes_each']:>12}")
    return 0
