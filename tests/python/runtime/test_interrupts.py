"""Signals on the way into a sleep: handled before it, or announced by the descriptor."""

import select
import signal
import threading

import pytest

from pyprov.runtime.interrupts import Interrupts
from tests.python.live import PATIENCE


@pytest.fixture
def another_thread():
    """One that SIGALRM interrupts, while the main thread, which runs the handlers, blocks it."""
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    yield
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    done.set()
    thread.join()


@pytest.mark.usefixtures("another_thread")
def test_a_signal_that_comes_as_the_watch_begins_is_handled_or_announced():
    came = []
    before = signal.signal(signal.SIGALRM, lambda *_: came.append(True))
    try:
        for trial in range(10_000):
            came.clear()
            signal.setitimer(signal.ITIMER_REAL, (1 + trial % 40) / 2e6)
            with Interrupts() as signals:
                assert came or select.select([signals.fd], [], [], PATIENCE)[0]
                signals.take()
    finally:
        signal.signal(signal.SIGALRM, before)
