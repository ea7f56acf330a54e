"""The constants against the published numbers, and their shape."""

import pytest

from pyprov.winsock import codes, constants, flags, ioctls, macros, options, service

MODULES = (codes, constants, flags, ioctls, options, service)


def public(module):
    return {name: value for name, value in vars(module).items() if not name.startswith("_")}


PUBLISHED = """
    AF_UNSPEC=0 AF_INET=2 AF_INET6=23 SOCK_STREAM=1 SOCK_RDM=4 IPPROTO_IP=0 IPPROTO_TCP=6
    IPPROTO_UDP=17 IPPROTO_IPV6=41 SD_RECEIVE=0 SD_SEND=1 SD_BOTH=2 FROM_PROTOCOL_INFO=-1
    CF_ACCEPT=0 CF_REJECT=1 CF_DEFER=2 SOMAXCONN=0x7FFFFFFF SG_UNCONSTRAINED_GROUP=1
    SG_CONSTRAINED_GROUP=2 FD_SETSIZE=64 MAX_PROTOCOL_CHAIN=7 WSAPROTOCOL_LEN=255
    WSPDESCRIPTION_LEN=255 WSS_OPERATION_IN_PROGRESS=0x103 INVALID_SOCKET=0xFFFFFFFFFFFFFFFF
    FD_READ=1 FD_WRITE=2 FD_OOB=4 FD_ACCEPT=8 FD_CONNECT=16 FD_CLOSE=32 FD_QOS=64 FD_GROUP_QOS=128
    FD_MAX_EVENTS=10 FD_ROUTING_INTERFACE_CHANGE=256 FD_ADDRESS_LIST_CHANGE=512
    FD_ALL_EVENTS=0x3FF MSG_OOB=1 MSG_PEEK=2 MSG_PARTIAL=0x8000 MSG_WAITALL=8
    MSG_PUSH_IMMEDIATE=32 WSA_FLAG_OVERLAPPED=1 XP1_QOS_SUPPORTED=0x2000 XP1_CONNECT_DATA=0x80
    XP1_IFS_HANDLES=0x20000 PFL_MATCHES_PROTOCOL_ZERO=8 TF_REUSE_SOCKET=2 TF_DISCONNECT=1
    SOL_SOCKET=0xFFFF SO_LINGER=0x80 SO_CONDITIONAL_ACCEPT=0x3002 SO_PAUSE_ACCEPT=0x3003
    SO_GROUP_ID=0x2001 SO_GROUP_PRIORITY=0x2002 SO_ERROR=0x1007 SO_PROTOCOL_INFOA=0x2004
    SO_PROTOCOL_INFOW=0x2005 SO_CONNECT_TIME=0x700C SO_UPDATE_ACCEPT_CONTEXT=0x700B
    SO_UPDATE_CONNECT_CONTEXT=0x7010 TCP_NODELAY=1 TCP_KEEPALIVE=3 TCP_KEEPCNT=16 TCP_KEEPINTVL=17
    TCP_BSDURGENT=0x7000 IP_TOS=3 IP_TTL=4 IP_MTU=73 IPV6_V6ONLY=27 FIONREAD=0x4004667F
    FIONBIO=0x8004667E SIOCATMARK=0x40047307 SIO_GET_QOS=0xC8000007 SIO_SET_QOS=0x8800000B
    SIO_GET_EXTENSION_FUNCTION_POINTER=0xC8000006 SIO_FLUSH=0x28000004
    SIO_KEEPALIVE_VALS=0x98000004 SIO_TCP_INFO=0xD8000027 SIO_BASE_HANDLE=0x48000022
    SIO_CHK_QOS=0xDC000001 QOS_NOT_SPECIFIED=0xFFFFFFFF POSITIVE_INFINITY_RATE=0xFFFFFFFE
    SERVICETYPE_NOTRAFFIC=0 SERVICETYPE_BESTEFFORT=1 SERVICETYPE_CONTROLLEDLOAD=2
    SERVICETYPE_GUARANTEED=3 SERVICETYPE_NETWORK_UNAVAILABLE=4 SERVICETYPE_GENERAL_INFORMATION=5
    SERVICETYPE_NOCHANGE=6 SERVICETYPE_NONCONFORMING=9 SERVICETYPE_NETWORK_CONTROL=10
    SERVICETYPE_QUALITATIVE=13 SERVICE_NO_TRAFFIC_CONTROL=0x81000000
    SERVICE_NO_QOS_SIGNALING=0x40000000 QOS_OBJECT_END_OF_LIST=2001 QOS_OBJECT_SD_MODE=2002
    QOS_OBJECT_SHAPING_RATE=2003 QOS_OBJECT_DESTADDR=2004 RSVP_OBJECT_STATUS_INFO=1000
    TC_NONCONF_SHAPE=1 TC_NONCONF_DISCARD=2
"""


@pytest.mark.parametrize("line", PUBLISHED.split())
def test_published_numbers(line):
    name, number = line.split("=")
    (module,) = [module for module in MODULES if name in public(module)]
    assert public(module)[name] == int(number, 0)


def test_the_modules_hold_nothing_else_so_that_they_can_be_imported_whole():
    for module in MODULES:
        for name, value in public(module).items():
            assert not callable(value), name
            assert type(value).__name__ in {"int", "str", "WSA", "UUID"}, name


def test_no_name_is_defined_twice():
    names = [name for module in MODULES for name in public(module)]
    assert len(names) == len(set(names))


def test_a_complemented_option_is_taken_modulo_two_to_the_32():
    assert macros.DWORD(~options.SO_LINGER) == options.SO_DONTLINGER
    assert macros.DWORD(~options.SO_REUSEADDR) == options.SO_EXCLUSIVEADDRUSE
    assert macros.DWORD(-1) == 0xFFFFFFFF
    assert macros.DWORD(options.SOL_SOCKET) == options.SOL_SOCKET


def test_every_ioctl_says_its_shape_and_no_two_are_alike():
    codes_by_name = {
        name: value for name, value in public(ioctls).items() if name.startswith(("SIO", "FIO"))
    }
    assert len(set(codes_by_name.values())) == len(codes_by_name)
    for name, value in codes_by_name.items():
        assert value >> 29, name
        assert bool(value & ioctls.IOC_VOID) != bool(value & ioctls.IOC_INOUT), name


def test_extension_guids():
    assert str(constants.WSAID_ACCEPTEX) == "b5367df1-cbac-11cf-95ca-00805f48a192"
    guids = [value for name, value in public(constants).items() if name.startswith("WSAID")]
    assert len(set(guids)) == len(guids) == 9


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: macros.MAKEWORD(2, 2), 0x0202),
        (lambda: macros.MAKEWORD(1, 0x105), 0x0501),
        (lambda: (macros.LOBYTE(0x0305), macros.HIBYTE(0x0305)), (5, 3)),
        (lambda: macros.MAKELONG(8, 10054), 10054 << 16 | 8),
        (lambda: macros.WSAMAKESELECTREPLY(0x20, 10053), 10053 << 16 | 0x20),
        (lambda: macros.WSAGETSELECTEVENT(10053 << 16 | 0x20), 0x20),
        (lambda: macros.WSAGETSELECTERROR(10053 << 16 | 0x20), 10053),
        (lambda: macros.LOWORD(0x1_2345_6789), 0x6789),
        (lambda: macros.HIWORD(0x1_2345_6789), 0x2345),
        (lambda: macros.SOMAXCONN_HINT(50), -50),
    ],
)
def test_macros(call, expected):
    assert call() == expected
