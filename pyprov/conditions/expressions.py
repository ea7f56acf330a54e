"""What an expression of a condition stands for."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from pyprov.conditions import number as numbers
from pyprov.conditions.error import ConditionError
from pyprov.conditions.layout import DATA_BYTES, DATA_OFFSET
from pyprov.conditions.number import Calculated, Constant, Load, Number, Slot
from pyprov.conditions.prefix import prefix
from pyprov.conditions.scope import Outer, Part, Thing, attribute, constant, look_up

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyprov.conditions.machine import Frame

_OPERATIONS: Final[dict[type[ast.operator], Callable[[Number, Number], Number]]] = {
    ast.Add: numbers.add,
    ast.Sub: numbers.subtract,
    ast.Mult: numbers.multiply,
    ast.FloorDiv: numbers.divide,
    ast.Mod: numbers.modulo,
    ast.BitAnd: numbers.bit_and,
    ast.BitOr: numbers.bit_or,
    ast.BitXor: numbers.bit_xor,
    ast.LShift: numbers.shift_left,
    ast.RShift: numbers.shift_right,
}

_CURES: Final[dict[type[ast.expr], tuple[str, str]]] = {
    ast.IfExp: ("`a if b else c` is not part of a condition's language", "write an `if` statement"),
    ast.Lambda: ("a lambda is not part of a condition's language", "call another @condition"),
    ast.JoinedStr: ("strings are not made in a condition", "write a constant"),
    ast.List: ("there are no lists in a condition", "write a tuple: (a, b)"),
    ast.Set: ("there are no sets in a condition", "write a tuple: (a, b)"),
    ast.NamedExpr: ("`:=` is not part of a condition's language", "assign before"),
    ast.Await: ("a condition does not wait", "ASK, and wait in the Python condition function"),
}
_MORE_OPERATORS: Final[dict[type[ast.operator], tuple[str, str]]] = {
    ast.Div: ("`/` makes a float", "write `//`"),
    ast.Pow: ("`**` is not part of a condition's language", "multiply, or shift with `<<`"),
}
QUESTIONS: Final = (ast.Compare, ast.BoolOp, ast.Call)


def thing(frame: Frame, node: ast.expr) -> Thing:
    """Return what an expression stands for.

    Raises:
        ConditionError: It is not part of the language; says where.
    """
    try:
        return _thing(frame, node)
    except ConditionError as error:
        frame.source.blame(error, node)
        raise


def number(frame: Frame, node: ast.expr) -> Number:
    """Return the number that an expression stands for.

    Raises:
        ConditionError: It is none.
    """
    found = thing(frame, node)
    if isinstance(found, Constant | Load | Slot | Calculated) and not found.is_verdict:
        return found
    what = "a verdict" if isinstance(found, Constant | Slot) else _name(found)
    error = ConditionError(f"{what} is no number", "use one of its numbers, or compare it")
    frame.source.blame(error, node)
    raise error


def known(frame: Frame, node: ast.expr, what: str) -> object:
    """Return the Python value of a constant expression.

    Raises:
        ConditionError: It is none.
    """
    match thing(frame, node):
        case Constant(value):
            return value
        case Outer(value):
            return value
    error = ConditionError(f"{what} must be known when the condition is made", "write a constant")
    frame.source.blame(error, node)
    raise error


def _name(found: Thing) -> str:
    match found:
        case Part(path):
            return f"req.{path}" if path else "the request"
        case Outer(value):
            return repr(value)
    return f"this {type(found).__name__.lower()}"


def _thing(frame: Frame, node: ast.expr) -> Thing:
    match node:
        case ast.Subscript(owner, index):
            return _subscript(frame, owner, index)
        case ast.UnaryOp(operator, operand):
            return _unary(frame, operator, operand)
        case ast.BinOp(left, operator, right):
            return _binary(frame, left, operator, right)
        case ast.Call(function, arguments, keywords):
            return _call(frame, function, arguments, keywords)
    return _leaf(frame, node)


def _leaf(frame: Frame, node: ast.expr) -> Thing:
    match node:
        case ast.Constant(value):
            return constant(value, "this")
        case ast.Name(name):
            return look_up(frame.source, frame.env, name)
        case ast.Attribute(owner, name):
            return attribute(thing(frame, owner), name)
        case ast.Tuple(members):
            return Outer(tuple(known(frame, member, "a member") for member in members))
        case ast.Compare() | ast.BoolOp():
            raise ConditionError("this is no part of a calculation", "give it a name first")
    problem = f"{type(node).__name__} is not part of a condition's language"
    raise ConditionError(*_CURES.get(type(node), (problem, "write it with what is")))


def _subscript(frame: Frame, owner: ast.expr, index: ast.expr) -> Thing:
    found = thing(frame, owner)
    at = known(frame, index, "an index")
    if isinstance(found, Part) and found.path == "data":
        if isinstance(at, int) and 0 <= at < DATA_BYTES:
            return Load(DATA_OFFSET + at, 1, 0, 255)
        raise ConditionError(
            f"a condition sees the first {DATA_BYTES} bytes of caller data", "write a lesser index"
        )
    if isinstance(found, Outer) and isinstance(found.value, tuple) and isinstance(at, int):
        if -len(found.value) <= at < len(found.value):
            return constant(found.value[at], "this")
        raise ConditionError(f"the tuple has {len(found.value)} members", "write a lesser index")
    raise ConditionError(f"{_name(found)} has no members", "index req.data or a constant tuple")


def _unary(frame: Frame, operator: ast.unaryop, operand: ast.expr) -> Thing:
    match operator:
        case ast.USub():
            return numbers.subtract(Constant(0), number(frame, operand))
        case ast.UAdd():
            return numbers.add(Constant(0), number(frame, operand))
        case ast.Invert():
            return numbers.subtract(Constant(-1), number(frame, operand))
    raise ConditionError("this is no part of a calculation", "give it a name first")


def _binary(frame: Frame, left: ast.expr, operator: ast.operator, right: ast.expr) -> Thing:
    operation = _OPERATIONS.get(type(operator))
    if operation is None:
        unknown = ("this operator is not part of a condition's language", "use + - * // % & | ^")
        raise ConditionError(*_MORE_OPERATORS.get(type(operator), unknown))
    return operation(number(frame, left), number(frame, right))


def _call(
    frame: Frame, function: ast.expr, arguments: list[ast.expr], keywords: list[ast.keyword]
) -> Thing:
    called = thing(frame, function)
    maker = called.value if isinstance(called, Outer) and not keywords else None
    if maker is prefix or maker is range:
        values = [known(frame, argument, "an argument") for argument in arguments]
        try:
            return Outer(_make_range(values) if maker is range else prefix(*map(str, values)))
        except (TypeError, ValueError) as error:
            raise ConditionError(str(error), "mend the arguments") from None
    raise ConditionError(
        "a condition calls only @condition functions, req.per_source and req.counter, "
        "and these as no part of a calculation",
        "give the result a name first, or ASK",
    )


def _make_range(values: list[object]) -> range:
    numbers_only = [value for value in values if isinstance(value, int)]
    if len(numbers_only) != len(values):
        raise TypeError("range(...) takes numbers")
    return range(*numbers_only)
