"""Control codes about quality of service."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pyprov.core import negotiation, qos
from pyprov.core.notification import raise_event
from pyprov.core.states import State
from pyprov.winsock import ioctls
from pyprov.winsock.codes import WSAEINVAL
from pyprov.winsock.errors import WSAError
from pyprov.winsock.flags import FD_GROUP_QOS
from pyprov.winsock.qos import FLOWSPEC, QOS

if TYPE_CHECKING:
    from pyprov.core.ioctl import IoctlCall

_ZERO: Final = FLOWSPEC(*[0] * 8)
_ANSWERS: Final = {
    ioctls.ALLOWED_TO_SEND_DATA: 1,
    ioctls.ABLE_TO_RECV_RSVP: 0,
    ioctls.LOCAL_TRAFFIC_CONTROL: 1,
    ioctls.LOCAL_QOSABILITY: 1,
    ioctls.END_TO_END_QOSABILITY: ioctls.INFO_NOT_AVAILABLE,
}


def get_qos(call: IoctlCall) -> QOS:
    """SIO_GET_QOS: both directions as they are now.

    Also for an overlapped call. The SPI lets that one end with the next change, into a buffer that
    waits for it; what a call returns here is there at once or never. FD_QOS tells of changes.
    """
    return qos.report(call.socket.qos)


def set_qos(call: IoctlCall) -> None:
    """SIO_SET_QOS: what the next connect asks for, or another level for a connection.

    Raises:
        WSAError: what is wrong with it; of a connection, see core/negotiation.py.
    """
    asked = qos.given(call.value)
    if call.socket.state is State.CONNECTED:
        negotiation.change(call.control, call.socket, asked)
        return
    holder = qos.of(call.control, call.socket)
    holder.wished = qos.update(holder.wished, asked)
    holder.status = 0


def get_group_qos(call: IoctlCall) -> QOS:
    """SIO_GET_GROUP_QOS: the group's; zeroes for a socket that is in none."""
    group = call.socket.group
    if group is None:
        return QOS(replace(_ZERO), replace(_ZERO))
    return qos.report(group.qos)


def set_group_qos(call: IoctlCall) -> None:
    """SIO_SET_GROUP_QOS: what the whole group reserves beside its members, who hear of it.

    Raises:
        WSAError: WSAEINVAL if the socket did not create a group; WSAEOPNOTSUPP if there is no room;
            what is wrong with it.
    """
    socket = call.socket
    asked = qos.given(call.value)
    group = socket.group
    if group is None or group.creator is not socket:
        raise WSAError(WSAEINVAL, "only the socket that created a group sets its QoS")
    qos.set_for_group(call.control, group, asked)
    for _, other in call.control.sockets.items():  # noqa: PERF102 - it is no dict
        if other.group is group and other is not socket:
            raise_event(call.control, other, FD_GROUP_QOS)


def check_qos(call: IoctlCall) -> int:
    """SIO_CHK_QOS: an answer to one of its questions.

    Raises:
        WSAError: WSAEINVAL for another.
    """
    if call.value == ioctls.LINE_RATE:
        rates = call.control.limits.qos.rates
        return min(rates[0] // 8 if rates else 0, 0xFFFF_FFFE)
    answer = _ANSWERS.get(call.value) if isinstance(call.value, int) else None
    if answer is None:
        raise WSAError(WSAEINVAL, f"{call.value!r} asks for nothing")
    return answer
