"""Changes of the engine's addresses and routes: who wants to hear of one.

An engine's addresses and routes are those of its configuration. An IPv6 address comes into use when
nobody has answered a probe for it, and never does when somebody has; which source leads where
changes with it. Whoever changes more of a running engine tells the provider (`Changes.happened`, by
the provider's `addresses_changed` and `routes_changed`).

A link that goes down or comes up is no such change: the addresses of a port are its configuration's
and stay, as do its routes, since there is no other port that would take them over. Connections
outlive a cable that is pulled for a while; what is sent meanwhile is sent again.

Nothing is told before it was asked for with SIO_ADDRESS_LIST_CHANGE or
SIO_ROUTING_INTERFACE_CHANGE, and once for each asking: an overlapped request ends, a blocking call
returns, and on a non-blocking socket the FD_* event happens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyprov.core.blocking import BlockedCall, enter, leave, pause, ring
from pyprov.core.failure import translate
from pyprov.core.lanes import Result
from pyprov.core.notification import raise_event
from pyprov.core.port import DataplaneError
from pyprov.core.states import State
from pyprov.winsock.codes import (
    WSA_IO_PENDING,
    WSA_OPERATION_ABORTED,
    WSAEINTR,
    WSAENOTSOCK,
    WSAEWOULDBLOCK,
)
from pyprov.winsock.errors import WSAError
from pyprov.winsock.flags import FD_ADDRESS_LIST_CHANGE, FD_ROUTING_INTERFACE_CHANGE

if TYPE_CHECKING:
    from pyprov.core.completion import Request
    from pyprov.core.control import Control
    from pyprov.core.ioctl import IoctlCall
    from pyprov.core.socket import Socket


class Changes:
    """Those of one provider; its fields are under `Control.lock`.

    Attributes:
        asked: somebody has asked, and may have to be forgotten.
    """

    __slots__ = ("_armed", "_blocked", "_requests", "_seen", "asked")

    def __init__(self) -> None:
        self.asked = False
        self._seen: int | None = None  # changes of the engine's addresses
        self._armed: dict[int, list[Socket]] = {}
        self._blocked: dict[int, list[BlockedCall]] = {}
        self._requests: dict[int, list[tuple[Socket, Request]]] = {}

    def ask(self, call: IoctlCall, bit: int) -> None:
        """Tell a socket of the next change.

        Args:
            call: the ioctl.
            bit: the FD_* bit of the change.

        Raises:
            WSAError: WSA_IO_PENDING if the call is overlapped, WSAEWOULDBLOCK if the socket is
                non-blocking, WSAEINTR.
        """
        control, socket, request = call.control, call.socket, call.request
        self.asked = True
        try:
            self._look(control)
        except DataplaneError as error:
            raise translate(error) from error
        if request is not None:
            with control.lock:
                if socket.state is State.CLOSED:
                    raise WSAError(WSAENOTSOCK)
                self._requests.setdefault(bit, []).append((socket, request))
            raise WSAError(WSA_IO_PENDING)
        if not socket.blocking:
            with control.lock:
                if socket not in (armed := self._armed.setdefault(bit, [])):
                    armed.append(socket)
            raise WSAError(WSAEWOULDBLOCK, "a change is reported when it happens")
        self._wait(control, socket, bit)

    def _look(self, control: Control) -> None:
        """Tell of what the engine has changed; what was before the first look is nobody's."""
        changes = control.dataplane.address_changes()
        with control.lock:
            seen, self._seen = self._seen, changes
        if seen is None:
            control.service.watch_addresses(lambda: self._look(control))
            self._look(control)  # from here on none is missed
        elif seen != changes:
            self.happened(control, FD_ADDRESS_LIST_CHANGE)
            self.happened(control, FD_ROUTING_INTERFACE_CHANGE)

    def _wait(self, control: Control, socket: Socket, bit: int) -> None:
        call = enter(control, (socket,))
        waiting = self._blocked.setdefault(bit, [])
        try:
            with control.lock:
                waiting.append(call)
            while call in waiting and not call.cancelled and socket.state is not State.CLOSED:
                pause(control, socket.profile.catalog_id, call, None)
        except DataplaneError as error:
            raise translate(error) from error
        finally:
            with control.lock:
                happened = call not in waiting
                if not happened:
                    waiting.remove(call)
            leave(control, (socket,), call)
        if not happened:
            raise WSAError(WSAEINTR)

    def happened(self, control: Control, bit: int) -> None:
        """Something has changed: all who asked are told."""
        with control.lock:
            armed = self._armed.pop(bit, [])
            requests = self._requests.pop(bit, [])
            blocked = list(self._blocked.get(bit, []))
            self._blocked.get(bit, []).clear()
        for call in blocked:
            ring(call)
        for _, request in requests:
            request.complete(control, Result(0))
        for socket in armed:
            raise_event(control, socket, bit)

    def drop(self, control: Control, socket: Socket, *, silent: bool) -> None:
        """A socket is given up: what it asked for ends."""
        with control.lock:
            for armed in self._armed.values():
                if socket in armed:
                    armed.remove(socket)
            ended = [
                entry for some in self._requests.values() for entry in some if entry[0] is socket
            ]
            for some in self._requests.values():
                some[:] = [entry for entry in some if entry[0] is not socket]
        for _, request in ended:
            request.complete(control, Result(WSA_OPERATION_ABORTED), silent=silent)
