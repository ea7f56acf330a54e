"""Expecting a Winsock error."""

import contextlib

import pytest

from pyprov.core.options import changed
from pyprov.winsock.errors import WSA, WSAError


@contextlib.contextmanager
def fails(name):
    """The block ends with this error, given by name without its "WSA" prefix or in full."""
    code = WSA.__members__.get(name) or WSA[f"WSA{name}"]
    with pytest.raises(WSAError) as caught:
        yield caught
    assert caught.value.code == code, f"{caught.value}, expected {code.name}"


def set_options(spi, s, **values):
    """Give a socket options as core has them."""
    socket = spi._find(s)[1]
    socket.options = changed(socket.options, **values)
