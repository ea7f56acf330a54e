"""What the Python tests stand on."""

import contextlib
import functools

import pytest

from tests.python.fakes import FakeDataplane
from tests.python.watched import Watched
from tests.python.worlds import WORLDS, FakeWorld, LabWorld


@pytest.fixture
def fake():
    """A dataplane without packets; see tests/python/fakes.py."""
    with FakeDataplane() as dataplane:
        yield dataplane


@functools.cache
def lab_fault():
    """Why no lab can be made in this build, None if one can."""
    try:
        LabWorld().close()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the reason
        return f"no lab: {error}"
    return None


@pytest.fixture(params=WORLDS)
def make_world(request):
    """Make worlds of one kind; see tests/python/worlds.py."""
    if request.param == "lab" and lab_fault():
        pytest.skip(lab_fault())
    with contextlib.ExitStack() as stack:

        def make(limits=None):
            made = WORLDS[request.param](limits)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def world(make_world):
    """A provider and its other end, on the fake and in the lab."""
    return make_world()


@pytest.fixture
def fake_world():
    """Only on the fake: for what no wire can be made to do at will."""
    made = FakeWorld()
    yield made
    made.close()


@pytest.fixture
def spi(world):
    return world.spi


@pytest.fixture
def watched_pair(world):
    """A watched connection whose FD_WRITE was seen, and the client."""
    s, client = world.pair(81)
    watched = Watched(world, s)
    assert watched.seen() == world.spi.FD_WRITE
    return watched, client
