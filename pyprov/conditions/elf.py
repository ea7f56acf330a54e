"""Conditions out of object files that clang made for eBPF.

What is no part of a condition is found here, before the verifier would say so in fewer words: calls
of functions that no worker has, variables, loops, 32-bit instructions.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import SymbolTableSection

from pyprov.conditions.calls import COUNT, PER_SOURCE
from pyprov.conditions.layout import MAX_COUNTERS
from pyprov.conditions.program import Program

if TYPE_CHECKING:
    from elftools.elf.sections import Section, Symbol

_FUNCTIONS: Final = {"pv_per_source": PER_SOURCE, "pv_count": COUNT}
_SIZE: Final = 8
_INSTRUCTION: Final = struct.Struct("<BBhi")
_CALL, _EXIT, _LDDW = 0x85, 0x95, 0x18
_PSEUDO_CALL: Final = 1  # in the source register: a function of the object's
_CLASS, _ALU32, _JMP, _JMP32 = 0x07, 0x04, 0x05, 0x06
_R_BPF_64_32: Final = 10  # a call; every other kind of relocation is of data
_EM_BPF: Final = "EM_BPF"


class ObjectError(ValueError):
    """An object file holds no condition, or needs what isn't there."""


def load(path: str | Path, section: str = "condition") -> Program:
    """Read a condition from an object file.

    Args:
        path: Made by clang -O2 -ffreestanding -target bpf -mcpu=v2 -c, see pv_condition.h.
        section: Where its one function is.

    Raises:
        ObjectError: Says what is wrong with it, and the cure.
        OSError: The file cannot be read.
    """
    where = Path(path)
    try:
        elf = ELFFile(io.BytesIO(where.read_bytes()))
    except ELFError as error:
        raise ObjectError(f"{where.name} is no object file: {error}") from None
    if elf["e_machine"] != _EM_BPF or not elf.little_endian:
        raise ObjectError(f"{where.name} is for {elf['e_machine']}: compile it with -target bpf")
    found = elf.get_section_by_name(section)
    if found is None:
        there = ", ".join(s.name for s in elf.iter_sections() if s["sh_flags"] & 4 and s.data())
        raise ObjectError(
            f"{where.name} has code in {there or 'no section'}, none in {section!r}: write "
            f'__attribute__((section("{section}"))) before the function'
        )
    _check_functions(elf, found)
    code = bytearray(found.data())
    called = _relocate(elf, found, code)
    _check_code(code)
    counters = tuple(f"counter {i}" for i in range(MAX_COUNTERS)) if "pv_count" in called else ()
    return Program(where.stem, bytes(code), counters)


def _symbols(elf: ELFFile) -> list[Symbol]:
    table = elf.get_section_by_name(".symtab")
    return list(table.iter_symbols()) if isinstance(table, SymbolTableSection) else []


def _number_of(elf: ELFFile, section: Section) -> int:
    return next(i for i, s in enumerate(elf.iter_sections()) if s.name == section.name)


def _check_functions(elf: ELFFile, section: Section) -> None:
    number = _number_of(elf, section)
    names = [
        symbol.name
        for symbol in _symbols(elf)
        if symbol["st_shndx"] == number and symbol["st_info"]["type"] == "STT_FUNC"
    ]
    if len(names) > 1:
        raise ObjectError(
            f"section {section.name!r} has the functions {', '.join(names)}: leave one there, and "
            "make the others `static inline __attribute__((always_inline))`"
        )


def _relocate(elf: ELFFile, section: Section, code: bytearray) -> set[str]:
    """Give calls their numbers; returns the names of what is called."""
    table = elf.get_section_by_name(f".rel{section.name}")
    if not isinstance(table, RelocationSection):
        return set()
    symbols = _symbols(elf)
    called = set()
    for relocation in table.iter_relocations():
        symbol = symbols[relocation["r_info_sym"]]
        name = symbol.name or elf.get_section(symbol["st_shndx"]).name
        if relocation["r_info_type"] != _R_BPF_64_32:
            raise ObjectError(
                f"it uses {name}, which is data outside of its function: a condition has none; "
                "use constants, or its stack"
            )
        if symbol["st_shndx"] != "SHN_UNDEF":
            raise ObjectError(
                f"it calls {name}, another function of the object: make that "
                "`static inline __attribute__((always_inline))`"
            )
        if name not in _FUNCTIONS:
            raise ObjectError(
                f"it calls {name}, which no worker has: there are {', '.join(_FUNCTIONS)}"
            )
        called.add(name)
        _INSTRUCTION.pack_into(code, relocation["r_offset"], _CALL, 0, 0, _FUNCTIONS[name])
    return called


def _check_code(code: bytearray) -> None:
    at = 0
    while at < len(code):
        opcode, registers, offset, _ = _INSTRUCTION.unpack_from(code, at)
        kind = opcode & _CLASS
        if kind in {_ALU32, _JMP32}:
            raise ObjectError("it has 32-bit instructions: compile it with -mcpu=v2")
        if opcode == _CALL and registers >> 4 == _PSEUDO_CALL:
            raise ObjectError(
                "it calls another function of its section: make that "
                "`static inline __attribute__((always_inline))`"
            )
        if kind == _JMP and opcode not in {_CALL, _EXIT} and offset < 0:
            raise ObjectError("it has a loop: write `#pragma unroll` before it, with a fixed count")
        at += 2 * _SIZE if opcode == _LDDW else _SIZE
