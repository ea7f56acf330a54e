"""How the end of an overlapped request is told: results, completion ports, upcalls; bad input."""

import queue
import select
import threading

import pytest

from pyprov.core.events import WSAEVENT
from tests.python.failing import fails
from tests.python.spi.requests import Request, receive
from tests.python.watched import Watched


@pytest.fixture
def pair(world):
    return world.pair()


# ---- WSPGetOverlappedResult


def test_q03_of_no_socket_10038_and_of_a_pending_request_996(world, pair):
    spi = world.spi
    s, client = pair
    request, _ = receive(world, s)
    for bad in (0, -1, s + 4, None):
        with fails("ENOTSOCK"):
            request.result(bad)
    with fails("WSA_IO_INCOMPLETE"):
        request.result(s)
    client.send(b"data")
    world.settle()
    assert request.result(s) == (4, 0)
    for bad in (None, 7, "overlapped", object()):
        with fails("EFAULT"):
            spi.WSPGetOverlappedResult(s, bad, False)


def test_waiting_for_a_result_takes_until_it_is_there(world, pair):
    s, client = pair
    request, _ = receive(world, s)
    start = world.now
    world.at(0.5, client.send, b"data")
    assert request.result(s, wait=True) == (4, 0)
    assert world.took(start, 0.5, 0.01)


def test_waiting_for_a_result_is_not_alertable(world, pair):
    s, client = pair
    request, _ = receive(world, s)
    upcalls = world.spi._control().upcalls
    ran = []
    upcalls.WPUQueueApc(upcalls.WPUOpenCurrentThread(), ran.append, 1)
    world.at(0.5, client.send, b"data")
    assert request.result(s, wait=True) == (4, 0)
    assert ran == []
    world.spi.SleepEx(0, alertable=True)


def test_waiting_without_an_event_is_6(world, pair):
    s, client = pair
    request, _ = receive(world, s, event=False)
    with fails("WSA_INVALID_HANDLE"):
        request.result(s, wait=True)
    client.send(b"data")
    world.settle()
    assert request.result(s, wait=True) == (4, 0)


def test_an_event_that_somebody_else_has_set_ends_the_wait_with_996(world, pair):
    s, _ = pair
    request, _ = receive(world, s)
    world.at(0.1, request.event.set)
    with fails("WSA_IO_INCOMPLETE"):
        request.result(s, wait=True)


# ---- completion ports


def test_a_port_has_the_completions_of_many_sockets_in_order(world):
    spi = world.spi
    port = spi.CompletionPort()
    pairs = [world.pair(80 + i) for i in range(3)]
    requests = []
    for key, (s, _) in enumerate(pairs):
        port.associate(s, key)
        requests.append(receive(world, s, event=False)[0])
    for key in (2, 0, 1):
        pairs[key][1].send(b"x" * (key + 1))
        world.settle()
    for key in (2, 0, 1):
        assert port.get(0) == (key, key + 1, requests[key].overlapped, 0)
    start = world.now
    with pytest.raises(queue.Empty):
        port.get(0.5)
    assert world.took(start, 0.5)


def test_a_port_and_an_event_are_both_told(world, pair):
    s, client = pair
    port = world.spi.CompletionPort()
    port.associate(s)
    request, _ = receive(world, s)
    client.send(b"x")
    assert request.is_set
    assert port.get(0).overlapped is request.overlapped


def test_the_descriptor_of_a_port_is_readable_while_there_is_something(world, pair):
    s, client = pair
    port = world.spi.CompletionPort()
    port.associate(s)
    receive(world, s, 1, event=False)
    receive(world, s, 1, event=False)
    epoll = select.epoll()
    epoll.register(port.fileno(), select.EPOLLIN)
    assert not epoll.poll(0)
    client.send(b"xy")
    world.settle()
    for _ in range(2):
        assert epoll.poll(0)
        port.get(0)
    assert not epoll.poll(0)
    epoll.close()


def test_a_thread_waits_at_a_port(world, pair):
    s, client = pair
    port = world.spi.CompletionPort()
    port.associate(s, "key")
    jobs = [world.spawn(port.get) for _ in range(2)]
    for _ in range(2):
        receive(world, s, 1, event=False)
    world.at(0.2, client.send, b"xy")
    assert [job.result().key for job in jobs] == ["key", "key"]


def test_anything_can_be_posted_by_hand(world):
    port = world.spi.CompletionPort()
    overlapped = world.spi.WSAOVERLAPPED()
    port.post("key", 7, overlapped, 5)
    port.post()
    assert port.get() == ("key", 7, overlapped, 5)
    assert port.get() == (0, 0, None, 0)


def test_bad_use_of_a_port_is_refused(world, pair):
    spi = world.spi
    s, _ = pair
    port = spi.CompletionPort()
    for bad in (0, None, "s", s + 4):
        with fails("ENOTSOCK"):
            port.associate(bad)
    port.associate(s)
    for other in (port, spi.CompletionPort()):
        with fails("WSA_INVALID_PARAMETER"):
            other.associate(s)
    with fails("EINVAL"):
        spi.WSPRecv(s, bytearray(1), 0, spi.WSAOVERLAPPED(), print)
    plain = spi.WSPSocket(2, 1, 6, flags=0)
    with fails("WSA_INVALID_PARAMETER"):
        port.associate(plain)
    for bad in (-1, "1", float("nan")):
        with fails("EINVAL"):
            port.get(bad)


def test_a_closed_port_is_no_handle_and_loses_what_comes(world, pair):
    s, client = pair
    port = world.spi.CompletionPort()
    port.associate(s)
    request, _ = receive(world, s)
    port.close()
    port.close()
    client.send(b"data")
    assert request.is_set
    for call in (port.get, port.post, port.fileno, lambda: port.associate(s)):
        with fails("WSA_INVALID_HANDLE"):
            call()


# ---- with network events


def test_l21_what_a_request_takes_is_not_announced_and_what_comes_next_is(world, pair):
    spi = world.spi
    s, client = pair
    watched = Watched(world, s, spi.FD_READ)
    request, _ = receive(world, s)
    client.send(b"data")
    assert request.transferred == 4
    assert not watched.is_set
    assert watched.seen() == 0
    client.send(b"more")
    assert watched.is_set
    assert watched.seen() == spi.FD_READ


def test_l21_what_a_request_leaves_is_announced(world, pair):
    spi = world.spi
    s, client = pair
    watched = Watched(world, s, spi.FD_READ)
    request, _ = receive(world, s, 2)
    client.send(b"data")
    assert request.transferred == 2
    assert watched.is_set
    assert watched.seen() == spi.FD_READ


# ---- upcalls


def test_completing_a_request_by_hand(world, pair):
    spi = world.spi
    s, _ = pair
    port = spi.CompletionPort()
    port.associate(s, "key")
    request = Request(world)
    spi.WPUCompleteOverlappedRequest(s, request.overlapped, 0, 7)
    assert request.is_set
    assert request.result(s) == (7, 0)
    assert port.get(0) == ("key", 7, request.overlapped, 0)
    spi.WPUCompleteOverlappedRequest(s, request.overlapped, spi.WSAECONNRESET, 0)
    with fails("ECONNRESET"):
        request.result(s)
    with fails("EINVAL"):
        spi.WPUCompleteOverlappedRequest(s + 4, request.overlapped, 0, 0)
    with fails("EFAULT"):
        spi.WPUCompleteOverlappedRequest(s, None, 0, 0)


def test_replaced_upcalls_are_called(world, pair):
    spi = world.spi
    s, client = pair
    table, calls = spi.WSPUPCALLTABLE(), []
    table.WPUResetEvent = lambda event: calls.append(("reset", event))
    table.WPUSetEvent = lambda event: calls.append(("set", event))
    table.WPUQueueApc = lambda thread, function, context: calls.append((thread, context))
    spi.WSPStartup(UpcallTable=table)
    request, _ = receive(world, s, 1)
    second, _ = receive(world, s, 1, routine=True)
    client.send(b"xy")
    assert not second.pending
    assert calls[:2] == [("reset", request.event), ("set", request.event)]
    assert calls[2][0] == threading.get_ident()
    spi.WSPCleanup()


def test_an_upcall_that_raises_is_told_and_stops_nothing(world, pair, monkeypatch):
    spi = world.spi
    s, client = pair
    told = []
    monkeypatch.setattr(threading, "excepthook", lambda hook: told.append(hook.exc_type))
    table = spi.WSPUPCALLTABLE()
    table.WPUSetEvent = lambda event: 1 // 0
    spi.WSPStartup(UpcallTable=table)
    first, _ = receive(world, s, 1)
    second, _ = receive(world, s, 1)
    client.send(b"x")
    assert not first.pending
    assert told == [ZeroDivisionError]
    client.send(b"y")
    assert not second.pending
    spi.WSPCleanup()


def test_a_thread_that_has_ended_is_not_called_though_its_number_may_come_again(world, pair):
    spi = world.spi
    s, client = pair
    table, calls = spi.WSPUPCALLTABLE(), []
    table.WPUQueueApc = lambda *call: calls.append(call)
    spi.WSPStartup(UpcallTable=table)
    world.spawn(lambda: receive(world, s, 1, routine=True)).result()
    request, _ = receive(world, s, 1, routine=True)
    client.send(b"xy")
    assert not request.pending
    assert [thread for thread, *_ in calls] == [threading.get_ident()]
    spi.WSPCleanup()


def test_nothing_is_watched_that_nobody_waits_for(world, pair):
    s, client = pair
    interests = world.spi._control().service._interests
    request, _ = receive(world, s)
    assert request.pending
    assert len(interests) == 1
    for _ in range(2):  # the first one ends the request, the second tells that nobody is interested
        client.send(b"x")
        world.settle()
    assert not interests
    assert world.spi.WSPRecv(s, bytearray(9)) == (1, 0)
    request, _ = receive(world, s)
    client.send(b"data")
    assert request.transferred == 4
    world.spi.WSPCloseSocket(s)
    assert not interests


# ---- bad input


@pytest.mark.parametrize("verb", ["WSPRecv", "WSPSend"])
def test_what_describes_a_request_is_looked_at(world, pair, verb):
    spi = world.spi
    s, _ = pair
    call = getattr(spi, verb)
    for bad in (7, "overlapped", object(), spi.WSACreateEvent()):
        with fails("EFAULT"):
            call(s, bytearray(1), 0, bad)
    for bad in (7, "routine"):
        with fails("EFAULT"):
            call(s, bytearray(1), 0, spi.WSAOVERLAPPED(), bad)
    closed = WSAEVENT()
    closed.close()
    for bad in (7, "event", closed):
        with fails("WSA_INVALID_HANDLE"):
            call(s, bytearray(1), 0, spi.WSAOVERLAPPED(bad))
    for bad in (None, 7, [7], ["x"]):
        with fails("EFAULT"):
            call(s, bad, 0, spi.WSAOVERLAPPED())
    with fails("EINVAL"):
        call(s, [], 0, spi.WSAOVERLAPPED())
    for bad in (0x4000, -1, "0", None):
        with fails("EOPNOTSUPP"):
            call(s, bytearray(1), bad, spi.WSAOVERLAPPED())


def test_i11_a_bad_handle_is_10038_whatever_else(spi):
    for call in (spi.WSPRecv, spi.WSPSend, spi.WSPRecvFrom):
        for bad in (0, -1, None, "s"):
            with fails("ENOTSOCK"):
                call(bad, None, None, spi.WSAOVERLAPPED())


def test_bad_buffers_and_flags_of_a_request_to_receive(world, pair):
    spi = world.spi
    s, _ = pair
    for bad in (b"read-only", [bytearray(1), b"too"]):
        with fails("EFAULT"):
            spi.WSPRecv(s, bad, 0, spi.WSAOVERLAPPED())
    with fails("EOPNOTSUPP"):
        spi.WSPRecv(s, bytearray(1), spi.MSG_PEEK, spi.WSAOVERLAPPED())


def test_states_are_looked_at_before_arguments(world):
    spi = world.spi
    fresh = spi.WSPSocket(2, 1, 6)
    with fails("EINVAL"):
        spi.WSPRecv(fresh, None, 0, "overlapped")
    with fails("ENOTCONN"):
        spi.WSPSend(fresh, None, 0, "overlapped")
    with fails("ENOTCONN"):
        spi.WSPRecv(world.listener(), bytearray(1), 0, spi.WSAOVERLAPPED())


def test_a_structure_serves_one_pending_request(world, pair):
    s, _ = pair
    request, _ = receive(world, s)
    with fails("EINVAL"):
        world.spi.WSPRecv(s, bytearray(1), 0, request.overlapped)
    assert request.pending


def test_a_socket_made_without_the_flag_does_not_look_at_the_structure(world):
    spi = world.spi
    world.serve(81)
    s = spi.WSPSocket(2, 1, 6, flags=0)
    spi.WSPConnect(s, (world.peer_address, 81))
    client = world.accepted(81)
    client.send(b"data")
    world.settle()
    request = Request(world)
    assert spi.WSPRecv(s, bytearray(4), 0, request.overlapped) == (4, 0)
    assert spi.WSPSend(s, b"x", 0, "garbage", "garbage") == 1
    assert not request.is_set
