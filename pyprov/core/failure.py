"""From the dataplane's errors to Winsock's."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from pyprov.winsock.codes import WSAEINTR, WSAENETDOWN
from pyprov.winsock.errors import WSAError, code_from_errno

if TYPE_CHECKING:
    from pyprov.core.port import DataplaneError


def translate(error: DataplaneError) -> WSAError:
    """Return the Winsock error that a call answers with when the dataplane raised this."""
    match -error.error:
        case errno.ESHUTDOWN:
            # Only a call that was under way when the engine stopped gets here: it was cancelled.
            return WSAError(WSAEINTR, "the provider was cleaned up during the call")
        case errno.EOWNERDEAD:
            return WSAError(WSAENETDOWN, "the provider belongs to the process that forked this one")
    return WSAError(code_from_errno(error.error), str(error))
