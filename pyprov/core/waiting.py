"""Waiting for event objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyprov.core.events import WSAEVENT
from pyprov.core.failure import translate
from pyprov.core.port import DataplaneError
from pyprov.winsock.codes import WSA_INVALID_HANDLE, WSA_INVALID_PARAMETER
from pyprov.winsock.constants import WSA_MAXIMUM_WAIT_EVENTS, WSA_WAIT_EVENT_0, WSA_WAIT_TIMEOUT
from pyprov.winsock.errors import WSAError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyprov.core.control import Control

_NS = 1_000_000_000


def wait_for_events(
    control: Control, events: Sequence[WSAEVENT], timeout: float | None, *, wait_all: bool
) -> int:
    """Wait until one event, or each of them, is set.

    Returns:
        WSA_WAIT_EVENT_0 plus the index of the first that is set, or WSA_WAIT_TIMEOUT.

    Raises:
        WSAError: WSA_INVALID_HANDLE for what is no event, WSA_INVALID_PARAMETER for too few or too
            many.
    """
    fds = [_descriptor(event) for event in events]
    if not 1 <= len(fds) <= WSA_MAXIMUM_WAIT_EVENTS:
        raise WSAError(WSA_INVALID_PARAMETER, f"{len(fds)} events")
    dataplane = control.dataplane
    deadline = None if timeout is None else dataplane.now() + round(timeout * _NS)
    waited_for = list(fds)
    while True:
        left = None if deadline is None else max(deadline - dataplane.now(), 0)
        try:
            ready = dataplane.wait_fds(waited_for, left)
        except DataplaneError as error:
            raise translate(error) from error
        if not ready:
            return WSA_WAIT_TIMEOUT
        if not wait_all:
            return WSA_WAIT_EVENT_0 + fds.index(ready[0])
        # Only what is not set yet is worth waiting for; then all have to be set at one moment.
        waited_for = [event.fileno() for event in events if not event.is_set()]
        if not waited_for:
            return WSA_WAIT_EVENT_0


def _descriptor(event: object) -> int:
    if not isinstance(event, WSAEVENT):
        raise WSAError(WSA_INVALID_HANDLE, f"{event!r} is no event object")
    return event.fileno()
