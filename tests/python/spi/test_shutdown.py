"""WSPShutdown while calls and requests of before it wait: spi.md 1.11, 1.12."""

import pytest

from tests.python.failing import fails
from tests.python.spi.requests import Request
from tests.python.spi.test_transfer import fill, nonblocking


def full(world):
    """A non-blocking socket that takes no more, the client, and how much it took."""
    s, client = world.pair()
    nonblocking(world.spi, s)
    return s, client, fill(world, s)


def read_all(world, client, most=500):
    """Let the client read until the end of the stream."""
    for _ in range(most):
        if client.finished:
            return client.received
        client.drain()
        world.advance(0.02)
    raise AssertionError("no end of the stream")


@pytest.mark.parametrize("how", ["SD_SEND", "SD_BOTH", "WSPSendDisconnect"])
def test_1_11_the_fin_comes_after_overlapped_sends_of_before(world, how):
    spi = world.spi
    s, client, sent = full(world)
    request = Request(world)
    with fails("WSA_IO_PENDING"):
        spi.WSPSend(s, b"after", 0, *request.arguments)
    if how == "WSPSendDisconnect":
        spi.WSPSendDisconnect(s)
    else:
        spi.WSPShutdown(s, getattr(spi, how))
    with fails("ESHUTDOWN"):
        spi.WSPSend(s, b"late")
    data = read_all(world, client)
    assert len(data) == sent + 5
    assert data.endswith(b"after")
    assert request.transferred == 5


def test_1_11_a_blocked_send_of_before_sends_all_before_the_fin(world):
    spi = world.spi
    s, client = world.pair()
    data = bytes(3 << 20)
    job = world.spawn(spi.WSPSend, s, data)
    world.advance(0.1)
    spi.WSPShutdown(s, spi.SD_SEND)
    with fails("ESHUTDOWN"):
        spi.WSPSend(s, b"late")
    assert read_all(world, client) == data
    assert job.result() == len(data)


@pytest.mark.parametrize("flags", [0, 8])
def test_1_11_a_blocked_receive_of_before_takes_the_data(world, flags):
    spi = world.spi
    s, client = world.pair()
    buffer = bytearray(4)
    job = world.spawn(spi.WSPRecv, s, buffer, flags)
    world.advance(0.1)
    spi.WSPShutdown(s, spi.SD_RECEIVE)
    with fails("ESHUTDOWN"):
        spi.WSPRecv(s, bytearray(1))
    client.send(b"data")
    assert job.result() == (4, 0)
    assert buffer == b"data"
    client.send(b"late")
    world.settle()
    with fails("ECONNABORTED"):
        spi.WSPSend(s, b"x")


def test_1_11_closing_still_cancels_what_a_shutdown_waits_for(world):
    spi = world.spi
    s, client, sent = full(world)
    request = Request(world)
    with fails("WSA_IO_PENDING"):
        spi.WSPSend(s, b"never", 0, *request.arguments)
    spi.WSPShutdown(s, spi.SD_SEND)
    spi.WSPCloseSocket(s)
    assert request.error == spi.WSA_OPERATION_ABORTED
    assert len(read_all(world, client)) == sent


def test_a_failed_call_lets_go_of_the_callers_memory(wired):
    spi = wired.spi
    s, client = wired.pair()
    client.reset()
    data = bytearray(4)
    with fails("ECONNRESET") as caught:
        spi.WSPRecv(s, data)
    data.append(1)  # no frame of the error's holds an export
    assert caught.value.__traceback__ is not None
