"""One provider's state on one engine: what all of core works on."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from pyprov.core.admission import Ledger
from pyprov.core.binding import Bindings
from pyprov.core.changes import Changes
from pyprov.core.descriptors import Descriptors, Tickets
from pyprov.core.failure import translate
from pyprov.core.groups import Groups
from pyprov.core.port import DataplaneError
from pyprov.core.service import Service
from pyprov.core.states import Call, State, check
from pyprov.winsock.codes import WSAEINPROGRESS, WSAENOTSOCK
from pyprov.winsock.errors import WSAError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyprov.core.blocking import BlockedCall
    from pyprov.core.limits import Limits
    from pyprov.core.messages import Pump
    from pyprov.core.port import Dataplane, Status, Waiter
    from pyprov.core.socket import Socket
    from pyprov.core.upcalls import WSPUPCALLTABLE


class Control:
    """See the module.

    Attributes:
        dataplane: the engine.
        limits: its bounds.
        upcalls: those of the most recent WSPStartup.
        lock: for changes of state; never held while the dataplane or an upcall is called.
        sockets: the descriptor table.
        bindings: the table of bound ports; under `lock`.
        groups: the socket groups; under `lock`.
        ledger: what is reserved of the ports.
        tickets: sockets that wait to be duplicated; under `lock`.
        changes: who is to hear of other addresses and routes.
        calls: which threads wait, and in what; under `lock`.
        pump: what posts messages by a WPUPostMessage that was replaced; None before it is needed.
        service: the provider's own thread.
    """

    __slots__ = (
        "bindings",
        "calls",
        "changes",
        "dataplane",
        "groups",
        "ledger",
        "limits",
        "lock",
        "pump",
        "service",
        "sockets",
        "tickets",
        "upcalls",
    )

    def __init__(self, dataplane: Dataplane, limits: Limits, upcalls: WSPUPCALLTABLE) -> None:
        self.dataplane = dataplane
        self.limits = limits
        self.upcalls = upcalls
        self.lock = threading.Lock()
        self.sockets = Descriptors(limits.max_sockets)
        self.bindings = Bindings()
        self.groups = Groups()
        self.ledger = Ledger(limits.qos.capacities())
        self.tickets = Tickets()
        self.changes = Changes()
        self.calls: dict[int, BlockedCall] = {}
        self.pump: Pump | None = None
        self.service = Service(dataplane)

    def new_value(self, socket: Socket) -> int:
        """Give a new socket its SOCKET.

        Raises:
            WSAError: WSAEMFILE, or what a replaced upcall raised.
        """
        upcalls = self.upcalls
        if upcalls.WPUCreateSocketHandle is upcalls.own_create:
            return self.sockets.add(socket)
        return self.sockets.add(
            socket, upcalls.WPUCreateSocketHandle(socket.profile.catalog_id, socket)
        )

    def thread_waiter(self) -> Waiter:
        """Return the calling thread's own waiter."""
        try:
            return self.dataplane.thread_waiter()
        except DataplaneError as error:
            raise translate(error) from error

    @contextlib.contextmanager
    def claim(self, socket: Socket, call: Call) -> Iterator[State]:
        """Keep other threads from changing a socket's state while the dataplane is called.

        The state is checked on entry; whoever claims sets the new one with `settle`.

        Raises:
            WSAError: what the table of states says, WSAEINPROGRESS if another thread has claimed
                the socket.
        """
        with self.lock:
            check(call, socket.state)
            if socket.claimed:
                raise WSAError(WSAEINPROGRESS, "another thread changes this socket")
            socket.claimed = True
            before = socket.state
        try:
            yield before
        finally:
            socket.claimed = False

    def settle(self, socket: Socket, state: State) -> bool:
        """Set the state of a claimed socket; False if it was closed meanwhile."""
        with self.lock:
            if socket.state is State.CLOSED:
                return False
            socket.state = state
            return True

    def status(self, socket: Socket) -> Status:
        """Return the status record of a socket that has a handle.

        Raises:
            WSAError: WSAENOTSOCK if the handle has just gone.
        """
        status = socket.status
        if status is None:
            try:
                status = socket.status = self.dataplane.status(socket.handle)
            except DataplaneError as error:
                raise WSAError(WSAENOTSOCK) from error
        return status
