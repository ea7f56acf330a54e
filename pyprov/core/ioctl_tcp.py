"""Control codes about a connection's TCP: keep-alive, time-outs, statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyprov.core.failure import translate
from pyprov.core.port import DataplaneError
from pyprov.core.sockopt import change
from pyprov.core.states import State
from pyprov.winsock.codes import WSAEFAULT, WSAEINVAL, WSAENOTCONN
from pyprov.winsock.constants import (
    TCP_INITIAL_RTO_DEFAULT_MAX_SYN_RETRANSMISSIONS,
    TCP_INITIAL_RTO_DEFAULT_RTT,
    TCP_INITIAL_RTO_NO_SYN_RETRANSMISSIONS,
    TCP_INITIAL_RTO_UNSPECIFIED_MAX_SYN_RETRANSMISSIONS,
    TCP_INITIAL_RTO_UNSPECIFIED_RTT,
)
from pyprov.winsock.errors import WSAError
from pyprov.winsock.structs import TCP_INITIAL_RTO_PARAMETERS, tcp_keepalive
from pyprov.winsock.tcp_info import TCPSTATE, TCP_INFO_v0, TCP_INFO_v1

if TYPE_CHECKING:
    from pyprov.core.ioctl import IoctlCall
    from pyprov.core.port import Info
    from pyprov.core.socket import Socket

BACKLOG: Final = 0x10000  # what Windows answers for any connection
_NO_EVENT: Final = 0  # the change is told by no FD_* bit
_BEFORE: Final = frozenset({State.OPEN, State.BOUND})
_TIMESTAMPS: Final = 1  # of Info.options
_MS: Final = 1_000_000
_US_PER_MS: Final = 1000

# By the dataplane's number.
_STATES: Final = (
    TCPSTATE.TCPSTATE_CLOSED,
    TCPSTATE.TCPSTATE_LISTEN,
    TCPSTATE.TCPSTATE_SYN_SENT,
    TCPSTATE.TCPSTATE_SYN_RCVD,
    TCPSTATE.TCPSTATE_ESTABLISHED,
    TCPSTATE.TCPSTATE_CLOSE_WAIT,
    TCPSTATE.TCPSTATE_FIN_WAIT_1,
    TCPSTATE.TCPSTATE_CLOSING,
    TCPSTATE.TCPSTATE_LAST_ACK,
    TCPSTATE.TCPSTATE_FIN_WAIT_2,
    TCPSTATE.TCPSTATE_TIME_WAIT,
)


def set_keep_alive(call: IoctlCall) -> None:
    """SIO_KEEPALIVE_VALS: switch keep-alive, and with it its two times.

    Raises:
        WSAError: WSAEFAULT for what is no tcp_keepalive, WSAEINVAL for a time of 0.
    """
    match call.value:
        case (int(onoff), int(idle), int(interval)):
            times = tcp_keepalive(onoff, idle, interval)
            times.pack()
        case _:
            raise WSAError(WSAEFAULT, f"{call.value!r} is no tcp_keepalive")
    control, socket = call.control, call.socket
    if onoff:
        if not (idle and interval):
            raise WSAError(WSAEINVAL, "a time of 0")
        change(control, socket, "keep_idle", idle)
        change(control, socket, "keep_interval", interval)
    change(control, socket, "keep_alive", bool(onoff))


def set_initial_rto(call: IoctlCall) -> None:
    """SIO_TCP_INITIAL_RTO: of the SYN; only before the socket is connected.

    Raises:
        WSAError: WSAEFAULT for what are no TCP_INITIAL_RTO_PARAMETERS, WSAEINVAL afterwards.
    """
    match call.value:
        case (int(rtt), int(retries)):
            TCP_INITIAL_RTO_PARAMETERS(rtt, retries).pack()
        case _:
            raise WSAError(WSAEFAULT, f"{call.value!r} are no TCP_INITIAL_RTO_PARAMETERS")
    _only_before(call.socket)
    if rtt != TCP_INITIAL_RTO_UNSPECIFIED_RTT:
        value = None if rtt == TCP_INITIAL_RTO_DEFAULT_RTT else rtt
        change(call.control, call.socket, "first_rto", value)
    if retries == TCP_INITIAL_RTO_UNSPECIFIED_MAX_SYN_RETRANSMISSIONS:
        return
    count: int | None = retries
    if retries == TCP_INITIAL_RTO_DEFAULT_MAX_SYN_RETRANSMISSIONS:
        count = None
    elif retries == TCP_INITIAL_RTO_NO_SYN_RETRANSMISSIONS:
        count = 0
    change(call.control, call.socket, "syn_retries", count)


def take_fast_path(call: IoctlCall) -> None:
    """SIO_LOOPBACK_FAST_PATH: loopback is inside the engine anyway.

    Raises:
        WSAError: WSAEFAULT for what is no number, WSAEINVAL once the socket is connected.
    """
    if not isinstance(call.value, int):
        raise WSAError(WSAEFAULT, f"{call.value!r} is no number")
    _only_before(call.socket)


def _only_before(socket: Socket) -> None:
    if socket.state not in _BEFORE:
        raise WSAError(WSAEINVAL, "this is to be set before the socket is connected")


def send_backlog(call: IoctlCall) -> int:
    """SIO_IDEAL_SEND_BACKLOG_QUERY: how many bytes to keep in flight.

    Raises:
        WSAError: WSAENOTCONN.
    """
    _check_connected(call.socket)
    return BACKLOG


def send_backlog_change(call: IoctlCall) -> None:
    """SIO_IDEAL_SEND_BACKLOG_CHANGE: waits for another answer of the query, which never comes.

    Raises:
        WSAError: WSAENOTCONN, and what `Changes.ask` does.
    """
    _check_connected(call.socket)
    call.control.changes.ask(call, _NO_EVENT)


def do_nothing(call: IoctlCall) -> None:
    """SIO_ENABLE_CIRCULAR_QUEUEING: a stream loses nothing."""
    del call


def statistics(call: IoctlCall) -> TCP_INFO_v0:
    """SIO_TCP_INFO.

    Raises:
        WSAError: WSAEFAULT for what is no number, WSAEINVAL for a version but 0 and 1, WSAENOTCONN.
    """
    if not isinstance(call.value, int):
        raise WSAError(WSAEFAULT, f"{call.value!r} is no version")
    if call.value not in {0, 1}:
        raise WSAError(WSAEINVAL, f"there is no version {call.value}")
    control, socket = call.control, call.socket
    _check_connected(socket)
    try:
        info = control.dataplane.info(socket.handle)
    except DataplaneError as error:
        raise WSAError(WSAENOTCONN, str(translate(error))) from error
    found = TCP_INFO_v1() if call.value else TCP_INFO_v0()
    _fill(found, info, control.dataplane.now())
    if isinstance(found, TCP_INFO_v1):
        found.SndLimTimeRwin = info.rwnd_limited // _US_PER_MS
        found.SndLimTimeSnd = info.sndbuf_limited // _US_PER_MS
    return found


def _check_connected(socket: Socket) -> None:
    if socket.state is not State.CONNECTED:
        raise WSAError(WSAENOTCONN)


def _fill(found: TCP_INFO_v0, info: Info, now: int) -> None:
    found.State = _STATES[info.state]
    found.Mss = info.snd_mss
    found.ConnectionTimeMs = (now - info.established_ns) // _MS if info.established_ns else 0
    found.TimestampsEnabled = info.options & _TIMESTAMPS
    found.RttUs = info.srtt
    found.MinRttUs = info.min_rtt
    found.BytesInFlight = info.bytes_sent - info.bytes_acked
    found.Cwnd = info.snd_cwnd
    found.SndWnd = info.snd_wnd
    found.RcvWnd = info.rcv_wnd
    found.RcvBuf = info.rcv_buffer
    found.BytesOut = info.bytes_sent + info.bytes_retrans
    found.BytesIn = info.bytes_received
    found.BytesReordered = info.bytes_reordered & 0xFFFF_FFFF
    found.BytesRetrans = info.bytes_retrans & 0xFFFF_FFFF
    found.FastRetrans = info.fast_retrans
    found.DupAcksIn = info.dup_acks
    found.TimeoutEpisodes = info.timeouts
    found.SynRetrans = min(info.syn_retrans, 255)
