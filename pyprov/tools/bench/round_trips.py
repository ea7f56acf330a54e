"""`pyprov bench latency`: a question and its answer, one after the other on each connection.

The asking service writes `--size` bytes; the far end's echo answers them. A time is from the write
to the last byte of the answer read: both streams, both workers, twice the wire. Beside it stand the
gaps of a bare loop in the same run: what they show is the machine's, not ours.
"""

import argparse
import json
import threading
from typing import Final, cast

from pyprov.runtime import load
from pyprov.runtime.generator import (
    Service,
    cache_line_bounce,
    latency_floors,
    spin_gaps,
    tsc_hz,
)
from pyprov.tools.bench import cpu
from pyprov.tools.bench.ends import Ends
from pyprov.tools.bench.latency import percentiles
from pyprov.tools.bench.throughput import add_wire_arguments, setup_of
from pyprov.tools.errors import Failed

_WARM_UP: Final = 0.3
_SPIN: Final = 0.3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See interfaces of the command line in README.md."""
    add_wire_arguments(parser)
    parser.add_argument("--flows", type=int, default=1, help="connections that ask side by side")
    parser.add_argument("--size", type=int, default=64, help="bytes of a question")


def measure(arguments: argparse.Namespace) -> dict[str, object]:
    """Run it; the JSON document."""
    setup = setup_of(arguments, Service.ECHO)
    with Ends(setup) as ends:
        plane = ends.near.dataplane
        ends.near.use(setup, Service.ASK, arguments.size)
        pause = threading.Event()  # never set: a timer that costs no CPU
        pause.wait(_WARM_UP)
        rounds, before = load.done(plane).rounds, load.latency(plane)
        pause.wait(arguments.seconds)
        counts = load.latency(plane) - before
        rounds = load.done(plane).rounds - rounds
        ends.near.drop()
    if rounds == 0:
        raise Failed("no question was answered in the time given")
    floors, hz = latency_floors(), tsc_hz()
    return {
        "latency_us": percentiles(counts, floors, hz),
        "spin_us": percentiles(spin_gaps(cpu.SERVER, _SPIN), floors, hz),
        "rounds_per_s": round(rounds / arguments.seconds),
        "size": arguments.size,
        "flows": arguments.flows,
        "wire": arguments.wire,
        "family": 6 if arguments.ipv6 else 4,
        "bounce_cycles": cache_line_bounce(cpu.CLIENT, cpu.SERVER),
    }


def run(arguments: argparse.Namespace) -> int:
    """Measure and print."""
    document = measure(arguments)
    if arguments.json:
        print(json.dumps(document))
        return 0
    for name, what in (("latency_us", "round trip us"), ("spin_us", "bare loop us")):
        values = cast("dict[str, float]", document[name])
        print(f"{what}  " + "  ".join(f"{k} {v:.2f}" for k, v in values.items()))
    print(
        f"rounds/s {document['rounds_per_s']:,}, {document['flows']} flows of {document['size']} B"
    )
    print(f"cache line bounce {document['bounce_cycles']} cycles")
    return 0
