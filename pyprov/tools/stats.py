"""`pyprov stats`: what the providers running on this machine say of themselves.

They answer on DPDK's telemetry socket ([observe] telemetry), on a thread that no packet waits for,
so that they do when everything is full, too. See dataplane/api/telemetry.h for the commands.
"""

import argparse
import json
import os
import socket
from contextlib import closing
from pathlib import Path
from typing import Final, TypedDict, cast

from pyprov.tools.errors import Failed

_SOCKETS: Final = "dpdk_telemetry.v2*"
_PATIENCE: Final = 5.0  # seconds for an answer
_GREETING_MAX: Final = 4096
_MANY: Final = 1000
# RFC 9293's names, by the dataplane's number.
_STATES: Final = (
    *("CLOSED", "LISTEN", "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "CLOSE-WAIT", "FIN-WAIT-1"),
    *("CLOSING", "LAST-ACK", "FIN-WAIT-2", "TIME-WAIT"),
)


class EngineStats(TypedDict):
    """One engine of a process."""

    engine: dict[str, int]
    workers: list[dict[str, int]]
    counters: dict[str, int]
    connections: list[dict[str, object]]


class ProcessStats(TypedDict):
    """One process, and its engines."""

    pid: int
    engines: list[EngineStats]


class Telemetry:
    """A connection to the telemetry socket of one process; a context manager by `closing`."""

    def __init__(self, path: Path) -> None:
        """Connect.

        Raises:
            OSError: nobody is there (any more).
        """
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(_PATIENCE)
        try:
            self._socket.connect(str(path))
            greeting = json.loads(self._socket.recv(_GREETING_MAX))
        except OSError:
            self._socket.close()
            raise
        self.pid: int = greeting["pid"]
        self._size: int = greeting["max_output_len"]

    def ask(self, command: str, *numbers: int) -> object:
        """Send a command; what it answers, None where it is refused."""
        self._socket.send(",".join([command, *map(str, numbers)]).encode())
        answer = json.loads(self._socket.recv(self._size))
        return answer.get(command)

    def close(self) -> None:
        """Let go."""
        self._socket.close()


def folder() -> Path:
    """Where DPDK puts the sockets of processes that run as we do."""
    if os.geteuid() == 0:
        base = Path("/var/run")
    else:
        base = Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp")  # noqa: S108  (as DPDK has it)
    return base / "dpdk" / "pyprov"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    parser.add_argument(
        "--connections",
        type=int,
        nargs="?",
        const=_MANY,
        default=0,
        metavar="N",
        help=f"connections of each engine, too, the first N of them ({_MANY})",
    )
    parser.add_argument("--pid", type=int, default=0, help="of this process alone")
    parser.add_argument("--all", action="store_true", help="counters that stand at zero, too")


def _connections(process: Telemetry, number: int, most: int) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    cursor = 0
    while len(found) < most:
        answer = cast("list[int] | None", process.ask("/pyprov/connections", number, cursor))
        if not answer or not answer[1:]:
            break
        cursor, *handles = answer
        for handle in handles[: most - len(found)]:
            one = process.ask("/pyprov/connection", number, handle)
            if isinstance(one, dict):  # else it has ended since
                found.append({**one, "state": _STATES[one["state"]]})
    return found


def _engine(process: Telemetry, number: int, arguments: argparse.Namespace) -> EngineStats | None:
    """What an engine says; None: it has stopped since."""
    engine = cast("dict[str, int] | None", process.ask("/pyprov/engine", number))
    counters = cast("dict[str, int] | None", process.ask("/pyprov/counters", number))
    if engine is None or counters is None:
        return None
    workers = [process.ask("/pyprov/worker", number, each) for each in range(engine["workers"])]
    return EngineStats(
        engine=engine,
        workers=[cast("dict[str, int]", one) for one in workers if one is not None],
        counters={name: n for name, n in counters.items() if n or arguments.all},
        connections=_connections(process, number, arguments.connections),
    )


def read(arguments: argparse.Namespace) -> list[ProcessStats]:
    """Ask every process that answers.

    Raises:
        Failed: there is none.
    """
    processes: list[ProcessStats] = []
    for path in sorted(folder().glob(_SOCKETS)):
        try:
            with closing(Telemetry(path)) as process:
                numbers = cast("list[int]", process.ask("/pyprov/engines") or [])
                asked = (_engine(process, number, arguments) for number in numbers)
                engines = [one for one in asked if one is not None]
                if engines and arguments.pid in {0, process.pid}:
                    processes.append(ProcessStats(pid=process.pid, engines=engines))
        except OSError:  # what a process left behind, or one that ended meanwhile
            continue
    if not processes:
        whom = f"process {arguments.pid} does not answer" if arguments.pid else "nobody answers"
        raise Failed(
            f"{whom} in {folder()}: is a provider running, as the same user, and with "
            "[observe] telemetry = true?"
        )
    return processes


def run(arguments: argparse.Namespace) -> int:
    """Ask and print."""
    processes = read(arguments)
    if arguments.json:
        print(json.dumps({"processes": processes}))
        return 0
    for process in processes:
        for engine in process["engines"]:
            print("\n".join(_words(process["pid"], engine)))
    return 0


def _words(pid: int, stats: EngineStats) -> list[str]:
    engine = stats["engine"]
    loads = ", ".join(f"{worker['load']} %" for worker in stats["workers"])
    used = f"{engine['connections']:,} of {engine['connections_max']:,} connections"
    lines = [f"process {pid}: {used}, workers busy {loads}"]
    width = max(map(len, stats["counters"]), default=0)
    lines += [f"  {name:{width}} {n:>16,}" for name, n in stats["counters"].items()]
    for one in stats["connections"]:
        lines.append(
            f"  {one['local']} {one['peer']} {one['state']}  in {one['bytes_received']} out "
            f"{one['bytes_sent']} bytes  cwnd {one['snd_cwnd']}  srtt {one['srtt']} us"
        )
    return lines
