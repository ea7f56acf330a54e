"""What the names in a condition mean, and what they stand for while it is compiled."""

from __future__ import annotations

import ast
import builtins
import inspect
import linecache
import textwrap
import types
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeAlias

from pyprov.conditions.error import ConditionError
from pyprov.conditions.layout import ADDRESSES, FIELDS, METHODS, PARTS
from pyprov.conditions.number import Constant, Load, Number, Slot
from pyprov.conditions.prefix import Prefix
from pyprov.conditions.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Part:
    """The request, or something in it that leads to numbers: `syn`, `qos.sending`."""

    path: str


@dataclass(frozen=True, slots=True)
class Address:
    """One of the two addresses: 16 bytes at `offset` of the context."""

    offset: int


@dataclass(frozen=True, slots=True)
class Method:
    """per_source or counter."""

    name: str


@dataclass(frozen=True, slots=True)
class Outer:
    """A constant of another kind than a number: str, tuple, range, Prefix, module, function."""

    value: object


@dataclass(frozen=True, slots=True)
class Torn:
    """A name that means different things, no numbers, depending on the way that led here."""


Thing: TypeAlias = Number | Part | Address | Method | Outer | Torn

REQUEST: Final = Part("")
_UNKNOWN: Final = object()


@dataclass(frozen=True, slots=True)
class Source:
    """A function's text.

    Attributes:
        filename: Where it stands.
        first_line: The line in which `tree` begins.
        indent: What was taken off each line before it was parsed.
        tree: The function.
        outer: What the names mean that the function does not give a value to.
        own: The names that it does.
    """

    name: str
    filename: str
    first_line: int
    indent: int
    tree: ast.FunctionDef
    outer: Mapping[str, object]
    own: frozenset[str]

    def parameters(self) -> list[str]:
        """Return the names of its parameters, the request's first.

        Raises:
            ConditionError: It takes more than plain parameters, or none.
        """
        given = self.tree.args
        special = [*given.kwonlyargs, *given.defaults, *given.kw_defaults]
        if given.vararg or given.kwarg or special or not given.args:
            problem = f"{self.name} does not take just a request and plain parameters"
            error = ConditionError(problem, f"write `def {self.name}(req)`")
            self.blame(error, self.tree)
            raise error
        return [argument.arg for argument in (*given.posonlyargs, *given.args)]

    def assignments(self, name: str) -> int:
        """Return how many times a name is given a value in the text."""
        return sum(
            isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)
            for node in ast.walk(self.tree)
        )

    def blame(self, error: ConditionError, node: ast.expr | ast.stmt) -> None:
        """Say where an error is."""
        error.at(self.filename, node, self.first_line, self.indent)


class Inlinable:
    """What another condition may call: it has the text of a function."""

    source: Source


def read(function: object) -> Source:
    """Get the text of a function and what its outer names stand for.

    Raises:
        ConditionError: There is no text, or it is no plain function.
    """
    if not isinstance(function, types.FunctionType):
        raise ConditionError(f"{function!r} is no function", "decorate a `def`")
    code = function.__code__
    linecache.checkcache(code.co_filename)
    try:
        lines, first = inspect.getsourcelines(function)
    except OSError:
        raise ConditionError(
            f"the text of {code.co_name} cannot be read", "put it into a file"
        ) from None
    text = "".join(lines)
    indent = len(text) - len(text.lstrip())
    tree = ast.parse(textwrap.dedent(text)).body[0] if text.lstrip()[:1] in "@d" else None
    if not isinstance(tree, ast.FunctionDef):
        raise ConditionError("this is no plain function", "write a `def`, neither lambda nor async")
    outer = {**function.__globals__}
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            outer[name] = cell.cell_contents
        except ValueError:
            outer.pop(name, None)
    own = frozenset(code.co_varnames) | frozenset(code.co_cellvars)
    return Source(code.co_name, code.co_filename, first, indent, tree, outer, own)


def look_up(source: Source, env: Mapping[str, Thing], name: str) -> Thing:
    """Return what a name stands for.

    Raises:
        ConditionError: It has no value (on every way that leads here).
    """
    if name in env:
        found = env[name]
        if isinstance(found, Torn):
            raise ConditionError(
                f"{name!r} does not mean the same on every way that leads here",
                "let it be a number, or use what it stands for itself",
            )
        if isinstance(found, Slot) and found.low == found.high:
            return Constant(found.low, found.is_bool, found.is_verdict)
        return found
    if name in source.own:
        raise ConditionError(
            f"{name!r} does not have a value on every way that leads here",
            "give it one before the `if`",
        )
    value = source.outer.get(name, getattr(builtins, name, _UNKNOWN))
    if value is _UNKNOWN:
        raise ConditionError(f"{name!r} is not known when the condition is made", "define it above")
    return constant(value, name)


def attribute(thing: Thing, name: str) -> Thing:
    """Return what `thing.name` stands for.

    Raises:
        ConditionError: There is no such thing.
    """
    match thing:
        case Part(path):
            return _of_request(path, name)
        case Outer(types.ModuleType() | type() as owner):
            value = getattr(owner, name, _UNKNOWN)
            if value is not _UNKNOWN:
                return constant(value, name)
    raise ConditionError(
        f"there is no {name!r} here", "use the attributes of ConnectionRequest, or a constant"
    )


def _of_request(path: str, name: str) -> Thing:
    full = f"{path}.{name}" if path else name
    if full in FIELDS:
        found = FIELDS[full]
        return Load(found.offset, found.size, 0, found.top, found.is_bool)
    if full in ADDRESSES:
        return Address(ADDRESSES[full])
    if full in PARTS:
        return Part(full)
    if full in METHODS:
        return Method(full)
    known = sorted(
        {
            p.removeprefix(f"{path}." if path else "").partition(".")[0]
            for p in (*FIELDS, *ADDRESSES, *METHODS)
            if p.startswith(f"{path}." if path else "")
        }
    )
    what = f"req.{path}" if path else "the request"
    raise ConditionError(f"{what} has no {name!r}", f"there are {', '.join(known)}")


def constant(value: object, name: str) -> Thing:
    """Return what a value from outside stands for.

    Raises:
        ConditionError: It is none that a condition can use.
    """
    match value:
        case bool():
            return Constant(int(value), is_bool=True)
        case Verdict():
            return Constant(int(value), is_verdict=True)
        case int() if -(2**63) <= value < 2**63:
            return Constant(int(value))
        case str() | tuple() | range() | Prefix() | types.ModuleType() | Enum():
            return Outer(value)
        case _ if callable(value):
            return Outer(value)
    raise ConditionError(
        f"{name} is {value!r}, which no condition can use",
        "use numbers of 64 bits, strings, tuples of these, and prefix(...)",
    )
