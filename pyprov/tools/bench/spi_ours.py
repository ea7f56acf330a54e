"""Our side of `pyprov bench spi`: the Winsock calls on an engine of this process.

Python has one CPU. The worker has the other; for accepts the generator takes turns with it there
and is not in its cycles, for the rest both ends of a connection are in the one engine.
"""

import argparse
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from pyprov import spi
from pyprov.core.port import Dataplane, ListenParams
from pyprov.runtime import engine
from pyprov.runtime.config import Config
from pyprov.runtime.generator import (
    GUEST,
    Close,
    Generator,
    Load,
    Service,
    start_service,
    tsc_hz,
)
from pyprov.tools.bench import accept_run, cpu
from pyprov.tools.bench.spi_loops import Times, beside, spans, timed, warm
from pyprov.tools.errors import Failed

HOST: Final = "10.9.0.2"
_ACCEPT_PORT: Final = 80
_ECHO_PORT: Final = 7
_PER_PORT: Final = 20_000  # connections to one echo port
_WINDOW: Final = 512
# For a server that is to be cheap: its worker gathers what comes instead of looking for it.
_THRIFTY: Final = {"poll": "adaptive", "idle_turns": 4, "nap_us": 200, "nap_max_us": 1000}


@contextmanager
def _started(config: Config) -> Iterator[tuple[spi.Provider, Dataplane]]:
    before = os.sched_getaffinity(0)
    dataplane = engine.start(config)
    os.sched_setaffinity(0, {cpu.CLIENT})
    try:
        yield spi.Provider(dataplane), dataplane
    finally:
        os.sched_setaffinity(0, before)
        engine.stop(dataplane)


def _own(sockets: int) -> Config:
    """Return an engine that talks with itself."""
    room = 2 * sockets + 4096
    return Config.from_dict(
        {
            "port": [{"device": "ring", "address": [f"{HOST}/24"], "dad": False}],
            "workers": {"lcores": str(cpu.SERVER), "poll": "busy"},
            "provider": {
                "max_connections": room,
                "max_sockets": room,
                "memory": 256 if sockets <= 20_000 else 1024,
                "packet_buffers": 16_384,
            },
        }
    )


def _listening(provider: spi.Provider, port: int) -> int:
    listener = provider.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP)
    provider.WSPBind(listener, (HOST, port))
    provider.WSPListen(listener, spi.SOMAXCONN)
    return listener


def _connected(provider: spi.Provider, port: int) -> int:
    s = provider.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP)
    provider.WSPConnect(s, (HOST, port))
    return s


def _echo(dataplane: Dataplane, port: int) -> None:
    start_service(dataplane, dataplane.listen(ListenParams(port=port, backlog=1024)), Service.ECHO)


@dataclass(frozen=True, slots=True)
class Accepts:
    """What WSPAccept and WSPCloseSocket have cost.

    Attributes:
        times: of the accepting thread.
        worker_us: CPU time of the worker's thread for each, its sleeps and turns without work
            included, and the generator's turns with work not.
        both_us: for which both CPUs together were busy, with the generator and the thread beside.
    """

    times: Times
    worker_us: float
    both_us: float


def _worker_seconds(generator: Generator) -> float:
    """CPU time of the worker's thread so far, without its guest's."""
    for task in Path("/proc/self/task").iterdir():
        if (task / "comm").read_text(encoding="ascii").startswith("pv-worker"):
            ran, *_ = (task / "schedstat").read_text(encoding="ascii").split()
            return int(ran) / 1e9 - generator.read().cycles / tsc_hz()
    raise Failed("the worker has no thread")


def accept(seconds: float, *, busy: bool) -> Accepts:
    """Measure WSPAccept and WSPCloseSocket, one by one."""
    wanted = argparse.Namespace(flows=10_000, window=_WINDOW, config=None)
    config = accept_run.config_for(wanted, [cpu.SERVER]).updated({"workers": _THRIFTY})
    with _started(config) as (provider, dataplane):
        listener = _listening(provider, _ACCEPT_PORT)
        # As on the kernel's side: what is accepted inherits it, and is reset.
        provider.WSPSetSockOpt(listener, spi.SOL_SOCKET, spi.SO_LINGER, spi.LINGER(1, 0))
        load = Load(server=HOST, port=_ACCEPT_PORT, window=_WINDOW, close=Close.SERVER)
        generator = Generator(dataplane, load, cpu=GUEST)
        take, close = provider.WSPAccept, provider.WSPCloseSocket

        def one() -> None:
            close(take(listener)[0])

        warm(one, seconds)
        with beside(busy):
            worker, both = _worker_seconds(generator), cpu.both_busy_seconds()
            times = timed(one, seconds)
            worker = _worker_seconds(generator) - worker
            both = cpu.both_busy_seconds() - both
        generator.stop()
    each = 1e6 / times.count
    return Accepts(times, worker * each, both * each)


def ping_pong(seconds: float, size: int) -> Times:
    """Measure a question to the built-in echo and its answer."""
    with _started(_own(16)) as (provider, dataplane):
        _echo(dataplane, _ECHO_PORT)
        s = _connected(provider, _ECHO_PORT)
        question, answer = bytes(size), bytearray(size)
        send, recv = provider.WSPSend, provider.WSPRecv

        def one() -> None:
            send(s, question)
            got, _ = recv(s, answer)
            while got < size:
                got += recv(s, memoryview(answer)[got:])[0]

        warm(one, seconds)
        return timed(one, seconds)


def wake(seconds: float) -> Times:
    """Measure from a connect to the return of the wait for FD_ACCEPT's event in a thread."""
    woken: SimpleQueue[int] = SimpleQueue()
    with _started(_own(1024)) as (provider, _):
        listener = _listening(provider, _ACCEPT_PORT)
        event, over = provider.WSACreateEvent(), provider.WSACreateEvent()
        provider.WSPEventSelect(listener, event, spi.FD_ACCEPT)

        def wait() -> None:
            while provider.WSAWaitForMultipleEvents([event, over]) == spi.WSA_WAIT_EVENT_0:
                now = time.perf_counter_ns()
                provider.WSPEnumNetworkEvents(listener, event)
                provider.WSPCloseSocket(provider.WSPAccept(listener)[0])
                woken.put(now)

        thread = threading.Thread(target=wait, daemon=True)
        thread.start()

        def one() -> int:
            s = provider.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP)
            now = time.perf_counter_ns()
            provider.WSPConnect(s, (HOST, _ACCEPT_PORT))
            span = woken.get() - now
            provider.WSPCloseSocket(s)
            return span

        times = spans(one, seconds)
        provider.WSASetEvent(over)
        thread.join()
    return times


class Crowd:
    """Sockets that all wait for data at one completion port; each talks with the built-in echo."""

    def __init__(self, provider: spi.Provider, dataplane: Dataplane, size: int) -> None:
        self._spi = provider
        self._dataplane = dataplane
        self._size = size
        self._port = provider.CompletionPort()
        self._sockets: list[int] = []
        self._buffers: list[bytearray] = []
        self._requests: list[spi.WSAOVERLAPPED] = []
        self._next = 0
        self._question = bytes(size)

    def grow(self, sockets: int) -> None:
        """Connect until there are so many."""
        while (number := len(self._sockets)) < sockets:
            echo = _ECHO_PORT + number // _PER_PORT
            if number % _PER_PORT == 0:
                _echo(self._dataplane, echo)
            s = _connected(self._spi, echo)
            self._port.associate(s, number)
            self._sockets.append(s)
            self._buffers.append(bytearray(self._size))
            self._requests.append(spi.WSAOVERLAPPED())
            self._receive(number)

    def one(self) -> None:
        """Ask by the next socket, wait for whichever is answered, and let that one wait again."""
        self._next = (self._next + 1) % len(self._sockets)
        self._spi.WSPSend(self._sockets[self._next], self._question)
        key, transferred, _, error = self._port.get()
        if error or transferred != self._size or key != self._next:
            raise Failed(f"socket {key} got {transferred} bytes, error {error}")
        self._receive(self._next)

    def _receive(self, number: int) -> None:
        try:
            self._spi.WSPRecv(
                self._sockets[number], self._buffers[number], 0, self._requests[number]
            )
        except spi.WSAError as error:
            if error.code != spi.WSA_IO_PENDING:
                raise


def crowds(seconds: float, sizes: list[int], size: int) -> dict[int, Times]:
    """Measure an answer's way through one event loop, with more and more sockets in it."""
    result = {}
    with _started(_own(max(sizes))) as (provider, dataplane):
        crowd = Crowd(provider, dataplane, size)
        for sockets in sorted(sizes):
            crowd.grow(sockets)
            warm(crowd.one, seconds)
            result[sockets] = timed(crowd.one, seconds)
    return result
