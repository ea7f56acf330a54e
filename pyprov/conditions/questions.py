"""Yes or no: the tests of a condition become jumps."""

from __future__ import annotations

import ast
import operator
from typing import TYPE_CHECKING, Final

from pyprov.conditions import bpf, members
from pyprov.conditions.bpf import Label
from pyprov.conditions.calls import ask_helper, ask_per_source
from pyprov.conditions.error import ConditionError
from pyprov.conditions.expressions import known, number, thing
from pyprov.conditions.number import REGISTERS, Calculated, Constant, Load, Number, Slot, emit, raw
from pyprov.conditions.scope import Address, Inlinable, Method, Outer

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyprov.conditions.machine import Frame, Machine

# opcode, and what it says about known numbers
_COMPARISONS: Final[dict[type[ast.cmpop], tuple[int, Callable[[int, int], bool]]]] = {
    ast.Eq: (bpf.JEQ, operator.eq),
    ast.NotEq: (bpf.JNE, operator.ne),
    ast.Lt: (bpf.JSLT, operator.lt),
    ast.LtE: (bpf.JSLE, operator.le),
    ast.Gt: (bpf.JSGT, operator.gt),
    ast.GtE: (bpf.JSGE, operator.ge),
}


def ask(machine: Machine, frame: Frame, node: ast.expr, yes: Label, no: Label) -> None:
    """Jump to one of two labels, whether an expression is true or not.

    Raises:
        ConditionError: It is not part of the language; says where.
    """
    try:
        _ask(machine, frame, node, yes, no)
    except ConditionError as error:
        frame.source.blame(error, node)
        raise


def _ask(machine: Machine, frame: Frame, node: ast.expr, yes: Label, no: Label) -> None:
    match node:
        case ast.BoolOp(ast.And(), values):
            _all(machine, frame, values, yes, no)
        case ast.BoolOp(ast.Or(), values):
            _any(machine, frame, values, yes, no)
        case ast.UnaryOp(ast.Not(), operand):
            ask(machine, frame, operand, no, yes)
        case ast.Compare(left, operators, comparators):
            _chain(machine, frame, [left, *comparators], operators, (yes, no))
        case ast.Call(function):
            called = thing(frame, function)
            if isinstance(called, Method):
                ask_per_source(machine, frame, called, node, yes, no)
            elif isinstance(called, Outer) and isinstance(called.value, Inlinable):
                ask_helper(machine, frame, called.value, node, (yes, no), ask)
            else:
                thing(frame, node)  # says what is wrong
                raise ConditionError("this is neither true nor false", "compare it with something")
        case _:
            _not_zero(machine, number(frame, node), yes, no)


def _all(machine: Machine, frame: Frame, values: list[ast.expr], yes: Label, no: Label) -> None:
    for value in values[:-1]:
        onward = Label()
        ask(machine, frame, value, onward, no)
        machine.asm.place(onward)
    ask(machine, frame, values[-1], yes, no)


def _any(machine: Machine, frame: Frame, values: list[ast.expr], yes: Label, no: Label) -> None:
    for value in values[:-1]:
        onward = Label()
        ask(machine, frame, value, yes, onward)
        machine.asm.place(onward)
    ask(machine, frame, values[-1], yes, no)


def _chain(
    machine: Machine,
    frame: Frame,
    operands: list[ast.expr],
    operators: list[ast.cmpop],
    labels: tuple[Label, Label],
) -> None:
    yes, no = labels
    for i, comparison in enumerate(operators):
        last = i == len(operators) - 1
        onward = yes if last else Label()
        _compare(machine, frame, comparison, (operands[i], operands[i + 1]), (onward, no))
        if not last:
            machine.asm.place(onward)


def _compare(
    machine: Machine,
    frame: Frame,
    comparison: ast.cmpop,
    operands: tuple[ast.expr, ast.expr],
    labels: tuple[Label, Label],
) -> None:
    yes, no = labels
    left, right = operands
    match comparison:
        case ast.In():
            _member(machine, frame, left, right, (yes, no))
        case ast.NotIn():
            _member(machine, frame, left, right, (no, yes))
        case ast.Is() | ast.IsNot():
            raise ConditionError("`is` is not part of a condition's language", "write `==`")
        case ast.Eq() if isinstance(thing(frame, left), Address):
            _same_address(machine, frame, left, right, (yes, no))
        case ast.NotEq() if isinstance(thing(frame, left), Address):
            _same_address(machine, frame, left, right, (no, yes))
        case _:
            opcode, known_answer = _COMPARISONS[type(comparison)]
            a, b = number(frame, left), number(frame, right)
            answers = {known_answer(x, y) for x in {a.low, a.high} for y in {b.low, b.high}} | (
                {False, True} if _overlap(a, b) and opcode in {bpf.JEQ, bpf.JNE} else set()
            )
            if len(answers) == 1:
                machine.asm.jump(yes if answers.pop() else no)
                return
            _branch(machine, opcode, a, b, yes)
            machine.asm.jump(no)


def _overlap(a: Number, b: Number) -> bool:
    """Can they be equal, and can they differ?"""
    return a.low <= b.high and b.low <= a.high and not a.low == a.high == b.low == b.high


def _branch(machine: Machine, opcode: int, left: Number, right: Number, target: Label) -> None:
    register = emit(machine.asm, left)
    if isinstance(right, Constant) and bpf.fits(right.low):
        machine.asm.branch_constant(opcode, register, target, right.low)
    else:
        machine.asm.branch(opcode, register, target, src=emit(machine.asm, right, 1))


def _branch_equal(machine: Machine, right: Number, target: Label) -> None:
    """Jump if the first register has this number."""
    if isinstance(right, Constant) and bpf.fits(right.low):
        machine.asm.branch_constant(bpf.JEQ, REGISTERS[0], target, right.low)
    else:
        machine.asm.branch(bpf.JEQ, REGISTERS[0], target, src=emit(machine.asm, right, 1))


def _not_zero(machine: Machine, value: Number, yes: Label, no: Label) -> None:
    if value.low == value.high:
        machine.asm.jump(yes if value.low else no)
        return
    machine.asm.branch_constant(bpf.JNE, emit(machine.asm, value), yes, 0)
    machine.asm.jump(no)


def _member(
    machine: Machine, frame: Frame, left: ast.expr, right: ast.expr, labels: tuple[Label, Label]
) -> None:
    found = thing(frame, left)
    container = known(frame, right, "what is looked in")
    if isinstance(found, Address):
        networks = members.networks(container)
        _one_is_zero(machine, [members.outside(found, network) for network in networks], labels)
        return
    value = number(frame, left)
    if isinstance(container, range) and container.step == 1:
        _within(machine, value, container, labels)
        return
    candidates = [n for n in members.numbers(container) if value.low <= n <= value.high]
    if isinstance(value, Constant):
        machine.asm.jump(labels[0] if candidates else labels[1])
    elif isinstance(value, Load | Slot) or machine.flat:
        _one_is_zero(machine, [raw(bpf.XOR, value, Constant(n)) for n in candidates], labels)
    else:
        kept = Slot(machine.new_slot(), value.low, value.high)
        machine.asm.store(kept.slot, emit(machine.asm, value))
        _one_is_zero(machine, [raw(bpf.XOR, kept, Constant(n)) for n in candidates], labels)


def _within(machine: Machine, value: Number, container: range, labels: tuple[Label, Label]) -> None:
    yes, no = labels
    if value.high < container.start or value.low >= container.stop or not container:
        machine.asm.jump(no)
        return
    if value.low < container.start:
        _branch(machine, bpf.JSLT, value, Constant(container.start), no)
    if value.high >= container.stop:
        _branch(machine, bpf.JSGE, value, Constant(container.stop), no)
    machine.asm.jump(yes)


def _same_address(
    machine: Machine, frame: Frame, left: ast.expr, right: ast.expr, labels: tuple[Label, Label]
) -> None:
    one, other = thing(frame, left), thing(frame, right)
    if isinstance(one, Address) and isinstance(other, Address):
        _one_is_zero(machine, [members.apart(one, other)], labels)
    elif isinstance(one, Address):
        network = members.host(known(frame, right, "an address"))
        _one_is_zero(machine, [members.outside(one, network)], labels)


def _one_is_zero(machine: Machine, words: list[Number], labels: tuple[Label, Label]) -> None:
    """Jump to the first label if one of the words is zero."""
    yes, no = labels
    asm = machine.asm
    if machine.flat and len(words) > 1:
        asm.branch_constant(bpf.JSGE, _none_is_zero(machine, words), yes, 0)
    else:
        there: Number | None = None  # what the first register has already
        for word in words:
            if isinstance(word, Calculated) and word.opcode == bpf.XOR:
                if word.left != there:
                    emit(asm, word.left)
                _branch_equal(machine, word.right, yes)
                there = word.left
            else:
                asm.branch_constant(bpf.JEQ, emit(asm, word), yes, 0)
                there = None
    asm.jump(no)


def _none_is_zero(machine: Machine, words: list[Number]) -> int:
    """Leave a word in a register that is negative if none of these is zero, without a jump."""
    asm = machine.asm
    all_of_them, word, negated = REGISTERS[:3]
    for i, value in enumerate(words):
        where = emit(asm, value, 1)
        asm.move(negated, where)
        asm.alu_constant(bpf.NEG, negated, 0)
        asm.alu(bpf.OR, where, src=negated)
        if i:
            asm.alu(bpf.AND, all_of_them, src=word)
        else:
            asm.move(all_of_them, word)
    return all_of_them
