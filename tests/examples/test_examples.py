"""Each example serves its clients."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
EXAMPLES = sorted(path.stem for path in HERE.glob("*.py") if "__main__" in path.read_text())


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name != Path(__file__).stem])
def test_the_example_works(name):
    done = subprocess.run(
        [sys.executable, HERE / f"{name}.py"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "3 texts came back\n", "")


def test_there_is_one_for_each_style():
    styles = {"blocking", "selecting", "event", "message"}
    styles |= {f"overlapped_{way}" for way in ("event", "routine", "port")}
    assert styles <= set(EXAMPLES)
