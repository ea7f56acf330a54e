"""WSPIoctl."""

from __future__ import annotations

from pyprov.core.ioctl import IoctlCall, dispatch
from pyprov.core.ioctl_table import IOCTLS
from pyprov.spi.base import Calls
from pyprov.winsock.codes import WSAEOPNOTSUPP
from pyprov.winsock.errors import WSAError


class IoctlCalls(Calls):
    """Everything that has no call of its own."""

    def WSPIoctl(
        self,
        s: int,
        code: int,
        value: object = None,
        outlen: int | None = None,
        overlapped: object = None,
        routine: object = None,
    ) -> object:
        """Run a control code.

        Args:
            s: the socket.
            code: FIO*, SIO_*.
            value: the input, as an object or as bytes in Windows' layout.
            outlen: how many bytes the output may take.
            overlapped: as in Winsock.
            routine: as in Winsock.

        Returns:
            The output as an object, None where there is none; bytes if the input was bytes or
            `outlen` was given.

        Raises:
            WSAError: WSAENOTSOCK; WSAEOPNOTSUPP for a code that is not known; WSAEFAULT for input
                that is missing or too short, or output that does not fit (`needed` says what
                would); WSAEINVAL; what the code itself answers.
        """
        control, socket = self._find(s)
        if overlapped is not None:
            raise WSAError(WSAEOPNOTSUPP)
        return dispatch(
            IOCTLS, IoctlCall(control, socket, s, value, overlapped, routine), code, outlen
        )
