"""The server side of `bench accept`: who takes the requests, and how they are let go again.

Three ways, as `--deliver` names them: `count` takes them in the worker, `batch` through one call
for many into an array, `socket` by WSPAccept one by one. The clients close their connections; what
the server took is let go when that must have happened: once `keep` more have come.
"""

from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from pyprov import spi
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


def condition(
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
    host = caller_id.address[0]
    return spi.CF_ACCEPT if host.startswith(ACCEPTED_NETWORKS) else spi.CF_REJECT


class Server(Protocol):
    """Takes requests for as long as the benchmark lasts."""

    accepts: int

    def serve(self, running: Callable[[], bool]) -> None:
        """Take requests while `running()`; returns within a few milliseconds of its end."""


class CountServer:
    """The worker takes and counts them; Python has nothing to do."""

    def __init__(self, dataplane: Dataplane, params: ListenParams, wait: Callable[[], None]) -> None:
        self._dataplane = dataplane
        self._wait = wait
        self.listener = dataplane.listen(params)
        start_service(dataplane, self.listener, Service.COUNT)

    @property
    def accepts(self) -> int:
        """Requests that entered the backlog; the service takes them in the same turn."""
        return self._dataplane.counters()["TCP_REQUESTS"]

    def serve(self, running: Callable[[], bool]) -> None:
        """Let it work."""
        while running():
            self._wait()


class BatchServer:
    """accept_many into an array, close_many out of it."""

    def __init__(self, dataplane: Dataplane, params: ListenParams, keep: int) -> None:
        self._dataplane = dataplane
        self._waiter = dataplane.open_waiter()
        self._keep = keep
        self.listener = dataplane.listen(params)
        self.accepts = 0

    def serve(self, running: Callable[[], bool]) -> None:
        """Take and let go in bursts; sleep when nothing waits."""
        dataplane, listener, keep = self._dataplane, self.listener, self._keep
        rows = np.zeros(_BATCH, REQUEST_DTYPE)
        batches: deque[npt.NDArray[np.uint64]] = deque()
        held = 0
        while running():
            n = dataplane.accept_many(listener, rows)
            if n == 0:
                self._waiter.wait_for(listener, READY_ACCEPT, _IDLE_NS)
                continue
            batches.append(rows["handle"][:n].copy())
            held += n
            self.accepts += n
            while held > keep:
                batch = batches.popleft()
                held -= len(batch)
                dataplane.close_many(batch, CLOSE_ABORT)


class SocketServer:
    """WSPAccept and WSPCloseSocket, one by one."""

    def __init__(
        self, provider: spi.Provider, address: tuple[str, int], keep: int, *, conditional: bool
    ) -> None:
        self._spi = provider
        self._keep = keep
        self._condition = condition if conditional else None
        self._listener = provider.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP)
        provider.WSPBind(self._listener, address)
        provider.WSPListen(self._listener, spi.SOMAXCONN)
        provider.WSPIoctl(self._listener, spi.FIONBIO, 1)
        self.accepts = 0

    def serve(self, running: Callable[[], bool]) -> None:
        """Take them one by one, non-blocking while some wait."""
        provider, listener, condition_ = self._spi, self._listener, self._condition
        accept, close, keep = provider.WSPAccept, provider.WSPCloseSocket, self._keep
        held: deque[int] = deque()
        while running():
            try:
                for _ in range(64):
                    held.append(accept(listener, condition_)[0])
                    self.accepts += 1
            except spi.WSAError as error:
                if error.code != spi.WSAEWOULDBLOCK:
                    raise
                provider.WSPSelect([listener], None, None, 0.001)
            while len(held) > keep:
                close(held.popleft())


def listen_params(host: str, port: int, backlog: int, cookies: int) -> ListenParams:
    """What the listener of a benchmark is made of."""
    family = 6 if ":" in host else 4
    return ListenParams(
        local=pack_address(host), port=port, family=family, backlog=backlog, syn_cookies=cookies
    )
