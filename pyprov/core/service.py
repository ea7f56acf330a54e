"""The provider's own thread: what has to happen although no caller waits for it.

One thread for each provider, made when it is first needed, asleep on its waiter otherwise. Who
wants to hear of a handle's readiness names the READY_* bits and a function, which is then called on
that thread whenever one of them comes true, and once if one is true already. Several may be
interested in one handle, each under a name of his own.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from pyprov.core.port import DataplaneError

if TYPE_CHECKING:
    from pyprov.core.port import Dataplane, Waiter

Reaction: TypeAlias = Callable[[], None]

_NOBODY: Final = 0


class _Interest(NamedTuple):
    """What one party wants to hear of a handle."""

    mask: int
    react: Reaction


class ServiceThread:
    """A background thread of the provider, that can be ended."""

    def __init__(
        self, dataplane: Dataplane, waiter: Waiter, turn: Callable[[], int | None], name: str
    ) -> None:
        """Start it.

        Args:
            dataplane: the engine, with which it ends too.
            waiter: on which it sleeps; closed when the thread ends.
            turn: called first, and whenever the waiter wakes it. Returns how many nanoseconds to
                sleep at most, None for no limit.
            name: the thread's.
        """
        self._dataplane = dataplane
        self._waiter = waiter
        self._turn = turn
        self._lock = threading.Lock()
        self._thread_id = _NOBODY
        self._ending = False
        self._left = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        dataplane.start_service(self._serve, name)

    @property
    def running(self) -> bool:
        """Whether it is there."""
        return self._thread_id != _NOBODY

    def end(self) -> None:
        """End it, and return when it has ended; not in the thread itself."""
        with self._lock:
            self._ending = True
            running = self._thread_id
        if running in {_NOBODY, threading.get_ident()}:
            return
        with contextlib.suppress(DataplaneError):  # its engine stops, and with it the thread
            self._waiter.ring()
            self._dataplane.wait_fds([self._left])

    def _serve(self) -> None:
        with self._lock:
            if not self._ending:
                self._thread_id = threading.get_ident()
        try:
            while not self._ending:
                self._waiter.wait(self._turn())
        finally:
            self._thread_id = _NOBODY
            os.eventfd_write(self._left, 1)
            with contextlib.suppress(DataplaneError):
                self._waiter.close()

    def __del__(self) -> None:
        if getattr(self, "_left", -1) >= 0:
            os.close(self._left)


class Service:
    """See the module; safe from any thread.

    Attributes:
        over: readable once the provider was cleaned up: nothing will happen any more.
    """

    __slots__ = (
        "_always",
        "_dataplane",
        "_interests",
        "_lock",
        "_thread",
        "_waiter",
        "over",
    )

    def __init__(self, dataplane: Dataplane) -> None:
        self._dataplane = dataplane
        self._lock = threading.Lock()
        self._interests: dict[int, dict[str, _Interest]] = {}
        self._always: Reaction | None = None
        self._waiter: Waiter | None = None
        self._thread: ServiceThread | None = None
        self.over = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def watch(self, handle: int, name: str, wanted: Callable[[], int], react: Reaction) -> None:
        """Let a party hear of a handle.

        Args:
            handle: the dataplane's.
            name: of the party; what it wanted before is replaced.
            wanted: says which READY_* bits, 0 for none. It is asked in here, so that of two calls
                at the same time the later one has the last word.
            react: called on the service's thread.

        Raises:
            DataplaneError: the handle is gone, or the engine stops.
        """
        with self._lock:
            parties = self._interests.get(handle, {})
            known = parties.get(name)
            mask = wanted()
            if mask == (known.mask if known is not None else 0):
                return
            before = _union(parties)
            parties = {**parties, name: _Interest(mask, react)}
            if not mask:
                del parties[name]
            if parties:
                self._interests[handle] = parties
            else:
                self._interests.pop(handle, None)
            try:
                self._apply(handle, before, _union(parties))
            except DataplaneError:
                self._interests.pop(handle, None)
                raise

    def watch_addresses(self, react: Reaction) -> None:
        """Call a function whenever the thread has woken, as it does when the addresses change."""
        with self._lock:
            self._always = react
            if self._waiter is None:
                self._start()
            if self._waiter is not None:
                self._waiter.watch_addresses()

    def _apply(self, handle: int, before: int, mask: int) -> None:
        """Tell the waiter; more bits than before, or others, also when they were known already."""
        if self._waiter is None:
            self._start()
        if self._waiter is not None and (mask or before):
            self._waiter.watch(handle, mask)

    def _start(self) -> None:
        self._waiter = self._dataplane.open_waiter()
        self._thread = ServiceThread(self._dataplane, self._waiter, self._turn, "pyprov service")

    def forget(self, handle: int) -> None:
        """A handle is gone, and its watch with it."""
        if self._interests:
            with self._lock:
                self._interests.pop(handle, None)

    def end(self) -> None:
        """End the thread, and return when it has ended; watches are of no avail from then on."""
        os.eventfd_write(self.over, 1)
        thread = self._thread
        if thread is not None:
            thread.end()

    @property
    def running(self) -> bool:
        """Whether the thread is there."""
        return self._thread is not None and self._thread.running

    def _turn(self) -> None:
        waiter = self._waiter
        if self._always is not None:
            _call(self._always)
        while waiter is not None and (changed := waiter.take()):
            for ready in changed:
                self._react(ready.handle)

    def _react(self, handle: int) -> None:
        for interest in list(self._interests.get(handle, {}).values()):
            _call(interest.react)

    def __del__(self) -> None:
        if getattr(self, "over", -1) >= 0:
            os.close(self.over)


def _call(react: Reaction) -> None:
    try:
        react()
    except Exception:  # noqa: BLE001 - a replaced upcall's: told, and the thread goes on
        kind, value, trace = sys.exc_info()
        if kind is not None:
            hook = threading.ExceptHookArgs((kind, value, trace, threading.current_thread()))
            threading.excepthook(hook)


def _union(parties: dict[str, _Interest]) -> int:
    mask = 0
    for interest in parties.values():
        mask |= interest.mask
    return mask
