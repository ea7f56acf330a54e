"""Programs everybody has, over a tap and over packet sockets on a veth, with IPv4 and IPv6.

What we sent is looked at by tshark, which must find nothing wrong.
"""

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.net.netns import Namespace, expert
from tests.net.test_serve import pattern

HERE = Path(__file__).parent
PYPROV = Path(sys.executable).with_name("pyprov")
OURS = "(ip.src == 10.9.0.2 or ipv6.src == fd09::2) and not tcp.flags.reset == 1"
CONFIG = """
[provider]
memory = 128
max_connections = 16384
[[port]]
device = "{device}"
address = ["10.9.0.2/24", "fd09::2/64"]
dad = false
mtu = {mtu}
"""
LOCALHOST = {4: "127.0.0.1", 6: "[::1]"}
HOSTS = {4: ("10.9.0.1", "10.9.0.2"), 6: ("fd09::1", "fd09::2")}
both = pytest.mark.parametrize("family", [4, pytest.param(6, marks=pytest.mark.slow)])
WIRES = {"tap": "net_tap0,iface=pv0", "veth": "net_af_packet0,iface=pv0"}


def quoted(host):
    return f"[{host}]" if ":" in host else host


class Net:
    """A namespace with the kernel at one end of a wire; we come to the other one."""

    def __init__(self, namespace, folder, wire, mtu=1500):
        self.namespace = namespace
        self.folder = folder
        self.wire = wire
        self.mtu = mtu
        self.device = {"tap": "pv0", "veth": "pv1"}[wire]
        self.config = folder / "ours.toml"
        self.config.write_text(CONFIG.format(device=WIRES[wire], mtu=mtu))
        if wire == "veth":
            namespace.veth("pv0", namespace, "pv1")
            for end in ("pv0", "pv1"):
                namespace.ip.link("set", index=namespace.index(end), mtu=mtu)
                namespace.run("ethtool", "-K", end, "tx", "off", "gro", "off")
            namespace.up("pv0")
            self.kernel_up()

    def kernel_up(self):
        """A tap is there only once we are."""
        self.namespace.up(self.device, "10.9.0.1/24", "fd09::1/64")
        self.namespace.ip.link("set", index=self.namespace.index(self.device), mtu=self.mtu)

    def start(self, *words, ready):
        program = self.namespace.start(*words, cwd=self.folder)
        program.wait_for(ready, 20)
        if self.wire == "tap":
            self.kernel_up()
        return program

    def serve(self, service, family=4, port=80):
        listen = f"{quoted(HOSTS[family][1])}:{port}"
        words = ("serve", "--config", self.config, "--listen", listen, "--service", service)
        return self.start(PYPROV, *words, ready="listening on")

    def curl(self, path, family=4, **options):
        url = f"http://{quoted(HOSTS[family][1])}{path}"
        return self.namespace.run("curl", "-sSg", url, **options).stdout


@pytest.fixture(params=list(WIRES))
def net(request, tmp_path):
    with Namespace() as namespace:
        yield Net(namespace, tmp_path, request.param)


@pytest.fixture
def veth(tmp_path):
    with Namespace() as namespace:
        yield Net(namespace, tmp_path, "veth")


class Watched:
    """A capture that tshark looks at when it ends; with a tap that may be earlier."""

    def __init__(self, net):
        self.tap = net.wire == "tap"
        self.path = net.folder / "seen.pcap"
        self.program = net.namespace.capture(net.device, self.path)

    def __enter__(self):
        return self

    def __exit__(self, kind, *exception):
        status = self.program.stop()
        assert status == 0 or self.tap
        if kind is None:
            assert expert(self.path, OURS) == []


@contextlib.contextmanager
def client(net, *words, **options):
    """A program of ours, watched from its first frame on. A tap comes with the program, which then
    has to wait for the kernel to have addresses.
    """
    with contextlib.ExitStack() as stack:
        if net.wire == "veth":
            stack.enter_context(Watched(net))
        program = net.namespace.start(*words, **options)
        if net.wire == "tap":
            net.namespace.appear(net.device)
            stack.enter_context(Watched(net))
            net.kernel_up()
        yield program


@pytest.mark.parametrize("family", [4, 6])
def test_curl_from_our_http_service(net, family):
    net.serve("http", family)
    with Watched(net):
        assert net.curl("/100", family) == pattern(100)
        assert net.curl("/300000", family) == pattern(300_000)


# DPDK's driver of taps carries no more than 1500.
MTUS = [("tap", 1280), ("veth", 1280), ("veth", 4000), ("veth", 9000)]
IP_LENGTH = {4: ("ip.len", 0), 6: ("ipv6.plen", 40)}  # and what that does not count


def largest(net, family):
    """The largest packet that went either way."""
    field, header = IP_LENGTH[family]
    words = ("tshark", "-r", net.folder / "seen.pcap", "-T", "fields", "-e", field)
    return max(map(int, net.namespace.run(*words).stdout.split())) + header


@pytest.mark.parametrize("family", [pytest.param(4, marks=pytest.mark.slow), 6])
@pytest.mark.parametrize(("wire", "mtu"), MTUS)
def test_every_mtu(wire, mtu, family, tmp_path):
    with Namespace() as namespace:
        net = Net(namespace, tmp_path, wire, mtu)
        net.serve("http", family)
        with Watched(net):
            assert net.curl("/500000", family) == pattern(500_000)
            data = pattern(500_000)
            (tmp_path / "file").write_bytes(data)
            url = f"http://{quoted(HOSTS[family][1])}/"
            words = ("curl", "-sSg", "-T", tmp_path / "file", url)
            assert int(namespace.run(*words).stdout) == len(data)
        assert largest(net, family) == mtu


@both
@pytest.mark.parametrize(
    ("wire", "mtu"), [pytest.param(*MTUS[0], marks=pytest.mark.slow), MTUS[1], MTUS[3]]
)
def test_every_mtu_as_a_client(wire, mtu, family, tmp_path):
    with Namespace() as namespace:
        net = Net(namespace, tmp_path, wire, mtu)
        server = namespace.start(sys.executable, "-c", KERNEL_ECHO)
        server.wait_for("ready")
        data = pattern(500_000)
        (tmp_path / "file").write_bytes(data)
        words = (PYPROV, "connect", "--config", net.config, f"{quoted(HOSTS[family][0])}:7")
        with (tmp_path / "file").open("rb") as file, client(net, *words, stdin=file) as ours:
            assert ours.end(30) == 0
        assert data in ours.said
        assert largest(net, family) == mtu


NGINX = """
daemon off;
master_process off;
error_log stderr;
pid {folder}/nginx.pid;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{ listen 8080; listen [::]:8080; root {folder}; }}
}}
"""


@pytest.mark.parametrize("family", [4, 6])
def test_nginx_serves_our_client(net, family):
    data = pattern(500_000) + b"\nthe end\n"
    (net.folder / "file").write_bytes(data)
    (net.folder / "file").chmod(0o644)
    conf = net.folder / "nginx.conf"
    conf.write_text("user root;" + NGINX.format(folder=net.folder))
    net.namespace.start("nginx", "-e", "stderr", "-c", conf)
    host = quoted(HOSTS[family][0])
    net.namespace.run(
        "curl",
        "-sSg",
        "--retry",
        "20",
        "--retry-all-errors",
        "--retry-delay",
        "0",
        "-o",
        "/dev/null",
        f"http://{LOCALHOST[family]}:8080/file",
    )
    request = b"GET /file HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    words = (PYPROV, "connect", "--config", net.config, f"{host}:8080")
    with client(net, *words, stdin=subprocess.PIPE) as ours:
        # nginx gives up on who says that he has no more to say.
        ours.process.stdin.write(request)
        ours.process.stdin.flush()
        ours.wait_for("the end", 20)
    assert ours.end() == 0
    head, _, body = ours.said.partition(b"\r\n\r\n")
    assert b"HTTP/1.1 200 OK" in head
    assert body == data


# More than a capture on a busy machine takes down is of no use here.
RATE = "100M"


@pytest.mark.parametrize("reverse", [False, True], ids=["to-us", "from-us"])
@both
def test_iperf3_against_our_server(net, family, reverse):
    host = HOSTS[family][1]
    words = (sys.executable, HERE / "iperf.py", net.config, "server", host)
    server = net.start(*words, ready="ready")
    more = ["-R"] if reverse else []
    with Watched(net):
        done = net.namespace.run("iperf3", "-c", host, "-t", 1, "-b", RATE, "-J", *more, timeout=20)
    assert json.loads(done.stdout)["end"]["sum_received"]["bytes"] > 100_000
    server.wait_for("served")
    assert server.stop(signal.SIGTERM) == -signal.SIGTERM


@pytest.mark.parametrize("reverse", [False, True], ids=["from-us", "to-us"])
@both
def test_our_client_against_iperf3(net, family, reverse):
    net.namespace.start("iperf3", "-s", "-1", "--forceflush").wait_for("listening")
    more = ["reverse"] if reverse else []
    program = (sys.executable, HERE / "iperf.py", net.config, "client", HOSTS[family][0])
    with client(net, *program, *more) as ours:
        said = json.loads(ours.wait_for("theirs", 20))
    assert min(said.values()) > 100_000
    assert ours.end() == 0


TALKER = """
import socket, sys
s = socket.create_connection((sys.argv[1], 7))
s.sendall(b"x" * 100000)
print("there", flush=True)
while True:
    s.recv(1)
"""


@both
def test_a_killed_client_leaves_our_server_well(net, family):
    host = HOSTS[family][1]
    net.serve("echo", family, port=7)
    with Watched(net):
        for _ in range(3):
            client = net.namespace.start(sys.executable, "-c", TALKER, host)
            client.wait_for("there")
            assert client.stop(signal.SIGKILL) == -signal.SIGKILL
        data = pattern(10_000)
        got = net.namespace.run("nc", "-N", "-w5", host, "7", input=data).stdout
        assert got == data


KERNEL_ECHO = """
import socket, sys
listener = socket.create_server(("", 7), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
s, _ = listener.accept()
while data := s.recv(65536):
    s.sendall(data)
"""


@both
def test_a_killed_server_is_told_to_our_client(net, family):
    server = net.namespace.start(sys.executable, "-c", KERNEL_ECHO)
    server.wait_for("ready")
    words = (PYPROV, "connect", "--config", net.config, f"{quoted(HOSTS[family][0])}:7")
    with client(net, *words, stdin=subprocess.PIPE) as ours:
        ours.process.stdin.write(pattern(100_000) + b"\nthere\n")
        ours.process.stdin.flush()
        ours.wait_for("there", 20)
        assert server.stop(signal.SIGKILL) == -signal.SIGKILL
    ours.process.stdin.write(b"anybody?")  # after a FIN; what comes back to this is a reset
    with contextlib.suppress(BrokenPipeError):
        ours.process.stdin.close()
    ours.process.stdin = None
    assert ours.end() in {0, 1}
    assert ours.said.count(b"there") == 1


WAITER = """
import socket, sys
s = socket.create_connection((sys.argv[1], 7))
s.sendall(b"hello")
assert s.recv(5) == b"hello"
print("there", flush=True)
input()
s.settimeout(10)
try:
    s.sendall(b"anybody?")
    print(s.recv(1))
except OSError as error:
    print(type(error).__name__, flush=True)
"""


@both
def test_who_comes_back_after_a_kill_resets_what_was(veth, family):
    server = veth.serve("echo", family, port=7)
    words = (sys.executable, "-c", WAITER, HOSTS[family][1])
    client = veth.namespace.start(*words, stdin=subprocess.PIPE)
    client.wait_for("there")
    assert server.stop(signal.SIGKILL) == -signal.SIGKILL
    veth.serve("echo", family, port=7)
    client.process.stdin.write(b"\n")
    client.process.stdin.flush()
    client.wait_for("ConnectionResetError")


MANY = """
import asyncio, sys
async def one(number):
    reader, writer = await asyncio.open_connection(sys.argv[1], 7)
    return number, reader, writer
async def main():
    clients = []
    for first in range(0, 10000, 500):
        clients += await asyncio.gather(*(one(first + i) for i in range(500)))
    for number, _, writer in clients:
        writer.write(b"%05d" % number)
    for number, reader, _ in clients:
        assert await reader.readexactly(5) == b"%05d" % number
    for _, reader, writer in clients:
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
    print(len(clients))
asyncio.run(main())
"""


@both
def test_ten_thousand_connections_at_once(net, family):
    net.serve("echo", family, port=7)
    words = ("prlimit", "--nofile=20000", sys.executable, "-c", MANY, HOSTS[family][1])
    assert net.namespace.run(*words, timeout=100).stdout == b"10000\n"


ECHO = """
import asyncio
async def echo(reader, writer):
    while data := await reader.read(100):
        writer.write(data)
    writer.close()
async def main():
    server = await asyncio.start_server(echo, ["0.0.0.0", "::"], 7, backlog=1000)
    print("ready", flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


@both
def test_ten_thousand_connections_of_ours(veth, family):
    server = veth.namespace.start("prlimit", "--nofile=20000", sys.executable, "-c", ECHO)
    server.wait_for("ready")
    program = (sys.executable, HERE / "many.py", veth.config, HOSTS[family][0], 10_000)
    assert veth.namespace.run(*program, timeout=100).stdout == b"10000\n"


@pytest.mark.slow
@pytest.mark.parametrize("family", [4, 6])
def test_ten_thousand_connections_of_ours_over_a_tap(tmp_path, family):
    with Namespace() as namespace:
        net = Net(namespace, tmp_path, "tap")
        namespace.start("prlimit", "--nofile=20000", sys.executable, "-c", ECHO).wait_for("ready")
        program = (sys.executable, HERE / "many.py", net.config, HOSTS[family][0], 10_000)
        ours = namespace.start(*program)
        namespace.appear("pv0")
        net.kernel_up()
        assert ours.end(100) == 0
        assert ours.said == b"10000\n"
