"""Two namespaces joined by a veth, each with its packet work on a CPU of its own."""

import contextlib
import itertools
import os
from pathlib import Path
from typing import Final, Self

from pyroute2 import NetNS, netns

from pyprov.tools.bench import cpu
from pyprov.tools.bench.program import Program

# A veth has a NAPI of its own only while it merges segments or runs an XDP program.
_THREADED: Final = """
ethtool -K {device} gro on > /dev/null
echo 1 > /sys/class/net/{device}/threaded
"""
_STEERED: Final = """
ethtool -K {device} gro off > /dev/null
echo {cpus} > /sys/class/net/{device}/queues/rx-0/rps_cpus
"""

_numbers = itertools.count(1)

SERVER_ADDRESS = "10.97.0.1"
CLIENT_ADDRESS = "10.97.0.2"
PREFIX = 24


class VethPair:
    """The wire that the kernel and pyprov are compared on; gone at the end of the `with`.

    Frames for the server are received on CPU `cpu.SERVER`, those for the client on `cpu.CLIENT`, so
    that each side's work is accounted to its own CPU: by a kernel thread of each device that polls
    for frames (threaded NAPI), which spares both sides an interrupt from the other CPU for each
    frame; by receive packet steering where the kernel has no such threads.

    Attributes:
        threaded: Whether the kernel threads do it.
        server: Name of the namespace with the device `pvs`.
        client: Name of the namespace with the device `pvc`, which has CLIENT_ADDRESS.
    """

    def __init__(self) -> None:
        number = f"{os.getpid()}-{next(_numbers)}"
        self.server = f"pyprov-s{number}"
        self.client = f"pyprov-c{number}"
        self.threaded = True
        self._closing = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as closing:
            for name in (self.server, self.client):
                netns.create(name)
                closing.callback(netns.remove, name)
            with NetNS(self.server) as ip:
                peer = {"ifname": "pvc", "net_ns_fd": self.client}
                ip.link("add", ifname="pvs", kind="veth", peer=peer)
            self._up(self.server, "pvs", None, cpu.SERVER)
            self._up(self.client, "pvc", CLIENT_ADDRESS, cpu.CLIENT)
            self._closing = closing.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._closing.close()

    def address_server(self) -> None:
        """Give the server's device its address: for the kernel's turn, not for pyprov's."""
        with NetNS(self.server) as ip:
            (index,) = ip.link_lookup(ifname="pvs")
            ip.addr("add", index=index, address=SERVER_ADDRESS, prefixlen=PREFIX)

    def start(self, namespace: str, on_cpu: int, *command: str, quiet: bool = False) -> Program:
        """Run a program inside, on one CPU."""
        words = ["ip", "netns", "exec", namespace, *cpu.pinned(on_cpu, *command)]
        return Program(words, quiet=quiet)

    def _up(self, namespace: str, device: str, address: str | None, on_cpu: int) -> None:
        with NetNS(namespace) as ip:
            (loopback,) = ip.link_lookup(ifname="lo")
            (index,) = ip.link_lookup(ifname=device)
            ip.link("set", index=loopback, state="up")
            ip.link("set", index=index, state="up")
            if address:
                ip.addr("add", index=index, address=address, prefixlen=PREFIX)
        settings = {
            "/proc/sys/net/ipv4/ip_local_port_range": "1024 65535",
            "/proc/sys/net/ipv4/tcp_syncookies": "1",
            "/proc/sys/net/ipv4/tcp_max_syn_backlog": "65535",
            "/proc/sys/net/core/somaxconn": "65535",
        }
        lines = [f"echo {value} > {path}" for path, value in settings.items()]
        lines.append(f"ethtool -K {device} tx off > /dev/null")
        _shell(namespace, "\n".join(lines))
        self.threaded = _shell(namespace, _THREADED.format(device=device)) and _pin(device, on_cpu)
        if not self.threaded:
            _shell(namespace, _STEERED.format(device=device, cpus=f"{1 << on_cpu:x}"))


def _shell(namespace: str, script: str) -> bool:
    return Program(["ip", "netns", "exec", namespace, "sh", "-ec", script]).end() == 0


def _pin(device: str, on_cpu: int) -> bool:
    """Bind the kernel threads of a device to a CPU; False: there are none."""
    found = False
    for comm in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            if comm.read_text(encoding="ascii").startswith(f"napi/{device}-"):
                os.sched_setaffinity(int(comm.parent.name), {on_cpu})
                found = True
    return found
