"""Two processes of ours joined by virtio, whose device cuts large segments: one is its driver.

The frames of the driver's side hold many segments. They arrive as they were sent, as chains of
buffers that say how large the segments are: large receive offload.
"""

import json
import subprocess

import pytest

from tests.python.live import PATIENCE
from tests.python.two_processes import program

CONFIG = """
[provider]
huge = "never"
memory = 256
eal = ["--single-file-segments"]
[[port]]
device = "{device}"
address = ["10.9.0.{number}/24", "fd09::{number}/64"]
mac = "02:00:00:00:00:0{number}"
dad = false
segmentation_offload = {cut}
"""
SIZE = 20_000_000
DEVICES = {
    "server": "net_vhost0,iface={folder}/vhost,queues=1,tso=1",
    "client": "net_virtio_user0,path={folder}/vhost,queues=1,queue_size=1024",
}
COMMON = """
import hashlib, json, sys
from pyprov.core import port
from pyprov.runtime import engine
from pyprov.runtime.config import Config

plane = engine.start(Config.load(sys.argv[1]))
waiter = plane.thread_waiter()

def end(handle, **more):
    info = plane.info(handle)
    names = "RX_FRAMES", "TX_FRAMES", "TCP_SEGMENTS_SENT", "TCP_SEGMENTS_BUNDLED", "TCP_CHECKSUM"
    counters = plane.counters()
    facts = {name: counters[name] for name in names + ("TCP_RETRANSMITTED",)}
    facts |= {name: getattr(info, name) for name in ("data_segs_in", "data_segs_out", "snd_mss")}
    print(json.dumps(facts | more), flush=True)
"""
SERVER = (
    COMMON
    + """
listener = plane.listen(port.ListenParams(port=80, family=46))
print("ready", flush=True)
waiter.wait_for(listener, port.READY_ACCEPT)
handle = plane.accept(listener).handle
buffer, digest, count = bytearray(1 << 18), hashlib.sha256(), 0
while (n := plane.recv(handle, buffer)) != 0:
    if n is None:
        waiter.wait_for(handle, port.READY_READ | port.READY_CLOSE)
    else:
        digest.update(memoryview(buffer)[:n])
        count += n
end(handle, digest=digest.hexdigest(), count=count)
sys.stdin.readline()
engine.stop(plane)
"""
)
CLIENT = (
    COMMON
    + """
peer = port.pack_address(sys.argv[2])
handle = plane.connect(port.ConnectParams(peer=peer, peer_port=80))
waiter.wait_for(handle, port.READY_CONNECT)
piece = bytes(i * 7 % 251 for i in range(200_003))
digest, size = hashlib.sha256(), int(sys.argv[3])
left = size
while left:
    at = (size - left) % len(piece)
    n = plane.send(handle, memoryview(piece)[at : at + left])
    if n is None:
        waiter.wait_for(handle, port.READY_WRITE)
        continue
    digest.update(memoryview(piece)[at : at + n])
    left -= n
plane.shutdown_send(handle)
sys.stdin.readline()
end(handle, digest=digest.hexdigest())
engine.stop(plane)
"""
)


def start(folder, role, number, text, cut, *words):
    config = folder / f"{role}.toml"
    device = DEVICES[role].format(folder=folder)
    config.write_text(CONFIG.format(device=device, number=number, cut=cut))
    return program(text, config, *words, stdin=subprocess.PIPE)


def carry(folder, cut, host):
    """Twenty megabytes from the driver's side to the device's: what the two ends tell."""
    with start(folder, "server", 2, SERVER, cut) as server:
        assert server.stdout.readline() == "ready\n"
        with start(folder, "client", 1, CLIENT, cut, host, SIZE) as client:
            received = json.loads(server.stdout.readline())
            sent = json.loads(client.communicate("\n", timeout=PATIENCE)[0])
        server.communicate("\n", timeout=PATIENCE)
    assert (server.returncode, client.returncode) == (0, 0)
    assert received["count"] == SIZE
    assert received["digest"] == sent["digest"]
    assert received["TCP_CHECKSUM"] == 0
    return sent, received


@pytest.mark.parametrize("host", ["10.9.0.2", "fd09::2"])
def test_a_device_cuts_what_is_sent_and_says_how(tmp_path, host):
    sent, received = carry(tmp_path, "true", host)
    full = SIZE // sent["snd_mss"]
    assert sent["TCP_SEGMENTS_BUNDLED"] > full / 2
    assert sent["TX_FRAMES"] < full / 2
    assert received["RX_FRAMES"] < full / 2
    # The receiving end counts segments, not frames.
    assert full <= received["data_segs_in"] <= sent["data_segs_out"]


def test_the_same_device_takes_single_segments_where_it_is_told(tmp_path):
    sent, received = carry(tmp_path, "false", "10.9.0.2")
    assert sent["TCP_SEGMENTS_BUNDLED"] == 0
    assert received["RX_FRAMES"] >= SIZE // sent["snd_mss"]
