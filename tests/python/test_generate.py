"""`pyprov generate` and `pyprov serve` in two processes, over memif: nothing goes uncounted."""

import json
import signal
import subprocess
import sys

import pytest

from pyprov import cli
from tests.python.live import PATIENCE

CONFIG = """
[provider]
huge = "never"
memory = 128
max_connections = 20000
half_open_max = {half_open}
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


# A listener whose backlog nobody empties.
LAZY = """
import json, sys
from pyprov.core.port import ListenParams
from pyprov.runtime import engine
from pyprov.runtime.config import Config
from pyprov.tools.ending import Ending

with Ending() as ending:
    dataplane = engine.start(Config.load(sys.argv[2]))
    dataplane.listen(ListenParams(port=80, backlog=100))
    print("listening", file=sys.stderr, flush=True)
    ending.wait()
    print(json.dumps({"counters": dataplane.counters()}))
    engine.stop(dataplane)
"""


def start(folder, role, number, *words, cookies="auto", half_open=65_536, program=PYPROV):
    config = folder / f"{role}.toml"
    numbers = {"number": number, "other": 3 - number, "half_open": half_open}
    config.write_text(CONFIG.format(role=role, folder=folder, cookies=cookies, **numbers))
    command = (sys.executable, "-c", program, *words, "--config", str(config), "--json")
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=folder)


def document(program):
    said, complaints = program.communicate(timeout=PATIENCE)
    assert program.returncode == 0, complaints
    return json.loads(said)


def meet(folder, *words, host="10.9.0.2", listener=None, **settings):
    """Both documents; the server is `pyprov serve` or another program that listens."""
    where = f"[{host}]:80" if ":" in host else f"{host}:80"
    listen = () if listener else ("serve", "--listen", where, "--service", "discard")
    server = start(folder, "server", 2, *listen, program=listener or PYPROV, **settings)
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


@pytest.mark.timeout(90)
def test_a_full_half_open_table_drops_and_counts(tmp_path):
    words = ("--flood", "3", "--flows", "500", "--window", "64", "--timeout", "0.3")
    sent, served = meet(tmp_path, *words, cookies="never", half_open=256)
    mine, theirs = sent["legitimate"], served["counters"]
    assert mine["syns"] == mine["handshakes"] + mine["refused"] + mine["lost"]
    assert syns(theirs) == mine["syns"] + sent["flood"]["sent"]
    assert theirs["TCP_SYN_DROPPED_FULL"] > 0
    assert theirs["TCP_SYN_COOKIE"] == 0
    given_up = theirs["TCP_SYN_DROPPED_FULL"] + theirs["TCP_HALF_OPEN_DISPLACED"]
    assert given_up + theirs["TX_DROPPED"] >= mine["lost"]


@pytest.mark.timeout(90)
@pytest.mark.parametrize("cookies", ["auto", "always"])
def test_a_full_backlog_refuses_and_counts(tmp_path, cookies):
    words = ("--flows", "500", "--window", "64", "--flood", "1")
    sent, served = meet(tmp_path, *words, listener=LAZY, cookies=cookies)
    mine, theirs = sent["legitimate"], served["counters"]
    assert mine["syns"] == mine["handshakes"] + mine["refused"] + mine["lost"]
    assert syns(theirs) == mine["syns"] + sent["flood"]["sent"]
    assert theirs["TCP_REQUESTS"] == 100  # what has been queued is never lost
    refused = theirs["TCP_SYN_RESET_BACKLOG"]
    assert mine["refused"] > 0
    assert refused - theirs["TX_DROPPED"] <= mine["refused"] + sent["flood"]["answers"]
    met = theirs["TCP_ACK_BACKLOG"]  # by the ACKs of handshakes that were under way
    assert mine["handshakes"] <= 100 + met <= mine["handshakes"] + mine["repeated"]
    assert met - theirs["TX_DROPPED"] <= mine["resets"]


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
