"""Every file is named where it has to be: a wheel or a test run leaves nothing out."""

import ast
import json
import re

from tests.arch.sources import TOP, name, tracked


def named(meson_build):
    """The names of files in a meson.build."""
    return set(re.findall(r"'([\w/.]+\.(?:c|h|def|py|pyi|txt|typed))'", meson_build.read_text()))


def test_every_c_file_is_built():
    top = TOP / "dataplane"
    files = {path.relative_to(top).as_posix() for path in tracked("dataplane/*.c", "dataplane/*.h")}
    assert files
    assert files ^ named(top / "meson.build") == {"cpu_need.h"}  # made by meson itself


def test_every_c_test_is_run():
    text = (TOP / "tests/c/meson.build").read_text()
    words = set(re.findall(r"'([\w.]+)'", text))
    forgotten = [
        name(path)
        for path in tracked("tests/c/*.c")
        if path.name not in words and path.stem.split("_", 1)[1] not in words
    ]
    assert forgotten == []


def test_every_file_of_the_package_is_installed():
    files = {
        name(path)
        for path in tracked("pyprov/*.py", "pyprov/*.pyi", "pyprov/*.txt", "pyprov/*.typed")
    }
    files |= {f"pyprov/{name(path)}" for path in tracked("configs/*.toml", "configs/*.lua")}
    plan = json.loads((TOP / "build/release/meson-info/intro-install_plan.json").read_text())
    installed = {
        target["destination"].partition("/")[2] for source, target in plan["python"].items()
    }
    assert files
    assert files ^ installed == set()


def at_run_time(tree):
    """The nodes of a module, without what only a type checker reads."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield node
            yield from at_run_time(node)


def test_the_extension_has_one_door():
    importers = set()
    for path in tracked("pyprov/*.py"):
        for node in at_run_time(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules = {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules = {f"{node.module or ''}.{alias.name}" for alias in node.names}
            else:
                continue
            if any("_dataplane" in module.split(".") for module in modules):
                importers.add(name(path))
    assert {path for path in importers if not path.startswith("pyprov/runtime/")} == set()
