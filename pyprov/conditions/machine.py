"""What the parts of the compiler share: the program so far, and the function being compiled."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from pyprov.conditions.bpf import Assembler
from pyprov.conditions.error import ConditionError
from pyprov.conditions.layout import MAX_COUNTERS

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable

    from pyprov.conditions.scope import Source, Thing

STACK_SLOTS: Final = 64  # 512 bytes
MOST_INSTRUCTIONS: Final = 16384
DEEPEST: Final = 16  # helpers that call helpers

# What becomes of `return X`: the statement, in the frame that it stands in.
OnReturn: TypeAlias = "Callable[[ast.Return, Frame], None]"


@dataclass(slots=True)
class Machine:
    """A program in the making.

    Attributes:
        flat: Look at all members of a tuple or prefix before jumping, so that fewer ways lead on.
    """

    flat: bool = False
    asm: Assembler = field(default_factory=Assembler)
    counters: list[str] = field(default_factory=list)
    slots: int = 0
    depth: int = 0

    def new_slot(self) -> int:
        """Reserve 8 bytes of stack."""
        if self.slots == STACK_SLOTS:
            raise ConditionError(
                f"there are more than {STACK_SLOTS} local names", "use the same ones again"
            )
        self.slots += 1
        return self.slots - 1

    def counter(self, name: str) -> int:
        """Return the number of a counter."""
        if name not in self.counters:
            if len(self.counters) == MAX_COUNTERS:
                raise ConditionError(
                    f"there are more than {MAX_COUNTERS} counters", "let some share a name"
                )
            self.counters.append(name)
        return self.counters.index(name)

    def check_size(self) -> None:
        """Raise if the program has become too long."""
        if self.asm.length > MOST_INSTRUCTIONS:
            raise ConditionError(
                f"this makes more than {MOST_INSTRUCTIONS} instructions",
                "loop over less, or ASK and decide in the Python condition function",
            )


@dataclass(slots=True)
class Frame:
    """A function while it is compiled.

    Attributes:
        env: What its own names stand for here.
        slots: Where those that are numbers are kept.
    """

    source: Source
    env: dict[str, Thing]
    on_return: OnReturn
    slots: dict[str, int] = field(default_factory=dict)

    def slot(self, machine: Machine, name: str) -> int:
        """Return the place of a name on the stack."""
        if name not in self.slots:
            self.slots[name] = machine.new_slot()
        return self.slots[name]
