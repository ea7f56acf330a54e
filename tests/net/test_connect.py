"""`pyprov connect` on a veth: the kernel's programs as servers."""

import hashlib
import json
import sys
from pathlib import Path

import pytest

from tests.net.netns import Namespace

PYPROV = Path(sys.executable).with_name("pyprov")
CONNECT = (PYPROV, "connect", "--config", "af_packet")
ECHO = """
import socket
for family, host in ((socket.AF_INET, "10.9.0.1"), (socket.AF_INET6, "fd09::1")):
    listener = socket.create_server((host, 7), family=family)
    print("ready", flush=True)
    s, _ = listener.accept()
    while data := s.recv(65536):
        s.sendall(data)
    s.close()
    listener.close()
"""


@pytest.fixture
def host():
    """A namespace with both ends of a veth in it; ours has no address of the kernel's."""
    with Namespace() as made:
        made.veth("pv0", made, "pv1")
        made.up("pv0")
        made.up("pv1", "10.9.0.1/24", "fd09::1/64")
        made.run("ethtool", "-K", "pv1", "tx", "off")
        yield made


def test_input_goes_out_and_the_answer_comes_back(host):
    server = host.start(sys.executable, "-c", ECHO)
    server.wait_for("ready")
    data = bytes(range(256)) * 4000
    done = host.run(*CONNECT, "10.9.0.1:7", input=data)
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(data).digest()
    assert done.stderr.startswith(b"connected to 10.9.0.1:7 from 10.9.0.2:")
    server.said = b""
    server.wait_for("ready")
    done = host.run(*CONNECT, "[fd09::1]:7", "--json", input=data)
    document = json.loads(done.stdout)
    assert (document["sent"], document["received"]) == (len(data), len(data))
    assert document["callee_data"] == ""
    assert server.end() == 0


@pytest.mark.parametrize("words", [[], ["--data", "who I am"]], ids=["plain", "data"])
def test_the_kernel_is_connected_to_at_once_with_caller_data_or_without(host, tmp_path, words):
    server = host.start(sys.executable, "-c", ECHO)
    server.wait_for("ready")
    path = tmp_path / "veth.pcap"
    capture = host.capture("pv1", path)
    done = host.run(*CONNECT, "10.9.0.1:7", "--json", *words, input=b"echo this")
    document = json.loads(done.stdout)
    assert (document["sent"], document["received"], document["callee_data"]) == (9, 9, "")
    assert capture.stop() == 0
    shown = ("tshark", "-r", str(path), "-T", "fields", "-e", "tcp.seq", "-e", "tcp.len")
    syns = host.run(*shown, "-Y", "tcp.flags.syn == 1").stdout.split()
    assert len(syns) == 4  # two SYNs, of two numbers each
    options = host.run(*shown, "-Y", "tcp.option_kind == 253").stdout.split()
    assert len(options) == (2 if words else 0)


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["10.9.0.1:7"], 1, "WSAECONNREFUSED"),
        (["192.0.2.1"], 2, "expected ADDRESS:PORT"),
    ],
)
def test_what_cannot_be_reached_is_one_line(host, words, status, says):
    done = host.run(*CONNECT, *words, check=False)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (status, b"", 1)
    assert says in done.stderr.decode()
