"""Registering for network events, reporting them, and what other calls do to them.

The record itself is core/netevents.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyprov.core import port
from pyprov.core.connection import poll_connect
from pyprov.core.events import WSAEVENT
from pyprov.core.failure import translate
from pyprov.core.netevents import NetEvents, Watched
from pyprov.core.port import DataplaneError, moves
from pyprov.core.states import State
from pyprov.winsock.codes import WSAEINVAL
from pyprov.winsock.errors import WSAError
from pyprov.winsock.flags import FD_ALL_EVENTS

if TYPE_CHECKING:
    from collections.abc import Collection

    from pyprov.core.control import Control
    from pyprov.core.socket import Socket
    from pyprov.winsock.structs import WSANETWORKEVENTS


def event_select(control: Control, socket: Socket, event: object, mask: object) -> None:
    """Register an event object for FD_* bits; mask 0 ends the registration.

    Raises:
        WSAError: WSAEINVAL for unknown bits, or without an event object when there are bits.
    """
    if not isinstance(mask, int) or mask & ~FD_ALL_EVENTS:
        raise WSAError(WSAEINVAL, f"{mask!r} has bits that are no network events")
    target = _event(event) if mask else None
    with control.lock:
        events = socket.events
        if events is None:
            events = socket.events = NetEvents()
            events.connected = socket.request is not None
        events.event, events.mask = target, mask
        socket.blocking = False
    synchronise(control, socket)


def _event(event: object) -> WSAEVENT:
    if not isinstance(event, WSAEVENT) or event.closed:
        raise WSAError(WSAEINVAL, f"{event!r} is no event object")
    return event


def enum_events(control: Control, socket: Socket, event: object) -> WSANETWORKEVENTS:
    """Hand out the record, clear it, and reset an event object; all or nothing.

    Raises:
        WSAError: WSAEINVAL if something is given that is no event object.
    """
    to_reset = None if event is None else _event(event)
    if to_reset is not None:
        to_reset.reset()
    events = socket.events
    if events is None:
        return NetEvents().take()
    if socket.deferred:
        _look_at_deferred(control, socket, events)
    _record(control, socket, events)
    with control.lock:
        return events.take()


def inherit(control: Control, listener: Socket, accepted: Socket) -> None:
    """Give an accepted socket its listener's registration."""
    with control.lock:
        theirs = listener.events
        if theirs is None or theirs.event is None:
            return
        events = NetEvents()
        events.connected = True
        events.event, events.mask = theirs.event, theirs.mask
        accepted.events = events
    synchronise(control, accepted)


def synchronise(control: Control, socket: Socket) -> None:
    """Make the dataplane watch for what is registered; then signal what is on the record.

    Whoever comes while another thread is at it leaves it to that thread, which looks again.
    """
    events = socket.events
    if events is None:
        return
    while True:
        with control.lock:
            wanted = events.wanted(socket)
            before = events.watched
            if events.syncing:
                return
            if wanted == before:
                break
            events.syncing = True
            events.watched = wanted
        try:
            _watch(control, before, wanted)
        finally:
            events.syncing = False
    _record(control, socket, events)
    with control.lock:
        events.signal()


def begin_deferral(control: Control, listener: Socket, handle: int) -> None:
    """A request goes back to the head of a listener's backlog: FD_ACCEPT falls silent."""
    with control.lock:
        if handle not in listener.deferred:
            listener.deferred = (*listener.deferred, handle)
    synchronise(control, listener)


def end_deferral(control: Control, listener: Socket, handles: Collection[int]) -> None:
    """Requests were taken or are gone: with the last deferred one FD_ACCEPT is heard again."""
    with control.lock:
        listener.deferred = tuple(h for h in listener.deferred if h not in handles)
    synchronise(control, listener)


def _watch(control: Control, before: Watched, wanted: Watched) -> None:
    """Replace what the dataplane watches for."""
    old, new = before.event, wanted.event
    try:
        if old is not None and not old.closed:
            if old is not new or before.handle != wanted.handle:
                _unwatch(control, old, before.handle)
            for handle in set(before.deferred) - set(wanted.deferred):
                _unwatch(control, old, handle)
        if new is not None:
            _watch_on(control, new, wanted)
    except DataplaneError as error:
        raise translate(error) from error


def _watch_on(control: Control, event: WSAEVENT, wanted: Watched) -> None:
    """Let the dataplane set an event from now on; what is there already `_record` looks at."""
    dataplane = control.dataplane
    signal = event.signal(dataplane)
    for handle, bits in (
        (wanted.handle, wanted.bits),
        *((deferred, port.READY_ERROR) for deferred in wanted.deferred),
    ):
        if bits:
            signal.watch_since(handle, bits, moves(dataplane.status(handle), bits))
        else:
            signal.watch(handle, 0)


def _unwatch(control: Control, event: WSAEVENT, handle: int) -> None:
    try:
        event.signal(control.dataplane).watch(handle, 0)
    except DataplaneError:
        return  # the handle has gone, and its watches with it


def _record(control: Control, socket: Socket, events: NetEvents) -> None:
    """Bring a socket's record up to date."""
    if socket.state is State.CONNECTING:
        poll_connect(control, socket)
    if socket.state is State.CONNECTED:
        status = control.status(socket)
        reads = status.reads
        data = reads != events.reads and has_data(control, socket)
        with control.lock:
            events.record_connect(0)
            events.record_reads(reads, data=data)
            events.record_connection(status)
    elif socket.state is State.LISTENING and not socket.deferred:
        status = control.status(socket)
        with control.lock:
            events.record_listener(status)


def _look_at_deferred(control: Control, listener: Socket, events: NetEvents) -> None:
    """A deferred request that has died is one to be accepted, with an error: it is announced."""
    died = [handle for handle in listener.deferred if _has_died(control, handle)]
    if died:
        end_deferral(control, listener, died)
        after_accept(control, listener, events)


def _has_died(control: Control, handle: int) -> bool:
    try:
        return control.dataplane.status(handle).error != 0
    except DataplaneError:
        return True


def has_data(control: Control, socket: Socket) -> bool:
    """Whether stream bytes wait in a connection; its end alone is none."""
    try:
        return control.dataplane.readable(socket.handle) > 0
    except DataplaneError:
        return False


def after_receive(control: Control, socket: Socket, events: NetEvents) -> None:
    """A receiving call was made, with whatever result."""
    if socket.state is not State.CONNECTED:
        return
    reads = control.status(socket).reads
    data = has_data(control, socket)
    with control.lock:
        events.read_again(reads, data=data)
        events.signal()


def after_accept(control: Control, listener: Socket, events: NetEvents) -> None:
    """An accepting call was made, with any result but WSATRY_AGAIN."""
    if listener.state is not State.LISTENING:
        return
    status = control.status(listener)
    with control.lock:
        if not listener.deferred:
            events.accept_again(status)
            events.signal()
