"""Threads on a virtual clock.

A lab's threads are real ones, but one runs at a time. Whoever blocks hands on to a thread that can
go on, drawn from the seed; when none can, the clock goes to the next event and all are asked again.
So what happens depends on the seed and the inputs alone.

A thread is in one of three states:

    running   exactly one; it holds the baton
    blocked   in `wait`, with what it waits for and until when; asleep on its gate
    ended

The scheduler has no thread of its own: the thread that blocks (or ends) moves the clock and opens
the gate of the next one. A *service* is a thread that only reacts: that it waits keeps nobody from
seeing a deadlock, and a deadlock is not raised in it.
"""

from __future__ import annotations

import contextlib
import random
import threading
from typing import TYPE_CHECKING, Generic, ParamSpec, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


class Deadlock(Exception):  # noqa: N818 - a name that others rely on
    """Every thread is blocked and no event is left that could wake one."""


class Closed(Exception):  # noqa: N818 - never leaves this package
    """The scheduler ends while a thread is blocked."""


class World(Protocol):
    """What happens when the clock moves."""

    def now(self) -> int:
        """Return the virtual time in nanoseconds."""

    def deadline(self, *, housekeeping: bool) -> int | None:
        """Return when the next thing happens; without housekeeping, what a thread may wait for."""

    def run_until(self, when: int) -> None:
        """Let all that is due up to and including `when` happen, in order; then it is `when`."""


class _Task:
    """One thread."""

    __slots__ = ("deadline", "error", "gate", "last", "name", "ready", "service")

    def __init__(self, name: str, *, service: bool) -> None:
        self.name = name
        self.service = service
        self.gate = threading.Semaphore(0)
        self.ready: Callable[[], bool] = _always
        self.deadline: int | None = None
        self.error: Exception | None = None
        self.last = False  # lets all others go first


class Job(Generic[T]):
    """A spawned thread's work."""

    def __init__(self, scheduler: Scheduler, name: str) -> None:
        self._scheduler = scheduler
        self._value: list[T] = []
        self._error: BaseException | None = None
        self._asked = False
        self.name = name
        self.done = False

    def result(self) -> T:
        """Wait for the end; return what the function returned or raise what it raised."""
        self._asked = True  # also where both are blocked for ever
        self._scheduler.wait(self._is_done)
        error = self.exception()
        if error is not None:
            raise error
        return self._value[0]

    def exception(self) -> BaseException | None:
        """Return what the function raised, None if it has returned or still runs."""
        self._asked = True
        return self._error

    def _is_done(self) -> bool:
        return self.done

    def run(self, work: Callable[[], T]) -> None:
        """Do the work; for the scheduler alone."""
        try:
            self._value.append(work())
        except BaseException as error:  # noqa: BLE001 - result() raises it in the thread that asks
            self._error = error
        self.done = True

    def unasked_error(self) -> BaseException | None:
        """Return what was raised and never asked for; for the scheduler alone."""
        return None if self._asked or isinstance(self._error, Closed) else self._error


class Scheduler:
    """The threads of one lab."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._random = random.Random(f"threads {seed}")  # noqa: S311 - repeatable, not secret
        self._tasks = {threading.get_ident(): _Task("the lab's own thread", service=False)}
        self._blocked: list[_Task] = []  # in the order in which they blocked
        self._threads: list[threading.Thread] = []
        self._jobs: list[Job[object]] = []
        self._closed = False

    def wait(self, ready: Callable[[], bool], deadline: int | None = None) -> bool:
        """Block until `ready()` is true (True) or the clock is at `deadline` (False).

        `ready` is asked by other threads too, never blocks, and stays true once it was.

        Raises:
            Deadlock: nothing is left that could happen, and there is no deadline.
            Closed: the lab ends.
        """
        if ready():
            return True
        if deadline is not None and deadline <= self._world.now():
            return False
        self._block(self._current(), ready, deadline)
        return ready()

    def pause(self, until: int) -> None:
        """Block until the clock is at `until` and no other thread can go on at that time.

        Raises:
            Closed: the lab ends.
        """
        task = self._current()
        task.last = True
        try:
            self._block(task, _never, until)
        finally:
            task.last = False

    def spawn(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Job[T]:
        """Run a function on a thread of its own, from the next time on that this one blocks."""
        name = f"{getattr(function, '__name__', 'job')}-{len(self._threads) + 1}"
        job: Job[T] = Job(self, name)
        self._jobs.append(job)  # type: ignore[arg-type] # only asked for its error
        self._start(name, lambda: job.run(lambda: function(*args, **kwargs)), service=False)
        return job

    def start_service(self, function: Callable[[], None], name: str) -> None:
        """Run a function on a thread that only reacts to others."""

        def serve() -> None:
            with contextlib.suppress(Closed):
                function()

        self._start(name, serve, service=True)

    def close(self) -> None:
        """End all threads: blocked calls raise Closed.

        Raises:
            BaseException: what a job raised, if nobody asked for its result.
        """
        self._closed = True
        for task in self._blocked:
            task.error = task.error or Closed()
        if self._blocked:
            me = self._current()
            me.ready, me.deadline, me.error = self._is_last, None, None
            self._blocked.append(me)
            self._hand_on(me)
        for thread in self._threads:
            thread.join()
        for job in self._jobs:
            error = job.unasked_error()
            if error is not None:
                raise error

    def _block(self, task: _Task, ready: Callable[[], bool], deadline: int | None) -> None:
        if self._closed:
            raise Closed
        task.ready, task.deadline, task.error = ready, deadline, None
        self._blocked.append(task)
        self._hand_on(task)
        if task.error is not None:
            raise task.error

    def _start(self, name: str, work: Callable[[], None], *, service: bool) -> None:
        task = _Task(name, service=service)

        def body() -> None:
            self._tasks[threading.get_ident()] = task
            task.gate.acquire()
            if not self._closed:
                work()
            del self._tasks[threading.get_ident()]
            self._hand_on(None)

        thread = threading.Thread(target=body, name=f"lab {name}", daemon=True)
        self._threads.append(thread)
        self._blocked.append(task)
        thread.start()

    def _current(self) -> _Task:
        try:
            return self._tasks[threading.get_ident()]
        except KeyError:
            raise RuntimeError(
                "a lab belongs to the thread that made it and to those started by its spawn"
            ) from None

    def _hand_on(self, task: _Task | None) -> None:
        """Let another thread run; return when it is `task`'s turn again (None: the thread ends)."""
        chosen = self._choose()
        if chosen is task:
            return
        if chosen is not None:
            chosen.gate.release()
        if task is not None:
            self._sleep(task)

    def _sleep(self, task: _Task) -> None:
        try:
            task.gate.acquire()
        except BaseException:  # Ctrl-C: this thread goes on beside the one that has the baton
            task.gate = threading.Semaphore(0)
            if task in self._blocked:
                self._blocked.remove(task)
            raise

    def _choose(self) -> _Task | None:
        """Take a blocked thread that can go on, moving the clock until there is one.

        None: there are none but services.
        """
        while not all(task.service for task in self._blocked):
            runnable = [task for task in self._blocked if self._can_go_on(task)]
            runnable = [task for task in runnable if not task.last] or runnable
            if runnable:
                chosen = runnable[0] if len(runnable) == 1 else self._random.choice(runnable)
                self._blocked.remove(chosen)
                return chosen
            self._move_clock()
        return None

    def _can_go_on(self, task: _Task) -> bool:
        if task.error is not None or task.ready():
            return True
        return task.deadline is not None and task.deadline <= self._world.now()

    def _move_clock(self) -> None:
        deadlines = [
            task.deadline
            for task in self._blocked
            if task.deadline is not None and not task.service
        ]
        if not deadlines and self._world.deadline(housekeeping=False) is None:
            stuck = [task for task in self._blocked if not task.service]
            names = ", ".join(task.name for task in stuck)
            for task in stuck:
                task.error = Deadlock(f"blocked for ever: {names}")
            return
        deadlines += [task.deadline for task in self._blocked if task.deadline is not None]
        event = self._world.deadline(housekeeping=True)
        if event is not None:
            deadlines.append(event)
        self._world.run_until(min(deadlines))

    def _is_last(self) -> bool:
        return len(self._blocked) == 1


def _always() -> bool:
    return True


def _never() -> bool:
    return False
