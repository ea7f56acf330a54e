"""`pyprov generate` on a packet socket: against the kernel's listener, and against our own."""

import json
import sys

import pytest

from tests.net.netns import Namespace

CONFIG = """
[provider]
huge = "never"
memory = 128
[[port]]
device = "net_af_packet0,iface=pv{number}"
address = ["10.9.0.{number}/24"]
gateway = "10.9.0.1"
dad = false
"""
GENERATOR = CONFIG.replace('gateway = "10.9.0.1"\n', "")
# Takes who comes, waits until he goes, says at last how many there were.
LISTENER = """
import signal, socket
signal.signal(signal.SIGINT, signal.default_int_handler)
listener, n = socket.create_server(("10.9.0.2", 80), backlog=4096), 0
print("listening", flush=True)
try:
    while True:
        s, _ = listener.accept()
        assert s.recv(1) == b""
        s.close()
        n += 1
except KeyboardInterrupt:
    print("accepted", n)
"""
PYPROV = (sys.executable, "-c", "import sys; from pyprov import cli; sys.exit(cli.main())")


@pytest.fixture
def veth():
    """Two interfaces, a cable between them; its checksums are those of a real one."""
    with Namespace() as made:
        made.ip.link("add", ifname="pv1", kind="veth", peer={"ifname": "pv2"})
        for device in ("pv1", "pv2"):
            made.run("ethtool", "-K", device, "tx", "off")
            made.up(device)
        yield made


def generate(namespace, folder, *words):
    (folder / "client.toml").write_text(GENERATOR.format(number=1))
    command = (*PYPROV, "generate", "10.9.0.2:80", "--config", "client.toml", "--seconds", "0.3")
    done = namespace.run(*command, *words, "--json", cwd=folder, timeout=60)
    return json.loads(done.stdout)


@pytest.mark.timeout(90)
def test_the_kernels_listener_takes_every_client(veth, tmp_path):
    veth.up("pv2", "10.9.0.2/24")
    veth.run("ip", "route", "add", "198.18.0.0/15", "via", "10.9.0.1")
    kernel = veth.start(sys.executable, "-c", LISTENER)
    kernel.wait_for("listening")
    words = ("--close", "fin", "--flows", "5", "--window", "4", "--flood", "1")
    sent = generate(veth, tmp_path, *words)
    clients = sent["legitimate"]
    assert clients["handshakes"] > 100
    assert clients["closes"] == clients["handshakes"]
    assert clients["syns"] == clients["handshakes"] + clients["lost"] + clients["refused"]
    assert sent["bad"] == 0
    assert sent["flood"]["sent"] == pytest.approx(clients["syns"], abs=1)
    assert sent["flood"]["answers"] == 0  # no route to who never asked
    assert kernel.stop() == 0
    taken = int(kernel.said.split()[-1])
    assert clients["handshakes"] <= taken <= clients["handshakes"] + clients["repeated"]


@pytest.mark.timeout(90)
def test_two_packet_sockets(veth, tmp_path):
    (tmp_path / "server.toml").write_text(CONFIG.format(number=2))
    words = ("serve", "--listen", "10.9.0.2:80", "--service", "http", "--config", "server.toml")
    server = veth.start(*PYPROV, *words, "--json", stderr=True, cwd=tmp_path)
    server.wait_for("listening", 20)
    sent = generate(veth, tmp_path, "--rate", "1000", "--flows", "50")
    clients = sent["legitimate"]
    assert clients["handshakes"] > 100
    assert clients["closes"] == clients["handshakes"]
    assert clients["syns"] == clients["handshakes"] + clients["lost"] + clients["refused"]
    server.process.send_signal(2)
    said, _ = server.process.communicate(timeout=20)
    counters = json.loads(said)["counters"]
    # The socket's receive drops are nobody's: both ends know only what came.
    assert clients["handshakes"] <= counters["TCP_REQUESTS"]
    assert counters["TCP_REQUESTS"] <= clients["handshakes"] + clients["repeated"]
