"""`pyprov bench throughput`: bytes a second from one engine to another, and what a byte costs.

A service inside the sending worker writes what its connections take, one inside the receiving
worker reads it: user payload, copied in and out of both streams, over the whole of TCP with
checksums in software.
"""

import argparse
import dataclasses
import itertools
import json
import threading
import time
from typing import TYPE_CHECKING, Final, cast

from pyprov.runtime.generator import Service, cache_line_bounce
from pyprov.tools.bench import cpu
from pyprov.tools.bench.ends import WIRES, Ends, Reading, Setup
from pyprov.tools.bench.latency import spread

if TYPE_CHECKING:
    from pathlib import Path

_WINDOW: Final = 0.1  # seconds of one measurement
_WARM_UP: Final = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See interfaces of the command line in README.md."""
    add_wire_arguments(parser)
    parser.add_argument("--flows", type=int, default=1, help="connections")


def add_wire_arguments(parser: argparse.ArgumentParser) -> None:
    """What `throughput` and `latency` have in common."""
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--mtu", type=int, default=1500)
    parser.add_argument("--ipv6", action="store_true")
    parser.add_argument("--wire", choices=WIRES, default="ring", help="ring: in one process")
    parser.add_argument("--coalesce", action="store_true", help="with receive_offload")
    parser.add_argument("--segment", action="store_true", help="virtio_user: the device cuts")


def setup_of(arguments: argparse.Namespace, service: Service) -> Setup:
    """What the arguments ask for."""
    return Setup(
        wire=arguments.wire,
        flows=arguments.flows,
        mtu=arguments.mtu,
        ipv6=arguments.ipv6,
        service=service,
        config=cast("Path | None", arguments.config),
        coalesce=arguments.coalesce,
        segment=arguments.segment,
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Border:
    """Totals at one moment."""

    when: float
    near: Reading
    far: Reading


def _watch(ends: Ends, seconds: float) -> list[Border]:
    pause = threading.Event()  # never set: a timer that costs no CPU
    pause.wait(_WARM_UP)
    borders = []
    end = time.perf_counter() + seconds
    while True:
        borders.append(Border(time.perf_counter(), ends.near.read(), ends.far.read()))
        if borders[-1].when >= end:
            return borders
        pause.wait(_WINDOW)


def document_of(
    arguments: argparse.Namespace, borders: list[Border], counters: dict[str, int]
) -> dict[str, object]:
    """The JSON document."""
    windows = [(a, b) for a, b in itertools.pairwise(borders) if b.far.taken > a.far.taken]
    gbps = [(b.far.taken - a.far.taken) * 8e-9 / (b.when - a.when) for a, b in windows]
    sender, receiver = (
        [
            (getattr(b, end).load.busy_cycles - getattr(a, end).load.busy_cycles)
            / (b.far.taken - a.far.taken)
            for a, b in windows
        ]
        for end in ("near", "far")
    )
    return {
        "gbps": spread(gbps, 3)["median"],
        "gbps_spread": spread(gbps, 3),
        "cycles_per_byte": {"sender": spread(sender, 3), "receiver": spread(receiver, 3)},
        "wire": arguments.wire,
        "flows": arguments.flows,
        "mtu": arguments.mtu,
        "coalesce": arguments.coalesce,
        "bundled": counters["TCP_SEGMENTS_BUNDLED"],
        "family": 6 if arguments.ipv6 else 4,
        "retransmitted": counters["TCP_RETRANSMITTED"],
        "dropped": counters["TX_DROPPED"],
        "bounce_cycles": cache_line_bounce(cpu.CLIENT, cpu.SERVER),
    }


def measure(arguments: argparse.Namespace) -> dict[str, object]:
    """Run it; the JSON document."""
    with Ends(setup_of(arguments, Service.DISCARD)) as ends:
        ends.near.use(setup_of(arguments, Service.DISCARD), Service.SOURCE)
        borders = _watch(ends, arguments.seconds)
        counters = ends.near.dataplane.counters()
        ends.near.drop()
    return document_of(arguments, borders, counters)


def run(arguments: argparse.Namespace) -> int:
    """Measure and print."""
    document = measure(arguments)
    if arguments.json:
        print(json.dumps(document))
        return 0
    rate = cast("dict[str, float]", document["gbps_spread"])
    cycles = cast("dict[str, dict[str, float]]", document["cycles_per_byte"])
    print(f"payload Gb/s   {rate['median']:>7}   min {rate['min']}  max {rate['max']}")
    for end, value in cycles.items():
        print(f"cycles a byte  {value['median']:>7}   {end} (min {value['min']})")
    print(f"flows {document['flows']}, MTU {document['mtu']}, wire {document['wire']}")
    print(f"retransmitted  {document['retransmitted']}, dropped {document['dropped']}")
    print(f"cache line bounce {document['bounce_cycles']} cycles")
    return 0
