"""Two processes of ours, each on a tap, and a bridge of the kernel between them."""

import sys

import pytest

from tests.net.netns import Namespace
from tests.python.test_two_processes import ANSWER, CLIENT, SAID, SERVER

CONFIG = """
[provider]
huge = "never"
memory = 128
[[port]]
device = "net_tap0,iface={device}"
address = ["10.9.0.{number}/24"]
"""


@pytest.fixture
def bridged():
    """A namespace with a bridge in it."""
    with Namespace() as made:
        made.ip.link("add", ifname="br0", kind="bridge")
        made.up("br0")
        yield made


def join(namespace, device):
    """Make a tap a port of the bridge once its process has made it."""
    namespace.appear(device)
    number, bridge = namespace.index(device), namespace.index("br0")
    namespace.ip.link("set", index=number, master=bridge, state="up")


@pytest.mark.parametrize("conditional", ["0", "1"], ids=["default", "conditional"])
def test_two_taps_negotiate_over_a_bridge(bridged, tmp_path, conditional):
    def start(device, number, program, *words):
        config = tmp_path / f"{device}.toml"
        config.write_text(CONFIG.format(device=device, number=number))
        return bridged.start(sys.executable, "-c", program, config, *words)

    server = start("pva", 2, SERVER, conditional)
    server.wait_for("ready")
    join(bridged, "pva")
    client = start("pvb", 1, CLIENT)
    join(bridged, "pvb")
    assert (client.end(40), client.said.decode()) == (0, ANSWER)
    assert (server.end(40), server.said.decode()) == (0, "ready\n" + SAID)
