"""One end of long transfers, on the kernel's sockets or on ours; run as a program.

    python -m pyprov.tools.bench.stream_ends kernel server HOST PORT 0
    python -m pyprov.tools.bench.stream_ends ours client HOST PORT FLOWS   (and tables on its input)

Ours reads its configuration, one line of JSON, first. A client's flows send all they can. Then
every line on standard input is answered by the bytes that each flow has carried so far; the end of
input ends the program.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
from typing import TYPE_CHECKING, Final, Protocol

from pyprov.core.port import READY_ACCEPT, READY_CONNECT, ConnectParams, ListenParams, pack_address
from pyprov.runtime import load
from pyprov.runtime.config import Config
from pyprov.runtime.generator import Service
from pyprov.tools.bench.ends import End

if TYPE_CHECKING:
    from collections.abc import Callable

_PIECE: Final = 1 << 16
_BACKLOG: Final = 64


class Side(Protocol):
    """What both kinds can."""

    def serve(self, port: int) -> None:
        """Take every connection, and all that it brings."""

    def call(self, host: str, port: int) -> None:
        """Open one connection and send for ever."""

    def carried(self) -> list[int]:
        """Return the bytes of each flow, in the order of their beginning."""


class KernelSide:
    """Python threads on the kernel's TCP."""

    def __init__(self) -> None:
        self._carried: list[int] = []

    def serve(self, port: int) -> None:
        """See Side."""
        listener = socket.create_server(("", port), backlog=_BACKLOG)

        def accept() -> None:
            while True:
                self._start(listener.accept()[0], lambda s, memory: s.recv_into(memory))

        threading.Thread(target=accept, daemon=True).start()

    def call(self, host: str, port: int) -> None:
        """See Side."""
        s = socket.create_connection((host, port))
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
        self._start(s, lambda s, memory: s.send(memory))

    def carried(self) -> list[int]:
        """See Side."""
        return list(self._carried)

    def _start(self, s: socket.socket, move: Callable[[socket.socket, bytearray], int]) -> None:
        number = len(self._carried)
        self._carried.append(0)

        def work() -> None:
            memory = bytearray(_PIECE)
            with contextlib.suppress(OSError):
                while n := move(s, memory):
                    self._carried[number] += n

        threading.Thread(target=work, daemon=True).start()


class OurSide:
    """Services in a worker."""

    def __init__(self, end: End) -> None:
        self._plane = end.dataplane
        self._handles: list[int] = []

    def serve(self, port: int) -> None:
        """See Side."""
        listener = self._plane.listen(ListenParams(port=port, backlog=_BACKLOG))

        def accept() -> None:
            waiter = self._plane.thread_waiter()
            while True:
                waiter.wait_for(listener, READY_ACCEPT)
                request = self._plane.accept(listener)
                if request is not None:
                    load.adopt(self._plane, request.handle, Service.DISCARD)
                    self._handles.append(request.handle)

        self._plane.start_service(accept, "accept")

    def call(self, host: str, port: int) -> None:
        """See Side."""
        handle = self._plane.connect(ConnectParams(peer=pack_address(host), peer_port=port))
        self._plane.thread_waiter().wait_for(handle, READY_CONNECT)
        load.adopt(self._plane, handle, Service.SOURCE)
        self._handles.append(handle)

    def carried(self) -> list[int]:
        """See Side."""
        infos = [self._plane.info(handle) for handle in self._handles]
        return [info.bytes_received or info.bytes_acked for info in infos]


def _answer(side: Side) -> None:
    for _ in sys.stdin:
        print("carried", *side.carried(), flush=True)


def main() -> int:
    """See the head of this file."""
    kind, role, host, port, flows = sys.argv[1:]
    with contextlib.ExitStack() as stack:
        side: Side = KernelSide()
        if kind == "ours":
            config = Config.from_dict(json.loads(sys.stdin.readline()))
            side = OurSide(stack.enter_context(End(config)))
        if role == "server":
            side.serve(int(port))
        for _ in range(int(flows)):
            side.call(host, int(port))
        print("ready", flush=True)
        _answer(side)
    return 0


if __name__ == "__main__":
    sys.exit(main())
