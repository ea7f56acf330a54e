"""What the tests with the kernel's TCP stand on. They need root and are marked `net`."""

import os

import pytest

from tests.net.netns import Namespace


def pytest_collection_modifyitems(items):
    """Mark all tests of this folder; skip them without the rights that they need."""
    for item in items:
        if "tests/net/" in item.nodeid:
            item.add_marker(pytest.mark.net)
            if os.geteuid() != 0:
                item.add_marker(pytest.mark.skip(reason="makes network namespaces: needs root"))


@pytest.fixture
def namespace():
    """A namespace with nothing but its loopback device."""
    with Namespace() as made:
        yield made
