"""Two engines at the ends of a wire, with a service at the far one.

On the wire "ring" both are in this process and frames pass by pointer. On "memif" and "virtio_user"
the far one is in a process of its own (this module, run), and frames are copied between the two.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, Self

from pyprov.core.port import READY_CONNECT, ConnectParams, ListenParams, pack_address
from pyprov.runtime import engine, load
from pyprov.runtime.config import Config
from pyprov.runtime.dataplane import EngineDataplane
from pyprov.runtime.generator import Service, WorkerLoad, start_service, worker_load
from pyprov.tools.bench.program import Program
from pyprov.tools.errors import Failed, Unusable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

WIRES: Final = ("ring", "memif", "virtio_user")
PORT: Final = 80
_HOSTS: Final = ("10.9.0.1", "10.9.0.2")
_HOSTS6: Final = ("fd09::1", "fd09::2")
_PATIENCE: Final = 30_000_000_000  # ns until connections are established


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What is between the two.

    Attributes:
        wire: one of WIRES.
        flows: connections.
        spare: room for so many more.
        mtu: of the ports.
        ipv6: the connections' family.
        service: of the far end.
        config: further configuration, a file.
        coalesce: whether what is received is put together before TCP.
        segment: whether the device cuts what is sent (virtio_user).
    """

    wire: str
    flows: int
    spare: int = 1024
    mtu: int
    ipv6: bool
    service: Service
    config: Path | None = None
    coalesce: bool = False
    segment: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """Totals of one end."""

    taken: int
    given: int
    rounds: int
    load: WorkerLoad
    counters: dict[str, int]


def _device(setup: Setup, end: int, folder: str) -> str:
    if setup.wire == "ring":
        return f"ring:bench{os.getpid()}"
    if setup.wire == "memif":
        role = ("client", "server")[end]
        return f"net_memif0,role={role},id=0,socket={folder}/memif,socket-abstract=no,rsize=11"
    if end == 1:
        return f"net_vhost0,iface={folder}/vhost,queues=1,tso={setup.segment:d}"
    return f"net_virtio_user0,path={folder}/vhost,queues=1,queue_size=1024,packed_vq=1,in_order=1"


def tables(setup: Setup, end: int, folder: str) -> dict[str, object]:
    """Return the configuration of one end."""
    cpus = sorted(os.sched_getaffinity(0))
    macs = [f"02:00:00:00:09:{number:02x}" for number in (1, 2)]
    port = {
        "device": _device(setup, end, folder),
        "address": [f"{_HOSTS[end]}/24", f"{_HOSTS6[end]}/64"],
        "gateway": [_HOSTS[1 - end], _HOSTS6[1 - end]],
        "mac": macs[end],
        "neighbour": [
            {"address": hosts[1 - end], "mac": macs[1 - end]} for hosts in (_HOSTS, _HOSTS6)
        ],
        "dad": False,
        "mtu": setup.mtu,
        "receive_offload": setup.coalesce,
    }
    room = setup.flows + setup.spare
    provider: dict[str, object] = {
        "memory": 512 if setup.flows <= 10_000 else 1024,
        "packet_buffers": 16_384,
        "max_connections": room,
        "max_sockets": room,
    }
    if setup.wire == "virtio_user":
        provider |= {"eal": ["--single-file-segments"], "huge": "always"}
    workers = {"lcores": str(cpus[0] if end == 0 else cpus[-1]), "poll": "busy"}
    return {"port": [port], "provider": provider, "workers": workers}


def config_of(setup: Setup, given: Mapping[str, object]) -> Config:
    """Lay an end's tables over what a file says."""
    if setup.config is not None:
        return Config.load(setup.config).updated(given)
    return Config.from_dict(given)


class End:
    """An engine of this process."""

    def __init__(self, config: Config) -> None:
        started = engine.start(config)
        if not isinstance(started, EngineDataplane):
            raise TypeError("a benchmark runs on a live engine")
        self.dataplane = started

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        engine.stop(self.dataplane)

    def serve(self, service: Service, flows: int) -> None:
        """Listen, for a built-in service."""
        backlog = min(flows, 65_535)
        listener = self.dataplane.listen(ListenParams(port=PORT, backlog=backlog, family=46))
        start_service(self.dataplane, listener, service)

    def read(self) -> Reading:
        """Return the totals so far."""
        done, spent = load.done(self.dataplane), worker_load(self.dataplane)
        counters = self.dataplane.counters()
        return Reading(done.taken, done.given, done.rounds, spent, counters)

    def use(self, setup: Setup, service: Service, size: int = 0) -> None:
        """Open the connections, then let a service of our own have them.

        Raises:
            Failed: not all of them were established in time.
        """
        plane, far = self.dataplane, (_HOSTS6 if setup.ipv6 else _HOSTS)[1]
        handles: list[int] = []
        for _ in range(setup.flows):
            handle = plane.connect(ConnectParams(peer=pack_address(far), peer_port=PORT))
            waiter = plane.thread_waiter()
            # Not all at once: this is no benchmark of accepts.
            if not waiter.wait_for(handle, READY_CONNECT, _PATIENCE) or plane.status(handle).error:
                raise Failed(f"connection {len(handles) + 1} was not established")
            handles.append(handle)
        for handle in handles:
            load.adopt(plane, handle, service, size)

    def drop(self) -> None:
        """Reset the connections that `use` has made."""
        load.drop(self.dataplane)


class FarEnd:
    """An engine of another process."""

    def __init__(self, setup: Setup, given: Mapping[str, object]) -> None:
        self._program = Program([sys.executable, "-m", "pyprov.tools.bench.ends"])
        self._program.tell(
            json.dumps(
                {
                    "tables": given,
                    "config": str(setup.config or ""),
                    "service": int(setup.service),
                    "flows": setup.flows,
                }
            )
        )
        try:
            self._program.line()
        except RuntimeError:
            self._program.end()
            raise Failed("the far end did not start; it says why above") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._program.end()

    def read(self) -> Reading:
        """Return the totals so far."""
        self._program.tell("")
        told = json.loads(self._program.line())
        return Reading(**{**told, "load": WorkerLoad(**told["load"])})


class Ends:
    """Both; a context manager.

    Attributes:
        near: the client's end.
        far: the server's end.
    """

    def __init__(self, setup: Setup) -> None:
        if len(os.sched_getaffinity(0)) < 2:
            raise Unusable("two CPUs are needed, one for each end")
        self._setup = setup
        self._stack = ExitStack()
        self.near: End
        self.far: End | FarEnd

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="pyprov"))
            near, far = (tables(self._setup, end, folder) for end in (0, 1))
            if self._setup.wire == "ring":
                here = stack.enter_context(End(config_of(self._setup, far)))
                here.serve(self._setup.service, self._setup.flows)
                self.far = here
            else:
                self.far = stack.enter_context(FarEnd(self._setup, far))
            self.near = stack.enter_context(End(config_of(self._setup, near)))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()


def main() -> int:
    """Be the far end: a line of JSON says what, each further line asks for the totals."""
    told = json.loads(sys.stdin.readline())
    base = Config.load(told["config"]) if told["config"] else Config()
    with End(base.updated(told["tables"])) as end:
        end.serve(Service(told["service"]), told["flows"])
        print("ready", flush=True)
        for _ in sys.stdin:
            print(json.dumps(asdict(end.read())), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
