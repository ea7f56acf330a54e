"""The kernel's TCP on the other side of a tap: programs everybody has, as clients of ours."""

import hashlib
import signal
import sys
from pathlib import Path

import pytest

from tests.net.netns import Namespace, expert
from tests.net.server import HOST, pattern
from tests.proofs import proves

TAP = """
[provider]
memory = 128
[[port]]
device = "net_tap0,iface=pv0"
address = ["10.9.0.2/24", "fd09::2/64"]
dad = false
"""
SERVER = Path(__file__).with_name("server.py")
TOP = SERVER.parents[2]
OURS = f"ip.src == {HOST} or ipv6.src == fd09::2"
MEGABYTE = 1 << 20


class Host:
    """A namespace in which the provider serves; the kernel beside it is its client."""

    def __init__(self, namespace, folder, more=""):
        self.namespace = namespace
        self.config = folder / "tap.toml"
        self.config.write_text(TAP + more)
        self.start()

    def start(self):
        self.server = self.namespace.start(sys.executable, SERVER, self.config, cwd=TOP)
        self.server.wait_for("ready")
        self.namespace.up("pv0", "10.9.0.1/24", "fd09::1/64")

    def run(self, *words, **options):
        return self.namespace.run(*words, **options)


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with Namespace() as namespace:
        yield Host(namespace, tmp_path_factory.mktemp("server"))


@pytest.fixture
def own_host(tmp_path):
    """For tests that end the server."""
    with Namespace() as namespace:
        yield Host(namespace, tmp_path)


@pytest.fixture
def capture(host, tmp_path):
    """Records what a test does; tshark must find nothing wrong with what we sent."""
    path = tmp_path / "tap.pcap"
    program = host.namespace.capture("pv0", path)
    yield path
    assert program.stop() == 0
    assert expert(path, f"({OURS}) and not tcp.flags.reset == 1") == []


def test_ping(host, capture):
    assert b"3 received" in host.run("ping", "-c3", "-i0.05", "-W2", HOST).stdout
    assert b"3 received" in host.run("ping", "-c3", "-i0.05", "-W2", "fd09::2").stdout
    assert b"1 received" in host.run("ping", "-c1", "-s1400", "-W2", HOST).stdout


def test_curl_fetches_and_brings_a_kilobyte(host, capture, tmp_path):
    got = host.run("curl", "-sS", f"http://{HOST}/1024").stdout
    assert got == pattern(1024)
    (tmp_path / "file").write_bytes(pattern(1000))
    answer = host.run("curl", "-sS", "-T", tmp_path / "file", f"http://{HOST}/").stdout
    assert answer.decode().strip() == hashlib.sha256(pattern(1000)).hexdigest()


@proves("V13")
def test_a_megabyte_each_way_has_no_fault_of_ours(host, capture, tmp_path):
    assert host.run("curl", "-sS", f"http://{HOST}/{MEGABYTE}").stdout == pattern(MEGABYTE)
    (tmp_path / "file").write_bytes(pattern(MEGABYTE))
    answer = host.run("curl", "-sS", "-T", tmp_path / "file", f"http://{HOST}/").stdout
    assert answer.decode().strip() == hashlib.sha256(pattern(MEGABYTE)).hexdigest()


def test_curl_fetches_a_hundred_megabytes(host, tmp_path):
    size = 100 * MEGABYTE
    host.run("curl", "-sS", "-o", tmp_path / "got", f"http://{HOST}/{size}", timeout=110)
    assert (tmp_path / "got").read_bytes() == pattern(size)


def test_curl_brings_a_hundred_megabytes(host, tmp_path):
    data = pattern(100 * MEGABYTE)
    (tmp_path / "file").write_bytes(data)
    words = ("curl", "-sS", "-T", tmp_path / "file", f"http://{HOST}/")
    answer = host.run(*words, timeout=110).stdout
    assert answer.decode().strip() == hashlib.sha256(data).hexdigest()


MANY = """
import asyncio
async def one(number):
    reader, writer = await asyncio.open_connection("10.9.0.2", 82)
    return number, reader, writer
async def main():
    clients = await asyncio.gather(*(one(i) for i in range(1000)))
    for number, _, writer in clients:
        writer.write(b"%d" % number)
    for number, reader, _ in clients:
        assert await reader.readexactly(len(b"%d" % number)) == b"%d" % number
    for _, reader, writer in clients:
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
    print(len(clients))
asyncio.run(main())
"""


@proves("V13")
def test_a_thousand_connections_at_once(host, capture):
    words = ("prlimit", "--nofile=4096", sys.executable, "-c", MANY)
    assert host.run(*words, timeout=25).stdout == b"1000\n"


@proves("V13")
def test_nc_ends_its_direction_and_still_hears_the_rest(host, capture):
    data = pattern(300_000)
    assert host.run("nc", "-N", "-w5", HOST, "7", input=data).stdout == data


def test_a_closed_port_is_refused(host, capture):
    refused = host.run("nc", "-z", "-v", "-w5", HOST, "9", check=False)
    assert refused.returncode == 1
    assert b"refused" in refused.stderr


REJECTED = """
import socket
client = socket.socket()
client.settimeout(5)
try:
    client.connect(("10.9.0.2", 81))
    print(client.recv(1))
except ConnectionResetError as error:
    print("reset")
"""


def test_a_rejecting_condition_is_a_reset(host, capture):
    assert host.run(sys.executable, "-c", REJECTED).stdout == b"reset\n"
    host.server.wait_for("condition: WSAECONNREFUSED")


def test_sigterm_lets_what_was_written_go_out_first(own_host, tmp_path):
    client = own_host.namespace.start("sh", "-c", f"nc -d {HOST} 83 >{tmp_path}/got")
    own_host.server.wait_for("left")
    assert own_host.server.stop(signal.SIGTERM) == -signal.SIGTERM
    assert client.end() == 0
    assert (tmp_path / "got").read_bytes() == pattern(200_000)


def test_two_providers_on_one_tap_are_told(own_host, tmp_path):
    config = tmp_path / "second.toml"
    config.write_text(TAP)
    second = own_host.run(sys.executable, SERVER, config, cwd=TOP, check=False)
    assert second.returncode == 1
    assert b"pv0" in second.stderr.splitlines()[-1]


@proves("A05")
@pytest.mark.parametrize("offload", ["true", "false"])
def test_sums_are_right_whoever_computes_them(tmp_path, offload):
    """The kernel takes no segment with a wrong sum, and tshark looks at each."""
    with Namespace() as namespace:
        host = Host(namespace, tmp_path, f"checksum_offload = {offload}\n")
        path = tmp_path / "tap.pcap"
        program = namespace.capture("pv0", path)
        for size in (1, 1001, 200_000):
            assert host.run("curl", "-sS", f"http://{HOST}/{size}").stdout == pattern(size)
        assert program.stop() == 0
        assert expert(path, f"({OURS}) and not tcp.flags.reset == 1") == []


STOPPED = """
import socket
clients = [socket.create_connection(("10.9.0.2", port), 5) for port in (82, 82, 7)]
clients[2].sendall(b"x")
assert clients[2].recv(1) == b"x"
print("open", flush=True)
for client in clients:
    client.settimeout(20)
    try:
        assert client.recv(1) == b""
    except ConnectionResetError:
        pass
print("over")
"""


@proves("V12")
def test_a_stop_ends_all_connections_and_frees_what_it_had(tmp_path):
    with Namespace() as namespace:
        host = Host(namespace, tmp_path)
        for _ in range(2):  # the second time with the same device, addresses and ports
            client = namespace.start(sys.executable, "-c", STOPPED)
            client.wait_for("open")
            assert host.server.stop(signal.SIGTERM) == -signal.SIGTERM
            client.wait_for("over")
            assert client.end() == 0
            assert namespace.ip.link_lookup(ifname="pv0") == []
            host.start()
