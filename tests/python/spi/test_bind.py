"""WSPBind, WSPGetSockName, WSPGetPeerName."""

import pytest

from tests.python.failing import fails, set_options


def new(spi, family=2, **options):
    s = spi.WSPSocket(family, 1, 6)
    if options:
        set_options(spi, s, **options)
    return s


@pytest.mark.parametrize(
    "name",
    [None, (), 7, "10.9.0.2:80", ("10.9.0.2",), ("10.9.0.2", "80"), (None, 80), b"10.9.0.2", {}],
)
def test_c01_what_is_no_address_is_10014(spi, name):
    s = new(spi)
    with fails("EFAULT"):
        spi.WSPBind(s, name)
    with fails("EINVAL"):
        spi.WSPGetSockName(s)


def test_c03_the_other_family_is_10047(spi):
    with fails("EAFNOSUPPORT"):
        spi.WSPBind(new(spi), ("fd09::2", 80))
    with fails("EAFNOSUPPORT"):
        spi.WSPBind(new(spi, 23), ("10.9.0.2", 80))


def test_c04_an_address_that_is_not_ours_is_10049(spi):
    for host in ("192.0.2.0", "10.9.0.1"):
        s = new(spi)
        with fails("EADDRNOTAVAIL"):
            spi.WSPBind(s, (host, 80))
        with fails("EINVAL"):
            spi.WSPListen(s, 1)
    with fails("EADDRNOTAVAIL"):
        spi.WSPBind(new(spi, 23), ("fd09::77", 80))


def test_c04_a_scope_that_is_not_the_address_s_is_10049(spi):
    for host in ("fd09::2", "::1"):
        with fails("EADDRNOTAVAIL"):
            spi.WSPBind(new(spi, spi.AF_INET6), (host, 80, 0, 7))


def test_a_mapped_address_is_for_sockets_of_both_families(world):
    spi = world.spi
    mapped = f"::ffff:{world.address}"
    with fails("EADDRNOTAVAIL"):
        spi.WSPBind(new(spi, spi.AF_INET6), (mapped, 80))
    with fails("ENETUNREACH"):
        spi.WSPConnect(new(spi, spi.AF_INET6), (f"::ffff:{world.peer_address}", 81))
    both = new(spi, spi.AF_INET6, v6_only=0)
    spi.WSPBind(both, (mapped, 80))
    with fails("EADDRINUSE"):
        spi.WSPBind(new(spi, spi.AF_INET), (world.address, 80))
    spi.WSPBind(new(spi, spi.AF_INET6), (world.address6, 80))
    spi.WSPListen(both, 5)
    client = world.client(80)
    assert spi.WSPAccept(both)[1][:2] == (f"::ffff:{client.address[0]}", client.address[1])


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_out_of_range_is_refused(spi, port):
    with fails("EINVAL"):
        spi.WSPBind(new(spi), ("10.9.0.2", port))


def test_c06_a_bound_address_is_10048(spi):
    spi.WSPBind(new(spi), ("10.9.0.2", 80))
    s = new(spi)
    with fails("EADDRINUSE"):
        spi.WSPBind(s, ("10.9.0.2", 80))
    spi.WSPBind(s, ("10.9.0.2", 81))


def test_c07_reuse_on_the_second_alone_is_10013(spi):
    spi.WSPBind(new(spi), ("10.9.0.2", 80))
    with fails("EACCES"):
        spi.WSPBind(new(spi, reuse_address=True), ("10.9.0.2", 80))


def test_c09_a_specific_address_binds_beside_the_wildcard(world):
    spi = world.spi
    world.listener(80, host="0.0.0.0")
    s = new(spi)
    spi.WSPBind(s, ("127.0.0.1", 80))
    assert spi.WSPGetSockName(s) == ("127.0.0.1", 80)


def test_c10_the_wildcard_binds_beside_a_specific_address(spi):
    spi.WSPBind(new(spi), ("10.9.0.2", 80))
    spi.WSPBind(new(spi), ("0.0.0.0", 80))


def test_c12_plain_wildcard_after_exclusive_specific_is_fine(spi):
    spi.WSPBind(new(spi, exclusive_address=True), ("10.9.0.2", 80))
    spi.WSPBind(new(spi), ("0.0.0.0", 80))


def test_c13_exclusive_wildcard_after_plain_specific_is_10048(spi):
    spi.WSPBind(new(spi), ("10.9.0.2", 80))
    with fails("EADDRINUSE"):
        spi.WSPBind(new(spi, exclusive_address=True), ("0.0.0.0", 80))


def test_c15_exclusive_and_plain_on_one_address_is_10048(spi):
    for first, second, port in ((True, False, 80), (False, True, 81)):
        spi.WSPBind(new(spi, exclusive_address=first), ("10.9.0.2", port))
        with fails("EADDRINUSE"):
            spi.WSPBind(new(spi, exclusive_address=second), ("10.9.0.2", port))


def test_a_second_bind_is_10022(spi):
    s = new(spi)
    spi.WSPBind(s, ("10.9.0.2", 80))
    with fails("EINVAL"):
        spi.WSPBind(s, ("10.9.0.2", 81))


def test_the_families_do_not_meet_unless_one_is_dual(spi):
    spi.WSPBind(new(spi), ("0.0.0.0", 80))
    spi.WSPBind(new(spi, 23), ("::", 80))
    with fails("EADDRINUSE"):
        spi.WSPBind(new(spi, 23, v6_only=False), ("::", 80))


def test_port_0_takes_a_free_ephemeral_port(spi):
    ports = set()
    for _ in range(50):
        s = new(spi)
        spi.WSPBind(s, ("0.0.0.0", 0))
        host, port = spi.WSPGetSockName(s)
        assert host == "0.0.0.0"
        assert port >= 49152
        assert port not in ports
        ports.add(port)


def test_closing_frees_the_address(spi):
    s = new(spi)
    spi.WSPBind(s, ("10.9.0.2", 80))
    spi.WSPCloseSocket(s)
    spi.WSPBind(new(spi), ("10.9.0.2", 80))


def test_an_exclusive_port_is_blocked_by_connections_that_remain(world):
    spi = world.spi
    listener = new(spi, exclusive_address=True)
    spi.WSPBind(listener, (world.address, 80))
    spi.WSPListen(listener, 5)
    world.client(80)
    s, _ = spi.WSPAccept(listener)
    spi.WSPCloseSocket(listener)
    with fails("EADDRINUSE"):
        spi.WSPBind(new(spi), (world.address, 80))
    spi.WSPCloseSocket(s)
    spi.WSPBind(new(spi), (world.address, 80))


def test_an_exclusive_listener_that_its_condition_closes_leaves_the_port_free(world):
    spi = world.spi
    listener = new(spi, exclusive_address=True)
    spi.WSPBind(listener, (world.address, 80))
    spi.WSPListen(listener, 5)
    world.client(80)

    def condition(*_):
        spi.WSPCloseSocket(listener)
        return spi.CF_ACCEPT

    s, _ = spi.WSPAccept(listener, condition)
    spi.WSPBind(new(spi), (world.address, 80))
    spi.WSPCloseSocket(s)


def test_a_plain_port_is_free_while_connections_remain(world):
    spi = world.spi
    world.pair(80)
    spi.WSPBind(new(spi), (world.address, 80))


def test_d01_an_unbound_socket_has_no_name(spi):
    with fails("EINVAL"):
        spi.WSPGetSockName(new(spi))


def test_d04_an_unconnected_socket_has_no_peer(world):
    spi = world.spi
    bound = new(spi)
    spi.WSPBind(bound, (world.address, 81))
    for s in (new(spi), bound, world.listener()):
        with fails("ENOTCONN"):
            spi.WSPGetPeerName(s)


def test_d07_a_pending_connect_has_a_peer_and_a_name(fake_world):
    spi = fake_world.spi
    fake_world.serve(81, "silence")
    s = new(spi)
    spi.WSPEventSelect(s, None, 0)
    with fails("EWOULDBLOCK"):
        spi.WSPConnect(s, ("10.9.0.1", 81))
    assert spi.WSPGetPeerName(s) == ("10.9.0.1", 81)
    host, port = spi.WSPGetSockName(s)
    assert host == "10.9.0.2"
    assert port


def test_d08_both_names_outlive_a_shutdown(world):
    spi = world.spi
    s, client = world.pair(80)
    spi.WSPShutdown(s, spi.SD_BOTH)
    assert spi.WSPGetPeerName(s) == client.address
    assert spi.WSPGetSockName(s) == (world.address, 80)


def test_a_wildcard_listener_shows_the_wildcard_and_its_connections_the_real_address(world):
    spi = world.spi
    listener = world.listener(80, host="0.0.0.0")
    world.client(80)
    s, _ = spi.WSPAccept(listener)
    assert spi.WSPGetSockName(listener) == ("0.0.0.0", 80)
    assert spi.WSPGetSockName(s) == (world.address, 80)


def test_ipv6_names_have_four_parts(world):
    spi = world.spi
    listener = world.listener(80, host="fd09::2")
    client = world.client(80, host="fd09::2")
    s, addr = spi.WSPAccept(listener)
    assert addr == (client.address[0], client.address[1], 0, 0)
    assert spi.WSPGetPeerName(s) == addr
    assert spi.WSPGetSockName(s) == ("fd09::2", 80, 0, 0)


def test_a_listener_for_both_families_shows_ipv4_peers_as_mapped(world):
    spi = world.spi
    listener = new(spi, 23, v6_only=False)
    spi.WSPBind(listener, ("::", 80))
    spi.WSPListen(listener, 5)
    client = world.client(80)
    s, addr = spi.WSPAccept(listener)
    assert addr[:2] == ("::ffff:10.9.0.1", client.address[1])
    assert spi.WSPGetSockName(s)[:2] == ("::ffff:10.9.0.2", 80)
