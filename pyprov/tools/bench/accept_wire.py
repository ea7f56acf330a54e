"""`bench accept --wire memif`: the server in a process of its own, shared memory between the two.

Frames are copied, as between any two programs on one machine; each side has a core, the server's
cycles contain the wire's driver. Otherwise the same clients and the same figures.
"""

import argparse
import threading
import time
from typing import Final

from pyprov.runtime.generator import GUEST, Generator, Service
from pyprov.tools.bench.accept_run import Phase, Totals, load_of, watch
from pyprov.tools.bench.ends import Ends, Setup
from pyprov.tools.errors import Failed, Unusable

WIRES: Final = ("ring", "memif")
_PATIENCE: Final = 10.0  # seconds until the server is found
_MTU: Final = 1500
# What only the wire in memory can do here, and what is left for the other.
_PLAIN: Final = {
    "deliver": "count",
    "workers": 1,
    "handshake": "auto",
    "condition": "none",
    "spread": "rss",
    "single_core": False,
}


def check(arguments: argparse.Namespace) -> None:
    """Refuse what does not go between two processes.

    Raises:
        Unusable: the first such option.
    """
    for name, plain in _PLAIN.items():
        if getattr(arguments, name) != plain:
            option = name.replace("_", "-")
            raise Unusable(f"--wire {arguments.wire}: goes with no other --{option} than {plain}")


def run(arguments: argparse.Namespace) -> Phase:
    """Start both, warm up, measure, end.

    Raises:
        Failed: they do not find each other.
    """
    setup = Setup(
        wire=arguments.wire,
        flows=arguments.flows,
        spare=4 * arguments.window + 8192,
        mtu=_MTU,
        ipv6=arguments.ipv6,
        service=Service.COUNT,
        config=arguments.config,
    )
    phase = Phase()
    with Ends(setup) as ends:
        far = ends.far

        def totals() -> Totals:
            now = far.read()
            requests = now.counters["TCP_REQUESTS"]
            return Totals(now.load, requests, (requests,), now.counters)

        generator = Generator(ends.near.dataplane, load_of(arguments), cpu=GUEST)
        _wait_for_server(generator)
        watch(arguments, generator, totals, phase)
        phase.counters = far.read().counters
        generator.stop()
    return phase


def _wait_for_server(generator: Generator) -> None:
    pause, patience = threading.Event(), time.monotonic() + _PATIENCE
    while not generator.read().resolved:
        if time.monotonic() > patience:
            raise Failed("the two processes do not hear each other")
        pause.wait(0.01)
