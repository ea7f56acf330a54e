"""`pyprov bench accept`: how many connections a second a worker accepts on the in-memory wire.

Two phases. With a core each for generator and worker: the rate. With both taking turns on one
core: the server's TSC cycles a handshake, which stay steady where the distance between two CPUs
does not. When Python takes the requests it has one CPU, generator and worker share the other.
"""

import argparse
import json
import os
import statistics
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, cast

import numpy as np

from pyprov.runtime.generator import cache_line_bounce, latency_floors, spin_gaps, tsc_hz
from pyprov.tools.arguments import check_numbers
from pyprov.tools.bench import accept_wire, compiled, curve
from pyprov.tools.bench.accept_run import COOKIES, LINK_GBPS, Bench, Phase, counted, is_loss
from pyprov.tools.bench.latency import spread, waits
from pyprov.tools.errors import Unusable

# Bytes on the wire of what a client sends: preamble 8, frame, FCS 4, gap 12. Linux's options.
_WIRE_BYTES: Final = {
    (4, "none"): 98 + 90,
    (4, "rst"): 98 + 90 + 90,
    (4, "fin"): 98 + 90 + 90 + 90,
    (6, "none"): 118 + 110,
    (6, "rst"): 118 + 110 + 110,
    (6, "fin"): 118 + 110 + 110 + 110,
}


_LIMITS: Final = {
    "seconds": (0.1, 86_400),
    "flows": (1, 16_000_000),
    "workers": (1, 16),
    "window": (1, 65_536),
    "flood": (0, 1000),
    "rate": (0, 1_000_000_000),
    "load": (0, 100),
}
_SPIN: Final = 0.5  # seconds
_BOUNCE_MAX: Final = 400  # cycles of a cache line there and back; more is a spell of the machine's
_AGAIN: Final = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See interfaces of the command line in README.md."""
    parser.add_argument("--seconds", type=float, default=2.0, help="of each phase (default: 2)")
    parser.add_argument(
        "--flows", type=int, default=10_000, help="connections kept alive (default: 10000)"
    )
    parser.add_argument("--workers", type=int, default=1, help="each on a CPU (default: 1)")
    parser.add_argument("--ipv6", action="store_true", help="clients of 2001:2::/64")
    parser.add_argument(
        "--handshake", choices=list(COOKIES), default="auto", help="SYN cookies: when they are due"
    )
    parser.add_argument(
        "--close", choices=["none", "rst", "fin"], default="rst", help="how a client's oldest ends"
    )
    parser.add_argument(
        "--condition", choices=["none", "compiled", "python"], default="none", help="who decides"
    )
    parser.add_argument(
        "--conditional-accept",
        action="store_true",
        help="the condition decides before the SYN-ACK: latency is the decision's",
    )
    parser.add_argument(
        "--deliver",
        choices=["count", "batch", "socket"],
        default="count",
        help="who takes them: the worker, accept_many, or WSPAccept, which close them, too",
    )
    parser.add_argument(
        "--flood", type=float, default=0.0, help="spoofed ones for each client's SYN"
    )
    parser.add_argument(
        "--flood-kind", choices=["syn", "ack", "rst"], default="syn", help="of what segments"
    )
    loads = parser.add_mutually_exclusive_group()
    loads.add_argument("--rate", type=int, default=0, help="clients' SYNs a second, open loop")
    loads.add_argument("--load", type=float, default=0.0, help="the same as a share of what it can")
    loads.add_argument(
        "--curve", type=Path, metavar="FOLDER", help="loads from 0.1 to 10: CSV, PNG and SVG"
    )
    parser.add_argument(
        "--spread", choices=["rss", "software"], default="rss", help="how frames find their worker"
    )
    parser.add_argument(
        "--window", type=int, default=512, help="handshakes in flight (default: 512)"
    )
    parser.add_argument(
        "--wire",
        choices=accept_wire.WIRES,
        default="ring",
        help="memif: the server in a process of its own",
    )
    parser.add_argument("--single-core", action="store_true", help="only the phase on one core")


def line_rate(arguments: argparse.Namespace, handshakes_per_s: float) -> dict[str, float]:
    """What the client's direction of a 10 Gb/s link allows."""
    size = _WIRE_BYTES[6 if arguments.ipv6 else 4, arguments.close]
    limit = LINK_GBPS * 1e9 / 8 / size
    return {
        "link_gbps": LINK_GBPS,
        "limit_per_s": round(limit),
        "ratio": round(handshakes_per_s / limit, 3),
    }


def phase_of(arguments: argparse.Namespace, *, single_core: bool) -> Phase:
    """One phase on the wire that was asked for."""
    if arguments.wire != "ring":
        return accept_wire.run(arguments)
    return Bench(arguments, single_core=single_core).run()


def calm_phase(arguments: argparse.Namespace, *, single_core: bool) -> Phase:
    """A phase; again if meanwhile the two CPUs are far apart, which makes all of it slower."""
    phase = phase_of(arguments, single_core=single_core)
    for _ in range(_AGAIN):
        if single_core or (_bounce() or 0) <= _BOUNCE_MAX:
            break
        phase = phase_of(arguments, single_core=single_core)
    return phase


def capacity(arguments: argparse.Namespace) -> float:
    """Handshakes a second in a closed loop, without a flood; the median."""
    closed = {"rate": 0, "load": 0.0, "flood": 0.0, "curve": None}
    wanted = argparse.Namespace(**{**vars(arguments), **closed})
    phase = calm_phase(wanted, single_core=wanted.single_core or not counted(wanted))
    return spread(phase.rates(lambda window: window.stats.handshakes))["median"]


def spin_us(cpus: list[int]) -> dict[str, float]:
    """What a client would wait for bare loops on these CPUs: the machine's part of its latency.

    They run at the same time, or the one would be left alone because the other is idle.
    """
    with ThreadPoolExecutor(len(cpus)) as threads:
        gaps = sum(threads.map(lambda cpu: spin_gaps(cpu, _SPIN), cpus))
    return waits(np.asarray(gaps), latency_floors(), tsc_hz(), len(cpus))


def spin_of(arguments: argparse.Namespace) -> dict[str, float]:
    """The same on the CPUs that a phase has: one of each for generator and worker, or one."""
    cpus = sorted(os.sched_getaffinity(0))
    both = not arguments.single_core and counted(arguments)
    return spin_us([cpus[0], cpus[-1]] if both else [cpus[-1]])


def measure(arguments: argparse.Namespace) -> dict[str, object]:
    """Run both phases; the JSON document."""
    if arguments.load:
        arguments.rate = round(arguments.load * capacity(arguments))
    both = not arguments.single_core and counted(arguments)
    bounces = [_bounce()] if both else []
    cycles = phase_of(arguments, single_core=True)
    rate = cycles
    if both and arguments.wire == "ring":
        rate = phase_of(arguments, single_core=False)
    bounces += [_bounce()] if both else []
    handshakes = spread(rate.rates(lambda w: w.stats.handshakes))
    accepts = spread(rate.rates(lambda w: w.accepts))
    spent = spread(cycles.per_handshake())
    last = rate.borders[-1].stats
    document: dict[str, object] = {
        "handshakes_per_s": round(handshakes["median"]),
        "accepts_per_s": round(accepts["median"]),
        "cycles_per_handshake": round(spent["median"], 1),
        "handshakes_spread": {name: round(value) for name, value in handshakes.items()},
        "accepts_spread": {name: round(value) for name, value in accepts.items()},
        "cycles_spread": {name: round(value, 1) for name, value in spent.items()},
        "workers": arguments.workers,
        "flows": arguments.flows,
        "alive": last.alive,
        "handshake": arguments.handshake,
        "condition": arguments.condition,
        "conditional_accept": arguments.conditional_accept,
        "deliver": arguments.deliver,
        "close": arguments.close if counted(arguments) else "by the server",
        "family": 6 if arguments.ipv6 else 4,
        "cores": "one each for generator and worker" if both else "generator and worker on one",
        "wire": arguments.wire,
        "bounce_cycles": bounces,
        "drops": {name: n for name, n in rate.counters.items() if n and is_loss(name)},
        "latency_us": rate.latency,
        "spin_us": spin_of(arguments),
        "line_rate": line_rate(arguments, handshakes["median"]),
        "generator": {name: getattr(last, name) for name in ("bad", "lost", "refused", "tx_full")},
    }
    if arguments.condition == "compiled":
        document |= _condition_cost(arguments, spent["median"])
    if arguments.workers > 1:
        document["shares"] = rate.shares()
    if arguments.flood or arguments.rate:
        document["goodput_ratio"] = round(rate.goodput(), 4)
    if arguments.flood:
        document["flood_per_s"] = round(statistics.median(rate.rates(lambda w: w.stats.flood_sent)))
    return document


def _condition_cost(arguments: argparse.Namespace, cycles: float) -> dict[str, object]:
    """Compare with the same work without a condition, by the steady figure: cycles on one core."""
    without = Bench(
        argparse.Namespace(**{**vars(arguments), "condition": "none"}), single_core=True
    ).run()
    plain = spread(without.per_handshake())["median"]
    return {
        "decision_ns": round(compiled.decision_ns(), 1),
        "cycles_without_condition": round(plain, 1),
        "rate_ratio": round(plain / cycles, 3),
    }


def _bounce() -> int | None:
    cpus = sorted(os.sched_getaffinity(0))
    return cache_line_bounce(cpus[0], cpus[-1]) if len(cpus) > 1 else None


def _check(arguments: argparse.Namespace) -> None:
    check_numbers(arguments, _LIMITS)
    if arguments.condition == "python" and arguments.deliver != "socket":
        raise Unusable("--condition python: condition functions run in WSPAccept: --deliver socket")
    if arguments.conditional_accept and arguments.deliver != "socket":
        raise Unusable("--conditional-accept: requests are held for WSPAccept: --deliver socket")
    if arguments.wire != "ring":
        accept_wire.check(arguments)


def run(arguments: argparse.Namespace) -> int:
    """Measure and print."""
    _check(arguments)
    if arguments.curve:
        return curve.run(arguments)
    document = measure(arguments)
    if arguments.json:
        print(json.dumps(document))
        return 0
    rates = cast("dict[str, float]", document["handshakes_spread"])
    print(f"handshakes/s      {document['handshakes_per_s']:>12,}   {_range(rates)}")
    print(f"accepts/s         {document['accepts_per_s']:>12,}   deliver {arguments.deliver}")
    print(f"cycles/handshake  {document['cycles_per_handshake']:>12}   TSC, server side")
    if "decision_ns" in document:
        print(f"decision          {document['decision_ns']:>12}   ns, compiled")
        without = document["cycles_without_condition"]
        print(f"without condition {without:>12}   cycles; rate ratio {document['rate_ratio']}")
    if "goodput_ratio" in document:
        beside = f"beside a flood of {document.get('flood_per_s', 0):,} a second"
        print(f"goodput           {document['goodput_ratio']:>12}   {beside}")
    print(f"latency us        {_rounded(document['latency_us'])}")
    print(f"bare spin loop us {_rounded(document['spin_us'])}")
    print(f"line rate         {document['line_rate']}")
    print(f"drops             {document['drops']}")
    print(f"cache line bounce {document['bounce_cycles']} cycles")
    return 0


def _rounded(percentiles: object) -> str:
    values = cast("dict[str, float]", percentiles)
    return "  ".join(f"{name} {value:.2f}" for name, value in values.items())


def _range(rates: dict[str, float]) -> str:
    return f"min {rates['min']:,}  max {rates['max']:,}"
