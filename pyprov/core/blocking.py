"""Calls that wait.

A call tries, and if nothing is there yet it waits for the handle's readiness and tries again:

    while (result := try_it()) is None:
        if not wait(control, socket, READY_READ, deadline):
            raise WSAError(WSAETIMEDOUT)

It waits on its thread's own waiter. Who wants to end the wait (closing the socket, cancelling the
call, the last WSPCleanup) changes what the wait looks at and then rings that waiter; a ring that
comes too early or too late only makes somebody try once more.

The blocking hook of the upcall table runs instead of a native wait where there is one: again and
again, until the call can finish or WSPCancelBlockingCall was called in it.

Completion routines that are due in the thread run before `wait` returns, and make it return.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from pyprov.core.apc import own
from pyprov.core.failure import translate
from pyprov.core.port import DataplaneError
from pyprov.core.states import State
from pyprov.winsock.codes import WSAEINPROGRESS, WSAEINTR, WSAEINVAL
from pyprov.winsock.errors import WSAError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyprov.core.control import Control
    from pyprov.core.port import Waiter
    from pyprov.core.socket import Socket
    from pyprov.core.upcalls import BlockingHook

# With a blocking hook: how long one native wait between two calls of it lasts.
HOOK_INTERVAL_NS: Final = 10_000_000
_MILLISECOND: Final = 1_000_000


class BlockedCall:
    """A call that waits.

    Attributes:
        waiter: its thread's; ring it to make the call look around.
        mask: READY_* bits that it waits for, 0 if it watches by itself.
        cancelled: WSPCancelBlockingCall was called.
    """

    __slots__ = ("cancelled", "mask", "waiter")

    def __init__(self, waiter: Waiter, mask: int) -> None:
        self.waiter = waiter
        self.mask = mask
        self.cancelled = False


def deadline_after(control: Control, milliseconds: int) -> int | None:
    """Return the engine time at which a time limit ends; 0 is none."""
    return control.dataplane.now() + milliseconds * _MILLISECOND if milliseconds else None


def wait(control: Control, socket: Socket, mask: int, deadline: int | None = None) -> bool:
    """Block until READY_* bits in `mask` may be true of the socket's handle.

    What the thread's completion routines raise comes out.

    Returns:
        False when it is `deadline`, else True: try again.

    Raises:
        WSAError: WSAEINTR when the socket was closed or the call cancelled, WSAEINPROGRESS when
            this thread waits already (in a blocking hook).
    """
    call = enter(control, (socket,), mask)
    apcs = own()
    apcs.waiter = call.waiter  # before the look whether something is queued
    try:
        hook = control.upcalls.blocking_hook(socket.profile.catalog_id)
        if apcs:
            ready = 0
        elif hook is None:
            ready = _wait_natively(control, socket, call, mask, deadline)
        else:
            ready = _wait_with_hook(socket, call, mask, hook)
    except DataplaneError as error:
        if socket.state is not State.CLOSED:
            raise translate(error) from error
        ready = 0
    finally:
        apcs.waiter = None
        leave(control, (socket,), call)
    if call.cancelled:
        raise WSAError(WSAEINTR)
    if socket.state is State.CLOSED:
        raise WSAError(WSAEINTR, "the socket was closed during the call")
    if apcs.run():
        return True
    return bool(ready) or deadline is None or control.dataplane.now() < deadline


def _wait_natively(
    control: Control, socket: Socket, call: BlockedCall, mask: int, deadline: int | None
) -> int:
    left = None if deadline is None else max(deadline - control.dataplane.now(), 0)
    return call.waiter.wait_for(socket.handle, mask, left)


def _wait_with_hook(socket: Socket, call: BlockedCall, mask: int, hook: BlockingHook) -> int:
    function, context = hook
    if not function(context):
        call.cancelled = True
    if call.cancelled:
        return 0
    return call.waiter.wait_for(socket.handle, mask, HOOK_INTERVAL_NS)


def cancel(control: Control, thread_id: object = None) -> None:
    """End the call that a thread waits in, this one by default.

    Raises:
        WSAError: WSAEINVAL if it waits in none.
    """
    who = threading.get_ident() if thread_id is None else thread_id
    call = control.calls.get(who) if isinstance(who, int) else None
    if call is None:
        raise WSAError(WSAEINVAL, "no blocking call is outstanding in this thread")
    call.cancelled = True
    ring(call)


def interrupt(control: Control, socket: Socket) -> None:
    """Make all calls that wait on a socket look around."""
    with control.lock:
        calls = list(socket.blocked or ())
    for call in calls:
        ring(call)


def ring(call: BlockedCall) -> None:
    """Make one call look around."""
    try:
        call.waiter.ring()
    except DataplaneError as error:
        raise translate(error) from error


def pause(control: Control, catalog_id: int, call: BlockedCall, left: int | None) -> None:
    """Let a call that has watches of its own sleep until one reports, or so many ns have passed."""
    hook = control.upcalls.blocking_hook(catalog_id)
    if hook is None:
        call.waiter.wait(left)
        return
    function, context = hook
    if not function(context):
        call.cancelled = True
    if not call.cancelled:
        call.waiter.wait(HOOK_INTERVAL_NS if left is None else min(left, HOOK_INTERVAL_NS))


def enter(control: Control, sockets: Sequence[Socket], mask: int = 0) -> BlockedCall:
    """Note that this thread waits on sockets: who closes one of them rings.

    Raises:
        WSAError: WSAEINPROGRESS if it waits already, WSAEINTR if one was closed.
    """
    thread = threading.get_ident()
    if thread in control.calls:
        raise WSAError(WSAEINPROGRESS, "a blocking call is outstanding in this thread")
    call = BlockedCall(control.thread_waiter(), mask)
    with control.lock:
        if any(socket.state is State.CLOSED for socket in sockets):
            raise WSAError(WSAEINTR, "the socket was closed during the call")
        for socket in sockets:
            if socket.blocked is None:
                socket.blocked = []
            socket.blocked.append(call)
        control.calls[thread] = call
    return call


def leave(control: Control, sockets: Sequence[Socket], call: BlockedCall) -> None:
    """The wait is over."""
    with control.lock:
        del control.calls[threading.get_ident()]
        for socket in sockets:
            if socket.blocked is not None:
                socket.blocked.remove(call)
