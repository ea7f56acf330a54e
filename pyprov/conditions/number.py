"""Numbers of a condition while it is compiled: where they come from, and between what they lie.

Python's integers have no bounds, the program's have 64 bits. So each number carries the least and
the greatest value it can have, worked out from the fields it is made of, and what could leave 64
bits is an error. Within them both calculate alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from pyprov.conditions import bpf
from pyprov.conditions.error import ConditionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyprov.conditions.bpf import Assembler

REGISTERS: Final = (0, 1, 2, 3, 4, 5, 7, 8, 9)  # those an expression is calculated in
CONTEXT: Final = 6  # the register that keeps the context

_LEAST, _GREATEST = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True)
class Constant:
    """Known now."""

    low: int
    is_bool: bool = False
    is_verdict: bool = False

    @property
    def high(self) -> int:
        """The same as `low`."""
        return self.low


@dataclass(frozen=True, slots=True)
class Load:
    """Read from the context."""

    offset: int
    size: int
    low: int
    high: int
    is_bool: bool = False
    is_verdict: bool = False


@dataclass(frozen=True, slots=True)
class Slot:
    """Kept on the stack."""

    slot: int
    low: int
    high: int
    is_bool: bool = False
    is_verdict: bool = False


@dataclass(frozen=True, slots=True)
class Calculated:
    """Made of two others by an instruction."""

    opcode: int
    left: Number
    right: Number
    low: int
    high: int
    is_bool: bool = False
    is_verdict: bool = False


Number: TypeAlias = Constant | Load | Slot | Calculated


def emit(asm: Assembler, number: Number, depth: int = 0) -> int:
    """Calculate a number; returns the register that has it then."""
    if depth >= len(REGISTERS):
        raise ConditionError("this nests too deep", "give a part of it a name first")
    register = REGISTERS[depth]
    match number:
        case Constant(value):
            asm.constant(register, value)
        case Load(offset, size):
            asm.load(register, CONTEXT, offset, size)
        case Slot(slot):
            asm.fetch(register, slot)
        case Calculated(opcode, left, right):
            emit(asm, left, depth)
            if isinstance(right, Constant) and bpf.fits(right.low):
                asm.alu_constant(opcode, register, right.low)
            else:
                asm.alu(opcode, register, src=emit(asm, right, depth + 1))
    return register


def raw(opcode: int, left: Number, right: Number) -> Calculated:
    """Combine two words of 64 bits whose value as a number does not matter."""
    return Calculated(opcode, left, right, _LEAST, _GREATEST)


def _made(opcode: int, left: Number, right: Number, low: int, high: int) -> Number:
    if low < _LEAST or high > _GREATEST:
        raise ConditionError(
            f"this can be anything from {low} to {high}, which 64 bits do not hold",
            "calculate with smaller numbers, or cut one down with & or % first",
        )
    if low == high:
        return Constant(low)
    return Calculated(opcode, left, right, low, high)


def _corners(left: Number, right: Number, f: Callable[[int, int], int]) -> tuple[int, int]:
    """Return the bounds of a function that is monotonic in both of its arguments."""
    values = [f(a, b) for a in (left.low, left.high) for b in (right.low, right.high)]
    return min(values), max(values)


def add(left: Number, right: Number) -> Number:
    """Return left + right."""
    return _made(bpf.ADD, left, right, left.low + right.low, left.high + right.high)


def subtract(left: Number, right: Number) -> Number:
    """Return left - right."""
    return _made(bpf.SUB, left, right, left.low - right.high, left.high - right.low)


def multiply(left: Number, right: Number) -> Number:
    """Return left * right."""
    return _made(bpf.MUL, left, right, *_corners(left, right, lambda a, b: a * b))


def _check_divisor(right: Number) -> None:
    if right.low <= 0:
        raise ConditionError(
            "the divisor can be 0 or less", "divide by something positive, `x + 1` or `x | 1`"
        )


def divide(left: Number, right: Number) -> Number:
    """Return left // right, for what is greater than 0."""
    _check_divisor(right)
    low, high = _corners(left, right, lambda a, b: a // b)
    if left.low >= 0:
        return _made(bpf.DIV, left, right, low, high)
    # Towards minus infinity: the quotient of ~left, inverted, where left is negative.
    sign = raw(bpf.ARSH, left, Constant(63))
    quotient = raw(bpf.DIV, raw(bpf.XOR, left, sign), right)
    return _made(bpf.XOR, quotient, sign, low, high)


def modulo(left: Number, right: Number) -> Number:
    """Return left % right, for what is greater than 0."""
    _check_divisor(right)
    if _both_known(left, right):
        return Constant(left.low % right.low)
    if left.low >= 0:
        return _made(bpf.MOD, left, right, 0, min(right.high - 1, left.high))
    back = raw(bpf.MUL, divide(left, right), right)
    return _made(bpf.SUB, left, back, 0, right.high - 1)


def _bits(left: Number, right: Number) -> int:
    return max(abs(value).bit_length() for n in (left, right) for value in (n.low, n.high))


def _widest(left: Number, right: Number) -> tuple[int, int]:
    """Return the bounds of what any bitwise operation can make of two numbers."""
    bits = min(_bits(left, right), 63)
    return (-(1 << bits) if min(left.low, right.low) < 0 else 0), (1 << bits) - 1


def _both_known(left: Number, right: Number) -> bool:
    return left.low == left.high and right.low == right.high


def bit_and(left: Number, right: Number) -> Number:
    """Return left & right; it is no greater than either that is not negative."""
    if _both_known(left, right):
        return Constant(left.low & right.low)
    tops = [n.high for n in (left, right) if n.low >= 0]
    low, high = (0, min(tops)) if tops else _widest(left, right)
    return _made(bpf.AND, left, right, low, high)


def bit_or(left: Number, right: Number) -> Number:
    """Return left | right; it is no less than either if none is negative."""
    if _both_known(left, right):
        return Constant(left.low | right.low)
    low, high = _widest(left, right)
    return _made(bpf.OR, left, right, max(left.low, right.low) if low == 0 else low, high)


def bit_xor(left: Number, right: Number) -> Number:
    """Return left ^ right."""
    if _both_known(left, right):
        return Constant(left.low ^ right.low)
    return _made(bpf.XOR, left, right, *_widest(left, right))


def _check_shift(right: Number) -> None:
    if right.low < 0 or right.high > 63:
        raise ConditionError(
            f"this can shift by anything from {right.low} to {right.high} bits",
            "shift by 0 to 63 bits; `& 63` cuts a number down to that",
        )


def shift_left(left: Number, right: Number) -> Number:
    """Return left << right."""
    _check_shift(right)
    return _made(bpf.LSH, left, right, *_corners(left, right, lambda a, b: a << b))


def shift_right(left: Number, right: Number) -> Number:
    """Return left >> right."""
    _check_shift(right)
    return _made(bpf.ARSH, left, right, *_corners(left, right, lambda a, b: a >> b))
