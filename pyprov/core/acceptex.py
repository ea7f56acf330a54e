"""AcceptEx: an accept that was asked for beforehand, into a socket that was made beforehand.

The request stands in the listener's lane for accepting and takes the next connection, a deferred
one before all others. If first data is asked for too, it moves with its connection into the lane
for receiving of the accepting socket, and the next request of the listener has its turn.

The buffer is cut into three: the first data, the local address, the peer's address. Each address
slot begins with the length of the sockaddr that follows (two bytes), for GetAcceptExSockaddrs.
"""

from __future__ import annotations

import contextlib
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from pyprov.core import negotiation, sockopt
from pyprov.core.accept import (
    PLAIN,
    UNDECIDED,
    Decision,
    drop,
    put_back,
    settle_cold_parts,
    take_flows,
    tell,
)
from pyprov.core.completion import Request, check_request
from pyprov.core.connection import let_go
from pyprov.core.lanes import (
    MOVED,
    RECEIVABLE,
    Operation,
    Result,
    cancel,
    drive,
    enter,
    failure,
    lanes_of,
    post,
)
from pyprov.core.notification import after_accept, end_deferral, synchronise
from pyprov.core.port import READY_ACCEPT, REQUEST_ENDED, REQUEST_OFFER, DataplaneError
from pyprov.core.socket import to_sockaddr
from pyprov.core.states import Call, State, check
from pyprov.winsock.address import SOCKADDR_SIZE, Address
from pyprov.winsock.codes import (
    WSA_INVALID_PARAMETER,
    WSA_OPERATION_ABORTED,
    WSAEFAULT,
    WSAEINVAL,
    WSAENOTCONN,
    WSAENOTSOCK,
)
from pyprov.winsock.errors import WSAError

if TYPE_CHECKING:
    from pyprov.core.control import Control
    from pyprov.core.port import Request as ConnectionRequest
    from pyprov.core.socket import Socket
    from pyprov.winsock.address import SockAddr
    from pyprov.winsock.structs import LINGER

ERROR_INSUFFICIENT_BUFFER: Final = 122
# An address slot is so much longer than the sockaddr at least.
SLOT_EXTRA: Final = 16
_LENGTH: Final = struct.Struct("<H")


class Slots(NamedTuple):
    """The parts of an AcceptEx buffer."""

    data: memoryview
    local: memoryview
    remote: memoryview

    def hold(self, family: int) -> bool:
        """Whether both addresses have room."""
        needed = SOCKADDR_SIZE[family] + SLOT_EXTRA
        return len(self.local) >= needed and len(self.remote) >= needed

    def release(self) -> None:
        """Let go of the caller's memory."""
        for part in self:
            part.release()


def cut(buffer: object, receive_len: object, local_len: object, remote_len: object) -> Slots:
    """Cut a buffer into its parts.

    Raises:
        WSAError: WSAEFAULT for what is no buffer, or too small, and for lengths that are none.
    """
    lengths = []
    for length in (receive_len, local_len, remote_len):
        if not isinstance(length, int) or length < 0:
            raise WSAError(WSAEFAULT, f"{length!r} is no length")
        lengths.append(length)
    try:
        whole = memoryview(buffer).cast("B")  # type: ignore[arg-type] # tried, not known
    except TypeError as error:
        raise WSAError(WSAEFAULT, str(error)) from error
    if len(whole) < sum(lengths):
        raise WSAError(WSAEFAULT, f"{len(whole)} bytes are too few for {sum(lengths)}")
    first, second = lengths[0], lengths[0] + lengths[1]
    return Slots(whole[:first], whole[first:second], whole[second : second + lengths[2]])


class AcceptEx(Operation):
    """A request for a connection.

    Attributes:
        acceptor: the socket that gets it.
        slots: the caller's buffer.
    """

    __slots__ = ("acceptor", "slots")

    def __init__(self, listener: Socket, request: Request, acceptor: Socket, slots: Slots) -> None:
        super().__init__(listener, request, READY_ACCEPT)
        self.acceptor = acceptor
        self.slots = slots

    def attempt(self, control: Control) -> Result | None:
        """See Operation."""
        listener = self.socket
        if not self.slots.hold(listener.profile.family):
            # The connection stays in the queue.
            queued = control.status(listener).queued
            return Result(ERROR_INSUFFICIENT_BUFFER) if queued else None
        taken = self._take(control)
        if taken is None:
            return None
        request, decision = taken
        if not self._hand_over(control, request):
            if decision.qos is not None:
                control.ledger.release(decision.qos)
            put_back(control, listener, request)
            return Result(self.cancelled or int(WSA_OPERATION_ABORTED))
        if request.flags & UNDECIDED:
            tell(control, request, decision.answer)
        if request.flags & REQUEST_OFFER:
            self.acceptor.qos = decision.qos
            negotiation.begin(control, self.acceptor)
        self._write_names(request)
        if not self.slots.data:
            return self._connected(control)
        return self._wait_for_data(control)

    def _take(self, control: Control) -> tuple[ConnectionRequest, Decision] | None:
        """Take the next connection that still lives, and that asks for nothing impossible."""
        listener = self.socket
        while True:
            try:
                request = control.dataplane.accept(listener.handle)
            except DataplaneError as error:
                raise failure(error) from error
            if request is None:
                return None
            if listener.deferred:
                end_deferral(control, listener, (request.handle,))
            if request.flags & REQUEST_ENDED:
                drop(control, request)
            elif not request.qos & negotiation.FLOWS:
                return request, PLAIN
            else:
                peer = to_sockaddr(listener.profile.family, request.peer, request.peer_port)
                with contextlib.suppress(WSAError):  # it was rejected
                    return request, take_flows(control, request, peer)

    def _hand_over(self, control: Control, request: ConnectionRequest) -> bool:
        """Give the connection to its socket; False if that was closed meanwhile."""
        listener, acceptor = self.socket, self.acceptor
        family = listener.profile.family
        with control.lock:
            if acceptor.state is not State.ACCEPTING:
                return False
            acceptor.handle, acceptor.status = request.handle, None
            acceptor.request = request
            acceptor.peer = to_sockaddr(family, request.peer, request.peer_port)
            acceptor.connected_ns = request.when_ns
            if acceptor.lanes is not None:
                acceptor.lanes.context = listener
        if listener.binding is not None and listener.binding.exclusive:
            settle_cold_parts(control, listener, acceptor, None)
        return True

    def _write_names(self, request: ConnectionRequest) -> None:
        family = self.socket.profile.family
        for slot, address, number in (
            (self.slots.local, request.local, request.local_port),
            (self.slots.remote, request.peer, request.peer_port),
        ):
            packed = Address.from_tuple(to_sockaddr(family, address, number)).pack()
            record = _LENGTH.pack(len(packed)) + packed
            slot[: len(record)] = record

    def _connected(self, control: Control) -> Result:
        connected(control, self.acceptor)
        return Result(0)

    def _wait_for_data(self, control: Control) -> Result:
        acceptor = self.acceptor
        lane = lanes_of(control, acceptor).receive
        moved = FirstData(acceptor, self.request, self.slots, self.socket)
        hosts = lanes_of(control, self.socket)
        with control.lock:
            hosts.hosted.append((lane, moved))
            if acceptor.lanes is not None:
                acceptor.lanes.guest = None
        try:
            enter(control, lane, moved)
        except WSAError:  # the acceptor was closed just now
            moved.done(control)
            return Result(int(WSA_OPERATION_ABORTED))
        if self.cancelled:
            cancel(control, lane, moved, error=self.cancelled, silent=self.silent)
        return MOVED

    def moved(self, control: Control) -> None:
        """See Operation."""
        synchronise(control, self.socket)
        drive(control, self.acceptor, lanes_of(control, self.acceptor).receive)

    def abandon(self, control: Control) -> None:
        """See Operation."""
        with control.lock:
            if self.acceptor.state is State.ACCEPTING:
                self.acceptor.state = State.OPEN

    def done(self, control: Control) -> None:
        """See Operation."""
        with control.lock:
            if self.acceptor.lanes is not None:
                self.acceptor.lanes.guest = None
        self.slots.release()
        synchronise(control, self.socket)


class FirstData(Operation):
    """What an AcceptEx that has its connection still waits for.

    Attributes:
        slots: the caller's buffer.
        listener: where the connection came from.
    """

    __slots__ = ("listener", "slots")

    def __init__(self, acceptor: Socket, request: Request, slots: Slots, listener: Socket) -> None:
        super().__init__(acceptor, request, RECEIVABLE)
        self.slots = slots
        self.listener = listener

    def attempt(self, control: Control) -> Result | None:
        """See Operation."""
        try:
            count = control.dataplane.recv(self.socket.handle, self.slots.data)
        except DataplaneError as error:
            raise failure(error) from error
        if count is None:
            return None
        connected(control, self.socket)
        return Result(0, count)

    def abandon(self, control: Control) -> None:
        """See Operation."""
        acceptor, handle = self.socket, 0
        with control.lock:
            if acceptor.state is State.ACCEPTING:
                handle = forget_connection(control, acceptor, State.OPEN)
        if handle:
            control.service.forget(handle)
            let_go(control, handle)

    def done(self, control: Control) -> None:
        """See Operation."""
        self.slots.release()
        hosts = self.listener.lanes
        if hosts is not None:
            with control.lock:
                hosts.hosted = [entry for entry in hosts.hosted if entry[1] is not self]
        synchronise(control, self.socket)


def connected(control: Control, acceptor: Socket) -> None:
    """An accepting socket has its connection, and is to be used from now on."""
    with control.lock:
        if acceptor.state is not State.ACCEPTING:
            return
        acceptor.state = State.CONNECTED
        if acceptor.events is not None:
            acceptor.events.forget_counters()
            acceptor.events.connected = True
    sockopt.apply(control, acceptor)
    synchronise(control, acceptor)


def forget_connection(control: Control, socket: Socket, state: State) -> int:
    """Take a socket's connection away from it, under `Control.lock`; returns the handle."""
    handle, socket.handle = socket.handle, 0
    socket.state = state
    socket.status = socket.request = socket.peer = socket.local = None
    socket.shut = socket.connected_ns = 0
    if socket.bound is None and socket.binding is not None:
        control.bindings.release(socket.binding)
        socket.binding = None
    if socket.events is not None:
        socket.events.connected = False
        socket.events.forget_counters()
    lanes = socket.lanes
    if lanes is not None:
        lanes.context, lanes.watched = None, 0
    return handle


def accept_ex(
    control: Control, listener: Socket, acceptor: Socket, slots: Slots, overlapped: object
) -> int:
    """Ask for a connection, its addresses and its first data.

    Returns:
        Bytes received, if there was a connection already.

    Raises:
        WSAError: WSA_IO_PENDING; see spi/extensions.py.
    """
    lanes = lanes_of(control, listener)
    request = Request(check_request(listener, overlapped, None), None, lanes)
    operation = AcceptEx(listener, request, acceptor, slots)
    guest = lanes_of(control, acceptor)
    with control.lock:
        if acceptor.state is not State.OPEN or acceptor.claimed:
            raise WSAError(WSAEINVAL, "the accepting socket is in use")
        acceptor.state = State.ACCEPTING
        guest.guest = (lanes.accept, operation)
    try:
        return post(control, lanes.accept, operation).transferred
    finally:
        if listener.events is not None:
            after_accept(control, listener, listener.events)
            synchronise(control, listener)


def check_accept(
    listener: Socket, acceptor: Socket, overlapped: object, remote_len: object
) -> None:
    """Look at what AcceptEx was given, in the order in which Windows does."""
    if overlapped is None:
        raise WSAError(WSA_INVALID_PARAMETER, "AcceptEx needs a WSAOVERLAPPED")
    check(Call.ACCEPT, listener.state)
    if acceptor.state is not State.OPEN:
        raise WSAError(WSAEINVAL, "the accepting socket is bound, connected or in use")
    if acceptor.profile.family != listener.profile.family:
        raise WSAError(WSAEINVAL, "the sockets are of different address families")
    if not isinstance(remote_len, int) or not remote_len:
        raise WSAError(WSAEFAULT, "there is no room for the peer's address")


def names_in(slots: Slots) -> tuple[SockAddr, SockAddr]:
    """Return the addresses that an AcceptEx has put into its buffer.

    Raises:
        WSAError: WSAEFAULT if it has put none there.
    """
    return _name(slots.local), _name(slots.remote)


def _name(slot: memoryview) -> SockAddr:
    if len(slot) < _LENGTH.size:
        raise WSAError(WSAEFAULT, "there is no address")
    (length,) = _LENGTH.unpack_from(slot)
    packed = bytes(slot[_LENGTH.size : _LENGTH.size + length])
    if length not in SOCKADDR_SIZE.values() or len(packed) != length:
        raise WSAError(WSAEFAULT, "there is no address")
    try:
        return Address.unpack(packed).to_tuple()
    except WSAError as error:
        raise WSAError(WSAEFAULT, "there is no address") from error


def update_accept_context(control: Control, socket: Socket, value: int | LINGER | bytes) -> None:
    """SO_UPDATE_ACCEPT_CONTEXT: give an accepted socket its listener's properties.

    Raises:
        WSAError: WSAENOTCONN if it is not connected, WSAENOTSOCK for a value that is no socket,
            WSAEINVAL for one that is not its listener.
    """
    lanes = socket.lanes
    if socket.state is not State.CONNECTED:
        raise WSAError(WSAENOTCONN)
    listener = control.sockets.find(value) if isinstance(value, int) else None
    if listener is None:
        raise WSAError(WSAENOTSOCK, f"{value!r} is no socket")
    if lanes is None or lanes.context is not listener:
        raise WSAError(WSAEINVAL, "the socket was not accepted by this listener")
    with control.lock:
        socket.options = listener.options
        lanes.context = None
    sockopt.apply(control, socket)
