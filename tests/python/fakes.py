"""A dataplane in plain Python: what core and spi are tested on when no packet matters.

It keeps the contract of pyprov/core/port.py on a virtual clock, and threads run as in a lab: spawn
them with `fake.scheduler.spawn`. The test plays the network:

    fake = FakeDataplane()
    peer = fake.request(80, ("10.9.0.1", 40000), b"GET /")   # a client connects and sends
    peer.send(b"more"); peer.finish(); peer.received, peer.finished, peer.was_reset
    fake.at(0.5, peer.send, b"late")                          # half a second from now
    fake.on_connect = lambda _: 0                        # how active opens end (None: never)
"""

import errno
import heapq
import itertools
import select
import threading
from dataclasses import dataclass, field

import numpy as np

from pyprov.core import port
from pyprov.core.port import DataplaneError, Request
from pyprov.tools.lab.schedule import Scheduler
from tests.python.fake_offers import FakeOffers, PeerOffers
from tests.python.fake_waiter import FakeWaiter

SECOND = 1_000_000_000
ESTABLISHED, FIN_WAIT_2 = 4, 9


@dataclass
class FakeStatus:
    generation: int = 0
    ready: int = 0
    reads: int = 0
    writes: int = 0
    oobs: int = 0
    accepts: int = 0
    closes: int = 0
    qos: int = 0
    error: int = 0
    state: int = 0
    queued: int = 0
    rx_total: int = 0
    tx_acked: int = 0


@dataclass
class FakeListener:
    handle: int
    params: port.ListenParams
    backlog: int
    paused: bool
    status: FakeStatus
    queue: list = field(default_factory=list)


class FakePeer(PeerOffers):
    """The other end of one connection, and the connection."""

    def __init__(self, fake, handle, local, peer):
        self.fake = fake
        self.handle = handle
        self.local = local
        self.peer = peer
        self.status = FakeStatus(generation=handle & 0xFFFFFFFF)
        self.room = 65536  # bytes our side may still write
        self.received = bytearray()  # what our side has sent
        self.finished = False  # our side's FIN came
        self.was_reset = False  # our side's RST came
        self.incoming = bytearray()
        self.urgent = 0  # port.URGENT_* bits
        self.at_end = False  # the peer's FIN was sent
        self.connected = False
        self.sent_fin = self.deaf = False
        self.options = {}

    def establish(self):
        self.connected = True
        self.status.writes += 1
        self.fake.report(self, set_=port.READY_WRITE)

    def send(self, data, *, oob=False):
        """Bytes arrive."""
        assert not self.at_end
        if self.deaf:
            self.reset(-errno.ECONNABORTED)
            return
        self.incoming += data
        self.status.reads += 1
        self.status.rx_total += len(data)
        bits = port.READY_READ
        if oob:
            self.status.oobs += 1
            bits |= port.READY_OOB
        self.fake.report(self, set_=bits)

    def finish(self):
        """The peer's FIN arrives."""
        self.at_end = True
        self.status.closes = 1
        self.fake.report(self, set_=port.READY_READ | port.READY_CLOSE)

    def reset(self, error=-errno.ECONNRESET):
        """The connection ends: RST, or another error."""
        self.connected = False
        self.status.error = error
        self.status.closes = 1
        self.fake.report(self, set_=port.READY_ERROR | port.READY_READ, clear=port.READY_WRITE)

    def take(self, n=None):
        """The peer acknowledges n bytes, all by default, and makes room for as many."""
        n = self.status_unacked() if n is None else n
        self.status.tx_acked += n
        was_full = self.room <= 0
        self.room += n
        if was_full and self.room > 0:
            self.status.writes += 1
            self.fake.report(self, set_=port.READY_WRITE)
        if self.status_unacked() == 0:
            self.status.state = FIN_WAIT_2 if self.sent_fin else ESTABLISHED
            self.fake.report(self, set_=port.READY_SENT)

    def status_unacked(self):
        return len(self.received) - self.status.tx_acked


class FakeDataplane(FakeOffers):
    """See the module; `on_connect(params)` returns 0, a negative errno, or None for never."""

    def __init__(self, seed=1, addresses=("10.9.0.2", "fd09::2", "127.0.0.1", "::1")):
        self.scheduler = Scheduler(self, seed)
        self.own = {port.pack_address(host) for host in addresses}
        self.clock = 0
        self.events = []
        self.numbers = itertools.count(1)
        self.records = {}  # handle: FakeListener or FakePeer
        self.waiters = []
        self.of_thread = threading.local()
        self.on_connect = lambda _: 0
        self.stopped = False

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.scheduler.close()
        for waiter in list(self.waiters):
            waiter.close()

    # The test's side

    def at(self, seconds, function, *args):
        """Call a function when so much virtual time has passed."""
        when = self.clock + round(seconds * SECOND)
        heapq.heappush(self.events, (when, next(self.numbers), function, args))

    def advance(self, seconds):
        self.scheduler.pause(self.clock + round(seconds * SECOND))

    def request(self, local_port, peer=("10.9.0.1", 40000), data=b"", *, held=False, host=None):
        """A client's handshake ends (or its SYN is held); a full backlog shows as was_reset."""
        listener = next(
            record
            for record in self.records.values()
            if isinstance(record, FakeListener) and record.params.port == local_port
        )
        local = port.pack_address(host or ("10.9.0.2" if "." in peer[0] else "fd09::2"))
        connection = self.connection((local, local_port), (port.pack_address(peer[0]), peer[1]))
        if listener.paused or len(listener.queue) >= listener.backlog:
            del self.records[connection.handle]
            connection.was_reset = True
            return connection
        if not held:
            connection.establish()
        listener.queue.append(
            Request(
                handle=connection.handle,
                peer=connection.peer[0],
                local=local,
                peer_port=peer[1],
                local_port=local_port,
                qos=0,
                when_ns=self.clock,
                listener=listener.handle & 0xFFFFFF,
                flags=port.REQUEST_HELD if held else 0,
            )
        )
        listener.status.accepts += 1
        listener.status.queued += 1
        self.report(listener, set_=port.READY_ACCEPT)
        if data:
            connection.send(data)
        return connection

    def peer(self, handle):
        """The other end of a connection of ours."""
        return self.record(handle, "peer")

    # For the scheduler

    def now(self):
        return self.clock

    def deadline(self, *, housekeeping):
        return self.events[0][0] if self.events else None

    def run_until(self, when):
        while self.events and self.events[0][0] <= when:
            self.clock, _, function, args = heapq.heappop(self.events)
            function(*args)
        self.clock = max(self.clock, when)

    # Inside

    def block(self, ready, timeout_ns):
        self.check("wait")
        deadline = None if timeout_ns is None else self.clock + timeout_ns
        self.scheduler.wait(lambda: self.stopped or bool(ready()), deadline)
        self.check("wait")

    def check(self, verb):
        if self.stopped:
            raise DataplaneError(-errno.ESHUTDOWN, verb)

    def record(self, handle, verb, kind=object):
        self.check(verb)
        found = self.records.get(handle)
        if not isinstance(found, kind) or found is None:
            raise DataplaneError(-errno.EBADF, verb)
        return found

    def report(self, record, *, set_=0, clear=0):
        record.status.ready = record.status.ready & ~clear | set_
        for waiter in list(self.waiters):
            watch = waiter.watches.get(record.handle)
            if watch and watch[0] & set_:
                waiter.report(record.handle)

    def handle(self, worker):
        n = next(self.numbers)
        return worker << 56 | (n & 0xFFFFFF) << 32 | n

    def connection(self, local, peer):
        made = FakePeer(self, self.handle(0), local, peer)
        self.records[made.handle] = made
        return made

    # The protocol: engine

    def addresses(self):
        loopback = {port.pack_address("127.0.0.1"), port.pack_address("::1")}
        return [
            port.OwnAddress(address, 24 if address.startswith(bytes(10) + b"\xff\xff") else 64, 0)
            for address in sorted(self.own - loopback)
        ]

    def address_changes(self):
        self.check("addresses")
        return 0  # they stay as they are

    def stop(self, flush_ns):
        self.check("stop")
        self.stopped = True
        for record in self.records.values():
            record.status.__init__()
        self.records.clear()

    # Listeners

    def listen(self, params):
        self.check("listen")
        if params.local != port.ANY_ADDRESS and params.local not in self.own:
            raise DataplaneError(-errno.EADDRNOTAVAIL, "listen")
        for other in self.records.values():
            if isinstance(other, FakeListener) and clash(params, other.params):
                raise DataplaneError(-errno.EADDRINUSE, "listen")
        handle = self.handle(255)
        self.records[handle] = FakeListener(
            handle,
            params,
            params.backlog,
            params.paused,
            FakeStatus(generation=handle & 0xFFFFFFFF),
        )
        return handle

    def listener_update(self, listener, params):
        record = self.record(listener, "listener_update", FakeListener)
        record.backlog, record.paused = params.backlog, params.paused
        while len(record.queue) > params.backlog:
            self.drop(record, record.queue.pop())

    def listener_close(self, listener):
        record = self.record(listener, "listener_close", FakeListener)
        while record.queue:
            self.drop(record, record.queue.pop())
        self.forget(record)

    def accept(self, listener):
        record = self.record(listener, "accept", FakeListener)
        if not record.queue:
            return None
        request = record.queue.pop(0)
        record.status.queued -= 1
        if not record.queue:
            self.report(record, clear=port.READY_ACCEPT)
        died = request.handle not in self.records or self.status(request.handle).error
        return request._replace(flags=request.flags | port.REQUEST_ENDED) if died else request

    def accept_many(self, listener, out):
        for i in range(len(out)):
            request = self.accept(listener)
            if request is None:
                return i
            peer, local = (np.frombuffer(a, np.uint8) for a in (request.peer, request.local))
            out[i] = request._replace(peer=peer, local=local)
        return len(out)

    def defer(self, listener, request):
        record = self.record(listener, "defer", FakeListener)
        record.queue.insert(0, request)
        record.status.queued += 1
        self.report(record, set_=port.READY_ACCEPT)

    def drop(self, listener, request):
        listener.status.queued -= 1
        connection = self.records[request.handle]
        connection.was_reset = True
        self.forget(connection)

    def forget(self, record):
        """The handle is gone."""
        del self.records[record.handle]
        record.status.__init__()
        for waiter in self.waiters:
            waiter.watches.pop(record.handle, None)
            waiter.changed.pop(record.handle, None)

    # Connections

    def source(self, peer):
        self.check("source")
        mapped = peer[:12] == bytes(10) + b"\xff\xff"
        if peer in self.own:
            return peer
        near = port.pack_address("10.9.0.2" if mapped else "fd09::2")
        if peer[: 15 if mapped else 8] != near[: 15 if mapped else 8]:
            raise DataplaneError(-errno.ENETUNREACH, "source")
        return near

    def connect(self, params, own=None):
        self.check("connect")
        family = "10.9.0.2" if params.peer[:12] == bytes(10) + b"\xff\xff" else "fd09::2"
        local = port.pack_address(family) if params.local == port.ANY_ADDRESS else params.local
        made = self.connection(
            (local, params.local_port or 49152 + next(self.numbers) % 16384),
            (params.peer, params.peer_port),
        )
        if own is not None:
            own.address, own.port = made.local
        outcome = self.on_connect(params)
        if outcome is not None:
            self.complete(made.handle, outcome)
        return made.handle

    def complete(self, handle, error=0):
        """An active open ends."""
        made = self.record(handle, "complete", FakePeer)
        made.status.error = error
        if error:
            made.status.closes = 1
            self.report(made, set_=port.READY_CONNECT | port.READY_ERROR)
        else:
            made.establish()
            self.report(made, set_=port.READY_CONNECT)

    def send(self, handle, buffers, flags=0):
        made = self.record(handle, "send", FakePeer)
        self.check_open(made, "send")
        if made.sent_fin:
            raise DataplaneError(-errno.EPIPE, "send")
        data = b"".join(bytes(b) for b in sequence(buffers))
        if data and made.room <= 0:
            return None
        took = data if flags & port.IO_WHOLE else data[: made.room]
        made.room -= len(took)
        made.received += took
        clear = port.READY_SENT | (0 if made.room > 0 else port.READY_WRITE)
        self.report(made, clear=clear)
        return len(took)

    def recv(self, handle, buffers, flags=0):
        made = self.record(handle, "recv", FakePeer)
        views = [memoryview(buffer).cast("B") for buffer in sequence(buffers)]
        if any(view.readonly for view in views):
            raise BufferError("not writable")
        if not made.incoming:
            if made.at_end:
                return 0
            self.check_open(made, "recv")
            return None
        total = 0
        for view in views:
            part = made.incoming[total : total + len(view)]
            view[: len(part)] = part
            total += len(part)
        if not flags & port.IO_PEEK:
            del made.incoming[:total]
            if not made.incoming and not made.at_end and not made.status.error:
                self.report(made, clear=port.READY_READ)
        return total

    def check_open(self, made, verb):
        if made.status.error:
            raise DataplaneError(made.status.error, verb)
        if not made.connected:
            raise DataplaneError(-errno.ENOTCONN, verb)

    def readable(self, handle):
        return len(self.record(handle, "readable", FakePeer).incoming)

    def urgent(self, handle):
        return self.record(handle, "urgent", FakePeer).urgent

    def shutdown_send(self, handle):
        made = self.record(handle, "shutdown_send", FakePeer)
        made.sent_fin = made.finished = True
        self.report(made, clear=port.READY_SENT)

    def shutdown_receive(self, handle):
        made = self.record(handle, "shutdown_receive", FakePeer)
        made.deaf = True
        if made.incoming:
            made.reset(-errno.ECONNABORTED)

    def close(self, handle, how=port.CLOSE_GRACEFUL):
        made = self.record(handle, "close", FakePeer)
        if how == port.CLOSE_ABORT:
            made.was_reset = True
        else:
            made.finished = True
        self.forget(made)

    def close_many(self, handles, how=port.CLOSE_GRACEFUL):
        known = [int(handle) for handle in handles if int(handle) in self.records]
        return len([self.close(handle, how) for handle in known])

    def send_many(self, handles, buffers):
        return self.many(self.send, handles, buffers)

    def recv_many(self, handles, buffers):
        return self.many(self.recv, handles, buffers)

    def many(self, verb, handles, buffers):
        results = []
        for handle, buffer in zip(handles, buffers, strict=True):
            try:
                count = verb(int(handle), buffer)
                results.append(-errno.EAGAIN if count is None else count)
            except DataplaneError as error:
                results.append(error.error)
        return np.array(results, np.int64)

    def set_option(self, handle, option, value):
        self.record(handle, "set_option", FakePeer).options[option] = value

    def info(self, handle):
        made = self.record(handle, "info", FakePeer)
        fields = dict.fromkeys(port.Info.__slots__, 0)
        fields |= {"local": made.local[0], "local_port": made.local[1]}
        fields |= {"peer": made.peer[0], "peer_port": made.peer[1]}
        return port.Info(**fields)

    def connections(self):
        return [h for h, record in self.records.items() if isinstance(record, FakePeer)]

    def status(self, handle):
        return self.record(handle, "status").status

    # Waiting

    def thread_waiter(self):
        if not hasattr(self.of_thread, "waiter"):
            self.of_thread.waiter = self.open_waiter()
        return self.of_thread.waiter

    def open_waiter(self):
        self.check("open_waiter")
        self.waiters.append(FakeWaiter(self))
        return self.waiters[-1]

    def open_signal(self, fd):
        self.check("open_signal")
        self.waiters.append(FakeWaiter(self, fd))
        return self.waiters[-1]

    def wait_fds(self, fds, timeout_ns=None):
        self.block(lambda: readable(fds), timeout_ns)
        return readable(fds)

    def start_service(self, function, name):
        def serve():
            try:
                function()
            except DataplaneError as error:
                if error.error != -errno.ESHUTDOWN:
                    raise

        self.scheduler.start_service(serve, name)

    def counters(self, worker=None):
        return {}


def clash(one, other):
    if one.port != other.port or (one.reuse and other.reuse):
        return False
    families = {4: {4}, 6: {6}, 46: {4, 6}}
    if not families[one.family] & families[other.family]:
        return False
    return one.local == other.local or port.ANY_ADDRESS in (one.local, other.local)


def sequence(buffers):
    try:
        memoryview(buffers)
    except TypeError:
        return buffers
    return [buffers]


def readable(fds):
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    found = {fd for fd, _ in poll.poll(0)}
    return [fd for fd in fds if fd in found]
