"""FD_CONNECT, FD_WRITE, FD_READ, FD_CLOSE of WSPEventSelect and WSPEnumNetworkEvents."""

from tests.python.failing import fails
from tests.python.spi.test_messages import Posted
from tests.python.watched import ALL, Watched

# ---- FD_CONNECT


def test_l11_a_connect_is_reported_with_fd_write(world):
    spi = world.spi
    world.serve(82)
    watched = Watched(world, spi.WSPSocket(2, 1, 6))
    with fails("EWOULDBLOCK"):
        spi.WSPConnect(watched.s, (world.peer_address, 82))
    assert watched.is_set
    events = watched.enum()
    assert events.lNetworkEvents == spi.FD_CONNECT | spi.FD_WRITE
    assert events.iErrorCode == [0] * 10
    assert watched.seen() == 0


def test_l12_selecting_on_a_connected_socket_reports_both(world):
    spi = world.spi
    s, _ = world.connect(82)
    watched = Watched(world, s)
    assert watched.event.is_set()
    assert watched.seen() == spi.FD_CONNECT | spi.FD_WRITE


def test_the_passive_side_reports_fd_write_alone(world):
    s, _ = world.pair()
    assert Watched(world, s).seen() == world.spi.FD_WRITE


def test_l14_fd_connect_waits_for_who_asks_later(world):
    spi = world.spi
    world.serve(82)
    watched = Watched(world, spi.WSPSocket(2, 1, 6), spi.FD_READ)
    with fails("EWOULDBLOCK"):
        spi.WSPConnect(watched.s, (world.peer_address, 82))
    assert watched.seen() == 0
    watched.select(spi.FD_CONNECT)
    assert watched.is_set
    assert watched.seen() == spi.FD_CONNECT


def test_l14_a_connect_that_was_not_asked_about_posts_no_fd_connect_afterwards(world):
    spi = world.spi
    world.serve(82)
    posted = Posted(
        world, spi.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP), spi.FD_READ
    )
    with fails("EWOULDBLOCK"):
        spi.WSPConnect(posted.s, (world.peer_address, 82))
    assert posted.events() == []
    posted.select(ALL)
    assert posted.events() == [spi.FD_WRITE]


def test_a_connect_that_has_failed_is_reported_to_who_asks_later(world):
    spi = world.spi
    world.serve(82, "refuse")
    s = spi.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP)
    spi.WSPIoctl(s, spi.FIONBIO, 1)
    with fails("EWOULDBLOCK"):
        spi.WSPConnect(s, (world.peer_address, 82))
    world.settle()
    assert spi.WSPGetSockOpt(s, spi.SOL_SOCKET, spi.SO_ERROR) == 10061
    found = Watched(world, s).enum()
    assert (found.lNetworkEvents, found.iErrorCode[spi.FD_CONNECT_BIT]) == (spi.FD_CONNECT, 10061)


def test_l30_a_refused_connect_is_reported_once_with_its_code(world):
    spi = world.spi
    world.serve(82, "refuse")
    watched = Watched(world, spi.WSPSocket(2, 1, 6))
    with fails("EWOULDBLOCK"):
        spi.WSPConnect(watched.s, (world.peer_address, 82))
    assert watched.is_set
    events = watched.enum()
    assert events.lNetworkEvents == spi.FD_CONNECT
    assert events.iErrorCode[spi.FD_CONNECT_BIT] == spi.WSAECONNREFUSED
    assert watched.seen() == 0
    world.serve(83)
    with fails("EWOULDBLOCK"):
        spi.WSPConnect(watched.s, (world.peer_address, 83))
    assert watched.seen() == spi.FD_CONNECT | spi.FD_WRITE


# ---- FD_WRITE


def test_l15_sending_a_little_reports_nothing_and_clears_nothing(world):
    spi = world.spi
    s, _ = world.pair(81)
    watched = Watched(world, s)
    spi.WSPSend(s, b"little")
    assert watched.seen() == spi.FD_WRITE
    spi.WSPSend(s, b"little")
    assert watched.seen() == 0


def test_room_after_a_full_buffer_is_reported(world, watched_pair):
    spi = world.spi
    watched, client = watched_pair
    seen = spi.FD_WRITE
    while seen:  # ours and the peer's buffer
        with fails("EWOULDBLOCK"):
            while True:
                spi.WSPSend(watched.s, bytes(16384))
        seen = watched.seen()
    assert not watched.is_set
    client.drain()
    assert watched.is_set
    assert watched.seen() == spi.FD_WRITE


def test_l32_fd_write_is_reported_in_the_first_round_only(world):
    s, _ = world.pair(81)
    watched = Watched(world, s)
    rounds = []
    for _ in range(5):
        watched.select(ALL)
        rounds.append(watched.seen())
    assert rounds == [world.spi.FD_WRITE, 0, 0, 0, 0]


# ---- FD_READ


def test_l17_what_is_left_is_reported_again(world, watched_pair):
    spi = world.spi
    watched, client = watched_pair
    client.send(b"fives")
    assert watched.seen() == spi.FD_READ
    assert watched.seen() == 0
    spi.WSPRecv(watched.s, bytearray(2))
    assert watched.is_set
    assert watched.seen() == spi.FD_READ
    spi.WSPRecv(watched.s, bytearray(10))
    assert not watched.is_set
    assert watched.seen() == 0


def test_l18_more_data_is_reported_without_a_receive(world, watched_pair):
    spi = world.spi
    watched, client = watched_pair
    for _ in range(2):
        client.send(b"data")
        assert watched.is_set
        assert watched.seen() == spi.FD_READ


def test_l20_data_taken_while_not_selected_reports_nothing(world):
    spi = world.spi
    s, client = world.pair(81)
    client.send(b"data")
    spi.WSPRecv(s, bytearray(10))
    watched = Watched(world, s, spi.FD_READ)
    assert not watched.is_set
    assert watched.seen() == 0


def test_data_taken_while_not_selected_for_it_reports_nothing(world, watched_pair):
    spi = world.spi
    watched, client = watched_pair
    watched.select(spi.FD_CLOSE)
    client.send(b"data")
    world.settle()
    spi.WSPRecv(watched.s, bytearray(10))
    watched.select(spi.FD_READ)
    assert not watched.is_set
    assert watched.seen() == 0


def test_data_that_came_while_not_selected_is_reported(world, watched_pair):
    spi = world.spi
    watched, client = watched_pair
    watched.select(spi.FD_CLOSE)
    client.send(b"data")
    assert watched.seen() == 0
    watched.select(spi.FD_READ)
    assert watched.is_set
    assert watched.seen() == spi.FD_READ


def test_peeking_enables_fd_read_again(world, watched_pair):
    spi = world.spi
    watched, client = watched_pair
    client.send(b"data")
    watched.seen()
    spi.WSPRecv(watched.s, bytearray(1), spi.MSG_PEEK)
    assert watched.seen() == spi.FD_READ


def test_a_receive_with_a_bad_buffer_reports_nothing(world, watched_pair):
    spi = world.spi
    watched, client = watched_pair
    client.send(b"hello")
    assert watched.seen() == spi.FD_READ
    for more in ((), (0, spi.WSAOVERLAPPED())):
        with fails("EFAULT"):
            spi.WSPRecv(watched.s, b"read-only", *more)
        assert not watched.is_set


def test_a_receive_that_finds_nothing_reports_nothing(world, watched_pair):
    watched, _ = watched_pair
    with fails("EWOULDBLOCK"):
        world.spi.WSPRecv(watched.s, bytearray(1))
    assert not watched.is_set


# ---- FD_CLOSE


def test_l24_the_peers_close_is_reported_once(world, watched_pair):
    spi = world.spi
    watched, client = watched_pair
    client.finish()
    assert watched.is_set
    events = watched.enum()
    assert events.lNetworkEvents == spi.FD_CLOSE
    assert events.iErrorCode[spi.FD_CLOSE_BIT] == 0
    assert spi.WSPRecv(watched.s, bytearray(1)) == (0, 0)
    assert watched.seen() == 0


def test_l26_an_own_shutdown_reports_nothing(world, watched_pair):
    spi = world.spi
    watched, client = watched_pair
    spi.WSPShutdown(watched.s, spi.SD_BOTH)
    assert watched.seen() == 0
    client.finish()
    assert watched.seen() == spi.FD_CLOSE


def test_l27_fd_close_comes_although_data_is_unread(world, watched_pair):
    spi = world.spi
    watched, client = watched_pair
    client.send(b"data")
    client.finish()
    assert watched.seen() == spi.FD_READ | spi.FD_CLOSE
    spi.WSPRecv(watched.s, bytearray(1))
    assert watched.seen() == spi.FD_READ
    spi.WSPRecv(watched.s, bytearray(10))
    assert watched.seen() == 0


def test_l29_a_reset_is_reported_as_10053(world, watched_pair):
    spi = world.spi
    watched, client = watched_pair
    client.reset()
    assert watched.is_set
    events = watched.enum()
    assert events.lNetworkEvents == spi.FD_CLOSE
    assert events.iErrorCode[spi.FD_CLOSE_BIT] == spi.WSAECONNABORTED
    with fails("ECONNRESET"):
        spi.WSPRecv(watched.s, bytearray(1))


def test_an_own_close_reports_nothing(world, watched_pair):
    watched, _ = watched_pair
    world.spi.WSPCloseSocket(watched.s)
    assert not watched.is_set
    with fails("ENOTSOCK"):
        world.spi.WSPEnumNetworkEvents(watched.s)
