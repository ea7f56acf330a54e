"""Finds the project's files and takes C apart as far as these tests need it."""

import re
import subprocess
from pathlib import Path

TOP = Path(__file__).parents[2]


def tracked(*patterns):
    """Files of the work tree that match git's patterns and are not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=TOP,
        check=True,
        capture_output=True,
        text=True,
    )
    return sorted(TOP / name for name in set(listed.stdout.splitlines()) if (TOP / name).exists())


def name(path):
    return path.relative_to(TOP).as_posix()


def without_comments(text):
    """C with every comment and string literal blanked; lines stay where they are."""
    pattern = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"'
    return re.sub(
        pattern, lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.DOTALL | re.MULTILINE
    )


def includes(path):
    """The headers a C file includes, as written."""
    return re.findall(r'^#\s*include [<"]([^>"]+)[>"]', path.read_text(), re.MULTILINE)


def functions(path):
    """(name, parameters, lines of the body) of each function defined in a C file."""
    text = without_comments(path.read_text())
    for match in re.finditer(r"^(\w+)\(([^{};]*)\)\n\{\n(.*?)^\}", text, re.DOTALL | re.MULTILINE):
        parameters = [] if match[2].strip() in ("", "void") else match[2].split(",")
        yield match[1], len(parameters), match[3].count("\n")
