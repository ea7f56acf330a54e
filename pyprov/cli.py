"""The command `pyprov`: finds the tool, runs it, turns its errors into an exit status.

A tool is a module with two functions, `add_arguments(parser)` and `run(arguments) -> int`, and a
row in TOOLS. It is imported only when it is asked for, so that one tool's imports (DPDK, numpy,
scapy) cost no other tool anything.

Exit status: 0 done; 1 the thing asked for failed; 2 unusable arguments or configuration. Whatever
fails says so in one line on standard error.
"""

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn, Protocol, cast

from pyprov.runtime.rules import ConfigError
from pyprov.tools.errors import Failed, Unusable

# "word" or "word word": (module, what it does). In the order of the overview.
TOOLS: dict[str, tuple[str, str]] = {
    "doctor": ("pyprov.tools.doctor", "what this machine lacks, and the command that mends it"),
    "serve": ("pyprov.tools.serve", "a service behind a listener, with a condition if you like"),
    "connect": ("pyprov.tools.connect", "a client: standard input out, what comes to output"),
    "generate": ("pyprov.tools.generate", "clients by the million for another's listener"),
    "stats": ("pyprov.tools.stats", "what running providers count, also under a flood"),
    "replay": ("pyprov.tools.replay", "a capture into our TCP, what it sends into another"),
    "bench accept": ("pyprov.tools.bench.accept", "accepts a second on the in-memory wire"),
    "bench model": ("pyprov.tools.bench.model", "what a larger machine would run out of first"),
    "bench memory": ("pyprov.tools.bench.memory", "bytes that a connection costs, state by state"),
    "bench compare": ("pyprov.tools.bench.compare", "the same work through the kernel"),
    "bench throughput": ("pyprov.tools.bench.throughput", "bytes a second, and what a byte costs"),
    "bench goodput": ("pyprov.tools.bench.goodput", "our TCP and the kernel's on one bad wire"),
    "bench latency": ("pyprov.tools.bench.round_trips", "how long a question and its answer take"),
    "bench spi": ("pyprov.tools.bench.spi", "Winsock's calls beside Python's socket"),
}


class Tool(Protocol):
    """What the module of a tool provides."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare what the tool takes beside --config and --json."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it; the exit status."""


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """End with status 2."""
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def overview(word: str = "") -> str:
    """The commands that begin with a word, one a line."""
    rows = [row for row in TOOLS.items() if not word or row[0].split()[0] == word]
    width = max((len(command) for command, _ in rows), default=0)
    lines = [f"  pyprov {command:{width}}  {what}" for command, (_, what) in rows]
    return "\n".join(["usage: pyprov COMMAND [--config FILE] [--json] ...", "", *lines])


def parser_of(command: str, tool: Tool) -> Parser:
    """The parser of one command."""
    parser = Parser(prog=f"pyprov {command}", description=TOOLS[command][1])
    parser.add_argument("--config", metavar="FILE", type=Path, help="configuration (TOML)")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    tool.add_arguments(parser)
    return parser


def run(command: str, arguments: Sequence[str]) -> int:
    """Run one tool."""
    tool = cast("Tool", importlib.import_module(TOOLS[command][0]))
    try:
        status = tool.run(parser_of(command, tool).parse_args(arguments))
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read it has seen enough; nothing is to be flushed at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except Failed as error:
        print(f"pyprov {command}: {error}", file=sys.stderr)
        return 1
    except (Unusable, ConfigError) as error:
        print(f"pyprov {command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    else:
        return status


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    for length in (2, 1):
        command = " ".join(words[:length])
        if len(words) >= length and command in TOOLS:
            return run(command, words[length:])
    if words and words[0] in ("-h", "--help"):
        print(overview())
        return 0
    known = words and any(command.split()[0] == words[0] for command in TOOLS)
    if words and not known:
        print(f"pyprov: no command {words[0]!r} (see pyprov --help)", file=sys.stderr)
    else:
        print(overview(words[0] if known else ""), file=sys.stderr)
    return 2
