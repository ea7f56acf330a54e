"""`pyprov bench compare`: the same accept work through the kernel and through pyprov, in turn.

Work: accept a connection and let it go again. Measured: accepts a second, and CPU time of the
server's side for each, packet work included. On the veth all of a side's work is on one CPU and
read from /proc/stat; on the ring wire it is the worker's TSC cycles,
generator and worker taking turns on one core, and the CPU time of the accepting thread.
"""

import argparse
import json
import os
import statistics
import sys
import threading
from collections.abc import Callable
from importlib import resources
from typing import Final, TypedDict, cast

from pyprov.runtime.generator import tsc_hz
from pyprov.tools.bench import accept, cpu, veth
from pyprov.tools.bench.accept_run import Bench
from pyprov.tools.bench.program import Program
from pyprov.tools.errors import Failed, Unusable

_PORT: Final = "80"
_CLIENT_WINDOW: Final = "256"
_WARM_UP: Final = 0.5
_ROUNDS: Final = 3


class System(TypedDict):
    """One row of the table."""

    name: str
    wire: str
    accepts_per_s: int
    cpu_us_per_accept: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--seconds", type=float, default=2.0, help="of each system and round")
    parser.add_argument("--flows", type=int, default=10_000, help="kept alive on the ring wire")


def _kernel_peer() -> str:
    return str(resources.files("pyprov") / "tools" / "bench" / "kernel_peer")


def _measure_server(
    name: str, seconds: float, server: Program, wire: veth.VethPair
) -> tuple[float, float]:
    """Let the kernel's client loose on a server; accepts a second and CPU seconds for each."""
    timer = threading.Event()  # never set
    command = (_kernel_peer(), "client", veth.SERVER_ADDRESS, _PORT, _CLIENT_WINDOW)
    with server, wire.start(wire.client, cpu.CLIENT, *command) as client:
        server.line()
        client.line()
        timer.wait(_WARM_UP)
        (before,) = server.ask()
        busy = cpu.busy_seconds(cpu.SERVER)
        timer.wait(seconds)
        (after,) = server.ask()
        busy = cpu.busy_seconds(cpu.SERVER) - busy
    accepts = after - before
    if accepts == 0:
        raise Failed(f"{name}: the server accepted nothing in {seconds} s")
    return accepts / seconds, busy / accepts


def _kernel_c(wire: veth.VethPair) -> Program:
    command = (_kernel_peer(), "server", veth.SERVER_ADDRESS, _PORT)
    return wire.start(wire.server, cpu.SERVER, *command)


def _kernel_python(wire: veth.VethPair) -> Program:
    module = "pyprov.tools.bench.kernel_accept"
    command = (sys.executable, "-m", module, veth.SERVER_ADDRESS, _PORT)
    return wire.start(wire.server, cpu.SERVER, *command)


def _pyprov(driver: str) -> Callable[[veth.VethPair], Program]:
    def start(wire: veth.VethPair) -> Program:
        network = f"{veth.SERVER_ADDRESS}/{veth.PREFIX}"
        module = "pyprov.tools.bench.veth_server"
        device = f"net_{driver}0,iface=pvs"
        command = (sys.executable, "-m", module, device, network, _PORT, str(cpu.SERVER))
        # The library behind af_xdp tells of each thing that it tries.
        return wire.start(wire.server, cpu.SERVER, *command, quiet=driver == "af_xdp")

    return start


def _pyprov_on_veth(seconds: float) -> list[System]:
    """One row for each driver that works here; af_packet always does."""
    rows = []
    for driver in ("af_packet", "af_xdp"):
        name = f"pyprov, accept_many, {driver}"
        try:
            rows.append(_on_veth(name, _pyprov(driver), seconds, kernel=False))
        except RuntimeError:
            if driver == "af_packet":
                raise
    return rows


def _on_veth(
    name: str, start: Callable[[veth.VethPair], Program], seconds: float, *, kernel: bool
) -> System:
    rates, costs = [], []
    for _ in range(_ROUNDS):
        with veth.VethPair() as wire:
            if kernel:
                wire.address_server()
            rate, cost = _measure_server(name, seconds, start(wire), wire)
        rates.append(rate)
        costs.append(cost)
    return System(
        name=name,
        wire="veth",
        accepts_per_s=round(statistics.median(rates)),
        cpu_us_per_accept=round(statistics.median(costs) * 1e6, 3),
    )


def _on_ring(name: str, deliver: str, arguments: argparse.Namespace) -> System:
    options = argparse.ArgumentParser()
    accept.add_arguments(options)
    words = ["--single-core", "--deliver", deliver, "--flows", str(arguments.flows)]
    wanted = options.parse_args([*words, "--seconds", str(arguments.seconds)])
    wanted.config = None
    phase = Bench(wanted, single_core=True).run()
    worker = statistics.median(phase.per_handshake()) / tsc_hz()
    return System(
        name=name,
        wire="ring",
        accepts_per_s=round(statistics.median(phase.rates(lambda window: window.accepts))),
        cpu_us_per_accept=round((worker + phase.python_seconds) * 1e6, 3),
    )


def measure(arguments: argparse.Namespace) -> dict[str, object]:
    """Measure every system in turn; the JSON document."""
    seconds = arguments.seconds
    ring = [
        _on_ring("pyprov, counted in the worker", "count", arguments),
        _on_ring("pyprov, accept_many from Python", "batch", arguments),
    ]
    kernel = _on_veth("Linux, epoll and accept4 in C", _kernel_c, seconds, kernel=True)
    python = _on_veth("Linux, socket.accept in Python", _kernel_python, seconds, kernel=True)
    same = _pyprov_on_veth(seconds)
    best = min(same, key=lambda system: system["cpu_us_per_accept"])
    cost = kernel["cpu_us_per_accept"]
    return {
        "systems": [kernel, python, *same, *ring],
        "ratio_vs_kernel": round(cost / ring[1]["cpu_us_per_accept"], 1),
        "ratio_vs_kernel_counted": round(cost / ring[0]["cpu_us_per_accept"], 1),
        "ratio_same_wire": round(cost / best["cpu_us_per_accept"], 2),
        "same_wire_by": best["name"],
    }


def run(arguments: argparse.Namespace) -> int:
    """Measure and print."""
    if os.geteuid() != 0:
        raise Unusable("network namespaces are needed for the kernel's part: run it as root")
    if len(os.sched_getaffinity(0)) <= cpu.SERVER:
        raise Unusable("two CPUs are needed, one for each side")
    document = measure(arguments)
    if arguments.json:
        print(json.dumps(document))
        return 0
    systems = cast("list[System]", document["systems"])
    print(f"{'':36}{'wire':6}{'accepts/s':>12}{'server CPU us each':>20}")
    for system in systems:
        print(
            f"{system['name']:36}{system['wire']:6}{system['accepts_per_s']:>12,}"
            f"{system['cpu_us_per_accept']:>20}"
        )
    print(
        f"per CPU-second of the server, pyprov accepts {document['ratio_vs_kernel']} times as many "
        f"connections as the kernel, each on its own best wire,\n"
        f"and {document['ratio_same_wire']} times as many over the same veth from the same client."
    )
    return 0
