"""What the C files may include and say, and how long they may get."""

import re
import subprocess

import pytest

from tests.arch.sources import TOP, functions, includes, name, tracked, without_comments

DATAPLANE = TOP / "dataplane"
LAYERS = ["base", "wire", "bridge", "ip", "tcp", "io", "worker", "api"]
# They include nothing else of ours, so every layer may see them.
BORDER = ["api/pv_api.h", "api/pv_bench.h", "api/pv_condition.h", "api/pv_offer.h"]

FILE_LINES = 600
FUNCTION_LINES = 100
PARAMETERS = 6

C_FILES = tracked("dataplane/*.c", "dataplane/*.h", "dataplane/*.def")
ALL_C_FILES = C_FILES + tracked("tests/c/*.c", "tests/c/*.h", "pyprov/*.c")


def layer(path):
    return path.relative_to(DATAPLANE).parts[0]


def ours(header):
    return header.split("/")[0] in LAYERS


def reachable(path):
    """Everything a file sees: (header, the file of ours that includes it)."""
    todo, seen = [path], {}
    while todo:
        source = todo.pop()
        for header in includes(source):
            if header not in seen:
                seen[header] = name(source)
                if ours(header) and (DATAPLANE / header).exists():
                    todo.append(DATAPLANE / header)
    return seen


def test_there_is_something_to_look_at():
    assert {layer(path) for path in C_FILES} <= set(LAYERS)
    assert {name(path) for path in C_FILES} >= {"dataplane/base/cpu.c", f"dataplane/{BORDER[0]}"}


def test_an_include_of_ours_names_its_layer_and_exists():
    wrong = [
        f"{name(path)}: {header}"
        for path in C_FILES
        for header in re.findall(r'^#\s*include "(.*)"', path.read_text(), re.MULTILINE)
        if header != "cpu_need.h" and not (ours(header) and (DATAPLANE / header).exists())
    ]
    assert wrong == []


def test_a_layer_includes_only_itself_and_those_below():
    wrong = [
        f"{name(path)}: {header}"
        for path in C_FILES
        for header in includes(path)
        if ours(header) and header not in BORDER
        if LAYERS.index(header.split("/")[0]) > LAYERS.index(layer(path))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("room", "banned"),
    [
        ("wire", r"rte_(?!byteorder\.h)"),
        ("ip", r"rte_(ethdev|cycles|eal)"),
        ("tcp", r"rte_(ethdev|cycles|eal)"),
    ],
)
def test_protocol_code_sees_neither_device_nor_clock(room, banned):
    wrong = [
        f"{name(path)} sees {header} through {via}"
        for path in C_FILES
        if layer(path) == room
        for header, via in reachable(path).items()
        if re.match(banned, header)
    ]
    assert wrong == []


@pytest.mark.parametrize("header", BORDER)
def test_the_border_compiles_alone(header):
    assert set(includes(DATAPLANE / header)) <= {"stdbool.h", "stddef.h", "stdint.h", BORDER[0]}
    command = [
        "cc",
        "-std=c11",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-fsyntax-only",
        "-I.",
        "-xc",
        header,
    ]
    done = subprocess.run(command, cwd=DATAPLANE, check=False, capture_output=True, text=True)
    assert done.stderr == ""


@pytest.mark.parametrize("room", LAYERS)
def test_a_header_compiles_alone(room):
    flags = subprocess.run(
        ["pkg-config", "--cflags", "libdpdk"], check=True, capture_output=True, text=True
    ).stdout.split()
    command = ["cc", "-D_GNU_SOURCE", "-std=gnu11", "-fsyntax-only", "-I.", *flags]
    wrong = {}
    for path in C_FILES:
        if layer(path) == room and path.suffix == ".h":
            done = subprocess.run(
                [*command, path], cwd=DATAPLANE, check=False, capture_output=True, text=True
            )
            if done.returncode != 0:
                wrong[name(path)] = done.stderr
    assert wrong == {}


# A failed PV_ASSERT of a debug build is the one thing that may speak on its own.
SPEAKS = {"dataplane/base/check.c"}


@pytest.mark.parametrize(
    "token",
    [
        r"\bv?f?printf\s*\(",
        r"\bf?puts\s*\(",
        r"\bperror\s*\(",
        r"\babort\s*\(",
        r"\b_?exit\s*\(",
        r"\brte_(exit|panic)\b",
        r"\bvolatile\b",
        r"\b__sync_",
    ],
)
def test_a_library_neither_prints_nor_ends_the_process(token):
    wrong = [
        f"{name(path)}:{number}: {line.strip()}"
        for path in C_FILES
        if name(path) not in SPEAKS
        for number, line in enumerate(without_comments(path.read_text()).splitlines(), 1)
        if re.search(token, line)
    ]
    assert wrong == []


def test_a_file_is_one_noun_long():
    paths = [*ALL_C_FILES, *tracked("pyprov/*.py", "tests/*.py", "dev")]
    long = {name(path): len(path.read_text().splitlines()) for path in paths}
    assert {path: lines for path, lines in long.items() if lines > FILE_LINES} == {}


def test_a_c_function_is_one_thought_long():
    long = [
        f"{name(path)}: {function} has {parameters} parameters and {lines} lines"
        for path in ALL_C_FILES
        for function, parameters, lines in functions(path)
        if parameters > PARAMETERS or lines > FUNCTION_LINES
    ]
    assert long == []


def test_every_function_of_a_c_file_is_seen_by_these_tests():
    for path in ALL_C_FILES:
        text = without_comments(path.read_text())
        bodies = len(re.findall(r"^\{$", text, re.MULTILINE))
        assert len(list(functions(path))) == bodies, name(path)


def test_every_counter_is_used():
    """A row of counters.def that no code counts is a promise nobody keeps."""
    rows = re.findall(r"^[PE]\((\w+),", (DATAPLANE / "base/counters.def").read_text(), re.MULTILINE)
    assert rows
    code = "".join(without_comments(path.read_text()) for path in C_FILES)
    used = set(re.findall(r"\bPV_C_(\w+)", code))
    assert [row for row in rows if row not in used] == []


def test_a_counter_has_one_row():
    rows = re.findall(r"^[PE]\((\w+),", (DATAPLANE / "base/counters.def").read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(set(rows))


def test_no_mark_puts_work_off():
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    paths = [*ALL_C_FILES, *tracked("pyprov/*.py", "tests/*.py", "*meson.build", "dev")]
    wrong = [
        f"{name(path)}:{number}"
        for path in paths
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if marks.search(line) and "marks = re.compile" not in line
    ]
    assert wrong == []
