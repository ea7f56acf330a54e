"""Registering with WSPEventSelect, and event objects."""

import os

import pytest

from pyprov.spi import WSAEVENT
from tests.python.failing import fails
from tests.python.watched import Watched
from tests.python.worlds import FakeWorld


@pytest.fixture
def listener(world):
    return Watched(world, world.listener(), world.spi.FD_ACCEPT)


# ---- registering


def test_l33_only_the_codes_of_reported_events_are_set(world, watched_pair):
    spi = world.spi
    watched, client = watched_pair
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
    assert world.took(start, 1.5)
    world.at(0.5, world.client, 80)
    assert listener.event.wait()
    assert world.took(start, 2, within=0.1)


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
    assert world.took(start, 0.3)


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


def test_an_event_serves_the_next_engine_when_its_own_has_stopped():
    event = WSAEVENT()
    for _ in range(2):
        world = FakeWorld()
        s = world.listener()
        world.spi.WSPEventSelect(s, event, world.spi.FD_ACCEPT)
        world.client(80)
        assert event.wait(1)
        world.spi.WSPEnumNetworkEvents(s, event)
        world.dataplane.stop(0)
        world.close()
    event.close()


def test_an_event_serves_one_engine_at_a_time(fake_world):
    other = FakeWorld()
    event = WSAEVENT()
    fake_world.spi.WSPEventSelect(fake_world.listener(), event, 1)
    with fails("EINVAL"):
        other.spi.WSPEventSelect(other.listener(), event, 1)
    other.close()
