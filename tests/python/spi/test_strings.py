"""WSPAddressToString, WSPStringToAddress: the calls; the formats are tested with pyprov.winsock."""

import pytest

from tests.python.failing import fails


def test_q04_an_address_with_a_port(spi):
    assert spi.WSPAddressToString(("255.255.255.255", 65535)) == "255.255.255.255:65535"


def test_q06_an_ipv6_address_with_port_and_scope(spi):
    assert spi.WSPAddressToString(("20ab::2001", 33274, 0, 4660)) == "[20ab::2001%4660]:33274"


@pytest.mark.parametrize(
    ("text", "addr"),
    [
        ("1.1.1.1", ("1.1.1.1", 0)),
        ("127.127.127.127:123", ("127.127.127.127", 123)),
        ("0x00010203:10", ("0.1.2.3", 10)),
        ("1.2", ("1.0.0.2", 0)),
    ],
)
def test_q07_what_can_be_read(spi, text, addr):
    assert spi.WSPStringToAddress(text, spi.AF_INET) == addr


@pytest.mark.parametrize("text", ["", "x:", ":0", "1.1.1.1:0", "1.1.1.1:65537", "1.1.1.1 ", None])
def test_q07_what_cannot(spi, text):
    with fails("EINVAL"):
        spi.WSPStringToAddress(text, spi.AF_INET)


def test_bad_addresses_are_refused(spi):
    with fails("EFAULT"):
        spi.WSPAddressToString(None)
    for bad in (7, ("1.1.1",), ("1.1.1.1", -1)):
        with fails("EINVAL"):
            spi.WSPAddressToString(bad)
    with fails("EINVAL"):
        spi.WSPStringToAddress("1.1.1.1", 0xDEAD)
