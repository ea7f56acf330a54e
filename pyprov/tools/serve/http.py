"""A small HTTP/1.1 service on the calls of the SPI.

    GET /           a greeting
    GET /N          N bytes; byte i is i % 251, so that nothing out of place goes unseen
    PUT, POST       takes the body and answers "COUNT SHA256"

HEAD as GET. Connections are kept alive unless the request says otherwise.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

from pyprov.winsock.constants import SD_SEND

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyprov.spi import Provider
    from pyprov.winsock.address import SockAddr

GREETING: Final = (
    b"Hello from a TCP outside the kernel.\n"
    b"GET /N sends N bytes; PUT and POST answer with the count and SHA-256 of what came.\n"
)

_PERIOD: Final = bytes(range(251))
_BLOCK: Final = _PERIOD * 1024
_RECEIVE: Final = 1 << 18
_HEAD_MAX: Final = 1 << 14
_LENGTH_MAX: Final = 1 << 40
_REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    411: "Length Required",
    431: "Request Header Fields Too Large",
}


class _Refused(Exception):  # noqa: N818 - never leaves this module
    """A request that gets an error and ends the connection."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class _Request(NamedTuple):
    method: str
    target: str
    fields: dict[str, str]
    version: str

    @property
    def keep_alive(self) -> bool:
        wish = self.fields.get("connection", "").lower()
        return wish != "close" and (self.version == "HTTP/1.1" or wish == "keep-alive")

    @property
    def length(self) -> int:
        """How long the body is.

        Raises:
            _Refused: it doesn't say.
        """
        text = self.fields.get("content-length", "0")
        if "transfer-encoding" in self.fields:
            raise _Refused(411)
        if not (text.isascii() and text.isdigit() and int(text) <= _LENGTH_MAX):
            raise _Refused(400)
        return int(text)


class _Stream:
    """A connection, read through a buffer."""

    def __init__(self, spi: Provider, s: int) -> None:
        self._spi = spi
        self._s = s
        self._memory = memoryview(bytearray(_RECEIVE))
        self._held = b""

    def send(self, *parts: bytes) -> None:
        """Send all of it."""
        self._spi.WSPSend(self._s, parts)

    def head(self) -> bytes:
        """Return all up to the next empty line; nothing when the peer has no more requests.

        Raises:
            _Refused: it is too long, or cut off.
        """
        while (end := self._held.find(b"\r\n\r\n")) < 0:
            if len(self._held) > _HEAD_MAX:
                raise _Refused(431)
            count, _ = self._spi.WSPRecv(self._s, self._memory)
            if count == 0:
                if self._held.strip():
                    raise _Refused(400)
                return b""
            self._held += self._memory[:count]
        head, self._held = self._held[:end], self._held[end + 4 :]
        return head

    def body(self, length: int) -> Iterator[bytes | memoryview]:
        """Yield the next bytes as they come, each piece good until the next is asked for.

        Raises:
            _Refused: the peer ends before.
        """
        piece, self._held = self._held[:length], self._held[length:]
        left = length - len(piece)
        yield piece
        while left:
            count, _ = self._spi.WSPRecv(self._s, self._memory[:left])
            if count == 0:
                raise _Refused(400)
            left -= count
            yield self._memory[:count]


def serve(spi: Provider, s: int, _peer: SockAddr) -> None:
    """Answer the requests of one connection."""
    stream = _Stream(spi, s)
    try:
        while head := stream.head():
            request = _parse(head)
            _answer(stream, request)
            if not request.keep_alive:
                break
    except _Refused as refused:
        _reply(stream, refused.status, b"", keep_alive=False)
    spi.WSPShutdown(s, SD_SEND)


def _parse(head: bytes) -> _Request:
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split()
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise _Refused(400)
    pairs = [line.partition(":") for line in lines]
    if any(not name or name != name.strip() or not colon for name, colon, _ in pairs):
        raise _Refused(400)
    fields = {name.lower(): value.strip() for name, _, value in pairs}
    return _Request(words[0], words[1], fields, words[2])


def _answer(stream: _Stream, request: _Request) -> None:
    if request.method in {"PUT", "POST"}:
        _take(stream, request)
    elif request.method in {"GET", "HEAD"}:
        for _ in stream.body(request.length):
            pass  # what nobody has asked for
        _give(stream, request)
    else:
        raise _Refused(405)


def _take(stream: _Stream, request: _Request) -> None:
    length = request.length
    if request.fields.get("expect", "").lower() == "100-continue":
        stream.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    digest = hashlib.sha256()
    for piece in stream.body(length):
        digest.update(piece)
    text = f"{length} {digest.hexdigest()}\n".encode()
    _reply(stream, 200, text, keep_alive=request.keep_alive)


def _give(stream: _Stream, request: _Request) -> None:
    with_body, name = request.method == "GET", request.target.removeprefix("/")
    if not name:
        body = GREETING if with_body else b""
        _reply(stream, 200, body, keep_alive=request.keep_alive, length=len(GREETING))
        return
    if not (name.isascii() and name.isdigit() and int(name) <= _LENGTH_MAX):
        _reply(stream, 404, b"", keep_alive=request.keep_alive)
        return
    length = int(name)
    _reply(stream, 200, b"", keep_alive=request.keep_alive, length=length)
    while with_body and length:
        block = _BLOCK[:length]
        stream.send(block)
        length -= len(block)


def _reply(
    stream: _Stream, status: int, body: bytes, *, keep_alive: bool, length: int | None = None
) -> None:
    size = len(body) if length is None else length
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\nServer: pyprov\r\nContent-Length: {size}\r\n"
        f"Connection: {'keep-alive' if keep_alive else 'close'}\r\n\r\n"
    )
    stream.send(head.encode(), body)
