"""The services in Python and their accept loop, on two engines joined by an emulated wire."""

import hashlib

import pytest

from pyprov.lab import Lab
from pyprov.tools.arguments import Where
from pyprov.tools.serve import http, listen, plain
from pyprov.tools.serve.acceptor import Acceptor
from pyprov.winsock.codes import WSAECONNREFUSED, WSAECONNRESET
from pyprov.winsock.errors import WSAError

SD_SEND = 1


@pytest.fixture
def two():
    with Lab.pair(seed=7) as pair:
        yield pair


class Server:
    """A service at b, and its users at a."""

    def __init__(self, two, service, condition=None):
        self.two = two
        self.failures = []
        spi = two.b.spi
        listener = listen(spi, Where(two.b.address, 80), 16)
        self.acceptor = Acceptor(
            two.b.dataplane, spi, listener, service, condition, self.failures.append
        )

    def connect(self):
        spi = self.two.a.spi
        s = spi.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP)
        spi.WSPConnect(s, (self.two.b.address, 80))
        return s

    def talk(self, sent):
        """Send all, end, and return all that comes back."""
        s = self.connect()
        sender = self.two.spawn(self.send, s, sent)
        received = self.receive(s)
        sender.result()
        self.two.a.spi.WSPCloseSocket(s)
        return received

    def send(self, s, data):
        self.two.a.spi.WSPSend(s, data)
        self.two.a.spi.WSPShutdown(s, SD_SEND)

    def receive(self, s):
        memory, received = bytearray(1 << 16), bytearray()
        while count := self.two.a.spi.WSPRecv(s, memory)[0]:
            received += memory[:count]
        return bytes(received)


def ask(server, text, body=b""):
    """Make one request; its status, fields and body."""
    answer = server.talk(text.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
    return parse(answer)


def parse(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return int(first.split()[1]), dict(line.split(": ") for line in lines), body


# --- http -----------------------------------------------------------------------------------------


def test_a_greeting(two):
    status, fields, body = ask(Server(two, http.serve), "GET / HTTP/1.1")
    assert (status, body) == (200, http.GREETING)
    assert fields["Content-Length"] == str(len(body))


@pytest.mark.parametrize("length", [0, 1, 251, 100_000, 1_000_001])
def test_as_many_bytes_as_asked_for_each_in_its_place(two, length):
    status, fields, body = ask(Server(two, http.serve), f"GET /{length} HTTP/1.1")
    assert (status, fields["Content-Length"]) == (200, str(length))
    assert body == (bytes(range(251)) * (length // 251 + 1))[:length]


def test_a_head_is_all_but_the_body(two):
    status, fields, body = ask(Server(two, http.serve), "HEAD /1000 HTTP/1.1")
    assert (status, fields["Content-Length"], body) == (200, "1000", b"")


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_what_was_put_is_answered_by_its_digest(two, method):
    sent = bytes(reversed(range(256))) * 4000
    request = f"{method} /x HTTP/1.1\nContent-Length: {len(sent)}"
    status, _, body = ask(Server(two, http.serve), request, sent)
    assert status == 200
    assert body.decode().split() == [str(len(sent)), hashlib.sha256(sent).hexdigest()]


def test_who_asks_first_is_told_to_go_on(two):
    server = Server(two, http.serve)
    spi, s, memory = two.a.spi, server.connect(), bytearray(1000)
    spi.WSPSend(s, b"PUT / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    count, _ = spi.WSPRecv(s, memory)
    assert memory[:count] == b"HTTP/1.1 100 Continue\r\n\r\n"
    server.send(s, b"hi")
    assert parse(server.receive(s))[2].startswith(b"2 ")


def test_requests_may_follow_each_other_at_once(two):
    one = b"PUT / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"
    answer = Server(two, http.serve).talk(one + one + b"GET /5 HTTP/1.1\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert answer.count(b"3 " + hashlib.sha256(b"abc").hexdigest().encode()) == 2
    assert answer.endswith(b"\r\n\r\n\0\1\2\3\4")


@pytest.mark.parametrize(
    ("request_line", "kept"),
    [
        ("GET /1 HTTP/1.1", True),
        ("GET /1 HTTP/1.1\nConnection: close", False),
        ("GET /1 HTTP/1.0", False),
        ("GET /1 HTTP/1.0\nConnection: keep-alive", True),
    ],
)
def test_a_connection_is_kept_as_the_client_likes(two, request_line, kept):
    request = request_line.replace("\n", "\r\n").encode() + b"\r\n\r\n"
    answer = Server(two, http.serve).talk(request + b"GET /2 HTTP/1.1\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200") == (2 if kept else 1)


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        ("nonsense", 400),
        ("GET / FTP/1.1", 400),
        ("GET / HTTP/1.1\nno colon", 400),
        ("GET / HTTP/1.1\n folded: x", 400),
        ("PUT / HTTP/1.1\nContent-Length: -1", 400),
        ("PUT / HTTP/1.1\nContent-Length: 1_0", 400),
        ("PUT / HTTP/1.1\nContent-Length: 10", 400),  # which do not come
        ("PUT / HTTP/1.1\nTransfer-Encoding: chunked", 411),
        ("DELETE / HTTP/1.1", 405),
        ("GET /page HTTP/1.1", 404),
        ("GET /99999999999999 HTTP/1.1", 404),
        ("GET / HTTP/1.1\nx: " + "y" * 40_000, 431),
    ],
)
def test_what_cannot_be_done_gets_its_status(two, request_text, status):
    server = Server(two, http.serve)
    assert ask(server, request_text)[0] == status
    assert server.failures == []


def test_a_head_cut_off_is_a_bad_request(two):
    assert parse(Server(two, http.serve).talk(b"GET / HT"))[0] == 400


# --- echo and discard -----------------------------------------------------------------------------


def test_echo_sends_back_all_of_it(two):
    sent = bytes(range(256)) * 5000
    assert Server(two, plain.echo).talk(sent) == sent


def test_discard_takes_all_and_says_nothing(two):
    assert Server(two, plain.discard).talk(b"x" * 1_000_000) == b""


# --- accepting ------------------------------------------------------------------------------------


def refuse_odd_ports(caller_id, *_):
    return 1 if caller_id.address[1] % 2 else 0  # CF_REJECT, CF_ACCEPT


def test_a_condition_decides_who_is_served(two):
    server = Server(two, plain.echo, refuse_odd_ports)
    counts = [0, 0]
    for _ in range(20):
        s = server.connect()
        odd = two.a.spi.WSPGetSockName(s)[1] % 2
        counts[odd] += 1
        if odd:
            with pytest.raises(WSAError) as reset:
                server.receive(s)
            assert reset.value.code == WSAECONNRESET
        else:
            server.send(s, b"hello")
            assert server.receive(s) == b"hello"
    assert counts == [server.acceptor.accepted, server.acceptor.rejected]
    assert min(counts) > 0


def test_a_deferred_request_is_asked_about_again(two):
    asked = []

    def later(caller_id, *_):
        asked.append(two.now)
        return 0 if len(asked) == 3 else 2  # CF_DEFER

    assert Server(two, plain.echo, later).talk(b"now?") == b"now?"
    assert len(asked) == 3
    assert asked[2] - asked[0] >= 0.04


def test_connections_are_served_beside_each_other(two):
    server = Server(two, plain.echo)
    sockets = [server.connect() for _ in range(50)]
    for number, s in enumerate(sockets):
        server.send(s, b"%d" % number)
    assert [server.receive(s) for s in sockets] == [b"%d" % number for number in range(50)]
    assert server.acceptor.accepted == 50


def test_a_service_that_fails_ends_its_connection_alone(two, capsys):
    def fails(spi, s, peer):
        if spi.WSPRecv(s, bytearray(1))[0]:
            raise ValueError("out of soup")

    server = Server(two, fails)
    assert server.talk(b"1") == b""
    assert server.talk(b"") == b""
    assert "out of soup" in capsys.readouterr().err
    assert server.failures == []


def test_a_condition_that_raises_rejects_its_request_alone(two, capsys):
    def fails_at_first(caller_id, *_):
        if server.acceptor.rejected == 0:
            raise ValueError("no idea")
        return 0

    server = Server(two, plain.echo, fails_at_first)
    with pytest.raises(WSAError) as reset:
        server.talk(b"1")
    assert reset.value.code == WSAECONNRESET
    assert server.talk(b"2") == b"2"
    assert "no idea" in capsys.readouterr().err
    assert (server.acceptor.accepted, server.acceptor.rejected) == (1, 1)


def test_after_the_stop_nobody_is_accepted(two):
    server = Server(two, plain.echo)
    s = server.connect()
    two.advance(1)
    server.acceptor.stop()
    with pytest.raises(WSAError) as refused:
        server.connect()
    assert refused.value.code == WSAECONNREFUSED
    server.send(s, b"still here")
    assert server.receive(s) == b"still here"
    assert server.failures == []
