"""The SPI on live engines: what blocks, and what other threads do meanwhile. No device."""

import contextlib
import os
import signal
import threading

import pytest

from pyprov.core import port
from tests.python.failing import fails
from tests.python.live import (
    HERE,
    PATIENCE,
    Threads,
    connect,
    listen,
    pair,
    provider,
    quick_turns,
    receive,
)


@pytest.fixture(params=[50, pytest.param(3000, marks=pytest.mark.slow)], ids=["", "long"])
def rounds(request):
    """How often a race is run."""
    with quick_turns():
        yield request.param


@pytest.fixture(params=[1, 2], ids=["one-worker", "two-workers"])
def spi(request):
    with provider(request.param) as made:
        yield made


@pytest.fixture
def threads():
    made = Threads()
    yield made
    made.join()


@pytest.fixture
def listener(spi):
    return listen(spi)


def blocked(spi, n):
    """Wait until so many calls block."""
    calls = spi._control().calls
    while len(calls) < n:
        os.sched_yield()


def test_many_clients_are_served_by_several_threads(spi, listener, threads):
    def serve():
        with contextlib.suppress(spi.WSAError):
            while True:
                s, _ = spi.WSPAccept(listener)
                spi.WSPSend(s, receive(spi, s, 100))
                assert spi.WSPRecv(s, bytearray(1)) == (0, 0)
                spi.WSPCloseSocket(s)

    def client(number):
        for i in range(40):
            s = connect(spi)
            data = f"{number} {i}".encode().ljust(100)
            spi.WSPSend(s, data)
            assert receive(spi, s, 100) == data
            spi.WSPCloseSocket(s)

    servers = Threads()
    for _ in range(3):
        servers.start(serve)
    for number in range(4):
        threads.start(client, number)
    threads.join()
    spi.WSPCloseSocket(listener)
    servers.join()


def test_large_data_goes_both_ways_at_once(spi, listener, threads):
    near, far = pair(spi, listener)
    data = os.urandom(1 << 20)
    for s in (near, far):
        threads.start(spi.WSPSend, s, data)
    got = {}
    for s in (near, far):
        threads.start(lambda s: got.update({s: receive(spi, s, len(data))}), s)
    threads.join()
    assert list(got.values()) == [data, data]


@pytest.mark.parametrize("verb", ["accept", "recv", "send"])
def test_closing_ends_a_call_that_blocks_in_another_thread(spi, listener, threads, rounds, verb):
    for _ in range(rounds):
        near, far = pair(spi, listener)
        calls = {
            "accept": (spi.WSPAccept, listener),
            "recv": (spi.WSPRecv, far, bytearray(1)),
            "send": (spi.WSPSend, far, bytes(1 << 20)),
        }
        call, s, *rest = calls[verb]

        def body(call=call, s=s, rest=rest):
            with pytest.raises(spi.WSAError) as caught:
                call(s, *rest)
            assert caught.value.code in {spi.WSAEINTR, spi.WSAENOTSOCK, spi.WSAEINVAL}

        thread = threads.start(body)
        blocked(spi, 1)
        spi.WSPCloseSocket(s)
        thread.join(PATIENCE)
        assert not thread.is_alive()
        if verb == "accept":
            listener = spi.WSPSocket(2, 1, 6)
            spi.WSPBind(listener, (HERE, 80))
            spi.WSPListen(listener, 500)
        for other in {near, far} - {s}:
            spi.WSPCloseSocket(other)


def test_a_fin_is_not_acknowledged_because_what_was_before_it_is(spi, listener):
    plane = spi._control().dataplane
    for _ in range(10):
        near, far = pair(spi, listener)
        spi.WSPSend(near, b"x")
        handle = spi._find(near)[1].handle
        status = plane.status(handle)
        while not status.ready & port.READY_SENT:
            plane.thread_waiter().wait_for(handle, port.READY_SENT, PATIENCE * 10**9)
        plane.shutdown_send(handle)
        assert not status.ready & port.READY_SENT or port.has_finished(status)
        while not port.has_finished(status):
            plane.thread_waiter().wait_for(handle, port.READY_SENT, PATIENCE * 10**9)
        for s in (near, far):
            spi.WSPCloseSocket(s)


def test_closing_races_with_calls_that_begin(spi, listener, threads, rounds):
    """The call may find the socket there, gone, or just going; it never hangs, never crashes."""
    for _ in range(rounds):
        near, far = pair(spi, listener)
        barrier = threading.Barrier(3)

        def call(verb, barrier=barrier, far=far):
            barrier.wait()
            with contextlib.suppress(spi.WSAError):
                verb(far)

        both = [
            threads.start(call, lambda s: spi.WSPRecv(s, bytearray(1))),
            threads.start(call, spi.WSPCloseSocket),
        ]
        barrier.wait()
        for thread in both:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        spi.WSPCloseSocket(near)
    threads.join()


def test_cancelling_races_with_data_that_comes(spi, listener, threads, rounds):
    """The call ends with its byte or cancelled, and no byte is lost by it."""
    near, far = pair(spi, listener)
    ends = []

    def call(started):
        started.append(threading.get_ident())
        try:
            ends.append(spi.WSPRecv(far, bytearray(1))[0])
        except spi.WSAError as error:
            ends.append(error.code)

    def cancel(thread):
        with contextlib.suppress(spi.WSAError):  # it does not wait yet, or no more
            spi.WSPCancelBlockingCall(thread)

    for i in range(rounds):
        started = []
        thread = threads.start(call, started)
        if i % 2:
            blocked(spi, 1)
        if i % 3:
            threads.start(spi.WSPSend, near, b"x")
        while not started:
            os.sched_yield()
        cancel(started[0])
        while thread.is_alive() and not i % 3:
            cancel(started[0])
            os.sched_yield()
        thread.join(PATIENCE)
        assert not thread.is_alive()
        assert ends[-1] in {1, spi.WSAEINTR}
        if i % 3 and ends[-1] == spi.WSAEINTR:
            assert spi.WSPRecv(far, bytearray(1)) == (1, 0)
    threads.join()
    assert {1, spi.WSAEINTR} <= set(ends)


def test_every_request_is_heard_of_by_event(spi, listener, threads, rounds):
    event = spi.WSACreateEvent()
    spi.WSPEventSelect(listener, event, spi.FD_ACCEPT)
    room = threading.Semaphore(100)  # as many as the backlog holds

    def clients():
        for _ in range(rounds):
            room.acquire()
            spi.WSPCloseSocket(connect(spi))

    threads.start(clients)
    accepted = 0
    while accepted < rounds:
        assert event.wait(PATIENCE), f"only {accepted} were heard of"
        if not spi.WSPEnumNetworkEvents(listener, event).lNetworkEvents & spi.FD_ACCEPT:
            continue
        with contextlib.suppress(spi.WSAError):  # counted, but not yet to be taken
            spi.WSPCloseSocket(spi.WSPAccept(listener)[0])
            room.release()
            accepted += 1


def test_no_byte_is_missed_while_registrations_come_and_go(spi, listener, threads, rounds):
    near, far = pair(spi, listener)
    events = [spi.WSACreateEvent() for _ in range(2)]
    turn = threading.Semaphore(0)

    def send():
        for _ in range(rounds):
            turn.acquire()
            spi.WSPSend(near, b"x")

    threads.start(send)
    for i in range(rounds):
        event = events[i % 2]
        turn.release()
        spi.WSPEventSelect(far, event, spi.FD_READ)
        heard = 0
        while not heard:  # the signal of an arrival may come after its record was taken
            assert event.wait(PATIENCE), f"byte {i} was not heard of"
            heard = spi.WSPEnumNetworkEvents(far, event).lNetworkEvents
        assert spi.WSPRecv(far, bytearray(2)) == (1, 0)


def test_what_an_accepted_socket_inherits_misses_nothing(spi, listener, threads, rounds):
    event = spi.WSACreateEvent()
    spi.WSPEventSelect(listener, event, spi.FD_ACCEPT | spi.FD_READ)

    def client():
        for _ in range(rounds):
            s = connect(spi)
            spi.WSPSend(s, b"x")
            assert receive(spi, s, 1) == b"y"
            spi.WSPCloseSocket(s)

    threads.start(client)
    served = 0
    sockets = []
    while served < rounds:
        assert event.wait(PATIENCE), f"{served} were served"
        event.reset()
        with contextlib.suppress(spi.WSAError):
            sockets.append(spi.WSPAccept(listener)[0])
        for s in list(sockets):
            if spi.WSPEnumNetworkEvents(s).lNetworkEvents & spi.FD_READ:
                assert spi.WSPRecv(s, bytearray(1)) == (1, 0)
                spi.WSPSend(s, b"y")
                spi.WSPCloseSocket(s)
                sockets.remove(s)
                served += 1


def test_cleanup_ends_all_calls(spi, listener, threads):
    sockets = [pair(spi, listener)[1] for _ in range(5)]

    def call(verb, *args):
        with pytest.raises(spi.WSAError) as caught:
            verb(*args)
        # The other end is ours too: its reset may be faster, and end the wait of a call that then
        # finds its own socket closed.
        assert caught.value.code in {spi.WSAEINTR, spi.WSAECONNRESET, spi.WSAENOTSOCK}

    for s in sockets:
        threads.start(call, spi.WSPRecv, s, bytearray(1))
    threads.start(call, spi.WSPAccept, listener)
    blocked(spi, 6)
    spi.WSPCleanup()
    threads.join()
    with fails("NOTINITIALISED"):
        spi.WSPAccept(listener)


def test_ctrl_c_ends_a_blocked_call_and_the_socket_lives(spi, listener, threads):
    near, far = pair(spi, listener)

    def interrupt():
        blocked(spi, 1)
        os.kill(os.getpid(), signal.SIGINT)

    threads.start(interrupt)
    with pytest.raises(KeyboardInterrupt):
        spi.WSPRecv(far, bytearray(1))
    spi.WSPSend(near, b"x")
    assert spi.WSPRecv(far, bytearray(1)) == (1, 0)


def test_other_threads_run_while_a_call_blocks(spi, listener, threads):
    _near, far = pair(spi, listener)
    threads.start(lambda: spi.WSPRecv(far, bytearray(1)))
    blocked(spi, 1)
    assert sum(range(100_000)) == 4_999_950_000
    spi.WSPSend(_near, b"x")
    threads.join()
