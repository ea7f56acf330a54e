"""Views of the status records that the workers write in shared memory."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyprov._dataplane import Status as StatusRecord


class Home:
    """Is the engine still there?"""

    __slots__ = ("alive",)

    def __init__(self) -> None:
        self.alive = True


class _Field:
    """One member of a status view."""

    __slots__ = ("_get",)

    def __init__(self, name: str) -> None:
        self._get: Callable[[StatusRecord], int] = attrgetter(name)

    def __get__(self, view: StatusView, owner: type[StatusView]) -> int:
        # Between these two lines no other thread can run, so the engine can't go away.
        return self._get(view.record) if view.home.alive else 0


class StatusView:
    """core.port.Status on a record in shared memory."""

    __slots__ = ("home", "record")

    def __init__(self, record: StatusRecord, home: Home) -> None:
        self.record = record
        self.home = home

    generation = _Field("generation")
    ready = _Field("ready")
    reads = _Field("reads")
    writes = _Field("writes")
    oobs = _Field("oobs")
    accepts = _Field("accepts")
    closes = _Field("closes")
    qos = _Field("qos")
    error = _Field("error")
    state = _Field("state")
    queued = _Field("queued")
    rx_total = _Field("rx_total")
    tx_acked = _Field("tx_acked")
