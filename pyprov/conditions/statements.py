"""The statements of a condition."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from pyprov.conditions.bpf import Label
from pyprov.conditions.calls import count, inline
from pyprov.conditions.error import ConditionError
from pyprov.conditions.expressions import QUESTIONS, known, number, thing
from pyprov.conditions.number import Calculated, Constant, Load, Number, Slot, emit
from pyprov.conditions.questions import ask
from pyprov.conditions.scope import Inlinable, Method, Outer, Thing, Torn, constant

if TYPE_CHECKING:
    from pyprov.conditions.machine import Frame, Machine

_CURES: Final[dict[type[ast.stmt], tuple[str, str]]] = {
    ast.While: ("the verifier allows no loop without a bound", "loop over range(...) or a tuple"),
    ast.Break: ("loops are unrolled", "loop in another @condition function, and return from it"),
    ast.Continue: ("loops are unrolled", "put the rest of the body into an `if`"),
    ast.Try: ("nothing in a condition raises", "take the try away"),
    ast.Raise: ("a condition cannot raise", "return REJECT, and count it"),
    ast.Assert: ("a condition cannot raise", "write an `if`"),
    ast.Import: ("a condition cannot import", "import outside of it"),
    ast.ImportFrom: ("a condition cannot import", "import outside of it"),
    ast.FunctionDef: ("functions are not made in a condition", "define it outside"),
    ast.Global: ("a condition keeps nothing", "use per_source or counter, or ASK"),
    ast.Nonlocal: ("a condition keeps nothing", "use per_source or counter, or ASK"),
    ast.AnnAssign: ("annotations are not part of a condition's language", "write `name = value`"),
}


def block(machine: Machine, frame: Frame, statements: list[ast.stmt]) -> None:
    """Compile statements up to the first that does not let go on.

    Raises:
        ConditionError: One is not part of the language; says where.
    """
    for node in statements:
        if not machine.asm.reachable:
            return
        try:
            machine.check_size()
            _statement(machine, frame, node)
        except ConditionError as error:
            frame.source.blame(error, node)
            raise


def _statement(machine: Machine, frame: Frame, node: ast.stmt) -> None:
    match node:
        case ast.Return(value):
            _return(machine, frame, node, value)
        case ast.If():
            _if(machine, frame, node)
        case ast.For():
            _for(machine, frame, node)
        case ast.Assign([ast.Name(name)], value):
            _assign(machine, frame, name, value)
        case ast.Assign():
            raise ConditionError("only names can be assigned to", "write `name = value`")
        case ast.AugAssign(ast.Name(name) as target, operator, value):
            read = ast.copy_location(ast.Name(name, ast.Load()), target)
            whole = ast.copy_location(ast.BinOp(read, operator, value), node)
            _assign(machine, frame, name, whole)
        case ast.Expr(ast.Constant()) | ast.Pass():
            return
        case ast.Expr(ast.Call() as call):
            _expression(machine, frame, call)
        case _:
            unknown = f"{type(node).__name__} is not part of a condition's language"
            raise ConditionError(*_CURES.get(type(node), (unknown, "write it with what is")))


def _helper(frame: Frame, node: ast.expr | None) -> Inlinable | None:
    """Return the condition that an expression calls, if that is what it does."""
    if isinstance(node, ast.Call):
        called = thing(frame, node.func)
        if isinstance(called, Outer) and isinstance(called.value, Inlinable):
            return called.value
    return None


def _return(machine: Machine, frame: Frame, node: ast.Return, value: ast.expr | None) -> None:
    helper = _helper(frame, value)
    if helper is not None and isinstance(value, ast.Call):
        inline(machine, frame, helper, value, frame.on_return)
    else:
        frame.on_return(node, frame)


def _expression(machine: Machine, frame: Frame, call: ast.Call) -> None:
    called = thing(frame, call.func)
    if isinstance(called, Method) and called.name == "counter":
        count(machine, frame, call)
        return
    after = Label()
    ask(machine, frame, call, after, after)
    machine.asm.place(after)


def _if(machine: Machine, frame: Frame, node: ast.If) -> None:
    asm = machine.asm
    yes, no, end = Label(), Label(), Label()
    before = dict(frame.env)
    ask(machine, frame, node.test, yes, no)
    ways = []
    for label, body in ((yes, node.body), (no, node.orelse)):
        if asm.used(label):
            asm.place(label)
            frame.env = dict(before)
            block(machine, frame, body)
            if asm.reachable:
                ways.append(frame.env)
                asm.jump(end)
    asm.place(end)
    if ways:
        frame.env = _merge(*ways)


def _merge(one: dict[str, Thing], *others: dict[str, Thing]) -> dict[str, Thing]:
    """Return what names stand for where two ways meet."""
    for other in others:
        one = {name: _meet(one[name], other[name]) for name in one if name in other}
    return one


def _meet(one: Thing, other: Thing) -> Thing:
    if one == other:
        return one
    match one, other:
        case Slot(), Slot() if one.slot == other.slot and one.is_verdict == other.is_verdict:
            low, high = min(one.low, other.low), max(one.high, other.high)
            return Slot(one.slot, low, high, one.is_bool and other.is_bool, one.is_verdict)
    return Torn()


def _for(machine: Machine, frame: Frame, node: ast.For) -> None:
    if node.orelse or not isinstance(node.target, ast.Name):
        raise ConditionError("this kind of loop is not unrolled", "write `for name in ...:`")
    over = known(frame, node.iter, "what is looped over")
    if not isinstance(over, tuple | range):
        raise ConditionError("loops go over constants", "loop over range(...) or a tuple")
    name = node.target.id
    for value in over:
        if not machine.asm.reachable:
            return
        machine.check_size()
        member = constant(value, "this")
        if frame.source.assignments(name) == 1:
            frame.env[name] = member  # it stands for that, and needs no place
        else:
            _keep(machine, frame, name, member)
        block(machine, frame, node.body)


def _assign(machine: Machine, frame: Frame, name: str, node: ast.expr) -> None:
    helper = _helper(frame, node)
    if helper is not None and isinstance(node, ast.Call):
        _assign_result(machine, frame, name, helper, node)
    elif is_question(frame, node):
        frame.env[name] = _answer(machine, frame, frame.slot(machine, name), node)
    else:
        _keep(machine, frame, name, thing(frame, node))


def _keep(machine: Machine, frame: Frame, name: str, value: Thing) -> None:
    """Let a name stand for something; numbers go to its place on the stack."""
    if isinstance(value, Constant | Load | Slot | Calculated):
        value = _store(machine, frame.slot(machine, name), value)
    frame.env[name] = value


def _store(machine: Machine, slot: int, value: Number) -> Slot:
    machine.asm.store(slot, emit(machine.asm, value))
    return Slot(slot, value.low, value.high, value.is_bool, value.is_verdict)


def is_question(frame: Frame, node: ast.expr) -> bool:
    """Say whether an expression is answered by jumps: comparisons, and, or, not, per_source."""
    if isinstance(node, ast.Call):
        return isinstance(thing(frame, node.func), Method)
    return isinstance(node, QUESTIONS) or (
        isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    )


def _check_answer(frame: Frame, node: ast.expr) -> None:
    """As a value, `a and b` is one of the two: the same as the answer only if they are answers."""
    if isinstance(node, ast.BoolOp):
        for value in node.values:
            _check_answer(frame, value)
    elif not is_question(frame, node) and not number(frame, node).is_bool:
        error = ConditionError(
            "`and` and `or` of numbers make a number", "compare: write `x != 0` instead of `x`"
        )
        frame.source.blame(error, node)
        raise error


def _answer(machine: Machine, frame: Frame, slot: int, node: ast.expr) -> Slot:
    """Keep the answer to a question as False or True."""
    _check_answer(frame, node)
    asm = machine.asm
    yes, no, end = Label(), Label(), Label()
    ask(machine, frame, node, yes, no)
    answers = []
    for label, value in ((yes, 1), (no, 0)):
        if asm.used(label):
            asm.place(label)
            _store(machine, slot, Constant(value))
            answers.append(value)
            asm.jump(end)
    asm.place(end)
    return Slot(slot, min(answers), max(answers), is_bool=True)


def _assign_result(
    machine: Machine, frame: Frame, name: str, helper: Inlinable, call: ast.Call
) -> None:
    slot = frame.slot(machine, name)
    end = Label()
    results: list[dict[str, Thing]] = []

    def on_return(statement: ast.Return, inner: Frame) -> None:
        value = returned(machine, inner, slot, statement)
        results.append({name: _store(machine, slot, value)})
        machine.asm.jump(end)

    inline(machine, frame, helper, call, on_return)
    machine.asm.place(end)
    frame.env[name] = _merge(*results)[name]


def returned(machine: Machine, frame: Frame, slot: int, statement: ast.Return) -> Number:
    """Return what a function returns; the answer to a question is kept in the slot.

    Raises:
        ConditionError: It is no number and no verdict.
    """
    if statement.value is None:
        raise ConditionError("this returns nothing", "return a verdict, or a number")
    if is_question(frame, statement.value):
        return _answer(machine, frame, slot, statement.value)
    value = thing(frame, statement.value)
    if isinstance(value, Constant | Load | Slot | Calculated):
        return value
    raise ConditionError("this is neither a verdict nor a number", "return one of these")
