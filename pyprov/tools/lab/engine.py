"""A step-mode engine whose waits take virtual time."""

from __future__ import annotations

import errno
import select
from typing import TYPE_CHECKING

from pyprov.core.port import DataplaneError
from pyprov.runtime.dataplane import StepDataplane, until_stop

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pyprov._dataplane import Config
    from pyprov.tools.lab.schedule import Scheduler


class LabDataplane(StepDataplane):
    """core.port.Dataplane in a lab: what blocks lets the lab's other threads run, or time pass."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.scheduler: Scheduler  # set by the lab, which makes it after its engines

    def sleep(self, waiter: int, timeout_ns: int | None) -> bool:
        """Sleep on a waiter in virtual time."""
        rung = False

        def ready() -> bool:
            nonlocal rung
            rung = rung or not self.home.alive or self.is_rung(waiter)
            return rung

        self._wait(ready, timeout_ns)
        return rung

    def wait_fds(self, fds: Sequence[int], timeout_ns: int | None = None) -> list[int]:
        """See core.port.Dataplane."""
        poll = select.poll()
        for fd in fds:
            poll.register(fd, select.POLLIN)
        self._wait(lambda: not self.home.alive or bool(poll.poll(0)), timeout_ns)
        ready = {fd for fd, _ in poll.poll(0)}
        return [fd for fd in fds if fd in ready]

    def start_service(self, function: Callable[[], None], name: str) -> None:
        """See core.port.Dataplane."""
        self.scheduler.start_service(until_stop(function), name)

    def _wait(self, ready: Callable[[], bool], timeout_ns: int | None) -> None:
        deadline = None if timeout_ns is None else self.now() + timeout_ns
        self.scheduler.wait(ready, deadline)
        if not self.home.alive:
            raise DataplaneError(-errno.ESHUTDOWN, "wait")
