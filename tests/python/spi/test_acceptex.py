"""AcceptEx, GetAcceptExSockaddrs, SO_UPDATE_ACCEPT_CONTEXT."""

import contextlib

import pytest

from tests.python.failing import fails, set_options
from tests.python.spi.requests import Request
from tests.python.watched import Watched

SLOT = 16 + 16


class Accept(Request):
    """A request to accept, made and by default pending, with its socket and buffer."""

    def __init__(self, world, listener, room=0, *, pends=True, **kind):
        super().__init__(world, **kind)
        self.pends = pends
        self.listener = listener
        self.room = room
        self.buffer = bytearray(room + 2 * SLOT)
        self.acceptor = self.spi.WSPSocket(2, 1, 6)
        self.again()

    def again(self, **changes):
        arguments = {"acceptor": self.acceptor, "buffer": self.buffer, "receive_len": self.room}
        arguments |= {"listener": self.listener, "local_len": SLOT, "remote_len": SLOT}
        with fails("WSA_IO_PENDING") if self.pends else contextlib.nullcontext():
            self.function(**(arguments | {"overlapped": self.overlapped} | changes))

    @property
    def function(self):
        return extension(self.spi, self.listener, "ACCEPTEX")

    @property
    def names(self):
        function = extension(self.spi, self.listener, "GETACCEPTEXSOCKADDRS")
        return function(self.buffer, self.room, SLOT, SLOT)


def extension(spi, s, name):
    guid = getattr(spi, f"WSAID_{name}")
    return spi.WSPIoctl(s, spi.SIO_GET_EXTENSION_FUNCTION_POINTER, guid)


@pytest.fixture
def listener(world):
    return world.listener()


def update(spi, accept):
    spi.WSPSetSockOpt(
        accept.acceptor, spi.SOL_SOCKET, spi.SO_UPDATE_ACCEPT_CONTEXT, accept.listener
    )


def test_the_next_connection_completes_the_request(world, listener):
    spi = world.spi
    accept = Accept(world, listener)
    assert accept.pending
    client = world.client(80)
    assert accept.is_set
    assert accept.result(listener) == (0, 0)
    assert accept.names == ((world.address, 80), client.address)
    client.send(b"data")
    world.settle()
    assert spi.WSPRecv(accept.acceptor, bytearray(9)) == (4, 0)
    assert spi.WSPSend(accept.acceptor, b"answer") == 6
    assert client.received == b"answer"


def test_a_connection_that_waits_already_is_taken_at_once(world, listener):
    spi = world.spi
    world.client(80)
    request, buffer = Request(world), bytearray(2 * SLOT)
    acceptor = spi.WSPSocket(2, 1, 6)
    assert spi.AcceptEx(listener, acceptor, buffer, 0, SLOT, SLOT, request.overlapped) == 0
    assert request.is_set


def test_ipv6_addresses_come_back(world):
    spi = world.spi
    listener = world.listener(host=world.address6)
    acceptor, buffer = spi.WSPSocket(spi.AF_INET6, 1, 6), bytearray(88)
    request = Request(world)
    with fails("WSA_IO_PENDING"):
        spi.AcceptEx(listener, acceptor, buffer, 0, 44, 44, request.overlapped)
    world.client(80, host=world.address6)
    assert request.is_set
    local, remote = spi.GetAcceptExSockaddrs(buffer, 0, 44, 44)
    assert (local[:2], remote[0]) == ((world.address6, 80), world.peer_address6)


def test_p01_a_socket_that_does_not_listen_is_10022_and_no_socket_10038(world, listener):
    spi = world.spi
    fresh, other = spi.WSPSocket(2, 1, 6), spi.WSPSocket(2, 1, 6)
    rest = (bytearray(64), 0, SLOT, SLOT, spi.WSAOVERLAPPED())
    with fails("EINVAL"):
        spi.AcceptEx(fresh, other, *rest)
    for bad in (0, -1, None, "s", other + 4):
        with fails("ENOTSOCK"):
            spi.AcceptEx(bad, other, *rest)
        with fails("ENOTSOCK"):
            spi.AcceptEx(listener, bad, *rest)


def test_p03_an_acceptor_in_use_is_10022(world, listener):
    spi = world.spi
    bound = spi.WSPSocket(2, 1, 6)
    spi.WSPBind(bound, (world.address, 0))
    connected, _ = world.connect(90)
    accept = Accept(world, listener)
    other_family = spi.WSPSocket(spi.AF_INET6, 1, 6)
    for bad in (bound, connected, accept.acceptor, listener, other_family):
        with fails("EINVAL"):
            spi.AcceptEx(listener, bad, bytearray(64), 0, SLOT, SLOT, spi.WSAOVERLAPPED())
    assert accept.pending


def test_p04_a_pending_acceptor_can_be_used_for_nothing_else(world, listener):
    spi = world.spi
    acceptor = Accept(world, listener).acceptor
    for call in (spi.WSPConnect, spi.WSPBind):
        with fails("EINVAL"):
            call(acceptor, (world.peer_address, 90))
    with fails("EINVAL"):
        spi.ConnectEx(acceptor, (world.peer_address, 90), None, spi.WSAOVERLAPPED())
    with fails("EINVAL"):
        spi.WSPListen(acceptor, 1)
    with fails("ENOTCONN"):
        spi.WSPSend(acceptor, b"x")
    with fails("ENOTCONN"):
        spi.WSPRecv(acceptor, bytearray(1))
    with fails("ENOTCONN"):
        spi.WSPGetPeerName(acceptor)


def test_p06_with_room_for_data_it_waits_for_the_first(world, listener):
    accept = Accept(world, listener, 2)
    client = world.client(80)
    assert accept.pending
    client.send(b"x")
    assert accept.is_set
    assert accept.transferred == 1
    assert accept.buffer[:1] == b"x"
    assert accept.names[1] == client.address


def test_p06_what_does_not_fit_is_received_afterwards(world, listener):
    accept = Accept(world, listener, 2)
    world.client(80, b"data")
    assert accept.transferred == 2
    buffer = bytearray(9)
    assert world.spi.WSPRecv(accept.acceptor, buffer) == (2, 0)
    assert accept.buffer[:2] + buffer[:2] == b"data"


def test_p07_a_peer_that_closes_without_data_completes_with_0(world, listener):
    accept = Accept(world, listener, 2)
    world.client(80).finish()
    assert accept.transferred == 0
    assert world.spi.WSPRecv(accept.acceptor, bytearray(1)) == (0, 0)


def test_a_peer_that_resets_before_its_first_data_ends_it_with_10054(world, listener):
    spi = world.spi
    accept = Accept(world, listener, 2)
    client = world.client(80)
    assert accept.pending
    client.reset()
    assert accept.error == spi.WSAECONNRESET
    accept.again()  # the acceptor is as it was
    world.client(80, b"data")
    assert accept.transferred == 2


def test_while_one_waits_for_data_the_next_takes_a_connection(world, listener):
    first, second = Accept(world, listener, 2), Accept(world, listener)
    slow = world.client(80)
    world.client(80)
    assert first.pending
    assert not second.pending
    slow.send(b"x")
    assert first.transferred == 1


def test_requests_get_connections_in_order(world, listener):
    accepts = [Accept(world, listener) for _ in range(3)]
    clients = [world.client(80) for _ in range(3)]
    world.settle()
    assert [a.names[1] for a in accepts] == [c.address for c in clients]


def test_g04_a_deferred_request_goes_to_the_pending_one_and_the_next_to_accept(world, listener):
    spi = world.spi
    first = world.client(80)
    with fails("WSATRY_AGAIN"):
        spi.WSPAccept(listener, lambda *_: spi.CF_DEFER)
    request, buffer = Request(world), bytearray(2 * SLOT)
    acceptor = spi.WSPSocket(2, 1, 6)
    spi.AcceptEx(listener, acceptor, buffer, 0, SLOT, SLOT, request.overlapped)
    second = world.client(80)
    assert spi.WSPAccept(listener)[1] == second.address
    assert spi.GetAcceptExSockaddrs(buffer, 0, SLOT, SLOT)[1] == first.address


def test_a_request_that_takes_a_deferred_one_ends_the_silence_of_fd_accept(world, listener):
    spi = world.spi
    world.client(80)
    with fails("WSATRY_AGAIN"):
        spi.WSPAccept(listener, lambda *_: spi.CF_DEFER)
    watched = Watched(world, listener, spi.FD_ACCEPT)
    world.client(80)
    assert watched.seen() == 0
    request, acceptor = Request(world), spi.WSPSocket(2, 1, 6)
    spi.AcceptEx(listener, acceptor, bytearray(64), 0, SLOT, SLOT, request.overlapped)
    assert watched.is_set
    assert watched.seen() == spi.FD_ACCEPT


def test_pending_requests_go_before_a_call_to_accept(world, listener):
    spi = world.spi
    accept = Accept(world, listener)
    start = world.now
    world.at(0.1, world.client, 80)
    world.at(0.2, world.client, 80)
    _, peer = spi.WSPAccept(listener)
    assert world.now >= start + 0.2
    assert accept.names[1] != peer


def test_p09_the_name_comes_with_the_context(world, listener):
    spi = world.spi
    set_options(spi, listener, oob_inline=True, recv_timeout=0x123)
    accept = Accept(world, listener)
    client = world.client(80)
    assert not accept.pending
    with fails("EINVAL"):
        spi.WSPGetSockName(accept.acceptor)
    with fails("ENOTCONN"):
        spi.WSPGetPeerName(accept.acceptor)
    assert spi.WSPGetSockOpt(accept.acceptor, spi.SOL_SOCKET, spi.SO_RCVTIMEO) == 0
    update(spi, accept)
    assert spi.WSPGetSockName(accept.acceptor) == (world.address, 80)
    assert spi.WSPGetPeerName(accept.acceptor) == client.address
    assert spi.WSPGetSockOpt(accept.acceptor, spi.SOL_SOCKET, spi.SO_RCVTIMEO) == 0x123
    assert spi.WSPGetSockOpt(accept.acceptor, spi.SOL_SOCKET, spi.SO_OOBINLINE) == 1


def test_the_context_is_that_of_its_own_listener(world, listener):
    spi = world.spi
    accept = Accept(world, listener)
    option = (spi.SOL_SOCKET, spi.SO_UPDATE_ACCEPT_CONTEXT)
    with fails("ENOTCONN"):
        spi.WSPSetSockOpt(accept.acceptor, *option, listener)
    world.client(80)
    world.settle()
    for bad in (0, accept.acceptor + 4, -1):
        with fails("ENOTSOCK"):
            spi.WSPSetSockOpt(accept.acceptor, *option, bad)
    for bad in (None, "s", b"short"):
        with fails("EFAULT"):
            spi.WSPSetSockOpt(accept.acceptor, *option, bad)
    for bad in (world.listener(81), accept.acceptor):
        with fails("EINVAL"):
            spi.WSPSetSockOpt(accept.acceptor, *option, bad)
    spi.WSPSetSockOpt(accept.acceptor, *option, listener.to_bytes(8, "little"))
    with fails("ENOPROTOOPT"):
        spi.WSPGetSockOpt(accept.acceptor, *option)


def test_too_little_room_for_an_address_ends_it_with_122_and_the_connection_stays(world, listener):
    spi = world.spi
    for local, remote in ((0, SLOT), (SLOT - 1, SLOT), (SLOT, SLOT - 1)):
        request, acceptor = Request(world), spi.WSPSocket(2, 1, 6)
        with fails("WSA_IO_PENDING"):
            spi.AcceptEx(listener, acceptor, bytearray(64), 0, local, remote, request.overlapped)
        client = world.client(80)
        assert request.error == 122
        with pytest.raises(spi.WSAError) as caught:
            request.result(listener)
        assert caught.value.code == 122
        assert spi.WSPAccept(listener)[1] == client.address


def test_bad_arguments(world, listener):
    spi = world.spi
    acceptor, overlapped = spi.WSPSocket(2, 1, 6), spi.WSAOVERLAPPED()
    with fails("WSA_INVALID_PARAMETER"):
        spi.AcceptEx(listener, acceptor, bytearray(64), 0, SLOT, SLOT, None)
    for buffer, receive, local, remote in (
        (None, 0, SLOT, SLOT),
        (b"read-only" * 9, 1, SLOT, SLOT),
        (bytearray(63), 0, SLOT, SLOT),
        (bytearray(64), 1, SLOT, SLOT),
        (bytearray(64), 0, SLOT, 0),
        (bytearray(64), -1, SLOT, SLOT),
        (bytearray(64), 0, None, SLOT),
        (bytearray(64), 0, SLOT, "32"),
    ):
        with fails("EFAULT"):
            spi.AcceptEx(listener, acceptor, buffer, receive, local, remote, overlapped)
    with fails("EFAULT"):
        spi.AcceptEx(listener, acceptor, bytearray(64), 0, SLOT, SLOT, "overlapped")
    with fails("WSA_INVALID_HANDLE"):
        spi.AcceptEx(listener, acceptor, bytearray(64), 0, SLOT, SLOT, spi.WSAOVERLAPPED(7))
    for buffer in (bytearray(64), b"\xff" * 64, b"\x10\0" * 32, bytearray(3), None, "text"):
        with fails("EFAULT"):
            spi.GetAcceptExSockaddrs(buffer, 0, SLOT, SLOT)
    assert Accept(world, listener).pending
    spi.WSPBind(acceptor, (world.address, 0))


def test_a_structure_in_use_leaves_the_acceptor_free(world, listener):
    spi = world.spi
    accept = Accept(world, listener)
    other = spi.WSPSocket(2, 1, 6)
    with fails("EINVAL"):
        spi.AcceptEx(listener, other, bytearray(64), 0, SLOT, SLOT, accept.overlapped)
    spi.WSPBind(other, (world.address, 0))
    assert accept.pending


@pytest.mark.parametrize("room", [0, 2])
def test_closing_the_listener_ends_it_and_frees_the_acceptor(world, listener, room):
    spi = world.spi
    accept = Accept(world, listener, room)
    if room:
        client = world.client(80)
        assert accept.pending
    spi.WSPCloseSocket(listener)
    assert accept.is_set
    assert accept.error == spi.WSA_OPERATION_ABORTED
    if room:
        assert client.was_reset
    accept.listener = world.listener()
    accept.again()
    world.client(80, b"data")
    assert accept.transferred == room


@pytest.mark.parametrize("room", [0, 2])
def test_closing_the_acceptor_ends_it(world, listener, room):
    spi = world.spi
    accept = Accept(world, listener, room)
    if room:
        client = world.client(80)
        assert accept.pending
    spi.WSPCloseSocket(accept.acceptor)
    assert accept.error == spi.WSA_OPERATION_ABORTED
    if room:
        assert client.finished or client.was_reset
    client = world.client(80)
    assert spi.WSPAccept(listener)[1] == client.address


def test_the_listeners_port_is_told(world, listener):
    spi = world.spi
    port = spi.CompletionPort()
    port.associate(listener, "listener")
    accept = Accept(world, listener, 9, event=False)
    world.client(80, b"data")
    world.settle()
    assert port.get(0) == ("listener", 4, accept.overlapped, 0)
    port.associate(accept.acceptor, "acceptor")


def test_l21_fd_accept_is_silent_for_what_a_request_takes(world, listener):
    spi = world.spi
    watched = Watched(world, listener, spi.FD_ACCEPT)
    accept = Accept(world, listener)
    world.client(80)
    assert not accept.pending
    assert not watched.is_set
    assert watched.seen() == 0
    world.client(80)
    assert watched.is_set
    assert watched.seen() == spi.FD_ACCEPT


def test_an_acceptor_can_be_watched_from_its_connection_on(world, listener):
    spi = world.spi
    accept = Accept(world, listener)
    watched = Watched(world, accept.acceptor)
    client = world.client(80)
    assert watched.seen() == spi.FD_WRITE
    client.send(b"x")
    assert watched.is_set
    assert watched.seen() == spi.FD_READ


# ---- a conditional listener


@pytest.fixture
def conditional(world):
    spi = world.spi
    s = spi.WSPSocket(2, 1, 6)
    spi.WSPBind(s, (world.address, 80))
    spi.WSPSetSockOpt(s, spi.SOL_SOCKET, spi.SO_CONDITIONAL_ACCEPT, 1)
    spi.WSPListen(s, 5)
    return s


@pytest.mark.parametrize("first", [True, False], ids=["asked-first", "queued-first"])
def test_a_conditional_listener_accepts_whoever_comes(world, conditional, first):
    spi = world.spi
    accept = Accept(world, conditional) if first else None
    client = world.client(80)
    accept = accept or Accept(world, conditional, pends=False)
    assert accept.is_set
    assert accept.result(conditional) == (0, 0)
    update(spi, accept)
    assert spi.WSPGetPeerName(accept.acceptor) == client.address
    assert spi.WSPSend(accept.acceptor, b"hello") == 5
    client.send(b"data")
    assert client.received == b"hello"
    assert spi.WSPRecv(accept.acceptor, bytearray(9)) == (4, 0)


def test_a_conditional_listener_waits_for_first_data(world, conditional):
    accept = Accept(world, conditional, room=4)
    client = world.client(80)
    assert accept.pending
    client.send(b"data")
    assert accept.transferred == 4
    assert bytes(accept.buffer[:4]) == b"data"


def test_closing_the_socket_ends_what_a_conditional_listener_gave_it(world, conditional):
    accept = Accept(world, conditional, room=4)
    client = world.client(80)
    assert accept.pending
    world.spi.WSPCloseSocket(accept.acceptor)
    assert accept.error == world.spi.WSA_OPERATION_ABORTED
    assert client.finished or client.was_reset
