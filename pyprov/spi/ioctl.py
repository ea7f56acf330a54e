"""WSPIoctl."""

from __future__ import annotations

from pyprov.core.ioctl import Ioctl, IoctlCall, dispatch
from pyprov.core.ioctl_table import IOCTLS
from pyprov.core.overlapped import at_once, end_later, new_request
from pyprov.spi.extensions import ExtensionCalls, pack_pointer, unpack_guid
from pyprov.winsock.codes import WSA_IO_PENDING, WSAEOPNOTSUPP
from pyprov.winsock.errors import WSAError
from pyprov.winsock.flags import FD_ADDRESS_LIST_CHANGE, FD_ROUTING_INTERFACE_CHANGE
from pyprov.winsock.ioctls import SIO_GET_EXTENSION_FUNCTION_POINTER


class IoctlCalls(ExtensionCalls):
    """Everything that has no call of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._ioctls = {
            **IOCTLS,
            SIO_GET_EXTENSION_FUNCTION_POINTER: Ioctl(self._extension, unpack_guid, pack_pointer),
        }

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
            outlen: how many bytes the output may take; None for an object.
            overlapped: makes it a request whose end is told as core/completion.py says, also if it
                is done at once. On a socket without WSA_FLAG_OVERLAPPED it is not looked at.
            routine: the completion routine.

        Returns:
            The output as an object, None where there is none; bytes if the input was bytes or
            `outlen` was given.

        Raises:
            WSAError: WSAENOTSOCK; WSAEOPNOTSUPP for a code that is not known (an overlapped request
                pends, and ends with it); WSAEFAULT for input that is missing or too short, or
                output that does not fit (`needed` says what would); WSAEINVAL; what the code itself
                answers.
        """
        control, socket = self._follow(s)
        if overlapped is None or not socket.profile.overlapped:
            return dispatch(self._ioctls, IoctlCall(control, socket, s, value), code, outlen)
        request = new_request(control, socket, overlapped, routine)
        call = IoctlCall(control, socket, s, value, request)

        def run() -> tuple[object, int]:
            result = dispatch(self._ioctls, call, code, outlen)
            return result, self._size(code, result)

        try:
            return at_once(control, request, run)
        except WSAError as error:
            if error.code != WSAEOPNOTSUPP:
                raise
            end_later(control, request, WSAEOPNOTSUPP)
            raise WSAError(WSA_IO_PENDING) from error

    def addresses_changed(self) -> None:
        """Tell all who asked that the engine has other addresses now."""
        control = self._control()
        control.changes.happened(control, FD_ADDRESS_LIST_CHANGE)

    def routes_changed(self) -> None:
        """Tell all who asked that the engine has other routes now."""
        control = self._control()
        control.changes.happened(control, FD_ROUTING_INTERFACE_CHANGE)

    def _size(self, code: int, result: object) -> int:
        """Return how many bytes an output has."""
        if isinstance(result, bytes):
            return len(result)
        pack = self._ioctls[code & 0xFFFF_FFFF].pack
        return 0 if pack is None else len(pack(result))
