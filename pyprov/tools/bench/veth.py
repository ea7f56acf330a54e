"""Two namespaces joined by a veth, each with its packet work on a CPU of its own."""

import contextlib
import itertools
import os
from typing import Self

from pyroute2 import NetNS, netns

from pyprov.tools.bench import cpu
from pyprov.tools.bench.program import Program

_numbers = itertools.count(1)

SERVER_ADDRESS = "10.97.0.1"
CLIENT_ADDRESS = "10.97.0.2"
PREFIX = 24


class VethPair:
    """The wire that the kernel and pyprov are compared on; gone at the end of the `with`.

    Frames for the server are received on CPU `cpu.SERVER`, those for the client on `cpu.CLIENT`
    (receive packet steering), so that each side's work is accounted to its own CPU.

    Attributes:
        server: Name of the namespace with the device `pvs`.
        client: Name of the namespace with the device `pvc`, which has CLIENT_ADDRESS.
    """

    def __init__(self) -> None:
        number = f"{os.getpid()}-{next(_numbers)}"
        self.server = f"pyprov-s{number}"
        self.client = f"pyprov-c{number}"
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

    def start(self, namespace: str, on_cpu: int, *command: str) -> Program:
        """Run a program inside, on one CPU."""
        return Program(["ip", "netns", "exec", namespace, *cpu.pinned(on_cpu, *command)])

    def _up(self, namespace: str, device: str, address: str | None, on_cpu: int) -> None:
        with NetNS(namespace) as ip:
            (loopback,) = ip.link_lookup(ifname="lo")
            (index,) = ip.link_lookup(ifname=device)
            ip.link("set", index=loopback, state="up")
            ip.link("set", index=index, state="up")
            if address:
                ip.addr("add", index=index, address=address, prefixlen=PREFIX)
        settings = {
            f"/sys/class/net/{device}/queues/rx-0/rps_cpus": f"{1 << on_cpu:x}",
            "/proc/sys/net/ipv4/ip_local_port_range": "1024 65535",
            "/proc/sys/net/ipv4/tcp_syncookies": "1",
            "/proc/sys/net/ipv4/tcp_max_syn_backlog": "65535",
            "/proc/sys/net/core/somaxconn": "65535",
        }
        lines = [f"echo {value} > {path}" for path, value in settings.items()]
        lines.append(f"ethtool -K {device} tx off > /dev/null")
        Program(["ip", "netns", "exec", namespace, "sh", "-ec", "\n".join(lines)]).end()
