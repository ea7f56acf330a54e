"""The statistics of one connection, SIO_TCP_INFO, as in mstcpip.h."""

import struct
from dataclasses import astuple, dataclass
from enum import IntEnum
from typing import ClassVar, Self

from pyprov.winsock.structs import read, write

# ruff: noqa: N801 - the names are mstcpip.h's


class TCPSTATE(IntEnum):
    """The states of RFC 9293 by Windows' numbers."""

    TCPSTATE_CLOSED = 0
    TCPSTATE_LISTEN = 1
    TCPSTATE_SYN_SENT = 2
    TCPSTATE_SYN_RCVD = 3
    TCPSTATE_ESTABLISHED = 4
    TCPSTATE_FIN_WAIT_1 = 5
    TCPSTATE_FIN_WAIT_2 = 6
    TCPSTATE_CLOSE_WAIT = 7
    TCPSTATE_CLOSING = 8
    TCPSTATE_LAST_ACK = 9
    TCPSTATE_TIME_WAIT = 10


@dataclass(slots=True)
class TCP_INFO_v0:
    """Version 0. Names say the units; windows, buffers and counts are in bytes."""

    State: int = TCPSTATE.TCPSTATE_CLOSED
    Mss: int = 0
    ConnectionTimeMs: int = 0
    TimestampsEnabled: int = 0
    RttUs: int = 0
    MinRttUs: int = 0
    BytesInFlight: int = 0
    Cwnd: int = 0
    SndWnd: int = 0
    RcvWnd: int = 0
    RcvBuf: int = 0
    BytesOut: int = 0
    BytesIn: int = 0
    BytesReordered: int = 0
    BytesRetrans: int = 0
    FastRetrans: int = 0
    DupAcksIn: int = 0
    TimeoutEpisodes: int = 0
    SynRetrans: int = 0

    layout: ClassVar = struct.Struct("<LLQB3x7L2Q5LB3x")

    def pack(self) -> bytes:
        """Return Windows' layout: 88 bytes, 136 for version 1."""
        return write(self.layout, *astuple(self))

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Read Windows' layout; WSAEFAULT if too short."""
        return cls(*read(cls.layout, data))


@dataclass(slots=True)
class TCP_INFO_v1(TCP_INFO_v0):
    """Version 1: also how often, how long (ms) and for how many bytes sending was held back.

    Rwin is the peer's window, Cwnd congestion control, Snd the sender itself.
    """

    SndLimTransRwin: int = 0
    SndLimTimeRwin: int = 0
    SndLimBytesRwin: int = 0
    SndLimTransCwnd: int = 0
    SndLimTimeCwnd: int = 0
    SndLimBytesCwnd: int = 0
    SndLimTransSnd: int = 0
    SndLimTimeSnd: int = 0
    SndLimBytesSnd: int = 0

    layout: ClassVar = struct.Struct("<LLQB3x7L2Q5LB3xLLQLLQLLQ")
