"""The dataplane as the control plane sees it.

`core` and everything above it knows the dataplane through the protocols of this module and nothing
else, so that the live engine, the step-mode engine of a lab and the fake of the tests can take each
other's place. The words are TCP's (listener, request, connection), not Winsock's.

Shapes:

- A *handle* is an int of 64 bits. It names a listener or a connection until it is closed; a handle
  that is gone is an error (-EBADF) and never somebody else's.
- An *address* is 16 bytes in network order, IPv4 as ::ffff:a.b.c.d. `pack_address` and
  `unpack_address` convert. A port is an int in host order.
- Times are ints of nanoseconds of the engine's clock, spans too (`timeout_ns`; None: no limit).
- Buffers are one bytes-like object or a sequence of them, never copied before the dataplane.

Errors: every method raises `DataplaneError` with the negative errno. "Nothing at the moment" is no
error: `send` and `recv` then return None.

Threads: every method is safe from any thread. Methods that block say so; they release the GIL, let
Ctrl-C through, and end early where it is said. Those that each connection or transfer costs end at
once and keep it (accept, send, recv, close ...). Hold no lock of your own while you call one of
them: in a lab the thread that would give it back does not run before this one blocks.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias

import numpy as np

from pyprov.core.offer import Deciding

# ruff: noqa: PLC0414, TC001 - core/params.py is part of the port
from pyprov.core.params import ANY_ADDRESS as ANY_ADDRESS
from pyprov.core.params import OVERFLOW_DROP as OVERFLOW_DROP
from pyprov.core.params import OVERFLOW_RESET as OVERFLOW_RESET
from pyprov.core.params import SYN_COOKIES_ALWAYS as SYN_COOKIES_ALWAYS
from pyprov.core.params import SYN_COOKIES_AUTO as SYN_COOKIES_AUTO
from pyprov.core.params import SYN_COOKIES_NEVER as SYN_COOKIES_NEVER
from pyprov.core.params import ConnectParams as ConnectParams
from pyprov.core.params import Info as Info
from pyprov.core.params import ListenParams as ListenParams
from pyprov.core.params import OwnName as OwnName
from pyprov.winsock.address import MAPPED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt
    from typing_extensions import Buffer

    from pyprov.conditions import ConditionCounts, Program

# Readiness of a handle: levels, true at this moment.
READY_READ: Final = 0x001  # stream bytes can be taken
READY_WRITE: Final = 0x002  # connected, and the send buffer has room
READY_OOB: Final = 0x004
READY_ACCEPT: Final = 0x008  # the backlog is not empty
READY_CONNECT: Final = 0x010  # a connect has ended; see Status.error
READY_CLOSE: Final = 0x020  # the peer's FIN came
READY_QOS: Final = 0x040
READY_ERROR: Final = 0x100  # reset, timed out or aborted; see Status.error
READY_SENT: Final = 0x200  # everything written is acknowledged, the FIN included if there was one

# Request.flags
REQUEST_HELD: Final = 1  # its SYN is unanswered, a verdict is due
REQUEST_COOKIE: Final = 2  # came by a SYN cookie: time and options of the SYN are unknown
REQUEST_OFFER: Final = 4  # the peer speaks the handshake option and waits for a verdict
REQUEST_DECIDED: Final = 8  # the listener's program has accepted it: nobody else is asked
REQUEST_ENDED: Final = 16  # it had died when `accept` took it; see Status.error

# `flags` of send and recv
IO_PEEK: Final = 1
IO_OOB: Final = 2
IO_MORE: Final = 4
IO_WHOLE: Final = 8  # send takes everything if there is any room, as far as there is memory

# Where received urgent data is. The mark stands where the latest urgent byte was or, in line, is.
URGENT_WAITS: Final = 1  # a byte can be taken with IO_OOB
URGENT_AHEAD: Final = 2  # the mark lies ahead of the next byte of the stream
URGENT_HERE: Final = 4  # the next byte of the stream stands at the mark

# `how` of close
CLOSE_GRACEFUL: Final = 0
CLOSE_ABORT: Final = 1
CLOSE_DETACH: Final = 2

# `option` of set_option; times in milliseconds, sizes in bytes
OPT_NODELAY: Final = 1
OPT_KEEPALIVE: Final = 2
OPT_KEEPALIVE_IDLE: Final = 3
OPT_KEEPALIVE_INTERVAL: Final = 4
OPT_KEEPALIVE_COUNT: Final = 5
OPT_USER_TIMEOUT: Final = 6
OPT_MAXSEG: Final = 7
OPT_RECV_BUFFER: Final = 8
OPT_SEND_BUFFER: Final = 9
OPT_TTL: Final = 10
OPT_TOS: Final = 11
OPT_CONGESTION: Final = 12
OPT_OOB_INLINE: Final = 13
OPT_RATE: Final = 14  # pacing, bytes a second; 0: none

_FIN_ACKED: Final = frozenset({0, 9, 10})  # CLOSED, FIN-WAIT-2, TIME-WAIT

Buffers: TypeAlias = "Buffer | Sequence[Buffer]"

# One row of accept_many: a Request without a Python object.
REQUEST_DTYPE: Final = np.dtype(
    {
        "names": [
            "handle",
            "peer",
            "local",
            "peer_port",
            "local_port",
            "qos",
            "when_ns",
            "listener",
            "flags",
        ],
        "formats": ["u8", "(16,)u1", "(16,)u1", "u2", "u2", "u4", "u8", "u4", "u4"],
        "offsets": [0, 8, 24, 40, 42, 44, 48, 56, 60],
        "itemsize": 64,
    }
)


class DataplaneError(Exception):
    """The dataplane refused or the connection has ended.

    Attributes:
        error: the negative errno, -ECONNRESET for example.
        verb: what was asked for.
    """

    __slots__ = ("error", "verb")

    def __init__(self, error: int, verb: str) -> None:
        super().__init__(error, verb)
        self.error = error
        self.verb = verb

    def __str__(self) -> str:
        if self.error == -errno.EOWNERDEAD:
            return f"{self.verb}: the engine is the parent's of this forked process"
        return f"{self.verb}: {os.strerror(-self.error)}"


def pack_address(host: str) -> bytes:
    """Return the 16 bytes of a numeric host (a scope id is dropped).

    Raises:
        ValueError: the text is no numeric IPv4 or IPv6 address.
    """
    try:
        return MAPPED + socket.inet_pton(socket.AF_INET, host)
    except OSError:
        return ipaddress.IPv6Address(host.partition("%")[0]).packed


def unpack_address(address: bytes) -> str:
    """Return the numeric host of 16 bytes, dotted for a mapped IPv4 address."""
    if address[:12] == MAPPED:
        return socket.inet_ntop(socket.AF_INET, address[12:])
    return socket.inet_ntop(socket.AF_INET6, address)


class Request(NamedTuple):
    """A connection request as it waits in the backlog.

    A tuple and no dataclass because one is made for every accept.
    """

    handle: int
    peer: bytes
    local: bytes
    peer_port: int
    local_port: int
    qos: int  # bits of what came with it (data 1, flow specifications 2 and 4, ...); 0: nothing
    when_ns: int  # arrival of the SYN where known, else of the ACK
    listener: int  # index, not handle
    flags: int  # REQUEST_*


class Ready(NamedTuple):
    """One changed handle as Waiter.take reports it."""

    handle: int
    cookie: int  # as given to watch
    ready: int  # READY_* at the time of the take


class OwnAddress(NamedTuple):
    """An address of ours with its network, as the configuration has it."""

    address: bytes
    prefix: int  # bits of the address's own family
    port: int  # index of the port that has it
    used: bool = True  # False: it is probed for still, or somebody else has it


class Status(Protocol):
    """A live view of a handle's status record: an attribute reads shared memory, no call is made.

    The counters only grow (modulo 2**32): compare with what you saw last. The record speaks of its
    handle while `generation == handle & 0xFFFFFFFF`; afterwards it may be another's. After the
    engine has stopped all attributes are 0.
    """

    @property
    def generation(self) -> int:
        """Lower half of the handle the record speaks of now."""

    @property
    def ready(self) -> int:
        """READY_* now."""

    @property
    def reads(self) -> int:
        """Arrivals of in-order stream bytes."""

    @property
    def writes(self) -> int:
        """1 for the connection's start, and 1 each time a full send buffer got room."""

    @property
    def oobs(self) -> int:
        """Arrivals and announcements of urgent bytes."""

    @property
    def accepts(self) -> int:
        """Requests that entered the backlog."""

    @property
    def closes(self) -> int:
        """1 after the peer's FIN, an abort or a reset."""

    @property
    def qos(self) -> int:
        """Generation of the QoS block."""

    @property
    def error(self) -> int:
        """0, or the negative errno of the connection's end or of its connect."""

    @property
    def state(self) -> int:
        """State of RFC 9293, numbered from CLOSED 0 to FIN-WAIT-2 9 and TIME-WAIT 10."""

    @property
    def queued(self) -> int:
        """Requests waiting in the backlog of a listener."""

    @property
    def rx_total(self) -> int:
        """Stream bytes received in order."""

    @property
    def tx_acked(self) -> int:
        """Stream bytes that the peer has acknowledged."""


def moves(status: Status, mask: int) -> int:
    """Add up the counters behind some READY_* bits: another number when one of them has moved."""
    total = 0
    if mask & READY_READ:
        total += status.reads
    if mask & READY_WRITE:
        total += status.writes
    if mask & READY_OOB:
        total += status.oobs
    if mask & READY_ACCEPT:
        total += status.accepts
    if mask & (READY_CLOSE | READY_ERROR):
        total += status.closes
    if mask & READY_QOS:
        total += status.qos
    if mask & status.ready & READY_CONNECT:
        total += 1
    return total & 0xFFFFFFFF


def has_finished(status: Status) -> bool:
    """Whether a connection has ended, or the peer has acknowledged our FIN and all before it.

    READY_SENT alone may still speak of what was there before `shutdown_send`.
    """
    ready = status.ready
    return bool(ready & READY_ERROR or (ready & READY_SENT and status.state in _FIN_ACKED))


class Waiter(Protocol):
    """One doorbell and one list of changed handles; whoever waits owns one."""

    def watch(self, handle: int, mask: int, *, once: bool = False, cookie: int = 0) -> None:
        """Report changes of the handle's READY_* bits in `mask` here.

        What is ready already is reported at once. The same handle again replaces mask and cookie;
        mask 0 ends the watch. `once` ends it with its first report.
        """

    def watch_since(self, handle: int, mask: int, seen: int) -> None:
        """Watch, and report at once only what has happened since the caller looked.

        The watch takes effect a little after the call. `seen` is what `moves` said before it, so
        that nothing is lost between the two.
        """

    def watch_addresses(self) -> None:
        """Ring this waiter at every change of the engine's addresses, in place of another."""

    def take(self, n: int = 256) -> list[Ready]:
        """Take up to `n` changed handles, each once; never blocks."""

    def wait(self, timeout_ns: int | None = None) -> bool:
        """Block until something can be taken or `ring` came (True) or time is up (False)."""

    def wait_for(self, handle: int, mask: int, timeout_ns: int | None = None) -> int:
        """Block until one of the READY_* bits in `mask` is true of the handle.

        Returns:
            The bits that are true; 0 when time is up, when `ring` came, when the handle is gone, or
            when another took what was reported.
            The caller looks at what may have rung (closed, cancelled, an APC) and at his deadline.
        """

    def ring(self) -> None:
        """End the wait under way, or else the next one; from any thread."""

    def fileno(self) -> int:
        """Return a descriptor that select, epoll or an event loop can wait on.

        It is readable while something can be taken. Call take until it is empty before you sleep.
        """

    def close(self) -> None:
        """Drop its watches and its descriptor."""


class Dataplane(Deciding, Protocol):
    """One engine."""

    def now(self) -> int:
        """Return the engine's time: monotonic when live, virtual in a lab."""

    def addresses(self) -> Sequence[OwnAddress]:
        """Return the ports' addresses in the order of the configuration; loopback is not in it."""

    def address_changes(self) -> int:
        """Return how often an address has come into use or gone out of it, and sources with it."""

    def stop(self, flush_ns: int) -> None:
        """Close listeners, let connections flush for `flush_ns`, reset the rest, free everything.

        Blocks. Every later call, also one that was under way in another thread, raises -ESHUTDOWN.
        """

    # Listeners

    def listen(self, params: ListenParams) -> int:
        """Make a listener and return its handle once every worker has installed it (blocks).

        Raises:
            DataplaneError: -EADDRINUSE, -EADDRNOTAVAIL, -ENOBUFS.
        """

    def listener_update(self, listener: int, params: ListenParams) -> None:
        """Change its backlog (shrinking resets those that came last), `paused`, `ttl` and `tos`."""

    def listener_close(self, listener: int) -> None:
        """Close it (blocks); requests still waiting are reset."""

    def accept(self, listener: int) -> Request | None:
        """Take the oldest request, a deferred one before all others; None: none waits."""

    def accept_many(self, listener: int, out: npt.NDArray[np.void]) -> int:
        """Fill an array of REQUEST_DTYPE with waiting requests, oldest first.

        Returns:
            How many rows were written, 0 when none waits.
        """

    def defer(self, listener: int, request: Request) -> None:
        """Put one request back at the head of the backlog."""

    def set_condition(self, listener: int, program: Program | None) -> None:
        """Let workers run a program for each request, or none (blocks); -EINVAL: refused."""

    def condition_counts(self, listener: int) -> ConditionCounts | None:
        """Return what the listener's program has done so far; None: it has none."""

    # Connections

    def source(self, peer: bytes) -> bytes:
        """Return our address in a connection with a peer.

        Raises:
            DataplaneError: -ENETUNREACH.
        """

    def connect(self, params: ConnectParams, own: OwnName | None = None) -> int:
        """Begin an active open; its end is READY_CONNECT with Status.error. `own` is filled in.

        Raises:
            DataplaneError: -EADDRINUSE, -EADDRNOTAVAIL, -ENETUNREACH, -ENOBUFS, -EMSGSIZE.
        """

    def send(self, handle: int, buffers: Buffers, flags: int = 0) -> int | None:
        """Append to the stream; with IO_OOB the last byte is urgent, if all are taken over.

        Returns:
            Bytes taken over, which may be fewer than given; None when the send buffer is full.

        Raises:
            DataplaneError: -ENOTCONN, -EPIPE after shutdown, or the connection's end.
        """

    def recv(self, handle: int, buffers: Buffers, flags: int = 0) -> int | None:
        """Take stream bytes into writable buffers; with IO_OOB the oldest urgent byte.

        Returns:
            Bytes written, 0 after the peer's FIN, None when nothing is there yet; of IO_OOB: when
            the byte is announced, but has not come.

        Raises:
            DataplaneError: -ENOTCONN, or the connection's end once all data is taken; of IO_OOB:
                -EINVAL, there is no urgent byte, or it is in the stream.
        """

    def readable(self, handle: int) -> int:
        """Return how many bytes one recv would find, which never reads across the urgent mark."""

    def urgent(self, handle: int) -> int:
        """Return URGENT_* bits: where received urgent data is."""

    def shutdown_send(self, handle: int) -> None:
        """Send FIN after what was written."""

    def shutdown_receive(self, handle: int) -> None:
        """Let data that comes from now on reset the connection."""

    def close(self, handle: int, how: int = CLOSE_GRACEFUL) -> None:
        """Let go of the handle, which is gone from then on.

        CLOSE_GRACEFUL: unsent data and FIN still go out. CLOSE_ABORT: RST. CLOSE_DETACH: it goes
        on without an owner, what arrives is thrown away, and it closes when its peer does.
        """

    def close_many(self, handles: npt.NDArray[np.uint64], how: int = CLOSE_GRACEFUL) -> int:
        """Close many and return how many there were; those already gone are passed over."""

    def send_many(
        self, handles: npt.NDArray[np.uint64], buffers: Sequence[Buffer]
    ) -> npt.NDArray[np.int64]:
        """Send buffers[i] to handles[i]; each result is a count or a negative errno."""

    def recv_many(
        self, handles: npt.NDArray[np.uint64], buffers: Sequence[Buffer]
    ) -> npt.NDArray[np.int64]:
        """Receive into buffers[i] from handles[i]; each result is a count or a negative errno."""

    def set_option(self, handle: int, option: int, value: int) -> None:
        """Change an OPT_* of a connection, or of what a listener will accept."""

    def info(self, handle: int) -> Info:
        """Ask a connection about itself."""

    def connections(self) -> list[int]:
        """Return the handles of all live connections."""

    def status(self, handle: int) -> Status:
        """Return the live view of a connection's or listener's status record.

        Raises:
            DataplaneError: -EBADF, this was never a handle of this engine.
        """

    # Waiting

    def thread_waiter(self) -> Waiter:
        """Return the calling thread's own waiter, made at its first use.

        It serves one blocked call at a time: nothing is watched on it between two. Whoever wants to
        end that call from another thread rings it.
        """

    def open_waiter(self) -> Waiter:
        """Make a waiter with a list of changed handles."""

    def open_signal(self, fd: int) -> Waiter:
        """Make a waiter that only writes to the caller's eventfd, once for each new change.

        Take and wait are not for it; the fd stays the caller's, also after close.
        """

    def wait_fds(self, fds: Sequence[int], timeout_ns: int | None = None) -> list[int]:
        """Block until one of the descriptors is readable.

        Returns:
            Those that are, in the order given; none when time is up.
        """

    def start_service(self, function: Callable[[], None], name: str) -> None:
        """Run a function on a background thread of this engine's.

        It ends by returning, or when a wait raises -ESHUTDOWN because the engine stops.
        """

    # Counters

    def counters(self, worker: int | None = None) -> dict[str, int]:
        """Return the counters by name, of one worker or summed over all."""


def is_running(dataplane: Dataplane) -> bool:
    """Whether an engine has not been stopped."""
    try:
        dataplane.status(0)
    except DataplaneError as error:
        return error.error == -errno.EBADF  # nobody's handle
    return True
