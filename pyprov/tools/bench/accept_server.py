"""The server side of `bench accept`: who takes the requests, and how they are let go again.

Three ways, as `--deliver` names them: `count` takes them in the worker, `batch` through one call
for many into an array, `socket` by WSPAccept one by one. With the first the clients close, with the
others the server closes what it took at once: `batch` by a reset, `socket` by a FIN.
"""

import threading
from collections.abc import Callable
from typing import Final, Protocol

import numpy as np

from pyprov import spi
from pyprov.conditions import Program
from pyprov.core.port import (
    CLOSE_ABORT,
    READY_ACCEPT,
    REQUEST_DTYPE,
    Dataplane,
    ListenParams,
    pack_address,
)
from pyprov.runtime.generator import Service, start_service

_BATCH: Final = 1024
_IDLE_NS: Final = 1_000_000

# A condition function that looks at its caller and accepts.
ACCEPTED_NETWORKS: Final = ("198.", "2001:2:")


def condition(  # noqa: PLR0913, PLR0917  (Winsock's eight parameters)
    caller_id: spi.WSABUF,
    caller_data: spi.WSABUF | None,
    sqos: spi.QOS | None,
    gqos: spi.QOS | None,
    callee_id: spi.WSABUF,
    callee_data: spi.WSABUF | None,
    g: spi.GROUP,
    callback_data: object,
) -> int:
    """Accept the generator's clients."""
    del caller_data, sqos, gqos, callee_id, callee_data, g, callback_data
    host = caller_id.address[0] if caller_id.address else ""
    return spi.CF_ACCEPT if host.startswith(ACCEPTED_NETWORKS) else spi.CF_REJECT


class Server(Protocol):
    """Takes requests for as long as the benchmark lasts."""

    def install(self, program: Program) -> None:
        """Let the worker run a condition for each request."""

    @property
    def accepts(self) -> int:
        """Requests taken so far."""

    def serve(self, running: Callable[[], bool]) -> None:
        """Take requests while `running()`; returns within a few milliseconds of its end."""

    def end(self) -> None:
        """Make it see at once that `running()` is over; from another thread."""


class CountServer:
    """The worker takes and counts them; Python has nothing to do."""

    def __init__(self, dataplane: Dataplane, params: ListenParams) -> None:
        self._dataplane = dataplane
        self._ended = threading.Event()
        self.listener = dataplane.listen(params)
        start_service(dataplane, self.listener, Service.COUNT)

    def install(self, program: Program) -> None:
        """Install it."""
        self._dataplane.set_condition(self.listener, program)

    @property
    def accepts(self) -> int:
        """Requests that entered the backlog; the service takes them in the same turn."""
        return self._dataplane.counters()["TCP_REQUESTS"]

    def serve(self, running: Callable[[], bool]) -> None:
        """Let it work, and sleep: who wakes takes the time of a CPU that is busy."""
        while running():
            self._ended.wait()

    def end(self) -> None:
        """Wake the call that sleeps."""
        self._ended.set()


class BatchServer:
    """accept_many into an array, close_many out of it."""

    def __init__(self, dataplane: Dataplane, params: ListenParams, *, gather: float = 0) -> None:
        """Wait `gather` seconds after each take: fewer wake-ups, more at each."""
        self._dataplane = dataplane
        self._gather = gather
        self._never = threading.Event()
        self._waiter = dataplane.open_waiter()
        self.listener = dataplane.listen(params)
        self.accepts = 0

    def install(self, program: Program) -> None:
        """Install it."""
        self._dataplane.set_condition(self.listener, program)

    def serve(self, running: Callable[[], bool]) -> None:
        """Take and let go in bursts; sleep when nothing waits."""
        dataplane, listener = self._dataplane, self.listener
        rows = np.zeros(_BATCH, REQUEST_DTYPE)
        handles = np.zeros(_BATCH, np.uint64)
        while running():
            n = dataplane.accept_many(listener, rows)
            if n == 0:
                self._waiter.wait_for(listener, READY_ACCEPT, _IDLE_NS)
                continue
            self.accepts += n
            handles[:n] = rows["handle"][:n]
            dataplane.close_many(handles[:n], CLOSE_ABORT)
            if self._gather and n < _BATCH:
                self._never.wait(self._gather)

    def end(self) -> None:
        """It looks often enough."""


class SocketServer:
    """WSPAccept and WSPCloseSocket, one by one."""

    def __init__(
        self, provider: spi.Provider, address: tuple[str, int], *, asks: bool, holds: bool
    ) -> None:
        """With a condition function if it `asks`, before the SYN-ACK if it `holds` requests."""
        self._spi = provider
        self._condition = condition if asks else None
        family = spi.AF_INET6 if ":" in address[0] else spi.AF_INET
        self._listener = provider.WSPSocket(family, spi.SOCK_STREAM, spi.IPPROTO_TCP)
        provider.WSPBind(self._listener, address)
        if holds:
            on = (1).to_bytes(4, "little")
            provider.WSPSetSockOpt(self._listener, spi.SOL_SOCKET, spi.SO_CONDITIONAL_ACCEPT, on)
        provider.WSPListen(self._listener, spi.SOMAXCONN)
        self.accepts = 0

    def install(self, program: Program) -> None:
        """Install it."""
        self._spi.WSPIoctl(self._listener, spi.SIO_SET_CONDITION, program)

    def serve(self, running: Callable[[], bool]) -> None:
        """Take them one by one, blocking."""
        provider, listener, condition_ = self._spi, self._listener, self._condition
        accept, close = provider.WSPAccept, provider.WSPCloseSocket
        try:
            while running():
                close(accept(listener, condition_)[0])
                self.accepts += 1
        except spi.WSAError:
            if running():
                raise

    def end(self) -> None:
        """Wake the call that waits."""
        self._spi.WSPCloseSocket(self._listener)


def listen_params(host: str, port: int, backlog: int, cookies: int) -> ListenParams:
    """What the listener of a benchmark is made of."""
    family = 6 if ":" in host else 4
    return ListenParams(
        local=pack_address(host), port=port, family=family, backlog=backlog, syn_cookies=cookies
    )
