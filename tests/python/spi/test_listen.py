"""WSPListen."""

import pytest

from pyprov.core.limits import Limits
from pyprov.core.listening import clamp_backlog
from tests.python.failing import fails


def queue_of(world, port, n):
    return [world.client(port) for _ in range(n)]


@pytest.mark.parametrize("backlog", [-2, 1, 0x7FFFFFFF])
def test_e03_an_unbound_socket_cannot_listen(spi, backlog):
    with fails("EINVAL"):
        spi.WSPListen(spi.WSPSocket(2, 1, 6), backlog)


def test_e05_zero_and_again_are_legal(world):
    s = world.listener(backlog=0)
    world.spi.WSPListen(s, world.spi.SOMAXCONN)


@pytest.mark.parametrize("backlog", [None, "5", 2.5])
def test_a_backlog_that_is_no_number_is_10014(world, backlog):
    with fails("EFAULT"):
        world.spi.WSPListen(world.listener(), backlog)


def test_e08_a_connected_socket_cannot_listen(world):
    s, _ = world.pair()
    with fails("EISCONN"):
        world.spi.WSPListen(s, 5)


def test_e09_a_listener_cannot_connect(world):
    with fails("EINVAL"):
        world.spi.WSPConnect(world.listener(), (world.peer_address, 81))


@pytest.mark.parametrize(
    ("given", "effective"),
    [
        (0, 1),
        (1, 1),
        (128, 128),
        (65535, 65535),
        (70000, 65535),
        (0x7FFFFFFF, 65535),
        (-1, 200),
        (-50, 200),
        (-1000, 1000),
        (-100000, 65535),
    ],
)
def test_e11_e12_backlogs_are_clamped_silently(given, effective):
    assert clamp_backlog(given, 65535) == effective


def test_e12_a_hint_stays_below_the_configured_most():
    assert clamp_backlog(-1000, 300) == 300
    assert clamp_backlog(0x7FFFFFFF, 300) == 300


def test_a_backlog_of_n_is_n_waiting_requests(world):
    world.listener(backlog=3)
    assert [client.was_reset for client in queue_of(world, 80, 4)] == [False, False, False, True]


def test_e14_a_shorter_backlog_resets_what_is_too_much(world):
    s = world.listener(backlog=5)
    clients = queue_of(world, 80, 5)
    world.spi.WSPListen(s, 2)
    assert [client.was_reset for client in clients] == [False] * 2 + [True] * 3
    assert [world.spi.WSPAccept(s)[1] for _ in range(2)] == [c.address for c in clients[:2]]


def test_e14_a_deferred_head_is_the_last_to_be_too_much(world):
    spi = world.spi
    s = world.listener(backlog=5)
    clients = queue_of(world, 80, 3)
    with fails("WSATRY_AGAIN"):
        spi.WSPAccept(s, lambda *_: spi.CF_DEFER)
    spi.WSPListen(s, 1)
    assert [client.was_reset for client in clients] == [False, True, True]
    assert spi.WSPAccept(s)[1] == clients[0].address


def test_e15_without_descriptors_requests_wait(make_world):
    world = make_world(Limits(max_sockets=2))
    spi = world.spi
    listener = world.listener()
    spare = spi.WSPSocket(2, 1, 6)
    client = world.client(80)
    with fails("EMFILE"):
        spi.WSPAccept(listener)
    with fails("EMFILE"):
        spi.WSPAccept(listener, lambda *_: spi.CF_REJECT)
    spi.WSPCloseSocket(spare)
    assert spi.WSPAccept(listener)[1] == client.address


def test_a_full_table_with_an_empty_queue_is_10035(make_world):
    world = make_world(Limits(max_sockets=1))
    listener = world.listener()
    world.spi.WSPEventSelect(listener, None, 0)
    with fails("EWOULDBLOCK"):
        world.spi.WSPAccept(listener)


def test_closing_a_listener_resets_what_waits(world):
    s = world.listener()
    clients = queue_of(world, 80, 2)
    world.spi.WSPCloseSocket(s)
    assert all(client.was_reset for client in clients)


def test_a_closed_listener_can_be_replaced_at_once(world):
    for _ in range(3):
        s = world.listener()
        world.client(80)
        assert world.spi.WSPAccept(s)
        world.spi.WSPCloseSocket(s)


def test_a_listener_can_be_neither_sent_to_nor_read_nor_shut(world):
    spi = world.spi
    s = world.listener()
    with fails("ENOTCONN"):
        spi.WSPSend(s, b"x")
    with fails("ENOTCONN"):
        spi.WSPRecv(s, bytearray(1))
    with fails("ENOTCONN"):
        spi.WSPShutdown(s, 2)
