"""What is said when Python and the dataplane library were not built together."""

import ast
import re
from pathlib import Path

import cffi
import numpy as np
import pytest

from pyprov.core import port
from pyprov.runtime import abi

TOP = Path(__file__).parents[2]
CDEF = (TOP / "pyprov/_dataplane.cdef.txt").read_text()


@pytest.fixture(scope="module")
def ffi():
    told = cffi.FFI()
    told.cdef(CDEF)
    return told


class Library:
    """One that fits, but for what a test changes."""

    PV_API_VERSION = 7

    def __init__(self, ffi, version=7, **sizes):
        self.version = version
        self.sizes = [sizes.get(name, ffi.sizeof(f"struct pv_{name}")) for name in abi.RECORDS]

    def pv_api_version(self):
        return self.version

    def pv_api_record_size(self, n):
        return self.sizes[n] if n < len(self.sizes) else 0


def test_a_library_that_fits_is_taken(ffi):
    abi.check(ffi, Library(ffi))


def test_another_version_is_refused_with_the_cure(ffi):
    with pytest.raises(ImportError, match=r"version 6 .* version 7: rebuild"):
        abi.check(ffi, Library(ffi, version=6))


@pytest.mark.parametrize("name", abi.RECORDS)
def test_a_record_of_another_size_is_named(ffi, name):
    with pytest.raises(ImportError, match=rf"struct pv_{name} has 9999 bytes .*: rebuild"):
        abi.check(ffi, Library(ffi, **{name: 9999}))


def test_numpy_must_see_a_request_as_it_is(ffi, monkeypatch):
    fields = {name: where for name, (_, where) in port.REQUEST_DTYPE.fields.items()}
    moved = np.dtype(
        {
            "names": list(fields),
            "formats": [port.REQUEST_DTYPE[name] for name in fields],
            "offsets": [60 if name == "listener" else fields[name] for name in fields],
            "itemsize": 64,
        }
    )
    monkeypatch.setattr(abi, "REQUEST_DTYPE", moved)
    with pytest.raises(ImportError, match="listener is not at byte 60"):
        abi.check(ffi, Library(ffi))


def test_ports_numbers_are_the_headers():
    numbers = dict(re.findall(r"\bPV_(\w+) = (0x[0-9a-f]+|\d+)", CDEF))
    options = re.search(r"enum pv_option \{(.*?)\}", CDEF, re.DOTALL)[1]
    numbers |= {name: str(n) for n, name in enumerate(re.findall(r"PV_(\w+)", options), 1)}
    prefixes = ("READY_", "REQUEST_", "IO_", "CLOSE_", "OVERFLOW_", "SYN_COOKIES_", "OPT_")
    told = {name: int(n, 0) for name, n in numbers.items() if name.startswith(prefixes)}
    ours = {
        name: value
        for name, value in vars(port).items()
        if name.startswith(prefixes) and isinstance(value, int)
    }
    assert len(told) > 30
    assert ours == told


def test_the_typed_face_names_what_the_cdef_has():
    tree = ast.parse((TOP / "pyprov/_dataplane.pyi").read_text())
    (lib,) = (n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Lib")
    functions = [n.name for n in lib.body if isinstance(n, ast.FunctionDef)]
    numbers = [n.target.id for n in lib.body if isinstance(n, ast.AnnAssign)]
    assert functions == re.findall(r"\b(pv_\w+)\(", CDEF)
    defines = re.findall(r"^#define (PV_\w+)", CDEF, re.MULTILINE)
    enums = re.findall(r"enum pv_\w+ \{(.*?)\}", CDEF, re.DOTALL)
    assert set(numbers) == {*defines, *(n for body in enums for n in re.findall(r"PV_\w+", body))}


def test_the_typed_face_has_each_records_members(ffi):
    tree = ast.parse((TOP / "pyprov/_dataplane.pyi").read_text())
    faces = {n.name: n for n in tree.body if isinstance(n, ast.ClassDef)}
    checked = 0
    for name in ffi.list_types()[1]:
        fields = ffi.typeof(f"struct {name}").fields
        if fields is None:
            continue
        face = faces["".join(part.capitalize() for part in name.removeprefix("pv_").split("_"))]
        members = [field for field, _ in fields if not re.fullmatch(r"pad\d*", field)]
        assert [n.target.id for n in face.body if isinstance(n, ast.AnnAssign)] == members
        checked += 1
    assert checked >= len(abi.RECORDS)
