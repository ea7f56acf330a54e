"""Overlapped WSPRecv and WSPSend: what they transfer, in which order, and how they end."""

import queue
import threading

import pytest

from tests.python.failing import fails, set_options
from tests.python.spi.requests import Request, receive


@pytest.fixture
def pair(world):
    return world.pair()


def fill(world, s):
    """Send until nothing more is taken over; returns the request that waits for room."""
    while True:
        request = Request(world)
        try:
            world.spi.WSPSend(s, bytes(1 << 20), 0, *request.arguments)
        except world.spi.WSAError as error:
            assert error.code == world.spi.WSA_IO_PENDING  # noqa: PT017 - it may not come yet
            world.advance(1)
            if request.pending:  # the peer has no room either
                return request


# ---- receiving


def test_a_request_is_filled_when_data_comes_and_sets_its_event(world, pair):
    s, client = pair
    request, buffer = receive(world, s)
    assert request.pending
    assert not request.is_set
    client.send(b"data")
    assert request.is_set
    assert (request.transferred, buffer[:4]) == (4, b"data")
    assert request.result(s) == (4, 0)
    assert request.overlapped.Internal == 0


def test_a_request_that_is_done_at_once_is_told_of_too(world, pair):
    s, client = pair
    client.send(b"data")
    world.settle()
    request, buffer = Request(world), bytearray(4)
    assert world.spi.WSPRecv(s, buffer, 0, request.overlapped) == (4, 0)
    assert request.event.is_set()
    assert request.result(s) == (4, 0)


def test_the_event_is_reset_when_a_request_begins(world, pair):
    s, _ = pair
    request = Request(world)
    request.event.set()
    with fails("WSA_IO_PENDING"):
        world.spi.WSPRecv(s, bytearray(4), 0, request.overlapped)
    assert not request.is_set


def test_i02_the_time_limit_of_calls_does_not_end_a_request(world, pair):
    s, client = pair
    set_options(world.spi, s, recv_timeout=100)
    request, _ = receive(world, s)
    world.advance(0.2)
    assert request.pending
    client.send(b"x")
    assert request.transferred == 1


def test_i04_an_empty_buffer_waits_for_data_and_leaves_it(world, pair):
    s, client = pair
    request, _ = receive(world, s, 0)
    assert request.pending
    client.send(b"data")
    assert request.transferred == 0
    buffer = bytearray(9)
    assert world.spi.WSPRecv(s, buffer) == (4, 0)


def test_i05_an_empty_buffer_gets_0_at_once_when_data_is_there(world, pair):
    s, client = pair
    client.send(b"data")
    world.settle()
    request = Request(world)
    assert world.spi.WSPRecv(s, bytearray(), 0, request.overlapped) == (0, 0)
    assert request.is_set


def test_i07_a_nonblocking_socket_has_pending_requests_too(world, pair):
    s, client = pair
    world.spi.WSPIoctl(s, world.spi.FIONBIO, 1)
    request, _ = receive(world, s)
    client.send(b"data")
    assert request.transferred == 4


def test_i08_a_routine_runs_in_an_alertable_wait_and_the_event_is_not_set(world, pair):
    spi = world.spi
    s, client = pair
    request, buffer = receive(world, s, routine=True)
    client.send(b"data")
    world.settle()
    assert (request.calls, request.is_set, request.pending) == ([], False, False)
    assert spi.SleepEx(1, alertable=True) == spi.WSA_WAIT_IO_COMPLETION
    assert request.calls == [(0, 4, 0)]
    assert not request.event.is_set()
    assert buffer[:4] == b"data"


def test_i08_a_routine_runs_also_when_the_request_was_done_at_once(world, pair):
    s, client = pair
    client.send(b"data")
    world.settle()
    request = Request(world, routine=True)
    assert world.spi.WSPRecv(s, bytearray(9), 0, *request.arguments) == (4, 0)
    assert request.calls == []
    world.spi.SleepEx(0, alertable=True)
    assert request.calls == [(0, 4, 0)]


def test_a_routine_runs_in_the_thread_that_asked(world, pair):
    spi = world.spi
    s, client = pair
    ran = []

    def ask():
        overlapped = spi.WSAOVERLAPPED()
        with fails("WSA_IO_PENDING"):
            spi.WSPRecv(
                s, bytearray(4), 0, overlapped, lambda *_: ran.append(threading.get_ident())
            )
        assert spi.SleepEx(5, alertable=True) == spi.WSA_WAIT_IO_COMPLETION
        return threading.get_ident()

    job = world.spawn(ask)
    world.at(0.1, client.send, b"data")
    assert spi.SleepEx(1, alertable=True) == 0
    assert ran == [job.result()]


def test_a_routine_of_a_thread_that_has_ended_never_runs(world, pair):
    spi = world.spi
    s, client = pair
    ran = []

    def ask():
        with fails("WSA_IO_PENDING"):
            spi.WSPRecv(s, bytearray(4), 0, spi.WSAOVERLAPPED(), ran.append)

    world.spawn(ask).result()
    client.send(b"data")
    assert spi.SleepEx(1, alertable=True) == 0
    assert ran == []


def test_routines_of_one_socket_are_never_nested(world, pair):
    spi = world.spi
    s, client = pair
    steps = []

    def first(*_):
        steps.append("first begins")
        spi.SleepEx(0.1, alertable=True)
        steps.append("first ends")

    for routine in (first, lambda *_: steps.append("second")):
        with fails("WSA_IO_PENDING"):
            spi.WSPRecv(s, bytearray(2), 0, spi.WSAOVERLAPPED(), routine)
    client.send(b"data")
    spi.SleepEx(1, alertable=True)
    assert steps == ["first begins", "first ends", "second"]


def test_a_routine_may_ask_for_more(world, pair):
    spi = world.spi
    s, client = pair
    got = []

    def again(error, transferred, overlapped, flags):
        got.append(bytes(buffer[:transferred]))
        with fails("WSA_IO_PENDING"):
            spi.WSPRecv(s, buffer, 0, overlapped, again)

    buffer, overlapped = bytearray(8), spi.WSAOVERLAPPED()
    with fails("WSA_IO_PENDING"):
        spi.WSPRecv(s, buffer, 0, overlapped, again)
    for i in range(3):
        world.at(0.1 * (i + 1), client.send, b"%d" % i)
    for _ in range(3):
        assert spi.SleepEx(1, alertable=True) == spi.WSA_WAIT_IO_COMPLETION
    assert got == [b"0", b"1", b"2"]


def test_requests_are_filled_in_the_order_in_which_they_were_made(world, pair):
    s, client = pair
    requests = [receive(world, s, 2) for _ in range(4)]
    client.send(b"aabb")
    assert [request.pending for request, _ in requests] == [False, False, True, True]
    client.send(b"ccd")
    assert [bytes(buffer[: r.transferred]) for r, buffer in requests] == [b"aa", b"bb", b"cc", b"d"]


def test_several_buffers_are_filled_in_order(world, pair):
    s, client = pair
    request, four, five = Request(world), bytearray(4), bytearray(5)
    with fails("WSA_IO_PENDING"):
        world.spi.WSPRecv(s, [four, five], 0, request.overlapped)
    client.send(b"ninebytes")
    assert request.transferred == 9
    assert (four, five) == (b"nine", b"bytes")


def test_the_list_of_buffers_may_change_while_a_request_waits(world, pair):
    s, client = pair
    request, buffer = Request(world), bytearray(4)
    buffers = [buffer]
    with fails("WSA_IO_PENDING"):
        world.spi.WSPRecv(s, buffers, 0, request.overlapped)
    buffers.clear()
    with pytest.raises(BufferError):
        buffer.clear()  # but not the memory
    client.send(b"data")
    assert (request.transferred, buffer) == (4, b"data")
    buffer.clear()


def test_waitall_waits_for_all(world, pair):
    spi = world.spi
    s, client = pair
    request, buffer = Request(world), bytearray(6)
    with fails("WSA_IO_PENDING"):
        spi.WSPRecv(s, buffer, spi.MSG_WAITALL, request.overlapped)
    client.send(b"abc")
    assert request.pending
    client.send(b"defg")
    assert (request.transferred, buffer) == (6, b"abcdef")


def test_waitall_ends_at_the_peers_close(world, pair):
    spi = world.spi
    s, client = pair
    request = Request(world)
    with fails("WSA_IO_PENDING"):
        spi.WSPRecv(s, bytearray(6), spi.MSG_WAITALL, request.overlapped)
    client.send(b"abc")
    client.finish()
    assert request.transferred == 3


def test_the_peers_close_ends_requests_with_0(world, pair):
    s, client = pair
    first, second = receive(world, s)[0], receive(world, s)[0]
    client.finish()
    assert (first.transferred, second.transferred) == (0, 0)


def test_recvfrom_says_nothing_of_where_from(world, pair):
    s, client = pair
    request, buffer = Request(world), bytearray(4)
    with fails("WSA_IO_PENDING"):
        world.spi.WSPRecvFrom(s, buffer, 0, request.overlapped)
    client.send(b"data")
    assert request.transferred == 4
    client.send(b"more")
    world.settle()
    assert world.spi.WSPRecvFrom(s, buffer, 0, Request(world).overlapped) == (4, 0, None)


def test_j05_a_request_survives_sd_receive_and_gets_the_next_data(world, pair):
    spi = world.spi
    s, client = pair
    request, buffer = receive(world, s)
    spi.WSPShutdown(s, spi.SD_RECEIVE)
    assert request.pending
    for overlapped in (None, Request(world).overlapped):
        with fails("ESHUTDOWN"):
            spi.WSPRecv(s, bytearray(1), 0, overlapped)
    client.send(b"data")
    assert (request.transferred, buffer[:4]) == (4, b"data")
    client.send(b"more")
    assert client.was_reset or world.name == "fake"


def test_j08_a_reset_ends_requests_with_10054(world, pair):
    spi = world.spi
    s, client = pair
    request, _ = receive(world, s)
    client.reset()
    assert request.is_set
    assert request.error == spi.WSAECONNRESET
    with fails("ECONNRESET"):
        request.result(s)


def test_j08_a_routine_is_told_of_the_reset(world, pair):
    s, client = pair
    request, _ = receive(world, s, routine=True)
    client.reset()
    world.settle()
    world.spi.SleepEx(0, alertable=True)
    assert request.calls == [(world.spi.WSAECONNRESET, 0, 0)]


def test_a_call_that_fails_at_once_tells_nobody(world, pair):
    spi = world.spi
    s, client = pair
    port = spi.CompletionPort()
    port.associate(s)
    client.reset()
    world.settle()
    request = Request(world)
    for _ in range(2):
        with fails("ECONNRESET"):
            spi.WSPRecv(s, bytearray(4), 0, request.overlapped)
    assert not request.is_set
    assert request.overlapped.Internal == 0
    with pytest.raises(queue.Empty):
        port.get(0)


def test_a_call_without_a_structure_waits_behind_requests(world, pair):
    s, client = pair
    request, first = receive(world, s, 4)
    world.at(0.1, client.send, b"11112222")
    second = bytearray(4)
    assert world.spi.WSPRecv(s, second) == (4, 0)
    assert (request.transferred, bytes(first), bytes(second)) == (4, b"1111", b"2222")
    request, first = receive(world, s, 4)
    world.spi.WSPIoctl(s, world.spi.FIONBIO, 1)
    with fails("EWOULDBLOCK"):
        world.spi.WSPRecv(s, second)
    assert request.pending


# ---- sending


def test_a_send_is_taken_over_at_once_and_told(world, pair):
    s, client = pair
    request = Request(world)
    assert world.spi.WSPSend(s, [b"da", b"ta"], 0, request.overlapped) == 4
    assert request.is_set
    assert request.result(s) == (4, 0)
    assert world.spi.WSPSendTo(s, b"more", 0, "garbage", Request(world).overlapped) == 4
    assert client.received == b"datamore"


def test_a_send_without_room_waits_until_all_is_taken_over(world, pair):
    s, client = pair
    request = fill(world, s)
    assert request.pending
    last = Request(world)
    with fails("WSA_IO_PENDING"):
        world.spi.WSPSend(s, b"the end", 0, last.overlapped)
    while last.pending:
        client.drain()
    assert request.transferred == 1 << 20
    assert last.transferred == 7
    assert client.received.endswith(bytes(100) + b"the end")


def test_a_call_to_send_waits_behind_requests(world, pair):
    spi = world.spi
    s, client = pair
    request = fill(world, s)
    for i in range(200):
        world.at(0.1 + i / 10, client.drain)
    assert spi.WSPSend(s, b"the end") == 7
    assert not request.pending
    while not client.received.endswith(b"the end"):
        client.drain()
    fill(world, s)
    set_options(spi, s, send_timeout=100)
    with fails("ETIMEDOUT"):
        spi.WSPSend(s, b"x")
    spi.WSPIoctl(s, spi.FIONBIO, 1)
    with fails("EWOULDBLOCK"):
        spi.WSPSend(s, b"x")


def test_a_reset_ends_a_send_that_waits(world, pair):
    s, client = pair
    request = fill(world, s)
    client.abort()
    assert request.error == world.spi.WSAECONNRESET


def test_sending_nothing_is_done_at_once(world, pair):
    s, _ = pair
    request = Request(world)
    assert world.spi.WSPSend(s, b"", 0, request.overlapped) == 0
    assert request.is_set


# ---- the end of a socket


@pytest.mark.parametrize("routine", [False, True])
def test_j13_closing_ends_requests_with_995_and_tells(world, pair, routine):
    spi = world.spi
    s, _ = pair
    requests = [receive(world, s, routine=routine)[0] for _ in range(2)]
    spi.WSPCloseSocket(s)
    assert [r.error for r in requests] == [spi.WSA_OPERATION_ABORTED] * 2
    if routine:
        spi.SleepEx(0, alertable=True)
        assert [r.calls for r in requests] == [[(spi.WSA_OPERATION_ABORTED, 0, 0)]] * 2
    else:
        assert [r.is_set for r in requests] == [True, True]
    with fails("ENOTSOCK"):
        requests[0].result(s)


def test_j13_a_completion_port_hears_of_it(world, pair):
    spi = world.spi
    s, _ = pair
    port = spi.CompletionPort()
    port.associate(s, "key")
    request, _ = receive(world, s, event=False)
    spi.WSPCloseSocket(s)
    assert port.get() == ("key", 0, request.overlapped, spi.WSA_OPERATION_ABORTED)


def test_only_the_last_descriptor_ends_requests(world, pair):
    spi = world.spi
    s, client = pair
    other = spi.WSPSocket(0, 0, 0, spi.WSPDuplicateSocket(s, __import__("os").getpid()))
    request, _ = receive(world, s)
    spi.WSPCloseSocket(s)
    client.send(b"data")
    assert request.transferred == 4
    assert request.result(other) == (4, 0)


@pytest.mark.parametrize("routine", [False, True])
def test_a07_the_last_cleanup_ends_requests_with_995_and_tells_nobody(world, pair, routine):
    spi = world.spi
    s, _ = pair
    port = spi.CompletionPort()
    if not routine:
        port.associate(s)
    request, _ = receive(world, s, routine=routine)
    spi.WSPCleanup()
    assert request.overlapped.OffsetHigh == spi.WSA_OPERATION_ABORTED
    assert request.overlapped.Internal == 0
    assert not request.event.is_set()
    with fails("NOTINITIALISED"):
        port.get(0)
    spi.WSPStartup()
    assert spi.SleepEx(0.1, alertable=True) == 0
    assert request.calls == []
    with pytest.raises(queue.Empty):
        port.get(0)


def test_cleanup_leaves_no_thread_behind_and_startup_makes_a_new_one(world, pair):
    spi = world.spi
    request, _ = receive(world, pair[0])
    assert request.pending
    service = spi._control().service
    assert service.running
    spi.WSPCleanup()
    assert not service.running
    spi.WSPStartup()
    s, client = world.pair(81)
    request, _ = receive(world, s)
    client.send(b"data")
    assert request.transferred == 4


def test_cleanup_ends_waits_for_results_and_completions(world, pair):
    spi = world.spi
    s, _ = pair
    request, _ = receive(world, s)
    port = spi.CompletionPort()
    jobs = [world.spawn(request.result, s, True), world.spawn(port.get)]
    world.advance(0.1)
    spi.WSPCleanup()
    with fails("WSA_OPERATION_ABORTED"):
        jobs[0].result()
    with fails("EINTR"):
        jobs[1].result()
