"""WSPSelect."""

import math

import pytest

from tests.python.failing import fails, set_options
from tests.python.watched import Watched

NOTHING = ([], [], [])


@pytest.fixture
def fresh(spi):
    return spi.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP)


def poll(world, *handles):
    """What select says of sockets now, asked in all three roles."""
    world.settle()
    return world.spi.WSPSelect(handles, handles, handles, 0)


def new(spi):
    return spi.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP)


# ---- the call


@pytest.mark.parametrize("timeout", [None, 0, 1])
@pytest.mark.parametrize(
    "sets", [(None, None, None), ([], [], []), ((), None, [])], ids=["null", "empty", "mixed"]
)
def test_k01_no_sockets_at_all_is_10022(spi, sets, timeout):
    with fails("EINVAL"):
        spi.WSPSelect(*sets, timeout)


@pytest.mark.parametrize("role", range(3))
def test_k02_what_is_no_socket_is_10038(world, fresh, role):
    spi = world.spi
    closed = new(spi)
    spi.WSPCloseSocket(closed)
    for bad in (closed, 0, -1, None, "s", [fresh]):
        sets = [[fresh], [fresh], [fresh]]
        sets[role] = [fresh, bad]
        with fails("ENOTSOCK"):
            spi.WSPSelect(*sets, 0)
        assert sets[role] == [fresh, bad]


@pytest.mark.parametrize("bad", [7, 1.5, object()], ids=["int", "float", "object"])
def test_what_is_no_set_is_10014(spi, fresh, bad):
    with fails("EFAULT"):
        spi.WSPSelect([fresh], bad, None, 0)


@pytest.mark.parametrize("timeout", [-1, -0.001, math.nan, math.inf, "1", [1]])
def test_a_bad_timeout_is_10022(spi, fresh, timeout):
    with fails("EINVAL"):
        spi.WSPSelect([fresh], None, None, timeout)


def test_k04_a_socket_that_is_given_twice_comes_back_once(world):
    s, _ = world.pair()
    world.settle()
    assert world.spi.WSPSelect(None, [s, s], None, 0) == ([], [s], [])


def test_k05_one_set_may_have_two_roles(world):
    s, client = world.pair()
    client.send(b"x")
    world.settle()
    handles = [s]
    assert world.spi.WSPSelect(handles, handles, None, 0) == ([s], [s], [])
    assert handles == [s]


def test_k07_time_passes_and_nothing_else(world, fresh):
    before = world.now
    assert world.spi.WSPSelect([fresh], [fresh], [fresh], 0.5) == NOTHING
    assert world.took(before, 0.5)


def test_sockets_come_back_in_the_order_given(world):
    pairs = [world.pair(port) for port in (80, 81, 82)]
    for _, client in pairs:
        client.send(b"x")
    world.settle()
    handles = [pairs[i][0] for i in (2, 0, 1)]
    assert world.spi.WSPSelect(handles, None, None, 0)[0] == handles


def test_more_sockets_than_fd_setsize_are_fine(world):
    spi = world.spi
    handles = [new(spi) for _ in range(spi.FD_SETSIZE * 2)]
    s = world.listener()
    world.at(0.2, world.client, 80)
    assert spi.WSPSelect([*handles, s], handles, handles, 5) == ([s], [], [])


# ---- what is ready


def test_an_unconnected_socket_is_ready_for_nothing(world, fresh):
    assert poll(world, fresh) == NOTHING
    world.spi.WSPBind(fresh, (world.address, 80))
    assert poll(world, fresh) == NOTHING


def test_k08_a_listener_with_a_request_can_be_read(world):
    s = world.listener()
    assert poll(world, s) == NOTHING
    world.client(80)
    assert poll(world, s) == ([s], [], [])
    world.spi.WSPAccept(s)
    assert poll(world, s) == NOTHING


def test_a_listener_whose_head_was_deferred_can_still_be_read(world):
    spi = world.spi
    s = world.listener()
    world.client(80)
    world.settle()
    with fails("WSATRY_AGAIN"):
        spi.WSPAccept(s, lambda *_: spi.CF_DEFER)
    assert poll(world, s) == ([s], [], [])


def test_a_connection_can_be_written_and_read_once_data_came(world):
    s, client = world.pair()
    assert poll(world, s) == ([], [s], [])
    client.send(b"x")
    assert poll(world, s) == ([s], [s], [])
    world.spi.WSPRecv(s, bytearray(10))
    assert poll(world, s) == ([], [s], [])


def test_a_connection_without_room_cannot_be_written(world):
    spi = world.spi
    s, client = world.pair()
    spi.WSPIoctl(s, spi.FIONBIO, 1)
    while poll(world, s) != NOTHING:  # the peer's window takes some
        spi.WSPSend(s, bytes(65536))
    world.at(0.2, client.drain)
    assert spi.WSPSelect(None, [s], None, 100) == ([], [s], [])


def test_the_peers_close_can_be_read(world):
    s, client = world.pair()
    client.finish()
    assert poll(world, s) == ([s], [s], [])


def test_j10_after_a_reset_it_can_be_read_and_written_and_nothing_is_exceptional(world):
    s, client = world.pair()
    client.reset()
    assert poll(world, s) == ([s], [s], [])


def test_h03_a_refused_connect_is_exceptional_and_stays_so(world):
    spi = world.spi
    world.serve(81, "refuse")
    s = new(spi)
    spi.WSPIoctl(s, spi.FIONBIO, 1)
    with fails("EWOULDBLOCK"):
        spi.WSPConnect(s, (world.peer_address, 81))
    assert spi.WSPSelect([s], [s], [s], 5) == ([], [], [s])
    for _ in range(2):
        assert spi.WSPGetSockOpt(s, spi.SOL_SOCKET, spi.SO_ERROR) == spi.WSAECONNREFUSED
    assert poll(world, s) == ([], [], [s])


def test_so_error_after_a_blocking_connect_is_0(world):
    spi = world.spi
    world.serve(81, "refuse")
    s = new(spi)
    with fails("ECONNREFUSED"):
        spi.WSPConnect(s, (world.peer_address, 81))
    assert spi.WSPGetSockOpt(s, spi.SOL_SOCKET, spi.SO_ERROR) == 0
    assert poll(world, s) == ([], [], [s])


def test_so_error_stays_until_a_connect_succeeds(world):
    spi = world.spi
    world.serve(81, "refuse")
    world.serve(82)
    s = new(spi)
    spi.WSPIoctl(s, spi.FIONBIO, 1)
    for remote_port, ready in ((81, ([], [], [s])), (82, ([], [s], []))):
        with fails("EWOULDBLOCK"):
            spi.WSPConnect(s, (world.peer_address, remote_port))
        assert spi.WSPSelect([s], [s], [s], 5) == ready
    assert spi.WSPGetSockOpt(s, spi.SOL_SOCKET, spi.SO_ERROR) == 0
    assert poll(world, s) == ([], [s], [])


def test_a_connect_that_is_under_way_is_ready_for_nothing(fake_world):
    world = fake_world
    spi = world.spi
    world.serve(81, "silence")
    s = new(spi)
    spi.WSPIoctl(s, spi.FIONBIO, 1)
    with fails("EWOULDBLOCK"):
        spi.WSPConnect(s, (world.peer_address, 81))
    assert poll(world, s) == NOTHING
    world.at(0.5, world.finish_connect, 81)
    assert spi.WSPSelect([s], [s], [s], 5) == ([], [s], [])
    assert world.now == pytest.approx(0.5)


def test_k10_urgent_data_is_exceptional_or_to_be_read(fake_world):
    spi = fake_world.spi
    s, client = fake_world.pair()
    client.peer.send(b"", oob=True)
    client.peer.fake.report(client.peer, clear=1)
    assert poll(fake_world, s) == ([], [s], [s])
    set_options(spi, s, oob_inline=1)
    assert poll(fake_world, s) == ([s], [s], [])


def test_k11_select_does_not_touch_network_events(world):
    spi = world.spi
    s, client = world.pair()
    watched = Watched(world, s)
    watched.seen()
    client.send(b"x")
    assert watched.seen() == spi.FD_READ
    assert poll(world, s) == ([s], [s], [])
    assert not watched.is_set
    assert watched.seen() == 0


# ---- waiting


def test_it_waits_for_whatever_comes_first(world):
    spi = world.spi
    s = world.listener()
    one, first = world.pair(81)
    two, second = world.pair(82)
    for what, ready in (
        ((second.send, b"x"), ([two], [], [])),
        ((world.client, 80), ([s], [], [])),
        ((first.finish,), ([one], [], [])),
    ):
        begun = world.now
        world.at(0.3, *what)
        assert spi.WSPSelect([s, one, two], None, [one, two], None) == ready
        assert world.took(begun, 0.3, 0.05)
        if ready[0] == [two]:
            spi.WSPRecv(two, bytearray(10))
        if ready[0] == [s]:
            spi.WSPAccept(s)


def test_many_threads_select_on_one_socket(world):
    spi = world.spi
    s, client = world.pair()
    jobs = [world.spawn(spi.WSPSelect, [s], None, None, 10) for _ in range(3)]
    world.advance(0.1)
    client.send(b"x")
    world.advance(0.1)
    assert [job.result() for job in jobs] == [([s], [], [])] * 3


@pytest.mark.parametrize("exceptional", [False, True])
def test_j14_a_socket_that_is_closed_can_be_read(world, exceptional):
    spi = world.spi
    s, _ = world.pair()
    job = world.spawn(spi.WSPSelect, [s], None, [s] if exceptional else None, 10)
    world.advance(0.1)
    spi.WSPCloseSocket(s)
    world.advance(0.1)
    assert job.result() == ([s], [], [])


def test_j14_a_closed_socket_that_nobody_reads_is_10038(world):
    spi = world.spi
    s, _ = world.pair()
    job = world.spawn(spi.WSPSelect, None, None, [s], 10)
    world.advance(0.1)
    spi.WSPCloseSocket(s)
    world.advance(0.1)
    with fails("ENOTSOCK"):
        job.result()


def test_a_socket_begins_to_listen_or_to_connect_while_somebody_selects(world):
    spi = world.spi
    world.serve(81)
    listener, connecting = new(spi), new(spi)
    spi.WSPBind(listener, (world.address, 80))
    jobs = [
        world.spawn(spi.WSPSelect, [listener], None, None, 10),
        world.spawn(spi.WSPSelect, None, [connecting], None, 10),
    ]
    world.advance(0.1)
    spi.WSPListen(listener, 1)
    world.client(80)
    spi.WSPConnect(connecting, (world.peer_address, 81))
    world.advance(0.1)
    assert [job.result() for job in jobs] == [([listener], [], []), ([], [connecting], [])]


def test_it_can_be_cancelled_from_the_blocking_hook(world):
    spi = world.spi
    s, client = world.pair()
    calls = []

    def hook(context):
        calls.append(context)
        return len(calls) < 3

    table = spi.WSPUPCALLTABLE()
    table.WPUQueryBlockingCallback = lambda catalog_id: (hook, "context")
    spi.WSPStartup(UpcallTable=table)
    with fails("EINTR"):
        spi.WSPSelect([s], None, None, None)
    assert calls == ["context"] * 3
    client.send(b"x")
    world.settle()
    assert spi.WSPSelect([s], None, None, None) == ([s], [], [])


def test_the_last_cleanup_ends_it(fake_world):
    spi = fake_world.spi
    s, _ = fake_world.pair()
    job = fake_world.spawn(spi.WSPSelect, None, None, [s], None)
    fake_world.advance(0.1)
    spi.WSPCleanup()
    fake_world.advance(0.1)
    with fails("ENOTSOCK"):
        job.result()


def test_nothing_stays_watched_behind_it(world):
    spi = world.spi
    s, client = world.pair()
    assert spi.WSPSelect([s], None, [s], 0.1) == NOTHING
    client.send(b"x")
    world.settle()
    assert spi._control().thread_waiter().take() == []
