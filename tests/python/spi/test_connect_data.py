"""Caller, callee and disconnect data, and conditional accept on the wire, between two providers."""

import pytest

from pyprov.lab import Lab
from tests.python.failing import fails

PORT = 80
CONDITIONS = [pytest.param(False, id="default"), pytest.param(True, id="conditional")]


class Ends:
    """A server on b, and clients on a."""

    def __init__(self, two, *, conditional, backlog=5):
        self.two, self.client, self.server = two, two.a.spi, two.b.spi
        spi = self.server
        self.listener = spi.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP)
        spi.WSPBind(self.listener, (two.b.address, PORT))
        if conditional:
            spi.WSPSetSockOpt(self.listener, spi.SOL_SOCKET, spi.SO_CONDITIONAL_ACCEPT, 1)
        spi.WSPListen(self.listener, backlog)
        self.seen = []

    def condition(self, verdict=0, answer=b""):
        def decide(_caller, caller_data, _sqos, _gqos, _callee, callee_data, _g, _data):
            self.seen.append((caller_data and bytes(caller_data), callee_data.capacity))
            if answer:
                callee_data.write(answer)
            return verdict

        return decide

    def accepting(self, verdict=0, answer=b""):
        return self.two.spawn(self.server.WSPAccept, self.listener, self.condition(verdict, answer))

    def socket(self):
        spi = self.client
        return spi.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP)

    def connect(self, s, caller_data=None, callee_data=None):
        self.client.WSPConnect(s, (self.two.b.address, PORT), caller_data, callee_data)


@pytest.fixture
def ends(request):
    with Lab.pair(seed=1) as two:
        yield Ends(two, conditional=request.param)


def syn_acks(two):
    """How many SYN-ACKs b has sent."""
    return sum(frame[12:14] == b"\x08\x00" and frame[47] & 0x12 == 0x12 for _, frame in two)


both = pytest.mark.parametrize("ends", CONDITIONS, indirect=True)
conditional = pytest.mark.parametrize("ends", [True], indirect=True)


@both
@pytest.mark.parametrize("size", [1, 200, 1024])
def test_data_travels_both_ways(ends, size):
    job = ends.accepting(answer=b"w" * size)
    s, callee_data = ends.socket(), ends.client.WSABUF(1024)
    ends.connect(s, b"c" * size, callee_data)
    conn, _ = job.result()
    assert ends.seen == [(b"c" * size, 1024)]
    assert bytes(callee_data) == b"w" * size
    level, data, length = (
        ends.client.SOL_SOCKET,
        ends.client.SO_CONNDATA,
        ends.client.SO_CONNDATALEN,
    )
    assert ends.client.WSPGetSockOpt(s, level, data) == b"w" * size
    assert ends.server.WSPGetSockOpt(conn, level, data) == b"c" * size
    assert ends.server.WSPGetSockOpt(conn, level, length) == size
    ends.client.WSPSend(s, b"the stream")
    buffer = bytearray(100)
    assert ends.server.WSPRecv(conn, buffer) == (10, 0)
    assert buffer[:10] == b"the stream"


@both
def test_a_rejected_request_is_refused_and_asked_about_once(ends):
    job = ends.accepting(verdict=ends.server.CF_REJECT)
    with fails("ECONNREFUSED"):
        ends.connect(ends.socket(), b"let me in")
    with fails("ECONNREFUSED"):
        job.result()
    assert ends.seen == [(b"let me in", 1024)]


@both
def test_acceptex_takes_those_who_bring_data_too(ends):
    spi = ends.server
    acceptor, asked = spi.WSPSocket(2, 1, 6), spi.WSAOVERLAPPED(spi.WSACreateEvent())
    with fails("WSA_IO_PENDING"):
        spi.AcceptEx(ends.listener, acceptor, bytearray(64), 0, 32, 32, asked)
    s = ends.socket()
    ends.connect(s, b"who I am")
    ends.two.advance(0.5)
    assert spi.WSPGetOverlappedResult(ends.listener, asked, False) == (0, 0)
    ends.client.WSPSend(s, b"data")
    assert spi.WSPRecv(acceptor, bytearray(9)) == (4, 0)


@both
def test_plain_clients_bring_and_get_nothing(ends):
    job = ends.accepting(verdict=0)
    ends.connect(ends.socket())
    job.result()
    assert ends.seen == [(None, 0)]


@both
def test_disconnect_data_comes_with_the_fin(ends):
    job = ends.accepting()
    s = ends.socket()
    ends.connect(s, b"")
    conn, _ = job.result()
    ends.client.WSPSend(s, b"last words")
    ends.client.WSPSendDisconnect(s, b"goodbye")
    buffer, data = bytearray(100), ends.server.WSABUF(100)
    assert ends.server.WSPRecv(conn, buffer) == (10, 0)
    assert ends.server.WSPRecv(conn, buffer) == (0, 0)
    ends.server.WSPRecvDisconnect(conn, data)
    assert bytes(data) == b"goodbye"
    with fails("EFAULT"):
        ends.server.WSPRecvDisconnect(conn, ends.server.WSABUF(3))


@both
def test_a_plain_connection_has_no_disconnect_data_and_no_error(ends):
    job = ends.accepting()
    s = ends.socket()
    ends.connect(s)
    conn, _ = job.result()
    ends.client.WSPSendDisconnect(s, b"nobody hears it")
    data = ends.server.WSABUF(100)
    assert ends.server.WSPRecv(conn, bytearray(100)) == (0, 0)
    ends.server.WSPRecvDisconnect(conn, data)
    assert data.len == 0


@conditional
def test_g23_no_syn_ack_before_somebody_accepts(ends):
    ends.two.b.collect()
    job = ends.two.spawn(ends.connect, ends.socket())
    ends.two.advance(20)
    assert syn_acks(ends.two.b.collect()) == 0
    conn, _ = ends.server.WSPAccept(ends.listener)
    job.result()
    assert syn_acks(ends.two.b.collect()) == 1
    assert conn


@conditional
def test_g23_a_client_that_nobody_accepts_times_out(ends):
    with fails("ETIMEDOUT"):
        ends.connect(ends.socket())


@conditional
def test_g22_a_rejected_syn_gets_a_reset(ends):
    job = ends.accepting(verdict=ends.server.CF_REJECT)
    ends.two.b.collect()
    with fails("ECONNREFUSED"):
        ends.connect(ends.socket())
    with fails("ECONNREFUSED"):
        job.result()
    assert syn_acks(ends.two.b.collect()) == 0


@conditional
def test_g20_a_deferred_request_whose_client_gave_up_is_10013(ends):
    spi = ends.server
    spi.WSPIoctl(ends.listener, spi.FIONBIO, 1)
    job = ends.two.spawn(ends.connect, ends.socket())
    ends.two.advance(0.5)
    with fails("TRY_AGAIN"):
        spi.WSPAccept(ends.listener, ends.condition(spi.CF_DEFER))
    ends.two.wire.clear()
    with fails("ETIMEDOUT"):
        job.result()
    ends.two.advance(300)
    with fails("EACCES"):
        spi.WSPAccept(ends.listener)


@conditional
def test_a_client_that_withdraws_is_10054(ends):
    spi = ends.server
    s = ends.socket()
    job = ends.two.spawn(ends.connect, s, b"never mind")
    ends.two.advance(0.5)
    ends.client.WSPCloseSocket(s)
    with fails("EINTR"):
        job.result()
    ends.two.advance(0.1)
    with fails("ECONNRESET"):
        spi.WSPAccept(ends.listener, ends.condition())
    assert ends.two.b.dataplane.counters()["TCP_HELD_WITHDRAWN"] == 1


@both
def test_deferred_requests_are_offered_again_with_their_data(ends):
    spi = ends.server
    callee_data = ends.client.WSABUF(10)
    job = ends.two.spawn(ends.connect, ends.socket(), b"patient", callee_data)
    ends.two.advance(0.5)
    with fails("TRY_AGAIN"):
        spi.WSPAccept(ends.listener, ends.condition(spi.CF_DEFER, b"not this"))
    spi.WSPAccept(ends.listener, ends.condition(spi.CF_ACCEPT, b"welcome"))
    job.result()
    assert [data for data, _ in ends.seen] == [b"patient"] * 2
    assert bytes(callee_data) == b"welcome"


@conditional
def test_the_syn_of_an_accepted_connection_that_was_reset_asks_nobody_again(ends):
    spi = ends.server
    s = ends.socket()
    job = ends.two.spawn(ends.connect, s, b"once")
    conn, peer = spi.WSPAccept(ends.listener, ends.condition())
    job.result()
    (syn,) = [f for _, f in ends.two.a.collect() if f[12:14] == b"\x08\x00" and f[47] & 0x02]
    spi.WSPSetSockOpt(conn, spi.SOL_SOCKET, spi.SO_LINGER, spi.LINGER(1, 0))
    spi.WSPCloseSocket(conn)
    ends.two.advance(0.1)
    ends.two.b.inject(syn)
    ends.two.advance(0.1)
    spi.WSPIoctl(ends.listener, spi.FIONBIO, 1)
    with fails("EWOULDBLOCK"):
        spi.WSPAccept(ends.listener, ends.condition())
    assert ends.two.b.dataplane.counters()["TCP_SYN_HELD_OVER"] == 1
    # Another connection between the same two ports is another matter.
    ends.client.WSPCloseSocket(s)
    again = ends.socket()
    ends.client.WSPBind(again, peer)
    job = ends.two.spawn(ends.connect, again, b"twice")
    ends.two.advance(0.1)
    spi.WSPAccept(ends.listener, ends.condition())
    job.result()
    assert [data for data, _ in ends.seen] == [b"once", b"twice"]


@both
def test_1_8_callee_data_is_there_when_fd_connect_was_signalled(ends):
    spi = ends.client
    s, callee_data, event = ends.socket(), spi.WSABUF(64), spi.WSACreateEvent()
    spi.WSPEventSelect(s, event, spi.FD_CONNECT)
    with fails("EWOULDBLOCK"):
        ends.connect(s, b"hello", callee_data)
    ends.accepting(answer=b"welcome")
    ends.two.advance(0.1)
    assert event.is_set()
    assert bytes(callee_data) == b"welcome"
    assert spi.WSPEnumNetworkEvents(s, event).lNetworkEvents == spi.FD_CONNECT
