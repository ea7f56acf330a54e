"""All control codes of WSPIoctl."""

from __future__ import annotations

import struct
from typing import Final, Protocol, cast

from pyprov.core import ioctl_condition, ioctl_names, ioctl_qos, ioctl_socket, ioctl_tcp
from pyprov.core.ioctl import Ioctl
from pyprov.winsock import ioctls
from pyprov.winsock.qos import QOS
from pyprov.winsock.structs import (
    SOCKET_ADDRESS_LIST,
    TCP_INITIAL_RTO_PARAMETERS,
    read,
    tcp_keepalive,
    write,
)


class Structure(Protocol):
    """What a row returns that is one of winsock's structures."""

    def pack(self) -> bytes:
        """Return its bytes."""


_DWORD: Final = struct.Struct("<L")
_HANDLE: Final = struct.Struct("<Q")


def unpack_dword(data: bytes) -> int:
    """Read a DWORD; WSAEFAULT if too short."""
    return read(_DWORD, data)[0]


def pack_dword(value: object) -> bytes:
    """Return a DWORD's bytes."""
    return write(_DWORD, cast("int", value))


def pack_structure(value: object) -> bytes:
    """Return a structure's bytes."""
    return cast("Structure", value).pack()


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
    ioctls.SIO_KEEPALIVE_VALS: Ioctl(ioctl_tcp.set_keep_alive, tcp_keepalive.unpack),
    ioctls.SIO_TCP_INITIAL_RTO: Ioctl(ioctl_tcp.set_initial_rto, TCP_INITIAL_RTO_PARAMETERS.unpack),
    ioctls.SIO_LOOPBACK_FAST_PATH: Ioctl(ioctl_tcp.take_fast_path, unpack_dword),
    ioctls.SIO_TCP_INFO: Ioctl(ioctl_tcp.statistics, unpack_dword, pack_structure),
    ioctls.SIO_IDEAL_SEND_BACKLOG_QUERY: Ioctl(ioctl_tcp.send_backlog, pack=pack_dword),
    ioctls.SIO_IDEAL_SEND_BACKLOG_CHANGE: Ioctl(ioctl_tcp.send_backlog_change),
    ioctls.SIO_ENABLE_CIRCULAR_QUEUEING: Ioctl(ioctl_tcp.do_nothing),
    ioctls.SIO_ADDRESS_LIST_QUERY: Ioctl(ioctl_names.address_list, pack=pack_structure),
    ioctls.SIO_ADDRESS_LIST_SORT: Ioctl(
        ioctl_names.sorted_list, SOCKET_ADDRESS_LIST.unpack, pack_structure
    ),
    ioctls.SIO_ADDRESS_LIST_CHANGE: Ioctl(ioctl_names.address_list_change),
    ioctls.SIO_ROUTING_INTERFACE_QUERY: Ioctl(
        ioctl_names.routing_interface, ioctl_names.unpack_address, ioctl_names.pack_address
    ),
    ioctls.SIO_ROUTING_INTERFACE_CHANGE: Ioctl(
        ioctl_names.routing_interface_change, ioctl_names.unpack_address
    ),
    ioctls.SIO_GET_INTERFACE_LIST: Ioctl(ioctl_names.interfaces, pack=ioctl_names.pack_interfaces),
    ioctls.SIO_GET_BROADCAST_ADDRESS: Ioctl(
        ioctl_names.broadcast_address, pack=ioctl_names.pack_address
    ),
    ioctls.FIONBIO: Ioctl(ioctl_socket.set_blocking, unpack_dword),
    ioctls.FIONREAD: Ioctl(ioctl_socket.readable, pack=pack_dword),
    ioctls.SIOCATMARK: Ioctl(ioctl_socket.at_mark, pack=pack_dword),
    ioctls.SIO_BASE_HANDLE: Ioctl(ioctl_socket.own_handle, pack=pack_handle),
    ioctls.SIO_BSP_HANDLE: Ioctl(ioctl_socket.own_handle, pack=pack_handle),
    ioctls.SIO_BSP_HANDLE_SELECT: Ioctl(ioctl_socket.own_handle, pack=pack_handle),
    ioctls.SIO_BSP_HANDLE_POLL: Ioctl(ioctl_socket.own_handle, pack=pack_handle),
}
