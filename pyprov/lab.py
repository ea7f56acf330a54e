"""Step mode from Python: the whole provider on a virtual clock, frames as bytes.

    with Lab(seed=1) as lab:
        lab.inject(bytes(frame))    # a frame arrives
        lab.advance(0.2)            # seconds of virtual time; timers fire in order
        frames = lab.collect()      # [(time, bytes)] sent since the last call
        lab.spi.WSPSocket(...)      # the thirty functions on this engine

    with Lab.pair(seed=1, delay=1e-3, loss=0.01) as two:
        job = two.spawn(two.b.spi.WSPAccept, listener)           # a thread of the lab
        two.a.spi.WSPConnect(s, (two.b.address, 80))            # blocks in virtual time

It needs no rights, no huge pages and no device; many labs can live in one process. Same seed and
same inputs give the same bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final, ParamSpec, Self, TypeVar

from pyprov.runtime import convert, dataplane, eal, engine
from pyprov.runtime.config import Config
from pyprov.runtime.config_wire import WireParams
from pyprov.runtime.wire import End, Wire
from pyprov.spi.default import limits_of
from pyprov.spi.provider import Provider
from pyprov.tools.lab.engine import LabDataplane
from pyprov.tools.lab.schedule import Closed, Deadlock, Job, Scheduler
from pyprov.tools.lab.world import START, Unplugged, World
from pyprov.winsock.errors import WSAError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from typing_extensions import Buffer

__all__ = ["Deadlock", "Job", "Lab", "Node", "Pair"]

P = ParamSpec("P")
T = TypeVar("T")

_SECOND: Final = 1_000_000_000

# A lab is small: many live in one process, in memory that is taken once.
_PROVIDER: Final = {
    "memory": 80,  # taken from the system when it is used; a send of 50 MB fits, as on Windows
    "packet_buffers": 2048,
    "max_connections": 4096,
    "half_open_max": 4096,
    "time_wait_max": 4096,
    "listeners_max": 256,
    "huge": "never",
}


class Node:
    """One engine of a lab.

    Attributes:
        config: what it was started with, as far as `configure` has not changed it.
        dataplane: the engine.
        spi: the thirty functions on it, started.
        address: its IPv4 address.
        address6: its IPv6 address.
        mac: its station address, as text.
        spi: pyprov.spi bound to the engine, started once.
    """

    def __init__(self, number: int, seed: int, config: Mapping[str, object]) -> None:
        self.config = _config(number, seed, config)
        record = dataplane.new_config()
        convert.fill(record, self.config, huge=False, step=True, seed=seed)
        self.dataplane = LabDataplane(record)
        self.spi = Provider(self.dataplane, limits_of(self.config))
        hosts = [interface.ip for interface in self.config.ports[0].address]
        self.address = next((str(host) for host in hosts if host.version == 4), "")
        self.address6 = next((str(host) for host in hosts if host.version == 6), "")
        self.mac = self.config.ports[0].mac.hex(":")

    def inject(self, frame: Buffer, port: int = 0) -> None:
        """Let a frame arrive; what it causes at once has happened when this returns."""
        self.dataplane.inject(port, frame)
        self.dataplane.step(self.dataplane.now())

    def collect(self, port: int = 0) -> list[tuple[float, bytes]]:
        """Return the frames sent since the last call, each with its time in seconds."""
        return [(_seconds(when), frame) for when, frame in self.dataplane.collect(port)]

    def configure(self, **tcp: object) -> None:
        """Change keys of [tcp] for connections and listeners made from now on.

        Raises:
            ConfigError: no such key, or not such a value.
        """
        self.config = self.config.updated({"tcp": tcp})
        record = dataplane.new_tcp_config()
        convert.fill_tcp(record, self.config.tcp, self.config.provider)
        self.dataplane.configure(record)
        self.spi.limit(limits_of(self.config))

    def reset(self) -> None:
        """Abort all connections and empty all tables at once, without a frame."""
        self.dataplane.reset()

    def stop(self) -> None:
        """End the engine; what was started or ended too often through `spi` does not matter."""
        if self.dataplane.home.alive:
            with contextlib.suppress(WSAError):
                while True:
                    self.spi.WSPCleanup()
            self.dataplane.stop(0)


class _Clock(ABC):
    """Time and threads of a lab."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._scheduler = Scheduler(world, seed)

    @property
    def now(self) -> float:
        """Virtual seconds since the lab began."""
        return _seconds(self._world.now())

    def advance(self, seconds: float) -> None:
        """Let time pass: timers fire in order and spawned threads run; then it is now + seconds."""
        if seconds < 0:
            raise ValueError("time does not go back")
        self._scheduler.pause(self._world.now() + round(seconds * _SECOND))

    def spawn(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Job[T]:
        """Run a function on a thread of the lab, from the next time on that this one blocks."""
        return self._scheduler.spawn(function, *args, **kwargs)

    @abstractmethod
    def stop(self) -> None:
        """End what runs."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the threads; an error of theirs comes out, unless there is one already."""
        try:
            with contextlib.suppress(BaseException if error is not None else Closed):
                self._scheduler.close()
        finally:
            self.stop()


class Lab(Node, _Clock):
    """One engine, frames by hand."""

    def __init__(self, seed: int = 1, config: Mapping[str, object] | None = None) -> None:
        _start_eal()
        Node.__init__(self, 2, seed, config or {})
        _Clock.__init__(self, World([self.dataplane], Unplugged()), seed)
        self.dataplane.scheduler = self._scheduler

    @staticmethod
    def pair(
        seed: int = 1,
        *,
        config: Mapping[str, object] | None = None,
        keep: bool = True,
        **wire: float,
    ) -> Pair:
        """Make two engines joined by an emulated wire.

        Args:
            seed: of everything that is drawn.
            config: TOML tables for both.
            keep: `collect` of each end has the frames that it has sent, lost or not.
            **wire: rate, delay, loss, reorder, duplicate, ...; see WireParams.
        """
        return Pair(seed, config or {}, WireParams.of(**wire), keep=keep)


class Pair(_Clock):
    """Two engines on one virtual clock, joined by a wire.

    Attributes:
        a: 10.9.0.1 and fd09::1.
        b: 10.9.0.2 and fd09::2.
        wire: what joins them; direction 0 is from a to b.
    """

    def __init__(
        self, seed: int, config: Mapping[str, object], params: WireParams, *, keep: bool = True
    ) -> None:
        _start_eal()
        self.a = Node(1, 2 * seed, config)
        self.b = Node(2, 2 * seed + 1, config)
        engines = [self.a.dataplane, self.b.dataplane]
        first, second = (End(engine, params) for engine in engines)
        self.wire = Wire(first, second, seed=seed, keep=keep)
        super().__init__(World(engines, self.wire), seed)
        for node in (self.a, self.b):
            node.dataplane.scheduler = self._scheduler

    def reset(self) -> None:
        """Reset both ends and let what is on the wire vanish."""
        self.a.reset()
        self.b.reset()
        self.wire.clear()

    def stop(self) -> None:
        """End both engines."""
        self.wire.close()
        self.a.stop()
        self.b.stop()


def _start_eal() -> None:
    engine.start_eal(eal.lab_arguments(), any_will_do=True)


def _config(number: int, seed: int, given: Mapping[str, object]) -> Config:
    """Lay what was given over what a lab has by default."""
    secret = hashlib.sha256(f"secret {seed}".encode()).hexdigest()[:32]
    port = {
        "device": "step",
        "address": [f"10.9.0.{number}/24", f"fd09::{number}/64"],
        "mac": f"02:00:00:00:09:{number:02x}",
        "dad": False,
        "segmentation_offload": False,
    }
    ports = given.get("port", [{}])
    if isinstance(ports, list) and all(isinstance(table, dict) for table in ports):
        ports = [port | table for table in ports]
    base = Config.from_dict({"provider": _PROVIDER, "tcp": {"secret": secret}})
    return base.updated({**given, "port": ports})


def _seconds(when: int) -> float:
    return (when - START) / _SECOND
