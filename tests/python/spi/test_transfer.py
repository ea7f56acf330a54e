"""WSPSend, WSPRecv and their kin; WSPShutdown; WSPCloseSocket."""

import errno
import os
import threading

import pytest

from pyprov.winsock.structs import LINGER
from tests.python.failing import fails, set_options


def nonblocking(spi, s):
    spi.WSPEventSelect(s, None, 0)
    return s


def fill(world, s):
    """Send until our buffer and the peer's are full; returns how much went in."""
    total, before = 0, -1
    while total != before:
        before = total
        with fails("EWOULDBLOCK"):
            while True:
                total += world.spi.WSPSend(s, bytes(16384))
        world.settle()
    return total


# ---- receiving


def test_i01_nothing_to_receive_is_10035_or_10060(world):
    spi = world.spi
    s, _ = world.pair()
    set_options(spi, s, recv_timeout=100)
    start = world.now
    with fails("ETIMEDOUT"):
        spi.WSPRecv(s, bytearray(1))
    assert world.took(start, 0.1)
    nonblocking(spi, s)
    with fails("EWOULDBLOCK"):
        spi.WSPRecv(s, bytearray(1))


def test_data_within_the_time_limit_is_received(world):
    spi = world.spi
    s, client = world.pair()
    set_options(spi, s, recv_timeout=1000)
    world.at(0.5, client.send, b"late")
    buffer = bytearray(10)
    assert spi.WSPRecv(s, buffer) == (4, 0)
    assert buffer[:4] == b"late"


def test_i05_an_empty_buffer_gets_0_when_data_is_there(world):
    s, client = world.pair()
    client.send(b"data")
    assert world.spi.WSPRecv(s, bytearray(0)) == (0, 0)
    buffer = bytearray(4)
    assert world.spi.WSPRecv(s, buffer) == (4, 0)


def test_i10_several_buffers_are_filled_in_order(world):
    s, client = world.pair()
    client.send(b"ninebytes")
    four, five = bytearray(4), bytearray(5)
    assert world.spi.WSPRecv(s, [four, memoryview(five)]) == (9, 0)
    assert (four, five) == (b"nine", b"bytes")


def test_a_stream_is_taken_piece_by_piece(world):
    s, client = world.pair()
    client.send(b"abcdef")
    got = bytearray()
    for _ in range(3):
        buffer = bytearray(2)
        assert world.spi.WSPRecv(s, buffer) == (2, 0)
        got += buffer
    assert got == b"abcdef"


def test_peek_leaves_the_data(world):
    spi = world.spi
    s, client = world.pair()
    client.send(b"data")
    for flags in (spi.MSG_PEEK, 0):
        buffer = bytearray(4)
        assert spi.WSPRecv(s, buffer, flags) == (4, 0)
        assert buffer == b"data"


def test_waitall_waits_for_all(world):
    spi = world.spi
    s, client = world.pair()
    client.send(b"abc")
    world.at(0.2, client.send, b"def")
    buffer = bytearray(6)
    assert spi.WSPRecv(s, [memoryview(buffer)[:2], memoryview(buffer)[2:]], spi.MSG_WAITALL) == (
        6,
        0,
    )
    assert buffer == b"abcdef"


def test_waitall_ends_at_the_peers_close(world):
    spi = world.spi
    s, client = world.pair()
    client.send(b"abc")
    world.at(0.2, client.finish)
    assert spi.WSPRecv(s, bytearray(6), spi.MSG_WAITALL) == (3, 0)


def test_recvfrom_on_a_connection_says_nothing_of_where_from(world):
    s, client = world.pair()
    client.send(b"data")
    assert world.spi.WSPRecvFrom(s, bytearray(4)) == (4, 0, None)


# ---- sending


def test_i14_sendto_does_not_look_at_the_address(world):
    s, client = world.pair()
    for to in ("garbage", None, ("192.0.2.1", 7), 7):
        assert world.spi.WSPSendTo(s, b"x", 0, to) == 1
    assert client.received == b"xxxx"


def test_several_buffers_are_sent_in_order(world):
    s, client = world.pair()
    assert world.spi.WSPSend(s, [b"ab", bytearray(b"cd"), memoryview(b"ef")]) == 6
    assert client.received == b"abcdef"


def test_sending_nothing_is_legal(world):
    s, client = world.pair()
    assert world.spi.WSPSend(s, b"") == 0
    assert world.spi.WSPSend(s, [b"", b""]) == 0
    assert client.received == b""


def test_i13_a_nonblocking_send_takes_everything_and_the_next_is_10035(world):
    spi = world.spi
    s, client = world.pair()
    nonblocking(spi, s)
    data = bytes(range(256)) * 8192
    assert spi.WSPSend(s, [data[:1000], data[1000:]]) == len(data)
    with fails("EWOULDBLOCK"):
        spi.WSPSend(s, b"x")
    spi.WSPCloseSocket(s)
    for _ in range(500):
        world.advance(0.02)
        client.drain()
        if client.finished:
            break
    assert client.received == data
    assert client.finished


def test_a_full_buffer_is_10035_until_there_is_room(world):
    spi = world.spi
    s, client = world.pair()
    nonblocking(spi, s)
    sent = fill(world, s)
    assert sent > 0
    client.drain()
    world.settle()
    assert spi.WSPSend(s, b"x") == 1


def test_a_blocking_send_waits_until_all_is_taken_over(world):
    spi = world.spi
    s, client = world.pair()
    data = bytes(range(256)) * 4096
    job = world.spawn(spi.WSPSend, s, data)
    for _ in range(2000):
        world.advance(0.01)
        client.drain()
        if job.done:
            break
    assert job.result() == len(data)
    assert client.received == data


def test_a_send_that_finds_no_room_in_time_is_10060(world):
    spi = world.spi
    s, _client = world.pair()
    set_options(spi, s, send_timeout=250)
    start = world.now
    with fails("ETIMEDOUT"):
        spi.WSPSend(s, bytes(16 << 20))
    assert world.took(start, 0.25)


# ---- arguments


@pytest.mark.parametrize("buffers", [None, 7, "text", [b"x", "text"], [None], [7], object()])
def test_i11_what_is_no_buffer_is_10014(world, buffers):
    s, client = world.pair()
    client.send(b"data")
    with fails("EFAULT"):
        world.spi.WSPSend(s, buffers)
    with fails("EFAULT"):
        world.spi.WSPRecv(s, buffers)
    assert client.received == b""


def test_i11_a_buffer_that_cannot_be_written_is_10014(world):
    s, client = world.pair()
    client.send(b"data")
    for buffers in (b"read-only", [bytearray(1), b"read-only"]):
        with fails("EFAULT"):
            world.spi.WSPRecv(s, buffers)
    assert world.spi.WSPRecv(s, bytearray(4)) == (4, 0)


@pytest.mark.parametrize("buffers", [[], ()])
def test_no_buffer_at_all_is_10022(world, buffers):
    s, _ = world.pair()
    with fails("EINVAL"):
        world.spi.WSPSend(s, buffers)
    with fails("EINVAL"):
        world.spi.WSPRecv(s, buffers)


def test_illegal_flags_are_10045(world):
    spi = world.spi
    s, client = world.pair()
    client.send(b"data")
    for flags in (spi.MSG_PEEK, spi.MSG_PARTIAL, 0x4000, -1, "flags"):
        with fails("EOPNOTSUPP"):
            spi.WSPSend(s, b"x", flags)
    for flags in (spi.MSG_DONTROUTE, 0x4000, -1, "flags"):
        with fails("EOPNOTSUPP"):
            spi.WSPRecv(s, bytearray(1), flags)
    assert spi.WSPSend(s, b"x", spi.MSG_DONTROUTE) == 1


def test_unconnected_sockets_neither_send_nor_receive(world):
    spi = world.spi
    fresh, bound = spi.WSPSocket(2, 1, 6), spi.WSPSocket(2, 1, 6)
    spi.WSPBind(bound, (world.address, 81))
    for s in (fresh, bound):
        with fails("ENOTCONN"):
            spi.WSPSend(s, b"x")
    with fails("EINVAL"):
        spi.WSPRecv(fresh, bytearray(1))
    with fails("ENOTCONN"):
        spi.WSPRecv(bound, bytearray(1))


def test_the_state_is_looked_at_before_the_arguments(spi):
    s = spi.WSPSocket(2, 1, 6)
    with fails("ENOTCONN"):
        spi.WSPSend(s, None, "flags")
    with fails("EINVAL"):
        spi.WSPRecv(s, None, "flags")
    with fails("ENOTCONN"):
        spi.WSPShutdown(s, 0xDEAD)


def test_urgent_data_that_is_not_there_is_10022(fake_world):
    spi = fake_world.spi
    s, _ = fake_world.pair()
    with fails("EINVAL"):
        spi.WSPRecv(s, bytearray(1), spi.MSG_OOB)


def test_i17_urgent_data_in_the_stream_cannot_be_asked_for_alone(world):
    spi = world.spi
    s, _ = world.pair()
    set_options(spi, s, oob_inline=True)
    with fails("EINVAL"):
        spi.WSPRecv(s, bytearray(1), spi.MSG_OOB)


# ---- shutdown


def test_j01_an_unconnected_socket_cannot_be_shut(spi):
    for how in (0, 1, 2):
        with fails("ENOTCONN"):
            spi.WSPShutdown(spi.WSPSocket(2, 1, 6), how)


def test_j02_shutting_twice_is_fine_and_sending_is_10058(world):
    spi = world.spi
    s, client = world.pair()
    spi.WSPSend(s, b"last")
    spi.WSPShutdown(s, spi.SD_SEND)
    spi.WSPShutdown(s, spi.SD_SEND)
    with fails("ESHUTDOWN"):
        spi.WSPSend(s, b"x")
    assert client.received == b"last"
    assert client.finished
    client.send(b"answer")
    assert spi.WSPRecv(s, bytearray(6)) == (6, 0)


@pytest.mark.parametrize("how", [0xDEADBEEF, -1, 3, None, "both", [2], 1.5])
def test_j04_a_bad_direction_is_10022_also_afterwards(world, how):
    spi = world.spi
    s, _ = world.pair()
    with fails("EINVAL"):
        spi.WSPShutdown(s, how)
    spi.WSPShutdown(s, spi.SD_BOTH)
    with fails("EINVAL"):
        spi.WSPShutdown(s, how)


def test_receiving_after_sd_receive_is_10058_and_sending_goes_on(world):
    spi = world.spi
    s, client = world.pair()
    spi.WSPShutdown(s, spi.SD_RECEIVE)
    with fails("ESHUTDOWN"):
        spi.WSPRecv(s, bytearray(1))
    assert spi.WSPSend(s, b"x") == 1
    assert client.received == b"x"
    assert not client.finished


def test_what_a_stream_receives_is_no_partial_message(world):
    spi = world.spi
    s, client = world.pair()
    client.send(b"12")
    assert spi.WSPRecv(s, bytearray(1), spi.MSG_PARTIAL) == (1, 0)
    assert spi.WSPRecv(s, bytearray(1), spi.MSG_PARTIAL, spi.WSAOVERLAPPED()) == (1, 0)


@pytest.mark.parametrize("when", ["before", "after"])
def test_data_that_sd_receive_leaves_to_nobody_resets_the_connection(world, when):
    spi = world.spi
    s, client = world.pair()
    if when == "before":
        client.send(b"unwanted")
        world.settle()
    spi.WSPShutdown(s, spi.SD_RECEIVE)
    world.settle()
    if when == "after":
        client.send(b"unwanted")
        world.settle()
    with fails("ECONNABORTED"):
        spi.WSPSend(s, b"x")


def test_disconnecting_without_data_is_a_shutdown(world):
    spi = world.spi
    s, client = world.pair()
    spi.WSPSendDisconnect(s)
    assert client.finished
    with fails("ESHUTDOWN"):
        spi.WSPSend(s, b"x")
    spi.WSPRecvDisconnect(s)
    with fails("ESHUTDOWN"):
        spi.WSPRecv(s, bytearray(1))


def test_j17_disconnect_data_for_a_peer_that_takes_none_is_a_shutdown(world):
    spi = world.spi
    s, client = world.pair()
    with fails("EFAULT"):
        spi.WSPSendDisconnect(s, bytes(1025))
    assert spi.WSPSend(s, b"x") == 1
    spi.WSPSendDisconnect(s, b"bye")
    with fails("ESHUTDOWN"):
        spi.WSPSend(s, b"x")
    world.settle()
    assert (client.received, client.finished) == (b"x", True)


# ---- the connection's end


def test_the_peers_close_is_0_after_all_data(world):
    spi = world.spi
    s, client = world.pair()
    client.send(b"last")
    client.finish()
    assert spi.WSPRecv(s, bytearray(10)) == (4, 0)
    assert spi.WSPRecv(s, bytearray(10)) == (0, 0)
    assert spi.WSPRecv(s, bytearray(10)) == (0, 0)


def test_a_blocked_receive_ends_with_the_peers_close(world):
    s, client = world.pair()
    world.at(0.3, client.finish)
    assert world.spi.WSPRecv(s, bytearray(10)) == (0, 0)


def test_j08_a_reset_is_10054_in_both_directions(world):
    spi = world.spi
    s, client = world.pair()
    world.at(0.3, client.reset)
    with fails("ECONNRESET"):
        spi.WSPRecv(s, bytearray(1))
    with fails("ECONNRESET"):
        spi.WSPSend(s, b"x")


@pytest.mark.parametrize("how", [0, 1, 2])
def test_a_connection_that_was_reset_can_be_shut_down(world, how):
    spi = world.spi
    s, client = world.pair()
    client.reset()
    for _ in range(2):
        spi.WSPShutdown(s, how)
    spi.WSPSendDisconnect(s, b"farewell")
    spi.WSPRecvDisconnect(s)
    with fails("ESHUTDOWN"):
        spi.WSPSend(s, b"x")


def test_j07_data_that_a_closed_peer_refuses_is_10053(wired):
    spi = wired.spi
    s, client = wired.pair()
    client.close()
    assert spi.WSPSend(s, b"to nobody") == 9
    wired.settle()
    with fails("ECONNABORTED"):
        spi.WSPRecv(s, bytearray(1))


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (errno.ETIMEDOUT, "ETIMEDOUT"),
        (errno.ECONNABORTED, "ECONNABORTED"),
        (errno.ENETRESET, "ENOTCONN"),  # only who waited is told more
        (errno.EHOSTUNREACH, "EHOSTUNREACH"),
    ],
)
def test_each_kind_of_end_has_its_code(fake_world, error, name):
    spi = fake_world.spi
    s, client = fake_world.pair()
    client.fail(-error)
    with fails(name):
        spi.WSPRecv(s, bytearray(1))


# ---- close


def test_close_is_graceful_and_frees_the_handle(world):
    spi = world.spi
    s, client = world.pair()
    spi.WSPSend(s, b"last words")
    spi.WSPCloseSocket(s)
    assert client.received == b"last words"
    assert client.finished
    assert not client.was_reset
    with fails("ENOTSOCK"):
        spi.WSPCloseSocket(s)


def test_j11_lingering_for_0_seconds_is_a_reset(world):
    spi = world.spi
    s, client = world.pair()
    set_options(spi, s, linger=LINGER(1, 0))
    spi.WSPCloseSocket(s)
    assert client.was_reset


def test_lingering_waits_until_all_is_acknowledged(world):
    spi = world.spi
    s, client = world.pair()
    set_options(spi, s, linger=LINGER(1, 10))
    spi.WSPSend(s, b"last words")
    start = world.now
    world.at(0.4, client.acknowledge)
    spi.WSPCloseSocket(s)
    assert world.now - start < 9
    assert client.received == b"last words"
    assert not client.was_reset


def test_lingering_ends_with_a_reset_when_time_is_up(world):
    spi = world.spi
    s, client = world.pair()
    nonblocking(spi, s)
    fill(world, s)
    spi._find(s)[1].blocking = True
    set_options(spi, s, linger=LINGER(1, 2))
    start = world.now
    spi.WSPCloseSocket(s)
    assert world.took(start, 2)
    assert client.was_reset


def test_a_nonblocking_socket_that_would_linger_is_10035_and_stays(world):
    spi = world.spi
    s, client = world.pair()
    nonblocking(spi, s)
    set_options(spi, s, linger=LINGER(1, 5))
    with fails("EWOULDBLOCK"):
        spi.WSPCloseSocket(s)
    assert spi.WSPSend(s, b"alive") == 5
    assert client.received == b"alive"


@pytest.mark.parametrize("verb", ["recv", "send"])
def test_closing_ends_calls_that_wait_in_other_threads(world, verb):
    spi = world.spi
    s, _client = world.pair()
    if verb == "recv":
        job = world.spawn(spi.WSPRecv, s, bytearray(1))
    else:
        job = world.spawn(spi.WSPSend, s, bytes(16 << 20))
    world.advance(0.1)
    assert not job.done
    spi.WSPCloseSocket(s)
    with fails("EINTR"):
        job.result()


def test_only_the_last_descriptor_ends_the_calls(world):
    spi = world.spi
    s, client = world.pair()
    twin = spi.WSPSocket(-1, -1, -1, spi.WSPDuplicateSocket(s, os.getpid()))
    job = world.spawn(spi.WSPRecv, s, bytearray(4))
    world.advance(0.1)
    spi.WSPCloseSocket(twin)
    client.send(b"data")
    assert job.result() == (4, 0)


# ---- cancelling, the blocking hook


def test_q09_nothing_to_cancel_is_10022(spi):
    with fails("EINVAL"):
        spi.WSPCancelBlockingCall()


def test_q09_cancelling_in_the_hook_ends_the_call_with_10004(world):
    spi = world.spi
    s, client = world.pair()
    table = spi.WSPUPCALLTABLE()
    calls = []

    def hook(context):
        calls.append(context)
        with fails("EINPROGRESS"):
            spi.WSPRecv(s, bytearray(1))
        if len(calls) == 3:
            spi.WSPCancelBlockingCall()
        return True

    table.WPUQueryBlockingCallback = lambda catalog_id: (hook, "context")
    spi.WSPStartup(UpcallTable=table)
    with fails("EINTR"):
        spi.WSPRecv(s, bytearray(1))
    assert calls == ["context"] * 3
    client.send(b"x")
    assert spi.WSPRecv(s, bytearray(1)) == (1, 0)


def test_a_hook_that_returns_false_cancels(world):
    spi = world.spi
    s, _ = world.pair()
    table = spi.WSPUPCALLTABLE()
    table.WPUQueryBlockingCallback = lambda catalog_id: (lambda context: False, None)
    spi.WSPStartup(UpcallTable=table)
    with fails("EINTR"):
        spi.WSPRecv(s, bytearray(1))


def test_the_hook_runs_until_the_call_can_finish(world):
    spi = world.spi
    s, client = world.pair()
    table = spi.WSPUPCALLTABLE()
    calls = []
    table.WPUQueryBlockingCallback = lambda catalog_id: (lambda _: calls.append(1) or True, None)
    spi.WSPStartup(UpcallTable=table)
    client.send(b"x")
    assert spi.WSPRecv(s, bytearray(1)) == (1, 0)
    assert not calls
    world.at(0.1, client.send, b"y")
    assert spi.WSPRecv(s, bytearray(1)) == (1, 0)
    assert calls


def test_another_threads_call_can_be_cancelled(world):
    spi = world.spi
    s, _ = world.pair()
    ids = []

    def receive():
        ids.append(threading.get_ident())
        spi.WSPRecv(s, bytearray(1))

    job = world.spawn(receive)
    world.advance(0.1)
    spi.WSPCancelBlockingCall(ids[0])
    with fails("EINTR"):
        job.result()
