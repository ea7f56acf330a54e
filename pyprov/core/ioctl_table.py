"""All control codes of WSPIoctl."""

from __future__ import annotations

import struct
from typing import Final, cast

from pyprov.core import ioctl_condition, ioctl_qos, ioctl_socket
from pyprov.core.ioctl import Ioctl
from pyprov.winsock import ioctls
from pyprov.winsock.qos import QOS
from pyprov.winsock.structs import read, write

_DWORD: Final = struct.Struct("<L")
_HANDLE: Final = struct.Struct("<Q")


def unpack_dword(data: bytes) -> int:
    """Read a DWORD; WSAEFAULT if too short."""
    return read(_DWORD, data)[0]


def pack_dword(value: object) -> bytes:
    """Return a DWORD's bytes."""
    return write(_DWORD, cast("int", value))


def pack_handle(value: object) -> bytes:
    """Return a SOCKET's bytes."""
    return write(_HANDLE, cast("int", value))


def pack_qos(value: object) -> bytes:
    """Return a QOS's bytes, what is specific to the provider behind it."""
    return cast("QOS", value).pack()


IOCTLS: Final[dict[int, Ioctl]] = {
    ioctls.SIO_GET_QOS: Ioctl(ioctl_qos.get_qos, pack=pack_qos),
    ioctls.SIO_SET_QOS: Ioctl(ioctl_qos.set_qos, QOS.unpack),
    ioctls.SIO_GET_GROUP_QOS: Ioctl(ioctl_qos.get_group_qos, pack=pack_qos),
    ioctls.SIO_SET_GROUP_QOS: Ioctl(ioctl_qos.set_group_qos, QOS.unpack),
    ioctls.SIO_CHK_QOS: Ioctl(ioctl_qos.check_qos, unpack_dword, pack_dword),
    ioctls.SIO_SET_CONDITION: Ioctl(ioctl_condition.set_condition),
    ioctls.SIO_GET_CONDITION: Ioctl(ioctl_condition.condition_counts),
    ioctls.FIONBIO: Ioctl(ioctl_socket.set_blocking, unpack_dword),
    ioctls.FIONREAD: Ioctl(ioctl_socket.readable, pack=pack_dword),
    ioctls.SIOCATMARK: Ioctl(ioctl_socket.at_mark, pack=pack_dword),
    ioctls.SIO_BASE_HANDLE: Ioctl(ioctl_socket.own_handle, pack=pack_handle),
    ioctls.SIO_BSP_HANDLE: Ioctl(ioctl_socket.own_handle, pack=pack_handle),
    ioctls.SIO_BSP_HANDLE_SELECT: Ioctl(ioctl_socket.own_handle, pack=pack_handle),
    ioctls.SIO_BSP_HANDLE_POLL: Ioctl(ioctl_socket.own_handle, pack=pack_handle),
}
