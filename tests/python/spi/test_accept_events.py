"""FD_ACCEPT, the deferred head, and what an accepted socket inherits."""

import pytest

from tests.python.failing import fails
from tests.python.spi.test_messages import Posted
from tests.python.watched import ALL, Watched
from tests.python.worlds import LabWorld


@pytest.fixture
def listener(world):
    return Watched(world, world.listener(), world.spi.FD_ACCEPT)


# ---- FD_ACCEPT


def test_l02_a_client_is_reported_once(world, listener):
    assert not listener.is_set
    world.client(80)
    assert listener.is_set
    assert listener.seen() == world.spi.FD_ACCEPT
    assert not listener.is_set
    assert listener.seen() == 0


def test_l03_selecting_again_reports_nothing_anew(world, listener):
    world.client(80)
    listener.seen()
    listener.select(world.spi.FD_ACCEPT)
    assert not listener.is_set
    listener.select(0)
    listener.select(world.spi.FD_ACCEPT)
    assert not listener.is_set
    assert listener.seen() == 0


def test_l05_accepting_one_of_two_reports_again(world, listener):
    spi = world.spi
    world.client(80)
    world.client(80)
    assert listener.seen() == spi.FD_ACCEPT
    spi.WSPAccept(listener.s)
    assert listener.is_set
    assert listener.seen() == spi.FD_ACCEPT
    spi.WSPAccept(listener.s)
    assert not listener.is_set
    assert listener.seen() == 0


def test_a_second_client_is_reported_without_an_accept(world, listener):
    world.client(80)
    listener.seen()
    world.client(80)
    assert listener.is_set
    assert listener.seen() == world.spi.FD_ACCEPT


def test_l06_what_waits_already_is_reported_at_once(world):
    s = world.listener()
    world.client(80)
    world.settle()
    watched = Watched(world, s, world.spi.FD_ACCEPT)
    assert watched.event.is_set()
    assert watched.seen() == world.spi.FD_ACCEPT


def test_l08_the_signal_and_the_record_are_two_things(world, listener):
    spi = world.spi
    world.client(80)
    assert listener.is_set
    listener.select(spi.FD_CONNECT)
    assert listener.is_set
    listener.event.reset()
    listener.select(spi.FD_CONNECT)
    assert not listener.is_set
    listener.select(spi.FD_ACCEPT)
    assert listener.is_set
    assert listener.seen() == spi.FD_ACCEPT


def test_accepted_while_not_selected_reports_nothing(world):
    spi = world.spi
    s = world.listener()
    world.client(80)
    spi.WSPAccept(s)
    watched = Watched(world, s, spi.FD_ACCEPT)
    assert not watched.is_set
    assert watched.seen() == 0


@pytest.mark.parametrize("verdict", [1, 7])
def test_g07_every_other_failure_enables_fd_accept_again(world, listener, verdict):
    world.client(80)
    world.client(80)
    listener.seen()
    with pytest.raises(world.spi.WSAError):
        world.spi.WSPAccept(listener.s, lambda *_: verdict)
    assert listener.is_set
    assert listener.seen() == world.spi.FD_ACCEPT


def test_a_failing_accept_on_an_empty_queue_enables_it_too(world, listener):
    with fails("EWOULDBLOCK"):
        world.spi.WSPAccept(listener.s)
    assert not listener.is_set


def test_g07_a_deferred_head_keeps_fd_accept_silent(world, listener):
    spi = world.spi
    world.client(80)
    world.client(80)
    assert listener.seen() == spi.FD_ACCEPT
    with fails("WSATRY_AGAIN"):
        spi.WSPAccept(listener.s, lambda *_: spi.CF_DEFER)
    assert not listener.is_set
    world.client(80)
    assert not listener.is_set
    assert listener.seen() == 0
    with fails("WSATRY_AGAIN"):
        spi.WSPAccept(listener.s, lambda *_: spi.CF_DEFER)
    assert not listener.is_set


@pytest.mark.parametrize("verdict", ["accept", "plain", "reject"])
def test_fd_accept_is_heard_again_when_the_deferred_head_is_decided(world, listener, verdict):
    spi = world.spi
    world.client(80)
    with fails("WSATRY_AGAIN"):
        spi.WSPAccept(listener.s, lambda *_: spi.CF_DEFER)
    listener.event.reset()
    world.client(80)
    assert not listener.is_set
    match verdict:
        case "accept":
            spi.WSPAccept(listener.s, lambda *_: spi.CF_ACCEPT)
        case "plain":
            spi.WSPAccept(listener.s)
        case "reject":
            with fails("ECONNREFUSED"):
                spi.WSPAccept(listener.s, lambda *_: spi.CF_REJECT)
    assert listener.is_set
    assert listener.seen() == spi.FD_ACCEPT
    world.client(80)
    assert listener.is_set


def test_fd_accept_is_heard_when_the_deferred_head_has_died(world, listener):
    spi = world.spi
    client = world.client(80)
    assert listener.seen() == spi.FD_ACCEPT
    with fails("WSATRY_AGAIN"):
        spi.WSPAccept(listener.s, lambda *_: spi.CF_DEFER)
    assert not listener.is_set
    client.reset()
    assert listener.is_set
    assert listener.seen() == spi.FD_ACCEPT
    with fails("ECONNRESET"):
        spi.WSPAccept(listener.s)


def test_a_deferred_head_is_silent_for_one_who_registers_then(world):
    spi = world.spi
    s = world.listener()
    world.client(80)
    with fails("WSATRY_AGAIN"):
        spi.WSPAccept(s, lambda *_: spi.CF_DEFER)
    watched = Watched(world, s, spi.FD_ACCEPT)
    assert not watched.is_set
    assert watched.seen() == 0
    spi.WSPAccept(s)
    world.client(80)
    assert watched.seen() == spi.FD_ACCEPT


def test_two_deferred_requests_are_silent_until_both_are_decided(world, listener):
    spi = world.spi
    for _ in range(2):
        world.client(80)
    world.settle()

    def defer_both(*_):
        if not inner:
            inner.append(True)
            job = world.spawn(spi.WSPAccept, listener.s, lambda *_: spi.CF_DEFER)
            world.advance(0.1)
            assert job.exception().code == spi.WSATRY_AGAIN
        return spi.CF_DEFER

    inner = []
    with fails("WSATRY_AGAIN"):
        spi.WSPAccept(listener.s, defer_both)
    listener.seen()
    world.client(80)
    assert not listener.is_set
    spi.WSPAccept(listener.s)
    assert not listener.is_set
    spi.WSPAccept(listener.s)
    assert listener.is_set
    assert listener.seen() == spi.FD_ACCEPT


def test_a_condition_that_raises_try_again_has_deferred_nothing(world, listener):
    def condition(*_):
        raise world.spi.WSAError(world.spi.WSATRY_AGAIN)

    client = world.client(80)
    world.client(80)
    listener.seen()
    with fails("WSATRY_AGAIN"):
        world.spi.WSPAccept(listener.s, condition)
    assert client.was_reset
    assert listener.seen() == world.spi.FD_ACCEPT


def test_ctrl_c_in_a_condition_enables_fd_accept_again(world, listener):
    def interrupted(*_):
        raise KeyboardInterrupt

    world.client(80)
    listener.seen()
    with pytest.raises(KeyboardInterrupt):
        world.spi.WSPAccept(listener.s, interrupted)
    assert listener.seen() == world.spi.FD_ACCEPT


def test_accept_many_enables_fd_accept_again(world, listener):
    spi = world.spi
    for _ in range(3):
        world.client(80)
    listener.seen()
    spi.accept_many(listener.s, 2)
    assert listener.seen() == spi.FD_ACCEPT
    spi.accept_many(listener.s, 2)
    assert listener.seen() == 0


def test_accept_many_ends_a_deferral(world, listener):
    spi = world.spi
    for _ in range(3):
        world.client(80)
    world.settle()
    with fails("WSATRY_AGAIN"):
        spi.WSPAccept(listener.s, lambda *_: spi.CF_DEFER)
    listener.seen()
    assert len(spi.accept_many(listener.s, 2)) == 2
    assert listener.is_set
    assert listener.seen() == spi.FD_ACCEPT


# ---- what an accepted socket inherits


def test_l09_the_accepted_socket_reports_on_the_same_event(world):
    spi = world.spi
    watched = Watched(world, world.listener(), ALL)
    world.client(80)
    assert watched.seen() == spi.FD_ACCEPT
    s, _ = spi.WSPAccept(watched.s)
    assert watched.event.is_set()
    assert watched.seen(s) == spi.FD_WRITE
    assert watched.seen() == 0


def test_an_accepted_sockets_registration_is_its_own(world):
    spi = world.spi
    watched = Watched(world, world.listener(), ALL)
    client = world.client(80)
    world.settle()
    s, _ = spi.WSPAccept(watched.s)
    watched.seen(s)
    watched.select(0)
    client.send(b"x")
    assert watched.is_set
    assert watched.seen(s) == spi.FD_READ
    spi.WSPEventSelect(s, None, 0)
    client.send(b"y")
    assert not watched.is_set


def test_without_a_registration_nothing_is_inherited(world):
    spi = world.spi
    watched = Watched(world, world.listener(), ALL)
    watched.select(0)
    world.client(80)
    world.settle()
    s, _ = spi.WSPAccept(watched.s)
    assert spi._find(s)[1].events is None


@pytest.mark.parametrize("call", ["WSPAccept", "CF_REJECT", "accept_many", "AcceptEx"])
def test_g07_what_waits_behind_a_deferred_head_is_posted_once(world, call):
    spi = world.spi
    listener = Posted(world, world.listener(), spi.FD_ACCEPT)
    world.client(80)
    assert listener.events() == [spi.FD_ACCEPT]
    with fails("WSATRY_AGAIN"):
        spi.WSPAccept(listener.s, lambda *_: spi.CF_DEFER)
    world.client(80)
    if call == "CF_REJECT":
        with fails("ECONNREFUSED"):
            spi.WSPAccept(listener.s, lambda *_: spi.CF_REJECT)
    elif call == "AcceptEx":
        spi.AcceptEx(
            listener.s,
            spi.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP),
            bytearray(64),
            0,
            32,
            32,
            spi.WSAOVERLAPPED(),
        )
    elif call == "accept_many":
        assert len(spi.accept_many(listener.s, 1)) == 1
    else:
        spi.WSPAccept(listener.s)
    assert [event for s, event, _ in listener.taken() if s == listener.s] == [spi.FD_ACCEPT]


@pytest.mark.parametrize(
    ("end", "error"), [("silence", 10060), ("reset", 10054), (None, None)], ids=str
)
def test_a_handshake_after_the_verdict_ends_with_fd_write_or_fd_close(end, error):
    world = LabWorld()
    spi = world.spi
    world.connect()  # from now on the neighbour is known
    listener = spi.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP)
    spi.WSPSetSockOpt(listener, spi.SOL_SOCKET, spi.SO_CONDITIONAL_ACCEPT, 1)
    spi.WSPBind(listener, (world.address, 80))
    spi.WSPListen(listener, 5)
    watched = Watched(world, listener)
    client = world.client(80)
    if end == "silence":
        world.two.wire.change(0, loss=1.0)
    if end == "reset":
        client.reset()
    s, _ = spi.WSPAccept(listener)
    assert spi.WSPEnumNetworkEvents(s, watched.event).lNetworkEvents == 0
    world.advance(300)
    found = watched.enum(s)
    assert found.lNetworkEvents == (spi.FD_CLOSE if end else spi.FD_WRITE)
    assert not end or found.iErrorCode[spi.FD_CLOSE_BIT] == error
    world.close()
