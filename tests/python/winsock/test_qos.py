"""Flowspecs, their validity, the objects beside them, and the code points they lead to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyprov.winsock import codes, service
from pyprov.winsock.errors import WSAError
from pyprov.winsock.provider_specific import (
    QOS_OBJECT,
    QOS_SD_MODE,
    QOS_SHAPING_RATE,
    RSVP_STATUS_INFO,
    build_objects,
    parse_objects,
)
from pyprov.winsock.qos import (
    DSCP,
    FLOWSPEC,
    FLOWSPEC_FIELDS,
    PRIORITY_8021P,
    QOS,
    service_type,
)
from pyprov.winsock.service import (
    QOS_NOT_SPECIFIED,
    SERVICETYPE_BESTEFFORT,
    SERVICETYPE_CONTROLLEDLOAD,
    SERVICETYPE_GUARANTEED,
    SERVICETYPE_NETWORK_CONTROL,
    SERVICETYPE_NETWORK_UNAVAILABLE,
    SERVICETYPE_NOCHANGE,
    SERVICETYPE_NOTRAFFIC,
    SERVICETYPE_QUALITATIVE,
)
from pyprov.winsock.templates import WELL_KNOWN, well_known

DWORD = st.integers(0, 0xFFFF_FFFF)
FLOWSPECS = st.builds(FLOWSPEC, *[DWORD] * 8)
OBJECTS = st.one_of(
    st.builds(QOS_SD_MODE, st.integers(0, 3)),
    st.builds(QOS_SHAPING_RATE, st.integers(1, 0xFFFF_FFFF)),
    st.builds(RSVP_STATUS_INFO, DWORD, DWORD, DWORD),
    st.builds(QOS_OBJECT, st.sampled_from([1001, 1002, 1003, 1004, 2004]), st.binary(max_size=20)),
)


def request(**sending):
    return QOS(SendingFlowspec=FLOWSPEC(**sending))


def code_of(call):
    with pytest.raises(WSAError) as caught:
        call()
    return caught.value.code


def test_r01_defaults_leave_everything_open():
    qos = QOS()
    for flowspec in (qos.SendingFlowspec, qos.ReceivingFlowspec):
        values = {name: getattr(flowspec, name) for name in FLOWSPEC_FIELDS}
        assert values.pop("ServiceType") == SERVICETYPE_NOCHANGE == 6
        assert set(values.values()) == {0xFFFFFFFF}
    assert qos.ProviderSpecific == b""
    assert qos.SendingFlowspec is not qos.ReceivingFlowspec
    qos.check()


def test_flowspec_is_laid_out_as_on_windows():
    packed = FLOWSPEC(1, 2, 3, 4, 5, 6, 7, 8).pack()
    assert len(packed) == 32
    assert packed == b"".join(n.to_bytes(4, "little") for n in range(1, 9))


def test_qos_is_laid_out_as_on_64_bit_windows():
    packed = QOS(FLOWSPEC(TokenRate=1), FLOWSPEC(TokenRate=2)).pack()
    assert len(packed) == 80
    assert (packed[0], packed[32]) == (1, 2)
    assert packed[64:] == bytes(16)


def test_provider_specific_bytes_follow_the_structure():
    packed = QOS(ProviderSpecific=b"abcde").pack()
    assert packed[64:] == bytes.fromhex("05000000 00000000 5000000000000000") + b"abcde"


@given(st.builds(QOS, FLOWSPECS, FLOWSPECS, st.binary(max_size=40)))
def test_every_qos_survives(qos):
    packed = qos.pack()
    assert len(packed) == 80 + len(qos.ProviderSpecific)
    assert QOS.unpack(packed) == qos
    assert QOS.unpack(packed + b"more") == qos


@pytest.mark.parametrize(("size", "code"), [(0, "WSAEFAULT"), (31, "WSAEFAULT"), (79, "WSAEFAULT")])
def test_a_short_qos_is_refused(size, code):
    assert code_of(lambda: QOS.unpack(QOS().pack()[:size])).name == code


def test_missing_provider_specific_bytes_have_their_own_error():
    packed = QOS(ProviderSpecific=b"abcde").pack()
    assert code_of(lambda: QOS.unpack(packed[:-1])) == codes.WSA_QOS_EPROVSPECBUF


def test_a_copy_shares_nothing():
    qos = QOS(FLOWSPEC(TokenRate=1), FLOWSPEC(TokenRate=2), b"x")
    copy = qos.copy()
    assert copy == qos
    copy.SendingFlowspec.TokenRate = copy.ReceivingFlowspec.TokenRate = 9
    assert (qos.SendingFlowspec.TokenRate, qos.ReceivingFlowspec.TokenRate) == (1, 2)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        *((kind, kind) for kind in (0, 1, 2, 3, 4, 5, 6, 9, 0xA, 0xD)),
        (service.SERVICE_BESTEFFORT, SERVICETYPE_BESTEFFORT),
        (service.SERVICE_CONTROLLEDLOAD, SERVICETYPE_CONTROLLEDLOAD),
        (service.SERVICE_GUARANTEED, SERVICETYPE_GUARANTEED),
        (service.SERVICE_QUALITATIVE, SERVICETYPE_QUALITATIVE),
        (3 | service.SERVICE_NO_TRAFFIC_CONTROL, SERVICETYPE_GUARANTEED),
        (3 | service.SERVICE_NO_QOS_SIGNALING, SERVICETYPE_GUARANTEED),
        (service.SERVICE_GUARANTEED | service.SERVICE_NO_QOS_SIGNALING, SERVICETYPE_GUARANTEED),
        (service.SERVICE_GUARANTEED | service.SERVICE_NO_TRAFFIC_CONTROL, SERVICETYPE_GUARANTEED),
    ],
)
def test_service_types_with_flags_and_combined_forms(value, kind):
    assert service_type(value) == kind


@pytest.mark.parametrize(
    "value", [7, 8, 0xB, 0xE, 0x80000003, 0x80080000, 0x01000003, 0xFFFFFFFF, -1]
)
def test_what_is_no_service_type(value):
    assert code_of(lambda: service_type(value)) == codes.WSA_QOS_ESERVICETYPE


GUARANTEED = {"ServiceType": SERVICETYPE_GUARANTEED, "TokenRate": 1000}


@pytest.mark.parametrize(
    ("qos", "code"),
    [
        (request(ServiceType=7), codes.WSA_QOS_ESERVICETYPE),
        (request(ServiceType=SERVICETYPE_NETWORK_UNAVAILABLE), codes.WSA_QOS_ESERVICETYPE),
        (request(ServiceType=SERVICETYPE_CONTROLLEDLOAD), codes.WSA_QOS_EFLOWSPEC),
        (request(ServiceType=SERVICETYPE_CONTROLLEDLOAD, TokenRate=0), codes.WSA_QOS_EFLOWSPEC),
        (request(ServiceType=SERVICETYPE_GUARANTEED), codes.WSA_QOS_EFLOWSPEC),
        (request(**GUARANTEED, MinimumPolicedSize=0), codes.WSA_QOS_EFLOWSPEC),
        (request(**GUARANTEED, Latency=-1), codes.WSA_QOS_EFLOWSPEC),
        (request(**GUARANTEED, Latency=1 << 32), codes.WSA_QOS_EFLOWSPEC),
        (request(**GUARANTEED, Latency=1.5), codes.WSA_QOS_EFLOWSPEC),
        (QOS(ReceivingFlowspec=FLOWSPEC(ServiceType=3)), codes.WSA_QOS_EFLOWSPEC),
        (QOS(ReceivingFlowspec=FLOWSPEC(ServiceType=3, TokenRate=0)), codes.WSA_QOS_EFLOWSPEC),
        (QOS(ReceivingFlowspec=FLOWSPEC(TokenRate=9, PeakBandwidth=8)), codes.WSA_QOS_EFLOWSPEC),
        (QOS(ProviderSpecific=b"short"), codes.WSA_QOS_EPROVSPECBUF),
        (QOS(ProviderSpecific=bytes(8)), codes.WSA_QOS_EOBJLENGTH),
    ],
)
def test_impossible_requests(qos, code):
    assert code_of(qos.check) == code


@pytest.mark.parametrize(
    "kind", [SERVICETYPE_BESTEFFORT, SERVICETYPE_GUARANTEED, SERVICETYPE_NOCHANGE]
)
def test_r09_a_peak_below_the_token_rate_is_refused(kind):
    refused = request(ServiceType=kind, TokenRate=1000, PeakBandwidth=999)
    assert code_of(refused.check) == codes.WSA_QOS_EFLOWSPEC == 11017
    request(ServiceType=kind, TokenRate=1000, PeakBandwidth=1000).check()


@pytest.mark.parametrize(
    "qos",
    [
        request(**GUARANTEED),
        request(**GUARANTEED, PeakBandwidth=QOS_NOT_SPECIFIED),
        request(ServiceType=SERVICETYPE_GUARANTEED, TokenRate=service.POSITIVE_INFINITY_RATE),
        request(ServiceType=SERVICETYPE_BESTEFFORT),
        request(PeakBandwidth=5),
        QOS(FLOWSPEC(*[0] * 8), FLOWSPEC(*[0] * 8)),
        QOS(ReceivingFlowspec=FLOWSPEC(ServiceType=SERVICETYPE_CONTROLLEDLOAD)),
        QOS(ProviderSpecific=build_objects([QOS_SD_MODE(service.TC_NONCONF_SHAPE)])),
    ],
)
def test_possible_requests(qos):
    qos.check()


def test_provider_specific_objects_are_laid_out_as_in_qos_h():
    data = build_objects([QOS_SD_MODE(2), QOS_SHAPING_RATE(1000), RSVP_STATUS_INFO(11010, 1, 2)])
    words = [2002, 12, 2, 2003, 12, 1000, 1000, 20, 11010, 1, 2, 2001, 8]
    assert data == b"".join(word.to_bytes(4, "little") for word in words)


@given(st.lists(OBJECTS, max_size=4))
def test_provider_specific_objects_survive(objects):
    data = build_objects(objects)
    assert parse_objects(data) == objects
    assert parse_objects(data[:-8]) == objects, "the end of the list may be missing"
    if objects:
        assert parse_objects(data + b"rest") == objects, "what follows the end is ignored"


def words(*values):
    return b"".join(value.to_bytes(4, "little") for value in values)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"1234567", codes.WSA_QOS_EPROVSPECBUF),
        (words(2002, 12, 1) + b"1", codes.WSA_QOS_EPROVSPECBUF),
        (words(2002, 7), codes.WSA_QOS_EOBJLENGTH),
        (words(2002, 13, 1), codes.WSA_QOS_EOBJLENGTH),
        (words(2002, 8), codes.WSA_QOS_EOBJLENGTH),
        (words(2003, 16, 1, 1), codes.WSA_QOS_EOBJLENGTH),
        (words(1000, 12, 1), codes.WSA_QOS_EOBJLENGTH),
        (words(1001, 12, 0, 1001, 16, 0), codes.WSA_QOS_EOBJLENGTH),
        (words(2001, 7), codes.WSA_QOS_EOBJLENGTH),
        (words(4711, 8), codes.WSA_QOS_EUNKOWNPSOBJ),
        (words(2002, 12, 4), codes.WSA_QOS_ESDMODEOBJ),
        (words(2003, 12, 0), codes.WSA_QOS_ESHAPERATEOBJ),
    ],
)
def test_malformed_objects(data, code):
    assert code_of(lambda: parse_objects(data)) == code


@given(st.binary(max_size=64))
def test_any_bytes_are_objects_or_a_qos_error(data):
    try:
        parse_objects(data)
    except WSAError as error:
        assert error.name.startswith("WSA_QOS_E")  # noqa: PT017 - both outcomes are right


@pytest.mark.parametrize(
    ("kind", "dscp", "priority"),
    [
        (SERVICETYPE_CONTROLLEDLOAD, 24, 4),
        (SERVICETYPE_GUARANTEED, 40, 5),
        (SERVICETYPE_NETWORK_CONTROL, 48, 7),
        (SERVICETYPE_BESTEFFORT, 0, 0),
        (SERVICETYPE_QUALITATIVE, 0, 0),
    ],
)
def test_r12_code_points(kind, dscp, priority):
    assert DSCP[FLOWSPEC(ServiceType=kind).kind()] == dscp
    assert DSCP[FLOWSPEC(ServiceType=kind | service.SERVICE_NO_TRAFFIC_CONTROL).kind()] == dscp
    assert PRIORITY_8021P[kind] == priority


@pytest.mark.parametrize("kind", [SERVICETYPE_NOCHANGE, SERVICETYPE_NOTRAFFIC, 5])
def test_r12_other_types_travel_as_best_effort(kind):
    assert DSCP.get(FLOWSPEC(ServiceType=kind).kind(), 0) == 0


def test_r10_the_well_known_templates():
    expected = ("G711", "G723.1", "G729", "H263QCIF", "H263CIF", "H261QCIF", "H261CIF", "GSM6.10")
    assert expected == WELL_KNOWN
    for name in WELL_KNOWN:
        qos = well_known(name)
        qos.check()
        assert qos.SendingFlowspec == qos.ReceivingFlowspec
        assert qos.SendingFlowspec is not qos.ReceivingFlowspec
        assert qos.SendingFlowspec.TokenBucketSize >= qos.SendingFlowspec.MaxSduSize


def test_r10_templates_are_found_in_any_case_and_are_copies():
    first = well_known("g711")
    first.SendingFlowspec.TokenRate = 1
    assert well_known("G711").SendingFlowspec.TokenRate == 11_300  # 50 packets of 226 bytes
    assert code_of(lambda: well_known("nosuch")) == codes.WSAEINVAL


def test_a_template_carries_more_than_its_codec_makes():
    bits = {"G711": 64_000, "G723.1": 6_300, "G729": 8_000, "GSM6.10": 13_200, "H261CIF": 384_000}
    for name, rate in bits.items():
        assert well_known(name).SendingFlowspec.TokenRate * 8 > rate
