"""@condition."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Generic, ParamSpec, TypeVar

from pyprov.conditions.program import compile_source
from pyprov.conditions.scope import Inlinable, read

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyprov.conditions.program import Program

P = ParamSpec("P")
R = TypeVar("R")


class Condition(Inlinable, Generic[P, R]):
    """A function of a connection request, as Python and as a program.

    Called, it runs as Python. Installed on a listener (SIO_SET_CONDITION), it runs in the workers.

    Attributes:
        source: Its text.
        program: What the workers run; None if it returns numbers and is only for other conditions
            to call.
    """

    def __init__(self, function: Callable[P, R]) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self.source = read(function)
        self.program: Program | None = compile_source(self.source)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run it as Python."""
        return self._function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<condition {self.source.name}>"


def condition(function: Callable[P, R]) -> Condition[P, R]:
    """Compile a function of a connection request to a program that workers run.

    Raises:
        ConditionError: It uses what no program can do; says where, and what to write instead.
    """
    return Condition(function)
