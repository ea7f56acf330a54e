"""Taking connection requests out of a listener's backlog.

The queue is the dataplane's: `accept` takes its head, a deferred request before all others, and
`defer` puts one back there. What is taken here is a request in the hands of one thread, which gives
it one of four fates: a socket, a rejection, back to the head, or nothing because it died.
"""

from __future__ import annotations

import contextlib
import errno
import threading
from typing import TYPE_CHECKING, Final, TypeAlias

from pyprov.core import negotiation, sockopt
from pyprov.core.blocking import wait
from pyprov.core.condition import ConditionFunction, decide
from pyprov.core.failure import translate
from pyprov.core.notification import after_accept, begin_deferral, end_deferral, inherit
from pyprov.core.offer import REASON_QOS_POLICY, VERDICT_ACCEPT, VERDICT_REJECT, Offer
from pyprov.core.port import (
    CLOSE_ABORT,
    READY_ACCEPT,
    REQUEST_DECIDED,
    REQUEST_ENDED,
    REQUEST_HELD,
    REQUEST_OFFER,
    DataplaneError,
    Request,
)
from pyprov.core.socket import Socket, to_sockaddr
from pyprov.core.states import Call, State, check
from pyprov.core.transfer import give_way
from pyprov.winsock.codes import (
    WSA_QOS_POLICY_FAILURE,
    WSAEACCES,
    WSAECONNREFUSED,
    WSAECONNRESET,
    WSAEFAULT,
    WSAEINPROGRESS,
    WSAEINVAL,
    WSAEMFILE,
    WSAENOTSOCK,
    WSAEWOULDBLOCK,
    WSATRY_AGAIN,
)
from pyprov.winsock.constants import CF_ACCEPT, CF_DEFER, CF_REJECT
from pyprov.winsock.errors import WSAError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from pyprov.core.control import Control
    from pyprov.core.groups import Group
    from pyprov.core.qos import SocketQos
    from pyprov.winsock.address import SockAddr
    from pyprov.winsock.qos import QOS
    from pyprov.winsock.structs import WSABUF

Accepted: TypeAlias = "tuple[int, SockAddr]"


class Decision:
    """What an accepted request gets beside its socket.

    Attributes:
        group: the group that the socket joins.
        answer: what the peer is told.
        qos: what was agreed on, and reserved.
    """

    __slots__ = ("answer", "group", "qos")

    def __init__(
        self, group: Group | None, answer: Offer | None, qos: SocketQos | None = None
    ) -> None:
        self.group = group
        self.answer = answer
        self.qos = qos


# Requests that wait for a verdict, held or pending.
UNDECIDED: Final = REQUEST_HELD | REQUEST_OFFER
PLAIN: Final = Decision(None, None)
_LISTENING: Final = State.LISTENING  # asking the enumeration each time would be felt
_CONNECTED: Final = State.CONNECTED
NO_GROUP: Final = 0
DEFERRED: Final = Decision(None, None)  # what no socket gets: the verdict was CF_DEFER


def accept(
    control: Control, listener: Socket, condition: ConditionFunction | None, callback_data: object
) -> Accepted:
    """Accept, reject or defer one connection request.

    Returns:
        The new SOCKET and the peer's address.

    Raises:
        WSAError: see spi/listening.py. It carries the peer's address if a request was looked at.
    """
    if listener.state is not _LISTENING:
        check(Call.ACCEPT, listener.state)
    if condition is not None or listener.deciding:
        _check_function(listener, condition)
    request: Request | None = None
    deferred = False
    try:
        request = take(control, listener)
        peer = to_sockaddr(listener.profile.family, request.peer, request.peer_port)
        decision = PLAIN
        ended = request.flags & REQUEST_ENDED
        if condition is not None and not request.flags & REQUEST_DECIDED:
            decision = _ask(control, listener, request, peer, condition, callback_data)
            if decision is DEFERRED:
                deferred = True
                raise WSAError(WSATRY_AGAIN, addr=peer)
            ended = True  # perhaps, in the time that the function took
        elif request.qos & negotiation.FLOWS:
            decision = take_flows(control, request, peer)
        if ended:
            _check_alive(control, request, peer)
        return admit(control, listener, request, peer, decision), peer
    finally:
        if not deferred:
            if listener.deferred and request is not None:
                end_deferral(control, listener, (request.handle,))
            if listener.events is not None:
                after_accept(control, listener, listener.events)


def _check_function(listener: Socket, condition: ConditionFunction | None) -> None:
    """Raise what a condition function is that is none, or that accepts for its own listener."""
    if condition is not None and not callable(condition):
        raise WSAError(WSAEFAULT, f"{condition!r} cannot be called")
    if threading.get_ident() in listener.deciding:
        raise WSAError(WSAEINPROGRESS, "this thread runs a condition function for this socket")


def take(control: Control, listener: Socket) -> Request:
    """Take the head of the backlog; a blocking listener waits for one.

    Raises:
        WSAError: WSAEWOULDBLOCK, WSAEINTR, WSAENOTSOCK.
    """
    accept_one = control.dataplane.accept
    if listener.lanes is not None:
        give_way(control, listener, listener.lanes.accept)
    try:
        while True:
            request = accept_one(listener.handle)
            if request is not None:
                return request
            if not listener.blocking:
                raise WSAError(WSAEWOULDBLOCK, "no connection request waits")
            wait(control, listener, READY_ACCEPT)
    except DataplaneError as error:
        raise translate(error) from error


def take_many(control: Control, listener: Socket, rows: npt.NDArray[np.void]) -> int:
    """Fill rows with requests, a deferred one before all others; a blocking listener waits for one.

    Returns:
        How many rows were filled, at least 1 unless there is room for none.

    Raises:
        WSAError: WSAEWOULDBLOCK, WSAEINTR, WSAENOTSOCK, what the table of states says.
    """
    check(Call.ACCEPT, listener.state)
    count = 0
    try:
        if listener.lanes is not None and len(rows):
            give_way(control, listener, listener.lanes.accept)
        while len(rows):
            try:
                count = control.dataplane.accept_many(listener.handle, rows)
            except DataplaneError as error:
                raise translate(error) from error
            if count:
                _accept_all(control, rows[:count])
                return count
            if not listener.blocking:
                raise WSAError(WSAEWOULDBLOCK, "no connection request waits")
            wait(control, listener, READY_ACCEPT)
        return 0
    finally:
        if listener.deferred:
            end_deferral(control, listener, set(rows["handle"][:count].tolist()))
        if listener.events is not None:
            after_accept(control, listener, listener.events)


def _accept_all(control: Control, rows: npt.NDArray[np.void]) -> None:
    """Give those that wait for a verdict theirs."""
    waiting = rows["handle"][rows["flags"] & UNDECIDED != 0]
    if not len(waiting):
        return
    try:
        control.dataplane.decide_many(waiting, VERDICT_ACCEPT)
    except DataplaneError as error:
        raise translate(error) from error


def admit(
    control: Control,
    listener: Socket,
    request: Request,
    peer: SockAddr,
    decision: Decision = PLAIN,
) -> int:
    """Make the socket of an accepted request.

    Raises:
        WSAError: WSAEMFILE, and it goes back to the head.
    """
    made = Socket(listener.profile, listener.options)
    made.state = _CONNECTED
    made.handle = request.handle
    made.request = request
    made.peer = peer
    made.blocking = listener.blocking
    made.connected_ns = request.when_ns
    try:
        value = control.new_value(made)
    except BaseException:
        if decision.qos is not None:
            control.ledger.release(decision.qos)
        put_back(control, listener, request)
        raise
    if request.flags & UNDECIDED:
        tell(control, request, decision.answer)
    group = decision.group
    if group is not None or (listener.binding is not None and listener.binding.exclusive):
        settle_cold_parts(control, listener, made, group)
    if listener.options.live:
        sockopt.apply(control, made)
    if request.flags & REQUEST_OFFER:
        made.qos = decision.qos
        negotiation.begin(control, made)
    if listener.events is not None:
        inherit(control, listener, made, value)
    return value


def _check_alive(control: Control, request: Request, peer: SockAddr) -> None:
    """Drop a request that has died.

    Raises:
        WSAError: WSAECONNRESET or WSAEACCES, with the peer's address.
    """
    handle = request.handle
    try:
        status = control.dataplane.status(handle)
    except DataplaneError as error:
        raise translate(error) from error
    end = status.error
    if end or status.generation != handle & 0xFFFFFFFF:
        drop(control, request)
        raise WSAError(_death(request, end), addr=peer)


def tell(control: Control, request: Request, answer: Offer | None) -> None:
    """Let a request that waits for its verdict become a connection."""
    try:
        control.dataplane.decide(request.handle, VERDICT_ACCEPT, answer=answer)
    except DataplaneError:
        return  # it has died meanwhile, which its status shows


def settle_cold_parts(
    control: Control, listener: Socket, made: Socket, group: Group | None
) -> None:
    """Give an accepted socket what few have: its share of an exclusive binding, its group."""
    binding = listener.binding
    with control.lock:
        if binding is not None and binding.exclusive and binding.users:
            binding.users += 1
            made.binding = binding
        if group is not None and made.peer is not None:
            control.groups.join(made, group, made.peer[0])


def _death(request: Request, error: int) -> int:
    """Say how a request ended: reset by the peer, or withdrawn."""
    if request.flags & REQUEST_HELD and error != -errno.ECONNRESET:
        return WSAEACCES
    return WSAEACCES if error == -errno.ETIMEDOUT else WSAECONNRESET


def _ask(
    control: Control,
    listener: Socket,
    request: Request,
    peer: SockAddr,
    condition: ConditionFunction,
    callback_data: object,
) -> Decision:
    """Run the condition function and act on every verdict but CF_ACCEPT.

    Returns:
        What the new socket gets, or DEFERRED if there is to be none yet.
    """
    if control.sockets.full:
        put_back(control, listener, request)
        raise WSAError(WSAEMFILE, f"all {control.sockets.limit} sockets are in use")
    local = to_sockaddr(listener.profile.family, request.local, request.local_port)
    offer, sqos = _asked(control, request, peer)
    me = threading.get_ident()
    deciding = listener.deciding
    deciding.append(me)
    try:
        verdict, g, callee_data = decide(condition, peer, local, callback_data, offer, sqos)
    except KeyboardInterrupt:
        put_back(control, listener, request)
        raise
    except BaseException:
        drop(control, request)
        raise
    finally:
        deciding.remove(me)
    if verdict is CF_ACCEPT and g is NO_GROUP and offer is None and not callee_data.overrun:
        return PLAIN
    if isinstance(verdict, int) and verdict == CF_DEFER:
        defer(control, listener, request)
        return DEFERRED
    try:
        _check_decision(verdict, callee_data)
        with control.lock:
            group = control.groups.choose(g, peer[0])
        return _agree(control, request, group, sqos, callee_data.answer())
    except negotiation.RefusalError as refused:
        raise _reject(control, request, peer, refused) from refused
    except WSAError as error:
        if negotiation.refuses_flows(sqos):
            _turn_down(control, request, REASON_QOS_POLICY, WSA_QOS_POLICY_FAILURE)
        drop(control, request)
        error.addr = peer
        raise


def _asked(control: Control, request: Request, peer: SockAddr) -> tuple[Offer | None, QOS | None]:
    """Return what came with a request: None where its peer takes no answer, or asks for no QoS.

    Raises:
        WSAError: WSAECONNREFUSED, what it asks for is impossible; the request was rejected.
    """
    if not request.flags & REQUEST_OFFER:
        return None, None
    offer = _offer_of(control, request)
    try:
        return offer, negotiation.asked_by(request, offer)
    except negotiation.RefusalError as refused:
        raise _reject(control, request, peer, refused) from refused


def _agree(
    control: Control, request: Request, group: Group | None, sqos: QOS | None, data: bytes | None
) -> Decision:
    """Reserve what the acceptor's side of a QoS needs, and make the answer.

    Raises:
        RefusalError: there is no room, or the QoS is impossible.
    """
    answer = Offer(data=data) if data else None
    if sqos is None:
        return Decision(group, answer)
    holder = negotiation.grant(control, request, sqos)
    return Decision(group, negotiation.to_offer(sqos, answer), holder)


def take_flows(control: Control, request: Request, peer: SockAddr) -> Decision:
    """Agree to what a request asks for without asking a condition function.

    Raises:
        WSAError: WSAECONNREFUSED; the request was rejected.
    """
    _, sqos = _asked(control, request, peer)
    try:
        return _agree(control, request, None, sqos, None)
    except negotiation.RefusalError as refused:
        raise _reject(control, request, peer, refused) from refused


def _reject(
    control: Control, request: Request, peer: SockAddr, refused: negotiation.RefusalError
) -> WSAError:
    """Reject a request whose QoS cannot be had; returns what WSPAccept raises."""
    _turn_down(control, request, refused.reason, refused.code)
    drop(control, request)
    return WSAError(WSAECONNREFUSED, str(refused), addr=peer)


def _turn_down(control: Control, request: Request, reason: int, code: int) -> None:
    """Tell a caller why its request is rejected."""
    with contextlib.suppress(DataplaneError):  # it has died
        answer = Offer(status=code, reason=reason)
        control.dataplane.decide(request.handle, VERDICT_REJECT, reason, answer)


def _offer_of(control: Control, request: Request) -> Offer:
    """Return what came with a request whose peer takes an answer."""
    try:
        facts = control.dataplane.request_facts(request.handle)
    except DataplaneError as error:
        raise translate(error) from error
    return facts.offer if facts is not None else Offer()


def _check_decision(verdict: object, callee_data: WSABUF) -> None:
    """Raise what a decision is that does not accept, or not properly."""
    known = isinstance(verdict, int)
    if known and verdict == CF_REJECT:
        raise WSAError(WSAECONNREFUSED)
    if not known or verdict != CF_ACCEPT:
        raise WSAError(WSAEINVAL, f"{verdict!r} is no verdict")
    if callee_data.overrun:
        raise WSAError(WSAEINVAL, "more callee data than there was room for")


def drop(control: Control, request: Request) -> None:
    """Reject a request: its connection is reset."""
    try:
        control.dataplane.close(request.handle, CLOSE_ABORT)
    except DataplaneError:
        return  # it has gone by itself


def put_back(control: Control, listener: Socket, request: Request) -> None:
    """Put a request back to the head of the queue; it dies with a listener that was closed."""
    try:
        control.dataplane.defer(listener.handle, request)
    except DataplaneError:
        drop(control, request)


def defer(control: Control, listener: Socket, request: Request) -> None:
    """Put a request back to the head, where it keeps FD_ACCEPT silent until it is taken or gone."""
    begin_deferral(control, listener, request.handle)
    try:
        control.dataplane.defer(listener.handle, request)
    except DataplaneError as error:
        drop(control, request)
        end_deferral(control, listener, (request.handle,))
        if listener.state is State.CLOSED:
            raise WSAError(WSAENOTSOCK, "the listener was closed during the call") from error
        raise translate(error) from error
