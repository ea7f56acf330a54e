"""Threads on a virtual clock."""

import heapq
import itertools
import threading

import pytest

from pyprov.tools.lab.schedule import Deadlock, Scheduler


class World:
    def __init__(self):
        self.clock = 0
        self.numbers = itertools.count()
        self.events = []
        self.housekeeping = []

    def at(self, when, function):
        heapq.heappush(self.events, (when, next(self.numbers), function))

    def now(self):
        return self.clock

    def deadline(self, *, housekeeping):
        due = [self.events[0][0]] if self.events else []
        if housekeeping:
            due += self.housekeeping
        return min(due, default=None)

    def run_until(self, when):
        while self.events and self.events[0][0] <= when:
            self.clock, _, function = heapq.heappop(self.events)
            function()
        self.housekeeping = [due for due in self.housekeeping if due > when]
        self.clock = when


@pytest.fixture
def world():
    return World()


def never():
    return False


def test_a_deadline_is_met_exactly_and_events_come_before_it(world):
    scheduler = Scheduler(world, 1)
    seen = []
    world.at(10, lambda: seen.append(world.clock))
    world.at(31, lambda: seen.append(world.clock))
    assert not scheduler.wait(never, 30)
    assert world.clock == 30
    assert seen == [10]


def test_what_is_true_already_takes_no_time(world):
    world.at(10, lambda: None)
    assert Scheduler(world, 1).wait(lambda: True)
    assert world.clock == 0


def test_an_event_wakes_the_only_thread(world):
    seen = []
    world.at(10, lambda: seen.append(1))
    world.at(20, lambda: seen.append(2))
    assert Scheduler(world, 1).wait(lambda: bool(seen))
    assert (world.clock, seen) == (10, [1])


def test_a_deadlock_is_raised_in_every_blocked_thread_and_housekeeping_prevents_none(world):
    scheduler = Scheduler(world, 1)
    world.housekeeping = [5, 1000]
    jobs = [scheduler.spawn(scheduler.wait, never) for _ in range(3)]
    with pytest.raises(Deadlock, match="wait-2"):
        scheduler.wait(never)
    assert not scheduler.wait(never, 1)
    assert [type(job.exception()) for job in jobs] == [Deadlock] * 3


def test_a_finite_timeout_is_no_deadlock_and_housekeeping_comes_in_order(world):
    scheduler = Scheduler(world, 1)
    world.housekeeping = [5]
    job = scheduler.spawn(scheduler.wait, never, 50)
    assert job.result() is False
    assert world.clock == 50
    assert world.housekeeping == []


def test_a_service_waits_without_hiding_a_deadlock_and_ends_with_the_lab(world):
    scheduler = Scheduler(world, 1)
    box, served = [], []

    def serve():
        while scheduler.wait(lambda: bool(box)):
            served.append(box.pop())

    scheduler.start_service(serve, "service")
    box.append("a")
    assert not scheduler.wait(never, 1)
    assert served == ["a"]
    with pytest.raises(Deadlock):
        scheduler.wait(never)
    box.append("b")
    assert not scheduler.wait(never, 2)
    assert served == ["a", "b"]
    scheduler.close()


def trace(seed):
    world = World()
    scheduler = Scheduler(world, seed)
    steps = []

    def work(name):
        for turn in range(4):
            steps.append((name, turn))
            scheduler.wait(never, world.clock + 1)

    jobs = [scheduler.spawn(work, name) for name in "abcd"]
    for job in jobs:
        job.result()
    scheduler.close()
    return steps


def test_the_seed_alone_orders_the_threads():
    orders = {tuple(trace(seed)) for seed in range(8) for _ in range(3)}
    assert len(orders) == 8
    assert len({frozenset(order) for order in orders}) == 1


def test_one_thread_runs_at_a_time(world):
    scheduler = Scheduler(world, 3)
    inside = []

    def work():
        for _ in range(200):
            inside.append(1)
            sum(range(500))
            assert len(inside) == 1
            inside.pop()
            scheduler.wait(never, world.clock + 1)

    jobs = [scheduler.spawn(work) for _ in range(4)]
    for job in jobs:
        job.result()


def test_result_gives_the_value_or_raises(world):
    scheduler = Scheduler(world, 1)
    assert scheduler.spawn(divmod, 7, 2).result() == (3, 1)
    with pytest.raises(ZeroDivisionError):
        scheduler.spawn(divmod, 7, 0).result()
    scheduler.close()


def test_an_error_that_nobody_asked_for_comes_out_at_the_end(world):
    scheduler = Scheduler(world, 1)
    scheduler.spawn(divmod, 7, 0)
    scheduler.wait(never, 1)
    with pytest.raises(ZeroDivisionError):
        scheduler.close()


def test_close_ends_blocked_and_unstarted_threads(world):
    scheduler = Scheduler(world, 1)
    ran = []
    blocked = scheduler.spawn(scheduler.wait, never)
    scheduler.wait(never, 1)
    unstarted = scheduler.spawn(ran.append, 1)
    scheduler.close()
    assert not ran
    assert blocked.done
    assert not unstarted.done
    assert not any(thread.is_alive() for thread in scheduler._threads)


def test_a_foreign_thread_is_told(world):
    scheduler = Scheduler(world, 1)
    told = []

    def intrude():
        try:
            scheduler.wait(never, 1)
        except RuntimeError as error:
            told.append(str(error))

    thread = threading.Thread(target=intrude)
    thread.start()
    thread.join()
    assert "spawn" in told[0]
