"""core.port.Waiter on a waiter of an engine."""

from __future__ import annotations

import contextlib
import errno
import struct
from typing import TYPE_CHECKING, Final

from pyprov._dataplane import ffi, lib
from pyprov.core.port import DataplaneError, Ready
from pyprov.runtime.failure import check

if TYPE_CHECKING:
    from pyprov.runtime.dataplane import EngineDataplane

_READY: Final = struct.Struct("<QQI4x")


class Waiter:
    """core.port.Waiter on a waiter of the engine."""

    __slots__ = ("_dataplane", "_number", "_scratch")

    _SCRATCH = 256

    def __init__(self, dataplane: EngineDataplane, number: int) -> None:
        self._dataplane = dataplane
        self._number = number
        self._scratch = ffi.new("struct pv_ready[]", self._SCRATCH)

    def watch(self, handle: int, mask: int, *, once: bool = False, cookie: int = 0) -> None:
        """See core.port.Waiter."""
        flags = lib.PV_WATCH_ONCE if once else 0
        result = lib.pv_watch(self._dataplane.engine, self._number, handle, mask, flags, cookie)
        check(result, "watch")

    def watch_since(self, handle: int, mask: int, seen: int) -> None:
        """See core.port.Waiter."""
        engine = self._dataplane.engine
        result = lib.pv_watch(engine, self._number, handle, mask, lib.PV_WATCH_SINCE, seen)
        check(result, "watch")

    def watch_addresses(self) -> None:
        """See core.port.Waiter."""
        self._dataplane.unused(self._number)

    def take(self, n: int = 256) -> list[Ready]:
        """See core.port.Waiter."""
        n = min(n, self._SCRATCH)
        count = lib.pv_waiter_take(self._dataplane.engine, self._number, self._scratch, n)
        check(count, "take")
        memory = ffi.buffer(self._scratch, count * _READY.size)
        return [Ready(*row) for row in _READY.iter_unpack(memory)]

    def wait(self, timeout_ns: int | None = None) -> bool:
        """See core.port.Waiter."""
        return self._dataplane.sleep(self._number, timeout_ns)

    def wait_for(self, handle: int, mask: int, timeout_ns: int | None = None) -> int:
        """See core.port.Waiter."""
        status, generation = self._dataplane.status(handle), handle & 0xFFFFFFFF
        # One sleep only: who sleeps again forgets that he was rung while another took what was
        # reported.
        if (
            status.generation == generation
            and not status.ready & mask
            and (timeout_ns is None or timeout_ns > 0)
        ):
            self._wait_once(handle, mask, timeout_ns)
        return status.ready & mask if status.generation == generation else 0

    def _wait_once(self, handle: int, mask: int, timeout_ns: int | None) -> None:
        """Sleep until the handle is reported, or something else happens."""
        try:
            self.watch(handle, mask, once=True)
        except DataplaneError as error:
            if error.error == -errno.EBADF:
                return
            raise
        reported = False
        try:
            self.wait(timeout_ns)
        finally:
            reported = any(ready.handle == handle for ready in self.take())
            if not reported:
                with contextlib.suppress(DataplaneError):
                    self.watch(handle, 0)
                self.take()

    def ring(self) -> None:
        """See core.port.Waiter."""
        check(lib.pv_waiter_ring(self._dataplane.engine, self._number), "ring")

    def fileno(self) -> int:
        """See core.port.Waiter."""
        return check(lib.pv_waiter_fd(self._dataplane.engine, self._number), "fileno")

    def close(self) -> None:
        """See core.port.Waiter."""
        number, self._number = self._number, -1
        if number >= 0:
            self._dataplane.close_waiter(number)

    def __del__(self) -> None:
        if getattr(self, "_number", -1) >= 0:  # a signal may have come before it was there
            with contextlib.suppress(DataplaneError):
                self.close()
