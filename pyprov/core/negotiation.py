"""Quality of service between the two ends of a connection.

The caller's flowspecs travel with its connection request, the acceptor's answer with its verdict;
each end keeps both directions in its own perspective. Either may ask for another level later. Who
is asked answers within its admission rules, on the provider's own thread, without its application.
"""

from __future__ import annotations

import contextlib
import errno
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pyprov.core import port, qos
from pyprov.core.blocking import wait
from pyprov.core.failure import translate
from pyprov.core.offer import (
    OFFER_ANSWER,
    OFFER_QOS_AGREE,
    OFFER_QOS_ASK,
    OFFER_QOS_REFUSE,
    REASON_QOS_ADMISSION,
    REASON_QOS_INVALID,
    REASON_QOS_POLICY,
    Offer,
)
from pyprov.core.port import DataplaneError
from pyprov.core.qos import SocketQos
from pyprov.core.states import State
from pyprov.winsock.codes import (
    WSA_QOS_ADMISSION_FAILURE,
    WSA_QOS_EFLOWSPEC,
    WSA_QOS_POLICY_FAILURE,
    WSAEALREADY,
    WSAEFAULT,
    WSAEOPNOTSUPP,
    WSAEWOULDBLOCK,
)
from pyprov.winsock.errors import WSAError
from pyprov.winsock.options import SO_GROUP_PRIORITY, SOL_SOCKET
from pyprov.winsock.provider_specific import QOS_SD_MODE, QOS_SHAPING_RATE, parse_objects
from pyprov.winsock.qos import FLOWSPEC, QOS
from pyprov.winsock.service import (
    SERVICETYPE_NETWORK_UNAVAILABLE,
    SERVICETYPE_NOCHANGE,
    TC_NONCONF_SHAPE,
)

if TYPE_CHECKING:
    from pyprov.core.control import Control
    from pyprov.core.offer import FlowWords
    from pyprov.core.port import Request
    from pyprov.core.socket import Socket

_QOS_CODES: Final = range(11005, 11032)
FLOWS: Final = 6  # bits of Request.qos: flow specifications came with it
_PARTY: Final = "qos"  # who watches, for the service


class RefusalError(Exception):
    """An acceptor cannot give what was asked for; the reason and the code are for the peer."""

    def __init__(self, reason: int, code: int, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.code = code


# ---- both ends


def to_offer(made: QOS, offer: Offer | None = None) -> Offer:
    """Put a QOS into what the peer is told."""
    return replace(
        offer or Offer(),
        sending=qos.words_of(made.SendingFlowspec),
        receiving=qos.words_of(made.ReceivingFlowspec),
        provider=made.ProviderSpecific or None,
    )


def from_offer(offer: Offer | None) -> QOS | None:
    """Return what the peer says, in our perspective; None: nothing of QoS."""
    if offer is None or (offer.sending is None and offer.receiving is None):
        return None
    return QOS(_flow(offer.receiving), _flow(offer.sending), offer.provider or b"")


def _flow(words: FlowWords | None) -> FLOWSPEC:
    return FLOWSPEC() if words is None else FLOWSPEC(*words)


def _checked(made: QOS) -> QOS:
    """Check what comes from a peer; what it left open of our receiving follows what it sends."""
    sending, receiving = made.SendingFlowspec, made.ReceivingFlowspec
    if receiving.kind() != SERVICETYPE_NOCHANGE:
        receiving.check(sending=False)
    if sending.kind() in qos.RESERVING:
        sending.check(sending=True)
    parse_objects(made.ProviderSpecific)
    return made


def enforce(control: Control, socket: Socket, made: QOS) -> None:
    """Let packets carry the service's code point, and shape them if that was asked for."""
    flow = made.SendingFlowspec
    settings = {}
    if socket.options.tos is None:
        settings[port.OPT_TOS] = control.limits.qos.dscp.get(flow.kind(), 0) << 2
    rate = _shaping_rate(made)
    if rate:
        settings[port.OPT_RATE] = rate
    for option, value in settings.items():
        with contextlib.suppress(DataplaneError):  # it has ended, which its status shows
            control.dataplane.set_option(socket.handle, option, value)


def _shaping_rate(made: QOS) -> int:
    """Return the rate to shape to; 0 where none was asked for."""
    objects = parse_objects(made.ProviderSpecific)
    rates = [item.ShapingRate for item in objects if isinstance(item, QOS_SHAPING_RATE)]
    if rates:
        return rates[-1]
    modes = [item.ShapeDiscardMode for item in objects if isinstance(item, QOS_SD_MODE)]
    shaped = bool(modes) and modes[-1] == TC_NONCONF_SHAPE
    return qos.rate_of(made.SendingFlowspec) if shaped else 0


def _last(control: Control, handle: int, kind: int) -> Offer | None:
    try:
        return control.dataplane.offer(handle, kind)
    except DataplaneError:
        return None


# ---- the caller


def prepare(control: Control, socket: Socket, sqos: object, gqos: object) -> None:
    """Note what the next connect asks for: what it is given, or else what SIO_SET_QOS has set.

    Raises:
        WSAError: WSAEOPNOTSUPP for what cannot be had, and SIO_GET_QOS says why; WSAEFAULT.
    """
    if sqos is None and gqos is None and socket.qos is None:
        return
    if gqos is not None and not isinstance(gqos, QOS):
        raise WSAError(WSAEFAULT, f"{gqos!r} is no QOS")
    holder = qos.of(control, socket)
    holder.status, holder.asked = 0, holder.wished
    group = socket.group
    try:
        if sqos is not None:
            holder.asked = qos.update(holder.wished, qos.given(sqos))
        if gqos is not None and group is not None and group.creator is socket:
            qos.set_for_group(control, group, qos.given(gqos))
    except WSAError as error:
        if error.code not in _QOS_CODES:
            raise
        holder.status = error.code
        raise WSAError(WSAEOPNOTSUPP, str(error)) from error


def reserve(control: Control, socket: Socket, peer: bytes) -> None:
    """Reserve what a connect asks for before it begins.

    Raises:
        WSAError: WSAEOPNOTSUPP if there is no room.
    """
    holder = socket.qos
    if holder is None or holder.asked is None:
        return
    holder.handle = 0
    holder.port = qos.port_towards(control, peer)
    qos.reserve(control, holder, holder.port, holder.asked)
    holder.current = holder.asked


def request(socket: Socket, offer: Offer | None) -> Offer | None:
    """Add what a connect asks for to what goes with it."""
    holder = socket.qos
    if holder is None or holder.asked is None:
        return offer
    group = socket.group
    made = to_offer(holder.asked, offer)
    priority = socket.options.other(SOL_SOCKET, SO_GROUP_PRIORITY) or 0
    return made if group is None else replace(made, group=(group.id, priority))


def finish(control: Control, socket: Socket, code: int) -> int:
    """Take what the peer answered to a connect that has ended.

    Returns:
        The connect's code: WSAEOPNOTSUPP where it failed for its QoS.
    """
    holder, handle = socket.qos, socket.handle
    if holder is None or holder.asked is None or not handle:
        return code
    answer = _last(control, handle, OFFER_ANSWER)
    view = from_offer(answer)
    if code:
        if answer is not None and answer.reason in _STATUS:
            holder.status = answer.status or _STATUS[answer.reason]
            code = WSAEOPNOTSUPP
            holder.current = view or holder.current
        return code
    holder.handle = handle
    if view is not None:
        _adopt(control, holder, view)
    return 0


_STATUS: Final = {
    REASON_QOS_ADMISSION: WSA_QOS_ADMISSION_FAILURE,
    REASON_QOS_POLICY: WSA_QOS_POLICY_FAILURE,
    REASON_QOS_INVALID: WSA_QOS_EFLOWSPEC,
}


def _adopt(control: Control, holder: SocketQos, view: QOS) -> None:
    """Let the peer's view hold, as far as it can be reserved."""
    wanted = qos.update(holder.current, view)
    with contextlib.suppress(WSAError):
        qos.reserve(control, holder, holder.port, _checked(wanted))
        holder.current = wanted


def begin(control: Control, socket: Socket) -> None:
    """A connection that has a QoS is there: enforce it, and be ready for changes."""
    holder = socket.qos
    if holder is None or holder.current is None or not socket.handle:
        return
    enforce(control, socket, holder.current)
    attend(control, socket)


# ---- the acceptor


def asked_by(request_: Request, offer: Offer | None) -> QOS | None:
    """Return what came with a request, in the acceptor's perspective; None: no QoS.

    Raises:
        RefusalError: it is impossible.
    """
    if not request_.qos & FLOWS:
        return None
    made = from_offer(offer)
    if made is None:
        return None
    try:
        return _checked(made)
    except WSAError as error:
        raise RefusalError(REASON_QOS_INVALID, error.code, str(error)) from error


def grant(control: Control, request_: Request, made: QOS) -> SocketQos:
    """Reserve what an acceptor agrees to.

    Raises:
        RefusalError: there is no room, or what the condition function left is impossible.
    """
    holder = SocketQos(control.dataplane)
    holder.handle = request_.handle
    holder.port = qos.port_towards(control, request_.peer)
    try:
        qos.reserve(control, holder, holder.port, _checked(made))
    except WSAError as error:
        full = error.code == WSAEOPNOTSUPP
        reason = REASON_QOS_ADMISSION if full else REASON_QOS_INVALID
        code = WSA_QOS_ADMISSION_FAILURE if full else error.code
        raise RefusalError(reason, code, str(error)) from error
    holder.current = made.copy()
    return holder


def refuses_flows(made: QOS | None) -> bool:
    """Say whether a condition function rejects for the flowspecs: it marks one unavailable."""
    return made is not None and any(
        flow.ServiceType == SERVICETYPE_NETWORK_UNAVAILABLE
        for flow in (made.SendingFlowspec, made.ReceivingFlowspec)
    )


# ---- a live connection


def attend(control: Control, socket: Socket) -> None:
    """Let the provider's thread answer what the peer asks for."""
    with contextlib.suppress(DataplaneError):  # it has ended
        control.service.watch(
            socket.handle, _PARTY, lambda: port.READY_QOS, lambda: look(control, socket)
        )


def look(control: Control, socket: Socket) -> None:
    """Act on what the peer has said of the QoS since the last look."""
    handle = socket.handle
    if not handle or socket.state is not State.CONNECTED:
        return
    holder = qos.of(control, socket)
    with holder.lock:
        asked = _last(control, handle, OFFER_QOS_ASK)
        if asked is not None:
            _answer(control, socket, holder, asked)
        if holder.proposed is not None:
            agreed = _last(control, handle, OFFER_QOS_AGREE)
            refused = _last(control, handle, OFFER_QOS_REFUSE)
            if agreed is not None:
                _settle(control, socket, holder, from_offer(agreed) or holder.proposed)
            elif refused is not None:
                holder.status = refused.status or _STATUS.get(
                    refused.reason, WSA_QOS_POLICY_FAILURE
                )
                holder.failed = True
                _settle(control, socket, holder, holder.current or QOS())


def _answer(control: Control, socket: Socket, holder: SocketQos, asked: Offer) -> None:
    """Grant or refuse what the peer asks for; the old level stays where that is refused.

    Where both ask at the same time, what the end with the lower address asks for is what holds.
    """
    wanted = qos.update(holder.current, from_offer(asked) or QOS())
    if holder.proposed is not None and _is_first(control, socket):
        wanted = holder.proposed
    try:
        holder.handle = socket.handle
        qos.reserve(control, holder, holder.port, _checked(wanted))
        reply = to_offer(wanted, Offer(kind=OFFER_QOS_AGREE))
        holder.current = wanted
        enforce(control, socket, wanted)
    except WSAError as error:
        full = error.code == WSAEOPNOTSUPP
        reply = Offer(
            kind=OFFER_QOS_REFUSE,
            reason=REASON_QOS_ADMISSION if full else REASON_QOS_INVALID,
            status=WSA_QOS_ADMISSION_FAILURE if full else error.code,
        )
        holder.status = 0
    with contextlib.suppress(DataplaneError):  # it has ended
        control.dataplane.send_offer(socket.handle, reply)


def _is_first(control: Control, socket: Socket) -> bool:
    try:
        info = control.dataplane.info(socket.handle)
    except DataplaneError:
        return True
    return (info.local, info.local_port) < (info.peer, info.peer_port)


def _settle(control: Control, socket: Socket, holder: SocketQos, made: QOS) -> None:
    """A change that we asked for is decided."""
    holder.proposed = None
    with contextlib.suppress(WSAError):
        status = holder.status
        qos.reserve(control, holder, holder.port, made)
        holder.current = made
        holder.status = status
    enforce(control, socket, made)


def change(control: Control, socket: Socket, asked: QOS) -> None:
    """SIO_SET_QOS on a connection: ask the peer for another level; the old one stays if refused.

    Raises:
        WSAError: WSAEOPNOTSUPP if either end has no room; WSAEALREADY while another change is under
            way; WSAEWOULDBLOCK for a non-blocking socket, which FD_QOS tells of the end; what ends
            a blocking call.
    """
    holder = qos.of(control, socket)
    look(control, socket)
    with holder.lock:
        if holder.proposed is not None:
            raise WSAError(WSAEALREADY, "another change is under way")
        wanted = qos.update(holder.current, asked)
        holder.handle = socket.handle
        if holder.current is None and socket.peer is not None:
            holder.port = qos.port_towards(control, port.pack_address(socket.peer[0]))
        qos.reserve(control, holder, holder.port, wanted)
        if not _propose(control, socket, wanted):
            holder.current = wanted  # a peer that knows of no QoS: ours holds here
            enforce(control, socket, wanted)
            return
        holder.proposed, holder.failed = wanted, False
    attend(control, socket)
    if not socket.blocking:
        raise WSAError(WSAEWOULDBLOCK, "the peer is asked")
    while _is_pending(holder):
        wait(control, socket, port.READY_QOS)
        look(control, socket)
    if holder.failed:
        raise WSAError(WSAEOPNOTSUPP, "the peer refuses")


def _is_pending(holder: SocketQos) -> bool:
    return holder.proposed is not None


def _propose(control: Control, socket: Socket, wanted: QOS) -> bool:
    """Send what we ask for; False: the peer takes no such thing."""
    holder = qos.of(control, socket)
    try:
        control.dataplane.send_offer(socket.handle, to_offer(wanted, Offer(kind=OFFER_QOS_ASK)))
    except DataplaneError as error:
        if error.error == -errno.EOPNOTSUPP:
            return False
        qos.reserve(control, holder, holder.port, holder.current or QOS())
        raise translate(error) from error
    return True
