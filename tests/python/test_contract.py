"""core/port.py's contract, kept alike by the fake dataplane and the engine."""

import errno
import os
import select

import numpy as np
import pytest

from pyprov.core import port
from pyprov.core.port import DataplaneError, ListenParams
from pyprov.tools.lab.schedule import Deadlock
from tests.python.port_worlds import WORLDS


@pytest.fixture(params=WORLDS)
def world(request):
    with WORLDS[request.param]() as made:
        yield made


@pytest.fixture
def plane(world):
    return world.dataplane


@pytest.fixture
def listener(plane):
    return plane.listen(ListenParams(port=80, backlog=3))


@pytest.fixture
def connection(world, plane, listener):
    """(handle, client) of an accepted connection."""
    client = world.request(80)
    world.settle()
    return plane.accept(listener).handle, client


def fails(error, call, *args, **kwargs):
    with pytest.raises(DataplaneError) as caught:
        call(*args, **kwargs)
    assert caught.value.error == -error


def test_a_request_says_who_and_where(world, plane, listener):
    world.settle(1.0)
    world.request(80)
    world.settle()
    request = plane.accept(listener)
    assert port.unpack_address(request.peer) == "10.9.0.1"
    assert port.unpack_address(request.local) == "10.9.0.2"
    assert request.local_port == 80
    assert request.peer_port > 1024
    assert 1_000_000_000 <= request.when_ns < plane.now()
    assert request.flags == 0
    assert plane.accept(listener) is None


def test_requests_come_in_order_and_a_deferred_one_first(world, plane, listener):
    for _ in range(3):
        world.request(80)
    world.settle()
    first = plane.accept(listener)
    second = plane.accept(listener)
    plane.defer(listener, second)
    rows = np.zeros(5, port.REQUEST_DTYPE)
    assert plane.accept_many(listener, rows) == 2
    assert bytes(rows["peer"][0]) == second.peer
    assert list(rows["handle"][[0, 1]] != first.handle) == [True, True]
    assert rows["handle"][0] == second.handle
    assert rows["peer_port"][1] != second.peer_port
    assert plane.accept_many(listener, rows) == 0


def test_a_backlog_of_three_is_three_and_the_rest_is_reset(world, plane, listener):
    clients = [world.request(80) for _ in range(5)]
    world.settle()
    status = plane.status(listener)
    assert [client.was_reset for client in clients] == [False] * 3 + [True] * 2
    assert (status.queued, status.accepts) == (3, 3)
    assert status.ready & port.READY_ACCEPT
    plane.listener_update(listener, port.ListenParams(port=80, backlog=1))
    world.settle()
    assert status.queued == 1
    assert [client.was_reset for client in clients] == [False] + [True] * 4


def test_closing_a_listener_resets_who_waits(world, plane, listener):
    client = world.request(80)
    world.settle()
    plane.listener_close(listener)
    world.settle()
    assert client.was_reset
    fails(errno.EBADF, plane.accept, listener)


def test_a_port_in_use_and_a_foreign_address_are_refused(plane, listener):
    fails(errno.EADDRINUSE, plane.listen, ListenParams(port=80))
    foreign = port.pack_address("10.9.0.77")
    fails(errno.EADDRNOTAVAIL, plane.listen, ListenParams(port=81, local=foreign))
    plane.listener_close(listener)
    assert plane.listen(ListenParams(port=80))


def test_bytes_arrive_in_pieces_of_the_readers_choice(world, plane, connection):
    handle, client = connection
    client.send(b"hello, world")
    world.settle()
    assert plane.readable(handle) == 12
    peeked, first, second = bytearray(3), bytearray(4), bytearray(20)
    assert plane.recv(handle, peeked, port.IO_PEEK) == 3
    assert plane.recv(handle, [first, second]) == 12
    assert (bytes(peeked), bytes(first), bytes(second[:8])) == (b"hel", b"hell", b"o, world")
    assert plane.recv(handle, first) is None
    assert plane.status(handle).rx_total == 12


def test_many_buffers_are_sent_as_one_stream(world, plane, connection):
    handle, client = connection
    assert plane.send(handle, [b"one ", bytearray(b"two "), memoryview(b"-three-")[1:-1]]) == 13
    world.settle()
    assert client.received == b"one two three"
    view = np.frombuffer(b"numbers", np.uint8)
    assert plane.send(handle, view) == 7
    assert plane.send(handle, b"") == 0
    world.settle()
    assert client.received.endswith(b"numbers")


def test_what_cannot_be_filled_is_no_buffer(plane, connection):
    handle, _ = connection
    with pytest.raises((TypeError, BufferError, ValueError)):
        plane.recv(handle, b"constant")
    with pytest.raises(TypeError):
        plane.send(handle, 5)


def test_the_peers_end_is_zero_bytes_and_ours_is_seen_there(world, plane, connection):
    handle, client = connection
    client.send(b"last")
    client.finish()
    world.settle()
    status = plane.status(handle)
    assert status.ready & port.READY_CLOSE
    assert status.closes == 1
    buffer = bytearray(10)
    assert [plane.recv(handle, buffer) for _ in range(3)] == [4, 0, 0]
    assert plane.send(handle, b"answer") == 6
    plane.shutdown_send(handle)
    fails(errno.EPIPE, plane.send, handle, b"more")
    world.settle()
    assert client.received == b"answer"
    assert client.finished


def test_a_reset_ends_both_directions(world, plane, connection):
    handle, client = connection
    client.reset()
    world.settle()
    status = plane.status(handle)
    assert status.error == -errno.ECONNRESET
    assert status.ready & port.READY_ERROR
    fails(errno.ECONNRESET, plane.recv, handle, bytearray(1))
    fails(errno.ECONNRESET, plane.send, handle, b"x")


def test_a_closed_handle_is_an_error_and_never_anothers(world, plane, listener, connection):
    handle, client = connection
    plane.close(handle)
    world.settle()
    assert client.finished
    fails(errno.EBADF, plane.send, handle, b"x")
    fails(errno.EBADF, plane.recv, handle, bytearray(1))
    fails(errno.EBADF, plane.close, handle)
    world.request(80)
    assert plane.accept(listener).handle != handle


def test_an_aborted_connection_is_reset(world, plane, connection):
    handle, client = connection
    plane.close(handle, port.CLOSE_ABORT)
    world.settle()
    assert client.was_reset


def test_many_are_served_by_one_call(world, plane, listener):
    clients = [world.request(80, b"%d" % i) for i in range(3)]
    world.settle()
    rows = np.zeros(3, port.REQUEST_DTYPE)
    assert plane.accept_many(listener, rows) == 3
    handles = rows["handle"]
    buffers = [bytearray(4) for _ in range(3)]
    assert list(plane.recv_many(handles, buffers)) == [1, 1, 1]
    assert [bytes(buffer[:1]) for buffer in buffers] == [b"0", b"1", b"2"]
    assert list(plane.recv_many(handles, buffers)) == [-errno.EAGAIN] * 3
    assert list(plane.send_many(handles, [b"a", b"bc", b"def"])) == [1, 2, 3]
    world.settle()
    assert [bytes(client.received) for client in clients] == [b"a", b"bc", b"def"]
    assert plane.close_many(handles) == 3
    assert plane.close_many(handles) == 0


def test_a_wait_sees_what_is_true_already_and_what_comes(world, plane, listener):
    waiter = plane.thread_waiter()
    assert plane.thread_waiter() is waiter
    before = plane.now()
    assert waiter.wait_for(listener, port.READY_ACCEPT, 1000) == 0
    assert plane.now() == before + 1000
    world.spawn(world.request, 80)
    assert waiter.wait_for(listener, port.READY_ACCEPT) == port.READY_ACCEPT
    now = plane.now()
    assert waiter.wait_for(listener, port.READY_ACCEPT | port.READY_READ) == port.READY_ACCEPT
    assert plane.now() == now


def test_a_wait_that_nothing_can_end_is_a_deadlock(plane, listener):
    with pytest.raises(Deadlock):
        plane.thread_waiter().wait_for(listener, port.READY_ACCEPT)


def test_a_ring_ends_the_wait_under_way_or_the_next(world, plane, listener):
    waiter = plane.thread_waiter()
    world.spawn(waiter.ring)
    assert waiter.wait_for(listener, port.READY_ACCEPT) == 0
    waiter.ring()
    assert waiter.wait_for(listener, port.READY_ACCEPT) == 0
    waiter.ring()
    assert waiter.wait(10)
    assert not waiter.wait(10)


def test_a_queue_reports_what_changed_once(world, plane, connection):
    handle, client = connection
    waiter = plane.open_waiter()
    poll = select.poll()
    poll.register(waiter.fileno(), select.POLLIN)
    waiter.watch(handle, port.READY_READ | port.READY_CLOSE, cookie=2**64 - 1)
    assert waiter.take() == []
    assert poll.poll(0) == []
    client.send(b"a")
    client.send(b"b")
    world.settle()
    assert poll.poll(0) != []
    ((reported, cookie, ready),) = waiter.take()
    assert (reported, cookie) == (handle, 2**64 - 1)
    assert ready & port.READY_READ
    assert waiter.take() == []
    client.send(b"c")
    world.settle()
    assert len(waiter.take()) == 1
    waiter.watch(handle, 0)
    client.send(b"d")
    world.settle()
    assert waiter.take() == []
    waiter.close()


def test_a_watch_once_reports_once_and_what_is_ready_at_once(world, plane, connection):
    handle, client = connection
    waiter = plane.open_waiter()
    waiter.watch(handle, port.READY_WRITE, once=True, cookie=5)
    assert [ready.cookie for ready in waiter.take()] == [5]
    waiter.watch(handle, port.READY_READ, once=True)
    client.send(b"a")
    world.settle()
    assert len(waiter.take()) == 1
    client.send(b"b")
    world.settle()
    assert waiter.take() == []
    waiter.close()


def test_a_signal_writes_to_the_callers_eventfd(world, plane, connection):
    handle, client = connection
    event = os.eventfd(0, os.EFD_NONBLOCK)
    waiter = plane.open_signal(event)
    waiter.watch(handle, port.READY_READ)
    assert plane.wait_fds([event], 0) == []
    client.send(b"a")
    assert plane.wait_fds([event]) == [event]
    os.eventfd_read(event)
    assert plane.wait_fds([event], 5) == []
    client.send(b"b")
    world.settle()
    assert plane.wait_fds([event], 0) == [event]
    waiter.close()
    os.eventfd_write(event, 1)
    os.close(event)


def test_connect_is_ready_when_it_ended(world, plane):
    if hasattr(plane, "on_connect"):
        outcomes = iter([0, -errno.ECONNREFUSED])
        plane.on_connect = lambda _: next(outcomes)
    else:
        world.two.a.dataplane.listen(ListenParams(port=7))
    peer = port.pack_address("10.9.0.1")
    waiter = plane.thread_waiter()
    own = port.OwnName()
    there = plane.connect(port.ConnectParams(peer=peer, peer_port=7), own)
    info = plane.info(there)
    assert (own.address, own.port) == (info.local, info.local_port)
    assert waiter.wait_for(there, port.READY_CONNECT, 10**9) & port.READY_CONNECT
    assert plane.status(there).error == 0
    assert plane.status(there).ready & port.READY_WRITE
    refused = plane.connect(port.ConnectParams(peer=peer, peer_port=8))
    assert waiter.wait_for(refused, port.READY_CONNECT, 10**9) & port.READY_CONNECT
    assert plane.status(refused).error == -errno.ECONNREFUSED


def test_info_names_both_ends(plane, connection):
    handle, _ = connection
    info = plane.info(handle)
    assert (port.unpack_address(info.local), info.local_port) == ("10.9.0.2", 80)
    assert port.unpack_address(info.peer) == "10.9.0.1"
    assert handle in plane.connections()
    fails(errno.EBADF, plane.info, 0x0100_0000_0000_0001)


def test_stop_ends_waits_calls_and_views(world, plane, listener):
    view = plane.status(listener)
    job = world.spawn(lambda: plane.thread_waiter().wait_for(listener, port.READY_ACCEPT))
    fds = world.spawn(plane.wait_fds, [])
    world.settle()
    plane.stop(0)
    for blocked in (job, fds):
        with pytest.raises(DataplaneError) as caught:
            blocked.result()
        assert caught.value.error == -errno.ESHUTDOWN
    assert (view.generation, view.ready, view.queued) == (0, 0, 0)
    fails(errno.ESHUTDOWN, plane.listen, ListenParams(port=81))
    fails(errno.ESHUTDOWN, plane.stop, 0)
