"""Network events: what WSPEventSelect registers and WSPEnumNetworkEvents reports.

Nothing runs when something happens. The dataplane counts what happens in the socket's status record
and sets the event object, or wakes who takes messages, by itself; what to report is worked out
here, when somebody asks, from the counters against what they were when they were last looked at:

- A counter that has moved is *recorded* as its FD_* bit, if what it announces still holds (requests
  that wait, data not yet read). So each new arrival is recorded, re-enabled or not, as Windows does
  in event mode.
- WSPEnumNetworkEvents hands out what is recorded and asked for, and takes it off the record.
- A re-enabling call (recv for FD_READ, accept for FD_ACCEPT) strikes its bit, and records it anew
  if what it announces still holds. It sets the event object itself then: nothing new happens.
- FD_CLOSE, FD_WRITE and FD_CONNECT are recorded once for each movement.
- With WSPAsyncSelect there are messages instead of an event object. What is on the record and asked
  for is posted, each event for itself, and leaves the record; one that was posted is not posted
  again before it is re-enabled (`reported`). Registering anew enables all, and records what holds.
- While the head of a listener's backlog is a deferred request, FD_ACCEPT is silent: its counter is
  not looked at, and the dataplane is asked not to set the event object for it. So are FD_READ and
  FD_ACCEPT while overlapped requests wait for what they would announce.

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
from pyprov.winsock.codes import WSAECONNABORTED, WSAECONNRESET, WSAETIMEDOUT
from pyprov.winsock.errors import code_from_errno
from pyprov.winsock.flags import (
    FD_ACCEPT,
    FD_ADDRESS_LIST_CHANGE,
    FD_CLOSE,
    FD_CONNECT,
    FD_GROUP_QOS,
    FD_MAX_EVENTS,
    FD_OOB,
    FD_QOS,
    FD_READ,
    FD_ROUTING_INTERFACE_CHANGE,
    FD_WRITE,
)
from pyprov.winsock.structs import WSANETWORKEVENTS

if TYPE_CHECKING:
    from pyprov.core.events import WSAEVENT
    from pyprov.core.messages import Pump
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


# What a message of has to be re-enabled before the next one, and the order of messages.
_ENABLED: Final = FD_READ | FD_OOB | FD_ACCEPT
_ORDER: Final = (
    FD_CONNECT,
    FD_ACCEPT,
    FD_OOB,
    FD_READ,
    FD_WRITE,
    FD_CLOSE,
    FD_QOS,
    FD_GROUP_QOS,
    FD_ROUTING_INTERFACE_CHANGE,
    FD_ADDRESS_LIST_CHANGE,
)


_ABORTED: Final = frozenset({-errno.ECONNRESET, -errno.ENETRESET})


class Watched(NamedTuple):
    """What the dataplane sets an event object for, or wakes a pump.

    Attributes:
        target: the object, None for nothing.
        handle: the socket's handle.
        bits: READY_* bits of that handle.
        deferred: handles of deferred requests, whose end is watched for too.
    """

    target: WSAEVENT | Pump | None
    handle: int
    bits: int
    deferred: tuple[int, ...]


NOTHING: Final = Watched(None, 0, 0, ())


class NetEvents:
    """The events of one socket; its fields are under `Control.lock`.

    Attributes:
        event: the event object that was registered, or
        pump: what posts messages, to
        window: the message queue;
        message: the message's number, and
        s: the SOCKET in it.
        mask: FD_* bits asked for.
        pending: FD_* bits on the record.
        reads: the counter of arriving bytes when it was last looked at.
        reported: FD_* bits of which a message was posted, and that were not re-enabled since.
        errors: the error codes of what is on the record, where there are any.
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
        "message",
        "pending",
        "pump",
        "reads",
        "reported",
        "s",
        "syncing",
        "watched",
        "window",
    )

    def __init__(self) -> None:
        self.event: WSAEVENT | None = None
        self.pump: Pump | None = None
        self.window: object = None
        self.message = self.s = 0
        self.mask = 0
        self.pending = 0
        self.reported = 0
        self.errors: dict[int, int] = {}
        self.connected = False
        self.syncing = False
        self.watched = NOTHING
        self.forget_counters()

    def forget_counters(self) -> None:
        """Begin with a fresh status record."""
        self.reads = self._writes = self._oobs = self._accepts = self._closes = self._qos = 0

    def wanted(self, socket: Socket) -> Watched:
        """Return what the dataplane should watch for."""
        target = self.pump or self.event
        mask = self.mask
        lanes = socket.lanes
        if socket.deferred or (lanes is not None and lanes.accept):
            mask &= ~FD_ACCEPT
        if lanes is not None and lanes.receive:
            mask &= ~FD_READ
        bits = 0
        for fd, ready in READINESS.items():
            if mask & fd:
                bits |= ready
        if not socket.handle or target is None or target.closed:
            return NOTHING
        deferred = socket.deferred if self.mask & FD_ACCEPT else ()
        return Watched(target, socket.handle, bits, deferred)

    def record_reads(self, reads: int, *, data: bool) -> None:
        """Look at arrivals of stream bytes, and whether any wait."""
        if reads != self.reads:
            self.reads = reads
            if data:
                self.pending |= FD_READ

    def record_connection(self, status: Status, *, inline: bool) -> None:
        """Look at all else that happens to a connection.

        Args:
            status: its record.
            inline: urgent data is in the stream, and not reported.
        """
        oobs = status.oobs
        if oobs != self._oobs and status.ready & port.READY_OOB:
            self._oobs = oobs
            self.pending |= 0 if inline else FD_OOB
        if status.writes != self._writes:
            self._writes = status.writes
            self.pending |= FD_WRITE
        if status.closes != self._closes:
            self._closes = status.closes
            self.pending |= FD_CLOSE
            self.errors[FD_CLOSE] = close_code(status)
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

    def read_again(self, reads: int, *, data: bool, urgent: bool) -> None:
        """Stream bytes were asked for: FD_READ and FD_OOB are enabled again."""
        self.reads = reads
        self.reported &= ~(FD_READ | FD_OOB)
        self.pending &= ~(FD_READ | FD_OOB)
        self.pending |= (FD_READ if data else 0) | (FD_OOB if urgent else 0)

    def accept_again(self, status: Status) -> None:
        """A request was asked for: FD_ACCEPT is enabled again."""
        self._accepts = status.accepts
        self.reported &= ~FD_ACCEPT
        self.pending &= ~FD_ACCEPT
        if status.queued:
            self.pending |= FD_ACCEPT

    def enable(self, holds: int, code: int) -> None:
        """Messages were asked for anew: what holds is posted, whether it was before or not.

        Args:
            holds: FD_* bits of what is true now.
            code: FD_CLOSE's, if that is among them.
        """
        self.reported = 0
        self.pending |= holds
        if holds & FD_CLOSE:
            self.errors[FD_CLOSE] = code

    @property
    def due(self) -> int:
        """FD_* bits of which a message is to be posted."""
        return self.pending & self.mask & ~self.reported

    def take_messages(self) -> list[tuple[int, int]]:
        """Hand out, as FD_* bit and error code, what is to be posted; the rest is forgotten."""
        out = self.due
        self.pending &= ~self.mask
        self.reported |= out & _ENABLED
        return [(bit, self.errors.get(bit, 0)) for bit in _ORDER if out & bit]

    def put_back(self, bit: int) -> None:
        """A message could not be posted."""
        self.pending |= bit
        self.reported &= ~bit

    def record(self, bit: int, code: int = 0) -> None:
        """Something has happened that no counter tells of."""
        self.pending |= bit
        self.errors[bit] = code

    def signal(self) -> None:
        """Set the event object if something asked for is on the record."""
        if self.pending & self.mask and self.event is not None and not self.event.closed:
            self.event.set()

    def take(self) -> WSANETWORKEVENTS:
        """Hand out what is on the record and asked for."""
        out = self.pending & self.mask if self.event is not None else 0
        self.pending &= ~out
        codes = [self.errors.get(1 << i, 0) if out >> i & 1 else 0 for i in range(FD_MAX_EVENTS)]
        return WSANETWORKEVENTS(out, codes)


def close_code(status: Status) -> int:
    """Return what FD_CLOSE carries for a connection's end.

    Windows says "aborted" for a reset. A handshake that has failed after WSPAccept, before there
    was anything to write to, was reset or has come to nothing in time.
    """
    error = status.error
    if not error:
        return 0
    if not status.writes:
        return WSAECONNRESET if error == -errno.ECONNRESET else WSAETIMEDOUT
    return WSAECONNABORTED if error in _ABORTED else code_from_errno(error)
