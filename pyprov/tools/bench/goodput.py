"""`pyprov bench goodput`: our TCP and the kernel's through the same emulated wire.

Two namespaces with a tap in each, and between the taps the emulated wire (100 Mb/s, 50 ms there and
back, one frame in a hundred lost each way unless said otherwise). First the kernel at both ends,
then we, in turn. Then on the same wire without losses and with a queue of one round trip: two flows
of ours, and one of ours beside one of the kernel's. CUBIC everywhere. Needs root.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import statistics
import sys
import threading
import time
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Final, Self, cast

from pyroute2 import NetNS, netns

from pyprov.runtime.config_wire import read_rate
from pyprov.tools.bench.program import Program
from pyprov.tools.errors import Failed, Unusable

if TYPE_CHECKING:
    import argparse

_PORT: Final = 5001
_KERNEL: Final = ("10.98.0.1", "10.98.0.2")
_OURS: Final = ("10.98.0.11", "10.98.0.12")
_MAC: Final = ("02:00:00:00:0b:01", "02:00:00:00:0b:02")
_CALM: Final = (
    40.0  # seconds after which flows that share a wire are looked at: CUBIC takes its time
)
_WARM: Final = 1.0

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class WireOf:
    """What lies between the taps."""

    rate: int
    delay: float
    loss: float
    queue: int
    seed: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See interfaces of the command line in README.md."""
    parser.add_argument("--seconds", type=float, default=10.0, help="of each run")
    parser.add_argument("--rounds", type=int, default=3, help="of kernel and us in turn")
    parser.add_argument("--rate", default="100M", help="of the wire, bits a second")
    parser.add_argument("--delay", type=float, default=0.025, help="of the wire, one way")
    parser.add_argument("--loss", type=float, default=0.01, help="of the wire, each way")
    parser.add_argument("--share-seconds", type=float, default=20.0, help="0: no fairness runs")


class Network:
    """Two namespaces with a tap each and the wire between; gone at the end of the `with`."""

    def __init__(self, wire: WireOf) -> None:
        number = f"{os.getpid()}-{next(_numbers)}"
        self.names = (f"pyprov-x{number}", f"pyprov-y{number}")
        self._wire = wire
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
                wire.seed,
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
    provider = {"memory": 64, "packet_buffers": 8192, "max_connections": 64, "huge": "never"}
    return {"port": [port], "provider": provider}


def _rates(servers: list[Program], warm: float, seconds: float) -> list[float]:
    """Bits a second that each flow of the servers has got after a while."""
    pause = threading.Event()  # never set: a timer that costs no CPU
    pause.wait(warm)
    begin = time.perf_counter()
    before = [n for server in servers for n in server.ask()]
    pause.wait(seconds)
    spent = time.perf_counter() - begin
    after = [n for server in servers for n in server.ask()]
    return [(b - a) * 8 / spent for a, b in zip(before, after, strict=True)]


def alone(kind: str, wire: WireOf, seconds: float) -> float:
    """One flow between two of a kind, bits a second."""
    with Network(wire) as network:
        server = network.start(kind, "server", 0)
        network.start(kind, "client", 1)
        (rate,) = _rates([server], _WARM, seconds)
    return rate


def together(kinds: list[str], wire: WireOf, seconds: float) -> list[float]:
    """Flows of these kinds beside each other: their shares."""
    with Network(wire) as network:
        sorts = sorted(set(kinds))
        servers = [network.start(kind, "server", 0) for kind in sorts]
        for kind in sorts:
            network.start(kind, "client", kinds.count(kind))
        rates = _rates(servers, _CALM, seconds)
    return [round(rate / sum(rates), 3) for rate in rates]


def measure(arguments: argparse.Namespace) -> dict[str, object]:
    """Run all; the JSON document."""
    rate = read_rate(arguments.rate)
    queue = round(rate / 8 * 2 * arguments.delay)
    found: dict[str, list[float]] = {"kernel": [], "ours": []}
    for round_ in range(arguments.rounds):
        wire = WireOf(rate, arguments.delay, arguments.loss, queue, seed=round_ + 1)
        for kind, rates in found.items():
            rates.append(alone(kind, wire, arguments.seconds) / 1e6)
    medians = {kind: statistics.median(rates) for kind, rates in found.items()}
    document: dict[str, object] = {
        "systems": [
            {"name": kind, "mbps": round(medians[kind], 3), "runs": [round(r, 3) for r in rates]}
            for kind, rates in found.items()
        ],
        "ratio_vs_kernel": round(medians["ours"] / medians["kernel"], 3),
        "wire": {"rate": rate, "delay": arguments.delay, "loss": arguments.loss, "queue": queue},
    }
    if arguments.share_seconds:
        clean = WireOf(rate, arguments.delay, 0.0, queue, seed=1)
        document["shares"] = {
            "two of ours": together(["ours", "ours"], clean, arguments.share_seconds),
            "kernel, ours": together(["kernel", "ours"], clean, arguments.share_seconds),
            "two of the kernel": together(["kernel", "kernel"], clean, arguments.share_seconds),
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
    for system in cast("list[dict[str, object]]", document["systems"]):
        print(f"{system['name']:8} {system['mbps']:>8} Mb/s   runs {system['runs']}")
    print(f"ratio    {document['ratio_vs_kernel']:>8}")
    for who, shares in cast("dict[str, list[float]]", document.get("shares", {})).items():
        print(f"shares of {who}: {shares}")
    return 0
