"""Calls in a condition: of the worker's functions, and of other conditions, which are inlined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from pyprov.conditions import bpf
from pyprov.conditions.error import ConditionError
from pyprov.conditions.expressions import known, thing
from pyprov.conditions.machine import DEEPEST, Frame, Machine
from pyprov.conditions.number import CONTEXT, Calculated, Constant, Load, Slot, emit
from pyprov.conditions.scope import REQUEST, Inlinable, Method

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable

    from pyprov.conditions.bpf import Label
    from pyprov.conditions.machine import OnReturn
    from pyprov.conditions.scope import Source, Thing

# Numbers of the worker's functions, in the order of its table (dataplane/tcp/condition.c).
PER_SOURCE: Final = 0
COUNT: Final = 1

_LIMITS: Final = {"rate": 1_000_000_000, "burst": 1_000_000}

Ask: TypeAlias = "Callable[[Machine, Frame, ast.expr, Label, Label], None]"
Block: TypeAlias = "Callable[[Machine, Frame, list[ast.stmt]], None]"


def ask_per_source(
    machine: Machine, frame: Frame, method: Method, call: ast.Call, yes: Label, no: Label
) -> None:
    """Jump to one of two labels, whether the source had a token or not."""
    if method.name != "per_source":
        raise ConditionError("counter() answers nothing", "let it stand for itself")
    rate, burst = (_limit(frame, call, name, i) for i, name in enumerate(_LIMITS))
    asm = machine.asm
    asm.move(1, CONTEXT)
    asm.constant(2, rate)
    asm.constant(3, burst)
    asm.call(PER_SOURCE)
    asm.branch_constant(bpf.JNE, 0, yes, 0)
    asm.jump(no)


def _limit(frame: Frame, call: ast.Call, name: str, position: int) -> int:
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    if len(call.args) > position:
        given[name] = call.args[position]
    if name not in given or len(call.args) + len(call.keywords) != len(_LIMITS):
        raise ConditionError(
            "per_source takes a rate and a burst", "write per_source(rate=100, burst=200)"
        )
    value = known(frame, given[name], name)
    if not isinstance(value, int) or not 1 <= value <= _LIMITS[name]:
        raise ConditionError(
            f"a {name} of {value!r} cannot be had", f"write a number from 1 to {_LIMITS[name]}"
        )
    return value


def count(machine: Machine, frame: Frame, call: ast.Call) -> None:
    """Count one; the result is nothing."""
    if len(call.args) != 1 or call.keywords:
        raise ConditionError("counter takes a name", 'write req.counter("name")')
    name = known(frame, call.args[0], "a counter's name")
    if not isinstance(name, str):
        raise ConditionError(f"{name!r} names no counter", 'write req.counter("name")')
    asm = machine.asm
    asm.move(1, CONTEXT)
    asm.constant(2, machine.counter(name))
    asm.call(COUNT)


def ask_helper(
    machine: Machine,
    frame: Frame,
    helper: Inlinable,
    call: ast.Call,
    labels: tuple[Label, Label],
    ask: Ask,
) -> None:
    """Jump to one of two labels, whether what another condition returns is true or not."""

    def on_return(statement: ast.Return, inner: Frame) -> None:
        if statement.value is None:
            raise ConditionError("this returns nothing", "return True or False")
        ask(machine, inner, statement.value, *labels)

    inline(machine, frame, helper, call, on_return)


def inline(
    machine: Machine, frame: Frame, helper: Inlinable, call: ast.Call, on_return: OnReturn
) -> None:
    """Compile another condition's text here."""
    from pyprov.conditions.statements import block  # noqa: PLC0415 # each needs the other

    source = helper.source
    if machine.depth == DEEPEST:
        raise ConditionError(f"conditions call each other {DEEPEST} deep", "call fewer")
    machine.depth += 1
    inner = Frame(source, {}, on_return)
    slots = machine.slots
    for name, value in _arguments(frame, source, call).items():
        inner.env[name] = _bind(machine, inner, name, value)
    block(machine, inner, source.tree.body)
    if machine.asm.reachable:
        error = ConditionError(f"{source.name} may end without a return", "return on every way")
        source.blame(error, source.tree)
        raise error
    machine.slots = slots
    machine.depth -= 1


def _arguments(frame: Frame, source: Source, call: ast.Call) -> dict[str, Thing]:
    names = source.parameters()
    given = dict(zip(names, call.args, strict=False))
    given.update({keyword.arg: keyword.value for keyword in call.keywords if keyword.arg})
    many = len(call.args) + len(call.keywords)
    if set(given) != set(names) or many != len(names):
        raise ConditionError(
            f"{source.name} takes {', '.join(names)}", "give it these and nothing else"
        )
    found = {name: thing(frame, given[name]) for name in names}
    if found[names[0]] != REQUEST:
        raise ConditionError(f"{source.name} takes the request first", "hand it on")
    return found


def _bind(machine: Machine, inner: Frame, name: str, value: Thing) -> Thing:
    """Let a parameter stand for an argument; what is calculated or changed gets a place."""
    if not isinstance(value, Constant | Load | Slot | Calculated):
        return value
    if not isinstance(value, Calculated) and not inner.source.assignments(name):
        return value
    slot = inner.slot(machine, name)
    machine.asm.store(slot, emit(machine.asm, value))
    return Slot(slot, value.low, value.high, value.is_bool, value.is_verdict)
