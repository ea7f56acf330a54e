"""Capture files, read and written frame by frame, with times in nanoseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from scapy.error import Scapy_Exception
from scapy.utils import RawPcapReader, RawPcapWriter

from pyprov.tools.errors import Unusable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ETHERNET: Final = 1
_SECOND: Final = 1_000_000_000


class Frame(NamedTuple):
    """A frame of a capture.

    Attributes:
        when: nanoseconds since 1970.
        data: what was captured of it.
        cut: whether the capture left out its end.
    """

    when: int
    data: bytes
    cut: bool


def read(path: Path) -> Iterator[Frame]:
    """Yield the frames of a pcap or pcapng file.

    Raises:
        Unusable: it is none, or not of Ethernet.
    """
    try:
        with path.open("rb") as file:
            reader = RawPcapReader(file)  # type: ignore[arg-type] # takes open files too
            for data, about in reader:
                link = getattr(about, "linktype", getattr(reader, "linktype", _ETHERNET))
                if link != _ETHERNET:
                    raise Unusable(f"{path}: link type {link}: frames of Ethernet are needed")
                yield Frame(
                    _when(about, nano=getattr(reader, "nano", False)),
                    data,
                    about.wirelen > len(data),
                )
    except OSError as error:
        raise Unusable(f"{path}: {error.strerror or error}") from None
    except (Scapy_Exception, EOFError) as error:
        raise Unusable(f"{path}: no capture file: {error}") from None


def _when(about: object, *, nano: bool) -> int:
    seconds = getattr(about, "sec", None)
    if seconds is not None:
        return int(seconds) * _SECOND + int(getattr(about, "usec", 0)) * (1 if nano else 1000)
    ticks = (getattr(about, "tshigh", 0) << 32) | getattr(about, "tslow", 0)
    return int(ticks) * _SECOND // int(getattr(about, "tsresol", 1_000_000))


class Writer:
    """Writes a pcap file of Ethernet frames with times in nanoseconds."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = RawPcapWriter(str(path), linktype=_ETHERNET, nano=True)
            self._file.write_header(None)
        except OSError as error:
            raise Unusable(f"{path}: {error.strerror or error}") from None

    def write(self, when: int, data: bytes) -> None:
        """Append a frame; `when` is nanoseconds since 1970."""
        self._file.write_packet(data, sec=when // _SECOND, usec=when % _SECOND)

    def close(self) -> None:
        """Finish the file."""
        self._file.close()
