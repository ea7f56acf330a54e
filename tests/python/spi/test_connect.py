"""WSPConnect, WSPJoinLeaf."""

import contextlib
import errno

import pytest

from tests.python.failing import fails


def nonblocking(spi, group=0):
    s = spi.WSPSocket(2, 1, 6, None, group)
    spi.WSPEventSelect(s, None, 0)
    return s


def test_a_blocking_connect_ends_connected(world):
    spi = world.spi
    s, server = world.connect(81)
    assert spi.WSPGetPeerName(s) == (world.peer_address, 81)
    host, port = spi.WSPGetSockName(s)
    assert host == world.address
    assert port
    spi.WSPSend(s, b"hello")
    assert server.received == b"hello"
    server.send(b"back")
    assert spi.WSPRecv(s, bytearray(4)) == (4, 0)


def test_a_bound_socket_connects_from_where_it_is_bound(world):
    spi = world.spi
    world.serve(81)
    s = spi.WSPSocket(2, 1, 6)
    spi.WSPBind(s, ("0.0.0.0", 50001))
    spi.WSPConnect(s, (world.peer_address, 81))
    assert spi.WSPGetSockName(s) == (world.address, 50001)


def test_h02_a_nonblocking_connect_is_10035_then_10037(fake_world):
    spi = fake_world.spi
    fake_world.serve(81, "silence")
    s = nonblocking(spi)
    with fails("EWOULDBLOCK"):
        spi.WSPConnect(s, ("10.9.0.1", 81))
    with fails("EALREADY"):
        spi.WSPConnect(s, ("10.9.0.1", 81))
    for call, argument in ((spi.WSPSend, b"x"), (spi.WSPRecv, bytearray(1)), (spi.WSPShutdown, 2)):
        with fails("ENOTCONN"):
            call(s, argument)
    fake_world.finish_connect(81)
    with fails("EISCONN"):
        spi.WSPConnect(s, ("10.9.0.1", 81))
    assert spi.WSPSend(s, b"x") == 1


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (errno.ECONNREFUSED, "ECONNREFUSED"),
        (errno.ECONNRESET, "ECONNREFUSED"),
        (errno.ETIMEDOUT, "ETIMEDOUT"),
        (errno.EHOSTUNREACH, "EHOSTUNREACH"),
        (errno.ENETUNREACH, "ENETUNREACH"),
    ],
)
def test_each_failure_has_its_code_and_the_socket_can_try_again(fake_world, error, name):
    spi = fake_world.spi
    fake_world.outcomes[81] = -error
    fake_world.serve(82)
    s = spi.WSPSocket(2, 1, 6)
    with fails(name):
        spi.WSPConnect(s, ("10.9.0.1", 81))
    assert spi._find(s)[1].error == 0
    spi.WSPConnect(s, ("10.9.0.1", 82))


def test_h05_after_a_refusal_the_same_socket_connects_elsewhere(world):
    spi = world.spi
    world.serve(81, "refuse")
    world.serve(82)
    s = spi.WSPSocket(2, 1, 6)
    for _ in range(2):
        with fails("ECONNREFUSED"):
            spi.WSPConnect(s, (world.peer_address, 81))
    with fails("ENOTCONN"):
        spi.WSPGetPeerName(s)
    spi.WSPConnect(s, (world.peer_address, 82))


def test_after_a_failed_connect_a_bound_socket_may_listen(world):
    spi = world.spi
    world.serve(81, "refuse")
    s = spi.WSPSocket(2, 1, 6)
    spi.WSPBind(s, (world.address, 80))
    with fails("ECONNREFUSED"):
        spi.WSPConnect(s, (world.peer_address, 81))
    spi.WSPListen(s, 5)
    world.client(80)
    assert spi.WSPAccept(s)


def test_an_asynchronous_failure_stays_in_so_error_until_a_connect_succeeds(fake_world):
    spi = fake_world.spi
    for port in (81, 82):
        fake_world.serve(port, "silence")
    s = nonblocking(spi)
    socket = spi._find(s)[1]
    with fails("EWOULDBLOCK"):
        spi.WSPConnect(s, ("10.9.0.1", 81))
    fake_world.finish_connect(81, -errno.ECONNREFUSED)
    with fails("ENOTCONN"):
        spi.WSPSend(s, b"x")
    assert socket.error == 10061
    with fails("EWOULDBLOCK"):
        spi.WSPConnect(s, ("10.9.0.1", 82))
    assert socket.error == 10061
    fake_world.finish_connect(82)
    spi.WSPSend(s, b"x")
    assert socket.error == 0


@pytest.mark.parametrize(
    ("name", "arguments", "error"),
    [
        ("WSPGetSockName", (), "EINVAL"),
        ("WSPGetPeerName", (), "ENOTCONN"),
        ("WSPListen", (5,), "EINVAL"),
        ("WSPShutdown", (2,), "ENOTCONN"),
        ("DisconnectEx", (), "ENOTCONN"),
        ("WSPBind", (("0.0.0.0", 50001),), None),
        ("WSPSetSockOpt", (0xFFFF, 0x3002, 1), None),
        ("WSPConnect", (("10.9.0.1", 82),), "EWOULDBLOCK"),
    ],
)
def test_whoever_comes_first_notices_that_a_connect_has_failed(world, name, arguments, error):
    spi = world.spi
    world.serve(81, "refuse")
    world.serve(82)
    s = nonblocking(spi)
    with fails("EWOULDBLOCK"):
        spi.WSPConnect(s, (world.peer_address, 81))
    world.settle()
    with fails(error) if error else contextlib.nullcontext():
        getattr(spi, name)(s, *arguments)


def test_a_connection_keeps_its_name_when_it_is_reset(world):
    spi = world.spi
    s, server = world.connect(81)
    server.reset()
    host, port = spi.WSPGetSockName(s)
    assert host == world.address
    assert port
    with fails("ECONNRESET"):
        spi.WSPRecv(s, bytearray(1))
    assert spi.WSPGetSockName(s) == (host, port)


def test_h06_a_connected_socket_is_10056_also_after_a_shutdown(world):
    spi = world.spi
    s, _ = world.connect(81)
    with fails("EISCONN"):
        spi.WSPConnect(s, (world.peer_address, 81))
    spi.WSPShutdown(s, spi.SD_BOTH)
    with fails("EISCONN"):
        spi.WSPConnect(s, (world.peer_address, 81))


@pytest.mark.parametrize("name", [("0.0.0.0", 81), ("10.9.0.1", 0)])
def test_h12_nobodys_address_is_10049(spi, name):
    with fails("EADDRNOTAVAIL"):
        spi.WSPConnect(spi.WSPSocket(2, 1, 6), name)


@pytest.mark.parametrize("name", [None, "10.9.0.1:81", ("10.9.0.1",), ("10.9.0.1", "81"), 7])
def test_what_is_no_address_is_10014(spi, name):
    with fails("EFAULT"):
        spi.WSPConnect(spi.WSPSocket(2, 1, 6), name)


def test_the_other_family_is_10047(spi):
    with fails("EAFNOSUPPORT"):
        spi.WSPConnect(spi.WSPSocket(2, 1, 6), ("fd09::1", 81))


def test_a_refused_argument_leaves_the_socket_as_it_was(world):
    spi = world.spi
    world.serve(81)
    s = spi.WSPSocket(2, 1, 6)
    with fails("EFAULT"):
        spi.WSPConnect(s, None)
    with fails("EINVAL"):
        spi.WSPGetSockName(s)
    spi.WSPConnect(s, (world.peer_address, 81))


def test_too_much_caller_data_is_10014(world):
    spi = world.spi
    s = spi.WSPSocket(2, 1, 6)
    name = (world.peer_address, 81)
    for data in (bytes(1025), 7, "text"):
        with fails("EFAULT"):
            spi.WSPConnect(s, name, data)


def test_h14_no_data_came_back(fake_world):
    spi = fake_world.spi
    fake_world.serve(81)
    callee_data = spi.WSABUF(100)
    spi.WSPConnect(spi.WSPSocket(2, 1, 6), ("10.9.0.1", 81), None, callee_data)
    assert callee_data.len == 0


def test_joinleaf_is_10045(spi):
    with fails("EOPNOTSUPP"):
        spi.WSPJoinLeaf(spi.WSPSocket(2, 1, 6), ("10.9.0.1", 81))


def test_closing_ends_a_blocked_connect(fake_world):
    spi = fake_world.spi
    fake_world.serve(81, "silence")
    s = spi.WSPSocket(2, 1, 6)
    job = fake_world.spawn(spi.WSPConnect, s, ("10.9.0.1", 81))
    fake_world.advance(0.1)
    spi.WSPCloseSocket(s)
    with fails("EINTR"):
        job.result()


def test_a_constrained_group_keeps_to_its_host(fake_world):
    spi = fake_world.spi
    fake_world.serve(81)
    one = spi.WSPSocket(2, 1, 6, None, spi.SG_CONSTRAINED_GROUP)
    group = spi._find(one)[1].group
    two = spi.WSPSocket(2, 1, 6, None, group.id)
    spi.WSPConnect(one, ("10.9.0.1", 81))
    with fails("EINVAL"):
        spi.WSPConnect(two, ("10.9.0.7", 81))
    spi.WSPConnect(two, ("10.9.0.1", 81))
    for s in (one, two):
        spi.WSPCloseSocket(s)
    with fails("EINVAL"):
        spi.WSPSocket(2, 1, 6, None, group.id)


def test_of_two_connects_at_once_the_first_to_end_fixes_the_groups_host(fake_world):
    spi = fake_world.spi
    one = nonblocking(spi, spi.SG_CONSTRAINED_GROUP)
    two = nonblocking(spi, spi.WSPGetSockOpt(one, spi.SOL_SOCKET, spi.SO_GROUP_ID))
    for s, host, port in ((one, "10.9.0.1", 81), (two, "10.9.0.7", 82)):
        fake_world.serve(port, "silence")
        with fails("EWOULDBLOCK"):
            spi.WSPConnect(s, (host, port))
    fake_world.finish_connect(82)
    assert spi.WSPGetPeerName(two) == ("10.9.0.7", 82)
    fake_world.finish_connect(81)
    assert spi.WSPSelect(None, [one], [one]) == ([], [], [one])
    assert spi.WSPGetSockOpt(one, spi.SOL_SOCKET, spi.SO_ERROR) == spi.WSAEINVAL
    fake_world.serve(83)
    with fails("EINVAL"):
        spi.WSPConnect(one, ("10.9.0.1", 83))


def test_a_connection_that_was_reset_at_once_was_a_connection(fake_world):
    spi = fake_world.spi
    fake_world.serve(81, "silence")
    s = nonblocking(spi)
    with fails("EWOULDBLOCK"):
        spi.WSPConnect(s, ("10.9.0.1", 81))
    fake_world.finish_connect(81)
    fake_world.accepted(81).reset()
    with fails("ECONNRESET"):
        spi.WSPRecv(s, bytearray(1))
    with fails("EISCONN"):
        spi.WSPConnect(s, ("10.9.0.1", 81))


# ---- to a kernel that does not answer


def test_h02_d07_a_pending_connect_is_10035_then_10037_and_has_both_names(tapped):
    spi = tapped.spi
    tapped.serve(81, "silence")
    s = spi.WSPSocket(2, 1, 6)
    spi.WSPIoctl(s, spi.FIONBIO, 1)
    peer = (tapped.peer_address, 81)
    with fails("EWOULDBLOCK"):
        spi.WSPConnect(s, peer)
    tapped.settle()
    with fails("EALREADY"):
        spi.WSPConnect(s, peer)
    assert spi.WSPGetPeerName(s) == peer
    assert spi.WSPGetSockName(s)[0] == tapped.address
    assert spi.WSPSelect([s], [s], [s], 0) == ([], [], [])
    with fails("EINVAL"):
        spi.ConnectEx(s, peer, None, spi.WSAOVERLAPPED())


def test_h08_d07_a_pending_connectex_excludes_connect_and_has_no_peer(tapped):
    spi = tapped.spi
    tapped.serve(81, "silence")
    s = spi.WSPSocket(2, 1, 6)
    spi.WSPBind(s, (tapped.address, 0))
    peer = (tapped.peer_address, 81)
    with fails("WSA_IO_PENDING"):
        spi.ConnectEx(s, peer, None, spi.WSAOVERLAPPED())
    tapped.settle()
    with fails("EINVAL"):
        spi.WSPConnect(s, peer)
    with fails("ENOTCONN"):
        spi.WSPGetPeerName(s)
