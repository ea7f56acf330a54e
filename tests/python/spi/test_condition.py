"""WSPAccept with a condition function: parameters, verdicts, deferral, what goes wrong."""

import threading

import numpy as np
import pytest

from pyprov.winsock.address import Address
from tests.python.failing import fails


def verdict(value):
    return lambda *_: value


class Recorder:
    """A condition function that remembers what it was called with."""

    def __init__(self, value=0, then=None):
        self.value = value
        self.then = then
        self.calls = []

    def __call__(self, *parameters):
        self.calls.append(parameters)
        if self.then:
            self.then(*parameters)
        return self.value


@pytest.fixture
def listener(world):
    return world.listener()


def test_g01_accept_makes_a_socket_and_the_listener_goes_on(world, listener):
    spi = world.spi
    for _ in range(2):
        client = world.client(80)
        s, addr = spi.WSPAccept(listener, verdict(spi.CF_ACCEPT))
        assert addr == client.address
        spi.WSPSend(s, b"in")
        assert client.received == b"in"


def test_g02_reject_resets_the_connection_and_the_request_is_gone(world, listener):
    spi = world.spi
    first, second = world.client(80), world.client(80)
    with fails("ECONNREFUSED") as caught:
        spi.WSPAccept(listener, verdict(spi.CF_REJECT))
    assert caught.value.addr == first.address
    assert first.was_reset
    assert spi.WSPAccept(listener)[1] == second.address


def test_defer_leaves_the_request_at_the_head(world, listener):
    spi = world.spi
    first, second = world.client(80), world.client(80)
    for _ in range(2):
        with fails("WSATRY_AGAIN") as caught:
            spi.WSPAccept(listener, verdict(spi.CF_DEFER))
        assert caught.value.addr == first.address
    assert not first.was_reset
    assert spi.WSPAccept(listener)[1] == first.address
    assert spi.WSPAccept(listener)[1] == second.address


def test_g05_a_deferred_request_is_offered_again(world, listener):
    spi = world.spi
    world.client(80)
    world.client(80)
    condition = Recorder(spi.CF_DEFER)
    with fails("WSATRY_AGAIN"):
        spi.WSPAccept(listener, condition)
    condition.value = spi.CF_ACCEPT
    spi.WSPAccept(listener, condition)
    spi.WSPAccept(listener, condition)
    seen = [call[0].address for call in condition.calls]
    assert seen[0] == seen[1] != seen[2]


def test_a_deferred_request_still_counts_in_the_backlog(world):
    spi = world.spi
    listener = world.listener(81, backlog=2)
    world.client(81)
    with fails("WSATRY_AGAIN"):
        spi.WSPAccept(listener, verdict(spi.CF_DEFER))
    assert not world.client(81).was_reset
    assert world.client(81).was_reset


def test_accept_many_takes_a_deferred_request_first(world, listener):
    spi = world.spi
    clients = [world.client(80) for _ in range(3)]
    with fails("WSATRY_AGAIN"):
        spi.WSPAccept(listener, verdict(spi.CF_DEFER))
    rows = spi.accept_many(listener, 3)
    assert list(rows["peer_port"]) == [client.address[1] for client in clients]


def test_a_blocking_accept_finds_a_deferred_request_at_once(world, listener):
    spi = world.spi
    world.client(80)
    with fails("WSATRY_AGAIN"):
        spi.WSPAccept(listener, verdict(spi.CF_DEFER))
    assert spi.WSPAccept(listener)


@pytest.mark.parametrize("value", [7, -1, None, "accept", 0.5, 0.0, 3, np.zeros(2)], ids=repr)
def test_g08_any_other_verdict_is_10022_and_rejects(world, listener, value):
    client = world.client(80)
    with fails("EINVAL") as caught:
        world.spi.WSPAccept(listener, verdict(value))
    assert caught.value.addr == client.address
    assert client.was_reset


def test_g10_an_unconstrained_group_is_made(world, listener):
    spi = world.spi

    def make(*parameters):
        parameters[6].value = spi.SG_UNCONSTRAINED_GROUP

    world.client(80)
    s, _ = spi.WSPAccept(listener, Recorder(spi.CF_ACCEPT, make))
    group = spi._find(s)[1].group
    assert group.id > 2
    assert not group.constrained

    def join(*parameters):
        parameters[6].value = group.id

    world.client(80)
    other, _ = spi.WSPAccept(listener, Recorder(spi.CF_ACCEPT, join))
    assert spi._find(other)[1].group is group
    assert group.members == 2


def test_g11_a_constrained_group_takes_one_host_only(fake_world):
    spi = fake_world.spi
    listener = fake_world.listener()
    fake_world.client(80, source=("10.9.0.7", 1000))
    s, _ = spi.WSPAccept(
        listener, Recorder(0, lambda *p: setattr(p[6], "value", spi.SG_CONSTRAINED_GROUP))
    )
    group = spi._find(s)[1].group.id
    join = Recorder(0, lambda *p: setattr(p[6], "value", group))
    stranger = fake_world.client(80, source=("10.9.0.8", 1000))
    with fails("EINVAL") as caught:
        spi.WSPAccept(listener, join)
    assert caught.value.addr == stranger.address
    assert stranger.was_reset
    fake_world.client(80, source=("10.9.0.7", 1001))
    assert spi.WSPAccept(listener, join)


@pytest.mark.parametrize("bad", [4711, -1, "group", 2.0, None, np.zeros(2)], ids=repr)
def test_a_bad_group_is_10022_and_rejects(world, listener, bad):
    client = world.client(80)
    with fails("EINVAL"):
        world.spi.WSPAccept(listener, Recorder(0, lambda *p: setattr(p[6], "value", bad)))
    assert client.was_reset


def test_the_group_is_ignored_unless_the_verdict_accepts(world, listener):
    spi = world.spi
    world.client(80)
    bad = Recorder(spi.CF_DEFER, lambda *p: setattr(p[6], "value", 4711))
    with fails("WSATRY_AGAIN"):
        spi.WSPAccept(listener, bad)
    bad.value = spi.CF_REJECT
    with fails("ECONNREFUSED"):
        spi.WSPAccept(listener, bad)


def test_g13_the_condition_runs_in_the_callers_thread(world, listener):
    spi = world.spi
    world.client(80)
    threads = []
    spi.WSPAccept(listener, Recorder(0, lambda *_: threads.append(threading.get_ident())))
    assert threads == [threading.get_ident()]


def test_g14_the_condition_sees_both_addresses(world):
    spi = world.spi
    listener = world.listener(81, host="0.0.0.0")
    client = world.client(81)
    condition = Recorder()
    spi.WSPAccept(listener, condition)
    caller, _, _, _, callee, *_ = condition.calls[0]
    assert caller.address == client.address
    assert callee.address == (world.address, 81)
    assert Address.unpack(bytes(caller)).to_tuple() == client.address
    assert Address.unpack(bytes(callee)).to_tuple() == (world.address, 81)
    assert caller.len == callee.len == 16


def test_the_condition_sees_ipv6_addresses(world):
    spi = world.spi
    listener = world.listener(81, host="fd09::2")
    client = world.client(81, host="fd09::2")
    condition = Recorder()
    spi.WSPAccept(listener, condition)
    caller, _, _, _, callee, *_ = condition.calls[0]
    assert caller.address == (*client.address, 0, 0)
    assert callee.address == ("fd09::2", 81, 0, 0)
    assert caller.len == 28
    assert Address.unpack(bytes(callee)).to_tuple() == callee.address


def test_g16_g17_what_the_peer_did_not_give_is_none_and_callee_data_has_no_room(world, listener):
    spi = world.spi
    world.client(80)
    condition = Recorder()
    spi.WSPAccept(listener, condition, 7)
    _, caller_data, sqos, gqos, _, callee_data, g, callback_data = condition.calls[0]
    assert caller_data is sqos is gqos is None
    assert callee_data.len == 0
    assert g.value == 0
    assert callback_data == 7


def test_callee_data_beyond_its_room_is_10022_and_rejects(world, listener):
    client = world.client(80)
    with fails("EINVAL"):
        world.spi.WSPAccept(listener, Recorder(0, lambda *p: setattr(p[5], "len", 10)))
    assert client.was_reset


def test_the_callback_data_goes_through_as_it_is(world, listener):
    token = object()
    world.client(80)
    condition = Recorder()
    world.spi.WSPAccept(listener, condition, callback_data=token)
    assert condition.calls[0][7] is token


def test_g19_a_request_that_dies_in_the_condition_is_10054(world, listener):
    spi = world.spi
    client = world.client(80)
    with fails("ECONNRESET") as caught:
        spi.WSPAccept(listener, Recorder(0, lambda *_: client.reset()))
    assert caught.value.addr == client.address


def test_g20_a_deferred_request_that_is_gone_is_an_error_next_time(world, listener):
    spi = world.spi
    client, other = world.client(80), world.client(80)
    with fails("WSATRY_AGAIN"):
        spi.WSPAccept(listener, verdict(spi.CF_DEFER))
    client.reset()
    with fails("ECONNRESET"):
        spi.WSPAccept(listener)
    assert spi.WSPAccept(listener)[1] == other.address


class BrokenError(Exception):
    pass


def test_what_the_condition_raises_comes_out_and_the_request_is_rejected(world, listener):
    def condition(*_):
        raise BrokenError

    client = world.client(80)
    with pytest.raises(BrokenError):
        world.spi.WSPAccept(listener, condition)
    assert client.was_reset
    again = world.client(80)
    assert world.spi.WSPAccept(listener)[1] == again.address


@pytest.mark.parametrize(
    "condition",
    [lambda: 0, lambda a, b: 0, lambda *_: 1 / 0],
    ids=["no parameters", "two parameters", "division"],
)
def test_a_condition_that_cannot_be_called_so_rejects(world, listener, condition):
    client = world.client(80)
    with pytest.raises((TypeError, ZeroDivisionError)):
        world.spi.WSPAccept(listener, condition)
    assert client.was_reset


def test_ctrl_c_in_the_condition_leaves_the_request_queued(world, listener):
    def interrupted(*_):
        raise KeyboardInterrupt

    client, other = world.client(80), world.client(80)
    with pytest.raises(KeyboardInterrupt):
        world.spi.WSPAccept(listener, interrupted)
    assert not client.was_reset
    assert world.spi.WSPAccept(listener)[1] == client.address
    assert world.spi.WSPAccept(listener)[1] == other.address


@pytest.mark.parametrize("bad", [7, "f", (), object()])
def test_what_cannot_be_called_is_10014_and_the_request_stays(world, listener, bad):
    client = world.client(80)
    with fails("EFAULT"):
        world.spi.WSPAccept(listener, bad)
    assert world.spi.WSPAccept(listener)[1] == client.address


def test_accepting_from_within_the_condition_is_10036(world, listener):
    spi = world.spi
    inner = []

    def condition(*_):
        with fails("EINPROGRESS"):
            spi.WSPAccept(listener)
        inner.append(True)
        return spi.CF_ACCEPT

    world.client(80)
    world.client(80)
    spi.WSPAccept(listener, condition)
    assert inner
    assert spi.WSPAccept(listener)


def test_other_calls_work_within_the_condition(world, listener):
    spi = world.spi
    other = world.listener(81)
    client = world.client(81)

    def condition(*_):
        assert spi.WSPAccept(other)[1] == client.address
        assert spi.WSPGetSockName(listener) == (world.address, 80)
        return spi.CF_ACCEPT

    world.client(80)
    assert spi.WSPAccept(listener, condition)


def test_the_listener_may_be_closed_within_the_condition(world, listener):
    spi = world.spi

    def close(*_):
        spi.WSPCloseSocket(listener)

    client = world.client(80)
    s, _ = spi.WSPAccept(listener, Recorder(spi.CF_ACCEPT, close))
    spi.WSPSend(s, b"still")
    assert client.received == b"still"


def test_deferring_on_a_listener_that_was_closed_meanwhile_ends_the_request(world, listener):
    spi = world.spi
    client = world.client(80)
    with fails("ENOTSOCK"):
        spi.WSPAccept(listener, Recorder(spi.CF_DEFER, lambda *_: spi.WSPCloseSocket(listener)))
    assert client.was_reset


def test_conditions_of_two_threads_each_have_their_own_request(world, listener):
    spi = world.spi
    clients = [world.client(80) for _ in range(2)]
    world.settle()
    order = []

    def slow(caller, *_):
        order.append(caller.address)
        if len(order) == 1:
            world.advance(0.5)
        return spi.CF_ACCEPT

    jobs = [world.spawn(spi.WSPAccept, listener, slow) for _ in range(2)]
    world.advance(1)
    assert {job.result()[1] for job in jobs} == {client.address for client in clients}
    assert sorted(order) == sorted(client.address for client in clients)
