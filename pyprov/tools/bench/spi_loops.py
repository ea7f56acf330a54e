"""What both sides of `pyprov bench spi` have in common: a call again and again, and its times."""

import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Self, cast

_WARM_UP = 0.2  # seconds


@dataclass(frozen=True, slots=True)
class Times:
    """Of one call made again and again.

    Attributes:
        count: how often.
        per_s: how often a second.
        cpu_us: CPU time of the calling thread for each, in the kernel included.
        p50_us: median of its duration.
        p99_us: what one in a hundred exceeds.
    """

    count: int
    per_s: float
    cpu_us: float
    p50_us: float
    p99_us: float

    @classmethod
    def of(cls, durations: Sequence[int], seconds: float, cpu: float) -> Self:
        """From durations in nanoseconds, the time they took together, and the CPU time."""
        ordered = sorted(durations)
        return cls(
            count=len(ordered),
            per_s=round(len(ordered) / seconds, 1),
            cpu_us=round(cpu / len(ordered) * 1e6, 3),
            p50_us=round(statistics.median(ordered) / 1e3, 2),
            p99_us=round(ordered[len(ordered) * 99 // 100] / 1e3, 2),
        )

    def document(self) -> dict[str, float]:
        """Return it for JSON."""
        return asdict(self)


def warm(one: Callable[[], object], seconds: float) -> None:
    """Call it for a while, without a look at the time it takes."""
    end = time.perf_counter() + min(_WARM_UP, seconds)
    while time.perf_counter() < end:
        one()


def timed(one: Callable[[], object], seconds: float) -> Times:
    """Call it for so long, and see how long each call takes."""
    clock = time.perf_counter_ns
    durations: list[int] = []
    cpu = time.thread_time()
    begin = now = clock()
    end = begin + round(seconds * 1e9)
    while now < end:
        one()
        then, now = now, clock()
        durations.append(now - then)
    return Times.of(durations, (now - begin) / 1e9, time.thread_time() - cpu)


def spans(one: Callable[[], int], seconds: float) -> Times:
    """Call it for so long; it says by itself which of its nanoseconds count."""
    durations: list[int] = []
    cpu, begin = time.thread_time(), time.perf_counter()
    while (took := time.perf_counter() - begin) < seconds:
        durations.append(one())
    return Times.of(durations, took, time.thread_time() - cpu)


@contextmanager
def beside(wanted: bool) -> Iterator[Callable[[], float]]:
    """Let a second Python thread compute all the time; yields what tells its CPU time so far."""
    if not wanted:
        yield lambda: 0.0
        return
    ended = False

    def compute() -> None:
        n = 0
        while not ended:
            n = (n * 31 + 7) % 1_000_003

    thread = threading.Thread(target=compute, daemon=True)
    thread.start()
    clock = time.pthread_getcpuclockid(cast("int", thread.ident))
    try:
        yield lambda: time.clock_gettime(clock)
    finally:
        ended = True
        thread.join()
