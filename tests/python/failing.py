"""Expecting a Winsock error."""

import contextlib

import pytest

from pyprov.winsock.errors import WSA, WSAError


@contextlib.contextmanager
def fails(name):
    """The block ends with this error, given by name without its "WSA" prefix or in full."""
    code = WSA.__members__.get(name) or WSA[f"WSA{name}"]
    with pytest.raises(WSAError) as caught:
        yield caught
    assert caught.value.code == code, f"{caught.value}, expected {code.name}"


OPTIONS = {
    "no_delay": ("IPPROTO_TCP", "TCP_NODELAY"),
    "v6_only": ("IPPROTO_IPV6", "IPV6_V6ONLY"),
    "reuse_address": ("SOL_SOCKET", "SO_REUSEADDR"),
    "exclusive_address": ("SOL_SOCKET", "SO_EXCLUSIVEADDRUSE"),
    "keep_alive": ("SOL_SOCKET", "SO_KEEPALIVE"),
    "oob_inline": ("SOL_SOCKET", "SO_OOBINLINE"),
    "send_buffer": ("SOL_SOCKET", "SO_SNDBUF"),
    "recv_buffer": ("SOL_SOCKET", "SO_RCVBUF"),
    "send_timeout": ("SOL_SOCKET", "SO_SNDTIMEO"),
    "recv_timeout": ("SOL_SOCKET", "SO_RCVTIMEO"),
    "linger": ("SOL_SOCKET", "SO_LINGER"),
}


def set_options(spi, s, **values):
    """Set socket options by the names that core has for them."""
    for name, value in values.items():
        level, option = (getattr(spi, word) for word in OPTIONS[name])
        spi.WSPSetSockOpt(s, level, option, value)


def get_option(spi, s, name):
    level, option = (getattr(spi, word) for word in OPTIONS[name])
    return spi.WSPGetSockOpt(s, level, option)
