"""The namespaces, captures and expert information that the other tests trust."""

import signal
import sys
from subprocess import PIPE

from tests.net.netns import Namespace, expert


def test_two_namespaces_ping_and_the_capture_has_it(namespace, tmp_path):
    with Namespace() as other:
        namespace.veth("pv0", other, "pv1")
        namespace.up("pv0", "10.9.0.1/24", "fd09::1/64")
        other.up("pv1", "10.9.0.2/24", "fd09::2/64")
        capture = namespace.capture("pv0", tmp_path / "ping.pcap")
        namespace.run("ping", "-c1", "-W2", "10.9.0.2")
        namespace.run("ping", "-c1", "-W2", "fd09::2")
        assert capture.stop() == 0
    assert b"\x0a\x09\x00\x02" in (tmp_path / "ping.pcap").read_bytes()
    assert expert(tmp_path / "ping.pcap") == []


def test_the_expert_complains_about_a_reset(namespace, tmp_path):
    capture = namespace.capture("lo", tmp_path / "refused.pcap")
    refused = namespace.run("nc", "-z", "127.0.0.1", "81", check=False)
    assert refused.returncode == 1
    assert capture.stop() == 0
    assert len(expert(tmp_path / "refused.pcap", "tcp.flags.reset == 1")) == 1


def test_a_program_beside_the_test_is_heard_and_ended(namespace):
    program = namespace.start(sys.executable, "-uc", "print('up'); input()", stdin=PIPE)
    assert program.wait_for("up") == "up"
    assert program.stop() == -signal.SIGINT
    assert b"KeyboardInterrupt" in program.said
