"""`pyprov bench spi`: what Winsock's calls cost, beside Python's `socket` on the kernel's loopback.

Accept and close one by one, a question of 64 bytes and its answer, the way from a connect to the
thread that waits for it, and a wake-up of an event loop with more and more sockets in it.

CPU time of the server is, on ours, the accepting thread's and all of the worker's, which naps when
there is nothing to do (`[workers] idle_turns`, `nap_us`) and whose guest, the generator, is left
out. On the loopback the kernel's handshakes are made in the client's calls and on its CPU: the
accepting thread alone is counted there. The same server over a veth (as root) shows the rest: what
comes for it is received on its own CPU, and all of that is counted. `both_cpus_us` is what both
CPUs have done for an accept, clients included.

The kernel's client is slower than its server: alone, the server goes to sleep at about every fourth
accept; beside a busy thread it hardly ever does, and each accept costs it less.
"""

import argparse
import json
import os
from typing import Final, cast

from pyprov.tools.bench import cpu, spi_kernel, spi_ours
from pyprov.tools.bench.spi_loops import Times
from pyprov.tools.bench.veth import VethPair
from pyprov.tools.errors import Unusable

_SIZES: Final = (10, 1_000, 10_000, 100_000)

Document = dict[str, object]  # JSON


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See interfaces of the command line in README.md."""
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--size", type=int, default=64, help="bytes of a question")
    parser.add_argument(
        "--sockets", type=int, default=10_000, help="the most in one event loop, up to 100000"
    )


def _accepts(seconds: float, *, busy: bool) -> Document:
    kernel = spi_kernel.accept(seconds, busy=busy)
    ours = spi_ours.accept(seconds, busy=busy)
    thread = ours.times.cpu_us
    cost = thread + ours.worker_us
    document: Document = {
        "kernel": kernel.times.document() | {"per_cpu_s": round(1e6 / kernel.times.cpu_us)},
        "pyprov": ours.times.document()
        | {"worker_us": round(ours.worker_us, 3), "per_cpu_s": round(1e6 / cost)},
        "ratio": round(kernel.times.cpu_us / cost, 2),
        "ratio_of_threads": round(kernel.times.cpu_us / thread, 2),
        "ratio_of_rates": round(ours.times.per_s / kernel.times.per_s, 2),
    }
    if not busy:
        document["both_cpus_us"] = {
            "kernel": round(kernel.both_us, 3),
            "pyprov": round(ours.both_us, 3),
        }
        if os.geteuid() == 0:
            document |= _on_a_veth(seconds, cost)
    return document


def _on_a_veth(seconds: float, cost: float) -> Document:
    """Return the kernel's row with all of its server's work, and its ratio to our cost."""
    with VethPair() as wire:
        wire.address_server()
        kernel = spi_kernel.accept(seconds, busy=False, wire=wire)
    return {
        "kernel_whole": kernel.times.document()
        | {"cpu_us": round(kernel.server_us, 3), "per_cpu_s": round(1e6 / kernel.server_us)},
        "ratio_whole": round(kernel.server_us / cost, 2),
    }


def _pair(kernel: Times, ours: Times) -> Document:
    return {
        "kernel": kernel.document(),
        "pyprov": ours.document(),
        "ratio": round(kernel.p50_us / ours.p50_us, 2),
        "ratio_p99": round(kernel.p99_us / ours.p99_us, 2),
    }


def _ping_pong(seconds: float, size: int) -> Document:
    """Return ours beside the kernel's better one of the two places for its echo."""
    places = {
        "another CPU": spi_kernel.ping_pong(seconds, size, cpu.SERVER),
        "the same CPU": spi_kernel.ping_pong(seconds, size, cpu.CLIENT),
    }
    best = min(places, key=lambda place: places[place].p50_us)
    return _pair(places[best], spi_ours.ping_pong(seconds, size)) | {"echo_on": best}


def measure(arguments: argparse.Namespace) -> Document:
    """Measure every part, the kernel's side and ours in turn; the JSON document."""
    seconds, size = arguments.seconds, arguments.size
    sizes = sorted({n for n in _SIZES if n < arguments.sockets} | {arguments.sockets})
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu.CLIENT})
    try:
        crowd = spi_ours.crowds(seconds, sizes, size)
        return {
            "accept": _accepts(seconds, busy=False),
            "accept_beside_a_busy_thread": _accepts(seconds, busy=True),
            "ping_pong": _ping_pong(seconds, size) | {"size": size},
            "wake": _pair(spi_kernel.wake(seconds), spi_ours.wake(seconds)),
            "event_loop": {
                "sockets": {str(n): times.document() for n, times in crowd.items()},
                "ratio": round(crowd[sizes[-1]].p50_us / crowd[sizes[0]].p50_us, 2),
            },
        }
    finally:
        os.sched_setaffinity(0, allowed)


def run(arguments: argparse.Namespace) -> int:
    """Measure and print."""
    if not {cpu.CLIENT, cpu.SERVER} <= os.sched_getaffinity(0):
        raise Unusable("two CPUs are needed, one for each side")
    if not 1 <= arguments.sockets <= _SIZES[-1]:
        raise Unusable(f"--sockets: 1 to {_SIZES[-1]}")
    if arguments.size < 1 or arguments.seconds <= 0:
        raise Unusable("--size and --seconds are positive")
    document = measure(arguments)
    if arguments.json:
        print(json.dumps(document))
    else:
        _print(document)
    return 0


def _at(document: Document, *words: str) -> Document:
    for word in words:
        document = cast("Document", document[word])
    return document


def _print(document: Document) -> None:
    print(f"{'':30}{'':13}{'each/s':>12}{'CPU us':>10}{'p50 us':>10}{'p99 us':>10}")
    for name in ("accept", "accept_beside_a_busy_thread", "ping_pong", "wake"):
        sides = _at(document, name)
        for side in ("kernel", "kernel_whole", "pyprov"):
            if side in sides:
                _row(name.replace("_", " "), side.replace("_", " "), _at(sides, side))
    loop = _at(document, "event_loop")
    for sockets in _at(loop, "sockets"):
        _row(f"event loop, {int(sockets):,} sockets", "pyprov", _at(loop, "sockets", sockets))
    accepts, beside = (_at(document, name) for name in ("accept", "accept_beside_a_busy_thread"))
    both = _at(accepts, "both_cpus_us")
    whole = f" (with that {accepts['ratio_whole']} times)" if "ratio_whole" in accepts else ""
    print(
        f"pyprov accepts {accepts['ratio_of_rates']} times as many a second as Python's socket "
        f"({beside['ratio_of_rates']} beside a busy thread),\n"
        f"{accepts['ratio']} times as many for each CPU-second of the server ({beside['ratio']}), "
        f"the worker counted\nand what the kernel does for its server in the client's time not"
        f"{whole}; clients included,\nan accept takes {both['pyprov']} us of both CPUs, the "
        f"kernel's {both['kernel']};\n"
        f"the kernel's echo takes {_at(document, 'ping_pong')['ratio']} times as long, its wake-up "
        f"by an accept {_at(document, 'wake')['ratio']} times;\n"
        f"a wake-up among the most sockets takes {loop['ratio']} times that among the fewest."
    )


def _row(name: str, side: str, times: Document) -> None:
    cpu_us, worker_us, per_s, p50, p99 = (
        cast("float", times.get(key, 0))
        for key in ("cpu_us", "worker_us", "per_s", "p50_us", "p99_us")
    )
    print(f"{name:30}{side:13}{per_s:>12,.0f}{cpu_us + worker_us:>10.2f}{p50:>10.2f}{p99:>10.2f}")
