"""`pyprov bench accept --curve`: what comes out when more and more is asked for.

Loads are shares of what the server takes in a closed loop. Each is offered in an open loop by
legitimate clients, who do not try again. Beyond its capacity a good server goes on at it.
"""

import argparse
import csv
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

from pyprov.tools.bench import accept
from pyprov.tools.bench.accept_run import Phase
from pyprov.tools.errors import Failed, Unusable

LOADS: Final = (0.1, 0.2, 0.5, 0.8, 0.9, 1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Point:
    """One load.

    Attributes:
        load: What was asked for, as a share of the capacity.
        offered_per_s: SYNs that were really sent: the generator has its limits, too.
        handshakes_per_s: Those completed.
        p50_us: SYN to SYN-ACK, half of them.
        p999_us: All but one in a thousand.
    """

    load: float
    offered_per_s: int
    handshakes_per_s: int
    p50_us: float
    p999_us: float


def point(load: float, phase: Phase) -> Point:
    """What a phase at one load comes to."""
    first, last = phase.borders[0], phase.borders[-1]
    seconds = last.seconds - first.seconds
    return Point(
        load=load,
        offered_per_s=round((last.stats.syns - first.stats.syns) / seconds),
        handshakes_per_s=round((last.stats.handshakes - first.stats.handshakes) / seconds),
        p50_us=round(phase.latency.get("p50", 0.0), 2),
        p999_us=round(phase.latency.get("p999", 0.0), 2),
    )


def measure(arguments: argparse.Namespace) -> tuple[int, list[Point]]:
    """The capacity, and a point for each load."""
    capacity = round(accept.capacity(arguments))
    points = []
    for load in LOADS:
        wanted = {**vars(arguments), "rate": round(load * capacity), "curve": None}
        phase = accept.phase_of(argparse.Namespace(**wanted), single_core=arguments.single_core)
        points.append(point(load, phase))
    return capacity, points


def write(folder: Path, capacity: int, points: list[Point]) -> list[Path]:
    """The table and both plots; the files."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415  (only here, and it is not small)
    except ImportError as error:
        raise Unusable("--curve: plots need matplotlib: pip install matplotlib") from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
        table = folder / "curve.csv"
        with table.open("w", newline="", encoding="ascii") as file:
            rows = csv.DictWriter(file, [field.name for field in fields(Point)])
            rows.writeheader()
            rows.writerows(asdict(one) for one in points)
    except OSError as error:
        raise Failed(f"--curve: {error}") from error
    figure = Figure(figsize=(7, 6), layout="constrained")
    rate, latency = figure.subplots(2, 1, sharex=True)
    loads = [one.load for one in points]
    rate.plot(loads, [one.offered_per_s / 1e6 for one in points], color="grey", label="SYNs sent")
    rate.plot(loads, [one.handshakes_per_s / 1e6 for one in points], marker="o", label="handshakes")
    rate.axhline(capacity / 1e6, color="grey", linewidth=0.5, linestyle="--")
    rate.set_ylim(bottom=0)
    rate.set_ylabel("million/s")
    rate.legend()
    latency.plot(loads, [one.p50_us for one in points], marker="o", label="p50")
    latency.plot(loads, [one.p999_us for one in points], marker="o", label="p99.9")
    latency.set_xscale("log")
    latency.set_xticks(loads, [f"{load:g}" for load in loads])
    latency.minorticks_off()
    latency.set_yscale("log")
    latency.set_ylabel("SYN to SYN-ACK, microseconds")
    latency.set_xlabel("load, as a share of the capacity (dashed)")
    latency.legend()
    pictures = [folder / "curve.png", folder / "curve.svg"]
    for picture in pictures:
        figure.savefig(picture)
    return [table, *pictures]


def run(arguments: argparse.Namespace) -> int:
    """Measure, write and print."""
    capacity, points = measure(arguments)
    files = write(arguments.curve, capacity, points)
    if arguments.json:
        document = {"capacity_per_s": capacity, "points": [asdict(one) for one in points]}
        print(json.dumps(document | {"files": [str(file) for file in files]}))
        return 0
    print(f"capacity {capacity:,} handshakes/s")
    print(f"{'load':>6}{'offered/s':>14}{'handshakes/s':>14}{'p50 us':>10}{'p99.9 us':>10}")
    for one in points:
        print(
            f"{one.load:>6}{one.offered_per_s:>14,}{one.handshakes_per_s:>14,}"
            f"{one.p50_us:>10}{one.p999_us:>10}"
        )
    print("written:", ", ".join(map(str, files)))
    return 0
