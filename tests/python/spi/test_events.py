"""WSPEventSelect and WSPEnumNetworkEvents: the record, the signal, and what changes them."""

import os

import pytest

from pyprov.spi import WSAEVENT
from tests.python.failing import fails

ALL = 0x3FF


class Watched:
    """A socket with an event object."""

    def __init__(self, world, s, mask=ALL):
        self.world = world
        self.spi = world.spi
        self.s = s
        self.event = world.spi.WSACreateEvent()
        self.select(mask)

    def select(self, mask):
        self.spi.WSPEventSelect(self.s, self.event, mask)

    def enum(self, s=None):
        """What the record holds; the event is reset."""
        self.world.settle()
        return self.spi.WSPEnumNetworkEvents(self.s if s is None else s, self.event)

    def seen(self, s=None):
        return self.enum(s).lNetworkEvents

    @property
    def is_set(self):
        self.world.settle()
        return self.event.is_set()


@pytest.fixture
def listener(world):
    return Watched(world, world.listener(), world.spi.FD_ACCEPT)


@pytest.fixture
def pair(world):
    """A watched connection whose FD_WRITE was seen, and the client."""
    s, client = world.pair(81)
    watched = Watched(world, s)
    assert watched.seen() == world.spi.FD_WRITE
    return watched, client


# ---- FD_ACCEPT


def test_l02_a_client_is_reported_once(world, listener):
    assert not listener.is_set
    world.client(80)
    assert listener.is_set
    assert listener.seen() == world.spi.FD_ACCEPT
    assert not listener.is_set
    assert listener.seen() == 0


def test_l03_selecting_again_reports_nothing_anew(world, listener):
    world.client(80)
    listener.seen()
    listener.select(world.spi.FD_ACCEPT)
    assert not listener.is_set
    listener.select(0)
    listener.select(world.spi.FD_ACCEPT)
    assert not listener.is_set
    assert listener.seen() == 0


def test_l05_accepting_one_of_two_reports_again(world, listener):
    spi = world.spi
    world.client(80)
    world.client(80)
    assert listener.seen() == spi.FD_ACCEPT
    spi.WSPAccept(listener.s)
    assert listener.is_set
    assert listener.seen() == spi.FD_ACCEPT
    spi.WSPAccept(listener.s)
    assert not listener.is_set
    assert listener.seen() == 0


def test_a_second_client_is_reported_without_an_accept(world, listener):
    world.client(80)
    listener.seen()
    world.client(80)
    assert listener.is_set
    assert listener.seen() == world.spi.FD_ACCEPT


def test_l06_what_waits_already_is_reported_at_once(world):
    s = world.listener()
    world.client(80)
    world.settle()
    watched = Watched(world, s, world.spi.FD_ACCEPT)
    assert watched.event.is_set()
    assert watched.seen() == world.spi.FD_ACCEPT


def test_l08_the_signal_and_the_record_are_two_things(world, listener):
    spi = world.spi
    world.client(80)
    assert listener.is_set
    listener.select(spi.FD_CONNECT)
    assert listener.is_set
    listener.event.reset()
    listener.select(spi.FD_CONNECT)
    assert not listener.is_set
    listener.select(spi.FD_ACCEPT)
    assert listener.is_set
    assert listener.seen() == spi.FD_ACCEPT


def test_accepted_while_not_selected_reports_nothing(world):
    spi = world.spi
    s = world.listener()
    world.client(80)
    spi.WSPAccept(s)
    watched = Watched(world, s, spi.FD_ACCEPT)
    assert not watched.is_set
    assert watched.seen() == 0


@pytest.mark.parametrize("verdict", [1, 7])
def test_g07_every_other_failure_enables_fd_accept_again(world, listener, verdict):
    world.client(80)
    world.client(80)
    listener.seen()
    with pytest.raises(world.spi.WSAError):
        world.spi.WSPAccept(listener.s, lambda *_: verdict)
    assert listener.is_set
    assert listener.seen() == world.spi.FD_ACCEPT


def test_a_failing_accept_on_an_empty_queue_enables_it_too(world, listener):
    with fails("EWOULDBLOCK"):
        world.spi.WSPAccept(listener.s)
    assert not listener.is_set


def test_g07_a_deferred_head_keeps_fd_accept_silent(world, listener):
    spi = world.spi
    world.client(80)
    world.client(80)
    assert listener.seen() == spi.FD_ACCEPT
    with fails("WSATRY_AGAIN"):
        spi.WSPAccept(listener.s, lambda *_: spi.CF_DEFER)
    assert not listener.is_set
    world.client(80)
    assert not listener.is_set
    assert listener.seen() == 0
    with fails("WSATRY_AGAIN"):
        spi.WSPAccept(listener.s, lambda *_: spi.CF_DEFER)
    assert not listener.is_set


@pytest.mark.parametrize("verdict", ["accept", "plain", "reject"])
def test_fd_accept_is_heard_again_when_the_deferred_head_is_decided(world, listener, verdict):
    spi = world.spi
    world.client(80)
    with fails("WSATRY_AGAIN"):
        spi.WSPAccept(listener.s, lambda *_: spi.CF_DEFER)
    listener.event.reset()
    world.client(80)
    assert not listener.is_set
    match verdict:
        case "accept":
            spi.WSPAccept(listener.s, lambda *_: spi.CF_ACCEPT)
        case "plain":
            spi.WSPAccept(listener.s)
        case "reject":
            with fails("ECONNREFUSED"):
                spi.WSPAccept(listener.s, lambda *_: spi.CF_REJECT)
    assert listener.is_set
    assert listener.seen() == spi.FD_ACCEPT
    world.client(80)
    assert listener.is_set


def test_fd_accept_is_heard_when_the_deferred_head_has_died(world, listener):
    spi = world.spi
    client = world.client(80)
    assert listener.seen() == spi.FD_ACCEPT
    with fails("WSATRY_AGAIN"):
        spi.WSPAccept(listener.s, lambda *_: spi.CF_DEFER)
    assert not listener.is_set
    client.reset()
    assert listener.is_set
    assert listener.seen() == spi.FD_ACCEPT
    with fails("ECONNRESET"):
        spi.WSPAccept(listener.s)


def test_a_deferred_head_is_silent_for_one_who_registers_then(world):
    spi = world.spi
    s = world.listener()
    world.client(80)
    with fails("WSATRY_AGAIN"):
        spi.WSPAccept(s, lambda *_: spi.CF_DEFER)
    watched = Watched(world, s, spi.FD_ACCEPT)
    assert not watched.is_set
    assert watched.seen() == 0
    spi.WSPAccept(s)
    world.client(80)
    assert watched.seen() == spi.FD_ACCEPT


def test_ctrl_c_in_a_condition_enables_fd_accept_again(world, listener):
    def interrupted(*_):
        raise KeyboardInterrupt

    world.client(80)
    listener.seen()
    with pytest.raises(KeyboardInterrupt):
        world.spi.WSPAccept(listener.s, interrupted)
    assert listener.seen() == world.spi.FD_ACCEPT


def test_accept_many_enables_fd_accept_again(world, listener):
    spi = world.spi
    for _ in range(3):
        world.client(80)
    listener.seen()
    spi.accept_many(listener.s, 2)
    assert listener.seen() == spi.FD_ACCEPT
    spi.accept_many(listener.s, 2)
    assert listener.seen() == 0


# ---- what an accepted socket inherits


def test_l09_the_accepted_socket_reports_on_the_same_event(world):
    spi = world.spi
    watched = Watched(world, world.listener(), ALL)
    world.client(80)
    assert watched.seen() == spi.FD_ACCEPT
    s, _ = spi.WSPAccept(watched.s)
    assert watched.event.is_set()
    assert watched.seen(s) == spi.FD_WRITE
    assert watched.seen() == 0


def test_an_accepted_sockets_registration_is_its_own(world):
    spi = world.spi
    watched = Watched(world, world.listener(), ALL)
    client = world.client(80)
    world.settle()
    s, _ = spi.WSPAccept(watched.s)
    watched.seen(s)
    watched.select(0)
    client.send(b"x")
    assert watched.is_set
    assert watched.seen(s) == spi.FD_READ
    spi.WSPEventSelect(s, None, 0)
    client.send(b"y")
    assert not watched.is_set


def test_without_a_registration_nothing_is_inherited(world):
    spi = world.spi
    watched = Watched(world, world.listener(), ALL)
    watched.select(0)
    world.client(80)
    world.settle()
    s, _ = spi.WSPAccept(watched.s)
    assert spi._find(s)[1].events is None


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


def test_room_after_a_full_buffer_is_reported(world, pair):
    spi = world.spi
    watched, client = pair
    for _ in range(4):  # ours and the peer's buffer
        with fails("EWOULDBLOCK"):
            while True:
                spi.WSPSend(watched.s, bytes(16384))
        watched.seen()
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


def test_l17_what_is_left_is_reported_again(world, pair):
    spi = world.spi
    watched, client = pair
    client.send(b"fives")
    assert watched.seen() == spi.FD_READ
    assert watched.seen() == 0
    spi.WSPRecv(watched.s, bytearray(2))
    assert watched.is_set
    assert watched.seen() == spi.FD_READ
    spi.WSPRecv(watched.s, bytearray(10))
    assert not watched.is_set
    assert watched.seen() == 0


def test_l18_more_data_is_reported_without_a_receive(world, pair):
    spi = world.spi
    watched, client = pair
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


def test_data_taken_while_not_selected_for_it_reports_nothing(world, pair):
    spi = world.spi
    watched, client = pair
    watched.select(spi.FD_CLOSE)
    client.send(b"data")
    world.settle()
    spi.WSPRecv(watched.s, bytearray(10))
    watched.select(spi.FD_READ)
    assert not watched.is_set
    assert watched.seen() == 0


def test_data_that_came_while_not_selected_is_reported(world, pair):
    spi = world.spi
    watched, client = pair
    watched.select(spi.FD_CLOSE)
    client.send(b"data")
    assert watched.seen() == 0
    watched.select(spi.FD_READ)
    assert watched.is_set
    assert watched.seen() == spi.FD_READ


def test_peeking_enables_fd_read_again(world, pair):
    spi = world.spi
    watched, client = pair
    client.send(b"data")
    watched.seen()
    spi.WSPRecv(watched.s, bytearray(1), spi.MSG_PEEK)
    assert watched.seen() == spi.FD_READ


def test_a_receive_that_finds_nothing_reports_nothing(world, pair):
    watched, _ = pair
    with fails("EWOULDBLOCK"):
        world.spi.WSPRecv(watched.s, bytearray(1))
    assert not watched.is_set


# ---- FD_CLOSE


def test_l24_the_peers_close_is_reported_once(world, pair):
    spi = world.spi
    watched, client = pair
    client.finish()
    assert watched.is_set
    events = watched.enum()
    assert events.lNetworkEvents == spi.FD_CLOSE
    assert events.iErrorCode[spi.FD_CLOSE_BIT] == 0
    assert spi.WSPRecv(watched.s, bytearray(1)) == (0, 0)
    assert watched.seen() == 0


def test_l26_an_own_shutdown_reports_nothing(world, pair):
    spi = world.spi
    watched, client = pair
    spi.WSPShutdown(watched.s, spi.SD_BOTH)
    assert watched.seen() == 0
    client.finish()
    assert watched.seen() == spi.FD_CLOSE


def test_l27_fd_close_comes_although_data_is_unread(world, pair):
    spi = world.spi
    watched, client = pair
    client.send(b"data")
    client.finish()
    assert watched.seen() == spi.FD_READ | spi.FD_CLOSE
    spi.WSPRecv(watched.s, bytearray(1))
    assert watched.seen() == spi.FD_READ
    spi.WSPRecv(watched.s, bytearray(10))
    assert watched.seen() == 0


def test_l29_a_reset_is_reported_as_10053(world, pair):
    spi = world.spi
    watched, client = pair
    client.reset()
    assert watched.is_set
    events = watched.enum()
    assert events.lNetworkEvents == spi.FD_CLOSE
    assert events.iErrorCode[spi.FD_CLOSE_BIT] == spi.WSAECONNABORTED
    with fails("ECONNRESET"):
        spi.WSPRecv(watched.s, bytearray(1))


def test_an_own_close_reports_nothing(world, pair):
    watched, _ = pair
    world.spi.WSPCloseSocket(watched.s)
    assert not watched.is_set
    with fails("ENOTSOCK"):
        world.spi.WSPEnumNetworkEvents(watched.s)


# ---- registering


def test_l33_only_the_codes_of_reported_events_are_set(world, pair):
    spi = world.spi
    watched, client = pair
    client.send(b"data")
    client.reset()
    events = watched.enum()
    assert events.lNetworkEvents & spi.FD_CLOSE
    others = [code for bit, code in enumerate(events.iErrorCode) if bit != spi.FD_CLOSE_BIT]
    assert others == [0] * 9


@pytest.mark.parametrize("event", [7, "event", b"x"])
def test_l35_a_failing_enum_touches_nothing(world, listener, event):
    world.client(80)
    with fails("EINVAL"):
        world.spi.WSPEnumNetworkEvents(listener.s, event)
    assert listener.is_set
    assert listener.seen() == world.spi.FD_ACCEPT


def test_enum_without_an_event_resets_none(world, listener):
    world.client(80)
    world.settle()
    assert world.spi.WSPEnumNetworkEvents(listener.s).lNetworkEvents == world.spi.FD_ACCEPT
    assert listener.is_set


def test_l36_events_without_an_object_are_10022(spi):
    s = spi.WSPSocket(2, 1, 6)
    closed = spi.WSACreateEvent()
    closed.close()
    for event in (None, 7, closed):
        with fails("EINVAL"):
            spi.WSPEventSelect(s, event, spi.FD_READ)
        spi.WSPEventSelect(s, event, 0)


@pytest.mark.parametrize("mask", [0x400, -1, None, "FD_READ", 1.0])
def test_unknown_events_are_10022_and_change_nothing(world, listener, mask):
    with fails("EINVAL"):
        world.spi.WSPEventSelect(listener.s, listener.event, mask)
    world.client(80)
    assert listener.seen() == world.spi.FD_ACCEPT


def test_a_registration_replaces_the_one_before(world, listener):
    spi = world.spi
    other = spi.WSACreateEvent()
    spi.WSPEventSelect(listener.s, other, spi.FD_ACCEPT)
    world.client(80)
    assert not listener.is_set
    assert other.is_set()


def test_a_registration_through_one_descriptor_is_the_others_too(world, listener):
    spi = world.spi
    twin = spi.WSPSocket(-1, -1, -1, spi.WSPDuplicateSocket(listener.s, os.getpid()))
    spi.WSPEventSelect(twin, None, 0)
    world.client(80)
    assert not listener.is_set


def test_registering_makes_a_socket_nonblocking_whatever_the_mask(world):
    spi = world.spi
    for mask in (0, spi.FD_READ):
        s, _ = world.pair(81)
        spi.WSPEventSelect(s, spi.WSACreateEvent(), mask)
        with fails("EWOULDBLOCK"):
            spi.WSPRecv(s, bytearray(1))


def test_a_socket_registered_before_it_listens_reports(world):
    spi = world.spi
    s = spi.WSPSocket(2, 1, 6)
    watched = Watched(world, s, spi.FD_ACCEPT)
    spi.WSPBind(s, (world.address, 80))
    spi.WSPListen(s, 5)
    world.client(80)
    assert watched.is_set
    assert watched.seen() == spi.FD_ACCEPT


def test_closing_the_event_ends_its_registrations(world, listener):
    listener.event.close()
    world.client(80)
    world.settle()
    assert world.spi.WSPAccept(listener.s)
    other = world.spi.WSACreateEvent()
    world.spi.WSPEventSelect(listener.s, other, world.spi.FD_ACCEPT)
    world.client(80)
    world.settle()
    assert other.is_set()


def test_many_sockets_share_one_event(world):
    spi = world.spi
    event = spi.WSACreateEvent()
    pairs = [world.pair(81 + i) for i in range(3)]
    for s, _ in pairs:
        spi.WSPEventSelect(s, event, spi.FD_READ)
    pairs[1][1].send(b"x")
    world.settle()
    assert event.is_set()
    found = [spi.WSPEnumNetworkEvents(s, event).lNetworkEvents for s, _ in pairs]
    assert found == [0, spi.FD_READ, 0]


# ---- event objects


def test_an_event_is_set_and_reset_by_hand(spi):
    event = spi.WSACreateEvent()
    assert not event.is_set()
    spi.WSASetEvent(event)
    spi.WSASetEvent(event)
    assert event.is_set()
    spi.WSAResetEvent(event)
    assert not event.is_set()
    spi.WSAResetEvent(event)
    spi.WSACloseEvent(event)
    for call in (spi.WSASetEvent, spi.WSAResetEvent, spi.WSACloseEvent):
        for bad in (event, None, 7):
            with fails("WSA_INVALID_HANDLE"):
                call(bad)
    assert event.closed
    event.close()


def test_an_event_without_an_engine_waits_by_the_machines_clock():
    event = WSAEVENT()
    assert not event.wait(0)
    event.set()
    assert event.wait()
    event.close()


def test_waiting_for_an_event_takes_virtual_time(world, listener):
    start = world.now
    assert not listener.event.wait(1.5)
    assert world.now - start == pytest.approx(1.5)
    world.at(0.5, world.client, 80)
    assert listener.event.wait()
    assert world.now - start >= 2


def test_waiting_for_several_events_returns_the_first_that_is_set(world):
    spi = world.spi
    events = [spi.WSACreateEvent() for _ in range(3)]
    assert spi.WSAWaitForMultipleEvents(events, False, 0.25) == spi.WSA_WAIT_TIMEOUT
    events[2].set()
    assert spi.WSAWaitForMultipleEvents(events) == spi.WSA_WAIT_EVENT_0 + 2
    events[1].set()
    assert spi.WSAWaitForMultipleEvents(events) == spi.WSA_WAIT_EVENT_0 + 1


def test_waiting_for_all_waits_for_each(world):
    spi = world.spi
    events = [spi.WSACreateEvent() for _ in range(3)]
    start = world.now
    for i, event in enumerate(events):
        world.at(0.1 * (i + 1), event.set)
    assert spi.WSAWaitForMultipleEvents(events, True, 0.25) == spi.WSA_WAIT_TIMEOUT
    assert spi.WSAWaitForMultipleEvents(events, True, 1) == spi.WSA_WAIT_EVENT_0
    assert world.now - start == pytest.approx(0.3)


def test_bad_waits_are_refused(spi):
    event = spi.WSACreateEvent()
    with fails("WSA_INVALID_PARAMETER"):
        spi.WSAWaitForMultipleEvents([])
    with fails("WSA_INVALID_PARAMETER"):
        spi.WSAWaitForMultipleEvents([event] * 65)
    for bad in ([7], [None], [event, "x"]):
        with fails("WSA_INVALID_HANDLE"):
            spi.WSAWaitForMultipleEvents(bad)


def test_an_event_serves_one_engine(make_world):
    one, two = make_world(), make_world()
    event = one.spi.WSACreateEvent()
    one.spi.WSPEventSelect(one.listener(), event, 8)
    with fails("EINVAL"):
        two.spi.WSPEventSelect(two.listener(), event, 8)
