"""From a function to a program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pyprov.conditions.bpf import LONGEST_JUMP
from pyprov.conditions.error import ConditionError
from pyprov.conditions.machine import Frame, Machine
from pyprov.conditions.number import CONTEXT, Number, emit
from pyprov.conditions.scope import REQUEST, Source
from pyprov.conditions.statements import block, returned

if TYPE_CHECKING:
    import ast
    from collections.abc import Mapping

    from pyprov.conditions.bpf import Code
    from pyprov.conditions.verdict import Verdict

_FLAT_FROM: Final = 2_000  # instructions visited before we try with fewer ways
_MOST_VISITS: Final = 500_000  # some 0.1 s of verification


@dataclass(frozen=True, slots=True)
class Program:
    """What the dataplane loads.

    Attributes:
        name: Of the function or object it was made from.
        code: eBPF instructions, 8 bytes each; the argument is a struct pv_condition_context.
        counters: Names of its counters, by number.
    """

    name: str
    code: bytes
    counters: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionCounts:
    """What the program of a listener has done since it was installed.

    Attributes:
        verdicts: How often it said what.
        clamped: How often it returned something that is no verdict, taken for REJECT.
        forgotten: Token buckets that were in use and had to make room for other sources.
        counters: Its own, by name.
    """

    verdicts: Mapping[Verdict, int]
    clamped: int
    forgotten: int
    counters: Mapping[str, int]


def compile_source(source: Source) -> Program | None:
    """Compile a function; None if only others can call it.

    That is one which returns numbers, or takes more than the request. The latter is compiled where
    it is called, since what it is handed decides what it means.

    Raises:
        ConditionError: It cannot be compiled; says where, and what to write instead.
    """
    if len(source.parameters()) > 1:
        return None
    code, machine, is_verdict = _compile(source, flat=False)
    if code.visits > _FLAT_FROM:
        flat, flat_machine, _ = _compile(source, flat=True)
        if flat.visits < code.visits:
            code, machine = flat, flat_machine
    _check(source, code)
    return Program(source.name, code.data, tuple(machine.counters)) if is_verdict else None


def _check(source: Source, code: Code) -> None:
    error = None
    if code.visits > _MOST_VISITS:
        error = ConditionError(
            f"there are too many ways through {source.name}: "
            f"a verifier would look at {code.visits} instructions",
            "return earlier, or put fewer tests that only set a name one after the other",
        )
    elif code.longest > LONGEST_JUMP:
        error = ConditionError(f"{source.name} is too long", "look in fewer networks")
    if error is not None:
        source.blame(error, source.tree)
        raise error


def _compile(source: Source, *, flat: bool) -> tuple[Code, Machine, bool]:
    machine = Machine(flat=flat)
    answers: list[Number] = []
    slot = machine.new_slot()

    def on_return(statement: ast.Return, frame: Frame) -> None:
        found = returned(machine, frame, slot, statement)
        answers.append(found)
        if found.is_verdict != answers[0].is_verdict:
            raise ConditionError(
                "this returns a number, and elsewhere a verdict", "return one or the other"
            )
        emit(machine.asm, found)
        machine.asm.exit()

    frame = Frame(source, {source.parameters()[0]: REQUEST}, on_return)
    machine.asm.move(CONTEXT, 1)
    block(machine, frame, source.tree.body)
    if machine.asm.reachable:
        error = ConditionError(
            f"{source.name} may end without a verdict", "return one on every way"
        )
        source.blame(error, source.tree)
        raise error
    return machine.asm.finish(), machine, answers[0].is_verdict
