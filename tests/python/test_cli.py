"""The command line's own share: which tool, which exit status, how much is said."""

import os
import subprocess
import sys
import types

import pytest

from pyprov import cli
from pyprov.tools.errors import Failed, Unusable


@pytest.fixture
def tools(monkeypatch):
    """Two commands, `look` and `bench fast`, whose run is whatever the test sets."""
    tool = types.ModuleType("a_tool")
    tool.add_arguments = lambda parser: parser.add_argument("--seconds", type=float, default=1)
    tool.run = lambda arguments: 0
    monkeypatch.setitem(sys.modules, "a_tool", tool)
    rows = {"look": ("a_tool", "looks"), "bench fast": ("a_tool", "is quick")}
    monkeypatch.setattr(cli, "TOOLS", rows)
    return tool


def raises(error):
    def run(arguments):
        raise error

    return run


@pytest.mark.parametrize("words", [["look"], ["bench", "fast"]])
def test_arguments_reach_the_tool(tools, words):
    seen = []
    tools.run = lambda arguments: seen.append(arguments) or 0
    assert cli.main([*words, "--seconds", "2.5", "--json", "--config", "a.toml"]) == 0
    assert (seen[0].seconds, seen[0].json, str(seen[0].config)) == (2.5, True, "a.toml")


def test_the_status_is_the_tools(tools):
    tools.run = lambda arguments: 1
    assert cli.main(["look"]) == 1


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (Failed("nobody answered"), 1, "pyprov look: nobody answered\n"),
        (Unusable("port.mtu: 70 is below 576"), 2, "pyprov look: port.mtu: 70 is below 576\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_an_error_is_one_line_and_a_status(tools, capsys, error, status, line):
    tools.run = raises(error)
    assert cli.main(["look"]) == status
    assert capsys.readouterr() == ("", line)


def test_an_unknown_argument_is_one_line_and_status_2(tools, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["look", "--secs", "1"])
    out, err = capsys.readouterr()
    assert (stop.value.code, out, err.count("\n")) == (2, "", 1)
    assert "--secs" in err


@pytest.mark.parametrize("words", [["dance"], ["dance", "fast"], ["look-around"]])
def test_an_unknown_command_is_one_line_and_status_2(tools, capsys, words):
    assert cli.main(words) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert words[0] in err


def test_half_a_command_shows_its_other_halves(tools, capsys):
    assert cli.main(["bench"]) == 2
    err = capsys.readouterr().err
    assert "bench fast" in err
    assert "look" not in err


def test_help_names_every_command(tools, capsys):
    assert cli.main(["--help"]) == 0
    out = capsys.readouterr().out
    assert "pyprov look        looks" in out
    assert "pyprov bench fast  is quick" in out


def test_every_tool_exists():
    for module, what in cli.TOOLS.values():
        tool = cli.importlib.import_module(module)
        assert callable(tool.add_arguments), module
        assert callable(tool.run), module
        assert what


def test_a_reader_that_has_seen_enough_ends_it_in_silence():
    reader, writer = os.pipe()
    os.close(reader)
    script = "import sys; from pyprov.cli import main; sys.exit(main(['doctor', '--json']))"
    words = [sys.executable, "-c", script]
    done = subprocess.run(words, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")
