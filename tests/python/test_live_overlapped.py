"""Overlapped requests on live engines, and the races of those who end them. No device."""

import asyncio
import contextlib
import queue
import threading

import pytest

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

SLOT = 32


@pytest.fixture(params=[50, pytest.param(2000, marks=pytest.mark.slow)], ids=["", "long"])
def rounds(request):
    """How often a race is run."""
    with quick_turns():
        yield request.param


@pytest.fixture(params=[1, 2], ids=["one-worker", "two-workers"])
def spi(request):
    with provider(request.param) as made:
        yield made


@pytest.fixture
def listener(spi):
    return listen(spi)


@pytest.fixture
def threads():
    made = Threads()
    yield made
    made.join()


def ask(spi, s, buffer, overlapped=None, routine=None, verb="WSPRecv"):
    """Make a request; its end is told in any case."""
    overlapped = overlapped or spi.WSAOVERLAPPED()
    try:
        getattr(spi, verb)(s, buffer, 0, overlapped, routine)
    except spi.WSAError as error:
        if error.code != spi.WSA_IO_PENDING:
            raise
    return overlapped


def end_of(port, key):
    """The next completion, which is of this socket."""
    completion = port.get(PATIENCE)
    assert completion.key == key
    return completion


def no_more(port):
    with pytest.raises(queue.Empty):
        port.get(0)


def accept_ex(spi, listener, room=0):
    """A request to accept: socket, buffer, structure."""
    acceptor, buffer = spi.WSPSocket(2, 1, 6), bytearray(room + 2 * SLOT)
    overlapped = spi.WSAOVERLAPPED()
    try:
        spi.AcceptEx(listener, acceptor, buffer, room, SLOT, SLOT, overlapped)
    except spi.WSAError as error:
        if error.code != spi.WSA_IO_PENDING:
            raise
    return acceptor, buffer, overlapped


class Echo:
    """Sends back all that comes on sockets of one port; each has one request at a time."""

    def __init__(self, spi):
        self.spi = spi
        self.port = spi.CompletionPort()
        self.states = {}  # of a request: its buffer, and whether that is being sent

    def add(self, s):
        self.port.associate(s, s)
        overlapped, buffer = self.spi.WSAOVERLAPPED(), bytearray(4096)
        self.states[overlapped] = (buffer, False)
        ask(self.spi, s, buffer, overlapped)

    def serve(self):
        while True:
            s, count, overlapped, error = self.port.get(PATIENCE)
            if s is None:
                return
            assert error == 0
            buffer, was_sending = self.states[overlapped]
            self.states[overlapped] = (buffer, not was_sending)
            if was_sending:
                ask(self.spi, s, buffer, overlapped)
            elif count:
                ask(self.spi, s, memoryview(buffer)[:count], overlapped, verb="WSPSend")
            else:
                self.spi.WSPCloseSocket(s)


def test_several_threads_serve_many_sockets_at_one_port(spi, listener, threads):
    echo, servers = Echo(spi), Threads()
    data = bytes(range(256)) * 40

    def client():
        s = connect(spi)
        for _ in range(10):
            spi.WSPSend(s, data)
            assert receive(spi, s, len(data)) == data
        spi.WSPShutdown(s, spi.SD_SEND)
        assert spi.WSPRecv(s, bytearray(1)) == (0, 0)
        spi.WSPCloseSocket(s)

    for _ in range(3):
        servers.start(echo.serve)
    for _ in range(8):
        threads.start(client)
    for _ in range(8):
        echo.add(spi.WSPAccept(listener)[0])
    threads.join()
    for _ in servers.threads:
        echo.port.post(None)
    servers.join()


def test_requests_of_many_threads_take_each_byte_once_and_in_order(spi, listener, threads, rounds):
    near, far = pair(spi, listener)
    port = spi.CompletionPort()
    port.associate(far)
    size, posters = 4, 3
    asked = {}
    lock = threading.Lock()

    def post():
        for _ in range(rounds):
            buffer, overlapped = bytearray(size), spi.WSAOVERLAPPED()
            with lock:  # so that the order of posting is known
                asked[overlapped] = (len(asked), buffer)
                ask(spi, far, buffer, overlapped)

    def send():
        for i in range(rounds * posters):
            spi.WSPSend(near, i.to_bytes(size, "big"))

    for _ in range(posters):
        threads.start(post)
    threads.start(send)
    stream, told = bytearray(), []
    while len(stream) < rounds * posters * size:
        _, count, overlapped, error = port.get(PATIENCE)
        number, buffer = asked[overlapped]
        assert error == 0
        told.append(number)
        stream += buffer[:count]
        if len(told) >= rounds * posters:  # some were not filled whole
            buffer, overlapped = bytearray(size), spi.WSAOVERLAPPED()
            with lock:
                asked[overlapped] = (len(asked), buffer)
                ask(spi, far, buffer, overlapped)
    threads.join()
    assert stream == b"".join(i.to_bytes(size, "big") for i in range(rounds * posters))
    assert told == sorted(told)
    spi.WSPCloseSocket(far)


def test_no_call_overtakes_a_request(spi, listener, threads, rounds):
    """A call comes behind the requests before it, also while another thread is at the last one."""
    near, far = pair(spi, listener)
    size = 1 << 17
    buffer = bytearray(size + 1)

    def read():
        for _ in range(rounds):
            assert spi.WSPRecv(far, buffer, spi.MSG_WAITALL)[0] == size + 1
            assert buffer.index(b"!") == size

    threads.start(read)
    request = bytes(size)
    for _ in range(rounds):
        ask(spi, near, request, verb="WSPSend")
        assert spi.WSPSend(near, b"!") == 1
    threads.join()


def test_closing_races_with_what_comes(spi, listener, threads, rounds):
    """Each request ends exactly once: with the data or cancelled."""
    ends = set()
    for i in range(rounds):
        near, far = pair(spi, listener)
        port = spi.CompletionPort()
        port.associate(far, i)
        asked = [ask(spi, far, bytearray(1)) for _ in range(3)]
        barrier = threading.Barrier(3)

        def go(function, *args, barrier=barrier):
            barrier.wait()
            with contextlib.suppress(spi.WSAError):
                function(*args)

        both = [
            threads.start(go, spi.WSPCloseSocket, far),
            threads.start(go, spi.WSPSend, near, b"xyz"),
        ]
        barrier.wait()
        told = [end_of(port, i) for _ in asked]
        assert {completion.overlapped for completion in told} == set(asked)
        assert all(c.error in {0, spi.WSA_OPERATION_ABORTED} for c in told)
        for thread in both:
            thread.join(PATIENCE)
        no_more(port)
        port.close()
        ends |= {completion.error for completion in told}
        spi.WSPCloseSocket(near)
    assert spi.WSA_OPERATION_ABORTED in ends
    threads.join()


def test_closing_races_with_requests_that_are_made(spi, listener, threads, rounds):
    """A request is refused, or told of; it never hangs and is never told twice."""
    for i in range(rounds):
        near, far = pair(spi, listener)
        port = spi.CompletionPort()
        port.associate(far, i)
        barrier, made = threading.Barrier(3), []

        def post(barrier=barrier, far=far, made=made):
            barrier.wait()
            with contextlib.suppress(spi.WSAError):
                while True:
                    made.append(ask(spi, far, bytearray(1)))

        def close(barrier=barrier, far=far):
            barrier.wait()
            spi.WSPCloseSocket(far)

        both = [threads.start(post), threads.start(close)]
        barrier.wait()
        for thread in both:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        for _ in made:
            assert end_of(port, i).error == spi.WSA_OPERATION_ABORTED
        no_more(port)
        port.close()
        spi.WSPCloseSocket(near)
    threads.join()


def test_accepting_races_with_closing(spi, threads, rounds):
    """Whoever connects is accepted or reset, and each request ends once."""
    for i in range(rounds):
        listener = listen(spi, 81)
        port = spi.CompletionPort()
        port.associate(listener, i)
        asked = [accept_ex(spi, listener, room) for room in (0, 1, 0, 1)]
        barrier = threading.Barrier(4)

        def client(barrier=barrier):
            barrier.wait()
            with contextlib.suppress(spi.WSAError):
                s = spi.WSPSocket(2, 1, 6)
                spi.WSPConnect(s, (HERE, 81))
                spi.WSPSend(s, b"x")
            spi.WSPCloseSocket(s)

        def close(*sockets, barrier=barrier):
            barrier.wait()
            for s in sockets:
                spi.WSPCloseSocket(s)

        both = [
            threads.start(client),
            threads.start(close, asked[i % 4][0]),
            threads.start(close, listener),
        ]
        barrier.wait()
        told = [end_of(port, i) for _ in asked]
        assert {c.overlapped for c in told} == {overlapped for _, _, overlapped in asked}
        for thread in both:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        no_more(port)
        for acceptor, _, _ in asked:
            with contextlib.suppress(spi.WSAError):
                spi.WSPCloseSocket(acceptor)
        port.close()
    threads.join()


def test_no_connection_is_lost_between_requests_to_accept(spi, threads, rounds):
    listener = listen(spi, 82)
    port = spi.CompletionPort()
    port.associate(listener)
    waiting = {}

    def again():
        acceptor, buffer, overlapped = accept_ex(spi, listener)
        waiting[overlapped] = (acceptor, buffer)

    def clients():
        for _ in range(rounds):
            s = spi.WSPSocket(2, 1, 6)
            spi.WSPConnect(s, (HERE, 82))
            assert receive(spi, s, 1) == b"x"
            spi.WSPCloseSocket(s)

    for _ in range(3):
        again()
    for _ in range(2):
        threads.start(clients)
    for _ in range(2 * rounds):
        completion = port.get(PATIENCE)
        assert completion.error == 0
        acceptor, _ = waiting.pop(completion.overlapped)
        spi.WSPSend(acceptor, b"x")
        spi.WSPCloseSocket(acceptor)
        again()
    threads.join()
    spi.WSPCloseSocket(listener)


def test_routines_run_in_their_threads_while_others_close(spi, listener, threads, rounds):
    ran = []

    def wait(far, ready):
        mine = []
        ask(spi, far, bytearray(1), None, lambda *_: mine.append(threading.get_ident()))
        ready.set()
        while not mine:
            assert spi.SleepEx(PATIENCE, alertable=True) == spi.WSA_WAIT_IO_COMPLETION
        assert mine == [threading.get_ident()]
        ran.extend(mine)

    for i in range(rounds):
        near, far = pair(spi, listener)
        ready = threading.Event()
        thread = threads.start(wait, far, ready)
        if i % 2:
            assert ready.wait(PATIENCE)
        if i % 3:
            spi.WSPSend(near, b"x")
        else:
            assert ready.wait(PATIENCE)
            spi.WSPCloseSocket(far)
        thread.join(PATIENCE)
        assert not thread.is_alive()
        spi.WSPCloseSocket(near)
    threads.join()
    assert len(ran) == rounds


def test_waiting_for_results_ends_when_another_thread_closes(spi, listener, threads, rounds):
    for _ in range(rounds):
        near, far = pair(spi, listener)
        overlapped = ask(spi, far, bytearray(1), spi.WSAOVERLAPPED(spi.WSACreateEvent()))

        def wait(far=far, overlapped=overlapped):
            with pytest.raises(spi.WSAError) as caught:
                spi.WSPGetOverlappedResult(far, overlapped, True)
            assert caught.value.code in {spi.WSA_OPERATION_ABORTED, spi.WSAENOTSOCK}

        thread = threads.start(wait)
        spi.WSPCloseSocket(far)
        thread.join(PATIENCE)
        assert not thread.is_alive()
        spi.WSPCloseSocket(near)
    threads.join()


def test_sockets_are_connected_and_disconnected_again_and_again(spi, threads, rounds):
    listener = listen(spi, 83)
    event = spi.WSACreateEvent()

    def serve():
        for _ in range(rounds):
            s, _ = spi.WSPAccept(listener)
            assert receive(spi, s, 5) == b"first"
            assert spi.WSPRecv(s, bytearray(1)) == (0, 0)
            spi.WSPCloseSocket(s)

    def end(s, call, *arguments, **more):
        overlapped = spi.WSAOVERLAPPED(event)
        try:
            call(s, *arguments, overlapped=overlapped, **more)
        except spi.WSAError as error:
            if error.code != spi.WSA_IO_PENDING:
                raise
        return spi.WSPGetOverlappedResult(s, overlapped, True)

    threads.start(serve)
    done = 0
    while done < rounds:
        s = spi.WSPSocket(2, 1, 6)
        spi.WSPBind(s, ("0.0.0.0", 0))
        try:
            assert end(s, spi.ConnectEx, (HERE, 83), b"first") == (5, 0)
        except spi.WSAError as error:
            assert error.code == spi.WSAEADDRINUSE  # noqa: PT017 - its port is in TIME-WAIT
        else:
            assert end(s, spi.DisconnectEx, flags=spi.TF_REUSE_SOCKET) == (0, 0)
            done += 1
        spi.WSPCloseSocket(s)
    threads.join()


@pytest.mark.parametrize("posting", [False, True], ids=["", "while-posting"])
def test_cleanup_ends_everything_and_tells_nobody(spi, listener, threads, posting):
    sockets = [pair(spi, listener)[1] for _ in range(20)]
    event = spi.WSACreateEvent()
    asked = [ask(spi, s, bytearray(1), spi.WSAOVERLAPPED(event)) for s in sockets for _ in range(3)]
    asked += [accept_ex(spi, listener, room)[2] for room in (0, 1)]
    service = spi._control().service

    def post(s):
        with contextlib.suppress(spi.WSAError):
            while True:
                asked.append(ask(spi, s, bytearray(1)))

    if posting:
        for s in sockets[:3]:
            threads.start(post, s)
    spi.WSPCleanup()
    threads.join()
    assert not service.running
    assert all(overlapped.Internal == 0 for overlapped in asked)
    # The other ends are ours too, and the reset of one may be faster than the cleanup of the other.
    assert {int(o.OffsetHigh) for o in asked} <= {995, 10054}


def test_stopping_the_engine_ends_those_who_wait(spi, listener, threads):
    _, far = pair(spi, listener)
    port = spi.CompletionPort()
    port.associate(far)
    overlapped = ask(spi, far, bytearray(1), spi.WSAOVERLAPPED(spi.WSACreateEvent()))
    begun = threading.Barrier(4)

    def start(call, *args):
        def body():
            begun.wait()
            with fails("EINTR"):
                call(*args)

        threads.start(body)

    start(port.get)
    start(spi.SleepEx, None, True)
    start(spi.WSPGetOverlappedResult, far, overlapped, True)
    begun.wait()
    spi._control().dataplane.stop(0)
    threads.join()


def test_asyncio_waits_at_a_port(spi, listener):
    near, far = pair(spi, listener)
    port = spi.CompletionPort()
    port.associate(far, "far")

    async def next_completion():
        loop, ready = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(port.fileno(), ready.set)
        await ready.wait()
        loop.remove_reader(port.fileno())
        return port.get(0)

    async def main():
        buffer = bytearray(9)
        ask(spi, far, buffer)
        waiting = asyncio.create_task(next_completion())
        await asyncio.sleep(0)
        spi.WSPSend(near, b"data")
        completion = await asyncio.wait_for(waiting, PATIENCE)
        return completion.key, bytes(buffer[: completion.transferred])

    assert asyncio.run(main()) == ("far", b"data")
