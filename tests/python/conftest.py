"""What the Python tests stand on."""

import contextlib
import functools
import os
import tomllib
from pathlib import Path

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


@pytest.fixture(scope="session")
def tap():
    """An engine on a tap and the kernel beside it, for all tests of a process."""
    from tests.python.tap_world import Tap  # noqa: PLC0415 - the fake needs no extension

    made = Tap()
    yield made
    made.close()


def tap_world(request):
    if os.geteuid() != 0:
        pytest.skip("makes a network namespace: needs root")
    from tests.python.tap_world import TapWorld  # noqa: PLC0415 - the fake needs no extension

    return functools.partial(TapWorld, request.getfixturevalue("tap"))


TAP = pytest.param("tap", marks=pytest.mark.net)
NOT_ON_A_TAP = tomllib.loads((Path(__file__).parent / "spi" / "tap.toml").read_text())


def pytest_collection_modifyitems(items):
    """Skip what cannot be on a tap."""
    for item in items:
        name = f"{item.path.name}::{item.originalname}"
        if item.get_closest_marker("net") and name in NOT_ON_A_TAP:
            item.add_marker(pytest.mark.skip(reason=NOT_ON_A_TAP[name]))


def kind_of_world(request):
    """What makes worlds of the kind that a test is to run in."""
    if request.param == "lab" and lab_fault():
        pytest.skip(lab_fault())
    return tap_world(request) if request.param == "tap" else WORLDS[request.param]


@pytest.fixture(params=[*WORLDS, TAP])
def make_world(request):
    """Make worlds of one kind; see tests/python/worlds.py."""
    kind = kind_of_world(request)
    with contextlib.ExitStack() as stack:

        def make(limits=None):
            made = kind(limits)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def world(make_world):
    """A provider and its other end: on the fake, in the lab, and on a tap."""
    return make_world()


@pytest.fixture(params=["lab", TAP])
def wired(request):
    """For what only a wire can show: in the lab and on a tap."""
    made = kind_of_world(request)()
    yield made
    made.close()


@pytest.fixture
def fake_world():
    """Only on the fake: for what no wire can be made to do at will."""
    made = FakeWorld()
    yield made
    made.close()


@pytest.fixture(params=[TAP])
def tapped(request):
    """For what needs the kernel's silence: on a tap only."""
    made = kind_of_world(request)()
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
