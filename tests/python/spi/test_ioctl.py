"""WSPIoctl: the call, and the codes about the socket itself."""

import struct

import pytest

from tests.python.failing import fails
from tests.python.watched import Watched

UNKNOWN = [0x12345678, 0, -1, 1 << 40]


@pytest.fixture
def fresh(spi):
    return spi.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP)


# ---- the call


@pytest.mark.parametrize("code", UNKNOWN)
def test_o06_an_unknown_code_is_10045(spi, fresh, code):
    with fails("EOPNOTSUPP"):
        spi.WSPIoctl(fresh, code)


@pytest.mark.parametrize("name", ["SIO_FLUSH", "FIOASYNC", "SIO_FIND_ROUTE"])
def test_o06_what_this_tcp_does_not_do_is_10045(spi, fresh, name):
    with fails("EOPNOTSUPP"):
        spi.WSPIoctl(fresh, getattr(spi, name))


@pytest.mark.parametrize("code", ["FIONREAD", None, 1.5, b"code", [1]])
def test_what_is_no_code_is_10022(spi, fresh, code):
    with fails("EINVAL"):
        spi.WSPIoctl(fresh, code)


def test_a_closed_socket_is_looked_at_first(spi, fresh):
    spi.WSPCloseSocket(fresh)
    for s in (fresh, 0, -1, None, "s", [fresh]):
        with fails("ENOTSOCK"):
            spi.WSPIoctl(s, None, None, "outlen")


@pytest.mark.parametrize("outlen", [-1, "4", 1.5])
def test_a_length_that_is_none_is_10014(spi, fresh, outlen):
    with fails("EFAULT"):
        spi.WSPIoctl(fresh, spi.FIONREAD, None, outlen)


# ---- FIONBIO


def test_fionbio_makes_calls_return_at_once(world):
    spi = world.spi
    s = world.listener()
    assert spi.WSPIoctl(s, spi.FIONBIO, 1) is None
    with fails("EWOULDBLOCK"):
        spi.WSPAccept(s)
    spi.WSPIoctl(s, spi.FIONBIO, 0)
    world.at(0.1, world.client, 80)
    assert spi.WSPAccept(s)


@pytest.mark.parametrize("value", [b"\1\0\0\0", bytearray(b"\0\1\0\0"), b"\1\0\0\0tail", True, -1])
def test_fionbio_takes_bytes_and_every_number_but_0(world, value):
    spi = world.spi
    s = world.listener()
    spi.WSPIoctl(s, spi.FIONBIO, value)
    with fails("EWOULDBLOCK"):
        spi.WSPAccept(s)


@pytest.mark.parametrize("value", [None, b"", b"\1\0\0", "1", 1.0, [1]])
def test_fionbio_without_a_dword_is_10014(spi, fresh, value):
    with fails("EFAULT"):
        spi.WSPIoctl(fresh, spi.FIONBIO, value)


def test_fionbio_ignores_the_output(spi, fresh):
    assert spi.WSPIoctl(fresh, spi.FIONBIO, 1, 0) == b""


def test_l38_a_registered_socket_cannot_be_made_blocking(world):
    spi = world.spi
    watched = Watched(world, world.listener())
    with fails("EINVAL"):
        spi.WSPIoctl(watched.s, spi.FIONBIO, 0)
    spi.WSPIoctl(watched.s, spi.FIONBIO, 1)
    watched.select(0)
    spi.WSPIoctl(watched.s, spi.FIONBIO, 0)
    world.at(0.1, world.client, 80)
    assert spi.WSPAccept(watched.s)


# ---- FIONREAD, SIOCATMARK


def test_o03_a_fresh_socket_has_nothing_to_read_and_no_mark(spi, fresh):
    assert spi.WSPIoctl(fresh, spi.FIONREAD) == 0
    assert spi.WSPIoctl(fresh, spi.SIOCATMARK) == 1
    assert spi.WSPIoctl(fresh, spi.FIONREAD, None, 4) == bytes(4)
    assert spi.WSPIoctl(fresh, spi.SIOCATMARK, None, 100) == b"\1\0\0\0"


@pytest.mark.parametrize("code", ["FIONREAD", "SIOCATMARK"])
def test_o03_less_than_a_dword_is_10014_and_says_so(spi, fresh, code):
    for outlen in (0, 1, 3):
        with fails("EFAULT") as caught:
            spi.WSPIoctl(fresh, getattr(spi, code), None, outlen)
        assert caught.value.needed == 4


def test_fionread_counts_all_that_one_call_would_get(world):
    spi = world.spi
    s, client = world.pair()
    client.send(b"12345")
    client.send(b"678")
    world.settle()
    assert spi.WSPIoctl(s, spi.FIONREAD) == 8
    assert spi.WSPIoctl(s, spi.FIONREAD, None, 4) == struct.pack("<L", 8)
    spi.WSPRecv(s, bytearray(6))
    assert spi.WSPIoctl(s, spi.FIONREAD) == 2
    client.reset()
    spi.WSPIoctl(s, spi.FIONREAD)


def test_a_listener_has_nothing_to_read(world):
    spi = world.spi
    s = world.listener()
    world.client(80)
    assert spi.WSPIoctl(s, spi.FIONREAD) == 0
    assert spi.WSPIoctl(s, spi.SIOCATMARK) == 1


# ---- the handle


def test_o12_the_base_handle_is_the_socket(spi, fresh):
    for code in ("BASE_HANDLE", "BSP_HANDLE", "BSP_HANDLE_SELECT", "BSP_HANDLE_POLL"):
        assert spi.WSPIoctl(fresh, getattr(spi, f"SIO_{code}")) == fresh
    assert spi.WSPIoctl(fresh, spi.SIO_BASE_HANDLE, None, 8) == fresh.to_bytes(8, "little")
    with fails("EFAULT"):
        spi.WSPIoctl(fresh, spi.SIO_BASE_HANDLE, None, 4)
