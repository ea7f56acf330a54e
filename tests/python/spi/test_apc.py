"""Calls queued to a thread, and the waits in which it runs them."""

import gc
import threading

import pytest

from pyprov.core import apc
from tests.python.failing import fails


@pytest.fixture
def upcalls(world):
    return world.spi._control().upcalls


@pytest.fixture
def me(upcalls):
    return upcalls.WPUOpenCurrentThread()


# ---- alertable waits


def test_an_alertable_sleep_runs_what_is_queued_and_ends(world, upcalls, me):
    ran = []
    for context in ("a", "b"):
        upcalls.WPUQueueApc(me, ran.append, context)
    start = world.now
    assert world.spi.SleepEx(5, alertable=True) == world.spi.WSA_WAIT_IO_COMPLETION
    assert ran == ["a", "b"]
    assert world.took(start, 0)
    assert world.spi.SleepEx(0.5, alertable=True) == 0
    assert world.took(start, 0.5)


def test_a_sleep_that_is_not_alertable_runs_nothing(world, upcalls, me):
    ran = []
    upcalls.WPUQueueApc(me, ran.append, 1)
    start = world.now
    assert world.spi.SleepEx(0.25) == 0
    assert world.took(start, 0.25)
    assert ran == []
    assert world.spi.SleepEx(0, alertable=True) == world.spi.WSA_WAIT_IO_COMPLETION
    assert ran == [1]


def test_another_thread_ends_an_alertable_sleep(world, upcalls, me):
    ran = []
    start = world.now
    world.at(0.5, upcalls.WPUQueueApc, me, lambda _: ran.append(threading.get_ident()), None)
    assert world.spi.SleepEx(None, alertable=True) == world.spi.WSA_WAIT_IO_COMPLETION
    assert world.took(start, 0.5)
    assert ran == [me]


def test_what_is_queued_while_calls_run_runs_too(world, upcalls, me):
    ran = []

    def again(context):
        ran.append(context)
        if context < 3:
            upcalls.WPUQueueApc(me, again, context + 1)

    upcalls.WPUQueueApc(me, again, 1)
    assert world.spi.SleepEx(1, alertable=True) == world.spi.WSA_WAIT_IO_COMPLETION
    assert ran == [1, 2, 3]


def test_an_exception_comes_out_of_the_wait_and_the_rest_stays_queued(world, upcalls, me):
    ran = []
    upcalls.WPUQueueApc(me, lambda _: 1 // 0, None)
    upcalls.WPUQueueApc(me, ran.append, "rest")
    with pytest.raises(ZeroDivisionError):
        world.spi.SleepEx(1, alertable=True)
    assert ran == []
    assert world.spi.SleepEx(1, alertable=True) == world.spi.WSA_WAIT_IO_COMPLETION
    assert ran == ["rest"]


@pytest.mark.parametrize("wait_all", [False, True])
def test_a_wait_for_events_ends_when_calls_have_run(world, upcalls, me, wait_all):
    spi = world.spi
    ran = []
    events = [spi.WSACreateEvent(), spi.WSACreateEvent()]
    start = world.now
    world.at(0.5, upcalls.WPUQueueApc, me, ran.append, 1)
    assert (
        spi.WSAWaitForMultipleEvents(events, wait_all, 5, alertable=True)
        == spi.WSA_WAIT_IO_COMPLETION
    )
    assert world.took(start, 0.5)
    assert ran == [1]


def test_an_event_that_is_set_is_told_first(world, upcalls, me):
    spi = world.spi
    ran = []
    events = [spi.WSACreateEvent(), spi.WSACreateEvent()]
    events[1].set()
    upcalls.WPUQueueApc(me, ran.append, 1)
    assert spi.WSAWaitForMultipleEvents(events, False, 5, alertable=True) == 1
    assert ran == []
    events[1].reset()
    assert spi.WSAWaitForMultipleEvents(events, False, 0.5, alertable=False) == spi.WSA_WAIT_TIMEOUT
    assert ran == []


@pytest.mark.parametrize("verb", ["recv", "accept", "connect", "send"])
def test_blocking_calls_that_really_wait_run_calls_and_go_on(world, upcalls, me, verb):
    if (verb, world.name) == ("connect", "fake"):
        pytest.skip("the fake answers a connect at once")
    spi = world.spi
    ran = []
    s, client = world.pair()
    listener = world.listener(90)
    world.serve(91)
    call = {
        "recv": lambda: spi.WSPRecv(s, bytearray(4)),
        "accept": lambda: spi.WSPAccept(listener),
        "connect": lambda: spi.WSPConnect(spi.WSPSocket(2, 1, 6), (world.peer_address, 91)),
        "send": lambda: spi.WSPSend(s, bytes(1 << 20)),
    }
    start = world.now
    upcalls.WPUQueueApc(me, lambda _: ran.append(world.took(start, 0, 0.01)), None)
    if verb != "connect":
        world.at(0.2, upcalls.WPUQueueApc, me, lambda _: ran.append(world.took(start, 0.2)), None)
    world.at(0.5, client.send, b"data")
    world.at(0.5, world.client, 90)
    for i in range(100):
        world.at(0.5 + i / 20, client.drain)
    call[verb]()
    assert ran == ([True] if verb == "connect" else [True, True])


def test_a_call_that_can_finish_at_once_runs_nothing(world, upcalls, me):
    ran = []
    s, client = world.pair()
    client.send(b"data")
    upcalls.WPUQueueApc(me, ran.append, 1)
    assert world.spi.WSPRecv(s, bytearray(4)) == (4, 0)
    assert ran == []


def test_a_blocking_call_can_be_made_inside_a_call_that_a_wait_runs(world, upcalls, me):
    """The wait is over when its calls run, so the thread is in no blocking call then."""
    spi = world.spi
    (one, first), (two, second) = world.pair(80), world.pair(81)
    got = []

    def receive(_):
        buffer = bytearray(3)
        spi.WSPRecv(two, buffer)
        got.append(bytes(buffer))

    upcalls.WPUQueueApc(me, receive, None)
    world.at(0.1, second.send, b"two")
    world.at(0.2, first.send, b"one")
    assert spi.WSPRecv(one, bytearray(3)) == (3, 0)
    assert got == [b"two"]


# ---- whom one can queue to


def test_a_thread_that_nobody_knows_cannot_be_called(upcalls):
    for thread in (0, -1, 1 << 62, None, "thread", 1.5):
        with fails("EFAULT"):
            upcalls.WPUQueueApc(thread, print, None)


def test_what_cannot_be_called_is_not_queued(upcalls, me):
    with fails("EFAULT"):
        upcalls.WPUQueueApc(me, None, None)


def test_a_thread_that_has_ended_cannot_be_called(upcalls):
    numbers = []
    thread = threading.Thread(target=lambda: numbers.append(upcalls.WPUOpenCurrentThread()))
    thread.start()
    thread.join()
    gc.collect()
    assert numbers[0] not in apc._threads
    with fails("EFAULT"):
        upcalls.WPUQueueApc(numbers[0], print, None)


def test_the_alert_is_readable_while_something_is_queued():
    own = apc.Apcs()
    own.add(print, 1)
    fd = own.fileno()
    assert apc.os.eventfd_read(fd) == 1
    own.add(list, ())
    own._take()
    assert own
    own._take()
    with pytest.raises(BlockingIOError):
        apc.os.eventfd_read(fd)


@pytest.mark.parametrize("seconds", [-1, "1", float("nan"), b"", [1]])
def test_what_is_no_time_is_10022(world, seconds):
    with fails("EINVAL"):
        world.spi.SleepEx(seconds)
    event = world.spi.WSACreateEvent()
    with fails("EINVAL"):
        world.spi.WSAWaitForMultipleEvents([event], False, seconds)


def test_a_time_beyond_all_clocks_is_for_ever(world, upcalls, me):
    world.at(0.5, upcalls.WPUQueueApc, me, id, None)
    assert world.spi.SleepEx(float("inf"), alertable=True) == world.spi.WSA_WAIT_IO_COMPLETION
