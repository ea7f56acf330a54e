"""The SPI's contract on a live engine: a tap, and the kernel's TCP on the other end of it.

A `Tap` is the engine and the namespace, one for all tests of a process; a `TapWorld` is a provider
on it, and keeps the face of tests/python/worlds.py:

- Time is real. `advance` lets happen what is under way and passes no time; `at` and the timeouts
  of the provider's calls take theirs. What needs a clock that is moved at will is listed in
  tests/python/spi/tap.toml.
- What the kernel, the tap and the worker have been given is through when an echo request has come
  back and no other frame has gone either way meanwhile; that is what `settle` waits for.
- A thread has gone as far as it can when it sleeps in the kernel, but not on a lock (which may be
  the interpreter's).
"""

import contextlib
import functools
import itertools
import platform
import select
import socket
import struct
import threading
from pathlib import Path

from pyprov.core.limits import Limits
from pyprov.runtime.config import Config
from pyprov.spi.provider import Provider
from pyprov.winsock.errors import WSAError
from tests.net.netns import Namespace
from tests.python import live
from tests.python.worlds import Client, World

DEVICE = "pvspi"
TABLES = {
    "provider": {"memory": 48, "packet_buffers": 4096, "max_connections": 4096},
    "port": [
        {
            "device": f"net_tap9,iface={DEVICE}",
            "address": [f"{World.address}/24", f"{World.address6}/64"],
            "dad": False,
        }
    ],
    "tcp": {"nagle": False},
}
PATIENCE = 20
ETH_P_ALL = 3
FUTEX = {"x86_64": "202", "aarch64": "98"}.get(platform.machine())
WINDOW = 65536  # what the kernel takes before anybody reads
RESET = struct.pack("ii", 1, 0)  # SO_LINGER with which close resets


class Tap:
    """A live engine with a tap in a namespace in which the kernel has the other addresses."""

    def __init__(self):
        self.closing = contextlib.ExitStack()
        self.namespace = self.closing.enter_context(Namespace())
        with self.namespace.inside():
            self.dataplane = live.start(Config.from_dict(TABLES))
            self.closing.callback(self.dataplane.stop, 0)
            self.echo = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self.closing.callback(self.echo.close)
        addresses = f"{World.peer_address}/24", f"{World.peer_address6}/64"
        self.namespace.up(DEVICE, *addresses)
        self.echo.connect((World.address, 0))
        self.numbers = itertools.count(1)
        self.ports = itertools.cycle(range(20000, 32000))  # none again while TIME-WAIT may last

    def close(self):
        self.closing.close()

    def socket(self, family=socket.AF_INET):
        """A socket of the kernel's on the other end."""
        with self.namespace.inside():
            made = socket.socket(family, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW)
        made.setblocking(False)
        return made

    @functools.cached_property
    def frames(self):
        """A socket with all frames on the tap from now on."""
        with self.namespace.inside():
            made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.closing.callback(made.close)
        made.bind((DEVICE, ETH_P_ALL))
        made.setblocking(False)
        return made

    def flush(self):
        """Wait until nothing is under way between the two any more."""
        quiet = 0
        while quiet < 2:
            before = self._frames()
            self._ping()
            quiet = quiet + 1 if self._frames() == before + 2 else 0

    def _frames(self):
        counters = self.dataplane.counters()
        return counters["RX_FRAMES"] + counters["TX_FRAMES"]

    def _ping(self):
        number = next(self.numbers) & 0xFFFF
        head = struct.pack("!BBHHH", 8, 0, 0, 0x5049, number)
        checksum = -sum(struct.unpack("!4H", head)) % 0xFFFF
        self.echo.send(head[:2] + struct.pack("!H", checksum) + head[4:])
        while True:
            ready, _, _ = select.select([self.echo], [], [], PATIENCE)
            assert ready, "the tap does not answer"
            answer = self.echo.recv(2048)[20:]
            if answer[0] == 0 and answer[6:8] == head[6:8]:
                return


class TapClient(Client):
    """A socket of the kernel's, as LabClient is a connection of the other lab's."""

    def __init__(self, world, made, address):
        super().__init__(world, address)
        self.socket = made

    def send(self, data, flags=0):
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self.socket.send(rest, flags) :]
            except BlockingIOError:
                assert select.select([], [self.socket], [], PATIENCE)[1], "nobody reads"
        self.world.settle()

    def shout(self, data):
        self.send(data, socket.MSG_OOB)

    def heard(self):
        """The urgent byte that has come."""
        return self.socket.recv(1, socket.MSG_OOB)

    def finish(self):
        self.socket.shutdown(socket.SHUT_WR)
        self.world.settle()

    def close(self):
        """Let go of it; the kernel refuses what comes then."""
        self.socket.close()
        self.world.settle()

    def abort(self):
        """Reset it without taking what came before."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.close()

    def drain(self):
        while self.socket.fileno() >= 0 and not (self.ended or self.broken):
            try:
                data = self.socket.recv(65536)
            except BlockingIOError:
                return
            except (ConnectionResetError, ConnectionRefusedError):
                self.broken = True
                return
            self.ended = not data
            self.taken += data
            self.world.settle()

    def acknowledge(self):
        """What came is acknowledged now and not a little later, for which it must be read."""
        self.world.settle()
        self.drain()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        self.world.settle()


class Job:
    """A thread of a test's; see pyprov.lab."""

    def __init__(self, function, args, *, delay=None):
        self.function = function
        self.args = args
        self.value = self.error = None
        self.asked = False
        self.delayed = delay is not None
        self.thread = threading.Timer(delay, self._run) if self.delayed else self._plain()
        self.thread.daemon = True
        self.thread.start()

    def _plain(self):
        return threading.Thread(target=self._run)

    def _run(self):
        try:
            self.value = self.function(*self.args)
        except BaseException as error:  # noqa: BLE001 - raised in the thread that asks
            self.error = error

    @property
    def done(self):
        return not self.thread.is_alive()

    def exception(self):
        self.asked = True
        return self.error

    def result(self):
        self.end()
        if self.exception():
            raise self.error
        return self.value

    def end(self):
        self.thread.join(PATIENCE)
        assert self.done, "a thread hangs"


class TapWorld(World):
    name = "tap"
    real_time = True

    def __init__(self, tap, limits=None):
        self.tap = tap
        self.dataplane = tap.dataplane
        self.before = set(threading.enumerate())
        self.spi = Provider(tap.dataplane, limits or Limits())
        self.home = threading.current_thread()
        self.jobs = []
        self.servers = {}
        self.sockets = []

    def close(self):
        for job in self.jobs:
            if job.delayed:
                job.thread.cancel()
                job.end()
        with contextlib.suppress(WSAError):  # the test has done it
            while True:
                self.spi.WSPCleanup()
        for made in self.sockets:
            if made.fileno() >= 0:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                made.close()
        for job in self.jobs:
            job.end()
            if job.error is not None and not job.asked:
                raise job.error
        self.settle()

    def _socket(self, family=socket.AF_INET):
        made = self.tap.socket(family)
        self.sockets.append(made)
        return made

    def client(self, local_port, data=b"", *, source=None, host=None):
        host = host or self.address
        six = ":" in host
        near, number = source or (self.peer_address6 if six else self.peer_address, 0)
        number = number or next(self.tap.ports)
        made = self._socket(socket.AF_INET6 if six else socket.AF_INET)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.bind((near, number))
        made.connect_ex((host, local_port))
        client = TapClient(self, made, (near, number))
        self.settle()
        if made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            client.broken = True
        elif data:
            client.send(data)
        return client

    def serve(self, remote_port, how="accept"):
        if how == "refuse" or remote_port in self.servers:
            return
        server = self.servers[remote_port] = self._socket()
        server.bind((self.peer_address, remote_port))
        server.listen(0 if how == "silence" else 16)
        if how == "silence":  # the one that it has room for keeps all others waiting
            self._socket().connect_ex((self.peer_address, remote_port))

    def accepted(self, remote_port):
        self.settle()
        made, _ = self.servers[remote_port].accept()
        made.setblocking(False)
        self.sockets.append(made)
        return TapClient(self, made, (self.peer_address, remote_port))

    def sent(self):
        self.settle()
        frames, found = self.tap.frames, []
        with contextlib.suppress(BlockingIOError):
            while True:
                frame, (_, _, kind, *_) = frames.recvfrom(65536)
                found += [frame] * (kind != socket.PACKET_OUTGOING)
        return found

    def settle(self):
        if threading.current_thread() is not self.home:
            return  # the test's own thread waits for this one
        while True:
            self.tap.flush()
            if all(map(asleep, self._threads())):
                return

    def _threads(self):
        late = {job.thread for job in self.jobs if job.delayed}
        return set(threading.enumerate()) - self.before - late

    @property
    def now(self):
        return self.dataplane.now() / 1e9

    def at(self, seconds, function, *args):
        self.jobs.append(Job(function, args, delay=seconds))

    def advance(self, seconds):
        del seconds
        self.settle()

    def spawn(self, function, *args):
        job = Job(function, args)
        self.jobs.append(job)
        return job


def asleep(thread):
    """Does a thread wait for something that will not happen by itself?"""
    path = Path(f"/proc/self/task/{thread.native_id}/syscall")
    try:
        call = path.read_text().split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True  # it has ended
    return call not in {"running", FUTEX}
