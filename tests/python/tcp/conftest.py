"""What the tests of TCP stand on."""

import pytest

from tests.python.tcp.host import Host


@pytest.fixture
def host():
    """Our side as it is by default, listening on port 80, and the peer."""
    with Host() as host:
        yield host
