"""Urgent data: MSG_OOB, SO_OOBINLINE, SIOCATMARK, FD_OOB, WSPSelect."""

import pytest

from tests.python.failing import fails, set_options
from tests.python.spi.test_messages import Posted
from tests.python.watched import Watched


@pytest.fixture
def world(wired):
    return wired


@pytest.fixture
def pair(world):
    return world.pair(81)


def take(spi, s, size=100, flags=0):
    buffer = bytearray(size)
    count, flags = spi.WSPRecv(s, buffer, flags)
    return bytes(buffer[:count]), flags


# ---- beside the stream


def test_o04_urgent_data_is_not_counted_and_lies_ahead(world, pair):
    spi = world.spi
    s, client = pair
    client.send(b"12345")
    client.shout(b"!")
    assert spi.WSPIoctl(s, spi.FIONREAD) == 5
    assert spi.WSPIoctl(s, spi.SIOCATMARK) == 0
    assert take(spi, s, flags=spi.MSG_OOB) == (b"!", spi.MSG_OOB)
    assert spi.WSPIoctl(s, spi.SIOCATMARK) == 1
    assert take(spi, s) == (b"12345", 0)
    assert spi.WSPIoctl(s, spi.SIOCATMARK) == 1


def test_k10_urgent_data_is_exceptional(world, pair):
    spi = world.spi
    s, client = pair
    client.shout(b"!")
    assert spi.WSPSelect([s], [s], [s], 0) == ([], [s], [s])
    take(spi, s, flags=spi.MSG_OOB)
    assert spi.WSPSelect([s], [s], [s], 0) == ([], [s], [])


def test_somebody_selects_until_urgent_data_comes(world, pair):
    spi = world.spi
    s, client = pair
    world.at(0.3, client.shout, b"!")
    assert spi.WSPSelect([s], None, [s], 5) == ([], [], [s])


def test_i16_two_urgent_bytes_are_two(world, pair):
    spi = world.spi
    s, client = pair
    client.shout(b"1")
    client.shout(b"2")
    assert [take(spi, s, flags=spi.MSG_OOB)[0] for _ in range(2)] == [b"1", b"2"]
    with fails("EINVAL"):
        take(spi, s, flags=spi.MSG_OOB)


def test_urgent_data_can_be_peeked_at(world, pair):
    spi = world.spi
    s, client = pair
    client.shout(b"!")
    for _ in range(2):
        assert take(spi, s, flags=spi.MSG_OOB | spi.MSG_PEEK)[0] == b"!"
    assert take(spi, s, flags=spi.MSG_OOB)[0] == b"!"


def test_we_send_urgent_data(world, pair):
    spi = world.spi
    s, client = pair
    assert spi.WSPSend(s, b"12345!", spi.MSG_OOB) == 6
    world.settle()
    assert (client.heard(), client.received) == (b"!", b"12345")


# ---- in the stream


def test_i17_in_the_stream_it_is_received_like_any_other(world, pair):
    spi = world.spi
    s, client = pair
    set_options(spi, s, oob_inline=1)
    client.shout(b"123!")
    with fails("EINVAL"):
        take(spi, s, flags=spi.MSG_OOB)
    assert spi.WSPIoctl(s, spi.FIONREAD) == 3
    assert spi.WSPIoctl(s, spi.SIOCATMARK) == 0
    assert take(spi, s)[0] == b"123"
    assert spi.WSPIoctl(s, spi.SIOCATMARK) == 1
    assert take(spi, s)[0] == b"!"
    assert spi.WSPIoctl(s, spi.SIOCATMARK) == 1


def test_k10_in_the_stream_it_can_be_read_and_is_not_exceptional(world, pair):
    spi = world.spi
    s, client = pair
    set_options(spi, s, oob_inline=1)
    client.shout(b"!")
    assert spi.WSPSelect([s], [s], [s], 0) == ([s], [s], [])


# ---- events


def test_l23_every_urgent_byte_is_reported(world, pair):
    spi = world.spi
    s, client = pair
    watched = Watched(world, s, spi.FD_OOB)
    client.shout(b"1")
    assert watched.seen() == spi.FD_OOB
    assert watched.seen() == 0
    client.shout(b"2")
    assert watched.is_set
    assert watched.seen() == spi.FD_OOB
    take(spi, s, flags=spi.MSG_OOB)
    assert watched.is_set
    assert watched.seen() == spi.FD_OOB
    take(spi, s, flags=spi.MSG_OOB)
    assert watched.seen() == 0


def test_l23_in_the_stream_it_is_data(world, pair):
    spi = world.spi
    s, client = pair
    set_options(spi, s, oob_inline=1)
    watched = Watched(world, s, spi.FD_OOB | spi.FD_READ)
    client.shout(b"!")
    assert watched.seen() == spi.FD_READ


def test_m03_urgent_data_is_posted_again_for_a_new_registration(world, pair):
    spi = world.spi
    s, client = pair
    posted = Posted(world, s, spi.FD_OOB)
    client.shout(b"1")
    assert posted.events() == [spi.FD_OOB]
    client.shout(b"2")
    assert posted.events() == []
    posted.select(spi.FD_OOB)
    assert posted.events() == [spi.FD_OOB]
    take(spi, s, flags=spi.MSG_OOB)
    assert posted.events() == [spi.FD_OOB]
    take(spi, s, flags=spi.MSG_OOB)
    assert posted.events() == []
