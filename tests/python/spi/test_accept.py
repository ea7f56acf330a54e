"""WSPAccept without a condition function."""

import errno
import signal

import numpy as np
import pytest

from pyprov.spi import READY_DTYPE
from pyprov.winsock.structs import LINGER
from tests.python.failing import fails, get_option, set_options


def nonblocking(spi, s):
    spi.WSPEventSelect(s, None, 0)
    return s


def test_f01_accept_without_listen_is_10022(world):
    spi = world.spi
    fresh, bound = spi.WSPSocket(2, 1, 6), spi.WSPSocket(2, 1, 6)
    spi.WSPBind(bound, (world.address, 81))
    connected, _ = world.pair()
    for s in (fresh, bound, connected):
        with fails("EINVAL"):
            spi.WSPAccept(s)


def test_f06_accept_gives_the_socket_and_the_peers_address(world):
    spi = world.spi
    listener = world.listener()
    client = world.client(80)
    s, addr = spi.WSPAccept(listener)
    assert addr == client.address
    assert spi.WSPGetPeerName(s) == client.address
    assert spi.WSPGetSockName(s) == (world.address, 80)
    spi.WSPSend(s, b"hello")
    assert client.received == b"hello"


def test_requests_are_accepted_in_the_order_they_came(world):
    listener = world.listener()
    clients = [world.client(80) for _ in range(3)]
    taken = [world.spi.WSPAccept(listener)[1] for _ in clients]
    assert taken == [client.address for client in clients]


def test_an_empty_queue_is_10035_without_blocking(world):
    s = nonblocking(world.spi, world.listener())
    with fails("EWOULDBLOCK") as caught:
        world.spi.WSPAccept(s)
    assert caught.value.addr is None


def test_a_blocking_accept_waits_for_the_request(world):
    listener = world.listener()
    start = world.now
    world.at(0.5, world.client, 80)
    assert world.spi.WSPAccept(listener)
    assert world.took(start, 0.5, within=0.1)


def test_two_blocked_accepts_get_one_request_each(world):
    listener = world.listener()
    jobs = [world.spawn(world.spi.WSPAccept, listener) for _ in range(2)]
    world.advance(0.1)
    clients = [world.client(80) for _ in range(2)]
    assert {job.result()[1] for job in jobs} == {client.address for client in clients}


def test_f07_closing_the_listener_ends_a_blocked_accept(world):
    spi = world.spi
    listener = world.listener()
    job = world.spawn(spi.WSPAccept, listener)
    world.advance(0.1)
    spi.WSPCloseSocket(listener)
    with fails("EINTR"):
        job.result()


def test_f09_f10_the_accepted_socket_has_the_listeners_options(world):
    spi = world.spi
    listener = world.listener()
    values = {
        "reuse_address": True,
        "keep_alive": True,
        "oob_inline": True,
        "send_buffer": 0x123,
        "recv_buffer": 0x123,
        "send_timeout": 0x123,
        "recv_timeout": 0x123,
        "no_delay": True,
        "linger": LINGER(1, 555),
    }
    set_options(spi, listener, **values)
    world.client(80)
    s, _ = spi.WSPAccept(listener)
    assert {name: get_option(spi, s, name) for name in values} == values
    set_options(spi, s, no_delay=False)
    assert get_option(spi, listener, "no_delay") == 1


def test_f12_the_accepted_socket_does_not_listen(world):
    spi = world.spi
    listener = world.listener()
    world.client(80)
    s, _ = spi.WSPAccept(listener)
    with fails("EINVAL"):
        spi.WSPAccept(s)
    with fails("EISCONN"):
        spi.WSPListen(s, 5)


def test_the_blocking_mode_is_inherited(world):
    spi = world.spi
    listener = nonblocking(spi, world.listener())
    world.client(80)
    world.settle()
    s, _ = spi.WSPAccept(listener)
    with fails("EWOULDBLOCK"):
        spi.WSPRecv(s, bytearray(1))


def test_the_group_is_not_inherited(world):
    spi = world.spi
    listener = spi.WSPSocket(2, 1, 6, None, spi.SG_UNCONSTRAINED_GROUP)
    spi.WSPBind(listener, (world.address, 80))
    spi.WSPListen(listener, 5)
    world.client(80)
    s, _ = spi.WSPAccept(listener)
    assert spi._find(s)[1].group is None
    assert spi._find(listener)[1].group is not None


def test_g19_a_request_that_was_reset_is_10054(world):
    spi = world.spi
    listener = nonblocking(spi, world.listener())
    client = world.client(80)
    other = world.client(80)
    client.reset()
    with fails("ECONNRESET") as caught:
        spi.WSPAccept(listener)
    assert caught.value.addr == client.address
    assert spi.WSPAccept(listener)[1] == other.address


@pytest.mark.parametrize(
    ("held", "error", "name"),
    [
        (False, errno.ECONNRESET, "ECONNRESET"),
        (False, errno.ECONNABORTED, "ECONNRESET"),
        (False, errno.ETIMEDOUT, "EACCES"),
        (True, errno.ECONNRESET, "ECONNRESET"),
        (True, errno.ECONNABORTED, "EACCES"),
        (True, errno.ETIMEDOUT, "EACCES"),
    ],
)
def test_a_request_that_was_withdrawn_is_10013(fake_world, held, error, name):
    spi = fake_world.spi
    listener = fake_world.listener()
    peer = fake_world.dataplane.request(80, held=held)
    peer.reset(-error)
    with fails(name) as caught:
        spi.WSPAccept(listener)
    assert caught.value.addr == ("10.9.0.1", 40000)
    assert fake_world.dataplane.connections() == []


def test_g26_a_peer_that_has_finished_is_accepted(world):
    spi = world.spi
    listener = world.listener()
    client = world.client(80, b"bye")
    client.finish()
    s, _ = spi.WSPAccept(listener)
    buffer = bytearray(10)
    assert spi.WSPRecv(s, buffer) == (3, 0)
    assert spi.WSPRecv(s, buffer) == (0, 0)
    spi.WSPSend(s, b"still")
    assert client.received == b"still"


def test_accept_many_takes_what_waits_without_sockets(world):
    spi = world.spi
    listener = world.listener(backlog=8)
    clients = [world.client(80) for _ in range(5)]
    world.settle()
    rows = spi.accept_many(listener, 3)
    assert list(rows["peer_port"]) == [client.address[1] for client in clients[:3]]
    assert set(rows["local_port"]) == {80}
    rest = spi.accept_many(listener, 100)
    assert len(rest) == 2
    assert list(spi.send_many(rest["handle"], [b"one", b"three"])) == [3, 5]
    assert [client.received for client in clients[3:]] == [b"one", b"three"]
    clients[4].send(b"back")
    buffers = [bytearray(8), bytearray(8)]
    assert list(spi.recv_many(rest["handle"], buffers)) == [-10035, 4]
    assert buffers[1][:4] == b"back"
    assert spi.close_many(rest["handle"]) == 2
    assert [client.finished for client in clients] == [False] * 3 + [True] * 2
    assert list(spi.send_many(rest["handle"], [b"x", b"y"])) == [-10038, -10038]


def test_accept_many_waits_for_the_first_only(world):
    spi = world.spi
    listener = world.listener()
    world.at(0.2, world.client, 80)
    assert len(spi.accept_many(listener, 10)) == 1
    nonblocking(spi, listener)
    with fails("EWOULDBLOCK"):
        spi.accept_many(listener, 10)
    assert len(spi.accept_many(listener, 0)) == 0
    with fails("EINVAL"):
        spi.accept_many(spi.WSPSocket(2, 1, 6), 1)


def test_wait_many_reports_handles_that_changed(world):
    spi = world.spi
    listener = world.listener()
    clients = [world.client(80) for _ in range(2)]
    world.settle()
    handles = spi.accept_many(listener, 2)["handle"]
    waiter = spi.open_waiter()
    for cookie, handle in enumerate(handles):
        waiter.watch(int(handle), 1, cookie=cookie)
    world.at(0.3, clients[1].send, b"x")
    rows = spi.wait_many(waiter, np.zeros(4, READY_DTYPE))
    assert list(rows["cookie"]) == [1]
    assert rows["handle"][0] == handles[1]
    waiter.close()


def test_ctrl_c_ends_a_blocked_accept_and_the_listener_lives(world):
    listener = world.listener()
    world.at(0.2, signal.raise_signal, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        world.spi.WSPAccept(listener)
    world.client(80)
    assert world.spi.WSPAccept(listener)
