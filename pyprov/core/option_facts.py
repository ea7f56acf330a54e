"""What WSPGetSockOpt reads that is no field of Options."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from pyprov.core import naming
from pyprov.core.failure import translate
from pyprov.core.port import URGENT_AHEAD, URGENT_WAITS, DataplaneError
from pyprov.core.states import State
from pyprov.winsock.codes import WSAENOPROTOOPT, WSAENOTCONN
from pyprov.winsock.constants import AF_INET, IPPROTO_TCP
from pyprov.winsock.errors import WSAError
from pyprov.winsock.options import SO_GROUP_PRIORITY, SOL_SOCKET, TCP_EXPEDITED_1122
from pyprov.winsock.structs import CSADDR_INFO

if TYPE_CHECKING:
    from pyprov.core.control import Control
    from pyprov.core.port import Info
    from pyprov.core.socket import Socket
    from pyprov.winsock.address import SockAddr
    from pyprov.winsock.protocol_info import WSAPROTOCOL_INFOW

NOT_CONNECTED: Final = 0xFFFF_FFFF
FOR_EVER: Final = 0xFFFF_FFFF
# RFC 9293 3.7.1: what may be sent to one who has said nothing.
SEGMENT_IPV4: Final = 536
SEGMENT_IPV6: Final = 1220
_TIMESTAMPS: Final = 1  # of Info.options
_SECOND_NS: Final = 1_000_000_000
_SECOND_MS: Final = 1000


def is_listening(control: Control, socket: Socket) -> int:
    """SO_ACCEPTCONN."""
    del control
    return int(socket.state is State.LISTENING)


def dont_linger(control: Control, socket: Socket) -> int:
    """SO_DONTLINGER."""
    del control
    return int(not socket.options.linger.l_onoff)


def error(control: Control, socket: Socket) -> int:
    """SO_ERROR: how an asynchronous connect failed; reading it changes nothing."""
    del control
    return int(socket.error)


def socket_type(control: Control, socket: Socket) -> int:
    """SO_TYPE."""
    del control
    return socket.profile.type


def addresses(control: Control, socket: Socket) -> CSADDR_INFO:
    """SO_BSP_STATE."""
    local: SockAddr | None
    try:
        local = naming.sock_name(control, socket)
    except WSAError:
        local = None
    peer = socket.peer if socket.state is not State.CLOSED else None
    return CSADDR_INFO(local, peer, socket.profile.type, socket.profile.protocol)


def group_id(control: Control, socket: Socket) -> int:
    """SO_GROUP_ID; 0 is none."""
    del control
    return 0 if socket.group is None else socket.group.id


def group_priority(control: Control, socket: Socket) -> int:
    """SO_GROUP_PRIORITY.

    Raises:
        WSAError: WSAENOPROTOOPT outside a group.
    """
    del control
    if socket.group is None:
        raise WSAError(WSAENOPROTOOPT, "the socket is in no group")
    return socket.options.other(SOL_SOCKET, SO_GROUP_PRIORITY) or 0


def protocol_info(control: Control, socket: Socket) -> WSAPROTOCOL_INFOW:
    """SO_PROTOCOL_INFOA, SO_PROTOCOL_INFOW."""
    del control
    return socket.profile.info


def connect_time(control: Control, socket: Socket) -> int:
    """SO_CONNECT_TIME: whole seconds since the connection was made."""
    if socket.state is not State.CONNECTED:
        return NOT_CONNECTED
    return max(control.dataplane.now() - socket.connected_ns, 0) // _SECOND_NS


# ---- TCP


def keep_idle(control: Control, socket: Socket) -> int:
    """TCP_KEEPIDLE, in seconds."""
    value = socket.options.keep_idle
    return (control.limits.tcp.keep_idle if value is None else value) // _SECOND_MS


def keep_interval(control: Control, socket: Socket) -> int:
    """TCP_KEEPINTVL, in seconds."""
    value = socket.options.keep_interval
    return (control.limits.tcp.keep_interval if value is None else value) // _SECOND_MS


def give_up_seconds(control: Control, socket: Socket) -> int:
    """TCP_MAXRT, in seconds."""
    value = socket.options.give_up
    found = control.limits.tcp.give_up if value is None else value
    return found if found == FOR_EVER else found // _SECOND_MS


def max_segment(control: Control, socket: Socket) -> int:
    """TCP_MAXSEG: what the connection sends at most, or would."""
    info = _info(control, socket)
    if info is not None:
        return info.snd_mss
    wanted = socket.options.max_segment
    if wanted is not None:
        return wanted
    return SEGMENT_IPV4 if socket.profile.family == AF_INET else SEGMENT_IPV6


def timestamps(control: Control, socket: Socket) -> int:
    """TCP_TIMESTAMPS: agreed with the peer, or to be offered to one."""
    info = _info(control, socket)
    if info is not None:
        return info.options & _TIMESTAMPS
    wanted = socket.options.timestamps
    return int(control.limits.tcp.timestamps if wanted is None else wanted)


def no_syn_retries(control: Control, socket: Socket) -> int:
    """TCP_NOSYNRETRIES."""
    del control
    return int(socket.options.syn_retries == 0)


def expedited(control: Control, socket: Socket) -> int:
    """TCP_EXPEDITED_1122: the urgent pointer is RFC 1122's."""
    del control
    return socket.options.other(IPPROTO_TCP, TCP_EXPEDITED_1122) or 0


def bsd_urgent(control: Control, socket: Socket) -> int:
    """TCP_BSDURGENT: the other way round."""
    return int(not expedited(control, socket))


def at_mark(control: Control, socket: Socket) -> int:
    """TCP_ATMARK, SIOCATMARK: no urgent data waits; in the stream: none lies ahead of its mark."""
    if socket.state is not State.CONNECTED:
        return 1
    ahead = URGENT_AHEAD if socket.options.oob_inline else URGENT_WAITS
    try:
        return int(not control.dataplane.urgent(socket.handle) & ahead)
    except DataplaneError:
        return 1  # the connection has gone


def path_mtu(control: Control, socket: Socket) -> int:
    """IP_MTU, IPV6_MTU.

    Raises:
        WSAError: WSAENOTCONN.
    """
    info = _info(control, socket)
    if info is None:
        raise WSAError(WSAENOTCONN)
    return info.pmtu


def never(control: Control, socket: Socket) -> int:
    """Read something that is always off."""
    del control, socket
    return 0


def no_bytes(control: Control, socket: Socket) -> bytes:
    """IP_OPTIONS: none are sent."""
    del control, socket
    return b""


def _info(control: Control, socket: Socket) -> Info | None:
    """Return what the dataplane knows of a connection, None without one."""
    if socket.state is not State.CONNECTED or control.status(socket).error:
        return None
    try:
        return control.dataplane.info(socket.handle)
    except DataplaneError as failure:
        if failure.error in {-errno.ENOTCONN, -errno.EBADF}:
            return None  # it has just ended
        raise translate(failure) from failure
