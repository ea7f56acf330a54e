"""`pyprov replay`: a capture goes into our TCP, what it sends goes into another capture.

Time is the capture's, everything drawn comes from the seed: the same input gives the same bytes.
Our server stands where the capture's server stood, with its address and station. Its sequence
numbers are its own, so what the clients say of the other server's numbers is translated (see
numbers.py); `--as-is` leaves that out.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from pyprov.core.port import DataplaneError, ListenParams, pack_address
from pyprov.runtime import convert, dataplane, eal, engine, generator
from pyprov.tools.arguments import Where, load_config, read_where
from pyprov.tools.errors import Failed, Unusable
from pyprov.tools.lab.engine import LabDataplane
from pyprov.tools.lab.world import START, Unplugged, World
from pyprov.tools.replay import capture
from pyprov.tools.replay.numbers import Numbers
from pyprov.tools.replay.packet import Packet, dissect, is_group
from pyprov.tools.replay.survey import place, survey

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pyprov.runtime.config import Config

_SERVICES: Final = {
    "echo": generator.Service.ECHO,
    "http": generator.Service.HTTP,
    "discard": generator.Service.DISCARD,
}
_SECOND: Final = 1_000_000_000
_BACKLOG: Final = 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    parser.add_argument("capture", type=Path, metavar="IN.pcap", help="pcap or pcapng, Ethernet")
    parser.add_argument("--out", type=Path, required=True, metavar="OUT.pcap")
    parser.add_argument(
        "--listen",
        nargs="+",
        action="extend",
        default=[],
        metavar="HOST:PORT",
        help="default: wherever the capture connects to",
    )
    parser.add_argument("--service", choices=_SERVICES, default="http", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--after",
        type=float,
        default=1.0,
        metavar="SECONDS",
        help="how long to go on after the last frame (default: %(default)s)",
    )
    parser.add_argument(
        "--as-is", action="store_true", help="leave acknowledgments as they were captured"
    )


def run(arguments: argparse.Namespace) -> int:
    """Replay.

    Raises:
        Failed: the engine can't.
        Unusable: the capture would be overwritten while it is read.
    """
    if arguments.out.exists() and arguments.out.resolve() == arguments.capture.resolve():
        raise Unusable(f"--out {arguments.out}: that is the capture to be replayed")
    wanted = [read_where(text) for text in arguments.listen]
    given = load_config(arguments.config) if arguments.config else None
    found = survey(capture.read(arguments.capture))
    config = place(found, wanted, given)
    own = {interface.ip for interface in config.ports[0].address}
    asked = [Where(str(host), port) for host, port in found.asked if host in own]
    try:
        with _Replay(config, arguments) as replay:
            replay.serve(wanted or asked, _SERVICES[arguments.service])
            replay.play()
            document = replay.document()
    except (engine.StartError, DataplaneError) as error:
        raise Failed(str(error)) from None
    _report(document, as_json=arguments.json)
    return 0


class _Replay:
    """An engine in step mode between two captures."""

    def __init__(self, config: Config, arguments: argparse.Namespace) -> None:
        engine.start_eal(eal.lab_arguments(), any_will_do=True)
        if not config.tcp.secret:
            secret = hashlib.sha256(f"secret {arguments.seed}".encode()).digest()[:16]
            config = replace(config, tcp=replace(config.tcp, secret=secret))
        record = dataplane.new_config()
        convert.fill(record, config, huge=False, step=True, seed=arguments.seed)
        self._station = config.ports[0].mac
        self._arguments = arguments
        self._engine = LabDataplane(record)
        self._world = World([self._engine], Unplugged())
        self._out = capture.Writer(arguments.out)
        self._numbers = None if arguments.as_is else Numbers()
        self._begin = 0
        names = ("frames", "for_others", "cut", "frames_in", "frames_out")
        self._figures = dict.fromkeys(names, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._out.close()
        self._engine.stop(0)

    def serve(self, where: Sequence[Where], service: generator.Service) -> None:
        """Let a service listen in several places."""
        for one in where:
            params = ListenParams(
                local=pack_address(one.host), port=one.port, family=one.family, backlog=_BACKLOG
            )
            generator.start_service(self._engine, self._engine.listen(params), service)

    def play(self) -> None:
        """Let all frames of the capture arrive, each at its time."""
        frames = capture.read(self._arguments.capture)
        first = next(frames)
        self._begin = first.when
        for frame in itertools.chain([first], frames):
            self._go_to(START + frame.when - self._begin)
            self._figures["frames"] += 1
            self._figures["cut"] += frame.cut
            self._arrive(frame.data, dissect(frame.data))
        self._go_to(self._world.now() + round(self._arguments.after * _SECOND))

    def document(self) -> dict[str, object]:
        """Return what there is to say about it."""
        seconds = (self._world.now() - START) / _SECOND
        return {**self._figures, "seconds": seconds, "counters": self._engine.counters()}

    def _arrive(self, data: bytes, packet: Packet) -> None:
        if packet.sender == self._station:
            if self._numbers is not None:
                self._numbers.see_theirs(data, packet)
            self._figures["for_others"] += 1
        elif packet.to == self._station or is_group(packet.to):
            if self._numbers is not None:
                data = self._numbers.translate(data, packet)
            self._figures["frames_in"] += 1
            self._engine.inject(0, data)
            self._engine.step(self._world.now())
            self._collect()
        else:
            self._figures["for_others"] += 1

    def _go_to(self, when: int) -> None:
        self._world.run_until(max(when, self._world.now()))
        self._collect()

    def _collect(self) -> None:
        for when, data in self._engine.collect(0):
            self._figures["frames_out"] += 1
            if self._numbers is not None:
                self._numbers.see_ours(data, dissect(data))
            self._out.write(self._begin + when - START, data)


def _report(document: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(document))
        return
    print(
        f"{document['frames']} frames of the capture, {document['frames_in']} of them for us; "
        f"{document['frames_out']} sent in {document['seconds']} s"
    )
    if document["cut"]:
        print(f"{document['cut']} frames were captured without their end")
    counters = document["counters"]
    if isinstance(counters, dict):
        for name, number in counters.items():
            if number:
                print(f"  {name:24} {number}")
