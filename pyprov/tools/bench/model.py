"""`pyprov bench model`: which resource of a larger machine is exhausted first.

Workers share nothing, so that what one worker of this machine spends on a handshake is what each of
many spends; the model multiplies that and divides the limits by it. Measured here: cycles a
handshake. Arithmetic: bytes on the wire, frames, how evenly a redirection table of 128 entries
spreads. Assumed, and to be given for another machine: clock, cache lines a handshake fetches from
memory and what the memory delivers, what the card does a second. Not in it: NUMA, and a last-level
cache that grows scarcer with each worker; take cycles measured with as many flows as are expected.
"""

import argparse
import json
from dataclasses import asdict, dataclass
from typing import Final

from pyprov.runtime.generator import tsc_hz
from pyprov.tools.bench import accept
from pyprov.tools.bench.accept_run import Bench
from pyprov.tools.bench.latency import spread
from pyprov.tools.errors import Unusable

_TABLE: Final = 128  # entries that spread connections over workers (tcp/owner.c)
_LINE: Final = 64  # bytes
# Frames with Linux's options as they lie on an Ethernet: preamble, FCS and gap included. From the
# client SYN, ACK and RST; to it SYN-ACK.
_IN_BYTES: Final = 98 + 90 + 90
_OUT_BYTES: Final = 98
_FRAMES: Final = 3  # that the busier direction of the card carries for a handshake


@dataclass(frozen=True, slots=True)
class Resource:
    """What limits handshakes.

    Attributes:
        name: of it.
        needs: how much a handshake takes, in words.
        per_s: handshakes a second that exhaust it.
    """

    name: str
    needs: str
    per_s: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--link", type=float, default=100.0, help="Gb/s (100)")
    parser.add_argument("--ghz", type=float, default=0.0, help="TSC of the machine (this one's)")
    parser.add_argument("--cycles", type=float, default=0.0, help="a handshake (measured now)")
    parser.add_argument("--flows", type=int, default=10_000, help="kept alive in that measurement")
    parser.add_argument("--lines", type=float, default=10.0, help="cache lines from memory (10)")
    parser.add_argument("--memory", type=float, default=100.0, help="GB/s of it (100)")
    parser.add_argument("--mpps", type=float, default=150.0, help="million frames, card (150)")


def measured(flows: int) -> float:
    """Server cycles a handshake on one core of this machine; the median."""
    parser = argparse.ArgumentParser()
    accept.add_arguments(parser)
    wanted = parser.parse_args(["--single-core", "--seconds", "1", "--flows", str(flows)])
    wanted.config = None
    return spread(Bench(wanted, single_core=True).run().per_handshake())["median"]


def resources(arguments: argparse.Namespace, cycles: float, hz: float) -> list[Resource]:
    """All of them, the first to be exhausted first."""
    fullest = -(-_TABLE // arguments.workers) / _TABLE  # the share of the busiest worker
    link, memory = arguments.link * 1e9 / 8, arguments.memory * 1e9
    found = [
        Resource("workers", f"{cycles:.0f} cycles of the busiest", hz / cycles / fullest),
        Resource("link, in", f"{_IN_BYTES} bytes", link / _IN_BYTES),
        Resource("link, out", f"{_OUT_BYTES} bytes", link / _OUT_BYTES),
        Resource("card", f"{_FRAMES} frames in", arguments.mpps * 1e6 / _FRAMES),
        Resource(
            "memory", f"{arguments.lines:g} lines", memory / max(arguments.lines, 1e-9) / _LINE
        ),
    ]
    return sorted(found, key=lambda one: one.per_s)


def run(arguments: argparse.Namespace) -> int:
    """Measure what was not given, and print."""
    if not 1 <= arguments.workers <= _TABLE:
        raise Unusable(f"--workers {arguments.workers}: expected 1 to {_TABLE}")
    for name in ("link", "ghz", "cycles", "lines", "memory", "mpps"):
        if not getattr(arguments, name) >= 0:
            raise Unusable(f"--{name} {getattr(arguments, name)}: expected a positive number")
    if arguments.cycles and not arguments.ghz:
        raise Unusable("--cycles: say of what clock: --ghz")
    cycles = arguments.cycles or measured(arguments.flows)
    hz = arguments.ghz * 1e9 or tsc_hz()
    found = resources(arguments, cycles, hz)
    if arguments.json:
        document = {"workers": arguments.workers, "cycles_per_handshake": round(cycles, 1)}
        print(json.dumps(document | {"resources": [asdict(one) for one in found]}))
        return 0
    print(f"{arguments.workers} workers at {hz / 1e9:.2f} GHz, {arguments.link:g} Gb/s")
    for one in found:
        print(f"{one.name:12}{one.per_s / 1e6:>10.1f} million/s   a handshake: {one.needs}")
    return 0
