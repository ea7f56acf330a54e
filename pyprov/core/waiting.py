"""Waiting for event objects, and for nothing but completion routines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyprov.core.apc import own
from pyprov.core.events import WSAEVENT
from pyprov.core.failure import translate
from pyprov.core.port import DataplaneError
from pyprov.core.span import nanoseconds
from pyprov.winsock.codes import WSA_INVALID_HANDLE, WSA_INVALID_PARAMETER
from pyprov.winsock.constants import (
    WSA_MAXIMUM_WAIT_EVENTS,
    WSA_WAIT_EVENT_0,
    WSA_WAIT_IO_COMPLETION,
    WSA_WAIT_TIMEOUT,
)
from pyprov.winsock.errors import WSAError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyprov.core.control import Control


def wait_for_events(
    control: Control,
    events: Sequence[WSAEVENT],
    timeout: float | None,
    *,
    wait_all: bool,
    alertable: bool = False,
) -> int:
    """Wait until one event, or each of them, is set.

    Returns:
        WSA_WAIT_EVENT_0 plus the index of the first that is set, WSA_WAIT_TIMEOUT, or
        WSA_WAIT_IO_COMPLETION after completion routines ran in an alertable wait.

    Raises:
        WSAError: WSA_INVALID_HANDLE for what is no event, WSA_INVALID_PARAMETER for too few or too
            many.
    """
    fds = [_descriptor(event) for event in _sequence(events)]
    if not 1 <= len(fds) <= WSA_MAXIMUM_WAIT_EVENTS:
        raise WSAError(WSA_INVALID_PARAMETER, f"{len(fds)} events")
    deadline = deadline_in(control, timeout)
    alerts = [own().fileno()] if alertable else []
    waited_for = list(fds)
    while True:
        ready = wait_until(control, waited_for + alerts, deadline)
        if not ready:
            return WSA_WAIT_TIMEOUT
        if wait_all:
            # Only what is not set yet is worth waiting for; in the end all are set at one moment.
            waited_for = [event.fileno() for event in events if not event.is_set()]
            if not waited_for:
                return WSA_WAIT_EVENT_0
        elif ready[0] in fds:
            return WSA_WAIT_EVENT_0 + fds.index(ready[0])
        if alertable and own().run():
            return WSA_WAIT_IO_COMPLETION


def sleep(control: Control, timeout: float | None, *, alertable: bool) -> int:
    """Wait until time is up, or, if alertable, completion routines of this thread have run.

    Returns:
        0 when time is up, WSA_WAIT_IO_COMPLETION otherwise.
    """
    apcs = own()
    alerts = [apcs.fileno()] if alertable else []
    deadline = deadline_in(control, timeout)
    while wait_until(control, alerts, deadline):
        if apcs.run():
            return WSA_WAIT_IO_COMPLETION
    return 0


def wait_until(control: Control, fds: Sequence[int], deadline: int | None) -> list[int]:
    """Block until descriptors are readable, and return those; none at the deadline."""
    dataplane = control.dataplane
    left = None if deadline is None else max(deadline - dataplane.now(), 0)
    try:
        return dataplane.wait_fds(fds, left)
    except DataplaneError as error:
        raise translate(error) from error


def deadline_in(control: Control, timeout: object) -> int | None:
    """Return the engine time in so many seconds; None: never.

    Raises:
        WSAError: WSAEINVAL for what is no time.
    """
    span = nanoseconds(timeout)
    return None if span is None else control.dataplane.now() + span


def _sequence(events: object) -> Sequence[object]:
    try:
        return list(events)  # type: ignore[call-overload,no-any-return] # tried, not known
    except TypeError as error:
        raise WSAError(WSA_INVALID_PARAMETER, f"{events!r} are no events") from error


def _descriptor(event: object) -> int:
    if not isinstance(event, WSAEVENT):
        raise WSAError(WSA_INVALID_HANDLE, f"{event!r} is no event object")
    return event.fileno()
