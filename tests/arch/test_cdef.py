"""Python was told about the dataplane what the compiler made of it: the cdef cannot drift."""

import re
from pathlib import Path

import cffi
import pytest

from pyprov import _dataplane
from tests.arch.dwarf import Library, Value
from tests.arch.sources import TOP, without_comments

FUNCTIONS = sorted(n for n in dir(_dataplane.lib) if callable(getattr(_dataplane.lib, n)))

HEADER = "".join(
    without_comments((TOP / "dataplane/api" / name).read_text())
    for name in ("pv_api.h", "pv_bench.h", "pv_condition.h", "pv_offer.h")
)

told = cffi.FFI()
told.cdef((TOP / "pyprov/_dataplane.cdef.txt").read_text())
RECORDS = sorted(set(told.list_types()[1]) | set(told.list_types()[2]))


@pytest.fixture(scope="module")
def built():
    return Library(Path(_dataplane.__file__), "dataplane")


def members(ctype, base=0, prefix=""):
    """{"a.b": (offset, size)} of a record, as told."""
    found = {}
    for name, field in ctype.fields:
        assert field.bitsize < 0, f"{prefix}{name} is a bit-field"
        path, offset = prefix + name, base + field.offset
        if field.type.kind in ("struct", "union"):
            found |= members(field.type, offset, f"{path}." if name else prefix)
        else:
            found[path] = (offset, told.sizeof(field.type))
    return found


def value(ctype):
    ffi = _dataplane.ffi
    if ctype.kind == "void":
        return Value("void", 0)
    if ctype.kind in ("pointer", "function"):
        return Value("pointer", ffi.sizeof("void *"))
    if ctype.kind == "primitive":
        if ctype.cname == "_Bool":
            kind = "bool"
        elif ctype.cname in ("float", "double"):
            kind = "float"
        else:
            kind = "signed" if int(ffi.cast(ctype, -1)) < 0 else "unsigned"
        return Value(kind, ffi.sizeof(ctype))
    return Value({"enum": "enum"}.get(ctype.kind, "record"), ffi.sizeof(ctype))


@pytest.mark.parametrize("name", RECORDS)
def test_record_lies_in_memory_as_told(built, name):
    ctype = told.typeof(f"struct {name}")
    if ctype.fields is None:
        return  # opaque: Python passes it on and looks at nothing
    assert (told.sizeof(ctype), members(ctype)) == built.record(name)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_is_called_as_told(built, name):
    ctype = _dataplane.ffi.typeof(getattr(_dataplane.lib, name))
    assert [value(ctype.result), *map(value, ctype.args)] == built.signature(name)


def test_python_was_told_of_every_function_and_record():
    for_programs = {"pv_per_source", "pv_count"}
    assert sorted(set(re.findall(r"\b(pv_\w+)\(", HEADER)) - for_programs) == FUNCTIONS
    assert sorted(re.findall(r"^struct (pv_\w+) \{", HEADER, re.MULTILINE)) == [
        name for name in RECORDS if told.typeof(f"struct {name}").fields is not None
    ]


def test_python_was_told_of_every_number():
    numbers = set(re.findall(r"\b(PV_[A-Z0-9_]+)\b", HEADER)) - {
        "PV_API_H",
        "PV_BENCH_H",
        "PV_CONDITION_H",
        "PV_OFFER_H",
    }
    assert {n for n in numbers if not hasattr(_dataplane.lib, n)} == set()
