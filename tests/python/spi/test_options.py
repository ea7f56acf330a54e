"""WSPGetSockOpt, WSPSetSockOpt: what the options are, their types and lengths."""

import struct

import pytest

from pyprov.spi import LINGER, SOCK_STREAM, WSAPROTOCOL_INFO
from tests.python.failing import fails

SHORT = {  # one or two bytes will do
    "SOL_SOCKET": [
        "SO_KEEPALIVE",
        "SO_DONTROUTE",
        "SO_OOBINLINE",
        "SO_REUSEADDR",
        "SO_EXCLUSIVEADDRUSE",
        "SO_DONTLINGER",
        "SO_DEBUG",
    ],
    "IPPROTO_TCP": ["TCP_NODELAY"],
    "IPPROTO_IP": ["IP_TTL", "IP_TOS"],
}
LONG = {  # four are needed
    "SOL_SOCKET": [
        "SO_SNDBUF",
        "SO_RCVBUF",
        "SO_LINGER",
        "SO_SNDTIMEO",
        "SO_RCVTIMEO",
        "SO_ERROR",
        "SO_CONDITIONAL_ACCEPT",
        "SO_PAUSE_ACCEPT",
    ],
    "IPPROTO_TCP": ["TCP_KEEPALIVE", "TCP_KEEPCNT", "TCP_KEEPINTVL"],
}
NONE = ["SO_OOBINLINE", "SO_REUSEADDR", "SO_EXCLUSIVEADDRUSE", "SO_DONTLINGER"]
FIRST_BYTE = {"SO_KEEPALIVE", "SO_DONTROUTE", "TCP_NODELAY"}


def names(table):
    return [(level, option) for level, options in table.items() for option in options]


class Options:
    """The options of one socket, by name."""

    def __init__(self, spi, s):
        self.spi, self.s = spi, s

    def get(self, level, option, optlen=None):
        spi = self.spi
        return spi.WSPGetSockOpt(self.s, getattr(spi, level), getattr(spi, option), optlen)

    def set(self, level, option, value):
        spi = self.spi
        spi.WSPSetSockOpt(self.s, getattr(spi, level), getattr(spi, option), value)

    def sol(self, option):
        return self.get("SOL_SOCKET", option)

    def tcp(self, option):
        return self.get("IPPROTO_TCP", option)


@pytest.fixture
def fresh(spi):
    return Options(spi, spi.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP))


@pytest.fixture
def fresh6(spi):
    return Options(spi, spi.WSPSocket(spi.AF_INET6, spi.SOCK_STREAM, spi.IPPROTO_TCP))


# ---- defaults


@pytest.mark.parametrize(
    ("level", "option", "value"),
    [
        ("SOL_SOCKET", "SO_DEBUG", 0),
        ("SOL_SOCKET", "SO_ACCEPTCONN", 0),
        ("SOL_SOCKET", "SO_REUSEADDR", 0),
        ("SOL_SOCKET", "SO_EXCLUSIVEADDRUSE", 0),
        ("SOL_SOCKET", "SO_KEEPALIVE", 0),
        ("SOL_SOCKET", "SO_DONTROUTE", 0),
        ("SOL_SOCKET", "SO_LINGER", (0, 0)),
        ("SOL_SOCKET", "SO_DONTLINGER", 1),
        ("SOL_SOCKET", "SO_OOBINLINE", 0),
        ("SOL_SOCKET", "SO_SNDBUF", 65536),
        ("SOL_SOCKET", "SO_RCVBUF", 65536),
        ("SOL_SOCKET", "SO_SNDTIMEO", 0),
        ("SOL_SOCKET", "SO_RCVTIMEO", 0),
        ("SOL_SOCKET", "SO_ERROR", 0),
        ("SOL_SOCKET", "SO_TYPE", SOCK_STREAM),
        ("SOL_SOCKET", "SO_GROUP_ID", 0),
        ("SOL_SOCKET", "SO_CONDITIONAL_ACCEPT", 0),
        ("SOL_SOCKET", "SO_PAUSE_ACCEPT", 0),
        ("SOL_SOCKET", "SO_COMPARTMENT_ID", 1),
        ("SOL_SOCKET", "SO_RANDOMIZE_PORT", 0),
        ("SOL_SOCKET", "SO_PORT_SCALABILITY", 0),
        ("SOL_SOCKET", "SO_CONNECT_TIME", 0xFFFFFFFF),
        ("IPPROTO_TCP", "TCP_NODELAY", 0),
        ("IPPROTO_TCP", "TCP_EXPEDITED_1122", 0),
        ("IPPROTO_TCP", "TCP_BSDURGENT", 1),
        ("IPPROTO_TCP", "TCP_KEEPALIVE", 7200),
        ("IPPROTO_TCP", "TCP_KEEPCNT", 10),
        ("IPPROTO_TCP", "TCP_KEEPINTVL", 1),
        ("IPPROTO_TCP", "TCP_MAXSEG", 536),
        ("IPPROTO_TCP", "TCP_MAXRT", 0),
        ("IPPROTO_TCP", "TCP_NOSYNRETRIES", 0),
        ("IPPROTO_TCP", "TCP_TIMESTAMPS", 1),
        ("IPPROTO_TCP", "TCP_OFFLOAD_PREFERENCE", 0),
        ("IPPROTO_TCP", "TCP_CONGESTION_ALGORITHM", 0),
        ("IPPROTO_TCP", "TCP_FASTOPEN", 0),
        ("IPPROTO_TCP", "TCP_ATMARK", 1),
        ("IPPROTO_IP", "IP_TTL", 128),
        ("IPPROTO_IP", "IP_TOS", 0),
        ("IPPROTO_IP", "IP_DONTFRAGMENT", 1),
        ("IPPROTO_IP", "IP_OPTIONS", b""),
    ],
)
def test_b10_a_new_socket_has_the_defaults(fresh, level, option, value):
    assert fresh.get(level, option) == value


@pytest.mark.parametrize(
    ("option", "value"),
    [("V6ONLY", 1), ("UNICAST_HOPS", 128), ("DONTFRAG", 1), ("PROTECTION_LEVEL", 10)],
)
def test_the_defaults_of_ipv6(fresh6, option, value):
    assert fresh6.get("IPPROTO_IPV6", f"IPV6_{option}") == value


# ---- lengths


@pytest.mark.parametrize(("level", "option"), names(SHORT))
@pytest.mark.parametrize("data", [b"\1", b"\1\0", b"\1\0\0\0", b"\1" + bytes(7), b"\1" + bytes(41)])
def test_n03_these_take_bytes_of_every_length(fresh, level, option, data):
    fresh.set(level, option, data)
    assert fresh.get(level, option) == 1


@pytest.mark.parametrize(("level", "option"), names(SHORT))
def test_n03_a_value_of_0x100_counts_or_does_not(fresh, level, option):
    if option in {"IP_TTL", "IP_TOS"}:
        return
    fresh.set(level, option, 0x100)
    assert fresh.get(level, option) == (option not in FIRST_BYTE)


@pytest.mark.parametrize("option", NONE)
def test_n05_no_bytes_at_all_are_fine_for_some(fresh, option):
    fresh.set("SOL_SOCKET", option, b"")
    assert fresh.sol(option) == 0


@pytest.mark.parametrize(
    ("level", "option"), [x for x in names(LONG) + names(SHORT) if x[1] not in NONE]
)
def test_n05_and_10014_for_the_others(fresh, level, option):
    with fails("EFAULT"):
        fresh.set(level, option, b"")


@pytest.mark.parametrize(("level", "option"), names(LONG))
@pytest.mark.parametrize("size", [1, 2, 3])
def test_n06_fewer_than_four_bytes_are_10014(fresh, level, option, size):
    with fails("EFAULT"):
        fresh.set(level, option, b"\1\1\1"[:size])
    with fails("EFAULT") as caught:
        fresh.get(level, option, size)
    assert caught.value.needed == 4


@pytest.mark.parametrize(("level", "option"), names(LONG))
def test_more_than_four_bytes_are_fine(fresh, level, option):
    fresh.set(level, option, b"\1\0\0\0" + bytes(40))
    assert len(fresh.get(level, option, 44)) == 4
    assert fresh.get(level, option, 4)[:2] == b"\1\0"


@pytest.mark.parametrize("optlen", [0, -1, "4", 1.5])
@pytest.mark.parametrize("option", ["SO_KEEPALIVE", "SO_SNDBUF", "SO_LINGER", "SO_PROTOCOL_INFOW"])
def test_room_for_nothing_is_10014(fresh, option, optlen):
    with fails("EFAULT"):
        fresh.get("SOL_SOCKET", option, optlen)


def test_what_is_returned_has_its_size(fresh, fresh6):
    for option in ("SO_REUSEADDR", "SO_OOBINLINE", "SO_DONTLINGER", "SO_ACCEPTCONN", "SO_TYPE"):
        assert len(fresh.get("SOL_SOCKET", option, 8)) == 4
    for option in ("SO_KEEPALIVE", "SO_DONTROUTE"):
        assert len(fresh.get("SOL_SOCKET", option, 8)) == 1
    assert len(fresh.get("IPPROTO_TCP", "TCP_NODELAY", 4)) == 1
    assert len(fresh6.get("IPPROTO_IPV6", "IPV6_V6ONLY", 4)) == 1
    assert fresh.get("SOL_SOCKET", "SO_TYPE", 4) == b"\1\0\0\0"


def test_n09_a_protocol_info_that_does_not_fit_says_what_would(fresh):
    for option, size in (("SO_PROTOCOL_INFOA", 372), ("SO_PROTOCOL_INFOW", 628)):
        with fails("EFAULT") as caught:
            fresh.get("SOL_SOCKET", option, size - 1)
        assert caught.value.needed == size
        assert len(fresh.get("SOL_SOCKET", option, 1000)) == size
        info = WSAPROTOCOL_INFO.unpack(fresh.get("SOL_SOCKET", option, size))
        assert info == fresh.sol(option)


# ---- bad calls


@pytest.mark.parametrize("level", [-1, 0x1234FFFF, 0x8000, 0x800, 7, 41])
def test_an_unknown_level_is_10022(fresh, level):
    for call in (
        lambda: fresh.spi.WSPGetSockOpt(fresh.s, level, 27),
        lambda: fresh.spi.WSPSetSockOpt(fresh.s, level, 27, 1),
    ):
        with fails("EINVAL"):
            call()


@pytest.mark.parametrize("level", ["SOL_SOCKET", "IPPROTO_TCP", "IPPROTO_IP"])
def test_an_unknown_option_is_10042(fresh, level):
    number = getattr(fresh.spi, level)
    for option in (-1, 0x7FFF, 0x12345678):
        with fails("ENOPROTOOPT"):
            fresh.spi.WSPGetSockOpt(fresh.s, number, option)
        with fails("ENOPROTOOPT"):
            fresh.spi.WSPSetSockOpt(fresh.s, number, option, 1)


@pytest.mark.parametrize("bad", [None, "SOL_SOCKET", 1.5, b"x", [1]])
def test_what_is_no_number_is_10022(fresh, bad):
    spi, s = fresh.spi, fresh.s
    for name in ((bad, 4), (spi.SOL_SOCKET, bad)):
        with fails("EINVAL"):
            spi.WSPGetSockOpt(s, *name)
        with fails("EINVAL"):
            spi.WSPSetSockOpt(s, *name, 1)


def test_n08_a_closed_socket_is_looked_at_first(fresh):
    spi = fresh.spi
    spi.WSPCloseSocket(fresh.s)
    for s in (fresh.s, 0, -1, None, "s", [fresh.s]):
        with fails("ENOTSOCK"):
            spi.WSPGetSockOpt(s, -1, None, -1)
        with fails("ENOTSOCK"):
            spi.WSPSetSockOpt(s, -1, None, None)


@pytest.mark.parametrize("value", [None, "1", 1.0, [1], (1, 2, 3), (1,)])
@pytest.mark.parametrize(("level", "option"), names(SHORT) + names(LONG))
def test_a_value_of_a_wrong_type_is_10014(fresh, level, option, value):
    before = fresh.get(level, option)
    with fails("EFAULT"):
        fresh.set(level, option, value)
    assert fresh.get(level, option) == before


@pytest.mark.parametrize("value", [1 << 32, -(1 << 31) - 1])
def test_a_number_that_is_no_dword_is_10022(fresh, value):
    with fails("EINVAL"):
        fresh.set("SOL_SOCKET", "SO_RCVTIMEO", value)


@pytest.mark.parametrize(
    "option",
    [
        "SO_ACCEPTCONN",
        "SO_TYPE",
        "SO_GROUP_ID",
        "SO_PROTOCOL_INFOW",
        "SO_BSP_STATE",
        "SO_CONNECT_TIME",
    ],
)
def test_these_cannot_be_set(fresh, option):
    with fails("ENOPROTOOPT"):
        fresh.set("SOL_SOCKET", option, 1)


@pytest.mark.parametrize(
    ("option", "error"),
    [
        ("SO_BROADCAST", "ENOPROTOOPT"),
        ("SO_MAX_MSG_SIZE", "ENOPROTOOPT"),
        ("SO_MAXDG", "ENOPROTOOPT"),
        ("PVD_CONFIG", "ENOPROTOOPT"),
        ("SO_USELOOPBACK", "EINVAL"),
        ("SO_SNDLOWAT", "EINVAL"),
        ("SO_RCVLOWAT", "EINVAL"),
    ],
)
def test_what_no_stream_has(fresh, option, error):
    with fails(error):
        fresh.sol(option)
    with fails(error):
        fresh.set("SOL_SOCKET", option, 1)


@pytest.mark.parametrize(
    "option",
    [
        "HDRINCL",
        "MULTICAST_IF",
        "MULTICAST_TTL",
        "MULTICAST_LOOP",
        "PKTINFO",
        "RECVTTL",
        "RECVTOS",
        "RECVIF",
        "RECVDSTADDR",
        "RECEIVE_BROADCAST",
        "ECN",
        "RECVERR",
    ],
)
def test_n15_what_only_datagrams_have_is_10022(fresh, option):
    with fails("EINVAL"):
        fresh.get("IPPROTO_IP", f"IP_{option}")
    with fails("EINVAL"):
        fresh.set("IPPROTO_IP", f"IP_{option}", 1)


@pytest.mark.parametrize("option", ["OPTIONS", "TOS", "TTL", "DONTFRAGMENT", "UNICAST_IF"])
@pytest.mark.parametrize("connected", [False, True])
def test_these_can_be_read_at_any_time(world, option, connected):
    spi = world.spi
    s = world.pair()[0] if connected else spi.WSPSocket(2, 1, 6)
    Options(spi, s).get("IPPROTO_IP", f"IP_{option}")


def test_memberships_are_10042(fresh, fresh6):
    for option in ("ADD_MEMBERSHIP", "DROP_MEMBERSHIP"):
        with fails("ENOPROTOOPT"):
            fresh.get("IPPROTO_IP", f"IP_{option}")
        with fails("ENOPROTOOPT"):
            fresh6.get("IPPROTO_IPV6", f"IPV6_{option}")


def test_multicast_is_nothing_for_tcp_over_ipv6(fresh6):
    for option in ("MULTICAST_IF", "MULTICAST_HOPS", "MULTICAST_LOOP", "PKTINFO", "HOPLIMIT"):
        with fails("EINVAL"):
            fresh6.get("IPPROTO_IPV6", f"IPV6_{option}")


# ---- values


@pytest.mark.parametrize("option", ["SO_SNDBUF", "SO_RCVBUF"])
@pytest.mark.parametrize("size", [4096, 0, 1, 0x123, 1 << 20, 0xFFFFFFFF])
def test_n02_buffers_read_back_what_was_set(world, option, size):
    spi = world.spi
    fresh = Options(spi, spi.WSPSocket(2, 1, 6))
    connected = Options(spi, world.pair()[0])
    for options in (fresh, connected):
        options.set("SOL_SOCKET", option, size)
        assert options.sol(option) == size


def test_n11_dontlinger_is_the_negation_of_linger(fresh):
    fresh.set("SOL_SOCKET", "SO_LINGER", LINGER(1, 555))
    assert fresh.sol("SO_LINGER") == LINGER(1, 555)
    assert fresh.get("SOL_SOCKET", "SO_LINGER", 4) == struct.pack("<HH", 1, 555)
    assert fresh.sol("SO_DONTLINGER") == 0
    fresh.set("SOL_SOCKET", "SO_DONTLINGER", 1)
    assert fresh.sol("SO_LINGER").l_onoff == 0
    fresh.set("SOL_SOCKET", "SO_DONTLINGER", 0)
    assert fresh.sol("SO_LINGER").l_onoff == 1
    fresh.set("SOL_SOCKET", "SO_LINGER", struct.pack("<HH", 0, 7))
    assert fresh.sol("SO_DONTLINGER") == 1
    with fails("EINVAL"):
        fresh.set("SOL_SOCKET", "SO_LINGER", (1, 1 << 16))


def test_n14_keep_alive_times_read_back(fresh):
    for option, value in (("TCP_KEEPALIVE", 3600), ("TCP_KEEPCNT", 5), ("TCP_KEEPINTVL", 5)):
        fresh.set("IPPROTO_TCP", option, value)
        assert fresh.tcp(option) == value


@pytest.mark.parametrize("option", ["TCP_KEEPALIVE", "TCP_KEEPCNT", "TCP_KEEPINTVL"])
def test_a_keep_alive_of_0_is_10022(fresh, option):
    with fails("EINVAL"):
        fresh.set("IPPROTO_TCP", option, 0)


def test_n17_more_than_a_byte_is_10022(fresh, fresh6):
    for level, option in (
        ("IPPROTO_IP", "IP_TTL"),
        ("IPPROTO_IP", "IP_TOS"),
        ("IPPROTO_TCP", "TCP_KEEPCNT"),
    ):
        fresh.set(level, option, 255)
        assert fresh.get(level, option) == 255
        with fails("EINVAL"):
            fresh.set(level, option, 0x100)
        assert fresh.get(level, option) == 255
    with fails("EINVAL"):
        fresh6.set("IPPROTO_IPV6", "IPV6_UNICAST_HOPS", 0x100)
    with fails("EINVAL"):
        fresh.set("IPPROTO_IP", "IP_TTL", 0)


def test_values_that_are_only_remembered_read_back(fresh):
    for level, option, value in (
        ("SOL_SOCKET", "SO_COMPARTMENT_ID", 7),
        ("SOL_SOCKET", "SO_RANDOMIZE_PORT", 1),
        ("IPPROTO_TCP", "TCP_OFFLOAD_PREFERENCE", 2),
        ("IPPROTO_IP", "IP_UNICAST_IF", 3),
        ("IPPROTO_IP", "IP_MTU_DISCOVER", 1),
    ):
        fresh.set(level, option, value)
        fresh.set(level, option, value)
        assert fresh.get(level, option) == value


@pytest.mark.parametrize(
    ("level", "option", "value"),
    [
        ("IPPROTO_IP", "IP_MTU_DISCOVER", 0),
        ("IPPROTO_IP", "IP_MTU_DISCOVER", 4),
        ("IPPROTO_TCP", "TCP_OFFLOAD_PREFERENCE", 3),
        ("IPPROTO_TCP", "TCP_CONGESTION_ALGORITHM", 3),
        ("IPPROTO_TCP", "TCP_MAXSEG", 63),
        ("IPPROTO_TCP", "TCP_MAXSEG", 65536),
        ("IPPROTO_TCP", "TCP_MAXRT", 0x7FFFFFFF),
    ],
)
def test_an_illegal_value_is_10022(fresh, level, option, value):
    with fails("EINVAL"):
        fresh.set(level, option, value)


def test_what_tcp_cannot_do_cannot_be_switched_on(fresh):
    fresh.set("IPPROTO_TCP", "TCP_FASTOPEN", 0)
    with fails("ENOPROTOOPT"):
        fresh.set("IPPROTO_TCP", "TCP_FASTOPEN", 1)
    fresh.set("IPPROTO_IP", "IP_OPTIONS", b"")
    with fails("ENOPROTOOPT"):
        fresh.set("IPPROTO_IP", "IP_OPTIONS", b"\1")


def test_expedited_cannot_be_switched_off_again(fresh):
    fresh.set("IPPROTO_TCP", "TCP_EXPEDITED_1122", 1)
    assert fresh.tcp("TCP_BSDURGENT") == 0
    with fails("EINVAL"):
        fresh.set("IPPROTO_TCP", "TCP_EXPEDITED_1122", 0)
    with fails("EINVAL"):
        fresh.set("IPPROTO_TCP", "TCP_BSDURGENT", 1)


def test_giving_up_is_in_seconds_or_milliseconds(fresh):
    fresh.set("IPPROTO_TCP", "TCP_MAXRT", 30)
    assert fresh.tcp("TCP_MAXRTMS") == 30_000
    fresh.set("IPPROTO_TCP", "TCP_MAXRT", -1)
    assert fresh.tcp("TCP_MAXRT") == 0xFFFFFFFF


def test_an_ipv6_protection_level_is_one_of_three(fresh6):
    for value in (10, 20, 30):
        fresh6.set("IPPROTO_IPV6", "IPV6_PROTECTION_LEVEL", value)
        assert fresh6.get("IPPROTO_IPV6", "IPV6_PROTECTION_LEVEL") == value
    with fails("EINVAL"):
        fresh6.set("IPPROTO_IPV6", "IPV6_PROTECTION_LEVEL", 11)


# ---- SO_OPENTYPE


def test_the_open_type_is_the_threads_and_of_no_socket(world):
    spi = world.spi
    options = Options(spi, spi.INVALID_SOCKET)
    assert options.sol("SO_OPENTYPE") == 0
    options.set("SOL_SOCKET", "SO_OPENTYPE", spi.SO_SYNCHRONOUS_NONALERT)
    assert options.sol("SO_OPENTYPE") == 0x20
    assert options.get("SOL_SOCKET", "SO_OPENTYPE", 4) == b"\x20\0\0\0"
    job = world.spawn(options.sol, "SO_OPENTYPE")
    world.advance(0.1)
    assert job.result() == 0
    with fails("EFAULT"):
        options.set("SOL_SOCKET", "SO_OPENTYPE", None)
    with fails("EFAULT"):
        options.get("SOL_SOCKET", "SO_OPENTYPE", "4")
