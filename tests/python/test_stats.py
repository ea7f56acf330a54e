"""`pyprov stats`: providers say what they count, also when they are flooded and full."""

import json
import signal
import time

import pytest

from pyprov import cli
from tests.python.test_generate import document, start

FLOWS = 30_000  # more than the server takes


def stats(capsys, *words):
    assert cli.main(["stats", "--json", *words]) == 0
    (process,) = json.loads(capsys.readouterr().out)["processes"]
    (engine,) = process["engines"]
    return engine


@pytest.mark.timeout(90)
def test_a_full_server_under_a_flood_answers(tmp_path, capsys):
    listen = ("--listen", "10.9.0.2:80", "--service", "discard")
    server = start(tmp_path, "server", 2, "serve", *listen)
    pid = ("--pid", str(server.pid))
    client = None
    try:
        assert "listening" in server.stderr.readline()
        assert stats(capsys, *pid)["engine"]["connections"] == 0
        words = ("--seconds", "2", "--flood", "5", "--close", "none", "--flows", str(FLOWS))
        client = start(tmp_path, "client", 1, "generate", "10.9.0.2:80", *words)
        end = time.monotonic() + 40
        while not (now := stats(capsys, *pid))["counters"].get("TCP_SYN_DROPPED_MEMORY"):
            assert time.monotonic() < end, now
        engine = stats(capsys, *pid, "--connections", "200")
        assert client.poll() is None, "the flood has ended"
        check(engine)
        assert cli.main(["stats", *pid]) == 0
        said = capsys.readouterr().out
        assert said.startswith(f"process {server.pid}: ")
        assert "TCP_SYN_DROPPED_MEMORY" in said
        document(client)
        server.send_signal(signal.SIGINT)
        last = document(server)["counters"]
        assert all(n <= last[name] for name, n in engine["counters"].items())
    finally:
        for program in (server, client):
            if program is not None and program.poll() is None:
                program.kill()
                program.wait()


def check(engine):
    """What is told of a server that has all the connections it takes."""
    most = engine["engine"]["connections_max"]
    assert most == 20_000
    assert 0.9 * most < engine["engine"]["connections"] <= most
    assert len(engine["connections"]) == 200
    one = engine["connections"][-1]
    assert one["local"] == "10.9.0.2:80"
    assert one["peer"].startswith("198.1")
    assert one["state"] == "ESTABLISHED"
    assert one["snd_mss"] > 500
    (worker,) = engine["workers"]
    assert 0 < worker["busy_turns"] <= worker["turns"]
    assert 0 <= worker["load"] <= 100
    assert engine["counters"]["TCP_REQUESTS"] > 0.9 * most


def test_who_does_not_run_is_said_to_be_missing(capsys):
    assert cli.main(["stats", "--pid", "1"]) == 1
    said = capsys.readouterr().err
    assert "process 1 does not answer in" in said
    assert said.count("\n") == 1
