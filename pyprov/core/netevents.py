"""Network events: what WSPEventSelect registers and WSPEnumNetworkEvents reports.

Nothing runs when something happens. The dataplane counts what happens in the socket's status record
and sets the event object by itself; what to report is worked out here, when somebody asks, from the
counters against what they were when they were last looked at:

- A counter that has moved is *recorded* as its FD_* bit, if what it announces still holds (requests
  that wait, data not yet read). So each new arrival is recorded, re-enabled or not, as Windows does
  in event mode.
- WSPEnumNetworkEvents hands out what is recorded and asked for, and takes it off the record.
- A re-enabling call (recv for FD_READ, accept for FD_ACCEPT) strikes its bit, and records it anew
  if what it announces still holds. It sets the event object itself then: nothing new happens.
- FD_CLOSE, FD_WRITE and FD_CONNECT are recorded once for each movement.
- While the head of a listener's backlog is a deferred request, FD_ACCEPT is silent: its counter is
  not looked at, and the dataplane is asked not to set the event object for it.

Order, so that nothing falls between two stools:

- The event is reset before the counters are read: an arrival in between sets it again.
- A counter is read before one looks whether what it announces still holds, and that is looked up
  where the dataplane puts it before it counts: the bytes in the stream and the requests in the
  queue, not the readiness bits, which come after. So an arrival that was counted is there to be
  seen, or was taken.
- The dataplane's watch begins a little after it was asked for. It is told what the counters were
  before (`watch_since`), and sets the event if they have moved since; what came before that is
  recorded here.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final, NamedTuple

from pyprov.core import port
from pyprov.winsock.codes import WSAECONNABORTED
from pyprov.winsock.errors import code_from_errno
from pyprov.winsock.flags import (
    FD_ACCEPT,
    FD_CLOSE,
    FD_CLOSE_BIT,
    FD_CONNECT,
    FD_CONNECT_BIT,
    FD_MAX_EVENTS,
    FD_OOB,
    FD_QOS,
    FD_READ,
    FD_WRITE,
)
from pyprov.winsock.structs import WSANETWORKEVENTS

if TYPE_CHECKING:
    from pyprov.core.events import WSAEVENT
    from pyprov.core.port import Status
    from pyprov.core.socket import Socket

# Which change of readiness each event is about.
READINESS: Final = {
    FD_READ: port.READY_READ,
    FD_WRITE: port.READY_WRITE,
    FD_OOB: port.READY_OOB,
    FD_ACCEPT: port.READY_ACCEPT,
    FD_CONNECT: port.READY_CONNECT,
    FD_CLOSE: port.READY_CLOSE | port.READY_ERROR,
    FD_QOS: port.READY_QOS,
}


class Watched(NamedTuple):
    """What the dataplane sets an event object for.

    Attributes:
        event: the object, None for nothing.
        handle: the socket's handle.
        bits: READY_* bits of that handle.
        deferred: handles of deferred requests, whose end is watched for too.
    """

    event: WSAEVENT | None
    handle: int
    bits: int
    deferred: tuple[int, ...]


NOTHING: Final = Watched(None, 0, 0, ())


class NetEvents:
    """The events of one socket; its fields are under `Control.lock`.

    Attributes:
        event: the event object, None without a registration.
        mask: FD_* bits asked for.
        pending: FD_* bits on the record.
        reads: the counter of arriving bytes when it was last looked at.
        errors: the error codes of FD_CONNECT and FD_CLOSE on the record.
        connected: FD_CONNECT was recorded, or is never to be.
        syncing: a thread is changing the dataplane's watch.
        watched: what the dataplane watches for.
    """

    __slots__ = (
        "_accepts",
        "_closes",
        "_oobs",
        "_qos",
        "_writes",
        "connected",
        "errors",
        "event",
        "mask",
        "pending",
        "reads",
        "syncing",
        "watched",
    )

    def __init__(self) -> None:
        self.event: WSAEVENT | None = None
        self.mask = 0
        self.pending = 0
        self.errors = {FD_CONNECT: 0, FD_CLOSE: 0}
        self.connected = False
        self.syncing = False
        self.watched = NOTHING
        self.forget_counters()

    def forget_counters(self) -> None:
        """Begin with a fresh status record."""
        self.reads = self._writes = self._oobs = self._accepts = self._closes = self._qos = 0

    def wanted(self, socket: Socket) -> Watched:
        """Return what the dataplane should watch for."""
        event = self.event
        mask = self.mask & ~FD_ACCEPT if socket.deferred else self.mask
        bits = 0
        for fd, ready in READINESS.items():
            if mask & fd:
                bits |= ready
        if not socket.handle or event is None or event.closed:
            return NOTHING
        deferred = socket.deferred if self.mask & FD_ACCEPT else ()
        return Watched(event, socket.handle, bits, deferred)

    def record_reads(self, reads: int, *, data: bool) -> None:
        """Look at arrivals of stream bytes, and whether any wait."""
        if reads != self.reads:
            self.reads = reads
            if data:
                self.pending |= FD_READ

    def record_connection(self, status: Status) -> None:
        """Look at all else that happens to a connection."""
        oobs = status.oobs
        if oobs != self._oobs and status.ready & port.READY_OOB:
            self._oobs = oobs
            self.pending |= FD_OOB
        if status.writes != self._writes:
            self._writes = status.writes
            self.pending |= FD_WRITE
        if status.closes != self._closes:
            self._closes = status.closes
            self.pending |= FD_CLOSE
            self.errors[FD_CLOSE] = close_code(status.error)
        if status.qos != self._qos:
            self._qos = status.qos
            self.pending |= FD_QOS

    def record_listener(self, status: Status) -> None:
        """Look at arrivals of requests, if there is no deferred head."""
        accepts = status.accepts
        if accepts != self._accepts:
            self._accepts = accepts
            if status.queued:
                self.pending |= FD_ACCEPT

    def record_connect(self, code: int) -> None:
        """A connect has ended."""
        if not self.connected:
            self.connected = True
            self.pending |= FD_CONNECT
            self.errors[FD_CONNECT] = code

    def read_again(self, reads: int, *, data: bool) -> None:
        """Stream bytes were asked for: FD_READ is enabled again."""
        self.reads = reads
        self.pending = self.pending & ~FD_READ | (FD_READ if data else 0)

    def accept_again(self, status: Status) -> None:
        """A request was asked for: FD_ACCEPT is enabled again."""
        self._accepts = status.accepts
        self.pending &= ~FD_ACCEPT
        if status.queued:
            self.pending |= FD_ACCEPT

    def signal(self) -> None:
        """Set the event object if something asked for is on the record."""
        if self.pending & self.mask and self.event is not None and not self.event.closed:
            self.event.set()

    def take(self) -> WSANETWORKEVENTS:
        """Hand out what is on the record and asked for."""
        out = self.pending & self.mask if self.event is not None else 0
        self.pending &= ~out
        codes = [0] * FD_MAX_EVENTS
        if out & FD_CONNECT:
            codes[FD_CONNECT_BIT] = self.errors[FD_CONNECT]
        if out & FD_CLOSE:
            codes[FD_CLOSE_BIT] = self.errors[FD_CLOSE]
        return WSANETWORKEVENTS(out, codes)


def close_code(error: int) -> int:
    """Return what FD_CLOSE carries for a connection's end: Windows says "aborted" for a reset."""
    if not error:
        return 0
    return WSAECONNABORTED if error == -errno.ECONNRESET else code_from_errno(error)
