"""TransmitFile, WSARecvMsg, and how extension functions are obtained."""

import os
import uuid
from pathlib import Path

import pytest

from tests.python.failing import fails
from tests.python.spi.requests import Request

CONTENT = bytes(range(256)) * 1000


@pytest.fixture
def pair(world):
    return world.pair()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "content"
    path.write_bytes(CONTENT)
    with path.open("rb") as opened:
        yield opened


def all_of(client, size):
    while len(client.received) < size:
        client.drain()
    return client.received


# ---- SIO_GET_EXTENSION_FUNCTION_POINTER


@pytest.mark.parametrize(
    "name",
    [
        "AcceptEx",
        "ConnectEx",
        "DisconnectEx",
        "GetAcceptExSockaddrs",
        "TransmitFile",
        "WSARecvMsg",
    ],
)
def test_o09_each_guid_gives_its_function(spi, name):
    s = spi.WSPSocket(2, 1, 6)
    guid = getattr(spi, f"WSAID_{name.upper()}")
    code = spi.SIO_GET_EXTENSION_FUNCTION_POINTER
    assert spi.WSPIoctl(s, code, guid) == getattr(spi, name)
    pointer = spi.WSPIoctl(s, code, guid.bytes_le, 8)
    assert len(pointer) == 8
    assert pointer == spi.WSPIoctl(s, code, guid, 8)
    with fails("EFAULT"):
        spi.WSPIoctl(s, code, guid, 7)


def test_o09_an_unknown_guid_is_10022_and_nobody_is_told(world):
    spi = world.spi
    s = spi.WSPSocket(2, 1, 6)
    code = spi.SIO_GET_EXTENSION_FUNCTION_POINTER
    for bad in (uuid.UUID(int=7), spi.WSAID_TRANSMITPACKETS, spi.WSAID_WSASENDMSG, 7, "AcceptEx"):
        request = Request(world)
        with fails("EINVAL"):
            spi.WSPIoctl(s, code, bad)
        with fails("EINVAL"):
            spi.WSPIoctl(s, code, bad, None, request.overlapped)
        assert not request.is_set
    for bad in (None, b"short"):
        with fails("EFAULT"):
            spi.WSPIoctl(s, code, bad)


def test_what_is_done_at_once_is_told_with_the_size_of_its_output(world):
    spi = world.spi
    s = spi.WSPSocket(2, 1, 6)
    port = spi.CompletionPort()
    port.associate(s, "key")
    for code, value, size in (
        (spi.SIO_GET_EXTENSION_FUNCTION_POINTER, spi.WSAID_ACCEPTEX, 8),
        (spi.FIONREAD, None, 4),
        (spi.FIONBIO, 1, 0),
    ):
        request = Request(world)
        spi.WSPIoctl(s, code, value, None, request.overlapped)
        assert request.is_set
        assert port.get(0) == ("key", size, request.overlapped, 0)


@pytest.mark.parametrize("routine", [False, True])
def test_o07_an_unknown_code_pends_and_ends_with_10045(world, routine):
    spi = world.spi
    s = spi.WSPSocket(2, 1, 6)
    for code in (0x12345678, spi.SIO_FLUSH, spi.FIOASYNC):
        request = Request(world, routine=routine)
        with fails("WSA_IO_PENDING"):
            spi.WSPIoctl(s, code, None, None, *request.arguments)
        assert request.error == spi.WSAEOPNOTSUPP
        spi.SleepEx(0, alertable=True)
        assert request.calls == ([(spi.WSAEOPNOTSUPP, 0, 0)] if routine else [])
        with fails("EOPNOTSUPP"):
            request.result(s)


def test_an_ioctl_looks_at_its_structure_too(world):
    spi = world.spi
    s = spi.WSPSocket(2, 1, 6)
    for bad in (7, "overlapped"):
        with fails("EFAULT"):
            spi.WSPIoctl(s, spi.FIONREAD, None, None, bad)
    with fails("EFAULT"):
        spi.WSPIoctl(s, spi.FIONREAD, None, None, spi.WSAOVERLAPPED(), 7)
    request = Request(world)
    with fails("EFAULT") as caught:
        spi.WSPIoctl(s, spi.FIONREAD, None, 3, request.overlapped)
    assert caught.value.needed == 4
    assert not request.is_set
    plain = spi.WSPSocket(2, 1, 6, flags=0)
    with fails("EOPNOTSUPP"):
        spi.WSPIoctl(plain, 0x12345678, None, None, "overlapped")


# ---- TransmitFile


def test_a_file_is_sent_between_head_and_tail(world, pair, file):
    s, client = pair
    for i in range(100):
        world.at(0.1 + i / 10, client.drain)
    sent = world.spi.TransmitFile(s, file, head=b"head", tail=[b"ta", b"il"])
    assert sent == len(CONTENT) + 8
    assert all_of(client, sent) == b"head" + CONTENT + b"tail"


def test_a_part_of_a_file_from_where_it_stands(world, pair, file):
    s, client = pair
    file.seek(256)
    assert world.spi.TransmitFile(s, file.fileno(), 1000, 7) == 1000
    assert all_of(client, 1000) == CONTENT[256:1256]


def test_without_a_file_there_are_head_and_tail(world, pair):
    s, client = pair
    assert world.spi.TransmitFile(s, None, head=b"head", tail=b"tail") == 8
    assert client.received == b"headtail"
    assert world.spi.TransmitFile(s, None) == 0


def test_a_request_reads_from_its_offset(world, pair, file):
    s, client = pair
    request = Request(world)
    request.overlapped.Offset = 512
    file.seek(7)
    assert world.spi.TransmitFile(s, file, 100, overlapped=request.overlapped) == 100
    assert request.transferred == 100
    assert client.received == CONTENT[512:612]
    assert file.tell() == 7


def test_a_request_waits_for_room_and_others_wait_behind_it(world, pair, file):
    spi = world.spi
    s, client = pair
    request, last = Request(world), Request(world)
    big = os.memfd_create("big")
    os.truncate(big, 1 << 24)
    with fails("WSA_IO_PENDING"):
        spi.TransmitFile(s, big, overlapped=request.overlapped)
    with fails("WSA_IO_PENDING"):
        spi.WSPSend(s, b"the end", 0, last.overlapped)
    while last.pending:
        client.drain()
    assert request.transferred == 1 << 24
    assert all_of(client, (1 << 24) + 7).endswith(b"\0the end")
    os.close(big)


def test_tf_disconnect_ends_the_connection_and_the_socket_can_be_used_again(world, pair, file):
    spi = world.spi
    s, client = pair
    request = Request(world)
    flags = spi.TF_DISCONNECT | spi.TF_REUSE_SOCKET
    request.begin(spi.TransmitFile, s, file, 1000, 0, request.overlapped, flags=flags)
    client.acknowledge()
    assert request.transferred == 1000
    assert client.received == CONTENT[:1000]
    assert client.finished
    spi.WSPBind(s, (world.address, 0))


def test_closing_ends_a_request_that_waits(world, pair):
    spi = world.spi
    s, _ = pair
    request = Request(world)
    big = os.memfd_create("big")
    os.truncate(big, 1 << 26)
    with fails("WSA_IO_PENDING"):
        spi.TransmitFile(s, big, overlapped=request.overlapped, flags=spi.TF_DISCONNECT)
    world.advance(1)
    assert request.pending
    spi.WSPCloseSocket(s)
    assert request.error == spi.WSA_OPERATION_ABORTED
    os.close(big)


def test_bad_arguments_of_transmitfile(world, pair, file):
    spi = world.spi
    s, client = pair
    for bad in (0, None, s + 4):
        with fails("ENOTSOCK"):
            spi.TransmitFile(bad, file)
    with fails("ENOTCONN"):
        spi.TransmitFile(spi.WSPSocket(2, 1, 6), file)
    closed = Path(os.devnull).open("rb")  # noqa: SIM115 - it is to be closed
    closed.close()
    for bad in (closed, 12345, -1, "path", object(), 1 << 40):
        with fails("WSA_INVALID_HANDLE"):
            spi.TransmitFile(s, bad)
    for bad in (-1, None, "7", 1 << 32):
        with fails("WSA_INVALID_PARAMETER"):
            spi.TransmitFile(s, file, bad)
        with fails("WSA_INVALID_PARAMETER"):
            spi.TransmitFile(s, file, 0, bad)
    for bad in (2, 8, 0x40, -1, "0", None):
        with fails("EINVAL"):
            spi.TransmitFile(s, file, flags=bad)
    for bad in (7, "text"):
        with fails("EFAULT"):
            spi.TransmitFile(s, file, head=bad)
        with fails("EFAULT"):
            spi.TransmitFile(s, file, overlapped=bad)
    folder = os.open(Path(file.name).parent, os.O_RDONLY)
    with fails("SYSCALLFAILURE"):
        spi.TransmitFile(s, folder)
    os.close(folder)
    assert client.received == b""


# ---- WSARecvMsg


def test_a_message_is_filled_and_says_nothing_of_where_from(world, pair):
    spi = world.spi
    s, client = pair
    client.send(b"ninebytes")
    world.settle()
    four, five = spi.WSABUF(4), spi.WSABUF(5)
    message = spi.WSAMSG(None, [four, five], spi.WSABUF(8))
    assert spi.WSARecvMsg(s, message) == 9
    assert (bytes(four), bytes(five)) == (b"nine", b"bytes")
    assert (message.name, message.Control.len, message.dwFlags) == (None, 0, 0)


def test_a_message_can_be_received_with_a_request(world, pair):
    spi = world.spi
    s, client = pair
    request, buffer = Request(world), spi.WSABUF(9)
    with fails("WSA_IO_PENDING"):
        spi.WSARecvMsg(s, spi.WSAMSG(None, [buffer]), request.overlapped)
    client.send(b"data")
    assert request.transferred == 4
    assert bytes(buffer)[:4] == b"data"


def test_bad_arguments_of_wsarecvmsg(world, pair):
    spi = world.spi
    s, _ = pair
    with fails("ENOTSOCK"):
        spi.WSARecvMsg(0, spi.WSAMSG())
    with fails("EINVAL"):
        spi.WSARecvMsg(spi.WSPSocket(2, 1, 6), spi.WSAMSG())
    for bad in (None, 7, bytearray(9), spi.WSAMSG(None, 7), spi.WSAMSG(None, [bytearray(1)])):
        with fails("EFAULT"):
            spi.WSARecvMsg(s, bad)
    with fails("EINVAL"):
        spi.WSARecvMsg(s, spi.WSAMSG())
    with fails("EOPNOTSUPP"):
        spi.WSARecvMsg(s, spi.WSAMSG(None, [spi.WSABUF(1)], dwFlags=0x4000))
