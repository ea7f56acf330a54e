"""Quality of service of sockets and groups before a peer has a say in it; templates."""

import struct

import pytest

from tests.python.failing import fails

NOT_SPECIFIED = 0xFFFFFFFF


@pytest.fixture
def fresh(spi):
    return spi.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP)


def asking(spi, rate, kind=None):
    """The same in both directions."""
    kind = spi.SERVICETYPE_GUARANTEED if kind is None else kind
    flow = spi.FLOWSPEC(
        TokenRate=rate, TokenBucketSize=1500, ServiceType=kind, MinimumPolicedSize=64
    )
    return spi.QOS(flow, flow).copy()


def test_r01_a_new_socket_has_the_defaults(spi, fresh):
    qos = spi.WSPIoctl(fresh, spi.SIO_GET_QOS)
    assert qos == spi.QOS()
    words = [*[NOT_SPECIFIED] * 5, spi.SERVICETYPE_NOCHANGE, NOT_SPECIFIED, NOT_SPECIFIED]
    packed = spi.WSPIoctl(fresh, spi.SIO_GET_QOS, None, 80)
    assert packed == struct.pack("<8L8L", *words, *words) + bytes(16)


def test_what_was_set_is_read_back_and_is_a_copy(spi, fresh):
    qos = asking(spi, 1000)
    spi.WSPIoctl(fresh, spi.SIO_SET_QOS, qos)
    qos.SendingFlowspec.TokenRate = 5
    read = spi.WSPIoctl(fresh, spi.SIO_GET_QOS)
    assert read == asking(spi, 1000)
    read.SendingFlowspec.TokenRate = 6
    assert spi.WSPIoctl(fresh, spi.SIO_GET_QOS) == asking(spi, 1000)


def test_bytes_are_taken_and_given_in_windows_layout(spi, fresh):
    qos = asking(spi, 1000)
    qos.ProviderSpecific = struct.pack("<LLLLL", 2002, 12, 1, 2001, 8)
    assert spi.WSPIoctl(fresh, spi.SIO_SET_QOS, qos.pack()) == b""
    assert spi.WSPIoctl(fresh, spi.SIO_GET_QOS, None, 200) == qos.pack()
    with fails("EFAULT") as caught:
        spi.WSPIoctl(fresh, spi.SIO_GET_QOS, None, 99)
    assert caught.value.needed == 100


def test_a_direction_that_is_not_to_change_stays(spi, fresh):
    spi.WSPIoctl(fresh, spi.SIO_SET_QOS, asking(spi, 1000))
    change = spi.QOS(asking(spi, 2000).SendingFlowspec)
    spi.WSPIoctl(fresh, spi.SIO_SET_QOS, change)
    read = spi.WSPIoctl(fresh, spi.SIO_GET_QOS)
    assert (read.SendingFlowspec.TokenRate, read.ReceivingFlowspec.TokenRate) == (2000, 1000)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"PeakBandwidth": 999}, "WSA_QOS_EFLOWSPEC"),
        ({"TokenRate": 0}, "WSA_QOS_EFLOWSPEC"),
        ({"TokenRate": NOT_SPECIFIED}, "WSA_QOS_EFLOWSPEC"),
        ({"MinimumPolicedSize": 0}, "WSA_QOS_EFLOWSPEC"),
        ({"ServiceType": 7}, "WSA_QOS_ESERVICETYPE"),
        ({"ServiceType": 4}, "WSA_QOS_ESERVICETYPE"),
    ],
)
def test_r09_a_bad_flowspec_is_refused_and_the_old_one_stays(spi, fresh, change, error):
    spi.WSPIoctl(fresh, spi.SIO_SET_QOS, asking(spi, 1000))
    bad = asking(spi, 1000)
    for name, value in change.items():
        setattr(bad.SendingFlowspec, name, value)
    with fails(error):
        spi.WSPIoctl(fresh, spi.SIO_SET_QOS, bad)
    assert spi.WSPIoctl(fresh, spi.SIO_GET_QOS) == asking(spi, 1000)


@pytest.mark.parametrize(
    ("objects", "error"),
    [
        (struct.pack("<LLL", 2002, 12, 4), "WSA_QOS_ESDMODEOBJ"),
        (struct.pack("<LLL", 2003, 12, 0), "WSA_QOS_ESHAPERATEOBJ"),
        (struct.pack("<LL", 2002, 99), "WSA_QOS_EOBJLENGTH"),
        (struct.pack("<LL", 2999, 8), "WSA_QOS_EUNKOWNPSOBJ"),
        (b"\1\2\3", "WSA_QOS_EPROVSPECBUF"),
    ],
)
def test_a_bad_provider_specific_object_is_refused(spi, fresh, objects, error):
    bad = asking(spi, 1000)
    bad.ProviderSpecific = objects
    with fails(error):
        spi.WSPIoctl(fresh, spi.SIO_SET_QOS, bad)


@pytest.mark.parametrize("value", [None, 3, "qos", b"", bytes(79)])
def test_what_is_no_qos_is_10014(spi, fresh, value):
    for code in (spi.SIO_SET_QOS, spi.SIO_SET_GROUP_QOS):
        with fails("EFAULT"):
            spi.WSPIoctl(fresh, code, value)


# ---- groups


def member(spi, g):
    return spi.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP, None, g)


def test_a_group_has_the_qos_that_its_creator_gave_it(spi, fresh):
    creator = member(spi, spi.SG_UNCONSTRAINED_GROUP)
    other = member(spi, spi.WSPGetSockOpt(creator, spi.SOL_SOCKET, spi.SO_GROUP_ID))
    assert spi.WSPIoctl(creator, spi.SIO_GET_GROUP_QOS) == spi.QOS()
    spi.WSPIoctl(creator, spi.SIO_SET_GROUP_QOS, asking(spi, 1000))
    assert spi.WSPIoctl(other, spi.SIO_GET_GROUP_QOS) == asking(spi, 1000)
    with fails("EINVAL"):
        spi.WSPIoctl(other, spi.SIO_SET_GROUP_QOS, asking(spi, 10))
    with fails("EINVAL"):
        spi.WSPIoctl(fresh, spi.SIO_SET_GROUP_QOS, asking(spi, 10))
    zero = spi.WSPIoctl(fresh, spi.SIO_GET_GROUP_QOS, None, 80)
    assert zero == bytes(80)


def test_groups_share_the_reservable_rate_and_give_it_back(spi):
    """0.8 of 10 Gb/s are 1,000,000,000 bytes a second."""
    one = member(spi, spi.SG_UNCONSTRAINED_GROUP)
    other = member(spi, spi.SG_UNCONSTRAINED_GROUP)
    spi.WSPIoctl(one, spi.SIO_SET_GROUP_QOS, asking(spi, 600_000_000))
    with fails("EOPNOTSUPP"):
        spi.WSPIoctl(other, spi.SIO_SET_GROUP_QOS, asking(spi, 400_000_001))
    spi.WSPIoctl(other, spi.SIO_SET_GROUP_QOS, asking(spi, 400_000_000))
    spi.WSPCloseSocket(one)
    spi.WSPIoctl(other, spi.SIO_SET_GROUP_QOS, asking(spi, 1_000_000_000))
    with fails("EOPNOTSUPP"):
        spi.WSPIoctl(other, spi.SIO_SET_GROUP_QOS, asking(spi, 1_000_000_001))
    read = spi.WSPIoctl(other, spi.SIO_GET_GROUP_QOS)
    assert read.SendingFlowspec.TokenRate == 1_000_000_000


def test_the_other_members_hear_of_a_change_by_fd_group_qos(spi):
    creator = member(spi, spi.SG_UNCONSTRAINED_GROUP)
    group = spi.WSPGetSockOpt(creator, spi.SOL_SOCKET, spi.SO_GROUP_ID)
    others = [member(spi, group), member(spi, spi.SG_UNCONSTRAINED_GROUP)]
    events = {s: spi.WSACreateEvent() for s in (creator, *others)}
    for s, event in events.items():
        spi.WSPEventSelect(s, event, spi.FD_QOS | spi.FD_GROUP_QOS)
    spi.WSPIoctl(creator, spi.SIO_SET_GROUP_QOS, asking(spi, 1000))
    assert [event.is_set() for event in events.values()] == [False, True, False]
    heard = spi.WSPEnumNetworkEvents(others[0], events[others[0]])
    assert heard.lNetworkEvents == spi.FD_GROUP_QOS


# ---- names, questions

WELL_KNOWN = ["G711", "G723.1", "G729", "H263QCIF", "H263CIF", "H261QCIF", "H261CIF", "GSM6.10"]


def test_r10_templates_by_name(spi, fresh):
    assert set(spi.WSPGetQOSByName(fresh, "")) == set(WELL_KNOWN)
    for name in WELL_KNOWN:
        qos = spi.WSPGetQOSByName(fresh, name)
        qos.check()
        assert qos.SendingFlowspec == qos.ReceivingFlowspec
    assert spi.WSPGetQOSByName(fresh, "g711") == spi.WSPGetQOSByName(fresh, "G711")
    with fails("EINVAL"):
        spi.WSPGetQOSByName(fresh, "nosuch")
    for name in (None, 3, b"G711"):
        with fails("EFAULT"):
            spi.WSPGetQOSByName(fresh, name)
    spi.WSPCloseSocket(fresh)
    with fails("ENOTSOCK"):
        spi.WSPGetQOSByName(fresh, "G711")


def test_chk_qos_answers_its_questions(spi, fresh):
    def ask(what):
        return struct.unpack("<L", spi.WSPIoctl(fresh, spi.SIO_CHK_QOS, struct.pack("<L", what), 4))

    assert ask(spi.ALLOWED_TO_SEND_DATA) == (1,)
    assert ask(spi.ABLE_TO_RECV_RSVP) == (0,)
    assert ask(spi.LINE_RATE) == (1_250_000_000,)
    assert ask(spi.LOCAL_TRAFFIC_CONTROL) == (1,)
    with fails("EINVAL"):
        spi.WSPIoctl(fresh, spi.SIO_CHK_QOS, 1)
