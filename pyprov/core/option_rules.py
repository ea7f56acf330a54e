"""What WSPSetSockOpt does where an option is more than a field of Options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from pyprov.core.failure import translate
from pyprov.core.listening import follow_options
from pyprov.core.option_facts import FOR_EVER, expedited
from pyprov.core.options import changed
from pyprov.core.port import DataplaneError
from pyprov.core.sockopt import change
from pyprov.core.states import State
from pyprov.winsock.codes import WSAEINVAL, WSAENETRESET, WSAENOPROTOOPT
from pyprov.winsock.constants import (
    IP_PMTUDISC_NOT_SET,
    IPPROTO_IPV6,
    IPPROTO_TCP,
    PROTECTION_LEVEL_EDGERESTRICTED,
    PROTECTION_LEVEL_RESTRICTED,
    PROTECTION_LEVEL_UNRESTRICTED,
)
from pyprov.winsock.errors import WSAError
from pyprov.winsock.options import (
    IPV6_PROTECTION_LEVEL,
    SO_GROUP_PRIORITY,
    SOL_SOCKET,
    TCP_EXPEDITED_1122,
)
from pyprov.winsock.structs import LINGER

if TYPE_CHECKING:
    from pyprov.core.control import Control
    from pyprov.core.socket import Socket
    from pyprov.core.sockopt import Set

CONGESTION_MOST: Final = 2
SEGMENT_LEAST: Final = 64
SEGMENT_MOST: Final = 65535
_SECOND_MS: Final = 1000
_DWORD_MOST: Final = 0xFFFF_FFFF
_INT_MOST: Final = 0x7FFF_FFFF


def before_bind(write: Set) -> Set:
    """Let an option be set only while the socket is unbound; then WSAEINVAL."""

    def checked(control: Control, socket: Socket, value: int | LINGER | bytes) -> None:
        if socket.state is not State.OPEN:
            raise WSAError(WSAEINVAL, "this is to be set before the socket is bound")
        write(control, socket, value)

    return checked


def set_reuse(control: Control, socket: Socket, value: int | LINGER | bytes) -> None:
    """SO_REUSEADDR; counts at the time of binding."""
    _share(control, socket, reuse_address=bool(value))


def set_exclusive(control: Control, socket: Socket, value: int | LINGER | bytes) -> None:
    """SO_EXCLUSIVEADDRUSE; counts at the time of binding."""
    _share(control, socket, exclusive_address=bool(value))


def _share(control: Control, socket: Socket, **wanted: bool) -> None:
    with control.lock:
        made = changed(socket.options, **wanted)
        if made.reuse_address and made.exclusive_address:
            raise WSAError(WSAEINVAL, "an address is either shared or exclusive")
        socket.options = made


def set_dont_linger(control: Control, socket: Socket, value: int | LINGER | bytes) -> None:
    """SO_DONTLINGER: the other side of l_onoff."""
    with control.lock:
        linger = LINGER(int(not value), socket.options.linger.l_linger)
        socket.options = changed(socket.options, linger=linger)


def set_keep_alive(control: Control, socket: Socket, value: int | LINGER | bytes) -> None:
    """SO_KEEPALIVE.

    Raises:
        WSAError: WSAENETRESET if keep-alive has found the connection dead.
    """
    if socket.state is State.CONNECTED:
        dead = control.status(socket).error
        if dead and translate(DataplaneError(dead, "keep-alive")).code == WSAENETRESET:
            raise WSAError(WSAENETRESET)
    change(control, socket, "keep_alive", bool(value))


def set_error(control: Control, socket: Socket, value: int | LINGER | bytes) -> None:
    """SO_ERROR."""
    del control
    socket.error = cast("int", value)


def set_group_priority(control: Control, socket: Socket, value: int | LINGER | bytes) -> None:
    """SO_GROUP_PRIORITY: 0 is the highest.

    Raises:
        WSAError: WSAENOPROTOOPT outside a group, WSAEINVAL for a negative one.
    """
    if socket.group is None:
        raise WSAError(WSAENOPROTOOPT, "the socket is in no group")
    if cast("int", value) > _INT_MOST:
        raise WSAError(WSAEINVAL, "a priority is not negative")
    _remember(control, socket, (SOL_SOCKET, SO_GROUP_PRIORITY), value)


def set_conditional_accept(control: Control, socket: Socket, value: int | LINGER | bytes) -> None:
    """SO_CONDITIONAL_ACCEPT: only before WSPListen."""
    if socket.state not in {State.OPEN, State.BOUND}:
        raise WSAError(WSAEINVAL, "this is to be set before WSPListen")
    change(control, socket, "conditional_accept", bool(value))


def set_pause_accept(control: Control, socket: Socket, value: int | LINGER | bytes) -> None:
    """SO_PAUSE_ACCEPT: a listener refuses everybody while it is set."""
    change(control, socket, "pause_accept", bool(value))
    follow_options(control, socket)


# ---- TCP


def set_keep_idle(control: Control, socket: Socket, value: int | LINGER | bytes) -> None:
    """TCP_KEEPIDLE."""
    change(control, socket, "keep_idle", _seconds(value))


def set_keep_interval(control: Control, socket: Socket, value: int | LINGER | bytes) -> None:
    """TCP_KEEPINTVL."""
    change(control, socket, "keep_interval", _seconds(value))


def set_keep_count(control: Control, socket: Socket, value: int | LINGER | bytes) -> None:
    """TCP_KEEPCNT."""
    if not value:
        raise WSAError(WSAEINVAL, "there is at least one probe")
    change(control, socket, "keep_count", cast("int", value))


def _seconds(value: int | LINGER | bytes) -> int:
    milliseconds = cast("int", value) * _SECOND_MS
    if not 0 < milliseconds <= _DWORD_MOST:
        raise WSAError(WSAEINVAL, f"{value!r} seconds are too few or too many")
    return milliseconds


def set_give_up_seconds(control: Control, socket: Socket, value: int | LINGER | bytes) -> None:
    """TCP_MAXRT: -1 is for ever, 0 as configured."""
    seconds = cast("int", value)
    if seconds == FOR_EVER:
        change(control, socket, "give_up", FOR_EVER)
    else:
        change(control, socket, "give_up", seconds and _seconds(seconds))


def set_max_segment(control: Control, socket: Socket, value: int | LINGER | bytes) -> None:
    """TCP_MAXSEG: no larger segments are sent."""
    if not SEGMENT_LEAST <= cast("int", value) <= SEGMENT_MOST:
        raise WSAError(WSAEINVAL, f"{value!r} is not in {SEGMENT_LEAST} to {SEGMENT_MOST}")
    change(control, socket, "max_segment", cast("int", value))


def set_no_syn_retries(control: Control, socket: Socket, value: int | LINGER | bytes) -> None:
    """TCP_NOSYNRETRIES."""
    change(control, socket, "syn_retries", 0 if value else None)


def set_timestamps(control: Control, socket: Socket, value: int | LINGER | bytes) -> None:
    """TCP_TIMESTAMPS: to be offered by the next connect."""
    change(control, socket, "timestamps", bool(value))


def set_expedited(control: Control, socket: Socket, value: int | LINGER | bytes) -> None:
    """TCP_EXPEDITED_1122: once on, it stays on."""
    if not value and expedited(control, socket):
        raise WSAError(WSAEINVAL, "this cannot be switched off again")
    _remember(control, socket, (IPPROTO_TCP, TCP_EXPEDITED_1122), value)


def set_bsd_urgent(control: Control, socket: Socket, value: int | LINGER | bytes) -> None:
    """TCP_BSDURGENT: the inverse."""
    set_expedited(control, socket, int(not value))


def refuse_true(control: Control, socket: Socket, value: int | LINGER | bytes) -> None:
    """Let something that cannot be switched on stay off."""
    del control, socket
    if value:
        raise WSAError(WSAENOPROTOOPT, "this is not supported")


# ---- IP


def set_hops(control: Control, socket: Socket, value: int | LINGER | bytes) -> None:
    """IP_TTL, IPV6_UNICAST_HOPS: 1 to 255."""
    if not value:
        raise WSAError(WSAEINVAL, "0 hops lead nowhere")
    change(control, socket, "hops", cast("int", value))
    follow_options(control, socket)


def set_tos(control: Control, socket: Socket, value: int | LINGER | bytes) -> None:
    """IP_TOS, IPV6_TCLASS."""
    change(control, socket, "tos", cast("int", value))
    follow_options(control, socket)


def refuse_bytes(control: Control, socket: Socket, value: int | LINGER | bytes) -> None:
    """IP_OPTIONS: none can be sent."""
    del control, socket
    if value:
        raise WSAError(WSAENOPROTOOPT, "IP options are not sent")


def mtu_discover(level: int, option: int) -> Set:
    """IP_MTU_DISCOVER, IPV6_MTU_DISCOVER: anything but 0."""

    def write(control: Control, socket: Socket, value: int | LINGER | bytes) -> None:
        if value == IP_PMTUDISC_NOT_SET:
            raise WSAError(WSAEINVAL, "this cannot be set")
        _remember(control, socket, (level, option), value)

    return write


def set_protection_level(control: Control, socket: Socket, value: int | LINGER | bytes) -> None:
    """IPV6_PROTECTION_LEVEL."""
    if value not in {
        PROTECTION_LEVEL_UNRESTRICTED,
        PROTECTION_LEVEL_EDGERESTRICTED,
        PROTECTION_LEVEL_RESTRICTED,
    }:
        raise WSAError(WSAEINVAL, f"{value!r} is no protection level")
    _remember(control, socket, (IPPROTO_IPV6, IPV6_PROTECTION_LEVEL), value)


def _remember(
    control: Control, socket: Socket, name: tuple[int, int], value: int | LINGER | bytes
) -> None:
    with control.lock:
        socket.options = socket.options.with_other(*name, cast("int", value))
