"""The kernel's side of `pyprov bench spi`: Python's `socket` over the kernel's loopback.

    python -m pyprov.tools.bench.spi_kernel accept HOST SECONDS BESIDE
    python -m pyprov.tools.bench.spi_kernel echo

Both say their port first. `accept` takes and closes connections for a while from the next line on
its input on, and then says what it cost; `echo` answers one connection after the other.
"""

import json
import os
import select
import socket
import struct
import sys
import threading
import time
from dataclasses import dataclass
from importlib import resources
from queue import SimpleQueue
from typing import Final

from pyprov.tools.bench import cpu
from pyprov.tools.bench.program import Program
from pyprov.tools.bench.spi_loops import Times, beside, spans, timed, warm
from pyprov.tools.bench.veth import SERVER_ADDRESS, VethPair

HOST: Final = "127.0.0.1"
_WINDOW: Final = "256"
_RESET: Final = struct.pack("ii", 1, 0)  # struct linger: on, no time
_MODULE: Final = "pyprov.tools.bench.spi_kernel"


@dataclass(frozen=True, slots=True)
class Accepts:
    """What accept and close have cost.

    Attributes:
        times: of the accepting thread.
        server_us: for which the server's CPU was busy for each, but for the thread beside.
        both_us: for which both CPUs together were, the thread beside included.
    """

    times: Times
    server_us: float
    both_us: float


def accept(seconds: float, *, busy: bool, wire: VethPair | None = None) -> Accepts:
    """Measure accept and close in a process of its own, a client in C beside it.

    Args:
        seconds: how long.
        busy: beside a thread that computes.
        wire: between the two, with all work on the server's packets on the server's CPU; None: the
            loopback, where most of it is done in the client's calls.
    """
    host = HOST if wire is None else SERVER_ADDRESS
    words = (sys.executable, "-m", _MODULE, "accept", host, str(seconds), str(int(busy)))
    peer = str(resources.files("pyprov") / "tools" / "bench" / "kernel_peer")
    with _start(wire.server if wire else None, cpu.SERVER, *words) as server:
        client = (peer, "client", host, server.line(), _WINDOW)
        with _start(wire.client if wire else None, cpu.CLIENT, *client) as program:
            program.line()
            server.tell("")
            server.line()
            own, both = cpu.busy_seconds(cpu.SERVER), cpu.both_busy_seconds()
            said = json.loads(server.line())
            own = cpu.busy_seconds(cpu.SERVER) - own - said.pop("beside")
            both = cpu.both_busy_seconds() - both
            times = Times(**said)
            return Accepts(times, own / times.count * 1e6, both / times.count * 1e6)


def _start(namespace: str | None, on_cpu: int, *command: str) -> Program:
    words = cpu.pinned(on_cpu, *command)
    return Program(words if namespace is None else ["ip", "netns", "exec", namespace, *words])


def ping_pong(seconds: float, size: int, echo_cpu: int) -> Times:
    """Measure a question and its answer; the echo is a process on a CPU of its own, or on ours."""
    words = (sys.executable, "-m", _MODULE, "echo")
    with Program(cpu.pinned(echo_cpu, *words)) as server:
        port = int(server.line())
        with socket.create_connection((HOST, port)) as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            question, answer = bytes(size), bytearray(size)

            def one() -> None:
                s.send(question)
                got = s.recv_into(answer)
                while got < size:
                    got += s.recv_into(memoryview(answer)[got:])

            warm(one, seconds)
            return timed(one, seconds)


def wake(seconds: float) -> Times:
    """Measure from a connect to the return of an epoll that waits for the listener."""
    woken: SimpleQueue[int] = SimpleQueue()
    with socket.create_server((HOST, 0)) as listener, select.epoll() as epoll:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        epoll.register(listener, select.EPOLLIN)
        address = listener.getsockname()
        ended = False

        def wait() -> None:
            while epoll.poll() and not ended:
                now = time.perf_counter_ns()
                listener.accept()[0].close()
                woken.put(now)

        thread = threading.Thread(target=wait, daemon=True)
        thread.start()

        def one() -> int:
            with socket.socket() as s:
                now = time.perf_counter_ns()
                s.connect(address)
                return woken.get() - now

        times = spans(one, seconds)
        ended = True
        socket.create_connection(address).close()
        thread.join()
    return times


def _serve_accept(host: str, seconds: float, *, busy: bool) -> None:
    with socket.create_server((host, 0), backlog=65_535) as listener:
        # Handed down to what it accepts: no connection waits out its end, as with a FIN.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        print(listener.getsockname()[1], flush=True)
        sys.stdin.readline()

        def one() -> None:
            listener.accept()[0].close()

        warm(one, seconds)
        with beside(busy) as spent:
            print("measuring", flush=True)
            before = spent()
            times = timed(one, seconds)
            other = spent() - before
        print(json.dumps(times.document() | {"beside": other}), flush=True)
        threading.Thread(target=_end_with_input, daemon=True).start()
        while True:
            one()


def _end_with_input() -> None:
    sys.stdin.read()
    os._exit(0)


def _serve_echo() -> None:
    with socket.create_server((HOST, 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        s = listener.accept()[0]
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        buffer = bytearray(65_536)
        while n := s.recv_into(buffer):
            s.sendall(memoryview(buffer)[:n])


def main() -> None:
    """See the head of this file."""
    if sys.argv[1] == "echo":
        _serve_echo()
    else:
        _serve_accept(sys.argv[2], float(sys.argv[3]), busy=sys.argv[4] == "1")


if __name__ == "__main__":
    main()
