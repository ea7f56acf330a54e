"""One phase of `pyprov bench accept`: an engine, its generator, and who takes the requests."""

import argparse
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from pyprov import spi
from pyprov.core.port import SYN_COOKIES_ALWAYS, SYN_COOKIES_AUTO, SYN_COOKIES_NEVER, Dataplane
from pyprov.runtime import engine
from pyprov.runtime.config import Config
from pyprov.runtime.generator import (
    GUEST,
    Close,
    Flood,
    Generator,
    Load,
    Stats,
    WorkerLoad,
    latency_floors,
    tsc_hz,
    worker_load,
)
from pyprov.tools.bench import accept_server, compiled
from pyprov.tools.bench.latency import percentiles
from pyprov.tools.errors import Failed, Unusable

LINK_GBPS: Final = 10
WINDOW: Final = 0.1  # seconds of one measurement
COOKIES: Final = {
    "auto": SYN_COOKIES_AUTO,
    "stateful": SYN_COOKIES_NEVER,
    "cookie": SYN_COOKIES_ALWAYS,
}
WIRE_FULL: Final = "wire_full"  # of the generator's frames: the wire had no room
_LOSSES: Final = ("DROP", "FULL", "MEMORY", "BAD", "BACKLOG", "UNREAD", "LIMIT", "NO_MBUF")
_WARM_UP: Final = 0.5
_OPEN_WINDOWS: Final = 4
_FILL_SOON: Final = (
    2.0  # seconds that an open loop may take for the flows; else it is measured filling
)
_FILL_PATIENCE: Final = 60.0  # seconds for each million connections
_PORT: Final = 80
_GENERATOR_MAC: Final = "02:00:00:00:00:01"


def is_loss(counter: str) -> bool:
    """Whether a counter tells of frames that nothing came of."""
    if counter == "TCP_TIME_WAIT_FULL":  # a connection that ended well
        return False
    return counter == WIRE_FULL or any(word in counter for word in _LOSSES)


def counted(arguments: argparse.Namespace) -> bool:
    """Whether requests are taken in the worker and the clients close; else the server does."""
    return bool(arguments.deliver == "count")


@dataclass(frozen=True, slots=True)
class Totals:
    """What the server's side has done so far."""

    load: WorkerLoad  # of all workers together
    accepts: int
    requests: tuple[int, ...]  # of each worker
    counters: dict[str, int]  # of all workers together


@dataclass(frozen=True, slots=True)
class Window(Totals):
    """One measurement: both sides at its end."""

    seconds: float
    stats: Stats


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

    def goodput(self) -> float:
        """Accepts for each SYN of a legitimate client, over all windows.

        The server's, not the clients' handshakes: the ACK of one may have found no room.
        """
        first, last = self.borders[0], self.borders[-1]
        # What was under way at the first border may make it a little more than all.
        return min(1.0, (last.accepts - first.accepts) / max(1, last.stats.syns - first.stats.syns))

    def losses(self) -> dict[str, int]:
        """Frames a second that nothing came of, by reason, over all windows; those there were."""
        first, last = self.borders[0], self.borders[-1]
        lost = {WIRE_FULL: last.stats.tx_full - first.stats.tx_full}
        lost |= {name: last.counters[name] - first.counters[name] for name in last.counters}
        seconds = last.seconds - first.seconds
        return {name: round(n / seconds) for name, n in lost.items() if n and is_loss(name)}

    def shares(self) -> list[float]:
        """What part of the requests came by each worker."""
        first, last = self.borders[0].requests, self.borders[-1].requests
        each = [b - a for a, b in zip(first, last, strict=True)]
        return [round(n / max(1, sum(each)), 4) for n in each]

    def per_handshake(self) -> list[float]:
        """Server cycles a handshake, window by window."""
        pairs = zip(self.borders, self.borders[1:], strict=False)
        return [
            (b.load.cycles - a.load.cycles) / (b.stats.handshakes - a.stats.handshakes)
            for a, b in pairs
            if b.stats.handshakes > a.stats.handshakes
        ]


def load_of(arguments: argparse.Namespace) -> Load:
    """What the generator shall do."""
    return Load(
        server="fd09::2" if arguments.ipv6 else "10.9.0.2",
        port=_PORT,
        flows=arguments.flows,
        window=arguments.window,
        rate=arguments.rate,
        flood=arguments.flood,
        flood_kind=Flood[arguments.flood_kind.upper()],
        one_queue=arguments.spread == "software",
        close=Close[arguments.close.upper()] if counted(arguments) else Close.SERVER,
    )


def watch(
    arguments: argparse.Namespace,
    generator: Generator,
    totals: Callable[[], Totals],
    phase: Phase,
) -> None:
    """Wait for the flows, then take the totals at the end of each window."""
    full = threading.Event()  # never set: a timer that costs no CPU
    patience = time.monotonic() + _FILL_PATIENCE * max(1.0, arguments.flows / 1e6)
    soon = not arguments.rate or arguments.flows < _FILL_SOON * arguments.rate
    while generator.read().alive < arguments.flows and time.monotonic() < patience:
        if not soon or not counted(arguments):
            break
        full.wait(0.05)
    full.wait(_WARM_UP)
    # Where latency is what counts, Python wakes seldom: it takes a busy CPU to read.
    window = max(WINDOW, arguments.seconds / _OPEN_WINDOWS) if arguments.rate else WINDOW
    before = generator.latency()
    end = time.perf_counter() + arguments.seconds
    while True:
        now = time.perf_counter()
        served = totals()
        phase.borders.append(
            Window(
                seconds=now,
                stats=generator.read(),
                load=served.load,
                accepts=served.accepts,
                requests=served.requests,
                counters=served.counters,
            )
        )
        if now >= end:
            break
        full.wait(window)
    phase.latency = percentiles(generator.latency() - before, latency_floors(), tsc_hz())


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
        "rate": f"{LINK_GBPS}G",
    }
    room = arguments.flows + 4 * arguments.window + 8192
    room += room // 60  # what a worker keeps back for connections that are there (tcp/shed.h)
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
        if arguments.workers > len(cpus):
            raise Unusable(f"--workers: there are {len(cpus)} CPUs")
        self._arguments = arguments
        workers = cpus[-arguments.workers :][::-1]
        free = len(cpus) > arguments.workers
        self._generator_cpu = cpus[0] if free and not single_core else GUEST
        self._python_cpu = cpus[0]
        self._config = config_for(arguments, workers)

    def run(self) -> Phase:
        """Start, warm up, measure, end.

        Raises:
            Failed: the engine or the generator does not start.
        """
        try:
            dataplane = engine.start(self._config)
            try:
                return self._measure(dataplane)
            finally:
                engine.stop(dataplane)
        except engine.StartError as error:
            raise Failed(str(error)) from None

    def _server(self, dataplane: Dataplane) -> accept_server.Server:
        arguments = self._arguments
        host = "fd09::2" if arguments.ipv6 else "10.9.0.2"
        backlog = self._config.provider.backlog_max
        params = accept_server.listen_params(host, _PORT, backlog, COOKIES[arguments.handshake])
        if arguments.deliver == "count":
            return accept_server.CountServer(dataplane, params)
        if arguments.deliver == "batch":
            return accept_server.BatchServer(dataplane, params)
        provider = spi.Provider(dataplane)
        provider.WSPStartup()
        return accept_server.SocketServer(
            provider,
            (host, _PORT),
            asks=arguments.condition == "python",
            holds=arguments.conditional_accept,
        )

    def _measure(self, dataplane: Dataplane) -> Phase:
        server = self._server(dataplane)
        if self._arguments.condition == "compiled":
            server.install(compiled.program())
        generator = Generator(dataplane, load_of(self._arguments), cpu=self._generator_cpu)
        phase = Phase()
        ended = threading.Event()

        def run() -> None:
            try:
                watch(self._arguments, generator, lambda: self._totals(dataplane, server), phase)
            finally:
                ended.set()
                server.end()

        os.sched_setaffinity(0, {self._python_cpu})
        watcher = threading.Thread(target=run)
        watcher.start()
        spent = time.thread_time()
        server.serve(lambda: not ended.is_set())
        spent = time.thread_time() - spent
        watcher.join()
        if not counted(self._arguments) and server.accepts:
            phase.python_seconds = spent / server.accepts
        phase.counters = dataplane.counters()
        generator.stop()
        os.sched_setaffinity(0, set(range(os.cpu_count() or 1)))
        return phase

    def _totals(self, dataplane: Dataplane, server: accept_server.Server) -> Totals:
        workers = [dataplane.counters(worker) for worker in range(self._arguments.workers)]
        return Totals(
            load=self._worker_load(dataplane),
            accepts=server.accepts,
            requests=tuple(counters["TCP_REQUESTS"] for counters in workers),
            counters={name: sum(each[name] for each in workers) for name in workers[0]},
        )

    def _worker_load(self, dataplane: Dataplane) -> WorkerLoad:
        loads = [worker_load(dataplane, worker) for worker in range(self._arguments.workers)]
        return WorkerLoad(
            turns=sum(load.turns for load in loads),
            busy_turns=sum(load.busy_turns for load in loads),
            cycles=sum(load.cycles for load in loads),
            busy_cycles=sum(load.busy_cycles for load in loads),
        )
