"""Overlapped requests that wait in a socket: in order, each completed exactly once.

A socket has four *lanes*: receiving, sending, accepting, and the one for connecting and
disconnecting. A request stands in one lane. The first of a lane is tried; if it cannot be done yet,
it stays at the head, and the provider's service watches the socket's handle and tries again.

Who tries has the request *in hand*, and is the only one: whoever comes meanwhile, the service or a
thread that posts another one, only leaves word (`again`). So requests of a lane complete in the
order in which they were posted. Cancelling takes those that nobody has in hand, and marks the one
that is: who has it finishes it.

    post ──> waiting ──> in hand ──> done: completed
                 ^          │
                 └──────────┘ not yet
"""

from __future__ import annotations

import contextlib
import errno
import threading
from abc import abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from pyprov.core import port
from pyprov.core.failure import translate
from pyprov.core.port import DataplaneError
from pyprov.core.states import State
from pyprov.winsock.codes import WSA_IO_PENDING, WSA_OPERATION_ABORTED, WSAENOTSOCK
from pyprov.winsock.errors import WSAError

if TYPE_CHECKING:
    from pyprov.core.completion import Request
    from pyprov.core.completion_port import CompletionPort
    from pyprov.core.control import Control
    from pyprov.core.socket import Socket

NAME: Final = "overlapped"  # as a party of the service


class Result(NamedTuple):
    """How a request ended: its error or 0, bytes transferred, flags."""

    error: int
    transferred: int = 0
    flags: int = 0


# Of an attempt: the request stands in another lane now, or of another socket.
MOVED: Final = Result(-1)


class Operation:
    """One request.

    Attributes:
        request: who is to be told, and how.
        socket: in whose lane it stands.
        bits: READY_* bits of the socket's handle that are worth another attempt.
        cancelled: the error that it ends with unless it is done already; 0: not cancelled.
        silent: nobody is to be told.
    """

    __slots__ = ("bits", "cancelled", "request", "silent", "socket")

    def __init__(self, socket: Socket, request: Request, bits: int) -> None:
        self.socket = socket
        self.request = request
        self.bits = bits
        self.cancelled = 0
        self.silent = False

    @abstractmethod
    def attempt(self, control: Control) -> Result | None:
        """Do it; None: not yet.

        Raises:
            WSAError: it has failed.
        """

    def abandon(self, control: Control) -> None:
        """It has failed or was cancelled: undo what it has done to sockets."""

    def moved(self, control: Control) -> None:
        """It stands in another lane, where it may be tried now."""

    def done(self, control: Control) -> None:
        """It has ended, whoever is to be told was told, and it stands in no lane any more."""


class Lane:
    """Requests in order; its fields are under `Control.lock`.

    Attributes:
        waiting: those that nobody tries at the moment.
        in_hand: the one that is tried, or whose end is told.
        again: somebody wanted it tried meanwhile.
        tried: held while a request is tried, until it stands in `waiting` again or has ended.
        trier: the thread that holds it.
    """

    __slots__ = ("again", "in_hand", "tried", "trier", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[Operation] = deque()
        self.in_hand: Operation | None = None
        self.again = False
        self.tried = threading.Lock()
        self.trier = 0

    def __bool__(self) -> bool:
        return bool(self.waiting) or self.in_hand is not None


class Lanes:
    """What only a socket with overlapped requests has.

    Attributes:
        receive: its requests to receive.
        send: to send.
        accept: a listener's AcceptEx.
        change: ConnectEx or DisconnectEx.
        watched: READY_* bits for which the service looks at the handle.
        port: the completion port that it is associated with.
        key: and its key there.
        guest: the lane and the request of an AcceptEx that is to make this socket connected.
        hosted: a listener's AcceptEx requests that have a connection and wait for its first data.
        context: made connected by an extension function, and SO_UPDATE_*_CONTEXT is yet to come:
            the listener, or the socket itself after ConnectEx.
        running: threads in a completion routine of this socket, and what is to run after it.
    """

    __slots__ = (
        "accept",
        "change",
        "context",
        "guest",
        "hosted",
        "key",
        "port",
        "receive",
        "running",
        "send",
        "watched",
    )

    def __init__(self) -> None:
        self.receive = Lane()
        self.send = Lane()
        self.accept = Lane()
        self.change = Lane()
        self.watched = 0
        self.port: CompletionPort | None = None
        self.key: object = 0
        self.guest: tuple[Lane, Operation] | None = None
        self.hosted: list[tuple[Lane, Operation]] = []
        self.context: Socket | None = None
        self.running: dict[int, deque[object]] = {}

    @property
    def all(self) -> tuple[Lane, ...]:
        """Its lanes."""
        return self.receive, self.send, self.accept, self.change

    def bits(self) -> int:
        """Return what is worth watching for now."""
        bits = 0
        for lane in self.all:
            if lane.waiting:
                bits |= lane.waiting[0].bits
        return bits


def lanes_of(control: Control, socket: Socket) -> Lanes:
    """Return a socket's lanes, made now if it has none."""
    lanes = socket.lanes
    if lanes is None:
        with control.lock:
            lanes = socket.lanes
            if lanes is None:
                lanes = socket.lanes = Lanes()
    return lanes


def post(control: Control, lane: Lane, operation: Operation) -> Result:
    """Begin a request.

    Returns:
        Its result if it is done already; whoever is to be told was told.

    Raises:
        WSAError: WSA_IO_PENDING if it is not; its error if it has failed already, and nobody is
            told; WSAENOTSOCK.
    """
    try:
        operation.request.begin(control)
        enter(control, lane, operation)
    except WSAError:
        operation.abandon(control)
        operation.done(control)
        raise
    result = drive(control, operation.socket, lane, operation)
    if result is None:
        raise WSAError(WSA_IO_PENDING)
    if result.error:
        raise WSAError(result.error)
    return result


def enter(control: Control, lane: Lane, operation: Operation) -> None:
    """Put a request into a lane.

    Raises:
        WSAError: WSAENOTSOCK if the socket has been closed.
    """
    with control.lock:
        if operation.socket.state is State.CLOSED:
            operation.request.drop()
            raise WSAError(WSAENOTSOCK)
        lane.waiting.append(operation)


def drive(
    control: Control, socket: Socket, lane: Lane, mine: Operation | None = None
) -> Result | None:
    """Try the requests of a lane, first to last, until one cannot be done yet.

    Args:
        control: the provider's state.
        socket: whose lane.
        lane: which.
        mine: a request whose failure is not told but returned.

    Returns:
        The result of `mine`, None if it waits or somebody else has it in hand.
    """
    answer = None
    while True:
        operation = _take_in_hand(control, lane)
        if operation is None:
            return answer
        try:
            result = _attempt(control, operation) or _put_down(control, socket, lane, operation)
        except BaseException:  # Ctrl-C
            with control.lock:
                lane.waiting.appendleft(operation)
                lane.in_hand = None
            raise
        finally:
            lane.trier = 0
            lane.tried.release()
        if result is None:
            if lane.again:
                continue
            return answer
        if operation is mine and result is not MOVED:
            answer = result
        try:
            _finish(control, operation, result, told=operation is not mine or not result.error)
        finally:
            with control.lock:
                lane.in_hand = None
        if result is MOVED:
            operation.moved(control)
        else:
            operation.done(control)


def _take_in_hand(control: Control, lane: Lane) -> Operation | None:
    with control.lock:
        if lane.in_hand is not None:
            lane.again = True
            return None
        if not lane.waiting:
            return None
        lane.again = False
        lane.in_hand = lane.waiting.popleft()
        lane.tried.acquire()  # who has it still, if anybody, is about to give it back
        lane.trier = threading.get_ident()
        return lane.in_hand


def is_clear(control: Control, lane: Lane) -> bool:
    """Wait until another thread that tries a request has put it down; does none wait then?

    While one does, a call that takes no request along would overtake it.
    """
    if lane.trier == threading.get_ident():
        return True
    with lane.tried:
        pass
    with control.lock:
        return not lane.waiting and not lane.tried.locked()


def _attempt(control: Control, operation: Operation) -> Result | None:
    try:
        return operation.attempt(control)
    except WSAError as error:
        code = int(error.code)
    except DataplaneError as error:
        code = int(translate(error).code)
    return Result(operation.cancelled or code)


def _put_down(control: Control, socket: Socket, lane: Lane, operation: Operation) -> Result | None:
    """Let a request wait on, and its handle be watched; a cancelled one ends here."""
    with control.lock:
        lanes = socket.lanes
        if lanes is not None and not operation.cancelled:
            lanes.watched |= operation.bits
    look_out(control, socket)
    with control.lock:
        if operation.cancelled:
            return Result(operation.cancelled)
        lane.waiting.appendleft(operation)
        lane.in_hand = None
        return None


def _finish(control: Control, operation: Operation, result: Result, *, told: bool) -> None:
    if result is MOVED:
        return
    if result.error:
        operation.abandon(control)
    if told:
        operation.request.complete(control, result, silent=operation.silent)
    else:
        operation.request.drop()


def look_out(control: Control, socket: Socket) -> None:
    """Let the service watch for what a socket's requests wait for."""
    lanes = socket.lanes
    handle = socket.handle
    if lanes is None or not handle:
        return
    # A handle that is gone is one that was closed, and whoever closed it cancels the requests.
    with contextlib.suppress(DataplaneError):
        control.service.watch(
            handle, NAME, lambda: lanes.watched, lambda: _hear(control, socket, lanes)
        )


def _hear(control: Control, socket: Socket, lanes: Lanes) -> None:
    """Something has happened to the handle; on the service's thread."""
    if not any(lanes.all):
        # Nobody waits for anything: the next one who does has it watched again.
        with control.lock:
            if not any(lanes.all):
                lanes.watched = 0
        look_out(control, socket)
        return
    for lane in lanes.all:
        if lane:
            drive(control, socket, lane)


def cancel(
    control: Control,
    lane: Lane,
    only: Operation | None = None,
    *,
    error: int = WSA_OPERATION_ABORTED,
    silent: bool = False,
) -> None:
    """End the requests of a lane that are not done yet, or one of them."""
    taken = []
    with control.lock:
        for operation in [*lane.waiting, lane.in_hand]:
            if operation is None or (only is not None and operation is not only):
                continue
            operation.cancelled = error
            operation.silent = silent
            if operation is not lane.in_hand:
                lane.waiting.remove(operation)
                taken.append(operation)
    for operation in taken:
        _finish(control, operation, Result(error), told=True)
        operation.done(control)


def cancel_all(control: Control, socket: Socket, *, silent: bool) -> None:
    """A socket was closed: end all its requests, and those of others that rest on it."""
    lanes = socket.lanes
    if lanes is None:
        return
    for lane in lanes.all:
        cancel(control, lane, silent=silent)
    for lane, operation in [*lanes.hosted, *([lanes.guest] if lanes.guest else [])]:
        cancel(control, lane, operation, silent=silent)


def failure(error: DataplaneError) -> WSAError:
    """Return what a lost handle means to a request: its socket was closed."""
    if error.error == -errno.EBADF:
        return WSAError(WSA_OPERATION_ABORTED)
    return translate(error)


RECEIVABLE: Final = port.READY_READ | port.READY_CLOSE | port.READY_ERROR
SENDABLE: Final = port.READY_WRITE | port.READY_ERROR
