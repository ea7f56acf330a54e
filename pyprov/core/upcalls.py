"""The fifteen upcalls, with defaults that need nobody above the provider.

On Windows the Winsock library gives this table to the provider. Here the provider has its own
functions in it, and a caller may put others in their places.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from pyprov.core import apc
from pyprov.core.events import WSAEVENT
from pyprov.winsock.codes import WSA_INVALID_HANDLE, WSAEFAULT, WSAEINVAL, WSAENOTSOCK
from pyprov.winsock.errors import WSAError
from pyprov.winsock.protocol_info import PROVIDER_ID

if TYPE_CHECKING:
    from uuid import UUID

    from pyprov.core.apc import Apc
    from pyprov.core.descriptors import Descriptors

# ruff: noqa: N803 - the names are ws2spi.h's

BlockingHook: TypeAlias = tuple[Callable[[object], bool], object]


class Window(Protocol):
    """What WPUPostMessage posts to."""

    def post(self, message: int, wParam: int, lParam: int) -> bool:
        """Put a message into the queue; False if it is full or closed."""


class WSPUPCALLTABLE:
    """The table. Every entry can be replaced by assigning another function; errors are raised.

    Attributes:
        own_create: the default WPUCreateSocketHandle: what it would do is done without a call.
        own_close: the same for WPUCloseSocketHandle.
    """

    __slots__ = (
        "WPUCloseEvent",
        "WPUCloseSocketHandle",
        "WPUCloseThread",
        "WPUCreateEvent",
        "WPUCreateSocketHandle",
        "WPUFDIsSet",
        "WPUGetProviderPath",
        "WPUModifyIFSHandle",
        "WPUOpenCurrentThread",
        "WPUQueryBlockingCallback",
        "WPUQuerySocketHandleContext",
        "WPUQueueApc",
        "WPUResetEvent",
        "WPUSetEvent",
        "_post",
        "_posting_changed",
        "_sockets",
        "own_close",
        "own_create",
    )

    def __init__(self) -> None:
        self._sockets: Descriptors | None = None
        self.own_create: Callable[[int, object], int] = self._create_socket_handle
        self.own_close: Callable[[int], None] = self._close_socket_handle
        self.WPUCloseEvent: Callable[[WSAEVENT], None] = _close_event
        self.WPUCloseSocketHandle: Callable[[int], None] = self.own_close
        self.WPUCreateEvent: Callable[[], WSAEVENT] = WSAEVENT
        self.WPUCreateSocketHandle: Callable[[int, object], int] = self.own_create
        self.WPUFDIsSet: Callable[[int, Sequence[int]], bool] = _is_set
        self.WPUGetProviderPath: Callable[[UUID], str] = _provider_path
        self.WPUModifyIFSHandle: Callable[[int, int], int] = _modify_handle
        self._post: Callable[[Window, int, int, int], bool] = _post_message
        self._posting_changed: Callable[[], None] | None = None
        self.WPUQueryBlockingCallback: Callable[[int], BlockingHook | None] = _no_hook
        self.WPUQuerySocketHandleContext: Callable[[int], object] = self._query_context
        self.WPUQueueApc: Callable[[int, Apc, object], None] = apc.queue
        self.WPUResetEvent: Callable[[WSAEVENT], None] = _reset_event
        self.WPUSetEvent: Callable[[WSAEVENT], None] = _set_event
        self.WPUOpenCurrentThread: Callable[[], int] = apc.open_thread
        self.WPUCloseThread: Callable[[int], None] = _close_thread

    def attach(self, sockets: Descriptors, posting_changed: Callable[[], None]) -> None:
        """Let the defaults work on a provider's descriptor table.

        Args:
            sockets: the table.
            posting_changed: called when WPUPostMessage is replaced.
        """
        self._sockets = sockets
        self._posting_changed = posting_changed

    @property
    def WPUPostMessage(self) -> Callable[[Window, int, int, int], bool]:  # noqa: N802
        """Puts a message into a queue."""
        return self._post

    @WPUPostMessage.setter
    def WPUPostMessage(self, function: Callable[[Window, int, int, int], bool]) -> None:  # noqa: N802
        self._post = function
        if self._posting_changed is not None:
            self._posting_changed()

    @property
    def posts_itself(self) -> bool:
        """Whether messages go to the queues of this package."""
        return self._post is _post_message

    def blocking_hook(self, catalog_id: int) -> BlockingHook | None:
        """Return what runs while a call waits, None for a native wait."""
        query = self.WPUQueryBlockingCallback
        return None if query is _no_hook else query(catalog_id)

    def _create_socket_handle(self, catalog_id: int, context: object) -> int:
        del catalog_id, context
        if self._sockets is None:
            raise WSAError(WSAEINVAL, "no provider uses this table")
        return self._sockets.next_value()

    def _close_socket_handle(self, s: int) -> None:
        """Free a handle: the provider has taken it out of its table itself."""

    def _query_context(self, s: int) -> object:
        try:
            socket = None if self._sockets is None else self._sockets.find(s)
        except (TypeError, ValueError):  # it cannot be hashed
            socket = None
        if socket is None:
            raise WSAError(WSAENOTSOCK)
        return socket


def _close_event(event: WSAEVENT) -> None:
    _event(event).close()


def _set_event(event: WSAEVENT) -> None:
    _event(event).set()


def _reset_event(event: WSAEVENT) -> None:
    _event(event).reset()


def _event(event: object) -> WSAEVENT:
    if not isinstance(event, WSAEVENT) or event.closed:
        raise WSAError(WSA_INVALID_HANDLE, f"{event!r} is no event object")
    return event


def _is_set(s: int, fds: Sequence[int]) -> bool:
    try:
        return s in fds
    except TypeError as error:
        raise WSAError(WSAEFAULT, str(error)) from error


def _provider_path(provider_id: UUID) -> str:
    if provider_id != PROVIDER_ID:
        raise WSAError(WSAEINVAL, f"no provider has the id {provider_id}")
    return str(Path(__file__).parent.parent)


def _modify_handle(catalog_id: int, handle: int) -> int:
    """Return the handle as it is: this provider has none of the file system's."""
    del catalog_id
    return handle


def _post_message(window: Window, message: int, wParam: int, lParam: int) -> bool:
    """Post to a message queue; False also for what is none, as a window that has gone."""
    post = getattr(window, "post", None)
    return callable(post) and bool(post(message, wParam, lParam))


def _no_hook(catalog_id: int) -> BlockingHook | None:
    del catalog_id
    return None


def _close_thread(thread_id: int) -> None:
    """Nothing to close: a thread id holds nothing open."""
    del thread_id
