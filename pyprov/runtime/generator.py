"""The traffic generator of an engine, the workers' load, built-in services: what benchmarks need.

Counts and times are those of pv_api.h: TSC cycles (`tsc_hz` a second), totals since the start.
"""

from __future__ import annotations

import dataclasses
import errno
import os
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from pyprov._dataplane import ffi, lib
from pyprov.core.port import DataplaneError, pack_address
from pyprov.runtime.dataplane import EngineDataplane
from pyprov.runtime.failure import StartError

if TYPE_CHECKING:
    import numpy.typing as npt

    from pyprov.core.port import Dataplane

_ERROR_SIZE: Final = 512
GUEST: Final = -1  # as `cpu`: on the thread of worker 0, in turns with it


class Close(IntEnum):
    """How the generator's clients end a connection."""

    NONE = 0
    RST = 1
    FIN = 2
    SERVER = 3  # the server closes them


class Flood(IntEnum):
    """What a flood is made of."""

    SYN = 0
    ACK = 1
    RST = 2


class Service(IntEnum):
    """What takes a listener's requests inside the workers."""

    NONE = 0
    COUNT = 1
    DISCARD = 2
    ECHO = 3
    HTTP = 4
    SOURCE = 5  # of single connections only, as the next one
    ASK = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the generator shall do.

    Attributes:
        server: numeric address of the listener.
        port: its port.
        flows: connections kept alive; beyond, the oldest is closed for each new one.
        window: handshakes in flight in a closed loop.
        rate: SYNs of legitimate clients a second, open loop; 0: closed loop.
        flood: flood segments for each legitimate SYN.
        flood_kind: what they are.
        close: how connections end; NONE: no more than `flows` are opened.
        timeout: seconds after which an unanswered SYN is lost.
        burst: new connections a turn, 1..64.
        seed: of ports, sequence numbers and flood sources.
        one_queue: all frames to the first worker; else each to the one that owns its connection.
    """

    server: str
    port: int
    flows: int = 10_000
    window: int = 512
    rate: int = 0
    flood: float = 0.0
    flood_kind: Flood = Flood.SYN
    close: Close = Close.RST
    timeout: float = 1.0
    burst: int = 64
    seed: int = 1
    one_queue: bool = False


@dataclass(frozen=True, slots=True)
class Stats:
    """What it has done; see struct pv_generator_stats."""

    syns: int
    handshakes: int
    closes: int
    refused: int
    lost: int
    resets: int
    repeated: int
    bad: int
    flood_sent: int
    flood_answers: int
    tx_full: int
    alive: int
    in_flight: int
    cycles: int
    resolved: int


@dataclass(frozen=True, slots=True)
class WorkerLoad:
    """TSC cycles of one worker's turns; a guest of its thread is not in them."""

    turns: int
    busy_turns: int
    cycles: int
    busy_cycles: int


def _engine_of(dataplane: Dataplane) -> EngineDataplane:
    if not isinstance(dataplane, EngineDataplane):
        raise TypeError("the generator runs beside a live engine only")
    return dataplane


def _check(result: int, verb: str) -> None:
    if result < 0:
        raise DataplaneError(result, verb)


class Generator:
    """Clients at the far end of a ring port, or on a device; one at a time an engine."""

    def __init__(self, dataplane: Dataplane, load: Load, *, cpu: int, port: int = 0) -> None:
        """Start it on a CPU of its own, or as GUEST of worker 0; on a device as that.

        Raises:
            StartError: no port that will do, no memory; one line with the cure.
        """
        self._dataplane = _engine_of(dataplane)
        record = ffi.new("struct pv_generator_params *")
        ffi.buffer(record.server.b)[:] = pack_address(load.server)
        record.server_port = load.port
        record.flows = load.flows
        record.window = load.window
        record.rate = load.rate
        record.flood = round(load.flood * 16)
        record.flood_kind = load.flood_kind
        record.close = load.close
        record.timeout_ms = round(load.timeout * 1000)
        record.burst = load.burst
        record.seed = load.seed
        record.one_queue = load.one_queue
        text = ffi.new("char[]", _ERROR_SIZE)
        engine = self._dataplane.engine
        result = lib.pv_generator_start(engine, port, record, cpu, text, _ERROR_SIZE)
        if result < 0:
            why = ffi.string(text).decode(errors="replace") or os.strerror(-result)
            raise StartError(f"the generator did not start: {why}")

    def read(self) -> Stats:
        """Return the totals so far."""
        record = ffi.new("struct pv_generator_stats *")
        _check(lib.pv_generator_read(self._dataplane.engine, record, ffi.NULL), "read")
        return Stats(*(getattr(record, field.name) for field in dataclasses.fields(Stats)))

    def latency(self) -> npt.NDArray[np.uint64]:
        """Return the counts of SYN to SYN-ACK by bucket; see `latency_floors`."""
        record = ffi.new("struct pv_generator_stats *")
        counts = np.zeros(lib.PV_LATENCY_BUCKETS, np.uint64)
        out = ffi.from_buffer("uint64_t[]", counts, require_writable=True)
        _check(lib.pv_generator_read(self._dataplane.engine, record, out), "latency")
        return counts

    def pause(self) -> None:
        """Open no more connections; close those kept alive as the load says."""
        _check(lib.pv_generator_pause(self._dataplane.engine), "pause")

    def stop(self) -> None:
        """End it."""
        _check(lib.pv_generator_stop(self._dataplane.engine), "stop")


def latency_floors() -> npt.NDArray[np.uint64]:
    """Return the least number of cycles of each bucket."""
    return np.array(
        [lib.pv_latency_floor(bucket) for bucket in range(lib.PV_LATENCY_BUCKETS)], np.uint64
    )


def worker_load(dataplane: Dataplane, worker: int = 0) -> WorkerLoad:
    """Return what a worker has spent so far."""
    record = ffi.new("struct pv_worker_load *")
    _check(lib.pv_worker_read(_engine_of(dataplane).engine, worker, record), "worker_load")
    return WorkerLoad(record.turns, record.busy_turns, record.cycles, record.busy_cycles)


def start_service(dataplane: Dataplane, listener: int, service: Service) -> None:
    """Let a built-in service take the listener's requests."""
    _check(lib.pv_service_start(_engine_of(dataplane).engine, listener, service), "start_service")


def tsc_hz() -> int:
    """Return how many TSC cycles a second has."""
    return lib.pv_tsc_hz()


def tsc() -> int:
    """Return the TSC."""
    return lib.pv_tsc()


def cache_line_bounce(cpu_a: int, cpu_b: int) -> int | None:
    """Measure a cache line's way to the other CPU and back in cycles; None: there is but one."""
    cycles = ffi.new("uint64_t *")
    result = lib.pv_cache_line_bounce(cpu_a, cpu_b, cycles)
    if result == -errno.EINVAL:
        return None
    _check(result, "cache_line_bounce")
    return cycles[0]


def spin_gaps(cpu: int, seconds: float) -> npt.NDArray[np.uint64]:
    """Spin on a CPU; the gaps between two turns by bucket, as `Generator.latency` counts."""
    counts = np.zeros(lib.PV_LATENCY_BUCKETS, np.uint64)
    out = ffi.from_buffer("uint64_t[]", counts, require_writable=True)
    _check(lib.pv_spin_gaps(cpu, round(seconds * 1e9), out), "spin_gaps")
    return counts
