"""ConnectEx, DisconnectEx, SO_UPDATE_CONNECT_CONTEXT."""

import errno

import pytest

from tests.python.failing import fails
from tests.python.spi.requests import Request, receive
from tests.python.watched import Watched


@pytest.fixture
def s(world):
    """A bound socket."""
    made = world.spi.WSPSocket(2, 1, 6)
    world.spi.WSPBind(made, (world.address, 0))
    return made


def begin(world, s, port=81, data=None):
    """A ConnectEx that was begun, whether it pends or is done."""
    spi = world.spi
    request = Request(world)
    function = spi.WSPIoctl(s, spi.SIO_GET_EXTENSION_FUNCTION_POINTER, spi.WSAID_CONNECTEX)
    return request.begin(function, s, (world.peer_address, port), data, request.overlapped)


def update(spi, s):
    spi.WSPSetSockOpt(s, spi.SOL_SOCKET, spi.SO_UPDATE_CONNECT_CONTEXT, None)


def reuse(spi, s):
    spi.DisconnectEx(s, None, spi.TF_REUSE_SOCKET)


# ---- ConnectEx


def test_a_bound_socket_is_connected(world, s):
    spi = world.spi
    world.serve(81)
    request = begin(world, s)
    assert request.is_set
    assert request.result(s) == (0, 0)
    client = world.accepted(81)
    client.send(b"data")
    world.settle()
    assert spi.WSPRecv(s, bytearray(9)) == (4, 0)


def test_the_first_data_goes_with_it(world, s):
    world.serve(81)
    request = begin(world, s, data=[b"first ", b"data"])
    assert request.transferred == 10
    assert world.accepted(81).received == b"first data"


def test_a_refusal_ends_it_with_10061_and_it_can_be_tried_again(world, s):
    spi = world.spi
    fake = world.name == "fake"  # which answers a connect at once
    world.serve(81, "silence" if fake else "refuse")
    try:
        request = begin(world, s)
    except spi.WSAError as error:  # the kernel may be faster than the call
        assert error.code == spi.WSAECONNREFUSED  # noqa: PT017 - it may also pend
    else:
        if fake:
            world.finish_connect(81, -errno.ECONNREFUSED)
        assert request.error == spi.WSAECONNREFUSED
    assert spi.WSPGetSockOpt(s, spi.SOL_SOCKET, spi.SO_ERROR) == spi.WSAECONNREFUSED
    world.serve(82)
    assert begin(world, s, 82).transferred == 0


def test_h09_the_order_in_which_it_is_refused(world, s):
    spi = world.spi
    peer = (world.peer_address, 81)
    for bad in (0, -1, None, "s", s + 4):
        with fails("ENOTSOCK"):
            spi.ConnectEx(bad, peer, None, None)
    with fails("EINVAL"):
        spi.ConnectEx(spi.WSPSocket(2, 1, 6), peer, None, spi.WSAOVERLAPPED())
    with fails("WSA_INVALID_PARAMETER"):
        spi.ConnectEx(s, peer, None, None)


def test_e09_a_listener_is_10022_and_a_connected_socket_10056(world):
    spi = world.spi
    peer = (world.peer_address, 81)
    with fails("EINVAL"):
        spi.ConnectEx(world.listener(), peer, None, spi.WSAOVERLAPPED())
    connected, _ = world.connect(82)
    with fails("EISCONN"):
        spi.ConnectEx(connected, peer, None, spi.WSAOVERLAPPED())


def test_h08_connect_and_connectex_exclude_each_other(fake_world):
    world, spi = fake_world, fake_world.spi
    world.serve(81, "silence")
    peer = (world.peer_address, 81)
    one, two = spi.WSPSocket(2, 1, 6), spi.WSPSocket(2, 1, 6)
    for s in (one, two):
        spi.WSPBind(s, (world.address, 0))
    spi.WSPIoctl(one, spi.FIONBIO, 1)
    with fails("EWOULDBLOCK"):
        spi.WSPConnect(one, peer)
    with fails("EINVAL"):
        spi.ConnectEx(one, peer, None, spi.WSAOVERLAPPED())
    request = begin(world, two)
    assert request.pending
    with fails("EINVAL"):
        spi.WSPConnect(two, peer)
    with fails("EINVAL"):
        spi.ConnectEx(two, peer, None, spi.WSAOVERLAPPED())
    with fails("ENOTCONN"):
        spi.WSPSend(two, b"x")


def test_d07_a_pending_connectex_has_a_name_but_no_peer(fake_world):
    world, spi = fake_world, fake_world.spi
    world.serve(81, "silence")
    s = spi.WSPSocket(2, 1, 6)
    spi.WSPBind(s, (world.address, 0))
    begin(world, s)
    assert spi.WSPGetSockName(s)[0] == world.address
    with fails("ENOTCONN"):
        spi.WSPGetPeerName(s)
    world.finish_connect(81)
    world.settle()


def test_h11_before_the_context_it_is_10022_to_connect_and_there_is_no_peers_name(world, s):
    spi = world.spi
    world.serve(81)
    assert begin(world, s).transferred == 0
    peer = (world.peer_address, 81)
    with fails("EINVAL"):
        spi.WSPConnect(s, peer)
    with fails("ENOTCONN"):
        spi.WSPGetPeerName(s)
    with fails("ENOTCONN"):
        spi.WSPShutdown(s, spi.SD_SEND)
    update(spi, s)
    with fails("EISCONN"):
        spi.WSPConnect(s, peer)
    assert spi.WSPGetPeerName(s) == peer
    spi.WSPShutdown(s, spi.SD_SEND)
    assert world.accepted(81).finished


def test_the_context_of_an_unconnected_socket_is_10057(world, s):
    with fails("ENOTCONN"):
        update(world.spi, s)


def test_closing_ends_a_pending_connect(fake_world):
    world, spi = fake_world, fake_world.spi
    world.serve(81, "silence")
    s = spi.WSPSocket(2, 1, 6)
    spi.WSPBind(s, (world.address, 0))
    request = begin(world, s)
    assert request.pending
    spi.WSPCloseSocket(s)
    assert request.error == spi.WSA_OPERATION_ABORTED
    assert request.is_set


def test_bad_arguments_leave_the_socket_as_it_was(world, s):
    spi = world.spi
    peer = (world.peer_address, 81)
    for bad in (None, 7, "10.9.0.1:80", ("10.9.0.1",)):
        with fails("EFAULT"):
            spi.ConnectEx(s, bad, None, spi.WSAOVERLAPPED())
    with fails("EADDRNOTAVAIL"):
        spi.ConnectEx(s, ("0.0.0.0", 81), None, spi.WSAOVERLAPPED())
    with fails("EAFNOSUPPORT"):
        spi.ConnectEx(s, ("fd09::1", 81), None, spi.WSAOVERLAPPED())
    for bad in (7, "text", [7]):
        with fails("EFAULT"):
            spi.ConnectEx(s, peer, bad, spi.WSAOVERLAPPED())
    for bad in (7, "overlapped"):
        with fails("EFAULT"):
            spi.ConnectEx(s, peer, None, bad)
    with fails("WSA_INVALID_HANDLE"):
        spi.ConnectEx(s, peer, None, spi.WSAOVERLAPPED(7))
    spi.WSPListen(s, 1)


def test_fd_connect_and_fd_write_come_as_after_a_connect(world, s):
    spi = world.spi
    world.serve(81)
    watched = Watched(world, s)
    request = begin(world, s)
    assert request.is_set
    assert watched.seen() == spi.FD_CONNECT | spi.FD_WRITE


# ---- DisconnectEx


def test_j16_what_is_unconnected_is_10057_and_twice_is_fine(world):
    spi = world.spi
    with fails("ENOTCONN"):
        spi.DisconnectEx(spi.WSPSocket(2, 1, 6))
    with fails("ENOTCONN"):
        spi.DisconnectEx(world.listener())
    s, client = world.connect(81)
    for bad in (0, -1, None, s + 4):
        with fails("ENOTSOCK"):
            spi.DisconnectEx(bad)
    world.at(0.1, client.acknowledge)
    assert spi.DisconnectEx(s) is None
    assert spi.DisconnectEx(s) is None
    with fails("ESHUTDOWN"):
        spi.WSPSend(s, b"x")
    with fails("ESHUTDOWN"):
        spi.WSPRecv(s, bytearray(1))
    with fails("EISCONN"):
        spi.WSPConnect(s, (world.peer_address, 81))
    assert client.finished


def test_all_that_was_sent_arrives_before_the_end(world):
    spi = world.spi
    s, client = world.connect(81)
    spi.WSPSend(s, b"last words")
    request = Request(world)
    request.begin(spi.DisconnectEx, s, request.overlapped)
    client.acknowledge()
    assert request.is_set
    assert request.error == 0
    assert client.received == b"last words"
    assert client.finished


def test_requests_to_send_go_before_the_end(world):
    spi = world.spi
    s, client = world.connect(81)
    sending, ending = Request(world), Request(world)
    with fails("WSA_IO_PENDING"):
        spi.WSPSend(s, bytes(1 << 24), 0, sending.overlapped)
    with fails("WSA_IO_PENDING"):
        spi.DisconnectEx(s, ending.overlapped)
    while ending.pending:
        client.drain()
    assert sending.transferred == 1 << 24
    assert ending.error == 0
    assert len(client.received) == 1 << 24
    assert client.finished


def test_requests_that_wait_end_with_10053(world):
    spi = world.spi
    s, _ = world.connect(81)
    request, _ = receive(world, s)
    spi.WSPIoctl(s, spi.FIONBIO, 1)
    spi.DisconnectEx(s)
    assert request.error == spi.WSAECONNABORTED


def test_a_socket_can_be_used_again_for_connectex(world, s):
    spi = world.spi
    world.serve(81)
    world.serve(82)
    assert begin(world, s).transferred == 0
    world.accepted(81)
    spi.WSPIoctl(s, spi.FIONBIO, 1)
    reuse(spi, s)
    with fails("ENOTCONN"):
        spi.WSPSend(s, b"x")
    assert begin(world, s, 82, b"again").transferred == 5
    assert world.accepted(82).received == b"again"


def test_an_accepted_socket_can_be_used_again_for_acceptex(world):
    spi = world.spi
    listener = world.listener()
    world.client(80)
    s, _ = spi.WSPAccept(listener)
    spi.WSPIoctl(s, spi.FIONBIO, 1)
    spi.DisconnectEx(s)
    reuse(spi, s)
    with fails("EINVAL"):
        spi.WSPGetSockName(s)
    request = Request(world)
    with fails("WSA_IO_PENDING"):
        spi.AcceptEx(listener, s, bytearray(64), 0, 32, 32, request.overlapped)
    client = world.client(80)
    assert request.is_set
    client.send(b"data")
    world.settle()
    assert spi.WSPRecv(s, bytearray(9)) == (4, 0)


def test_a_reset_is_an_end_too(world):
    spi = world.spi
    s, client = world.connect(81)
    client.reset()
    world.settle()
    assert spi.DisconnectEx(s) is None


def test_bad_flags_and_structures(world):
    spi = world.spi
    s, _ = world.connect(81)
    for bad in (1, 3, 4, -1, "0", None):
        with fails("EINVAL"):
            spi.DisconnectEx(s, spi.WSAOVERLAPPED(), bad)
    for bad in (7, "overlapped"):
        with fails("EFAULT"):
            spi.DisconnectEx(s, bad)
    with fails("WSA_INVALID_HANDLE"):
        spi.DisconnectEx(s, spi.WSAOVERLAPPED(7))
    assert spi.WSPSend(s, b"x") == 1


def test_closing_ends_a_disconnect_that_waits(fake_world):
    world, spi = fake_world, fake_world.spi
    s, _ = world.connect(81)
    spi.WSPSend(s, b"never acknowledged")
    request = Request(world)
    with fails("WSA_IO_PENDING"):
        spi.DisconnectEx(s, request.overlapped)
    assert request.pending
    spi.WSPCloseSocket(s)
    assert request.error == spi.WSA_OPERATION_ABORTED
