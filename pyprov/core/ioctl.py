"""WSPIoctl: from a control code and its input to its output.

Each code is a row of `IOCTLS` (core/ioctl_table.py): what it does, and how its input and output
look as bytes. Callers may use bytes or the objects behind them: bytes in, or a given length of the
output, mean bytes out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from pyprov.winsock.codes import WSAEFAULT, WSAEINVAL, WSAEOPNOTSUPP
from pyprov.winsock.errors import WSAError
from pyprov.winsock.macros import DWORD
from pyprov.winsock.structs import as_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyprov.core.completion import Request
    from pyprov.core.control import Control
    from pyprov.core.socket import Socket


class IoctlCall(NamedTuple):
    """One call of WSPIoctl.

    Attributes:
        control: the provider's state.
        socket: the socket.
        s: the SOCKET that it was called with.
        value: the input as an object.
        request: who is to be told of the end, if the call is overlapped. A code that pends puts it
            into a lane and raises WSA_IO_PENDING.
    """

    control: Control
    socket: Socket
    s: int
    value: object
    request: Request | None = None


Run: TypeAlias = Callable[[IoctlCall], object]


class Ioctl(NamedTuple):
    """What a control code does.

    Attributes:
        run: does it, and returns the output as an object.
        unpack: makes the input's object of bytes; None: it takes no input.
        pack: makes bytes of the output's object; None: it gives no output.
    """

    run: Run
    unpack: Callable[[bytes], object] | None = None
    pack: Callable[[object], bytes] | None = None


def dispatch(
    table: Mapping[int, Ioctl], call: IoctlCall, code: object, outlen: object = None
) -> object:
    """Run one control code.

    Args:
        table: the codes.
        call: for whom; `value` is bytes or an object, as it was given.
        code: the control code.
        outlen: how many bytes the output may take; None for an object.

    Returns:
        The output: an object, or bytes if the input was bytes or `outlen` was given.

    Raises:
        WSAError: WSAEINVAL for what is no code, WSAEOPNOTSUPP for one that is not known; WSAEFAULT
            for an input that is missing or too short, or an output that does not fit (`needed`
            says what would); what the code itself raises.
    """
    if not isinstance(code, int):
        raise WSAError(WSAEINVAL, f"{code!r} is no control code")
    entry = table.get(DWORD(code))
    if entry is None:
        raise WSAError(WSAEOPNOTSUPP, f"control code {DWORD(code):#x} is not supported")
    if outlen is not None and (not isinstance(outlen, int) or outlen < 0):
        raise WSAError(WSAEFAULT, f"{outlen!r} is no length")
    given = as_bytes(call.value)
    if entry.unpack is not None:
        if call.value is None:
            raise WSAError(WSAEFAULT, "the input is missing")
        if given is not None:
            call = call._replace(value=entry.unpack(given))
    result = entry.run(call)
    if outlen is None and (given is None or entry.unpack is None):
        return result
    return _output(entry, result, outlen)


def _output(entry: Ioctl, result: object, outlen: int | None) -> bytes:
    packed = b"" if entry.pack is None else entry.pack(result)
    if entry.pack is not None and outlen is not None and outlen < len(packed):
        detail = f"{outlen} bytes are too few for {len(packed)}"
        raise WSAError(WSAEFAULT, detail, needed=len(packed))
    return packed
