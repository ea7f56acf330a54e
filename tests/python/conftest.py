"""What the Python tests stand on."""

import pytest

from tests.python.fakes import FakeDataplane


@pytest.fixture
def fake():
    """A dataplane without packets; see tests/python/fakes.py."""
    with FakeDataplane() as dataplane:
        yield dataplane
