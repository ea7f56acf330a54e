"""`pyprov bench goodput`: our TCP and the kernel's through the same emulated wire.

Two namespaces with a tap in each, and between the taps the emulated wire (100 Mb/s, 50 ms there and
back, one frame in a hundred lost each way unless said otherwise). First the kernel at both ends,
then we, in turn. Then on the same wire without losses and with a queue of one round trip: two flows
of ours, two of the kernel's, and one of ours beside one of the kernel's: how they share the wire in
the end, and when ten seconds began in which neither had more than 60 in a hundred. CUBIC all along.
Needs root.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import os
import statistics
import sys
import threading
import time
from importlib import resources
from typing import TYPE_CHECKING, Final, Self, cast

from pyroute2 import NetNS, netns

from pyprov.runtime.config_wire import WireParams, read_rate
from pyprov.tools.bench.program import Program
from pyprov.tools.errors import Failed, Unusable

if TYPE_CHECKING:
    import argparse

_PORT: Final = 5001
_KERNEL: Final = ("10.98.0.1", "10.98.0.2")
_OURS: Final = ("10.98.0.11", "10.98.0.12")
_MAC: Final = ("02:00:00:00:0b:01", "02:00:00:00:0b:02")
_CALM: Final = 40  # seconds after which flows that share a wire are looked at: CUBIC takes its time
_SPELL: Final = 10  # seconds over which it is looked who has had how much
_FAIR: Final = 0.6
_WARM: Final = 1.0

_numbers = itertools.count(1)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See interfaces of the command line in README.md."""
    parser.add_argument("--seconds", type=float, default=10.0, help="of each run")
    parser.add_argument("--rounds", type=int, default=3, help="of kernel and us in turn")
    parser.add_argument("--rate", default="100M", help="of the wire, bits a second")
    parser.add_argument("--delay", type=float, default=0.025, help="of the wire, one way")
    parser.add_argument("--loss", type=float, default=0.01, help="of the wire, each way")
    parser.add_argument("--burst", type=int, default=1, help="losses in a row, on average")
    parser.add_argument("--reorder", type=float, default=0.0, help="share overtaken by others")
    parser.add_argument("--reorder-delay", type=float, default=0.005, help="so much later, in s")
    parser.add_argument("--share-seconds", type=int, default=20, help="0: no fairness runs")


class Network:
    """Two namespaces with a tap each and the wire between; gone at the end of the `with`."""

    def __init__(self, wire: WireParams, seed: int) -> None:
        number = f"{os.getpid()}-{next(_numbers)}"
        self.names = (f"pyprov-x{number}", f"pyprov-y{number}")
        self._wire, self._seed = wire, seed
        self._closing = contextlib.ExitStack()

    def __enter__(self) -> Self:
        wire = self._wire
        with contextlib.ExitStack() as closing:
            for name in self.names:
                netns.create(name)
                closing.callback(netns.remove, name)
            ends = [word for name in self.names for word in (name, "pvw")]
            numbers = (
                wire.rate,
                wire.queue,
                round(wire.delay * 1e9),
                round(wire.loss * 1e6),
                wire.burst,
                round(wire.reorder * 1e6),
                round(wire.overtaken * 1e9),
                self._seed,
            )
            relay = Program([_relay(), *ends, *map(str, numbers)])
            closing.enter_context(relay)
            if relay.line() != "ready":
                raise Failed("the emulated wire did not start")
            for name, address in zip(self.names, _KERNEL, strict=True):
                _set_up(name, address)
            self._closing = closing.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._closing.close()

    def start(self, kind: str, role: str, flows: int) -> Program:
        """Start an end of transfers; it is ready when this returns."""
        end = 0 if role == "client" else 1
        hosts = _OURS if kind == "ours" else _KERNEL
        words = ["-m", "pyprov.tools.bench.stream_ends", kind, role, hosts[1], str(_PORT)]
        command = ["ip", "netns", "exec", self.names[end], sys.executable, *words, str(flows)]
        program = self._closing.enter_context(Program(command))
        if kind == "ours":
            program.tell(json.dumps(_tables(end)))
        if program.line() != "ready":
            raise Failed(f"the {role} did not start")
        return program


def _set_up(namespace: str, address: str) -> None:
    with NetNS(namespace) as ip:
        (index,) = ip.link_lookup(ifname="pvw")
        ip.addr("add", index=index, address=address, prefixlen=24)
        ip.link("set", index=index, state="up")


def _relay() -> str:
    return str(resources.files("pyprov") / "tools" / "bench" / "wire_relay")


def _tables(end: int) -> dict[str, object]:
    port = {
        "device": "net_af_packet0,iface=pvw",
        "address": [f"{_OURS[end]}/24"],
        "mac": _MAC[end],
        "dad": False,
    }
    provider = {"memory": 256, "packet_buffers": 32_768, "max_connections": 64, "huge": "never"}
    return {"port": [port], "provider": provider}


def _carried(servers: list[Program], flows: int, seconds: float) -> list[tuple[float, list[int]]]:
    """Look once a second, from when all flows are there: when, and the bytes of each until then."""
    pause = threading.Event()  # never set: a timer that costs no CPU
    while len([n for server in servers for n in server.ask()]) < flows:
        pause.wait(0.01)
    begin = time.perf_counter()
    looks = []
    while True:
        looks.append((time.perf_counter(), [n for server in servers for n in server.ask()]))
        left = begin + seconds - time.perf_counter()
        if left <= 0:
            return looks
        pause.wait(min(1.0, left))


def _gained(
    before: tuple[float, list[int]], after: tuple[float, list[int]]
) -> tuple[float, list[int]]:
    """Seconds between two looks, and what each flow got."""
    return after[0] - before[0], [b - a for a, b in zip(before[1], after[1], strict=True)]


def alone(kind: str, wire: WireParams, seed: int, seconds: float) -> float:
    """One flow between two of a kind, bits a second."""
    with Network(wire, seed) as network:
        server = network.start(kind, "server", 0)
        network.start(kind, "client", 1)
        threading.Event().wait(_WARM)
        looks = _carried([server], 1, seconds)
    spent, (gained,) = _gained(looks[0], looks[-1])
    return gained * 8 / spent


def reached(looks: list[tuple[float, list[int]]]) -> int | None:
    """When the first spell began that was shared fairly; None: never."""
    for second, pair in enumerate(zip(looks, looks[_SPELL:], strict=False)):
        gained = _gained(*pair)[1]
        if max(gained) <= _FAIR * sum(gained):
            return second
    return None


def together(kinds: list[str], wire: WireParams, seconds: int) -> dict[str, object]:
    """Flows of these kinds beside each other: their shares in the end, and when fair at first."""
    with Network(wire, seed=1) as network:
        sorts = sorted(set(kinds))
        servers = [network.start(kind, "server", 0) for kind in sorts]
        for kind in sorts:
            network.start(kind, "client", kinds.count(kind))
        looks = _carried(servers, len(kinds), _CALM + seconds)
    _, gained = _gained(looks[min(_CALM, len(looks) - 2)], looks[-1])
    return {
        "shares": [round(n / sum(gained), 3) for n in gained],
        "fair_after_s": reached(looks),
    }


def wire_of(arguments: argparse.Namespace) -> WireParams:
    """Return the wire asked for."""
    rate = read_rate(arguments.rate)
    return WireParams.of(
        rate=rate,
        delay=arguments.delay,
        loss=arguments.loss,
        queue=round(rate / 8 * 2 * arguments.delay),
        burst=arguments.burst,
        reorder=arguments.reorder,
        reorder_delay=arguments.reorder_delay,
    )


def measure(arguments: argparse.Namespace) -> dict[str, object]:
    """Run all; the JSON document."""
    wire = wire_of(arguments)
    found: dict[str, list[float]] = {"kernel": [], "ours": []}
    for seed in range(1, arguments.rounds + 1):
        for kind, rates in found.items():
            rates.append(alone(kind, wire, seed, arguments.seconds) / 1e6)
    document: dict[str, object] = {}
    if arguments.rounds:
        medians = {kind: statistics.median(rates) for kind, rates in found.items()}
        document["systems"] = [
            {"name": kind, "mbps": round(medians[kind], 3), "runs": [round(r, 3) for r in rates]}
            for kind, rates in found.items()
        ]
        document["ratio_vs_kernel"] = round(medians["ours"] / medians["kernel"], 3)
    names = ("rate", "delay", "loss", "queue", "burst", "reorder")
    document["wire"] = {name: getattr(wire, name) for name in names}
    if arguments.share_seconds:
        clean = dataclasses.replace(wire, loss=0.0, reorder=0.0)
        pairs = {
            "two of ours": ["ours", "ours"],
            "kernel, ours": ["kernel", "ours"],
            "two of the kernel": ["kernel", "kernel"],
        }
        document["sharing"] = {
            who: together(kinds, clean, arguments.share_seconds) for who, kinds in pairs.items()
        }
    return document


def run(arguments: argparse.Namespace) -> int:
    """Measure and print."""
    if os.geteuid() != 0:
        raise Unusable("network namespaces need root")
    document = measure(arguments)
    if arguments.json:
        print(json.dumps(document))
        return 0
    for system in cast("list[dict[str, object]]", document.get("systems", [])):
        print(f"{system['name']:8} {system['mbps']:>8} Mb/s   runs {system['runs']}")
    if "ratio_vs_kernel" in document:
        print(f"ratio    {document['ratio_vs_kernel']:>8}")
    for who, found in cast("dict[str, dict[str, object]]", document.get("sharing", {})).items():
        when = "never" if found["fair_after_s"] is None else f"from {found['fair_after_s']} s on"
        print(f"shares of {who}: {found['shares']}, within 40:60 {when}")
    return 0
