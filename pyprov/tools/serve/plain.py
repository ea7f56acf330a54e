"""Echo and discard on the calls of the SPI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyprov.winsock.constants import SD_SEND

if TYPE_CHECKING:
    from pyprov.spi import Provider
    from pyprov.winsock.address import SockAddr

_RECEIVE: Final = 1 << 18


def echo(spi: Provider, s: int, _peer: SockAddr) -> None:
    """Send back all that comes, until the peer has sent its last."""
    memory = memoryview(bytearray(_RECEIVE))
    while count := spi.WSPRecv(s, memory)[0]:
        spi.WSPSend(s, memory[:count])
    spi.WSPShutdown(s, SD_SEND)


def discard(spi: Provider, s: int, _peer: SockAddr) -> None:
    """Take all that comes and say nothing."""
    memory = bytearray(_RECEIVE)
    while spi.WSPRecv(s, memory)[0]:
        pass
    spi.WSPShutdown(s, SD_SEND)
