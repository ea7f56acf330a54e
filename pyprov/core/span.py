"""Times that callers give."""

from __future__ import annotations

from typing import Final

from pyprov.winsock.codes import WSAEINVAL
from pyprov.winsock.errors import WSAError

_NS: Final = 1_000_000_000
_AGES: Final = 9e9  # seconds; more does not fit the engine's clock


def nanoseconds(timeout: object) -> int | None:
    """Return a number of seconds in nanoseconds; None: for ever, or longer than clocks can tell.

    Raises:
        WSAError: WSAEINVAL for what is no time.
    """
    if timeout is None:
        return None
    if not isinstance(timeout, (int, float)) or not timeout >= 0:
        raise WSAError(WSAEINVAL, f"{timeout!r} is no number of seconds")
    return round(timeout * _NS) if timeout < _AGES else None
