"""Connections that a worker uses by itself: as much as goes, or one question after the other."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pyprov._dataplane import ffi, lib
from pyprov.runtime.failure import check
from pyprov.runtime.generator import Service

if TYPE_CHECKING:
    import numpy.typing as npt

    from pyprov.runtime.dataplane import EngineDataplane

__all__ = ["Done", "Service", "adopt", "done", "drop", "latency"]


@dataclass(frozen=True, slots=True)
class Done:
    """What a worker's services have done; see struct pv_service_stats."""

    connections: int
    taken: int
    given: int
    rounds: int


def adopt(dataplane: EngineDataplane, handle: int, service: Service, size: int = 0) -> None:
    """Give a connection to a service; the handle is not the caller's any more.

    Args:
        dataplane: whose connection it is.
        handle: the connection.
        service: DISCARD, ECHO, HTTP, SOURCE or ASK.
        size: bytes of a question, for ASK.
    """
    check(lib.pv_service_adopt(dataplane.engine, handle, service, size), "adopt")


def drop(dataplane: EngineDataplane) -> None:
    """Reset the connections that were adopted."""
    check(lib.pv_service_drop(dataplane.engine), "drop")


def done(dataplane: EngineDataplane, worker: int = 0) -> Done:
    """Return the totals of a worker so far."""
    record = ffi.new("struct pv_service_stats *")
    check(lib.pv_service_read(dataplane.engine, worker, record, ffi.NULL), "done")
    return Done(*(getattr(record, part.name) for part in dataclasses.fields(Done)))


def latency(dataplane: EngineDataplane, worker: int = 0) -> npt.NDArray[np.uint64]:
    """Return how long the rounds of ASK took, by bucket; see generator.latency_floors."""
    record = ffi.new("struct pv_service_stats *")
    counts = np.zeros(lib.PV_LATENCY_BUCKETS, np.uint64)
    out = ffi.from_buffer("uint64_t[]", counts, require_writable=True)
    check(lib.pv_service_read(dataplane.engine, worker, record, out), "latency")
    return counts
