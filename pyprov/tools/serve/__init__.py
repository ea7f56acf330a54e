r"""`pyprov serve`: a service behind a listener, until SIGINT or SIGTERM.

The built-in services run in the workers. With a condition function, and for a Python function as
the service, requests are accepted in Python and each connection has a thread:

    def hello(spi, s, peer):            # pyprov serve --service MODULE:hello
        spi.WSPSend(s, b"hello\n")      # the connection is closed when this returns
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import TYPE_CHECKING, Final, Protocol, cast

from pyprov.core.port import DataplaneError, ListenParams, pack_address
from pyprov.runtime import engine, generator
from pyprov.spi import Provider
from pyprov.spi.default import limits_of
from pyprov.tools.arguments import (
    Where,
    check_address,
    load_config,
    load_function,
    read_where,
)
from pyprov.tools.ending import Ending
from pyprov.tools.errors import Failed, Unusable
from pyprov.tools.serve import http, plain
from pyprov.tools.serve.acceptor import Acceptor, Service
from pyprov.winsock.constants import (
    AF_INET,
    AF_INET6,
    IPPROTO_TCP,
    SOCK_STREAM,
)
from pyprov.winsock.errors import WSAError
from pyprov.winsock.options import SO_CONDITIONAL_ACCEPT, SOL_SOCKET

if TYPE_CHECKING:
    import argparse

    from pyprov.core.limits import Limits
    from pyprov.core.port import Dataplane
    from pyprov.runtime.config import Config

IN_WORKERS: Final = {
    "echo": generator.Service.ECHO,
    "discard": generator.Service.DISCARD,
    "http": generator.Service.HTTP,
}
IN_PYTHON: Final[dict[str, Service]] = {
    "echo": plain.echo,
    "discard": plain.discard,
    "http": http.serve,
}

_BACKLOG: Final = 1024


class Server(Protocol):
    """Whoever takes the requests."""

    name: str

    def stop(self) -> None:
        """Accept no more."""

    def figures(self) -> dict[str, int]:
        """Return how many connections were accepted and rejected."""


class InWorkers:
    """A built-in service inside the workers."""

    name = "workers"

    def __init__(
        self, dataplane: Dataplane, limits: Limits, where: Where, backlog: int, service: str
    ) -> None:
        params = ListenParams(
            local=pack_address(where.host),
            port=where.port,
            family=where.family,
            backlog=backlog,
            backlog_overflow=limits.backlog_overflow,
            half_open_overflow=limits.half_open_overflow,
            syn_cookies=limits.syn_cookies,
        )
        self._dataplane = dataplane
        self._listener = dataplane.listen(params)
        generator.start_service(dataplane, self._listener, IN_WORKERS[service])

    def stop(self) -> None:
        """See Server."""
        self._dataplane.listener_close(self._listener)

    def figures(self) -> dict[str, int]:
        """See Server."""
        return {"accepted": self._dataplane.counters()["TCP_REQUESTS"], "rejected": 0}


class InPython:
    """A function of Python's behind an accept loop."""

    name = "Python"

    def __init__(self, acceptor: Acceptor) -> None:
        self._acceptor = acceptor

    def stop(self) -> None:
        """See Server."""
        self._acceptor.stop()

    def figures(self) -> dict[str, int]:
        """See Server."""
        return {"accepted": self._acceptor.accepted, "rejected": self._acceptor.rejected}


def listen(spi: Provider, where: Where, backlog: int, *, conditional: bool = False) -> int:
    """Make a listening SOCKET; a conditional one answers no SYN before it was decided on."""
    family = AF_INET6 if where.family == 6 else AF_INET
    listener = spi.WSPSocket(family, SOCK_STREAM, IPPROTO_TCP)
    spi.WSPBind(listener, where if where.family == 4 else (*where, 0, 0))
    if conditional:
        spi.WSPSetSockOpt(listener, SOL_SOCKET, SO_CONDITIONAL_ACCEPT, 1)
    spi.WSPListen(listener, backlog)
    return listener


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    parser.add_argument(
        "--listen", metavar="HOST:PORT", required=True, help="10.9.0.2:80 or [fd09::2]:80"
    )
    parser.add_argument(
        "--service",
        metavar="NAME",
        default="http",
        help=f"{', '.join(IN_WORKERS)}, or MODULE:FUNCTION (default: http)",
    )
    parser.add_argument(
        "--condition", metavar="MODULE:FUNCTION", help="decides on each connection request"
    )
    parser.add_argument(
        "--conditional-accept",
        action="store_true",
        help="answer no SYN before it was decided on (SO_CONDITIONAL_ACCEPT)",
    )
    parser.add_argument(
        "--backlog",
        type=int,
        default=_BACKLOG,
        metavar="N",
        help="requests that may wait (default: %(default)s)",
    )
    parser.epilog = "Without --config the shipped configuration `tap` is used."


def run(arguments: argparse.Namespace) -> int:
    """Serve."""
    where, config = read_where(arguments.listen), load_config(arguments.config or "tap")
    check_address(where, config)
    most = config.provider.backlog_max
    if not 1 <= arguments.backlog <= most:
        raise Unusable(f"--backlog {arguments.backlog}: expected 1 to {most}")
    if arguments.condition:
        arguments.condition = load_function("--condition", arguments.condition)
    function = IN_PYTHON.get(arguments.service)
    if function is None:
        function = cast("Service", load_function("--service", arguments.service))
    try:
        with Ending() as ending:
            document = _serve(config, where, function, ending, arguments)
    except (engine.StartError, DataplaneError, WSAError) as error:
        raise Failed(str(error)) from None
    if ending.error is not None:
        raise Failed(f"accepting failed: {ending.error}")
    _report(document, as_json=arguments.json)
    return 0


def _serve(
    config: Config, where: Where, function: Service, ending: Ending, arguments: argparse.Namespace
) -> dict[str, object]:
    """Serve until the end is asked for; what there is to say then."""
    begin = time.monotonic()
    dataplane = engine.start(config)
    try:
        conditional: bool = arguments.conditional_accept
        if arguments.service in IN_WORKERS and not arguments.condition and not conditional:
            limits = limits_of(config)
            server: Server = InWorkers(
                dataplane, limits, where, arguments.backlog, arguments.service
            )
        else:
            _allow_many_threads()
            spi = Provider(dataplane, limits_of(config))
            listener = listen(spi, where, arguments.backlog, conditional=conditional)
            server = InPython(
                Acceptor(dataplane, spi, listener, function, arguments.condition, ending.ask)
            )
        out = sys.stderr if arguments.json else sys.stdout
        print(f"listening on {where} ({describe(config)})", file=out, flush=True)
        ending.wait()
        server.stop()
        return {
            "listen": str(where),
            "service": arguments.service,
            "served_by": server.name,
            "seconds": round(time.monotonic() - begin, 3),
            **server.figures(),
            "counters": dataplane.counters(),
        }
    finally:
        engine.stop(dataplane)


def describe(config: Config) -> str:
    """Name devices and workers: "net_tap0, 1 worker"."""
    devices = [port.device.partition(",")[0] for port in config.ports] or ["no device"]
    number = len(config.workers.cpus)
    return f"{', '.join(devices)}, {number} worker{'s' if number != 1 else ''}"


def _allow_many_threads() -> None:
    """Each thread that waits has a descriptor of its own."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _report(document: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(document))
        return
    words = f"{document['accepted']} connections accepted"
    if document["rejected"]:
        words += f", {document['rejected']} rejected"
    print(f"{words} in {document['seconds']} s")
