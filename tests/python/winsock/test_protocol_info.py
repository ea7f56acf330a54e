"""WSAPROTOCOL_INFO, its two layouts, and the provider's entries."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyprov.winsock.codes import WSAEFAULT, WSAEINVAL
from pyprov.winsock.errors import WSAError
from pyprov.winsock.protocol_info import WSAPROTOCOL_INFOW, WSAPROTOCOLCHAIN, protocols

DWORD = st.integers(0, 0xFFFF_FFFF)
INT = st.integers(-(2**31), 2**31 - 1)
INFOS = st.builds(
    WSAPROTOCOL_INFOW,
    *[DWORD] * 5,
    st.uuids(),
    DWORD,
    st.builds(WSAPROTOCOLCHAIN, INT, st.lists(DWORD, min_size=7, max_size=7)),
    *[INT] * 9,
    *[DWORD] * 2,
    st.text(st.characters(min_codepoint=1, max_codepoint=126), max_size=255),
)


@pytest.mark.parametrize(("connect_data", "flags"), [(False, 0x2066), (True, 0x21E6)])
def test_b12_service_flags_say_what_the_provider_can_do(connect_data, flags):
    for info in protocols(connect_data=connect_data):
        assert info.dwServiceFlags1 == flags
        others = (info.dwServiceFlags2, info.dwServiceFlags3, info.dwServiceFlags4)
        assert others == (0, 0, 0)


def test_there_is_one_entry_a_family():
    entries = protocols(connect_data=False)
    told = [(e.iAddressFamily, e.iMinSockAddr, e.iMaxSockAddr, e.szProtocol) for e in entries]
    assert told == [(2, 16, 16, "pyprov [TCP/IP]"), (23, 28, 28, "pyprov [TCP/IPv6]")]
    assert {(e.iSocketType, e.iProtocol, e.iVersion, e.dwMessageSize) for e in entries} == {
        (1, 6, 2, 0)
    }
    assert len({e.dwCatalogEntryId for e in entries}) == 2
    assert len({e.ProviderId for e in entries}) == 1
    assert all(e.dwProviderFlags == 8 and e.ProtocolChain.ChainLen == 1 for e in entries)


def test_layout_of_the_wide_form():
    info = protocols(connect_data=True)[0]
    info.ProviderId = UUID("00112233-4455-6677-8899-aabbccddeeff")
    packed = info.pack()
    assert len(packed) == 628
    assert packed[:20] == bytes.fromhex("e6210000" + "00000000" * 3 + "08000000")
    assert packed[20:36] == bytes.fromhex("33221100 5544 7766 8899aabbccddeeff")
    assert packed[36:44] == bytes.fromhex("e9030000 01000000")
    assert packed[72:100] == bytes.fromhex(
        "02000000 02000000 10000000 10000000 01000000 06000000 00000000"
    )
    assert packed[100:116] == bytes(16)
    assert packed[116:148] == "pyprov [TCP/IP]\0".encode("utf-16-le")
    assert not any(packed[148:])


def test_layout_of_the_narrow_form():
    info = protocols(connect_data=False)[1]
    packed = info.pack(wide=False)
    assert len(packed) == 372
    assert packed[:116] == info.pack()[:116]
    assert packed[116:134] == b"pyprov [TCP/IPv6]\0"


@given(INFOS)
def test_every_entry_survives_both_layouts(info):
    assert WSAPROTOCOL_INFOW.unpack(info.pack()) == info
    assert WSAPROTOCOL_INFOW.unpack(info.pack(wide=False)) == info


def test_a_long_name_is_cut_and_keeps_its_end():
    info = WSAPROTOCOL_INFOW(szProtocol="x" * 300)
    for wide in (True, False):
        assert WSAPROTOCOL_INFOW.unpack(info.pack(wide=wide)).szProtocol == "x" * 255


def test_a_foreign_letter_survives_only_the_wide_form():
    info = WSAPROTOCOL_INFOW(szProtocol="ümlaut")
    assert WSAPROTOCOL_INFOW.unpack(info.pack()).szProtocol == "ümlaut"
    assert WSAPROTOCOL_INFOW.unpack(info.pack(wide=False)).szProtocol == "?mlaut"


@pytest.mark.parametrize("size", [0, 371])
def test_short_bytes_are_refused(size):
    with pytest.raises(WSAError) as caught:
        WSAPROTOCOL_INFOW.unpack(bytes(size))
    assert (caught.value.code, caught.value.needed) == (WSAEFAULT, 372)


@pytest.mark.parametrize(
    "info",
    [
        WSAPROTOCOL_INFOW(dwServiceFlags1=-1),
        WSAPROTOCOL_INFOW(iProtocol=1 << 31),
        WSAPROTOCOL_INFOW(ProtocolChain=WSAPROTOCOLCHAIN(1, [1])),
    ],
)
def test_what_does_not_fit_is_refused(info):
    with pytest.raises(WSAError) as caught:
        info.pack()
    assert caught.value.code == WSAEINVAL


def test_entries_share_nothing():
    first, second = protocols(connect_data=False)
    first.ProtocolChain.ChainEntries[0] = 1
    assert second.ProtocolChain.ChainEntries == [0] * 7
