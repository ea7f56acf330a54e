"""`pyprov serve`: its arguments, and that it ends as it should."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pyprov import cli
from pyprov.runtime.config import Config
from pyprov.tools.arguments import check_address, load_function, read_where
from pyprov.tools.errors import Unusable
from pyprov.tools.serve import describe
from tests.python.live import PATIENCE

RING = '[[port]]\ndevice = "ring"\naddress = ["10.9.0.2/24"]\n'


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("10.9.0.2:80", "10.9.0.2", 80),
        ("[fd09::2]:65535", "fd09::2", 65535),
        ("0.0.0.0:1", "0.0.0.0", 1),
        ("[::]:7", "::", 7),
        ("[FD09:0::2]:7", "fd09::2", 7),
    ],
)
def test_where_to_listen(text, host, port):
    where = read_where(text)
    assert (where.host, where.port) == (host, port)
    assert str(read_where(str(where))) == str(where)


@pytest.mark.parametrize(
    "text",
    [
        *("", "10.9.0.2", ":80", "10.9.0.2:0", "10.9.0.2:65536", "10.9.0.2:-1", "10.9.0.2:8o"),
        *("fd09::2:80", "[10.9.0.2]:80", "[fd09::2", "host:80", "10.9.0.256:80", "10.9.0.2:80 "),
    ],
)
def test_where_nobody_can_listen(text):
    with pytest.raises(Unusable, match="expected ADDRESS:PORT"):
        read_where(text)


def test_the_address_must_be_one_of_the_ports():
    config = Config.from_dict({"port": [{"device": "ring", "address": ["10.9.0.2/24"]}]})
    for text in ("10.9.0.2:80", "0.0.0.0:80", "[::]:80", "127.0.0.1:80", "[::1]:80"):
        check_address(read_where(text), config)
    with pytest.raises(Unusable, match=r"are 10\.9\.0\.2"):
        check_address(read_where("10.9.0.3:80"), config)


def test_functions_are_found_in_the_folder_one_is_in(tmp_path, monkeypatch):
    (tmp_path / "rules_of_mine.py").write_text("def decide(*_): return 0\nanswer = 42\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    assert load_function("--condition", "rules_of_mine:decide")() == 0
    with pytest.raises(Unusable, match="has no function answer"):
        load_function("--condition", "rules_of_mine:answer")
    with pytest.raises(Unusable, match="No module named 'rules_of_yours'"):
        load_function("--condition", "rules_of_yours:decide")
    with pytest.raises(Unusable, match="expected MODULE:FUNCTION"):
        load_function("--condition", "decide")


def test_what_it_runs_on_is_named():
    tables = {"port": [{"device": "net_tap0,iface=pv0"}, {"device": "ring"}]}
    assert describe(Config.from_dict(tables)) == "net_tap0, ring, 1 worker"
    assert describe(Config.from_dict({"workers": {"count": 3}})) == "no device, 3 workers"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--listen", "10.9.0.2"], "expected ADDRESS:PORT"),
        (["--listen", "10.9.0.3:80"], "10.9.0.2"),
        (["--listen", "10.9.0.2:80", "--backlog", "0"], "--backlog 0"),
        (["--listen", "10.9.0.2:80", "--service", "ftp"], "expected MODULE:FUNCTION"),
        (["--listen", "10.9.0.2:80", "--condition", "nowhere:f"], "nowhere"),
        (["--listen", "10.9.0.2:80", "--config", "rong"], "ring"),
    ],
)
def test_bad_arguments_are_one_line(capsys, words, says):
    config = [] if "--config" in words else ["--config", "ring"]
    assert cli.main(["serve", *words, *config]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert says in err


class Command:
    """The command on the wire in memory, in a process of its own."""

    def __init__(self, folder, *words):
        (folder / "ring.toml").write_text(RING)
        command = [Path(sys.executable).with_name("pyprov"), "serve", "--config", "ring.toml"]
        self.process = subprocess.Popen(
            [*command, "--listen", "10.9.0.2:80", *words],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self, number):
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("words", [[], ["--condition", "rules:decide"]])
def test_a_signal_ends_it_well(tmp_path, number, words):
    (tmp_path / "rules.py").write_text("def decide(*_): return 0\n")
    command = Command(tmp_path, *words)
    assert command.process.stdout.readline() == "listening on 10.9.0.2:80 (ring, 1 worker)\n"
    status, out, err = command.end(number)
    assert (status, err) == (0, "")
    assert out.startswith("0 connections accepted in ")


def test_json_is_all_that_it_says(tmp_path):
    command = Command(tmp_path, "--json", "--service", "echo")
    assert command.process.stderr.readline().startswith("listening on")
    status, out, err = command.end(signal.SIGTERM)
    document = json.loads(out)
    assert (status, err, document["accepted"]) == (0, "", 0)
    assert (document["listen"], document["service"]) == ("10.9.0.2:80", "echo")
    assert document["counters"]["RX_FRAMES"] == 0
