"""What the source files may look like, whatever they do."""

import re
import subprocess
from pathlib import Path

TOP = Path(__file__).parents[2]

LAYERS = ["base", "wire", "bridge", "ip", "tcp", "io", "worker", "api"]


def tracked(*patterns):
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=TOP,
        check=True,
        capture_output=True,
        text=True,
    )
    return [TOP / name for name in listed.stdout.splitlines() if (TOP / name).exists()]


def includes(source):
    return re.findall(r'^#include [<"]([^>"]+)[>"]', source.read_text(), re.MULTILINE)


def test_a_layer_includes_only_itself_and_those_below():
    upward = []
    for source in tracked("dataplane/*.c", "dataplane/*.h"):
        layer = source.relative_to(TOP / "dataplane").parts[0]
        for header in includes(source):
            other = header.split("/")[0]
            if other in LAYERS and LAYERS.index(other) > LAYERS.index(layer):
                upward.append(f"{source.relative_to(TOP)}: {header}")
    assert upward == []
