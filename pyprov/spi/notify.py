"""WSPEventSelect, WSPEnumNetworkEvents, WSPAsyncSelect, WSPSelect, and event objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyprov.core import notification, select, waiting
from pyprov.core.events import WSAEVENT
from pyprov.spi.base import Calls
from pyprov.winsock.codes import WSA_INVALID_HANDLE
from pyprov.winsock.errors import WSAError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyprov.winsock.structs import WSANETWORKEVENTS


class NotifyCalls(Calls):
    """Network events and waiting for them."""

    def WSPEventSelect(self, s: int, event: WSAEVENT | None, network_events: int) -> None:
        """Let an event object be set by network events of a socket, which becomes non-blocking.

        Replaces what was registered before. With no events it ends the registration.

        Raises:
            WSAError: WSAENOTSOCK, WSAEINVAL for unknown events, or events without an object.
        """
        control, socket = self._find(s)
        notification.event_select(control, socket, event, network_events)

    def WSPEnumNetworkEvents(self, s: int, event: WSAEVENT | None = None) -> WSANETWORKEVENTS:
        """Return what has happened since the last time, and reset an event object.

        Raises:
            WSAError: WSAENOTSOCK, WSAEINVAL if `event` is no event object.
        """
        control, socket = self._find(s)
        return notification.enum_events(control, socket, event)

    def WSPAsyncSelect(self, s: int, hWnd: object, message: int, events: int) -> None:
        """Let network events of a socket, which becomes non-blocking, be posted as messages.

        One message for each event: wParam is the SOCKET, lParam the event and its error code
        (WSAGETSELECTEVENT, WSAGETSELECTERROR). Replaces what was registered before. With no events
        it ends the registration.

        Args:
            s: the socket.
            hWnd: a MessageQueue; anything that a replaced WPUPostMessage understands.
            message: the message's number.
            events: FD_* bits.

        Raises:
            WSAError: WSAENOTSOCK, WSAEINVAL for unknown events, or events without a queue.
        """
        control, socket = self._find(s)
        notification.async_select(control, s, socket, (hWnd, message), events)

    def WSPSelect(
        self,
        readfds: Sequence[int] | None,
        writefds: Sequence[int] | None,
        exceptfds: Sequence[int] | None,
        timeout: float | None = None,
    ) -> tuple[list[int], list[int], list[int]]:
        """Wait until sockets can be read or written, or something exceptional has happened.

        Args:
            readfds: to be told of data, of the peer's close, of requests on a listener; of urgent
                data where it is in the stream.
            writefds: to be told that a connect has succeeded, and of room to send.
            exceptfds: to be told that a connect has failed, and of urgent data.
            timeout: seconds; None waits for ever, 0 only looks.

        Returns:
            Those of the sockets of which it is true, in the order given and each once; three empty
            lists when time is up.

        Raises:
            WSAError: WSAEINVAL without any socket or for a bad timeout, WSAENOTSOCK if one of them
                is none, WSAEFAULT for what is no sequence, WSAEINTR.
        """
        return select.select(self._control(), (readfds, writefds, exceptfds), timeout)

    def WSACreateEvent(self) -> WSAEVENT:
        """Make an event object that waits in this engine's time."""
        control = self._started
        return WSAEVENT(control.dataplane if control is not None else None)

    def WSASetEvent(self, event: WSAEVENT) -> None:
        """Set an event; WSA_INVALID_HANDLE if it is none."""
        _event(event).set()

    def WSAResetEvent(self, event: WSAEVENT) -> None:
        """Reset an event; WSA_INVALID_HANDLE if it is none."""
        _event(event).reset()

    def WSACloseEvent(self, event: WSAEVENT) -> None:
        """Close an event; WSA_INVALID_HANDLE if it is none."""
        _event(event).close()

    def WSAWaitForMultipleEvents(
        self,
        events: Sequence[WSAEVENT],
        wait_all: bool = False,
        timeout: float | None = None,
        alertable: bool = False,
    ) -> int:
        """Wait until one event, or each of them, is set.

        Args:
            events: 1 to WSA_MAXIMUM_WAIT_EVENTS event objects.
            wait_all: wait until all are set at the same time.
            timeout: seconds; None waits for ever.
            alertable: completion routines of this thread run meanwhile, and end the wait.

        Returns:
            WSA_WAIT_EVENT_0 plus the index of the first that is set, WSA_WAIT_TIMEOUT, or
            WSA_WAIT_IO_COMPLETION.

        Raises:
            WSAError: WSA_INVALID_HANDLE, WSA_INVALID_PARAMETER, WSANOTINITIALISED.
        """
        return waiting.wait_for_events(
            self._control(), events, timeout, wait_all=wait_all, alertable=alertable
        )

    def SleepEx(self, seconds: float | None, alertable: bool = False) -> int:
        """Wait for time, and in an alertable wait for completion routines of this thread.

        Args:
            seconds: how long; None: until completion routines have run.
            alertable: completion routines run meanwhile, and end the wait.

        Returns:
            0 when time is up, WSA_WAIT_IO_COMPLETION after completion routines have run.

        Raises:
            WSAError: WSAEINVAL for what is no time, WSANOTINITIALISED, WSAEINTR.
        """
        return waiting.sleep(self._control(), seconds, alertable=alertable)


def _event(event: object) -> WSAEVENT:
    if not isinstance(event, WSAEVENT) or event.closed:
        raise WSAError(WSA_INVALID_HANDLE, f"{event!r} is no event object")
    return event
