"""Emulated wires between engines: on a lab's virtual clock, or live between ring ports.

A live wire has a thread of its own. `Joints` makes the wires that configurations name: an end waits
until an engine with the other one starts.
"""

from __future__ import annotations

import dataclasses
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pyprov._dataplane import ffi, lib
from pyprov.runtime.config_wire import WireParams
from pyprov.runtime.failure import StartError, check
from pyprov.runtime.rules import keys_of

if TYPE_CHECKING:
    from pyprov._dataplane import WireParams as Record
    from pyprov.runtime.config import Config
    from pyprov.runtime.config_wire import WireEnd
    from pyprov.runtime.dataplane import EngineDataplane

_ERROR_SIZE: Final = 512
_NEVER: Final = 2**64 - 1
_MILLION: Final = 1_000_000
_SECOND: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class WireStats:
    """What a wire has done in one direction; see struct pv_wire_stats."""

    frames: int
    bytes: int
    lost: int
    queue_lost: int
    too_large: int
    reordered: int
    duplicated: int
    corrupted: int
    flying: int


@dataclass(frozen=True, slots=True)
class End:
    """Where a wire ends, and what it does to the frames that leave there."""

    dataplane: EngineDataplane
    params: WireParams
    port: int = 0


def _fill(record: Record, params: WireParams) -> None:
    record.rate = params.rate
    record.queue = params.queue
    record.delay = round(params.delay * _SECOND)
    record.jitter = round(params.jitter * _SECOND)
    record.reorder_delay = round(params.overtaken * _SECOND)
    record.loss = round(params.loss * _MILLION)
    record.burst = params.burst
    record.reorder = round(params.reorder * _MILLION)
    record.duplicate = round(params.duplicate * _MILLION)
    record.corrupt = round(params.corrupt * _MILLION)
    record.mtu = params.mtu


class Wire:
    """A wire. Directions: 0 is from the first end to the second, 1 the other way.

    Times are nanoseconds of the engines' clock. `deadline` and `move` are for step mode.
    """

    def __init__(self, first: End, second: End, *, seed: int, keep: bool = False) -> None:
        """Join two ports.

        Args:
            first: one end.
            second: the other one.
            seed: of what is drawn.
            keep: step mode: the engines' `collect` has the frames too.

        Raises:
            StartError: they can't be joined; one line with the cause.
        """
        join = ffi.new("struct pv_wire_join *")
        for i, end in enumerate((first, second)):
            join.engine[i] = end.dataplane.engine
            join.port[i] = end.port
            _fill(join.way[i], end.params)
        join.seed = seed % 2**63
        join.keep = keep
        made = ffi.new("struct pv_wire **")
        text = ffi.new("char[]", _ERROR_SIZE)
        result = lib.pv_wire_open(join, made, text, _ERROR_SIZE)
        if result < 0:
            raise StartError(ffi.string(text).decode(errors="replace") or os.strerror(-result))
        self._wire = made[0]
        self._params = [first.params, second.params]
        self._open = True

    def change(self, direction: int, **keys: object) -> None:
        """Replace some keys of WireParams for frames sent from now on.

        Raises:
            ConfigError: no such key, or not such a value.
        """
        before = self._params[direction]
        given = {name: getattr(before, name) for name in keys_of(WireParams)}
        params = WireParams.of(**{**given, **keys})
        record = ffi.new("struct pv_wire_params *")
        _fill(record, params)
        check(lib.pv_wire_change(self._wire, direction, record), "change")
        self._params[direction] = params

    def stats(self, direction: int) -> WireStats:
        """Return what has been done to the frames of one direction."""
        record = ffi.new("struct pv_wire_stats *")
        check(lib.pv_wire_read(self._wire, direction, record), "stats")
        return WireStats(*(getattr(record, part.name) for part in dataclasses.fields(WireStats)))

    def deadline(self) -> int | None:
        """Return when the next frame arrives."""
        when = lib.pv_wire_deadline(self._wire)
        return None if when == _NEVER else when

    def move(self, now: int) -> None:
        """Let arrive what is due."""
        check(lib.pv_wire_move(self._wire, now), "move")

    def clear(self) -> None:
        """Let everything on the wire vanish."""
        check(lib.pv_wire_clear(self._wire), "clear")

    def close(self) -> None:
        """End it; what is on it vanishes. Again does nothing."""
        if self._open:
            self._open = False
            check(lib.pv_wire_close(self._wire), "close")


class Joints:
    """The wires that the configurations of live engines name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: dict[str, list[tuple[End, WireEnd]]] = {}
        self._wires: dict[str, Wire] = {}

    def start(self, dataplane: EngineDataplane, config: Config) -> None:
        """Plug in the ports of an engine that has just started.

        Raises:
            StartError: one line with the cause and the cure.
        """
        with self._lock:
            for index, port in enumerate(config.ports):
                if port.wire.name:
                    self._plug_in(End(dataplane, port.wire, index), port.wire)

    def stop(self, dataplane: EngineDataplane) -> None:
        """Unplug an engine that has stopped; the other ends wait for a new one."""
        with self._lock:
            for name, ends in list(self._ends.items()):
                left = [(end, table) for end, table in ends if end.dataplane is not dataplane]
                if len(left) < len(ends) and name in self._wires:
                    self._wires.pop(name).close()
                self._ends[name] = left

    def _plug_in(self, end: End, table: WireEnd) -> None:
        ends = self._ends.setdefault(table.name, [])
        if len(ends) == 2:
            problem = f'two ports have the wire "{table.name}" already: choose another name'
            raise StartError(problem)
        if ends:
            other, first = ends[0]
            self._wires[table.name] = Wire(other, end, seed=first.seed)
        ends.append((end, table))
