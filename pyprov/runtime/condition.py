"""Programs of compiled conditions in the dataplane."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from pyprov._dataplane import ffi, lib
from pyprov.conditions import ConditionCounts, Verdict
from pyprov.core.port import DataplaneError
from pyprov.runtime.failure import StartError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyprov._dataplane import Condition, Engine
    from pyprov.conditions import ConnectionRequest, Program

_ERROR_SIZE: Final = 512
_INSTRUCTION: Final = 8


class VerifierError(DataplaneError):
    """The verifier refuses a program.

    Attributes:
        reason: What it said.
    """

    __slots__ = ("reason",)

    def __init__(self, program: Program, reason: str) -> None:
        super().__init__(-errno.EINVAL, f"load {program.name}")
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.verb}: {self.reason}"


def load(program: Program, workers: int) -> Condition:
    """Verify a program and make it native, for an engine of so many workers.

    Raises:
        VerifierError: The verifier refuses it.
        StartError: No memory.
    """
    made, err = ffi.new("struct pv_condition **"), ffi.new("char[]", _ERROR_SIZE)
    code = ffi.from_buffer(program.code)
    n = len(program.code) // _INSTRUCTION
    error = lib.pv_condition_load(code, n, workers, made, err, _ERROR_SIZE)
    if error == -errno.EINVAL:
        raise VerifierError(program, ffi.string(err).decode())
    if error:
        raise StartError("no memory for the tables of a condition")
    return made[0]


def counts(engine: Engine, listener: int, names: Sequence[str]) -> ConditionCounts | None:
    """Read what the program of a listener has done; None: it has none."""
    out = ffi.new("uint64_t[]", lib.PV_CONDITION_STATS)
    error = lib.pv_listener_condition_stats(engine, listener, out)
    if error == -errno.ENOENT:
        return None
    if error:
        raise DataplaneError(error, "condition_counts")
    own = lib.PV_CONDITION_OWN
    return ConditionCounts(
        verdicts={verdict: out[verdict] for verdict in Verdict},
        clamped=out[lib.PV_CONDITION_CLAMPED],
        forgotten=out[lib.PV_CONDITION_FORGOTTEN],
        counters={name: out[own + i] for i, name in enumerate(names)},
    )


class Runner:
    """A program outside of any engine: for tests, and to see what a decision costs."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._condition = load(program, 1)

    def close(self) -> None:
        """Free it."""
        lib.pv_condition_free(self._condition)

    def run(self, contexts: bytes) -> bytes:
        """Decide requests that lie one behind the other as ConnectionRequest.pack made them."""
        out = bytearray(len(contexts) // ffi.sizeof("struct pv_condition_context"))
        requests = ffi.from_buffer("struct pv_condition_context[]", contexts)
        verdicts = ffi.from_buffer("uint8_t[]", out, require_writable=True)
        lib.pv_condition_run(self._condition, requests, verdicts, len(out))
        return bytes(out)

    def decide(self, requests: Sequence[ConnectionRequest]) -> list[Verdict]:
        """Decide requests in turn."""
        packed = b"".join(request.pack() for request in requests)
        return [Verdict(verdict) for verdict in self.run(packed)]

    def counters(self) -> dict[str, int]:
        """Read its own counters."""
        out = ffi.new("uint64_t[]", lib.PV_CONDITION_STATS)
        lib.pv_condition_stats(self._condition, out)
        return {
            name: out[lib.PV_CONDITION_OWN + i] for i, name in enumerate(self._program.counters)
        }
