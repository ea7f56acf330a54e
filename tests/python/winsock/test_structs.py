"""The structures: their layout on 64-bit Windows, and what they refuse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyprov.winsock import structs
from pyprov.winsock.codes import WSAEFAULT, WSAEINVAL
from pyprov.winsock.errors import WSAError
from pyprov.winsock.structs import WSABUF
from pyprov.winsock.tcp_info import TCPSTATE, TCP_INFO_v0, TCP_INFO_v1

WORD = st.integers(0, 0xFFFF)
DWORD = st.integers(0, 0xFFFF_FFFF)
LONG = st.integers(-(2**31), 2**31 - 1)
IPV4 = st.tuples(st.ip_addresses(v=4).map(str), WORD)
IPV6 = st.tuples(st.ip_addresses(v=6).map(str), WORD, DWORD, DWORD)

# Both with their sockaddrs behind the structure, and where those lie in place of pointers.
BSP_STATE = """
    2800000000000000 10000000 00000000   0000000000000000 00000000 00000000   01000000 06000000
    0200 0050 01020304 0000000000000000
"""
ADDRESS_LIST = """
    02000000 00000000   2800000000000000 10000000 00000000   3800000000000000 1c000000 00000000
    0200 0000 01020304 0000000000000000
    1700 0000 00000000 00000000000000000000000000000001 00000000 00000000
"""


class TestWSABUF:
    def test_a_capacity_makes_zeroed_storage(self):
        buffer = WSABUF(4)
        assert (buffer.len, buffer.capacity, bytes(buffer)) == (4, 4, bytes(4))

    def test_write_copies_and_sets_the_length(self):
        buffer = WSABUF(8)
        buffer.write(b"abc")
        assert (buffer.len, len(buffer), bytes(buffer)) == (3, 3, b"abc")
        assert bytes(buffer.buf) == b"abc" + bytes(5)

    def test_write_to_the_brim_and_past_it(self):
        buffer = WSABUF(3)
        buffer.write(b"abc")
        with pytest.raises(ValueError, match="4 bytes do not fit into 3"):
            buffer.write(b"abcd")
        assert bytes(buffer) == b"abc"

    def test_writable_storage_is_used_as_it_is(self):
        storage = bytearray(4)
        WSABUF(storage).buf[1] = 7
        assert storage == b"\0\x07\0\0"

    @pytest.mark.parametrize("data", [b"abc", memoryview(b"abc")])
    def test_what_cannot_be_written_is_copied(self, data):
        buffer = WSABUF(data)
        buffer.buf[0] = ord("x")
        assert bytes(buffer) == b"xbc"
        assert bytes(data) == b"abc"

    def test_wider_items_become_bytes(self):
        words = memoryview(bytearray(8)).cast("L")
        assert WSABUF(words).capacity == 8

    def test_a_length_beyond_the_capacity_is_kept_for_whoever_takes_it_back(self):
        buffer = WSABUF(2)
        assert not buffer.overrun
        buffer.len = 3
        assert buffer.overrun
        assert bytes(buffer) == bytes(2)

    def test_a_negative_length_is_refused(self):
        with pytest.raises(ValueError, match="negative"):
            WSABUF(2).len = -1

    def test_only_what_was_put_in_is_an_answer(self):
        untouched, emptied, filled, cut = WSABUF(4), WSABUF(4), WSABUF(4), WSABUF(b"abcd")
        emptied.len = 0
        filled.write(b"ab")
        cut.len = 2
        answers = [buffer.answer() for buffer in (untouched, emptied, filled, cut)]
        assert answers == [b"", b"", b"ab", b"ab"]

    def test_it_can_stand_for_an_address(self):
        assert WSABUF().address is None
        assert WSABUF(b"..", address=("10.9.0.1", 80)).address == ("10.9.0.1", 80)


@pytest.mark.parametrize(
    ("value", "packed"),
    [
        (structs.LINGER(1, 555), "0100 2b02"),
        (structs.tcp_keepalive(1, 7200000, 1000), "01000000 00dd6d00 e8030000"),
        (structs.TCP_INITIAL_RTO_PARAMETERS(0x1234, 5), "3412 05 00"),
        (
            structs.WSANETWORKEVENTS(8, [0, 0, 0, 10054, *[0] * 6]),
            "08" + "0" * 30 + "46270000" + "0" * 48,
        ),
        (structs.CSADDR_INFO(("1.2.3.4", 80), None, 1, 6), BSP_STATE),
        (structs.SOCKET_ADDRESS_LIST([("1.2.3.4", 0), ("::1", 0, 0, 0)]), ADDRESS_LIST),
        (structs.SOCKET_ADDRESS_LIST(), "00000000 00000000"),
    ],
)
def test_layouts(value, packed):
    assert value.pack() == bytes.fromhex(packed)
    assert type(value).unpack(value.pack()) == value
    assert type(value).unpack(value.pack() + b"more") == value
    with pytest.raises(WSAError) as caught:
        type(value).unpack(value.pack()[:-5] if len(value.pack()) > 40 else b"abc")
    assert caught.value.code == WSAEFAULT


@pytest.mark.parametrize(
    ("structure", "size"),
    [
        (structs.LINGER(0, 0), 4),
        (structs.WSANETWORKEVENTS(), 44),
        (structs.CSADDR_INFO(None, None, 1, 6), 40),
        (structs.tcp_keepalive(0, 0, 0), 12),
        (structs.TCP_INITIAL_RTO_PARAMETERS(0, 0), 4),
        (structs.INTERFACE_INFO(1, ("1.2.3.4", 0), ("1.2.3.255", 0), ("255.255.255.0", 0)), 76),
        (structs.INTERFACE_INFO(1, ("::1", 0), ("::", 0), ("::", 0)), 76),
        (TCP_INFO_v0(), 88),
        (TCP_INFO_v1(), 136),
    ],
)
def test_sizes(structure, size):
    assert len(structure.pack()) == size


@pytest.mark.parametrize(
    "value",
    [
        structs.LINGER(1, 0x10000),
        structs.LINGER(-1, 0),
        structs.tcp_keepalive(1, 1 << 32, 0),
        structs.TCP_INITIAL_RTO_PARAMETERS(0, 256),
        TCP_INFO_v0(Mss=1.5),
        structs.WSANETWORKEVENTS(0, [1, 2, 3]),
    ],
)
def test_what_does_not_fit_its_field_is_refused(value):
    with pytest.raises(WSAError) as caught:
        value.pack()
    assert caught.value.code == WSAEINVAL


def test_a_short_buffer_is_told_what_it_should_hold():
    with pytest.raises(WSAError) as caught:
        structs.tcp_keepalive.unpack(bytes(11))
    assert (caught.value.code, caught.value.needed) == (WSAEFAULT, 12)


def test_a_list_that_lies_about_its_length_is_refused():
    with pytest.raises(WSAError):
        structs.SOCKET_ADDRESS_LIST.unpack(bytes.fromhex("ffffff7f 00000000") + bytes(16))


def test_tcp_info_fields_lie_where_windows_has_them():
    info = TCP_INFO_v1(State=TCPSTATE.TCPSTATE_ESTABLISHED, RttUs=0x11, BytesOut=0x22)
    info.SynRetrans, info.SndLimBytesRwin, info.SndLimBytesSnd = 0x33, 0x44, 0x55
    packed = info.pack()
    found = {index: byte for index, byte in enumerate(packed) if byte}
    assert found == {0: 4, 20: 0x11, 48: 0x22, 84: 0x33, 96: 0x44, 128: 0x55}
    assert TCP_INFO_v1.unpack(packed) == info
    assert TCP_INFO_v0(4, RttUs=0x11, BytesOut=0x22, SynRetrans=0x33).pack() == packed[:88]
    assert TCP_INFO_v0.unpack(packed).SynRetrans == 0x33


@given(st.builds(structs.LINGER, WORD, WORD))
def test_linger_survives(value):
    assert structs.LINGER.unpack(value.pack()) == value


@given(st.builds(structs.WSANETWORKEVENTS, LONG, st.lists(LONG, min_size=10, max_size=10)))
def test_network_events_survive(value):
    assert structs.WSANETWORKEVENTS.unpack(value.pack()) == value


@given(st.lists(st.one_of(IPV4, IPV6), max_size=5).map(structs.SOCKET_ADDRESS_LIST))
def test_address_lists_survive(value):
    again = structs.SOCKET_ADDRESS_LIST.unpack(value.pack())
    assert again.pack() == value.pack()
    assert [len(name) for name in again] == [len(name) for name in value]


@given(st.one_of(st.none(), IPV4), st.one_of(st.none(), IPV6), LONG, LONG)
def test_bsp_state_survives(local, remote, kind, protocol):
    value = structs.CSADDR_INFO(local, remote, kind, protocol)
    again = structs.CSADDR_INFO.unpack(value.pack())
    assert again.pack() == value.pack()
    assert (again.LocalAddr, again.iSocketType) == (local, kind)


@given(st.binary(max_size=80))
def test_any_bytes_are_a_list_or_a_clear_error(data):
    try:
        structs.SOCKET_ADDRESS_LIST.unpack(data)
    except WSAError as error:
        assert error.name in {"WSAEFAULT", "WSAEAFNOSUPPORT"}  # noqa: PT017 - both are right


def test_two_overlapped_structures_are_never_equal():
    first, second = structs.WSAOVERLAPPED(), structs.WSAOVERLAPPED()
    assert first != second
    assert len({first, second}) == 2
    assert (first.hEvent, first.Internal, first.OffsetHigh) == (None, 0, 0)


def test_defaults_share_nothing():
    first, second = structs.WSANETWORKEVENTS(), structs.WSANETWORKEVENTS()
    first.iErrorCode[3] = 1
    assert second.iErrorCode == [0] * 10
    assert structs.WSAMSG().Control is not structs.WSAMSG().Control
    assert structs.GROUP().value == 0
    assert structs.WSADATA(0x0202, 0x0202, "pyprov").iMaxSockets == 0
    assert structs.MSG("window", 1, 5, 8).wParam == 5
