"""The SPI's calls for many sockets at once, without a Python object for each.

They work on the dataplane's handles, as `accept_many` returns them, and not on SOCKETs: such a
connection takes no place in the descriptor table, and is to be closed by `close_many`.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

import numpy as np

from pyprov.core import accept
from pyprov.core.failure import translate
from pyprov.core.port import CLOSE_GRACEFUL, REQUEST_DTYPE, DataplaneError
from pyprov.spi.base import Calls
from pyprov.winsock.codes import WSAEFAULT, WSAENOBUFS
from pyprov.winsock.errors import WSAError, code_from_errno

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt
    from typing_extensions import Buffer

    from pyprov.core.port import Waiter


class ManyCalls(Calls):
    """Bursts."""

    def accept_many(
        self, s: int, n: int, out: npt.NDArray[np.void] | None = None
    ) -> npt.NDArray[np.void]:
        """Accept up to `n` requests; a blocking listener waits for the first.

        Args:
            s: a listener.
            n: the most to take.
            out: an array of REQUEST_DTYPE to use, with room for `n`.

        Returns:
            The rows taken: handle, peer and local address, ports, QoS index, time, listener, flags.

        Raises:
            WSAError: those of WSPAccept without a condition function, but for WSAEMFILE.
        """
        control, listener = self._find(s)
        with _answering():
            rows = np.zeros(n, REQUEST_DTYPE) if out is None else out[:n]
            return rows[: accept.take_many(control, listener, rows)]

    def send_many(
        self, handles: npt.NDArray[np.uint64], buffers: Sequence[Buffer]
    ) -> npt.NDArray[np.int64]:
        """Send buffers[i] to handles[i]; each result is a count or a negative Winsock code."""
        dataplane = self._control().dataplane
        with _answering():
            return _in_winsock_words(dataplane.send_many(handles, buffers))

    def recv_many(
        self, handles: npt.NDArray[np.uint64], out: Sequence[Buffer]
    ) -> npt.NDArray[np.int64]:
        """Receive into out[i] from handles[i]; the results are as those of `send_many`."""
        dataplane = self._control().dataplane
        with _answering():
            return _in_winsock_words(dataplane.recv_many(handles, out))

    def close_many(self, handles: npt.NDArray[np.uint64], how: int = CLOSE_GRACEFUL) -> int:
        """Close many (how 0: in good order, 1: reset) and return how many there were."""
        dataplane = self._control().dataplane
        with _answering():
            return dataplane.close_many(handles, how)

    def open_waiter(self) -> Waiter:
        """Make a waiter for `wait_many`: `watch` handles with it, `close` it in the end."""
        dataplane = self._control().dataplane
        with _answering():
            return dataplane.open_waiter()

    def wait_many(self, waiter: Waiter, out: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
        """Wait until handles that a waiter watches have changed, and return them.

        Args:
            waiter: from `open_waiter`.
            out: an array of READY_DTYPE; as many are taken as fit.

        Returns:
            The rows written: handle, cookie, readiness.
        """
        self._control()
        with _answering():
            while not (changed := waiter.take(len(out))):
                waiter.wait()
            for row, ready in zip(out, changed, strict=False):
                row["handle"], row["cookie"], row["ready"] = ready
        return out[: len(changed)]


READY_DTYPE = np.dtype([("handle", "u8"), ("cookie", "u8"), ("ready", "u4"), ("pad", "u4")])


# What numpy and cffi raise for arguments that they cannot use.
_WRONG: Final = (
    ArithmeticError,
    AttributeError,
    BufferError,
    LookupError,
    TypeError,
    ValueError,
)


@contextlib.contextmanager
def _answering() -> Iterator[None]:
    """Let what goes wrong come out in Winsock's words; WSAEFAULT for arguments of a wrong type."""
    try:
        yield
    except DataplaneError as error:
        raise translate(error) from error
    except MemoryError as error:
        raise WSAError(WSAENOBUFS, str(error)) from error
    except _WRONG as error:
        raise WSAError(WSAEFAULT, str(error)) from error


def _in_winsock_words(results: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Turn negative errnos into negative Winsock codes, in place."""
    for i in np.flatnonzero(results < 0):
        results[i] = -int(code_from_errno(int(results[i])))
    return results
