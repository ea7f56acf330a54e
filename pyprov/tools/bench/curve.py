"""`pyprov bench accept --curve`: what comes out when more and more is asked for.

Loads are shares of what the server takes in a closed loop. Each is offered in an open loop by
legitimate clients, who do not try again. Beyond its capacity a good server goes on at it. A
generator has its limits, too: loads are drawn where they really were, and said when less was sent
than asked for. A server that does more for each (`--deliver socket`) meets the whole of ten.
"""

import argparse
import csv
import importlib.util
import json
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pyprov.tools.bench import accept
from pyprov.tools.bench.accept_run import WIRE_FULL, Phase
from pyprov.tools.errors import Failed, Unusable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOADS: Final = (0.1, 0.2, 0.5, 0.8, 0.9, 1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0)
_TICKS: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10)
_REACHED: Final = 0.9  # of what was asked for; less is the generator's limit
_REASONS: Final = 5  # that have a line of their own; the greatest


@dataclass(frozen=True, slots=True)
class Point:
    """One load.

    Attributes:
        load: What was asked for, as a share of the capacity.
        offered_per_s: SYNs that were really sent, or due when the wire was full.
        accepts_per_s: Connections that the server got from them.
        goodput_ratio: The same as a share of the SYNs.
        p50_us: SYN to SYN-ACK, half of them.
        p999_us: All but one in a thousand.
        lost: Frames a second that nothing came of, by reason: the wire's, or a counter's name.
    """

    load: float
    offered_per_s: int
    accepts_per_s: int
    goodput_ratio: float
    p50_us: float
    p999_us: float
    lost: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Curve:
    """All of them, and what the machine can do.

    Attributes:
        capacity: Accepts a second in a closed loop.
        spin_p999_us: What a client would wait for bare loops on the same CPUs.
        points: By load.
    """

    capacity: int
    spin_p999_us: float
    points: list[Point]

    def reasons(self) -> list[str]:
        """Why frames were lost, those that weigh most first."""
        names = {name for one in self.points for name in one.lost}
        return sorted(names, key=lambda name: -sum(one.lost.get(name, 0) for one in self.points))

    def limit(self) -> Point | None:
        """The first point at which the generator sent less than it was asked to."""
        short = (one for one in self.points if one.offered_per_s < _REACHED * self.asked(one))
        return next(short, None)

    def asked(self, one: Point) -> float:
        """SYNs a second that a load means."""
        return one.load * self.capacity


def point(load: float, phase: Phase) -> Point:
    """What a phase at one load comes to: the middle one of its windows."""
    return Point(
        load=load,
        offered_per_s=round(statistics.median(phase.rates(lambda window: window.stats.syns))),
        accepts_per_s=round(statistics.median(phase.rates(lambda window: window.accepts))),
        goodput_ratio=round(phase.goodput(), 4),
        p50_us=round(phase.latency.get("p50", 0.0), 2),
        p999_us=round(phase.latency.get("p999", 0.0), 2),
        lost=phase.losses(),
    )


def prepare(folder: Path) -> None:
    """See to it that what takes a minute to measure can be written down.

    Raises:
        Unusable: it can't.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise Unusable("--curve: plots need matplotlib: pip install matplotlib")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unusable(f"--curve {folder}: {error.strerror}") from None


def measure(arguments: argparse.Namespace) -> Curve:
    """The capacity, and a point for each load."""
    capacity = round(accept.capacity(arguments))
    points = []
    for load in LOADS:
        wanted = {**vars(arguments), "rate": round(load * capacity), "curve": None}
        phase = accept.calm_phase(argparse.Namespace(**wanted), single_core=arguments.single_core)
        points.append(point(load, phase))
    return Curve(capacity, round(accept.spin_of(arguments).get("p999", 0.0), 2), points)


def write(folder: Path, curve: Curve) -> list[Path]:
    """The table and both plots; the files."""
    from matplotlib.figure import Figure  # noqa: PLC0415  (only here, and it is not small)

    figure = Figure(figsize=(8, 9), layout="constrained")
    rate, share, latency = figure.subplots(3, 1, sharex=True)
    by_offer = sorted(curve.points, key=lambda one: one.offered_per_s)
    xs = [one.offered_per_s / curve.capacity for one in by_offer]
    _draw_rate(rate, curve, xs, by_offer)
    _draw_shares(share, curve, xs, by_offer)
    _draw_latency(latency, curve, xs, by_offer)
    latency.set_xscale("log")
    latency.set_xticks(_TICKS, [f"{tick:g}" for tick in _TICKS])
    latency.minorticks_off()
    latency.set_xlim(min(xs) * 0.9, max(2.0, max(xs) * 1.1))
    latency.set_xlabel("SYNs offered, as a multiple of the capacity")
    pictures = [folder / "curve.png", folder / "curve.svg"]
    try:
        table = _write_table(folder, curve)
        for picture in pictures:
            figure.savefig(picture, dpi=120)
    except OSError as error:
        raise Failed(f"--curve: {error}") from error
    return [table, *pictures]


def _write_table(folder: Path, curve: Curve) -> Path:
    table, reasons = folder / "curve.csv", curve.reasons()
    with table.open("w", newline="", encoding="ascii") as file:
        rows = [asdict(one) for one in curve.points]
        plain = [name for name in rows[0] if name != "lost"]
        writer = csv.DictWriter(file, plain + [f"{name}_per_s" for name in reasons])
        writer.writeheader()
        for row in rows:
            lost = row.pop("lost")
            writer.writerow(row | {f"{name}_per_s": lost.get(name, 0) for name in reasons})
    return table


def _draw_rate(axes: "Axes", curve: Curve, xs: list[float], points: list[Point]) -> None:
    scale, unit = (1e6, "million") if curve.capacity > 5e5 else (1e3, "thousand")
    capacity = curve.capacity / scale
    axes.plot(xs, [one.offered_per_s / scale for one in points], color="grey", label="SYNs offered")
    accepts = [one.accepts_per_s / scale for one in points]
    axes.plot(xs, accepts, marker="o", label="accepts (legitimate clients' goodput)")
    axes.axhline(capacity, color="black", linewidth=0.8, linestyle="--")
    axes.annotate(
        f"capacity in a closed loop: {capacity:.3g}",
        (1, capacity),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        xytext=(-4, 3),
        ha="right",
    )
    axes.set_ylim(0, 2 * capacity)
    axes.set_ylabel(f"{unit} a second")
    axes.legend(loc="upper left")
    axes.set_title("What comes of more and more SYNs")


def _draw_shares(axes: "Axes", curve: Curve, xs: list[float], points: list[Point]) -> None:
    axes.plot(xs, [100 * one.goodput_ratio for one in points], marker="o", label="accepted")
    best = [100 * min(1.0, 1 / x) if x else 100.0 for x in xs]
    axes.plot(xs, best, color="black", linewidth=0.8, linestyle="--", label="best possible")
    for name in curve.reasons()[:_REASONS]:
        lost = [100 * one.lost.get(name, 0) / max(1, one.offered_per_s) for one in points]
        label = "no room on the wire" if name == WIRE_FULL else name
        axes.plot(xs, lost, marker=".", linewidth=1, label=f"lost: {label}")
    axes.set_ylim(-3, 108)
    axes.set_ylabel("% of the SYNs")
    axes.legend(loc="center left", fontsize="small")


def _draw_latency(axes: "Axes", curve: Curve, xs: list[float], points: list[Point]) -> None:
    axes.plot(xs, [one.p999_us for one in points], marker="o", color="tab:orange", label="p99.9")
    axes.plot(xs, [one.p50_us for one in points], marker="o", color="tab:green", label="p50")
    if curve.spin_p999_us:
        axes.axhline(curve.spin_p999_us, color="grey", linestyle=":", label="bare loops, p99.9")
    axes.set_yscale("log")
    axes.set_ylabel("SYN to SYN-ACK, µs")
    axes.legend(loc="upper left", fontsize="small")


def _lines(curve: Curve) -> Iterable[str]:
    yield f"capacity {curve.capacity:,} accepts/s; bare loops p99.9 {curve.spin_p999_us} us"
    yield "  load    offered/s    accepts/s  goodput    p50 us   p99.9 us  lost a second"
    for one in curve.points:
        lost = "  ".join(f"{name} {n:,}" for name, n in one.lost.items())
        yield (
            f"{one.load:>6}{one.offered_per_s:>13,}{one.accepts_per_s:>13,}"
            f"{one.goodput_ratio:>9}{one.p50_us:>10}{one.p999_us:>11}  {lost}"
        )
    limit = curve.limit()
    if limit is not None:
        yield (
            f"from load {limit.load:g} on the generator sent less than that, up to "
            f"{max(one.offered_per_s for one in curve.points) / curve.capacity:.1f} times the "
            "capacity: a server that does more for each meets more (--deliver socket)"
        )


def run(arguments: argparse.Namespace) -> int:
    """Measure, write and print."""
    prepare(arguments.curve)
    curve = measure(arguments)
    files = write(arguments.curve, curve)
    if arguments.json:
        document = {
            "capacity_per_s": curve.capacity,
            "spin_p999_us": curve.spin_p999_us,
            "points": [asdict(one) for one in curve.points],
        }
        print(json.dumps(document | {"files": [str(file) for file in files]}))
        return 0
    print("\n".join(_lines(curve)))
    print("written:", ", ".join(map(str, files)))
    return 0
