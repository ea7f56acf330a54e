"""`pyprov serve` on a tap, and the demo: the kernel's programs as clients of the commands."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pyprov import cli
from pyprov.tools.replay import capture as captures
from tests.net.netns import Namespace, expert

HOST = "10.9.0.2"
OURS = f"(ip.src == {HOST} or ipv6.src == fd09::2) and not tcp.flags.reset == 1"
PYPROV = Path(sys.executable).with_name("pyprov")
HUNDRED = 100_000_000
RULES = """
from pyprov import spi

def guests(caller_id, *others):
    return spi.CF_REJECT if caller_id.address[0] == "10.9.0.66" else spi.CF_ACCEPT

def hello(spi, s, peer):
    spi.WSPSend(s, b"hello " + peer[0].encode() + b"\\n")
"""


def pattern(size):
    """What HTTP's GET /SIZE answers with."""
    return (bytes(range(251)) * (size // 251 + 1))[:size]


class Serve:
    """The command in a namespace, and the kernel beside it."""

    def __init__(self, namespace, folder, *words, listen=f"{HOST}:80"):
        (folder / "rules.py").write_text(RULES)
        self.namespace = namespace
        command = (PYPROV, "serve", "--listen", listen, *words)
        self.program = namespace.start(*command, cwd=folder)
        self.line = self.program.wait_for("listening on", 20)
        namespace.up("pv0", "10.9.0.1/24", "10.9.0.66/24", "fd09::1/64")

    def run(self, *words, **options):
        return self.namespace.run(*words, **options)

    def curl(self, path, *words, host=HOST, **options):
        return self.run("curl", "-sS", *words, f"http://{host}{path}", **options)

    def end(self, number=signal.SIGTERM):
        """End it; its exit status and what it said last."""
        status = self.program.stop(number)
        return status, self.program.said.decode().splitlines()[-1]


@pytest.fixture(scope="module")
def http(tmp_path_factory):
    """HTTP inside the workers."""
    with Namespace() as namespace:
        yield Serve(namespace, tmp_path_factory.mktemp("serve"))


@pytest.fixture
def captured(http, tmp_path):
    """Records what a test does; tshark must find nothing wrong with what we sent."""
    path = tmp_path / "tap.pcap"
    program = http.namespace.capture("pv0", path)
    yield path, program
    if program.process.returncode is None:
        assert program.stop() == 0
    assert expert(path, OURS) == []


@pytest.fixture
def serve(namespace, tmp_path):
    """Start a server of the test's own."""
    return lambda *words, **options: Serve(namespace, tmp_path, *words, **options)


# --- in the workers -------------------------------------------------------------------------------


def test_it_says_where_it_listens(http):
    assert http.line == f"listening on {HOST}:80 (net_tap0, 1 worker)"


def test_a_kilobyte_each_way(http, captured, tmp_path):
    assert http.curl("/1024").stdout == pattern(1024)
    (tmp_path / "file").write_bytes(pattern(1024))
    assert http.curl("/x", "-T", tmp_path / "file").stdout.split()[0] == b"1024"


def test_one_connection_for_many_requests(http, captured):
    words = ("-w", "%{num_connects}\n", "-o", "/dev/null")
    said = http.curl("/[1000-1009]", *words).stdout.split()
    assert said == [b"1", *[b"0"] * 9]


def test_a_hundred_megabytes_each_way(http, tmp_path):
    http.curl(f"/{HUNDRED}", "-o", tmp_path / "got", timeout=80)
    assert (tmp_path / "got").read_bytes() == pattern(HUNDRED)
    assert http.curl("/x", "-T", tmp_path / "got", timeout=80).stdout.split()[0] == b"%d" % HUNDRED


MANY = """
import asyncio
ASK = b"GET /5 HTTP/1.1\\r\\n\\r\\n"
async def main():
    clients = await asyncio.gather(
        *(asyncio.open_connection("10.9.0.2", 80) for _ in range(1000))
    )
    for _, writer in clients:
        writer.write(ASK)
    for reader, _ in clients:
        head = await reader.readuntil(b"\\r\\n\\r\\n")
        assert b"200 OK" in head
        assert await reader.readexactly(5) == bytes(range(5))
    for reader, writer in clients:
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
    print(len(clients))
asyncio.run(main())
"""


def test_a_thousand_connections_at_once(http):
    words = ("prlimit", "--nofile=4096", sys.executable, "-c", MANY)
    assert http.run(*words, timeout=25).stdout == b"1000\n"


def test_a_closed_port_is_refused(http, captured):
    refused = http.run("nc", "-z", "-v", "-w5", HOST, "81", check=False)
    assert refused.returncode == 1
    assert b"refused" in refused.stderr


def test_a_capture_of_it_can_be_replayed(http, captured, capsys):
    path, program = captured
    assert http.curl("/30000").stdout == pattern(30_000)
    assert program.stop() == 0
    out = path.with_name("again.pcap")
    assert cli.main(["replay", str(path), "--out", str(out), "--seed", "9", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["counters"]["TCP_ACK_ACCEPTED"] == 1
    sent = b"".join(frame.data[66:] for frame in captures.read(out))
    assert pattern(30_000) in sent
    assert expert(out, "tcp.checksum.status != 1") == []


def test_echo_of_a_hundred_megabytes(serve, tmp_path):
    server = serve("--service", "echo", "--json", listen="0.0.0.0:7")
    with (tmp_path / "sent").open("wb") as file:
        file.write(os.urandom(1 << 20) * 100)
    command = f"nc -N {HOST} 7 <{tmp_path}/sent >{tmp_path}/got"
    server.run("sh", "-c", command, timeout=80)
    assert (tmp_path / "got").read_bytes() == (tmp_path / "sent").read_bytes()
    status, last = server.end(signal.SIGINT)
    document = json.loads(last)
    assert (status, document["accepted"], document["served_by"]) == (0, 1, "workers")
    assert document["counters"]["TCP_FIN"] == 1


def test_ipv6(serve):
    server = serve(listen="[fd09::2]:80")
    assert server.line == "listening on [fd09::2]:80 (net_tap0, 1 worker)"
    assert server.curl("/1000", host="[fd09::2]").stdout == pattern(1000)


# --- in Python ------------------------------------------------------------------------------------


def test_a_condition_function_decides(serve, tmp_path):
    server = serve("--condition", "rules:guests", "--json")
    capture = server.namespace.capture("pv0", tmp_path / "tap.pcap")
    data = os.urandom(1 << 20)
    (tmp_path / "file").write_bytes(data)
    assert server.curl("/1048576").stdout == pattern(1 << 20)
    said = server.curl("/x", "-T", tmp_path / "file").stdout.split()
    assert said == [b"1048576", hashlib.sha256(data).hexdigest().encode()]
    rejected = server.curl("/", "--interface", "10.9.0.66", check=False)
    assert rejected.returncode in {7, 55, 56}  # before it has looked, as it asks, or while it waits
    assert capture.stop() == 0
    assert expert(tmp_path / "tap.pcap", OURS) == []
    assert len(expert(tmp_path / "tap.pcap", f"ip.src == {HOST} and tcp.flags.reset == 1")) == 1
    status, last = server.end()
    document = json.loads(last)
    assert (status, document["accepted"], document["rejected"]) == (0, 2, 1)
    assert document["served_by"] == "Python"


def test_a_hundred_megabytes_each_way_through_python(serve, tmp_path):
    server = serve("--condition", "rules:guests")
    server.curl(f"/{HUNDRED}", "-o", tmp_path / "got", timeout=80)
    data = (tmp_path / "got").read_bytes()
    assert data == pattern(HUNDRED)
    said = server.curl("/x", "-T", tmp_path / "got", timeout=80).stdout.decode().split()
    assert said == [str(HUNDRED), hashlib.sha256(data).hexdigest()]


def tshark(path, *words):
    """The lines that tshark prints of a capture."""
    command = ("tshark", "-r", str(path), *words)
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.split()


def test_no_syn_is_answered_before_the_condition_function_has_decided(serve, tmp_path):
    """The kernel's clients notice nothing but a refusal, and see plain TCP."""
    server = serve("--condition", "rules:guests", "--conditional-accept")
    path = tmp_path / "tap.pcap"
    capture = server.namespace.capture("pv0", path)
    assert server.curl("/1000").stdout == pattern(1000)
    rejected = server.curl("/", "--interface", "10.9.0.66", check=False)
    assert rejected.returncode == 7  # it could not connect
    assert capture.stop() == 0
    assert expert(path, OURS) == []
    to = "ip.dst == {} and tcp.flags.syn == 1"
    assert len(tshark(path, "-Y", to.format("10.9.0.1"), "-T", "fields", "-e", "tcp.flags")) == 1
    assert tshark(path, "-Y", to.format("10.9.0.66")) == []
    assert tshark(path, "-Y", "tcp.option_kind == 253") == []


def test_a_function_serves(serve):
    server = serve("--service", "rules:hello", listen=f"{HOST}:99")
    assert server.run("nc", "-d", HOST, "99").stdout == b"hello 10.9.0.1\n"
    status, last = server.end()
    assert (status, last.split(" in ")[0]) == (0, "1 connections accepted")


def test_a_second_server_on_the_tap_is_told(serve, tmp_path):
    server = serve()
    words = (PYPROV, "serve", "--listen", f"{HOST}:80")
    second = server.run(*words, check=False, cwd=tmp_path)
    assert second.returncode == 1
    assert second.stdout == b""
    assert b"pv0" in second.stderr.splitlines()[-1]


# --- the demo -------------------------------------------------------------------------------------


def devices():
    return sorted(path.name for path in Path("/sys/class/net").iterdir())


def test_the_demo_ends_well_and_leaves_nothing():
    before = devices()
    command = [sys.executable, "-m", "pyprov.tools.demo"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    assert (done.returncode, done.stderr) == (0, "")
    assert "ARP: who has 10.9.0.2? tell 10.9.0.1" in done.stdout
    assert "It said CF_ACCEPT" in done.stdout
    assert "The same bytes at both ends" in done.stdout
    assert "said CF_REJECT. curl says:" in done.stdout
    assert "3 connections accepted, 1 rejected." in done.stdout
    assert devices() == before


def test_the_demo_can_be_ended_at_any_time(namespace):
    demo = namespace.start(sys.executable, "-m", "pyprov.tools.demo")
    demo.wait_for("Ready after", 20)
    # On a busy machine it may be at its end already, or so near that Python handles no signal more.
    assert demo.stop(signal.SIGTERM) in {128 + signal.SIGTERM, 0, -signal.SIGTERM}
