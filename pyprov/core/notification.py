"""Registering for network events, reporting them, and what other calls do to them.

The record itself is core/netevents.py.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pyprov.core import port
from pyprov.core.connection import poll_connect
from pyprov.core.events import WSAEVENT
from pyprov.core.failure import translate
from pyprov.core.messages import MessageQueue, Pump
from pyprov.core.netevents import NetEvents, Watched, close_code
from pyprov.core.port import DataplaneError, moves
from pyprov.core.states import State
from pyprov.winsock.codes import WSAEINVAL
from pyprov.winsock.errors import WSAError
from pyprov.winsock.flags import (
    FD_ACCEPT,
    FD_ALL_EVENTS,
    FD_CLOSE,
    FD_CONNECT,
    FD_OOB,
    FD_READ,
    FD_WRITE,
)
from pyprov.winsock.macros import MAKELONG

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
    post_due(control, socket)
    with control.lock:
        events = _events_of(socket)
        events.event, events.pump, events.window = target, None, None
        events.mask = mask
        socket.blocking = False
    synchronise(control, socket)


def async_select(
    control: Control, s: int, socket: Socket, window: tuple[object, object], mask: object
) -> None:
    """Register a message queue for FD_* bits; mask 0 ends the registration.

    Args:
        control: the provider's state.
        s: the SOCKET, which goes into the messages.
        socket: the socket.
        window: the message queue and the message's number.
        mask: FD_* bits.

    Raises:
        WSAError: WSAEINVAL for unknown bits, or with bits for what is no queue or no message.
    """
    if not isinstance(mask, int) or mask & ~FD_ALL_EVENTS:
        raise WSAError(WSAEINVAL, f"{mask!r} has bits that are no network events")
    queue, message = window
    if mask and not isinstance(message, int):
        raise WSAError(WSAEINVAL, f"{message!r} is no message")
    pump = _pump(control, queue) if mask else None
    post_due(control, socket)
    with control.lock:
        events = _events_of(socket)
    if socket.state is State.CONNECTING:
        poll_connect(control, socket)
    with control.lock:
        events.event, events.mask = None, mask
        events.pump, events.window, events.s = pump, queue if mask else None, s
        events.message = message if isinstance(message, int) else 0
        socket.blocking = False
        if socket.state is State.CONNECTED:
            events.connected = True  # that is never posted afterwards
            events.pending &= ~FD_CONNECT
    if mask:
        _record(control, socket, events)
        _enable(control, socket, events)
    synchronise(control, socket)


def _events_of(socket: Socket) -> NetEvents:
    events = socket.events
    if events is None:
        events = socket.events = NetEvents()
        events.connected = socket.request is not None
        if socket.failed and socket.error:
            events.record_connect(socket.error)
    return events


def _pump(control: Control, window: object) -> Pump:
    """Return what posts to a window: its own pump, or where posting was replaced the provider's."""
    if control.upcalls.posts_itself:
        if not isinstance(window, MessageQueue):
            raise WSAError(WSAEINVAL, f"{window!r} is no message queue")
        return window.pump(control.dataplane, partial(notice, control))
    if window is None:
        raise WSAError(WSAEINVAL, "there is no window")
    with control.lock:
        known = control.pump
    if known is not None:
        return known
    made = Pump(control.dataplane, partial(notice, control), service=True)
    with control.lock:
        if control.pump is None:
            control.pump = made
    if control.pump is made:
        made.start()
    else:
        made.close()  # another thread was faster
    return control.pump


def change_posting(control: Control) -> None:
    """WPUPostMessage is another function now: registrations go to who calls it."""
    for socket in dict(control.sockets.items()).values():
        events = socket.events
        if events is None or events.pump is None:
            continue
        try:
            pump = _pump(control, events.window)
        except WSAError:
            continue  # a window that only the function before knew
        with control.lock:
            if events.pump is not None:
                events.pump = pump
        synchronise(control, socket)


def _enable(control: Control, socket: Socket, events: NetEvents) -> None:
    """Record what holds of a socket, for one who has registered anew."""
    holds, code = 0, 0
    if socket.state is State.CONNECTED:
        status = control.status(socket)
        ready = status.ready
        holds |= FD_READ if has_data(control, socket) else 0
        holds |= FD_OOB if ready & port.READY_OOB and not socket.options.oob_inline else 0
        holds |= FD_WRITE if ready & port.READY_WRITE else 0
        holds |= FD_CLOSE if status.closes else 0
        code = close_code(status)
    elif socket.state is State.LISTENING and not socket.deferred:
        holds |= FD_ACCEPT if control.status(socket).queued else 0
    with control.lock:
        events.enable(holds & events.mask, code)


def notice(control: Control, socket: Socket) -> None:
    """A socket that is registered for messages has changed; its pump calls this."""
    events = socket.events
    if events is None or events.pump is None:
        return
    if socket.deferred:
        _look_at_deferred(control, socket, events)
    _record(control, socket, events)
    announce(control, socket, events, pumping=True)


def post_due(control: Control, socket: Socket) -> None:
    """A registration is about to end: what has happened under it is posted, taken or not."""
    events = socket.events
    if events is not None and events.pump is not None and not events.pump.service:
        notice(control, socket)


def announce(control: Control, socket: Socket, events: NetEvents, *, pumping: bool = False) -> None:
    """Set the event object, or post messages, for what is on the record and asked for."""
    with control.lock:
        pump = events.pump
        if pump is None:
            events.signal()
            return
        if not events.due:
            return
        hand_over = pump.service and not pumping
        messages = [] if hand_over else events.take_messages()
        window, message, s = events.window, events.message, events.s
    if hand_over:
        pump.again(socket)
        pump.wake()
    for bit, code in messages:
        posted = control.upcalls.WPUPostMessage(window, message, s, MAKELONG(bit, code))  # type: ignore[arg-type] # checked when it was registered
        if not posted:
            with control.lock:
                events.put_back(bit)
            pump.again(socket)


def raise_event(control: Control, socket: Socket, bit: int, code: int = 0) -> None:
    """Record and announce an event that no counter of the dataplane tells of."""
    events = socket.events
    if events is None:
        return
    with control.lock:
        events.record(bit, code)
    announce(control, socket, events)


def forget(socket: Socket) -> None:
    """A socket is given up: its registration ends, and the dataplane's watches with its handle."""
    events, socket.events = socket.events, None
    if events is None:
        return
    events.mask = 0
    watched = events.watched
    if isinstance(watched.target, Pump):
        for handle in (watched.handle, *watched.deferred):
            watched.target.remove(handle)


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


def inherit(control: Control, listener: Socket, accepted: Socket, s: int) -> None:
    """Give an accepted socket, whose SOCKET is s, its listener's registration."""
    with control.lock:
        theirs = listener.events
        if theirs is None or not theirs.mask:
            return
        events = NetEvents()
        events.connected = True
        events.event, events.mask = theirs.event, theirs.mask
        events.pump, events.window, events.message = theirs.pump, theirs.window, theirs.message
        events.s = s
        accepted.events = events
    synchronise(control, accepted)


def synchronise(control: Control, socket: Socket) -> None:
    """Make the dataplane watch for what is registered; then signal what is on the record."""
    events = socket.events
    if events is None:
        return
    if _watch_what_is_wanted(control, socket, events):
        _record(control, socket, events)
        announce(control, socket, events)


def _watch_what_is_wanted(control: Control, socket: Socket, events: NetEvents) -> bool:
    """Make the dataplane watch for what is registered; False if another thread sees to it.

    Whoever comes while another thread is at it leaves it to that thread, which looks again.
    """
    while True:
        with control.lock:
            wanted = events.wanted(socket)
            before = events.watched
            if events.syncing:
                return False
            if wanted == before:
                return True
            events.syncing = True
            events.watched = wanted
        try:
            _watch(control, socket, before, wanted)
        finally:
            events.syncing = False


def begin_deferral(control: Control, listener: Socket, handle: int) -> None:
    """A request goes back to the head of a listener's backlog: FD_ACCEPT falls silent."""
    with control.lock:
        if handle not in listener.deferred:
            listener.deferred = (*listener.deferred, handle)
    synchronise(control, listener)


def end_deferral(control: Control, listener: Socket, handles: Collection[int]) -> None:
    """Requests were taken: with the last deferred one FD_ACCEPT is heard again.

    What waits behind them is announced by the accepting call's `after_accept`.
    """
    with control.lock:
        listener.deferred = tuple(h for h in listener.deferred if h not in handles)
    if listener.events is not None:
        _watch_what_is_wanted(control, listener, listener.events)


def _watch(control: Control, socket: Socket, before: Watched, wanted: Watched) -> None:
    """Replace what the dataplane watches for."""
    old, new = before.target, wanted.target
    try:
        if old is not None and not old.closed:
            if old is not new or before.handle != wanted.handle:
                _unwatch(control, old, before.handle)
            for handle in set(before.deferred) - set(wanted.deferred):
                _unwatch(control, old, handle)
        if new is not None:
            _watch_on(control, socket, new, wanted)
    except DataplaneError as error:
        raise translate(error) from error


def _watch_on(control: Control, socket: Socket, target: WSAEVENT | Pump, wanted: Watched) -> None:
    """Let the dataplane report from now on; what is there already `_record` looks at."""
    dataplane = control.dataplane
    signal = target.signal(dataplane)
    for handle, bits in (
        (wanted.handle, wanted.bits),
        *((deferred, port.READY_ERROR) for deferred in wanted.deferred),
    ):
        if isinstance(target, Pump):
            target.add(handle, socket)
        if bits:
            signal.watch_since(handle, bits, moves(dataplane.status(handle), bits))
        else:
            signal.watch(handle, 0)


def _unwatch(control: Control, target: WSAEVENT | Pump, handle: int) -> None:
    if isinstance(target, Pump):
        target.remove(handle)
    try:
        target.signal(control.dataplane).watch(handle, 0)
    except DataplaneError:
        return  # the handle has gone, and its watches with it


def _record(control: Control, socket: Socket, events: NetEvents) -> None:
    """Bring a socket's record up to date."""
    if socket.state is State.CONNECTING:
        poll_connect(control, socket)
    if socket.state is State.CONNECTED:
        status = control.status(socket)
        reads = status.reads
        spoken_for = socket.lanes is not None and socket.lanes.receive
        data = reads != events.reads and not spoken_for and has_data(control, socket)
        with control.lock:
            events.record_connect(0)
            events.record_reads(reads, data=data)
            events.record_connection(status, inline=socket.options.oob_inline)
    elif socket.state is State.LISTENING and not socket.deferred:
        if socket.lanes is not None and socket.lanes.accept:
            return
        status = control.status(socket)
        with control.lock:
            events.record_listener(status)


def _look_at_deferred(control: Control, listener: Socket, events: NetEvents) -> None:
    """A deferred request that has died is one to be accepted, with an error: it is announced."""
    died = [handle for handle in listener.deferred if _has_died(control, handle)]
    if not died:
        return
    status = control.status(listener)
    with control.lock:
        listener.deferred = tuple(h for h in listener.deferred if h not in died)
        if not listener.deferred:
            events.accept_again(status)
    synchronise(control, listener)


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


def after_receive(
    control: Control, socket: Socket, events: NetEvents, *, fault: bool = False
) -> None:
    """A receiving call was made, with whatever result.

    Args:
        control: the provider's state.
        socket: the socket.
        events: its registration.
        fault: the result is WSAEFAULT, after which only messages are posted anew.
    """
    if socket.state is not State.CONNECTED or (fault and events.pump is None):
        return
    status = control.status(socket)
    reads = status.reads
    data = has_data(control, socket)
    urgent = bool(status.ready & port.READY_OOB) and not socket.options.oob_inline
    with control.lock:
        events.read_again(reads, data=data, urgent=urgent)
    announce(control, socket, events)


def after_accept(control: Control, listener: Socket, events: NetEvents) -> None:
    """An accepting call was made, with any result but WSATRY_AGAIN."""
    if listener.state is not State.LISTENING:
        return
    status = control.status(listener)
    with control.lock:
        if listener.deferred:
            return
        events.accept_again(status)
    announce(control, listener, events)
