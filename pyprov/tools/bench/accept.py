"""`pyprov bench accept`: how many connections a second a worker accepts on the in-memory wire.

Two phases. With a core each for generator and worker: the rate. With both taking turns on one
core: the server's TSC cycles a handshake, which stay steady where the distance between two CPUs
does not. When Python takes the requests it has one CPU, generator and worker share the other.
"""

import argparse
import json
import os
import statistics
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, cast

from pyprov import spi
from pyprov.core.port import SYN_COOKIES_ALWAYS, SYN_COOKIES_AUTO, SYN_COOKIES_NEVER, Dataplane
from pyprov.runtime import engine
from pyprov.runtime.config import Config
from pyprov.runtime.generator import (
    GUEST,
    Close,
    Generator,
    Load,
    Stats,
    WorkerLoad,
    cache_line_bounce,
    latency_floors,
    tsc_hz,
    worker_load,
)
from pyprov.tools.bench import accept_server, compiled
from pyprov.tools.bench.latency import percentiles
from pyprov.tools.errors import Failed, Unusable

_WINDOW: Final = 0.1  # seconds of one measurement
_WARM_UP: Final = 0.5
_FILL_PATIENCE: Final = 60.0
_PORT: Final = 80
_GENERATOR_MAC: Final = "02:00:00:00:00:01"
_COOKIES: Final = {
    "auto": SYN_COOKIES_AUTO,
    "stateful": SYN_COOKIES_NEVER,
    "cookie": SYN_COOKIES_ALWAYS,
}
# Bytes on the wire of what a client sends: preamble 8, frame, FCS 4, gap 12. Linux's options.
_WIRE_BYTES: Final = {
    (4, "none"): 98 + 90,
    (4, "rst"): 98 + 90 + 90,
    (4, "fin"): 98 + 90 + 90 + 90,
    (6, "none"): 118 + 110,
    (6, "rst"): 118 + 110 + 110,
    (6, "fin"): 118 + 110 + 110 + 110,
}
_LINK_GBPS: Final = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See interfaces of the command line in README.md."""
    parser.add_argument("--seconds", type=float, default=2.0, help="of each phase")
    parser.add_argument("--flows", type=int, default=10_000, help="connections kept alive")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--ipv6", action="store_true")
    parser.add_argument("--handshake", choices=list(_COOKIES), default="auto")
    parser.add_argument("--close", choices=["none", "rst", "fin"], default="rst")
    parser.add_argument("--condition", choices=["none", "compiled", "python"], default="none")
    parser.add_argument("--deliver", choices=["count", "batch", "socket"], default="count")
    parser.add_argument("--flood", type=float, default=0.0, help="spoofed SYNs for each client's")
    parser.add_argument("--rate", type=int, default=0, help="clients' SYNs a second, open loop")
    parser.add_argument("--window", type=int, default=512, help="handshakes in flight")
    parser.add_argument("--single-core", action="store_true", help="only the phase on one core")


@dataclass(frozen=True, slots=True)
class Window:
    """One measurement."""

    seconds: float
    stats: Stats
    load: WorkerLoad
    accepts: int


@dataclass(slots=True)
class Phase:
    """The windows of one phase, as totals at their borders."""

    borders: list[Window] = field(default_factory=list)
    latency: dict[str, float] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    python_seconds: float = 0.0  # CPU time of the accepting thread for each accept

    def rates(self, value: Callable[[Window], int]) -> list[float]:
        """What happened a second, window by window."""
        return [
            (value(b) - value(a)) / (b.seconds - a.seconds)
            for a, b in zip(self.borders, self.borders[1:], strict=False)
        ]

    def per_handshake(self) -> list[float]:
        """Server cycles a handshake, window by window."""
        pairs = zip(self.borders, self.borders[1:], strict=False)
        return [
            (b.load.cycles - a.load.cycles) / (b.stats.handshakes - a.stats.handshakes)
            for a, b in pairs
            if b.stats.handshakes > a.stats.handshakes
        ]


def config_for(arguments: argparse.Namespace, cpus: list[int]) -> Config:
    """The ring wire's configuration, sized for the flows."""
    network = {
        "device": "ring",
        "address": ["10.9.0.2/24", "fd09::2/64"],
        "gateway": ["10.9.0.1", "fd09::1"],
        "neighbour": [
            {"address": "10.9.0.1", "mac": _GENERATOR_MAC},
            {"address": "fd09::1", "mac": _GENERATOR_MAC},
        ],
        "dad": False,
        "rate": f"{_LINK_GBPS}G",
    }
    room = arguments.flows + 4 * arguments.window + 8192
    tables = {
        "port": [network],
        "workers": {"lcores": ",".join(map(str, cpus)), "poll": "busy"},
        "provider": {
            "max_connections": room,
            "max_sockets": room,
            "memory": 512 if arguments.flows <= 1_000_000 else 1024,
            "packet_buffers": 32_768,
        },
    }
    if arguments.config:
        return Config.load(arguments.config).updated(tables)
    return Config.from_dict(tables)


class Bench:
    """One engine, one generator, one server."""

    def __init__(self, arguments: argparse.Namespace, *, single_core: bool) -> None:
        cpus = sorted(os.sched_getaffinity(0))
        if len(cpus) < 2 and not (single_core and arguments.deliver == "count"):
            raise Unusable("two CPUs are needed; --single-core --deliver count needs one")
        self._arguments = arguments
        self._worker_cpu = cpus[-1]
        self._generator_cpu = GUEST if single_core else cpus[0]
        self._python_cpu = cpus[0]
        self._config = config_for(arguments, [self._worker_cpu])

    def run(self) -> Phase:
        """Start, warm up, measure, end."""
        dataplane = engine.start(self._config)
        try:
            return self._measure(dataplane)
        finally:
            engine.stop(dataplane)

    def _server(self, dataplane: Dataplane) -> accept_server.Server:
        arguments = self._arguments
        host = "fd09::2" if arguments.ipv6 else "10.9.0.2"
        backlog = self._config.provider.backlog_max
        params = accept_server.listen_params(host, _PORT, backlog, _COOKIES[arguments.handshake])
        if arguments.deliver == "count":
            return accept_server.CountServer(dataplane, params, lambda: time.sleep(_WINDOW / 20))
        if arguments.deliver == "batch":
            return accept_server.BatchServer(dataplane, params)
        provider = spi.Provider(dataplane)
        provider.WSPStartup()
        conditional = arguments.condition == "python"
        return accept_server.SocketServer(provider, (host, _PORT), conditional=conditional)

    def _load(self) -> Load:
        arguments = self._arguments
        return Load(
            server="fd09::2" if arguments.ipv6 else "10.9.0.2",
            port=_PORT,
            flows=arguments.flows,
            window=arguments.window,
            rate=arguments.rate,
            flood=arguments.flood,
            close=Close[arguments.close.upper()] if _counted(arguments) else Close.SERVER,
        )

    def _measure(self, dataplane: Dataplane) -> Phase:
        server = self._server(dataplane)
        if self._arguments.condition == "compiled":
            server.install(compiled.program())
        generator = Generator(dataplane, self._load(), cpu=self._generator_cpu)
        phase = Phase()
        ended = threading.Event()

        def watch() -> None:
            try:
                self._watch(dataplane, generator, server, phase)
            finally:
                ended.set()
                server.end()

        os.sched_setaffinity(0, {self._python_cpu})
        watcher = threading.Thread(target=watch)
        watcher.start()
        spent = time.thread_time()
        server.serve(lambda: not ended.is_set())
        spent = time.thread_time() - spent
        watcher.join()
        if not _counted(self._arguments) and server.accepts:
            phase.python_seconds = spent / server.accepts
        phase.latency = percentiles(generator.latency(), latency_floors(), tsc_hz())
        phase.counters = dataplane.counters()
        generator.stop()
        os.sched_setaffinity(0, set(range(os.cpu_count() or 1)))
        return phase

    def _watch(
        self, dataplane: Dataplane, generator: Generator, server: accept_server.Server, phase: Phase
    ) -> None:
        """Wait for the flows, then take the totals at the end of each window."""
        full = threading.Event()  # never set: a timer that costs no CPU
        patience = time.monotonic() + _FILL_PATIENCE
        while generator.read().alive < self._arguments.flows and time.monotonic() < patience:
            if self._arguments.rate or not _counted(self._arguments):
                break
            full.wait(0.05)
        full.wait(_WARM_UP)
        end = time.perf_counter() + self._arguments.seconds
        while True:
            now = time.perf_counter()
            border = Window(now, generator.read(), worker_load(dataplane), server.accepts)
            phase.borders.append(border)
            if now >= end:
                return
            full.wait(_WINDOW)


def _spread(values: Iterable[float]) -> dict[str, float]:
    numbers = list(values)
    if not numbers:
        raise Failed("no handshake was completed in the time given")
    return {"median": statistics.median(numbers), "min": min(numbers), "max": max(numbers)}


def line_rate(arguments: argparse.Namespace, handshakes_per_s: float) -> dict[str, float]:
    """What the client's direction of a 10 Gb/s link allows."""
    size = _WIRE_BYTES[6 if arguments.ipv6 else 4, arguments.close]
    limit = _LINK_GBPS * 1e9 / 8 / size
    return {
        "link_gbps": _LINK_GBPS,
        "limit_per_s": round(limit),
        "ratio": round(handshakes_per_s / limit, 3),
    }


def measure(arguments: argparse.Namespace) -> dict[str, object]:
    """Run both phases; the JSON document."""
    both = not arguments.single_core and _counted(arguments)
    cycles = Bench(arguments, single_core=True).run()
    bounces = [_bounce()] if both else []
    rate = Bench(arguments, single_core=False).run() if both else cycles
    bounces += [_bounce()] if both else []
    handshakes = _spread(rate.rates(lambda w: w.stats.handshakes))
    accepts = _spread(rate.rates(lambda w: w.accepts))
    spent = _spread(cycles.per_handshake())
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
        "deliver": arguments.deliver,
        "close": arguments.close if _counted(arguments) else "by the server",
        "family": 6 if arguments.ipv6 else 4,
        "cores": "one each for generator and worker" if both else "generator and worker on one",
        "bounce_cycles": bounces,
        "drops": {
            name: count
            for name, count in rate.counters.items()
            if count and ("DROP" in name or "FULL" in name or "MEMORY" in name or "BAD" in name)
        },
        "latency_us": rate.latency,
        "line_rate": line_rate(arguments, handshakes["median"]),
        "generator": {"bad": last.bad, "lost": last.lost, "refused": last.refused},
    }
    if arguments.condition == "compiled":
        document |= _condition_cost(arguments, spent["median"])
    if arguments.flood:
        first = rate.borders[0].stats
        document["goodput_ratio"] = round(
            (last.handshakes - first.handshakes) / max(1, last.syns - first.syns), 4
        )
        document["flood_per_s"] = round(statistics.median(rate.rates(lambda w: w.stats.flood_sent)))
    return document


def _condition_cost(arguments: argparse.Namespace, cycles: float) -> dict[str, object]:
    """Compare with the same work without a condition, by the steady figure: cycles on one core."""
    without = Bench(
        argparse.Namespace(**{**vars(arguments), "condition": "none"}), single_core=True
    ).run()
    plain = _spread(without.per_handshake())["median"]
    return {
        "decision_ns": round(compiled.decision_ns(), 1),
        "cycles_without_condition": round(plain, 1),
        "rate_ratio": round(plain / cycles, 3),
    }


def _counted(arguments: argparse.Namespace) -> bool:
    """Whether requests are taken in the worker and the clients close; else the server does."""
    return bool(arguments.deliver == "count")


def _bounce() -> int | None:
    cpus = sorted(os.sched_getaffinity(0))
    return cache_line_bounce(cpus[0], cpus[-1]) if len(cpus) > 1 else None


def run(arguments: argparse.Namespace) -> int:
    """Measure and print."""
    if arguments.workers != 1:
        raise Unusable("--workers: this machine's benchmark runs one worker")
    if arguments.condition == "python" and arguments.deliver != "socket":
        raise Unusable("--condition python: condition functions run in WSPAccept: --deliver socket")
    document = measure(arguments)
    if arguments.json:
        print(json.dumps(document))
        return 0
    spread = cast("dict[str, float]", document["handshakes_spread"])
    print(f"handshakes/s      {document['handshakes_per_s']:>12,}   {_range(spread)}")
    print(f"accepts/s         {document['accepts_per_s']:>12,}   deliver {arguments.deliver}")
    print(f"cycles/handshake  {document['cycles_per_handshake']:>12}   TSC, server side, one core")
    if "decision_ns" in document:
        print(f"decision          {document['decision_ns']:>12}   ns, compiled")
        without = document["cycles_without_condition"]
        print(f"without condition {without:>12}   cycles; rate ratio {document['rate_ratio']}")
    print(f"latency us        {document['latency_us']}")
    print(f"line rate         {document['line_rate']}")
    print(f"drops             {document['drops']}")
    print(f"cache line bounce {document['bounce_cycles']} cycles")
    return 0


def _range(spread: dict[str, float]) -> str:
    return f"min {spread['min']:,}  max {spread['max']:,}"
