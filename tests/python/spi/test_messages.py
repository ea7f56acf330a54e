"""WSPAsyncSelect and message queues."""

import queue
import select

import pytest

from tests.python.failing import fails, set_options
from tests.python.watched import ALL, Watched

MESSAGE = 0x401


class Posted:
    """A socket with a message queue."""

    def __init__(self, world, s, mask=ALL, window=None):
        self.world = world
        self.spi = world.spi
        self.s = s
        self.queue = window or world.spi.MessageQueue()
        self.select(mask)

    def select(self, mask, message=MESSAGE):
        self.spi.WSPAsyncSelect(self.s, self.queue, message, mask)

    def taken(self):
        """All messages that wait, as (socket, event, error)."""
        self.world.settle()
        messages = []
        while True:
            try:
                message = self.queue.get(0)
            except queue.Empty:
                return messages
            assert (message.hWnd, message.message) == (self.queue, MESSAGE)
            event = self.spi.WSAGETSELECTEVENT(message.lParam)
            messages.append((message.wParam, event, self.spi.WSAGETSELECTERROR(message.lParam)))

    def events(self):
        """The events of the messages that wait; all are of this socket and without an error."""
        taken = self.taken()
        assert [(s, error) for s, _, error in taken] == [(self.s, 0)] * len(taken)
        return [event for _, event, _ in taken]


@pytest.fixture
def listener(world):
    return Posted(world, world.listener(), world.spi.FD_ACCEPT)


@pytest.fixture
def pair(world):
    """A registered connection whose FD_WRITE was taken, and the client."""
    s, client = world.pair(81)
    posted = Posted(world, s)
    assert posted.events() == [world.spi.FD_WRITE]
    return posted, client


def new(spi):
    return spi.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP)


# ---- the queue


def test_an_empty_queue_has_nothing_to_peek_at_or_to_get(world):
    messages = world.spi.MessageQueue()
    assert messages.peek() is None
    for timeout in (0, 0.001):
        with pytest.raises(queue.Empty):
            messages.get(timeout)


def test_messages_are_taken_in_order(spi):
    messages = spi.MessageQueue()
    assert messages.post(1, 2, 3)
    assert messages.post(4, 5, 6)
    assert messages.peek() == spi.MSG(messages, 1, 2, 3)
    assert messages.get() == spi.MSG(messages, 1, 2, 3)
    assert messages.get(10) == spi.MSG(messages, 4, 5, 6)


def test_its_descriptor_is_readable_while_there_are_messages(world, listener):
    def readable():
        return bool(select.select([listener.queue], [], [], 0)[0])

    world.settle()
    assert not readable()
    world.client(80)
    world.settle()
    assert readable()
    assert listener.events() == [world.spi.FD_ACCEPT]
    assert not readable()
    listener.queue.post(1, 2, 3)
    assert readable()
    listener.queue.get()
    assert not readable()


def test_a_closed_queue_takes_and_gives_nothing(spi):
    messages = spi.MessageQueue()
    messages.post(1, 2, 3)
    messages.close()
    messages.close()
    assert not messages.post(1, 2, 3)
    assert messages.peek() is None
    with fails("WSA_INVALID_HANDLE"):
        messages.get()
    with fails("WSA_INVALID_HANDLE"):
        messages.fileno()


def test_a_full_queue_refuses(spi):
    messages = spi.MessageQueue(capacity=2)
    assert [messages.post(n, 0, 0) for n in range(3)] == [True, True, False]
    messages.get()
    assert messages.post(3, 0, 0)


def test_get_waits_for_what_comes_over_the_wire(world, listener):
    start = world.now
    world.at(0.3, world.client, 80)
    message = listener.queue.get(10)
    assert message.wParam == listener.s
    assert world.took(start, 0.3, 0.05)


def test_a_thread_waits_while_another_registers(world):
    messages = world.spi.MessageQueue()
    s = world.listener()
    world.client(80)
    world.settle()
    Posted(world, s, window=messages)
    job = world.spawn(messages.get)
    world.advance(0.1)
    assert job.result().wParam == s


# ---- registering


@pytest.mark.parametrize("window", [None, 7, "window", b"x"])
def test_what_is_no_queue_is_10022(spi, window):
    s = new(spi)
    with fails("EINVAL"):
        spi.WSPAsyncSelect(s, window, MESSAGE, spi.FD_READ)
    spi.WSPAsyncSelect(s, window, MESSAGE, 0)


def test_a_closed_queue_is_10022(spi):
    messages = spi.MessageQueue()
    messages.close()
    with fails("EINVAL"):
        spi.WSPAsyncSelect(new(spi), messages, MESSAGE, spi.FD_READ)


@pytest.mark.parametrize("mask", [0x400, -1, None, "FD_READ", 1.5])
def test_bits_that_are_no_events_are_10022(spi, mask):
    with fails("EINVAL"):
        spi.WSPAsyncSelect(new(spi), spi.MessageQueue(), MESSAGE, mask)


@pytest.mark.parametrize("message", [None, "message", 1.5])
def test_what_is_no_message_is_10022(spi, message):
    with fails("EINVAL"):
        spi.WSPAsyncSelect(new(spi), spi.MessageQueue(), message, spi.FD_READ)


def test_what_is_no_socket_is_10038(spi):
    closed = new(spi)
    spi.WSPCloseSocket(closed)
    for s in (closed, 0, -1, None, "s"):
        with fails("ENOTSOCK"):
            spi.WSPAsyncSelect(s, None, None, None)


@pytest.mark.parametrize("mask", [0, 1])
def test_registering_makes_a_socket_non_blocking_whatever_the_mask(world, mask):
    spi = world.spi
    s = world.listener()
    spi.WSPAsyncSelect(s, spi.MessageQueue(), MESSAGE, mask)
    with fails("EWOULDBLOCK"):
        spi.WSPAccept(s)


def test_l38_a_registered_socket_cannot_be_made_blocking(world, listener):
    spi = world.spi
    with fails("EINVAL"):
        spi.WSPIoctl(listener.s, spi.FIONBIO, 0)
    listener.select(0)
    spi.WSPIoctl(listener.s, spi.FIONBIO, 0)


def test_one_queue_serves_many_sockets(world):
    spi = world.spi
    one, first = world.pair(81)
    two, second = world.pair(82)
    posted = Posted(world, one, spi.FD_READ)
    Posted(world, two, spi.FD_READ | spi.FD_CLOSE, posted.queue)
    second.send(b"x")
    first.send(b"x")
    second.finish()
    assert sorted(posted.taken()) == sorted(
        [(one, spi.FD_READ, 0), (two, spi.FD_READ, 0), (two, spi.FD_CLOSE, 0)]
    )


def test_a_new_registration_replaces_queue_message_and_mask(world, pair):
    spi = world.spi
    posted, client = pair
    other = spi.MessageQueue()
    spi.WSPAsyncSelect(posted.s, other, 7, spi.FD_READ)
    client.send(b"x")
    client.finish()
    assert posted.events() == []
    message = other.get(0)
    assert (message.message, message.lParam) == (7, spi.FD_READ)
    assert other.peek() is None


def test_l39_an_event_object_ends_the_messages(world, pair):
    spi = world.spi
    posted, client = pair
    watched = Watched(world, posted.s)
    client.send(b"x")
    assert watched.is_set
    assert posted.events() == []
    assert watched.seen() & spi.FD_READ


def test_l39_messages_end_the_event_object(world):
    spi = world.spi
    s, client = world.pair()
    watched = Watched(world, s)
    watched.seen()
    posted = Posted(world, s, spi.FD_READ)
    client.send(b"x")
    assert not watched.is_set
    assert watched.seen() == 0
    assert posted.events() == [spi.FD_READ]


# ---- what is posted


def test_m02_a_connect_posts_fd_connect_and_then_fd_write(world):
    spi = world.spi
    world.serve(81)
    posted = Posted(world, new(spi))
    assert posted.events() == []
    with fails("EWOULDBLOCK"):
        spi.WSPConnect(posted.s, (world.peer_address, 81))
    assert posted.events() == [spi.FD_CONNECT, spi.FD_WRITE]


def test_l30_a_refused_connect_posts_its_code_once(world):
    spi = world.spi
    world.serve(81, "refuse")
    posted = Posted(world, new(spi))
    with fails("EWOULDBLOCK"):
        spi.WSPConnect(posted.s, (world.peer_address, 81))
    assert posted.taken() == [(posted.s, spi.FD_CONNECT, spi.WSAECONNREFUSED)]
    assert posted.taken() == []


def test_a_connected_socket_posts_fd_write_and_no_fd_connect(world):
    spi = world.spi
    s, _ = world.connect()
    posted = Posted(world, s)
    assert posted.events() == [spi.FD_WRITE]
    posted.select(ALL)
    assert posted.events() == [spi.FD_WRITE]


def test_data_is_posted_once_until_it_is_received(world, pair):
    spi = world.spi
    posted, client = pair
    client.send(b"hello")
    assert posted.events() == [spi.FD_READ]
    spi.WSPRecv(posted.s, bytearray(2))
    assert posted.events() == [spi.FD_READ]
    spi.WSPRecv(posted.s, bytearray(10))
    assert posted.events() == []
    client.send(b"more")
    assert posted.events() == [spi.FD_READ]


def test_m05_more_data_without_a_recv_posts_nothing(world, pair):
    spi = world.spi
    posted, client = pair
    client.send(b"x")
    assert posted.events() == [spi.FD_READ]
    client.send(b"y")
    assert posted.events() == []
    spi.WSPRecv(posted.s, bytearray(1))
    assert posted.events() == [spi.FD_READ]


def test_m05_a_second_client_without_an_accept_posts_nothing(world, listener):
    spi = world.spi
    world.client(80)
    assert listener.events() == [spi.FD_ACCEPT]
    world.client(80)
    assert listener.events() == []
    spi.WSPAccept(listener.s)
    assert listener.events() == [spi.FD_ACCEPT]
    spi.WSPAccept(listener.s)
    assert listener.events() == []


def test_m06_a_recv_that_fails_enables_fd_read_again(world, pair):
    spi = world.spi
    posted, client = pair
    client.send(b"x")
    assert posted.events() == [spi.FD_READ]
    with fails("EFAULT"):
        spi.WSPRecv(posted.s, None)
    assert posted.events() == [spi.FD_READ]


def test_peeking_enables_fd_read_again(world, pair):
    spi = world.spi
    posted, client = pair
    client.send(b"x")
    posted.events()
    spi.WSPRecv(posted.s, bytearray(1), spi.MSG_PEEK)
    assert posted.events() == [spi.FD_READ]


def test_room_after_a_full_buffer_posts_fd_write(world, pair):
    spi = world.spi
    posted, client = pair
    while spi.WSPSelect(None, [posted.s], None, 0)[1]:
        spi.WSPSend(posted.s, bytes(65536))
        world.settle()
    posted.events()
    with fails("EWOULDBLOCK"):
        spi.WSPSend(posted.s, b"x")
    assert posted.events() == []
    client.drain()
    assert posted.events() == [spi.FD_WRITE]


def test_the_peers_close_is_posted_once(world, pair):
    spi = world.spi
    posted, client = pair
    client.finish()
    assert posted.events() == [spi.FD_CLOSE]
    assert spi.WSPRecv(posted.s, bytearray(1)) == (0, 0)
    assert posted.events() == []


def test_l29_a_reset_is_posted_as_an_abort(world, pair):
    spi = world.spi
    posted, client = pair
    client.reset()
    assert posted.taken() == [(posted.s, spi.FD_CLOSE, spi.WSAECONNABORTED)]


def test_data_is_posted_before_the_close(world, pair):
    spi = world.spi
    posted, client = pair
    client.send(b"x")
    client.finish()
    assert posted.events() == [spi.FD_READ, spi.FD_CLOSE]


def test_m03_registering_anew_posts_what_holds_again(world, pair):
    spi = world.spi
    posted, client = pair
    client.send(b"x")
    client.finish()
    everything = [spi.FD_READ, spi.FD_WRITE, spi.FD_CLOSE]
    assert posted.events() == [spi.FD_READ, spi.FD_CLOSE]
    posted.select(ALL)
    assert posted.events() == everything
    posted.select(0)
    posted.select(ALL)
    assert posted.events() == everything
    posted.select(spi.FD_CLOSE)
    assert posted.events() == [spi.FD_CLOSE]


def test_m03_a_reset_is_posted_again_with_its_code(world, pair):
    spi = world.spi
    posted, client = pair
    client.reset()
    posted.taken()
    posted.select(spi.FD_CLOSE)
    assert posted.taken() == [(posted.s, spi.FD_CLOSE, spi.WSAECONNABORTED)]


def test_m03_a_waiting_request_is_posted_again(world, listener):
    spi = world.spi
    world.client(80)
    for _ in range(3):
        assert listener.events() == [spi.FD_ACCEPT]
        listener.select(spi.FD_ACCEPT)
    spi.WSPAccept(listener.s)
    listener.events()
    listener.select(spi.FD_ACCEPT)
    assert listener.events() == []


def test_what_was_not_asked_for_is_posted_when_it_is(world, pair):
    spi = world.spi
    posted, client = pair
    posted.select(spi.FD_CLOSE)
    client.send(b"x")
    assert posted.events() == []
    posted.select(spi.FD_READ)
    assert posted.events() == [spi.FD_READ]
    posted.select(spi.FD_CLOSE)
    spi.WSPRecv(posted.s, bytearray(1))
    posted.select(spi.FD_READ)
    assert posted.events() == []


def test_what_waits_already_is_posted_at_once(world):
    s = world.listener()
    world.client(80)
    world.settle()
    assert Posted(world, s).queue.get(0).wParam == s


def test_g07_a_deferred_head_keeps_fd_accept_silent(world, listener):
    spi = world.spi
    client = world.client(80)
    world.client(80)
    assert listener.events() == [spi.FD_ACCEPT]
    with fails("WSATRY_AGAIN"):
        spi.WSPAccept(listener.s, lambda *_: spi.CF_DEFER)
    world.client(80)
    assert listener.events() == []
    listener.select(spi.FD_ACCEPT)
    assert listener.events() == []
    client.reset()
    assert listener.events() == [spi.FD_ACCEPT]


def test_m08_an_accepted_socket_posts_to_the_same_queue(world):
    spi = world.spi
    listener = Posted(world, world.listener())
    client = world.client(80)
    assert listener.events() == [spi.FD_ACCEPT]
    s, _ = spi.WSPAccept(listener.s)
    assert listener.taken() == [(s, spi.FD_WRITE, 0)]
    client.send(b"x")
    assert listener.taken() == [(s, spi.FD_READ, 0)]


def test_urgent_data_is_posted_unless_it_is_in_the_stream(fake_world):
    spi = fake_world.spi
    s, client = fake_world.pair()
    posted = Posted(fake_world, s, spi.FD_OOB)
    client.peer.send(b"!", oob=True)
    assert posted.events() == [spi.FD_OOB]
    spi.WSPRecv(s, bytearray(1), spi.MSG_PEEK)
    assert posted.events() == [spi.FD_OOB]
    set_options(spi, s, oob_inline=1)
    client.peer.send(b"!", oob=True)
    spi.WSPRecv(s, bytearray(1), spi.MSG_PEEK)
    assert posted.events() == []


def test_changed_qos_is_posted_once_for_each_change(fake_world):
    spi = fake_world.spi
    s, client = fake_world.pair()
    posted = Posted(fake_world, s, spi.FD_QOS)
    for _ in range(2):
        client.peer.status.qos += 1
        client.peer.fake.report(client.peer, set_=0x40)
        assert posted.events() == [spi.FD_QOS]
        assert posted.events() == []


# ---- who posts


def replaced(spi, function):
    table = spi.WSPUPCALLTABLE()
    table.WPUPostMessage = function
    spi.WSPStartup(UpcallTable=table)
    return table


def test_a_replaced_upcall_gets_the_messages_from_the_service_thread(world):
    spi = world.spi
    calls = []
    replaced(spi, lambda *message: calls.append(message) or True)
    s = world.listener()
    spi.WSPAsyncSelect(s, "a window", MESSAGE, spi.FD_ACCEPT)
    world.client(80)
    world.advance(0.1)
    assert calls == [("a window", MESSAGE, s, spi.FD_ACCEPT)]
    world.client(80)
    world.advance(0.1)
    assert len(calls) == 1
    spi.WSPAccept(s)
    world.advance(0.1)
    assert len(calls) == 2


def test_without_a_window_there_is_nobody_to_post_to(spi):
    replaced(spi, lambda *_: True)
    with fails("EINVAL"):
        spi.WSPAsyncSelect(new(spi), None, MESSAGE, spi.FD_READ)


def test_what_could_not_be_posted_is_posted_later(world):
    spi = world.spi
    calls = []

    def post(*message):
        calls.append(message)
        return len(calls) > 2

    replaced(spi, post)
    s = world.listener()
    spi.WSPAsyncSelect(s, "a window", MESSAGE, spi.FD_ACCEPT)
    world.client(80)
    while len(calls) < 3:
        world.advance(0.1)
    assert calls == [("a window", MESSAGE, s, spi.FD_ACCEPT)] * 3


def test_a_message_for_a_full_queue_is_posted_when_there_is_room(world):
    spi = world.spi
    messages = spi.MessageQueue(capacity=1)
    posted = Posted(world, world.listener(), window=messages)
    messages.post(1, 2, 3)
    world.client(80)
    world.settle()
    assert messages.get(0).message == 1
    assert posted.events() == [spi.FD_ACCEPT]


def test_posting_can_be_replaced_after_registering_and_put_back(world):
    spi = world.spi
    table = spi.WSPUPCALLTABLE()
    own = table.WPUPostMessage
    spi.WSPStartup(UpcallTable=table)
    posted = Posted(world, world.listener(), spi.FD_ACCEPT)
    calls = []
    table.WPUPostMessage = lambda *message: calls.append(message) or True
    world.client(80)
    world.advance(0.1)
    assert calls == [(posted.queue, MESSAGE, posted.s, spi.FD_ACCEPT)]
    assert posted.events() == []
    table.WPUPostMessage = own
    spi.WSPAccept(posted.s)
    world.client(80)
    assert posted.events() == [spi.FD_ACCEPT]
    assert len(calls) == 1


# ---- the end


def test_a_queue_outlives_its_engine(fake_world):
    spi = fake_world.spi
    posted = Posted(fake_world, fake_world.listener())
    posted.queue.post(MESSAGE, posted.s, 0)
    fake_world.dataplane.stop(0)
    assert posted.queue.get(1).wParam == posted.s
    with pytest.raises(queue.Empty):
        posted.queue.get(0.001)
    assert spi.MessageQueue().peek() is None


def test_closing_a_queue_ends_its_registrations(world):
    spi = world.spi
    posted = Posted(world, world.listener())
    posted.queue.close()
    world.client(80)
    world.settle()
    assert spi.WSPAccept(posted.s)
