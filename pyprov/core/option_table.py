"""All socket options: level, number, type, and what reading and writing them does.

A number in place of an option is the error that it always answers: the multicast and datagram
options that TCP has no use for, and what Windows' TCP refuses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from pyprov.core import conndata
from pyprov.core import option_facts as facts
from pyprov.core import option_rules as rules
from pyprov.core.acceptex import update_accept_context
from pyprov.core.connectex import update_connect_context
from pyprov.core.option_kinds import (
    ANY_BOOL,
    BOOL,
    BYTE,
    BYTE_BOOL,
    BYTES,
    COUNT,
    DWORD,
    HANDLE,
    LINGERING,
    NARROW_INFO,
    NOTHING,
    SHORT_BOOL,
    STRUCTURE,
    Kind,
    Number,
)
from pyprov.core.sockopt import Option, change
from pyprov.winsock import options as o
from pyprov.winsock.codes import WSAEINVAL, WSAENOPROTOOPT
from pyprov.winsock.constants import (
    IP_PMTUDISC_PROBE,
    IPPROTO_IP,
    IPPROTO_IPV6,
    IPPROTO_TCP,
    PROTECTION_LEVEL_UNRESTRICTED,
    TCP_OFFLOAD_PREFERRED,
)

if TYPE_CHECKING:
    from pyprov.core.control import Control
    from pyprov.core.options import Value
    from pyprov.core.socket import Socket
    from pyprov.core.sockopt import Set
    from pyprov.winsock.structs import LINGER

_INVAL: Final = int(WSAEINVAL)
_NO: Final = int(WSAENOPROTOOPT)


def _field(kind: Kind, name: str) -> Option:
    """An option that is a field of Options."""

    def read(control: Control, socket: Socket) -> object:
        del control
        value = getattr(socket.options, name)
        return int(value) if isinstance(value, bool) else value

    def write(control: Control, socket: Socket, value: int | LINGER | bytes) -> None:
        is_flag = isinstance(kind, Number) and kind.truth
        change(control, socket, name, cast("Value", bool(value) if is_flag else value))

    return Option(kind, read, write)


def _configured(kind: Kind, name: str) -> Option:
    """A field of Options that falls back on the configuration."""

    def read(control: Control, socket: Socket) -> object:
        value = getattr(socket.options, name)
        return getattr(control.limits.tcp, name) if value is None else value

    return _field(kind, name)._replace(get=read)


def _remembered(kind: Kind, level: int, option: int, default: int = 0) -> Option:
    """An option that is read back as it was set, and has no effect here."""

    def read(control: Control, socket: Socket) -> object:
        del control
        value = socket.options.other(level, option)
        return default if value is None else value

    def write(control: Control, socket: Socket, value: int | LINGER | bytes) -> None:
        with control.lock:
            socket.options = socket.options.with_other(level, option, cast("int", value))

    return Option(kind, read, write)


def _unbound(option: Option) -> Option:
    """An option that is to be set before the socket is bound."""
    return option._replace(set=rules.before_bind(cast("Set", option.set)))


_SOCKET: Final[dict[int, Option | int]] = {
    o.SO_DEBUG: _field(SHORT_BOOL, "debug"),
    o.SO_ACCEPTCONN: Option(BOOL, facts.is_listening),
    o.SO_REUSEADDR: _field(ANY_BOOL, "reuse_address")._replace(set=rules.set_reuse),
    o.SO_EXCLUSIVEADDRUSE: _field(ANY_BOOL, "exclusive_address")._replace(set=rules.set_exclusive),
    o.SO_KEEPALIVE: _field(BYTE_BOOL, "keep_alive")._replace(set=rules.set_keep_alive),
    o.SO_DONTROUTE: _field(BYTE_BOOL, "dont_route"),
    o.SO_BROADCAST: _NO,
    o.SO_USELOOPBACK: _INVAL,
    o.SO_LINGER: _field(LINGERING, "linger"),
    o.SO_DONTLINGER: Option(ANY_BOOL, facts.dont_linger, rules.set_dont_linger),
    o.SO_OOBINLINE: _field(ANY_BOOL, "oob_inline"),
    o.SO_SNDBUF: _configured(DWORD, "send_buffer"),
    o.SO_RCVBUF: _configured(DWORD, "recv_buffer"),
    o.SO_SNDLOWAT: _INVAL,
    o.SO_RCVLOWAT: _INVAL,
    o.SO_SNDTIMEO: _field(DWORD, "send_timeout"),
    o.SO_RCVTIMEO: _field(DWORD, "recv_timeout"),
    o.SO_ERROR: Option(DWORD, facts.error, rules.set_error),
    o.SO_TYPE: Option(DWORD, facts.socket_type),
    o.SO_BSP_STATE: Option(STRUCTURE, facts.addresses),
    o.SO_GROUP_ID: Option(DWORD, facts.group_id),
    o.SO_GROUP_PRIORITY: Option(DWORD, facts.group_priority, rules.set_group_priority),
    o.SO_MAX_MSG_SIZE: _NO,
    o.SO_PROTOCOL_INFOA: Option(NARROW_INFO, facts.protocol_info),
    o.SO_PROTOCOL_INFOW: Option(STRUCTURE, facts.protocol_info),
    o.PVD_CONFIG: _NO,
    o.SO_CONDITIONAL_ACCEPT: _field(BOOL, "conditional_accept")._replace(
        set=rules.set_conditional_accept
    ),
    o.SO_PAUSE_ACCEPT: _field(BOOL, "pause_accept")._replace(set=rules.set_pause_accept),
    o.SO_COMPARTMENT_ID: _remembered(DWORD, o.SOL_SOCKET, o.SO_COMPARTMENT_ID, 1),
    o.SO_RANDOMIZE_PORT: _unbound(_remembered(BOOL, o.SOL_SOCKET, o.SO_RANDOMIZE_PORT)),
    o.SO_PORT_SCALABILITY: _unbound(_remembered(BOOL, o.SOL_SOCKET, o.SO_PORT_SCALABILITY)),
    o.SO_REUSE_UNICASTPORT: _remembered(BOOL, o.SOL_SOCKET, o.SO_REUSE_UNICASTPORT),
    o.SO_REUSE_MULTICASTPORT: _remembered(BOOL, o.SOL_SOCKET, o.SO_REUSE_MULTICASTPORT),
    o.SO_CONNDATA: Option(BYTES, conndata.get_conndata, conndata.set_conndata),
    o.SO_CONNOPT: _NO,
    o.SO_DISCDATA: Option(BYTES, conndata.get_discdata, conndata.set_discdata),
    o.SO_DISCOPT: _NO,
    o.SO_CONNDATALEN: Option(DWORD, conndata.get_conndata_length, conndata.set_length),
    o.SO_CONNOPTLEN: _NO,
    o.SO_DISCDATALEN: Option(DWORD, conndata.get_discdata_length, conndata.set_length),
    o.SO_DISCOPTLEN: _NO,
    o.SO_MAXDG: _NO,
    o.SO_MAXPATHDG: _NO,
    o.SO_CONNECT_TIME: Option(DWORD, facts.connect_time),
    o.SO_UPDATE_ACCEPT_CONTEXT: Option(HANDLE, set=update_accept_context),
    o.SO_UPDATE_CONNECT_CONTEXT: Option(NOTHING, set=update_connect_context),
}

_TCP: Final[dict[int, Option | int]] = {
    o.TCP_NODELAY: _field(BYTE_BOOL, "no_delay"),
    o.TCP_EXPEDITED_1122: Option(SHORT_BOOL, facts.expedited, rules.set_expedited),
    o.TCP_BSDURGENT: Option(SHORT_BOOL, facts.bsd_urgent, rules.set_bsd_urgent),
    o.TCP_KEEPALIVE: Option(DWORD, facts.keep_idle, rules.set_keep_idle),
    o.TCP_KEEPINTVL: Option(DWORD, facts.keep_interval, rules.set_keep_interval),
    o.TCP_KEEPCNT: _configured(COUNT, "keep_count")._replace(set=rules.set_keep_count),
    o.TCP_MAXSEG: Option(DWORD, facts.max_segment, rules.set_max_segment),
    o.TCP_MAXRT: Option(DWORD, facts.give_up_seconds, rules.set_give_up_seconds),
    o.TCP_MAXRTMS: _configured(DWORD, "give_up"),
    o.TCP_STDURG: Option(SHORT_BOOL, facts.expedited, rules.set_expedited),
    o.TCP_NOURG: _NO,
    o.TCP_ATMARK: Option(BOOL, facts.at_mark),
    o.TCP_NOSYNRETRIES: Option(BOOL, facts.no_syn_retries, rules.set_no_syn_retries),
    o.TCP_TIMESTAMPS: Option(BOOL, facts.timestamps, rules.set_timestamps),
    o.TCP_OFFLOAD_PREFERENCE: _remembered(
        Number(most=TCP_OFFLOAD_PREFERRED), IPPROTO_TCP, o.TCP_OFFLOAD_PREFERENCE
    ),
    o.TCP_CONGESTION_ALGORITHM: _configured(Number(most=rules.CONGESTION_MOST), "congestion"),
    o.TCP_DELAY_FIN_ACK: _remembered(BOOL, IPPROTO_TCP, o.TCP_DELAY_FIN_ACK),
    o.TCP_FASTOPEN: Option(BOOL, facts.never, rules.refuse_true),
    o.TCP_FAIL_CONNECT_ON_ICMP_ERROR: _remembered(
        BOOL, IPPROTO_TCP, o.TCP_FAIL_CONNECT_ON_ICMP_ERROR
    ),
    o.TCP_ICMP_ERROR_INFO: _NO,
}

_IP: Final[dict[int, Option | int]] = {
    o.IP_OPTIONS: Option(BYTES, facts.no_bytes, rules.refuse_bytes),
    o.IP_TOS: _configured(BYTE, "tos")._replace(set=rules.set_tos),
    o.IP_TTL: _configured(BYTE, "hops")._replace(set=rules.set_hops),
    o.IP_DONTFRAGMENT: _remembered(SHORT_BOOL, IPPROTO_IP, o.IP_DONTFRAGMENT, 1),
    o.IP_UNICAST_IF: _remembered(DWORD, IPPROTO_IP, o.IP_UNICAST_IF),
    o.IP_MTU_DISCOVER: _remembered(
        Number(most=IP_PMTUDISC_PROBE), IPPROTO_IP, o.IP_MTU_DISCOVER
    )._replace(set=rules.mtu_discover(IPPROTO_IP, o.IP_MTU_DISCOVER)),
    o.IP_MTU: Option(DWORD, facts.path_mtu),
    o.IP_USER_MTU: _remembered(DWORD, IPPROTO_IP, o.IP_USER_MTU, 0xFFFFFFFF),
    o.IP_IFLIST: _remembered(BOOL, IPPROTO_IP, o.IP_IFLIST),
    o.IP_RTHDR: _remembered(BOOL, IPPROTO_IP, o.IP_RTHDR),
    **dict.fromkeys(
        (
            o.IP_HDRINCL,
            o.IP_MULTICAST_IF,
            o.IP_MULTICAST_TTL,
            o.IP_MULTICAST_LOOP,
            o.IP_PKTINFO,
            o.IP_PKTINFO_EX,
            o.IP_RECVTTL,
            o.IP_RECVTOS,
            o.IP_RECVIF,
            o.IP_RECVDSTADDR,
            o.IP_RECEIVE_BROADCAST,
            o.IP_ECN,
            o.IP_RECVERR,
        ),
        _INVAL,
    ),
    o.IP_ADD_MEMBERSHIP: _NO,
    o.IP_DROP_MEMBERSHIP: _NO,
}

_IPV6: Final[dict[int, Option | int]] = {
    o.IPV6_V6ONLY: _unbound(_field(BYTE_BOOL, "v6_only")),
    o.IPV6_UNICAST_HOPS: _configured(BYTE, "hops")._replace(set=rules.set_hops),
    o.IPV6_TCLASS: _configured(BYTE, "tos")._replace(set=rules.set_tos),
    o.IPV6_DONTFRAG: _remembered(SHORT_BOOL, IPPROTO_IPV6, o.IPV6_DONTFRAG, 1),
    o.IPV6_PROTECTION_LEVEL: _remembered(
        DWORD, IPPROTO_IPV6, o.IPV6_PROTECTION_LEVEL, PROTECTION_LEVEL_UNRESTRICTED
    )._replace(set=rules.set_protection_level),
    o.IPV6_UNICAST_IF: _remembered(DWORD, IPPROTO_IPV6, o.IPV6_UNICAST_IF),
    o.IPV6_MTU_DISCOVER: _remembered(
        Number(most=IP_PMTUDISC_PROBE), IPPROTO_IPV6, o.IPV6_MTU_DISCOVER
    )._replace(set=rules.mtu_discover(IPPROTO_IPV6, o.IPV6_MTU_DISCOVER)),
    o.IPV6_MTU: Option(DWORD, facts.path_mtu),
    o.IPV6_USER_MTU: _remembered(DWORD, IPPROTO_IPV6, o.IPV6_USER_MTU, 0xFFFFFFFF),
    **dict.fromkeys(
        (
            o.IPV6_HOPOPTS,
            o.IPV6_HDRINCL,
            o.IPV6_MULTICAST_IF,
            o.IPV6_MULTICAST_HOPS,
            o.IPV6_MULTICAST_LOOP,
            o.IPV6_PKTINFO,
            o.IPV6_PKTINFO_EX,
            o.IPV6_HOPLIMIT,
            o.IPV6_RECVIF,
            o.IPV6_RECVDSTADDR,
            o.IPV6_RECVTCLASS,
            o.IPV6_ECN,
            o.IPV6_RECVERR,
        ),
        _INVAL,
    ),
    o.IPV6_ADD_MEMBERSHIP: _NO,
    o.IPV6_DROP_MEMBERSHIP: _NO,
}

OPTIONS: Final = {
    o.SOL_SOCKET: _SOCKET,
    IPPROTO_TCP: _TCP,
    IPPROTO_IP: _IP,
    IPPROTO_IPV6: _IPV6,
}
# The level of the other family is none to an IPv4 socket.
OPTIONS_IPV4: Final = {level: rows for level, rows in OPTIONS.items() if level != IPPROTO_IPV6}
