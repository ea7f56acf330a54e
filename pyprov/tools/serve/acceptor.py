"""An accept loop on the SPI that hands each connection to a function in a thread of its own."""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, ParamSpec, TypeAlias

from pyprov.spi import Provider
from pyprov.winsock.address import SockAddr
from pyprov.winsock.codes import (
    WSAEACCES,
    WSAECONNABORTED,
    WSAECONNREFUSED,
    WSAECONNRESET,
    WSAEINTR,
    WSAEMFILE,
    WSAENETDOWN,
    WSAENOTSOCK,
    WSAESHUTDOWN,
    WSAETIMEDOUT,
    WSATRY_AGAIN,
)
from pyprov.winsock.constants import CF_REJECT
from pyprov.winsock.errors import WSAError

if TYPE_CHECKING:
    from pyprov.core.condition import ConditionFunction
    from pyprov.core.port import Dataplane

P = ParamSpec("P")

# What a connection is handed to: the calls, its SOCKET, its peer.
Service: TypeAlias = Callable[[Provider, int, SockAddr], object]

# A connection ends like this without anybody being at fault here.
_ENDINGS: Final = frozenset(
    {WSAECONNRESET, WSAECONNABORTED, WSAETIMEDOUT, WSAENOTSOCK, WSAEINTR, WSAESHUTDOWN, WSAENETDOWN}
)


# A request that was put off, or for which no socket is left, is looked at again after this time.
_AGAIN: Final = frozenset({WSATRY_AGAIN, WSAEMFILE})
_PAUSE_NS: Final = 20_000_000


class Acceptor:
    """Accepts until it is stopped.

    Attributes:
        accepted: connections that were handed on.
        rejected: requests that the condition function refused.
    """

    def __init__(
        self,
        dataplane: Dataplane,
        spi: Provider,
        listener: int,
        service: Service,
        condition: ConditionFunction | None = None,
        failed: Callable[[BaseException], None] | None = None,
    ) -> None:
        """Start accepting.

        Args:
            dataplane: the engine, whose background threads do the work.
            spi: the provider on it.
            listener: a listening SOCKET, which is the acceptor's from now on.
            service: gets each connection, which is closed when it returns.
            condition: decides on each request.
            failed: called when accepting ends by an error, with that.
        """
        self.accepted = 0
        self.rejected = 0
        self._dataplane = dataplane
        self._spi = spi
        self._listener = listener
        self._service = service
        self._condition = _careful(condition) if condition else None
        self._failed = failed
        self._stopping = False
        dataplane.start_service(self._run, "accepting")

    def stop(self) -> None:
        """Close the listener and let accepting end; connections go on."""
        self._stopping = True
        with contextlib.suppress(WSAError):
            self._spi.WSPCloseSocket(self._listener)

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._accept()
        except BaseException as error:  # noqa: BLE001 - whoever started this thread is told
            if not self._stopping and self._failed is not None:
                self._failed(error)

    def _accept(self) -> None:
        try:
            s, peer = self._spi.WSPAccept(self._listener, self._condition)
        except WSAError as error:
            if error.code == WSAECONNREFUSED:
                self.rejected += 1
            elif error.code in _AGAIN:
                self._dataplane.thread_waiter().wait(_PAUSE_NS)
            elif error.code not in {WSAECONNRESET, WSAEACCES}:
                raise
            return
        self.accepted += 1
        name = f"serving {peer[0]}:{peer[1]}"
        self._dataplane.start_service(lambda: self._serve(s, peer), name)

    def _serve(self, s: int, peer: SockAddr) -> None:
        try:
            self._service(self._spi, s, peer)
        except WSAError as error:
            if error.code not in _ENDINGS:
                _complain(f"the service failed for {peer[0]}:{peer[1]}")
        except Exception:  # noqa: BLE001 - one connection's trouble is not the others'
            _complain(f"the service failed for {peer[0]}:{peer[1]}")
        finally:
            with contextlib.suppress(WSAError):
                self._spi.WSPCloseSocket(s)


def _careful(condition: Callable[P, object]) -> Callable[P, object]:
    """Make a condition function whose failure is a rejection: the next request is not at fault."""

    def decide(*args: P.args, **kwargs: P.kwargs) -> object:
        try:
            return condition(*args, **kwargs)
        except Exception:  # noqa: BLE001 - whatever went wrong in it
            _complain("the condition function failed")
            return CF_REJECT

    return decide


def _complain(what: str) -> None:
    print(f"{what}:", file=sys.stderr)
    traceback.print_exc()
