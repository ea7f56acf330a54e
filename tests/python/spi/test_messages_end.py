"""Messages and the end of what they were registered with: nothing posted is taken back."""

import pytest

from tests.python.spi.test_messages import Posted
from tests.python.watched import ALL


@pytest.fixture
def pair(world):
    """A registered connection whose FD_WRITE was taken, and the client."""
    s, client = world.pair(81)
    posted = Posted(world, s)
    posted.taken()
    return posted, client


def test_m09_without_events_no_more_messages_come(world, pair):
    posted, client = pair
    client.send(b"x")
    world.settle()
    assert posted.queue.peek() is not None
    posted.select(0)
    client.finish()
    assert posted.events() == [world.spi.FD_READ]


def test_m09_what_was_posted_stays_after_the_close(world, pair):
    posted, client = pair
    client.send(b"x")
    world.settle()
    assert posted.queue.peek() is not None
    world.spi.WSPCloseSocket(posted.s)
    assert posted.events() == [world.spi.FD_READ]


@pytest.mark.parametrize("end", ["mask 0", "another queue", "an event", "WSPCloseSocket"])
def test_4_6_what_happened_under_a_registration_is_posted_when_it_ends(world, pair, end):
    spi = world.spi
    posted, client = pair
    client.send(b"x")
    world.settle()
    match end:
        case "mask 0":
            posted.select(0)
        case "another queue":
            spi.WSPAsyncSelect(posted.s, spi.MessageQueue(), 1, ALL)
        case "an event":
            spi.WSPEventSelect(posted.s, spi.WSACreateEvent(), ALL)
        case "WSPCloseSocket":
            spi.WSPCloseSocket(posted.s)
    assert posted.events() == [spi.FD_READ]
