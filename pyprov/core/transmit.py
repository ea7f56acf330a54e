"""TransmitFile and WSARecvMsg: sending from a file, receiving into a message."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, Final

from pyprov.core.completion import Request, check_request
from pyprov.core.connectex import DisconnectEx, disconnect_ex
from pyprov.core.lanes import MOVED, SENDABLE, Operation, Result, drive, enter, lanes_of, post
from pyprov.core.overlapped import push, receive
from pyprov.core.transfer import check_receive, check_send, skip, views
from pyprov.core.transfer import receive as receive_now
from pyprov.core.transfer import send as send_now
from pyprov.winsock.codes import (
    WSA_INVALID_HANDLE,
    WSA_INVALID_PARAMETER,
    WSAEFAULT,
    WSAEINVAL,
    WSASYSCALLFAILURE,
)
from pyprov.winsock.errors import WSAError
from pyprov.winsock.flags import (
    TF_DISCONNECT,
    TF_REUSE_SOCKET,
    TF_USE_KERNEL_APC,
    TF_USE_SYSTEM_THREAD,
    TF_WRITE_BEHIND,
)
from pyprov.winsock.structs import WSABUF, WSAMSG, WSAOVERLAPPED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyprov.core.control import Control
    from pyprov.core.port import Buffers
    from pyprov.core.socket import Socket

_FLAGS: Final = (
    TF_DISCONNECT | TF_REUSE_SOCKET | TF_WRITE_BEHIND | TF_USE_SYSTEM_THREAD | TF_USE_KERNEL_APC
)
PIECE: Final = 65536  # bytes read at a time unless the caller says how many
_DWORD: Final = 0xFFFF_FFFF


class File:
    """A part of a file that is to be sent, between a head and a tail.

    Attributes:
        position: where the next piece begins; None: where the file stands.
        left: bytes still to be read; None: all there are.
    """

    __slots__ = ("_fd", "_piece", "left", "position")

    def __init__(self, file: object, position: int | None, count: object, piece: object) -> None:
        """Look at what was given.

        Raises:
            WSAError: WSA_INVALID_HANDLE for what is no file, WSA_INVALID_PARAMETER for numbers that
                are none.
        """
        for number in (count, piece):
            if not isinstance(number, int) or not 0 <= number <= _DWORD:
                raise WSAError(WSA_INVALID_PARAMETER, f"{number!r} is no count of bytes")
        self._fd = _descriptor(file)
        self._piece = (piece if isinstance(piece, int) else 0) or PIECE
        self.position = position
        self.left = (count if isinstance(count, int) else 0) or None

    def pieces(self) -> Iterator[bytes]:
        """Read on, piece by piece.

        Raises:
            WSAError: WSASYSCALLFAILURE if the file cannot be read.
        """
        while self._fd is not None and self.left != 0:
            size = self._piece if self.left is None else min(self._piece, self.left)
            data = self._read(self._fd, size)
            if not data:
                return
            if self.left is not None:
                self.left -= len(data)
            yield data

    def _read(self, fd: int, size: int) -> bytes:
        try:
            if self.position is None:
                return os.read(fd, size)
            data = os.pread(fd, size, self.position)
        except OSError as error:
            raise WSAError(WSASYSCALLFAILURE, f"the file cannot be read: {error}") from error
        self.position += len(data)
        return data


def _descriptor(file: object) -> int | None:
    """Return the descriptor of a file, None without one."""
    if file is None:
        return None
    try:
        fd = file if isinstance(file, int) else file.fileno()  # type: ignore[attr-defined] # tried
        if isinstance(fd, int):
            os.fstat(fd)
            return fd
    except (AttributeError, TypeError, ValueError, OverflowError, OSError) as error:
        raise WSAError(WSA_INVALID_HANDLE, f"{file!r} is no open file") from error
    raise WSAError(WSA_INVALID_HANDLE, f"{file!r} is no open file")


class Transmit(Operation):
    """A request to send what an iterator yields, and perhaps to disconnect then."""

    __slots__ = ("_flags", "_pieces", "_rest", "_sent")

    def __init__(
        self, socket: Socket, request: Request, pieces: Iterator[Buffers], flags: int
    ) -> None:
        super().__init__(socket, request, SENDABLE)
        self._pieces = pieces
        self._rest: list[memoryview] = []
        self._sent = 0
        self._flags = flags

    def attempt(self, control: Control) -> Result | None:
        """See Operation."""
        while True:
            sent = push(control, self.socket, self._rest)
            self._sent += sent
            self._rest = skip(self._rest, sent)
            if self._rest:
                return None
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._rest = views(piece)
        return self._disconnect(control) if self._flags & TF_DISCONNECT else Result(0, self._sent)

    def _disconnect(self, control: Control) -> Result:
        """Go on as a request to disconnect, which begins when this one has left its lane."""
        lane = lanes_of(control, self.socket).change
        reuse = bool(self._flags & TF_REUSE_SOCKET)
        then = DisconnectEx(self.socket, self.request, reuse=reuse, transferred=self._sent)
        with control.lock:
            then.cancelled, then.silent = self.cancelled, self.silent
        enter(control, lane, then)
        return MOVED

    def moved(self, control: Control) -> None:
        """See Operation."""
        drive(control, self.socket, lanes_of(control, self.socket).change)

    def done(self, control: Control) -> None:
        """See Operation."""
        self._rest = []
        lanes = self.socket.lanes
        if lanes is not None and lanes.change:
            drive(control, self.socket, lanes.change)


def transmit_file(
    control: Control,
    socket: Socket,
    source: tuple[object, object, object],
    around: tuple[Buffers | None, Buffers | None],
    overlapped: object,
    flags: object,
) -> int:
    """Send a head, a part of a file and a tail.

    Args:
        control: the provider's state.
        socket: a connected socket.
        source: file, count of bytes, bytes at a time.
        around: head and tail.
        overlapped: its Offset and OffsetHigh say where in the file to begin; None: a call that
            blocks, from where the file stands.
        flags: TF_*.

    Returns:
        Bytes taken over, if that was at once.

    Raises:
        WSAError: WSA_IO_PENDING; see spi/extensions.py.
    """
    check_send(control, socket, 0)
    if not isinstance(flags, int) or flags & ~_FLAGS or flags & 3 == TF_REUSE_SOCKET:
        raise WSAError(WSAEINVAL, f"flags {flags!r} are not supported")
    position = None
    if isinstance(overlapped, WSAOVERLAPPED):
        position = overlapped.Offset | overlapped.OffsetHigh << 32
    file = File(source[0], position, source[1], source[2])
    head, tail = ([] if part is None else views(part) for part in around)
    pieces: Iterator[Buffers] = itertools.chain(head, file.pieces(), tail)
    if overlapped is None:
        sent = sum(send_now(control, socket, piece, 0) for piece in pieces)
        if flags & TF_DISCONNECT:
            disconnect_ex(control, socket, None, flags & TF_REUSE_SOCKET)
        return sent
    lanes = lanes_of(control, socket)
    request = Request(check_request(socket, overlapped, None), None, lanes)
    return post(control, lanes.send, Transmit(socket, request, pieces, flags)).transferred


def receive_message(control: Control, socket: Socket, message: object, overlapped: object) -> int:
    """Receive into the buffers of a WSAMSG; a connection says neither where from nor more.

    Returns:
        Bytes received, if that was at once; `dwFlags` then has the flags.

    Raises:
        WSAError: WSA_IO_PENDING; see spi/extensions.py.
    """
    check_receive(control, socket, 0)
    if not isinstance(message, WSAMSG):
        raise WSAError(WSAEFAULT, f"{message!r} is no WSAMSG")
    try:
        buffers = [part.buf for part in message.lpBuffers]
    except (TypeError, AttributeError) as error:
        raise WSAError(WSAEFAULT, f"lpBuffers are no WSABUFs: {error}") from error
    if isinstance(message.Control, WSABUF):
        message.Control.len = 0
    if overlapped is None:
        count = receive_now(control, socket, buffers, message.dwFlags)
        message.dwFlags = 0
        return count
    count, message.dwFlags = receive(control, socket, buffers, message.dwFlags, overlapped, None)
    return count
