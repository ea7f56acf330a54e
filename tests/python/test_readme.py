"""What the README says is so."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pyprov import cli
from pyprov.runtime.config import shipped

TOP = Path(__file__).parents[2]
TEXT = (TOP / "README.md").read_text()


def programs():
    return re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def test_the_program_for_anybody_runs_and_says_the_same_each_time():
    (program,) = [text for text in programs() if "Lab" in text]
    said = {
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    }
    (line,) = said
    assert re.fullmatch(r"\('10\.9\.0\.1', \d+\) after [\d.]+ virtual seconds, \d+ frames\n", line)


def test_its_commands_are_those_there_are():
    named = set(re.findall(r"^\| `pyprov ((?:bench )?[a-z]+)", TEXT, re.MULTILINE))
    assert named <= set(cli.TOOLS)
    assert {command.split()[0] for command in cli.TOOLS} == {word.split()[0] for word in named}


def test_its_configurations_are_those_that_are_shipped():
    (line,) = re.findall(r"name of a shipped one.*?`defaults", TEXT, re.DOTALL) or re.findall(
        r"name of a shipped one.*?`configs/defaults", TEXT, re.DOTALL
    )
    named = set(re.findall(r"`([a-z_]+)`", line))
    assert named == set(shipped()) - {"defaults"}


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:[\w.]+/)[\w./]*)`", TEXT))))
def test_its_paths_exist(path):
    roots = [TOP, TOP / "dataplane", TOP / "pyprov"]
    assert any((root / path).exists() for root in roots)


def test_its_verbs_are_those_of_the_script():
    usage = subprocess.run([TOP / "dev", "help"], capture_output=True, text=True, check=True).stdout
    for verb in set(re.findall(r"\./dev ([a-z]+)", TEXT)):
        assert re.search(rf"^\./dev .*\b{verb}\b", usage, re.MULTILINE), verb
