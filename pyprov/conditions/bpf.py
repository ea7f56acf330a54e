"""An assembler for eBPF: instructions, labels, and what the verifier will have to walk.

Only jumps forward. Nothing is emitted where control cannot get, because the verifier refuses code
that is never reached.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final

_INSTRUCTION: Final = struct.Struct("<BBhi")

# BPF_ALU64; + 8: the second operand is a register
ADD, SUB, MUL, DIV, OR, AND = 0x07, 0x17, 0x27, 0x37, 0x47, 0x57
LSH, RSH, NEG, MOD, XOR, MOV, ARSH = 0x67, 0x77, 0x87, 0x97, 0xA7, 0xB7, 0xC7
REGISTER: Final = 8
# BPF_JMP
JA, JEQ, JNE, JSGT, JSGE, JSLT, JSLE = 0x05, 0x15, 0x55, 0x65, 0x75, 0xC5, 0xD5
CALL, EXIT, LDDW = 0x85, 0x95, 0x18
_OPPOSITE: Final = {JEQ: JNE, JNE: JEQ, JSGT: JSLE, JSLE: JSGT, JSGE: JSLT, JSLT: JSGE}
_LOAD: Final = {1: 0x71, 2: 0x69, 4: 0x61, 8: 0x79}
_STORE: Final = 0x7B

FRAME: Final = 10  # r10, the top of 512 bytes of stack
LONGEST_JUMP: Final = 32767


def fits(value: int) -> bool:
    """Say whether a number can be an instruction's immediate, which is sign-extended."""
    return -(2**31) <= value < 2**31


class Label:
    """A place to jump to."""

    __slots__ = ()


@dataclass(slots=True)
class _Line:
    opcode: int
    dst: int = 0
    src: int = 0
    offset: int = 0
    immediate: int = 0
    target: Label | None = None
    labels: list[Label] = field(default_factory=list)  # that stand before it

    @property
    def size(self) -> int:
        return 2 if self.opcode == LDDW else 1

    def encode(self, jump: int) -> bytes:
        registers = self.dst | self.src << 4
        low = (self.immediate & 0xFFFF_FFFF) - (self.immediate << 1 & 0x1_0000_0000)
        data = _INSTRUCTION.pack(self.opcode, registers, self.offset or jump, low)
        if self.opcode == LDDW:
            high = self.immediate >> 32
            data += _INSTRUCTION.pack(0, 0, 0, (high & 0xFFFF_FFFF) - (high << 1 & 0x1_0000_0000))
        return data


class Assembler:
    """Collects instructions."""

    def __init__(self) -> None:
        self._lines: list[_Line] = []
        self._waiting: list[Label] = []  # labels placed before the next instruction
        self._used: set[Label] = set()
        self._reachable = True

    @property
    def reachable(self) -> bool:
        """Can control get to what is emitted next?"""
        return self._reachable

    @property
    def length(self) -> int:
        """Instructions so far."""
        return len(self._lines)

    def place(self, label: Label) -> None:
        """Let a label mean what is emitted next. Jumps to it must have been emitted before."""
        if label in self._used:
            self._waiting.append(label)
            self._reachable = True

    def used(self, label: Label) -> bool:
        """Does anything jump there?"""
        return label in self._used

    def _emit(self, line: _Line) -> None:
        if self._reachable:
            line.labels, self._waiting = self._waiting, []
            self._lines.append(line)

    def move(self, dst: int, src: int) -> None:
        """Copy a register."""
        if dst != src:
            self._emit(_Line(MOV | REGISTER, dst, src))

    def constant(self, dst: int, value: int) -> None:
        """Load a number of 64 bits."""
        if fits(value):
            self._emit(_Line(MOV, dst, immediate=value))
        else:
            self._emit(_Line(LDDW, dst, immediate=value & 0xFFFF_FFFF_FFFF_FFFF))

    def alu(self, opcode: int, dst: int, *, src: int) -> None:
        """Combine two registers in the first."""
        self._emit(_Line(opcode | REGISTER, dst, src))

    def alu_constant(self, opcode: int, dst: int, value: int) -> None:
        """Combine a register with an immediate."""
        self._emit(_Line(opcode, dst, immediate=value))

    def load(self, dst: int, base: int, offset: int, size: int) -> None:
        """Load an unsigned number of 1, 2, 4 or 8 bytes."""
        self._emit(_Line(_LOAD[size], dst, base, offset))

    def store(self, slot: int, src: int) -> None:
        """Keep a register in a slot of the stack."""
        self._emit(_Line(_STORE, FRAME, src, -8 * (slot + 1)))

    def fetch(self, dst: int, slot: int) -> None:
        """Load a slot of the stack."""
        self.load(dst, FRAME, -8 * (slot + 1), 8)

    def jump(self, target: Label) -> None:
        """Go there."""
        if self._reachable:
            self._emit(_Line(JA, target=target))
            self._used.add(target)
            self._reachable = False

    def branch(self, opcode: int, dst: int, target: Label, *, src: int) -> None:
        """Go there if the comparison of two registers holds."""
        if self._reachable:
            self._emit(_Line(opcode | REGISTER, dst, src, target=target))
            self._used.add(target)

    def branch_constant(self, opcode: int, dst: int, target: Label, value: int) -> None:
        """Go there if the comparison with an immediate holds."""
        if self._reachable:
            self._emit(_Line(opcode, dst, immediate=value, target=target))
            self._used.add(target)

    def call(self, function: int) -> None:
        """Call an outer function by its number: r1 to r5 are its arguments, r0 its result."""
        self._emit(_Line(CALL, immediate=function))

    def exit(self) -> None:
        """Return r0."""
        self._emit(_Line(EXIT))
        self._reachable = False

    def finish(self) -> Code:
        """Return the program; everything emitted so far belongs to it."""
        _shorten(self._lines)
        places: dict[Label, int] = {}
        at = 0
        for line in self._lines:
            places.update(dict.fromkeys(line.labels, at))
            at += line.size
        return _link(self._lines, places)


@dataclass(frozen=True, slots=True)
class Code:
    """A program.

    Attributes:
        data: Its instructions, 8 bytes each.
        visits: How many instructions a verifier looks at that walks every way through.
        longest: The longest jump.
    """

    data: bytes
    visits: int
    longest: int


def _shorten(lines: list[_Line]) -> None:
    """Turn `if x jump over; jump there; over:` around, and take jumps to what follows away."""
    i = 0
    while i + 1 < len(lines):
        here, after = lines[i], lines[i + 1]
        beyond = lines[i + 2].labels if i + 2 < len(lines) else []
        opposite = _OPPOSITE.get(here.opcode & ~REGISTER)
        if here.opcode == JA and here.target in after.labels:
            after.labels += here.labels
            del lines[i]
            i = max(i - 2, 0)
        elif opposite and after.opcode == JA and not after.labels and here.target in beyond:
            here.opcode = opposite | here.opcode & REGISTER
            here.target = after.target
            del lines[i + 1]
        else:
            i += 1


def _link(lines: list[_Line], places: dict[Label, int]) -> Code:
    data = b""
    at = visits = longest = 0
    ways = {0: 1}  # how many ways lead to an instruction
    for line in lines:
        mine = ways.pop(at, 0)
        visits += mine
        after = at + line.size
        jump = 0
        if line.target is not None:
            jump = places[line.target] - after
            ways[places[line.target]] = ways.get(places[line.target], 0) + mine
        if line.opcode not in {JA, EXIT}:
            ways[after] = ways.get(after, 0) + mine
        longest = max(longest, jump)
        data += line.encode(min(jump, LONGEST_JUMP))
        at = after
    return Code(data, visits, longest)
