r"""`pyprov connect`: a client of a server, through this TCP.

What comes on standard input is sent, and its end is the end of sending; what the server sends goes
to standard output until it has sent its last. Caller data and a flowspec travel with the connection
request itself:

    pyprov connect 10.9.0.1:80 --config tap --data "who I am" </dev/null
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Final

from pyprov.core.port import DataplaneError
from pyprov.runtime import engine
from pyprov.spi import Provider
from pyprov.spi.default import limits_of
from pyprov.tools.arguments import Where, load_config, read_where
from pyprov.tools.errors import Failed, Unusable
from pyprov.winsock.codes import WSAEINVAL
from pyprov.winsock.constants import AF_INET, AF_INET6, IPPROTO_TCP, SD_SEND, SOCK_STREAM
from pyprov.winsock.errors import WSAError
from pyprov.winsock.qos import QOS
from pyprov.winsock.structs import WSABUF

if TYPE_CHECKING:
    import argparse

_RECEIVE: Final = 1 << 16
_CALLEE: Final = 4096
_INTERRUPTED: Final = 130
_STDIN: Final = 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    parser.add_argument("peer", metavar="HOST:PORT", help="10.9.0.1:80 or [fd09::1]:80")
    parser.add_argument("--data", metavar="TEXT", help="caller data, sent with the request")
    parser.add_argument("--qos", metavar="NAME", help="the flowspecs of this name, offered with it")
    parser.epilog = "Without --config the shipped configuration `tap` is used."


def run(arguments: argparse.Namespace) -> int:
    """Connect, and pass on both directions."""
    peer, config = read_where(arguments.peer, "HOST:PORT"), load_config(arguments.config or "tap")
    try:
        dataplane = engine.start(config)
        try:
            client = Client(Provider(dataplane, limits_of(config)), peer)
            said = client.connect(arguments.data, arguments.qos)
            if not arguments.json:
                print("\n".join(said.lines()), file=sys.stderr, flush=True)
            document = said.document() | client.converse(quiet=arguments.json)
        finally:
            engine.stop(dataplane)
    except (engine.StartError, DataplaneError, WSAError) as error:
        raise Failed(str(error)) from None
    except KeyboardInterrupt:
        return _INTERRUPTED
    if arguments.json:
        print(json.dumps(document))
    return 0


class Answer:
    """What came of a connection request.

    Attributes:
        peer, local: Both ends.
        milliseconds: How long it took.
        callee: The data that came back with the answer.
    """

    def __init__(self, peer: Where, local: Where, milliseconds: float, callee: bytes) -> None:
        self.peer = peer
        self.local = local
        self.milliseconds = milliseconds
        self.callee = callee

    def lines(self) -> list[str]:
        """Say it in words."""
        words = [f"connected to {self.peer} from {self.local} after {self.milliseconds} ms"]
        if self.callee:
            words.append(f"callee data: {_text(self.callee)}")
        return words

    def document(self) -> dict[str, object]:
        """Say it in JSON."""
        return {
            "peer": str(self.peer),
            "local": str(self.local),
            "connect_ms": self.milliseconds,
            "callee_data": _text(self.callee),
        }


class Client:
    """One connection of ours."""

    def __init__(self, spi: Provider, peer: Where) -> None:
        self._spi = spi
        self._peer = peer
        family = AF_INET6 if peer.family == 6 else AF_INET
        self._s = spi.WSPSocket(family, SOCK_STREAM, IPPROTO_TCP)
        self._sent = 0

    def connect(self, data: str | None, qos: str | None) -> Answer:
        """Open the connection.

        Raises:
            Unusable: there are no flowspecs of that name.
            WSAError: it failed.
        """
        spi, peer = self._spi, self._peer
        callee = WSABUF(_CALLEE)
        callee.len = 0
        asks = callee if data or qos else None  # a plain connect asks for nothing back
        flowspecs = self._flowspecs(qos) if qos else None
        begin = time.monotonic()
        name = peer if peer.family == 4 else (*peer, 0, 0)
        spi.WSPConnect(self._s, name, data.encode() if data else None, asks, flowspecs)
        took = round((time.monotonic() - begin) * 1e3, 3)
        host, port = spi.WSPGetSockName(self._s)[:2]
        return Answer(peer, Where(host, port), took, bytes(callee.buf[: callee.len]))

    def _flowspecs(self, name: str) -> QOS:
        try:
            found = self._spi.WSPGetQOSByName(self._s, name)
        except WSAError as error:
            if error.code != WSAEINVAL:
                raise
            found = None
        if not isinstance(found, QOS):
            names = ", ".join(_names(self._spi.WSPGetQOSByName(self._s, "")))
            raise Unusable(f"--qos {name}: the names here are {names}")
        return found

    def converse(self, *, quiet: bool) -> dict[str, object]:
        """Send standard input, take what comes until its end; how much it was."""
        threading.Thread(target=self._send_input, daemon=True).start()
        spi, memory, received = self._spi, memoryview(bytearray(_RECEIVE)), 0
        begin = time.monotonic()
        while count := spi.WSPRecv(self._s, memory)[0]:
            received += count
            if not quiet:
                _write_all(memory[:count])
        spi.WSPCloseSocket(self._s)
        seconds = round(time.monotonic() - begin, 3)
        return {"sent": self._sent, "received": received, "seconds": seconds}

    def _send_input(self) -> None:
        """Runs in a thread of its own, which the end of the process may leave waiting."""
        # Of a connection that has ended the main thread hears too, and says why.
        with contextlib.suppress(WSAError, DataplaneError):
            self._send_all()
            self._spi.WSPShutdown(self._s, SD_SEND)

    def _send_all(self) -> None:
        while piece := os.read(_STDIN, _RECEIVE):
            self._sent += self._spi.WSPSend(self._s, piece)


def _write_all(memory: memoryview) -> None:
    sys.stdout.buffer.write(memory)
    sys.stdout.buffer.flush()


def _names(found: QOS | list[str]) -> list[str]:
    return found if isinstance(found, list) else []


def _text(data: bytes) -> str:
    return data.decode(errors="backslashreplace")
