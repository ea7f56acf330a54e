"""The quality of service of sockets and groups: what was asked for, what holds, what it reserves.

A QOS is always in the perspective of its holder. Reserved is the token rate of the services that
promise one, controlled load and guaranteed, in both directions of the port that leads to the peer.
"""

from __future__ import annotations

import threading
from dataclasses import astuple
from typing import TYPE_CHECKING, Final

from pyprov.core.admission import Rates
from pyprov.core.port import DataplaneError
from pyprov.winsock import service
from pyprov.winsock.codes import WSA_QOS_ADMISSION_FAILURE, WSAEFAULT, WSAEOPNOTSUPP
from pyprov.winsock.errors import WSAError
from pyprov.winsock.provider_specific import RSVP_STATUS_INFO, build_objects, parse_objects
from pyprov.winsock.qos import FLOWSPEC, QOS
from pyprov.winsock.service import QOS_NOT_SPECIFIED, SERVICETYPE_NOCHANGE

if TYPE_CHECKING:
    from pyprov.core.control import Control
    from pyprov.core.groups import Group
    from pyprov.core.port import Dataplane
    from pyprov.core.socket import Socket

RESERVING: Final = frozenset({service.SERVICETYPE_CONTROLLEDLOAD, service.SERVICETYPE_GUARANTEED})
_OVER: Final = frozenset({0, 10})  # states of the dataplane: CLOSED, TIME-WAIT


class SocketQos:
    """The quality of service of one socket, and its place in the ledger.

    Attributes:
        wished: what SIO_SET_QOS has set for the next connect; None: nothing.
        current: what holds, or held last; None: nothing was ever asked for.
        status: a WSA_QOS_* code that the last attempt ended with; 0: none.
        handle: the connection; 0 while it is being made.
        port: the port that it reserves of.
        asked: what the connect under way asks for.
        proposed: what the peer of a connection was asked for and has not decided on.
        failed: it has refused that.
        lock: for changes of a connection's level.
    """

    __slots__ = (
        "_dataplane",
        "asked",
        "current",
        "failed",
        "handle",
        "lock",
        "port",
        "proposed",
        "status",
        "wished",
    )

    def __init__(self, dataplane: Dataplane) -> None:
        self._dataplane = dataplane
        self.wished: QOS | None = None
        self.current: QOS | None = None
        self.status = 0
        self.handle = 0
        self.port = 0
        self.asked: QOS | None = None
        self.proposed: QOS | None = None
        self.failed = False
        self.lock = threading.RLock()

    def is_alive(self) -> bool:
        """Say whether its connection is there, or may come to be."""
        handle = self.handle
        if not handle:
            return True
        try:
            status = self._dataplane.status(handle)
        except DataplaneError:
            return False
        over = status.error or status.state in _OVER
        return status.generation == handle & 0xFFFF_FFFF and not over


def of(control: Control, socket: Socket) -> SocketQos:
    """Return a socket's quality of service, made when it has none."""
    if socket.qos is None:
        socket.qos = SocketQos(control.dataplane)
    return socket.qos


def given(value: object) -> QOS:
    """Return a copy of what an application hands over.

    Raises:
        WSAError: WSAEFAULT for what is no QOS; what is wrong with it.
    """
    if not isinstance(value, QOS):
        raise WSAError(WSAEFAULT, f"{value!r} is no QOS")
    value.check()
    return value.copy()


def update(old: QOS | None, new: QOS) -> QOS:
    """Put a new QOS over an old one: a direction with NOCHANGE stays as it is."""
    made = new.copy()
    if old is not None:
        if made.SendingFlowspec.kind() == SERVICETYPE_NOCHANGE:
            made.SendingFlowspec = old.copy().SendingFlowspec
        if made.ReceivingFlowspec.kind() == SERVICETYPE_NOCHANGE:
            made.ReceivingFlowspec = old.copy().ReceivingFlowspec
        made.ProviderSpecific = made.ProviderSpecific or old.ProviderSpecific
    return made


def rate_of(flowspec: FLOWSPEC) -> int:
    """Return what a direction reserves, bytes a second."""
    if flowspec.kind() not in RESERVING or flowspec.TokenRate == QOS_NOT_SPECIFIED:
        return 0
    return flowspec.TokenRate


def rates_of(qos: QOS) -> Rates:
    """Return what a QOS reserves."""
    return Rates(rate_of(qos.SendingFlowspec), rate_of(qos.ReceivingFlowspec))


def reserve(control: Control, holder: SocketQos, port: int, qos: QOS) -> None:
    """Reserve what a QOS needs; what was reserved before stays if there is no room.

    Raises:
        WSAError: WSAEOPNOTSUPP, and the holder's status says why.
    """
    holder.status = 0
    if control.ledger.reserve(holder, port, rates_of(qos)):
        return
    holder.status = WSA_QOS_ADMISSION_FAILURE
    room = control.ledger.capacity(port)
    raise WSAError(WSAEOPNOTSUPP, f"there is no room for this among the {room} bytes a second")


def report(holder: SocketQos | None) -> QOS:
    """Return what SIO_GET_QOS says: both directions as they are, and how the last attempt ended."""
    if holder is None:
        return QOS()
    base = holder.current or holder.wished or QOS()
    made = base.copy()
    if holder.status:
        objects = [o for o in parse_objects(base.ProviderSpecific) if not _is_status(o)]
        made.ProviderSpecific = build_objects([*objects, RSVP_STATUS_INFO(holder.status)])
    return made


def _is_status(item: object) -> bool:
    return isinstance(item, RSVP_STATUS_INFO)


def forget(control: Control, socket: Socket) -> None:
    """Give back what a socket's connection had reserved; what it was stays to be read."""
    if socket.qos is not None:
        control.ledger.release(socket.qos)
        socket.qos.handle = 0


def port_towards(control: Control, host: bytes) -> int:
    """Return the port that leads to an address: the one in whose network it is, else the first."""
    for own in control.dataplane.addresses():
        mapped = own.address[:12] == host[:12] == bytes(10) + b"\xff\xff"
        length = own.prefix + 96 * mapped
        shift = 128 - length
        if int.from_bytes(own.address) >> shift == int.from_bytes(host) >> shift:
            return own.port
    return 0


def words_of(flowspec: FLOWSPEC) -> tuple[int, int, int, int, int, int, int, int]:
    """Return the eight words of a flowspec."""
    return astuple(flowspec)


def set_for_group(control: Control, group: Group, asked: QOS) -> None:
    """Reserve for a group in place of what it has.

    Raises:
        WSAError: WSAEOPNOTSUPP if there is no room.
    """
    holder = group.qos if group.qos is not None else SocketQos(control.dataplane)
    wanted = update(holder.current, asked)
    reserve(control, holder, 0, wanted)
    holder.current = wanted
    group.qos = holder
