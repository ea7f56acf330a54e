"""The README's ten lines, with curl as their client."""

import re
import sys
from pathlib import Path

TEXT = (Path(__file__).parents[2] / "README.md").read_text()


def test_the_ten_lines_serve_curl(namespace):
    programs = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    (program,) = [text for text in programs if "WSPStartup" in text]
    started = program.replace("s, peer =", "print('up', flush=True)\ns, peer =")
    server = namespace.start(sys.executable, "-c", started)
    server.wait_for("up", 20)
    commands = re.search(r"`ip addr add .*`", TEXT).group().strip("`")
    assert namespace.run("sh", "-c", commands.replace("curl", "curl -sS")).stdout == b"hello\n"
    assert server.end() == 0
