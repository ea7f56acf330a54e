"""`pyprov generate` and `pyprov serve` in two processes, over memif: nothing goes uncounted."""

import json
import signal
import subprocess
import sys

import pytest

from pyprov import cli

CONFIG = """
[provider]
huge = "never"
memory = 128
max_connections = 20000
[[port]]
device = "net_memif0,role={role},id=0,socket={folder}/memif,socket-abstract=no"
address = ["10.9.0.{number}/24", "fd09::{number}/64"]
gateway = ["10.9.0.{other}", "fd09::{other}"]
dad = false
[tcp]
syn_cookies = "{cookies}"
"""
PYPROV = "import sys; from pyprov import cli; sys.exit(cli.main())"
# Counters that end no frame, beside those that do and begin alike.
EVENTS = {"TCP_SYN_ACK_SENT", "TCP_SYN_ACK_RETRANSMITTED", "TCP_SYN_SENT", "TCP_SYN_SENT_BAD"}


def start(folder, role, number, *words, cookies="auto"):
    config = folder / f"{role}.toml"
    text = CONFIG.format(role=role, folder=folder, number=number, other=3 - number, cookies=cookies)
    config.write_text(text)
    command = (sys.executable, "-c", PYPROV, *words, "--config", str(config), "--json")
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=folder)


def document(program):
    said, complaints = program.communicate(timeout=40)
    assert program.returncode == 0, complaints
    return json.loads(said)


def meet(folder, *words, host="10.9.0.2", cookies="auto"):
    """Both documents."""
    where = f"[{host}]:80" if ":" in host else f"{host}:80"
    listen = ("--listen", where, "--service", "discard")
    server = start(folder, "server", 2, "serve", *listen, cookies=cookies)
    client = None
    try:
        assert "listening" in server.stderr.readline()
        client = start(folder, "client", 1, "generate", where, "--seconds", "0.3", *words)
        sent = document(client)
        server.send_signal(signal.SIGINT)
        return sent, document(server)
    finally:
        for program in (server, client):
            if program is not None and program.poll() is None:
                program.kill()
                program.wait()


def check_clients(sent, served):
    """Each SYN has its outcome at both ends, and each connection its end."""
    mine, theirs = sent["legitimate"], served["counters"]
    assert mine["handshakes"] > 100
    assert mine["syns"] == mine["handshakes"] + mine["refused"] + mine["lost"]
    assert mine["closes"] == mine["handshakes"]
    assert mine["handshakes"] <= theirs["TCP_REQUESTS"]
    assert theirs["TCP_REQUESTS"] <= mine["handshakes"] + mine["repeated"]
    # A frame that the wire has no room for, while the generator is not run, is sent again later.
    assert theirs["TCP_CLOSED"] + theirs["TX_DROPPED"] >= mine["closes"]
    return mine, theirs


def syns(counters):
    """All SYNs; one that made-up numbers put onto another's half-open connection is challenged."""
    all_of_them = sum(n for name, n in counters.items() if name.startswith("TCP_SYN_"))
    others = sum(counters[name] for name in EVENTS)
    return all_of_them - others + counters["TCP_HALF_OPEN_CHALLENGED"]


@pytest.mark.timeout(90)
@pytest.mark.parametrize(
    ("cookies", "host", "close"),
    [("auto", "10.9.0.2", "fin"), ("always", "fd09::2", "rst"), ("never", "10.9.0.2", "rst")],
)
def test_every_syn_of_clients_and_flood_is_accounted_for(tmp_path, cookies, host, close):
    words = ("--flood", "3", "--close", close, "--flows", "500", "--window", "64")
    sent, served = meet(tmp_path, *words, host=host, cookies=cookies)
    mine, theirs = check_clients(sent, served)
    assert sent["tx_full"] == 0
    assert syns(theirs) == mine["syns"] + sent["flood"]["sent"]
    assert sent["flood"]["sent"] == pytest.approx(3 * mine["syns"], abs=16)
    # What the wire had no room for is counted by the sender, what it carried by the receiver.
    answers = mine["handshakes"] + mine["repeated"] + sent["flood"]["answers"]
    said = theirs["TCP_SYN_ACK_SENT"] + theirs["TCP_CHALLENGE_ACK"]
    assert answers <= said <= answers + theirs["TX_DROPPED"] + sent["bad"]
    assert (theirs["TCP_SYN_COOKIE"] > 0) == (cookies != "never")
    assert 0 < sent["latency_us"]["p50"] <= sent["latency_us"]["p999"]


@pytest.mark.timeout(90)
@pytest.mark.parametrize("kind", ["ack", "rst"])
def test_other_floods_end_nowhere_and_the_clients_are_served(tmp_path, kind):
    words = ("--flood", "4", "--flood-kind", kind, "--flows", "500", "--window", "16")
    sent, served = meet(tmp_path, *words)
    _, theirs = check_clients(sent, served)
    strays = {
        "ack": ("TCP_NO_CONNECTION", "TCP_NO_CONNECTION_LIMITED", "TCP_ACK_COOKIE_BAD"),
        "rst": ("TCP_NO_CONNECTION_RST", "TCP_LISTEN_IGNORED"),
    }[kind]
    assert sum(theirs[name] for name in strays) == sent["flood"]["sent"]
    resets = theirs["TCP_RST_SENT"]
    assert resets - theirs["TX_DROPPED"] <= sent["flood"]["answers"] <= resets
    assert (resets > 0) == (kind == "ack")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["10.9.0.2"], "expected ADDRESS:PORT"),
        (["10.9.0.1:80"], "10.9.0.1:80: is this end's own address in generate.toml"),
        (["10.9.0.2:80", "--flows", "0"], "--flows 0: expected 1 to"),
        (["10.9.0.2:80", "--rate", "-1"], "--rate -1: expected 0 to"),
        (["10.9.0.2:80", "--flood", "nan"], "--flood nan: expected 0 to 1000"),
        (["10.9.0.2:80", "--seconds", "0"], "--seconds 0.0: expected 0.1 to"),
        (["10.9.0.2:80", "--close", "never"], "invalid choice"),
        (["10.9.0.2:80", "--config", "ring"], "ring.toml: port.device = 'ring'"),
        (["10.9.0.2:80", "--config", "nothing"], "nothing: no such file or configuration"),
    ],
)
def test_what_cannot_be_generated_is_told_in_one_line(capsys, words, complaint):
    try:
        status = cli.main(["generate", *words])
    except SystemExit as error:  # argparse's own
        status = error.code
    assert status == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert said.count("\n") == 1
