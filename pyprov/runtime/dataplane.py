"""The one door to the extension: core/port.py's Dataplane on a C engine.

Lifetime. Who is in C with the engine's pointer holds a reference to its object and has a function
of runtime/ on his stack. `stop` therefore takes the pointer away from the dataplane, wakes whoever
sleeps, and frees the engine when one of the two says that nobody is inside any more: no call pays
for a lock.
"""

from __future__ import annotations

import errno
import itertools
import os
import select
import struct
import sys
import threading
import time
from typing import TYPE_CHECKING, Final

import numpy as np

from pyprov._dataplane import ffi, lib
from pyprov.core.port import (
    CLOSE_GRACEFUL,
    REQUEST_DTYPE,
    DataplaneError,
    Info,
    OwnAddress,
    Request,
)
from pyprov.runtime import abi, condition
from pyprov.runtime.failure import StartError, check
from pyprov.runtime.interrupts import NONE, Interrupts
from pyprov.runtime.offer import pack_offer, unpack_facts, unpack_offer
from pyprov.runtime.opening import pack_connect, pack_listen
from pyprov.runtime.stacks import others_inside
from pyprov.runtime.status import Home, StatusView
from pyprov.runtime.waiter import Waiter
from pyprov.winsock.address import MAPPED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt
    from typing_extensions import Buffer

    from pyprov._dataplane import Array, Config, Engine, Iov, Pointer, TcpConfig
    from pyprov._dataplane import Request as RequestRecord
    from pyprov.conditions import ConditionCounts, Program
    from pyprov.core.offer import Offer, RequestFacts
    from pyprov.core.port import Buffers, ConnectParams, ListenParams, OwnName

abi.check(ffi, lib)

_REQUEST: Final = struct.Struct("<Q16s16sHHIQII")
# What each accepted connection costs, without a look for it each time.
_accept: Final = lib.pv_accept
_close: Final = lib.pv_close
_new_tuple: Final = tuple.__new__
_ERROR_SIZE: Final = 512
_FOREVER: Final = -1
_POLL_MOST: Final = (1 << 31) - 1  # milliseconds of one poll
_NONE: Final = -1
_PORTS: Final = 8
_FRAME_SIZE: Final = 65536 + 64
_LEAVING: Final = 1.0  # seconds for calls under way to end


def start_eal(arguments: Sequence[str]) -> None:
    """Start EAL, once a process; again with equal arguments does nothing.

    Raises:
        StartError: it failed, or runs already with other arguments.
    """
    text = ffi.new("char[]", _ERROR_SIZE)
    words = [ffi.new("char[]", word.encode()) for word in arguments]
    result = lib.pv_eal_start(len(words), ffi.new("char *[]", words), text, _ERROR_SIZE)
    _check_start(result, text)


def after_fork_in_child() -> None:
    """Make every later call fail with -EOWNERDEAD: memory and devices are the parent's."""
    lib.pv_after_fork_in_child()


def _check_start(result: int, text: Array[bytes]) -> None:
    if result < 0:
        why = ffi.string(text).decode(errors="replace").strip()
        raise StartError(why or f"the dataplane did not start: {os.strerror(-result)}")


class _Bell:
    """An eventfd that is closed with its last reference."""

    __slots__ = ("fd",)

    def __init__(self) -> None:
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def __del__(self) -> None:
        if getattr(self, "fd", NONE) >= 0:
            os.close(self.fd)


def _vector(buffers: Buffers, *, writable: bool) -> tuple[Array[Iov], int, list[Pointer]]:
    """Return the pv_iov array, its length, and what keeps the memory in place.

    Who gets that clears it after use: an error's frames would keep the caller's memory exported,
    and Python crashes when it collects a memoryview and what exports it in one cycle.
    """
    try:
        views = [ffi.from_buffer(buffers, require_writable=writable)]  # type: ignore[arg-type] # tried, not known
    except TypeError:
        views = [ffi.from_buffer(buffer, require_writable=writable) for buffer in buffers]  # type: ignore[union-attr]
    vector = ffi.new("struct pv_iov[]", len(views))
    for i, view in enumerate(views):
        entry = vector[i]
        entry.base = view
        entry.len = len(view)
    return vector, len(views), [*views]


def _addresses(config: Config) -> list[OwnAddress]:
    """Return the ports' addresses; the record counts an IPv4 prefix in the 16 bytes."""
    found = []
    for index in range(config.n_port):
        port = config.port[index]
        for own in (port.address[i] for i in range(port.n_address)):
            address = bytes(ffi.buffer(own.addr.b))
            mapped = address.startswith(MAPPED)
            found.append(OwnAddress(address, own.prefix - 96 * mapped, index))
    return found


class EngineDataplane:
    """core.port.Dataplane on one C engine; see there for what the methods mean.

    Attributes:
        engine: the C engine. Taken away by `stop`; reading it raises -ESHUTDOWN from then on.
        home: alive until then.
    """

    def __init__(self, config: Config) -> None:
        """Start an engine.

        Args:
            config: the filled-in struct pv_config, see runtime/convert.py.

        Raises:
            StartError: it did not start.
        """
        text = ffi.new("char[]", _ERROR_SIZE)
        made = ffi.new("struct pv_engine **")
        _check_start(lib.pv_engine_start(config, made, text, _ERROR_SIZE), text)
        self.engine: Engine = made[0]
        self.home = Home()
        self._stopping = _Bell()
        self._waiters: set[int] = set()
        self._of_thread = threading.local()
        self._process = os.getpid()
        self._addresses = _addresses(config)
        self._workers = config.n_worker
        self._counter_names: dict[int, tuple[str, ...]] = {}  # by listener
        self._spare_records: list[tuple[RequestRecord, memoryview]] = []

    def now(self) -> int:
        return lib.pv_engine_now(self.engine)

    def addresses(self) -> Sequence[OwnAddress]:
        _, unused = self.unused()
        if not any(unused):
            return self._addresses
        places = [itertools.count() for _ in unused]  # of the IPv6 addresses of each port
        return [
            own
            if own.address.startswith(MAPPED)
            else own._replace(used=not unused[own.port] >> next(places[own.port]) & 1)
            for own in self._addresses
        ]

    def address_changes(self) -> int:
        changes, _ = self.unused()
        return changes

    def unused(self, waiter: int = _NONE) -> tuple[int, Sequence[int]]:
        """Return what pv_addresses_unused does, for Waiter.watch_addresses too."""
        unused = ffi.new("uint32_t[]", _PORTS)
        changes = check(lib.pv_addresses_unused(self.engine, unused, waiter), "addresses")
        return changes, ffi.unpack(unused, _PORTS)

    def stop(self, flush_ns: int) -> None:
        if os.getpid() != self._process:
            raise DataplaneError(-errno.EOWNERDEAD, "stop")
        engine, stopping = self.engine, self._stopping
        self.__class__ = _stopped(type(self))
        del self.engine, self._stopping
        self.home.alive = False
        os.eventfd_write(stopping.fd, 1)
        self._empty(engine)
        check(lib.pv_engine_stop(engine, flush_ns), "stop")

    def _empty(self, engine: Engine) -> None:
        """Wait until no other thread is in C with the engine.

        Three references are ours: a name in `stop`, one here, and getrefcount's argument. A fourth
        may be a traceback's; then it is the stacks that tell. Threads that go on calling, and being
        refused, look as if they were inside: but nobody new gets the pointer, and nobody who has it
        stays in C for long once his waiter is rung.
        """
        end = time.monotonic() + _LEAVING
        while (
            sys.getrefcount(engine) > 3
            and others_inside(EngineDataplane.stop.__code__)
            and time.monotonic() < end
        ):
            for number in list(self._waiters):
                lib.pv_waiter_ring(engine, number)
            os.sched_yield()

    # Listeners

    def listen(self, params: ListenParams) -> int:
        handle = ffi.new("uint64_t *")
        check(lib.pv_listen(self.engine, pack_listen(params), handle), "listen")
        return handle[0]

    def listener_update(self, listener: int, params: ListenParams) -> None:
        result = lib.pv_listener_update(self.engine, listener, pack_listen(params))
        check(result, "listener_update")

    def listener_close(self, listener: int) -> None:
        self._counter_names.pop(listener, None)
        check(lib.pv_listener_close(self.engine, listener), "listener_close")

    def accept(self, listener: int) -> Request | None:
        # Each WSPAccept comes here: a record is made once, and serves one call after the other.
        try:
            record, memory = self._spare_records.pop()
        except IndexError:
            record = ffi.new("struct pv_request *")
            memory = ffi.buffer(record)
        count = _accept(self.engine, listener, record, 1)
        request = _new_tuple(Request, _REQUEST.unpack(memory)) if count == 1 else None
        self._spare_records.append((record, memory))
        if count < 0:
            raise DataplaneError(count, "accept")
        return request

    def accept_many(self, listener: int, out: npt.NDArray[np.void]) -> int:
        if out.dtype != REQUEST_DTYPE:
            raise TypeError("accept_many fills an array of core.port.REQUEST_DTYPE")
        rows = ffi.from_buffer("struct pv_request[]", out, require_writable=True)
        return check(lib.pv_accept(self.engine, listener, rows, len(out)), "accept_many")

    def defer(self, listener: int, request: Request) -> None:
        record = ffi.new("struct pv_request *")
        ffi.buffer(record)[:] = _REQUEST.pack(*request)
        check(lib.pv_defer(self.engine, listener, record), "defer")

    def set_condition(self, listener: int, program: Program | None) -> None:
        made = ffi.NULL if program is None else condition.load(program, self._workers)
        check(lib.pv_listener_condition(self.engine, listener, made), "set_condition")
        self._counter_names[listener] = () if program is None else program.counters

    def condition_counts(self, listener: int) -> ConditionCounts | None:
        return condition.counts(self.engine, listener, self._counter_names.get(listener, ()))

    def decide(
        self, handle: int, verdict: int, reason: int = 0, answer: Offer | None = None
    ) -> None:
        record = pack_offer(answer)
        check(lib.pv_decide(self.engine, handle, verdict, reason, record), "decide")

    def decide_many(self, handles: npt.NDArray[np.uint64], verdict: int) -> None:
        numbers = ffi.from_buffer("uint64_t[]", _numbers(handles))
        check(lib.pv_decide_many(self.engine, numbers, len(handles), verdict), "decide_many")

    def request_facts(self, handle: int) -> RequestFacts | None:
        facts, offer = ffi.new("struct pv_request_facts *"), ffi.new("struct pv_offer *")
        if self._found(lib.pv_request_read(self.engine, handle, facts, offer)):
            return unpack_facts(facts, offer)
        return None

    def offer(self, handle: int, kind: int) -> Offer | None:
        record = ffi.new("struct pv_offer *")
        if self._found(lib.pv_offer_read(self.engine, handle, kind, record)):
            return unpack_offer(record)
        return None

    @staticmethod
    def _found(result: int) -> bool:
        return result != -errno.ENOENT and check(result, "offer") == 0

    def send_offer(self, handle: int, offer: Offer) -> None:
        check(lib.pv_offer_send(self.engine, handle, pack_offer(offer)), "send_offer")

    # Connections

    def source(self, peer: bytes) -> bytes:
        theirs, ours = ffi.new("struct pv_addr *"), ffi.new("struct pv_addr *")
        ffi.buffer(theirs.b)[:] = peer
        check(lib.pv_source(self.engine, theirs, ours), "source")
        return bytes(ffi.buffer(ours.b))

    def connect(self, params: ConnectParams, own: OwnName | None = None) -> int:
        offer = pack_offer(params.offer)
        record = pack_connect(params, offer)
        handle = ffi.new("uint64_t *")
        check(lib.pv_connect(self.engine, record, handle), "connect")
        if own is not None:
            own.address, own.port = bytes(ffi.buffer(record.local.b)), record.local_port
        return handle[0]

    def send(self, handle: int, buffers: Buffers, flags: int = 0) -> int | None:
        vector, n, memory = _vector(buffers, writable=False)
        try:
            count = lib.pv_send(self.engine, handle, vector, n, flags)
        finally:
            memory.clear()
        return None if count == -errno.EAGAIN else check(count, "send")

    def recv(self, handle: int, buffers: Buffers, flags: int = 0) -> int | None:
        vector, n, memory = _vector(buffers, writable=True)
        try:
            count = lib.pv_recv(self.engine, handle, vector, n, flags)
        finally:
            memory.clear()
        return None if count == -errno.EAGAIN else check(count, "recv")

    def readable(self, handle: int) -> int:
        return check(lib.pv_readable(self.engine, handle), "readable")

    def urgent(self, handle: int) -> int:
        return check(lib.pv_urgent(self.engine, handle), "urgent")

    def shutdown_send(self, handle: int) -> None:
        check(lib.pv_shutdown_send(self.engine, handle), "shutdown_send")

    def shutdown_receive(self, handle: int) -> None:
        check(lib.pv_shutdown_receive(self.engine, handle), "shutdown_receive")

    def close(self, handle: int, how: int = CLOSE_GRACEFUL) -> None:
        result = _close(self.engine, handle, how)
        if result < 0:
            raise DataplaneError(result, "close")

    def close_many(self, handles: npt.NDArray[np.uint64], how: int = CLOSE_GRACEFUL) -> int:
        numbers = ffi.from_buffer("uint64_t[]", _numbers(handles))
        return check(lib.pv_close_many(self.engine, numbers, len(handles), how), "close_many")

    def send_many(
        self, handles: npt.NDArray[np.uint64], buffers: Sequence[Buffer]
    ) -> npt.NDArray[np.int64]:
        return self._many(lib.pv_send_many, handles, _vector(buffers, writable=False))

    def recv_many(
        self, handles: npt.NDArray[np.uint64], buffers: Sequence[Buffer]
    ) -> npt.NDArray[np.int64]:
        return self._many(lib.pv_recv_many, handles, _vector(buffers, writable=True))

    def _many(
        self,
        verb: Callable[[Engine, Pointer, Pointer, Pointer, int], int],
        handles: npt.NDArray[np.uint64],
        vector: tuple[Array[Iov], int, list[Pointer]],
    ) -> npt.NDArray[np.int64]:
        entries, n, memory = vector
        try:
            if n != len(handles):
                raise ValueError(f"{len(handles)} handles and {n} buffers")
            results = np.empty(n, np.int64)
            numbers = ffi.from_buffer("uint64_t[]", _numbers(handles))
            out = ffi.from_buffer("int64_t[]", results, require_writable=True)
            check(verb(self.engine, numbers, entries, out, n), "many")
        finally:
            memory.clear()
        return results

    def set_option(self, handle: int, option: int, value: int) -> None:
        check(lib.pv_set_option(self.engine, handle, option, value), "set_option")

    def info(self, handle: int) -> Info:
        record = ffi.new("struct pv_info *")
        check(lib.pv_get_info(self.engine, handle, record), "info")
        ends = (bytes(ffi.buffer(record.local.b)), bytes(ffi.buffer(record.peer.b)))
        return Info(*ends, *(getattr(record, name) for name in Info.__slots__[2:]))

    def connections(self) -> list[int]:
        page = 1024
        numbers, cursor = ffi.new("uint64_t[]", page), ffi.new("uint64_t *")
        found: list[int] = []
        while True:
            n = check(lib.pv_connections(self.engine, numbers, page, cursor), "connections")
            if n == 0:
                return found
            found += ffi.unpack(numbers, n)

    def status(self, handle: int) -> StatusView:
        record = lib.pv_status_of(self.engine, handle)
        if not record:
            foreign = os.getpid() != self._process
            raise DataplaneError(-errno.EOWNERDEAD if foreign else -errno.EBADF, "status")
        return StatusView(record, self.home)

    # Waiting

    def thread_waiter(self) -> Waiter:
        try:
            waiter: Waiter = self._of_thread.waiter
        except AttributeError:
            waiter = self._of_thread.waiter = self.open_waiter()
        return waiter

    def open_waiter(self) -> Waiter:
        return self._open(lib.PV_WAITER_QUEUE, -1)

    def open_signal(self, fd: int) -> Waiter:
        return self._open(lib.PV_WAITER_SIGNAL, fd)

    def _open(self, kind: int, fd: int) -> Waiter:
        number = check(lib.pv_waiter_open(self.engine, kind, fd), "open_waiter")
        self._waiters.add(number)
        return Waiter(self, number)

    def close_waiter(self, number: int) -> None:
        """Close a waiter by its number, for Waiter.close."""
        self._waiters.discard(number)
        check(lib.pv_waiter_close(self.engine, number), "close_waiter")

    def sleep(self, waiter: int, timeout_ns: int | None) -> bool:
        """Sleep on a waiter; a lab does this in virtual time."""
        if self.is_rung(waiter):
            return True
        left = _FOREVER if timeout_ns is None else max(timeout_ns, 0)
        end = time.monotonic_ns() + left
        with Interrupts() as signals:
            while True:
                result = lib.pv_waiter_wait(self.engine, waiter, left, signals.fd)
                if not self.home.alive:
                    raise DataplaneError(-errno.ESHUTDOWN, "wait")
                if result != -errno.EINTR:
                    return check(result, "wait") == 1
                signals.take()
                if left != _FOREVER:
                    left = max(end - time.monotonic_ns(), 0)

    def is_rung(self, waiter: int) -> bool:
        """Ask whether a sleep on this waiter would end at once; that takes the ring away."""
        return check(lib.pv_waiter_wait(self.engine, waiter, 0, -1), "wait") == 1

    def wait_fds(self, fds: Sequence[int], timeout_ns: int | None = None) -> list[int]:
        stopping = self._stopping
        end = None if timeout_ns is None else time.monotonic_ns() + timeout_ns
        with Interrupts() as signals:
            poll = select.poll()
            for fd in {stopping.fd, *fds} | ({signals.fd} - {NONE}):
                poll.register(fd, select.POLLIN)
            while True:
                left = None if end is None else max(end - time.monotonic_ns(), 0) / 1e6
                ready = {fd for fd, _ in poll.poll(left and min(left, _POLL_MOST))}
                if stopping.fd in ready:
                    raise DataplaneError(-errno.ESHUTDOWN, "wait_fds")
                found = [fd for fd in fds if fd in ready]
                if found:
                    return found
                if signals.fd in ready:
                    signals.take()
                elif left is not None and left <= _POLL_MOST:
                    return []

    def start_service(self, function: Callable[[], None], name: str) -> None:
        threading.Thread(target=until_stop(function), name=name, daemon=True).start()

    # Counters

    def counters(self, worker: int | None = None) -> dict[str, int]:
        n = lib.pv_counter_count()
        values = ffi.new("uint64_t[]", n)
        check(lib.pv_counters(self.engine, -1 if worker is None else worker, values, n), "counters")
        names = (ffi.string(lib.pv_counter_name(i)).decode() for i in range(n))
        return dict(zip(names, ffi.unpack(values, n), strict=True))

    # Beyond the port: the engine's own

    def configure(self, tcp: TcpConfig) -> None:
        """Replace the [tcp] table for connections and listeners made from now on."""
        check(lib.pv_engine_configure(self.engine, tcp), "configure")

    def reset(self) -> None:
        """Abort all connections without a packet and empty all tables."""
        check(lib.pv_engine_reset(self.engine), "reset")


class StepDataplane(EngineDataplane):
    """An engine in step mode: no thread, a virtual clock, frames as bytes. One caller at a time."""

    def _empty(self, engine: Engine) -> None:
        """Nobody can be inside: the caller is the only one."""

    def step(self, now_ns: int) -> None:
        """Run one turn at the given time, which never goes back."""
        check(lib.pv_engine_step(self.engine, now_ns), "step")

    def inject(self, port: int, frame: Buffer) -> None:
        """Let a frame arrive at the next turn."""
        with ffi.from_buffer(frame) as data:  # an error would keep it: see _vector
            check(lib.pv_engine_inject(self.engine, port, data, len(data)), "inject")

    def collect(self, port: int) -> list[tuple[int, bytes]]:
        """Take the frames sent since the last call, with their times in nanoseconds."""
        frames: list[tuple[int, bytes]] = []
        memory, when = ffi.new("char[]", _FRAME_SIZE), ffi.new("uint64_t *")
        while True:
            result = lib.pv_engine_collect(self.engine, port, memory, _FRAME_SIZE, when)
            size = check(result, "collect")
            if size == 0:
                return frames
            frames.append((when[0], bytes(ffi.buffer(memory, size))))

    def deadline(self, *, housekeeping: bool) -> int | None:
        """Return when the next timer is due; without housekeeping, of a connection's timers."""
        due = lib.pv_engine_deadline(self.engine, housekeeping)
        return None if due == 2**64 - 1 else due


def _gone(_self: EngineDataplane, name: str) -> object:
    """Say what is wrong after `stop`."""
    if name in {"engine", "_stopping"}:
        raise DataplaneError(-errno.ESHUTDOWN, "engine")
    raise AttributeError(name)


def _stopped(kind: type[EngineDataplane]) -> type[EngineDataplane]:
    """Return what a dataplane is after `stop`; nobody pays for looking at missing names before."""
    return type(kind.__name__, (kind,), {"__getattr__": _gone})


def until_stop(function: Callable[[], None]) -> Callable[[], None]:
    """Make a service end quietly when its engine stops."""

    def serve() -> None:
        try:
            function()
        except DataplaneError as error:
            if error.error != -errno.ESHUTDOWN:
                raise

    return serve


def new_config() -> Config:
    """Return an empty struct pv_config for runtime/convert.py to fill."""
    return ffi.new("struct pv_config *")


def new_tcp_config() -> TcpConfig:
    """Return an empty [tcp] table."""
    return ffi.new("struct pv_tcp_config *")


def _numbers(handles: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    return np.ascontiguousarray(handles, np.uint64)
