"""Connect and disconnect data: what the two ends of a connection tell each other beside its stream.

It travels where both ends and the path speak the handshake option. Everywhere else a connection is
plain TCP: what was given is not sent, what is asked for is empty, and nothing fails.
"""

from __future__ import annotations

import contextlib
import errno
from typing import TYPE_CHECKING, Final

from pyprov.core.failure import translate
from pyprov.core.offer import (
    OFFER_ANSWER,
    OFFER_DISCONNECT,
    OFFER_REQUEST,
    Offer,
)
from pyprov.core.port import READY_CONNECT, REQUEST_OFFER, DataplaneError
from pyprov.core.states import State
from pyprov.winsock.codes import WSAEFAULT, WSAEINVAL, WSAENOBUFS
from pyprov.winsock.errors import WSAError
from pyprov.winsock.structs import WSABUF

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyprov.core.control import Control
    from pyprov.core.socket import Socket
    from pyprov.winsock.structs import LINGER

DATA_MAX: Final = 1024
_PARTY: Final = "callee data"  # who watches, for the service


class ConnectData:
    """What one socket sends and has received beside its stream.

    Attributes:
        caller: goes with the connect; None: nothing, not even the option.
        parting: goes with the end of sending (SO_DISCDATA).
        callee: the caller's buffer for the answer, filled once the connect has ended.
        answer: what the peer answered.
    """

    __slots__ = ("answer", "callee", "caller", "parting")

    def __init__(self) -> None:
        self.caller: bytes | None = None
        self.parting: bytes | None = None
        self.callee: WSABUF | None = None
        self.answer: bytes = b""


def of(socket: Socket) -> ConnectData:
    """Return a socket's data, made when it has none."""
    if socket.conndata is None:
        socket.conndata = ConnectData()
    return socket.conndata


def as_bytes(data: object) -> bytes:
    """Return data to be sent.

    Raises:
        WSAError: WSAEFAULT for what is no buffer, or too long.
    """
    try:
        content = bytes(data) if isinstance(data, WSABUF) else bytes(memoryview(data))  # type: ignore[arg-type] # it says so itself
    except TypeError as error:
        raise WSAError(WSAEFAULT, str(error)) from error
    if len(content) > DATA_MAX:
        raise WSAError(WSAEFAULT, f"{len(content)} bytes are more than {DATA_MAX}")
    return content


def prepare(socket: Socket, caller: object, callee: WSABUF | None) -> None:
    """Note what WSPConnect was given; what SO_CONNDATA has set goes where it is given nothing."""
    if caller is None and callee is None and socket.conndata is None:
        return
    content = None if caller is None else as_bytes(caller)
    if callee is not None and not isinstance(callee, WSABUF):
        raise WSAError(WSAEFAULT, "callee data goes into a WSABUF")
    data = of(socket)
    if content is not None:
        data.caller = content
    data.callee = callee
    data.answer = b""
    if callee is not None and data.caller is None:
        data.caller = b""  # who wants an answer must ask


def request(socket: Socket) -> Offer | None:
    """Return what goes with a connect."""
    data = socket.conndata
    if data is None or data.caller is None:
        return None
    return Offer(kind=OFFER_REQUEST, data=data.caller)


def expect_answer(control: Control, socket: Socket, look: Callable[[], None]) -> None:
    """Let the caller's buffer be filled when its connect has ended, whoever looks at the socket."""
    data, handle = socket.conndata, socket.handle
    if data is None or data.callee is None or not handle:
        return
    with contextlib.suppress(DataplaneError):  # it has ended, which the next call finds
        control.service.watch(handle, _PARTY, lambda: READY_CONNECT, look)


def take_answer(control: Control, socket: Socket, handle: int) -> None:
    """Fetch what the peer answered to a connect that has ended."""
    data = socket.conndata
    if data is None or data.caller is None:
        return
    try:
        offer = control.dataplane.offer(handle, OFFER_ANSWER)
    except DataplaneError:
        offer = None
    data.answer = (offer.data or b"") if offer is not None else b""
    buffer, data.callee = data.callee, None
    if buffer is not None:
        buffer.write(data.answer[: buffer.capacity])


def received(control: Control, socket: Socket) -> bytes:
    """Return the connect data that came from the peer: the caller's, or its answer."""
    accepted = socket.request
    if accepted is None:
        return socket.conndata.answer if socket.conndata is not None else b""
    if not accepted.flags & REQUEST_OFFER:
        return b""
    return _fetch(control, socket, OFFER_REQUEST)


def send_parting(control: Control, socket: Socket, content: bytes | None) -> None:
    """Let data go with the FIN that is about to be sent."""
    if content is None and socket.conndata is not None:
        content = socket.conndata.parting
    if not content:
        return
    try:
        control.dataplane.send_offer(socket.handle, Offer(kind=OFFER_DISCONNECT, data=content))
    except DataplaneError as error:
        if error.error not in _PLAIN:
            raise translate(error) from error


# The peer takes none, has gone, or has its FIN already: shutting down goes on.
_PLAIN: Final = frozenset({-errno.EOPNOTSUPP, -errno.ENOTCONN, -errno.EPIPE, -errno.EALREADY})


def parting_of_peer(control: Control, socket: Socket) -> bytes:
    """Return the disconnect data that came from the peer."""
    return _fetch(control, socket, OFFER_DISCONNECT)


def _fetch(control: Control, socket: Socket, kind: int) -> bytes:
    if not socket.handle:
        return b""
    try:
        offer = control.dataplane.offer(socket.handle, kind)
    except DataplaneError:
        return b""
    return (offer.data or b"") if offer is not None else b""


# Options


def get_conndata(control: Control, socket: Socket) -> object:
    """SO_CONNDATA: what came."""
    return received(control, socket)


def set_conndata(control: Control, socket: Socket, value: int | LINGER | bytes) -> None:
    """SO_CONNDATA: what goes with the next connect."""
    del control
    if socket.state not in {State.OPEN, State.BOUND}:
        raise WSAError(WSAEINVAL, "connect data is set before the connect")
    of(socket).caller = as_bytes(value)


def get_conndata_length(control: Control, socket: Socket) -> object:
    """SO_CONNDATALEN: bytes that came."""
    return len(received(control, socket))


def get_discdata(control: Control, socket: Socket) -> object:
    """SO_DISCDATA: what came with the peer's FIN."""
    return parting_of_peer(control, socket)


def set_discdata(control: Control, socket: Socket, value: int | LINGER | bytes) -> None:
    """SO_DISCDATA: what goes with our FIN."""
    del control
    of(socket).parting = as_bytes(value)


def get_discdata_length(control: Control, socket: Socket) -> object:
    """SO_DISCDATALEN: bytes that came with the peer's FIN."""
    return len(parting_of_peer(control, socket))


def set_length(control: Control, socket: Socket, value: int | LINGER | bytes) -> None:
    """SO_CONNDATALEN and SO_DISCDATALEN: room that is wanted; there is always enough."""
    del control, socket
    if not isinstance(value, int) or value > DATA_MAX:
        raise WSAError(WSAENOBUFS, f"{value!r} bytes are more than {DATA_MAX}")
