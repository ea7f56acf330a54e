r"""`pyprov generate`: clients for somebody else's listener, from a port of our own.

Millions of clients of 198.18.0.0/15 (2001:2::/64), each with a handshake as Linux begins it, and
beside them, on demand, a flood from made-up addresses of 100.64.0.0/10 (2001:2:0:f::/64). The other
side needs a route for both to the address that the configuration gives us:

    pyprov serve    --config memif    --listen 10.9.0.2:80 --service discard
    pyprov generate --config generate 10.9.0.2:80 --close fin --flood 10
"""

import argparse
import json
import statistics
import threading
import time
from typing import Final, cast

from pyprov.core.port import DataplaneError
from pyprov.runtime import engine
from pyprov.runtime.config import Config
from pyprov.runtime.generator import (
    GUEST,
    Close,
    Flood,
    Generator,
    Load,
    Stats,
    latency_floors,
    tsc_hz,
)
from pyprov.tools.arguments import Where, check_numbers, load_config, read_where
from pyprov.tools.bench.latency import percentiles, spread
from pyprov.tools.errors import Failed, Unusable

_WINDOW: Final = 0.1  # seconds of one measurement
_WARM_UP: Final = 0.5
_FIRST_ANSWER: Final = 10.0  # seconds for the server's, or its gateway's, MAC
_LIMITS: Final = {
    "seconds": (_WINDOW, 86_400),
    "flows": (1, 1 << 24),
    "rate": (0, 1_000_000_000),
    "window": (1, 65_536),
    "flood": (0, 1000),
    "timeout": (0.001, 60),
    "seed": (0, 0xFFFF_FFFF),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    parser.add_argument("server", metavar="HOST:PORT", help="10.9.0.2:80 or [fd09::2]:80")
    parser.add_argument("--seconds", type=float, default=5.0, help="to measure (default: 5)")
    parser.add_argument(
        "--flows", type=int, default=10_000, help="connections kept alive (default: 10000)"
    )
    parser.add_argument(
        "--rate",
        type=int,
        default=0,
        help="SYNs a second, open loop (default: as many as answered)",
    )
    parser.add_argument(
        "--window", type=int, default=512, help="handshakes in flight, closed loop (default: 512)"
    )
    parser.add_argument(
        "--close",
        choices=[way.name.lower() for way in Close],
        default="rst",
        help="how the oldest connection ends when there are more than --flows (default: rst)",
    )
    parser.add_argument("--flood", type=float, default=0.0, help="made-up segments for each SYN")
    parser.add_argument("--flood-kind", choices=["syn", "ack", "rst"], default="syn")
    parser.add_argument(
        "--timeout", type=float, default=1.0, help="seconds until a SYN is lost (default: 1)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of all that is made up (default: 1)")
    parser.epilog = "Without --config the shipped configuration `generate` is used."


def _check(arguments: argparse.Namespace, server: Where, config: Config) -> None:
    """Refuse what can't be generated.

    Raises:
        Unusable: one line.
    """
    check_numbers(arguments, _LIMITS)
    source = config.source or "the configuration"
    if len(config.ports) != 1 or len(config.workers.cpus) != 1:
        raise Unusable(f"{source}: a generator needs one port and one worker")
    port = config.ports[0]
    if port.device.partition(":")[0] in {"ring", "step"}:
        raise Unusable(f"{source}: port.device = {port.device!r}: nobody else is there")
    if port.vlan:
        raise Unusable(f"{source}: port.vlan: a generator's frames have no tag")
    own = {str(interface.ip) for interface in port.address}
    if server.host in own or server.is_any:
        raise Unusable(f"{server}: is this end's own address in {source}")


class Run:
    """One generator from its start to its end.

    Attributes:
        borders: seconds and totals at the border of each window.
        last: totals at the end, when nothing was under way any more.
        latency: microseconds from SYN to SYN-ACK, by percentile, in the windows.
    """

    def __init__(self, generator: Generator, server: Where) -> None:
        self._generator = generator
        self._server = server
        self._pause = threading.Event()  # never set: a timer that costs no CPU
        self.borders: list[tuple[float, Stats]] = []
        self.latency: dict[str, float] = {}
        self.last = generator.read()

    def measure(self, seconds: float, timeout: float) -> None:
        """Find the server, warm up, take the totals window by window, let everything end.

        Raises:
            Failed: nobody is there.
        """
        patience = time.monotonic() + _FIRST_ANSWER
        while not self._generator.read().resolved:
            if time.monotonic() > patience:
                raise Failed(
                    f"nobody answers for {self._server} (ARP, ND): is the other end up, and is "
                    "this end's address in its network?"
                )
            self._pause.wait(_WINDOW / 10)
        self._pause.wait(_WARM_UP)
        before = self._generator.latency()
        end = time.perf_counter() + seconds
        while not self.borders or self.borders[-1][0] < end:
            if self.borders:
                self._pause.wait(_WINDOW)
            self.borders.append((time.perf_counter(), self._generator.read()))
        counts = self._generator.latency() - before
        self.latency = percentiles(counts, latency_floors(), tsc_hz())
        self._finish(timeout)

    def _finish(self, timeout: float) -> None:
        """Wait for what is under way, and for the answers to the last segments."""
        self._generator.pause()
        patience = time.monotonic() + timeout + 10 * _WINDOW
        before = None
        while time.monotonic() < patience and (self.last.in_flight or self.last != before):
            before = self.last
            self._pause.wait(_WINDOW)
            self.last = self._generator.read()

    def rates(self, name: str) -> list[float]:
        """How much of that there was a second, window by window."""
        pairs = zip(self.borders, self.borders[1:], strict=False)
        return [(getattr(b, name) - getattr(a, name)) / (tb - ta) for (ta, a), (tb, b) in pairs]


def _document(arguments: argparse.Namespace, server: Where, run: Run) -> dict[str, object]:
    handshakes = spread(run.rates("handshakes"))
    last = run.last
    document: dict[str, object] = {
        "server": str(server),
        "seconds": round(run.borders[-1][0] - run.borders[0][0], 3),
        "handshakes_per_s": round(handshakes["median"]),
        "handshakes_spread": {name: round(value) for name, value in handshakes.items()},
        "syns_per_s": round(statistics.median(run.rates("syns"))),
        "latency_us": {name: round(value, 2) for name, value in run.latency.items()},
        "goodput_ratio": round(last.handshakes / max(1, last.syns), 4),
        "generator_busy": round(statistics.median(run.rates("cycles")) / tsc_hz(), 2),
        "close": arguments.close,
        "flows": arguments.flows,
        "legitimate": {
            name: getattr(last, name)
            for name in ("syns", "handshakes", "refused", "lost", "closes", "resets", "repeated")
        },
        "bad": last.bad,
        "tx_full": last.tx_full,
    }
    if arguments.flood:
        document["flood"] = {
            "kind": arguments.flood_kind,
            "per_s": round(statistics.median(run.rates("flood_sent"))),
            "sent": last.flood_sent,
            "answers": last.flood_answers,
        }
    return document


def run(arguments: argparse.Namespace) -> int:
    """Generate, and print what came of it."""
    server = read_where(arguments.server, "HOST:PORT")
    config = load_config(arguments.config or "generate")
    _check(arguments, server, config)
    load = Load(
        server=server.host,
        port=server.port,
        flows=arguments.flows,
        window=arguments.window,
        rate=arguments.rate,
        flood=arguments.flood,
        flood_kind=Flood[arguments.flood_kind.upper()],
        close=Close[arguments.close.upper()],
        timeout=arguments.timeout,
        seed=arguments.seed,
    )
    try:
        dataplane = engine.start(config)
        try:
            generator = Generator(dataplane, load, cpu=GUEST)
            one = Run(generator, server)
            one.measure(arguments.seconds, arguments.timeout)
            generator.stop()
        finally:
            engine.stop(dataplane)
    except (engine.StartError, DataplaneError) as error:
        raise Failed(str(error)) from None
    document = _document(arguments, server, one)
    print(json.dumps(document) if arguments.json else _words(document))
    return 0


def _words(document: dict[str, object]) -> str:
    def pairs(name: str) -> str:
        values = cast("dict[str, object]", document[name])
        return "  ".join(
            f"{key} {value:,}" if isinstance(value, int) else f"{key} {value}"
            for key, value in values.items()
        )

    share = f"{document['goodput_ratio']} of all became connections"
    lines = [
        f"handshakes/s      {document['handshakes_per_s']:>12,}   {pairs('handshakes_spread')}",
        f"SYNs/s            {document['syns_per_s']:>12,}   {share}",
        f"SYN to SYN-ACK us {pairs('latency_us')}",
        f"clients           {pairs('legitimate')}",
    ]
    if "flood" in document:
        lines.append(f"flood             {pairs('flood')}")
    lines.append(
        f"wrong answers     {document['bad']}   frames without room {document['tx_full']}   "
        f"generator busy {document['generator_busy']}"
    )
    return "\n".join(lines)
