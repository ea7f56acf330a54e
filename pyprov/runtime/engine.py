"""Engines of this process: how they start, and that none ends without its flush.

A live engine is stopped by `stop`, at the interpreter's exit, or when SIGTERM comes and the
application handles it not itself; each time its connections get `provider.shutdown_flush` seconds,
then what is left is reset. A forked child finds every engine disabled: memory, threads and devices
are its parent's.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import threading
import time
from typing import TYPE_CHECKING

from pyprov.core.port import Dataplane, DataplaneError
from pyprov.runtime import convert, dataplane, eal
from pyprov.runtime.dataplane import EngineDataplane
from pyprov.runtime.failure import StartError
from pyprov.runtime.wire import Joints

if TYPE_CHECKING:
    from types import FrameType

    from pyprov.runtime.config import Config

__all__ = ["StartError", "start", "start_eal", "stop"]

_SECOND = 1_000_000_000


class _Process:
    """What is one a process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.running: dict[EngineDataplane, float] = {}  # and the seconds each may flush
        self.joints = Joints()
        self.eal_started = False
        self.forked = False


_process = _Process()


def start(config: Config) -> Dataplane:
    """Start a live engine, and EAL if it does not run yet.

    Raises:
        StartError: one line with the cause and the cure.
    """
    try:
        huge = eal.huge_pages(config)
    except ValueError as error:
        raise StartError(str(error)) from None
    with _process.lock:
        start_eal(eal.arguments(config, huge=huge))
        record = dataplane.new_config()
        convert.fill(record, config, huge=huge)
        engine = EngineDataplane(record)
        try:
            _process.joints.start(engine, config)
        except StartError:
            _end(engine, 0)
            raise
        if not _process.running:
            _watch_exit()
        _process.running[engine] = config.provider.shutdown_flush
    return engine


def stop(engine: Dataplane) -> None:
    """Flush and end an engine that `start` has made; one that has ended already stays so."""
    with _process.lock:
        flush = _process.running.pop(engine, None)  # type: ignore[call-overload] # found or not
        if not _process.running:
            _unwatch_exit()
    if flush is not None:
        _end(engine, flush)  # type: ignore[arg-type] # found


def start_eal(arguments: list[str], *, any_will_do: bool = False) -> None:
    """Start EAL unless it runs with the same arguments, or with any if that is enough.

    Raises:
        StartError: it can't, or runs with other arguments.
    """
    if _process.forked:
        raise StartError(
            "this process was forked from one that runs the provider; start it with "
            'subprocess or multiprocessing\'s "spawn"'
        )
    if any_will_do and _process.eal_started:
        return
    dataplane.start_eal(arguments)
    _process.eal_started = True


def _stop_all() -> None:
    """Stop what runs, all of it within the longest of the deadlines."""
    begin = time.monotonic()
    while _process.running:
        engine, flush = _process.running.popitem()
        left = max(flush - (time.monotonic() - begin), 0)
        with contextlib.suppress(DataplaneError):
            _end(engine, left)


def _end(engine: EngineDataplane, flush: float) -> None:
    """Flush while its wires still carry frames, then unplug them."""
    engine.stop(round(flush * _SECOND))
    _process.joints.stop(engine)


def _watch_exit() -> None:
    atexit.register(_stop_all)
    if _in_main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _on_sigterm)


def _unwatch_exit() -> None:
    atexit.unregister(_stop_all)
    if _in_main_thread() and signal.getsignal(signal.SIGTERM) is _on_sigterm:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _on_sigterm(number: int, _frame: FrameType | None) -> None:
    """Flush, then die of the signal as if nobody had handled it."""
    _stop_all()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _after_fork_in_child() -> None:
    if not _process.eal_started:
        return  # nothing is shared yet: the child may start its own
    dataplane.after_fork_in_child()
    _process.forked = True
    _process.lock = threading.Lock()
    _process.joints = Joints()
    _process.running.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)
