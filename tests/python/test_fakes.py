"""The fake dataplane keeps the contract that core is written against."""

import errno

import numpy as np
import pytest

from pyprov.core import port
from pyprov.core.port import DataplaneError, ListenParams
from pyprov.tools.lab.schedule import Deadlock


def test_addresses_go_there_and_back():
    for host in ("10.9.0.2", "0.0.0.0", "fd09::2", "::1", "::"):
        assert port.unpack_address(port.pack_address(host)) == host
    assert port.pack_address("10.9.0.2") == bytes(10) + b"\xff\xff\x0a\x09\x00\x02"
    assert port.pack_address("fe80::1%eth0") == port.pack_address("fe80::1")
    for text in ("", "10.9.0", "fd09::2::1", "localhost"):
        with pytest.raises(ValueError, match=r"."):
            port.pack_address(text)


def test_an_error_says_what_and_why():
    error = DataplaneError(-errno.EADDRINUSE, "listen")
    assert str(error) == "listen: Address already in use"
    assert (error.error, error.verb) == (-errno.EADDRINUSE, "listen")


def test_a_request_arrives_is_taken_and_answered(fake):
    listener = fake.listen(ListenParams(port=80, backlog=2))
    fake.at(1.0, fake.request, 80, ("10.9.0.7", 4711), b"hello")
    waiter = fake.thread_waiter()
    assert waiter.wait_for(listener, port.READY_ACCEPT) == port.READY_ACCEPT
    assert fake.now() == 1_000_000_000
    request = fake.accept(listener)
    assert port.unpack_address(request.peer) == "10.9.0.7"
    buffer = bytearray(10)
    assert fake.recv(request.handle, buffer) == 5
    assert buffer[:5] == b"hello"
    assert fake.recv(request.handle, buffer) is None
    assert fake.send(request.handle, [b"he", b"llo"]) == 5
    peer = fake.peer(request.handle)
    assert peer.received == b"hello"
    peer.finish()
    assert fake.recv(request.handle, buffer) == 0
    fake.close(request.handle)
    assert peer.finished
    with pytest.raises(DataplaneError) as caught:
        fake.recv(request.handle, buffer)
    assert caught.value.error == -errno.EBADF


def test_a_backlog_of_two_is_two(fake):
    listener = fake.listen(ListenParams(port=80, backlog=2))
    peers = [fake.request(80, ("10.9.0.1", 1000 + i)) for i in range(3)]
    assert [peer.was_reset for peer in peers] == [False, False, True]
    assert fake.status(listener).queued == 2
    rows = np.zeros(8, port.REQUEST_DTYPE)
    assert fake.accept_many(listener, rows) == 2
    assert list(rows["peer_port"][:2]) == [1000, 1001]
    assert not fake.status(listener).ready & port.READY_ACCEPT


def test_a_wait_nobody_can_end_is_a_deadlock(fake):
    listener = fake.listen(ListenParams(port=80))
    with pytest.raises(Deadlock):
        fake.thread_waiter().wait_for(listener, port.READY_ACCEPT)
    assert fake.thread_waiter().wait_for(listener, port.READY_ACCEPT, 5) == 0
    assert fake.now() == 5


def test_a_full_send_buffer_gets_room(fake):
    listener = fake.listen(ListenParams(port=80))
    peer = fake.request(80)
    handle = fake.accept(listener).handle
    assert fake.send(handle, bytes(100_000)) == 65536
    assert fake.send(handle, b"x") is None
    fake.at(0.1, peer.take, 1000)
    assert fake.thread_waiter().wait_for(handle, port.READY_WRITE)
    assert fake.send(handle, bytes(2000)) == 1000
    assert fake.status(handle).writes == 2


def test_a_ring_from_another_thread_ends_a_wait(fake):
    listener = fake.listen(ListenParams(port=80))
    waiter = fake.thread_waiter()
    fake.scheduler.spawn(waiter.ring)
    assert waiter.wait_for(listener, port.READY_ACCEPT) == 0


def test_a_queue_reports_each_changed_handle_once(fake):
    listener = fake.listen(ListenParams(port=80))
    waiter = fake.open_waiter()
    waiter.watch(listener, port.READY_ACCEPT, cookie=9)
    fake.request(80)
    fake.request(80, ("10.9.0.1", 2))
    assert fake.wait_fds([waiter.fileno()]) == [waiter.fileno()]
    assert waiter.take() == [(listener, 9, port.READY_ACCEPT)]
    assert waiter.take() == []
    assert fake.wait_fds([waiter.fileno()], 0) == []


def test_connect_ends_as_the_test_says(fake):
    params = port.ConnectParams(peer=port.pack_address("10.9.0.1"), peer_port=80)
    handle = fake.connect(params)
    assert fake.status(handle).ready == port.READY_CONNECT | port.READY_WRITE
    fake.on_connect = lambda _: -errno.ECONNREFUSED
    refused = fake.status(fake.connect(params))
    assert refused.error == -errno.ECONNREFUSED
    fake.on_connect = lambda _: None
    assert fake.status(fake.connect(params)).ready == 0


def test_stop_ends_waits_and_calls(fake):
    listener = fake.listen(ListenParams(port=80))
    status = fake.status(listener)
    fake.scheduler.spawn(fake.stop, 0)
    with pytest.raises(DataplaneError) as caught:
        fake.thread_waiter().wait_for(listener, port.READY_ACCEPT)
    assert caught.value.error == -errno.ESHUTDOWN
    assert status.generation == 0
