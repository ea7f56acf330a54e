"""Overlapped requests with completion routines, which run in alertable waits of the thread."""

from echo import pending, run

from pyprov import spi


class Connection:
    """A socket of the server: each routine begins the next request."""

    def __init__(self, s, ended):
        self.s = s
        self.ended = ended
        self.buffer = bytearray(4096)
        self.overlapped = spi.WSAOVERLAPPED()
        self.receive()

    def receive(self):
        with pending():
            spi.WSPRecv(self.s, self.buffer, 0, self.overlapped, self.received)

    def received(self, error, transferred, overlapped, flags):
        if error or transferred == 0:
            spi.WSPCloseSocket(self.s)
            self.ended.append(self.s)
            return
        with pending():
            spi.WSPSend(self.s, memoryview(self.buffer)[:transferred], 0, overlapped, self.was_sent)

    def was_sent(self, error, transferred, overlapped, flags):
        self.receive()


def server(listener, clients):
    ended = []
    for _ in range(clients):
        s, _peer = spi.WSPAccept(listener)  # routines of others run while it waits
        Connection(s, ended)
    while len(ended) < clients:
        spi.SleepEx(None, alertable=True)


def client(address, text):
    s = spi.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP)
    spi.WSPConnect(s, address)
    answer, ended = bytearray(len(text)), []

    def done(error, transferred, overlapped, flags):
        ended.append((error, transferred))

    with pending():
        spi.WSPRecv(s, answer, spi.MSG_WAITALL, spi.WSAOVERLAPPED(), done)
    with pending():
        spi.WSPSend(s, text, 0, spi.WSAOVERLAPPED(), done)
    while len(ended) < 2:
        spi.SleepEx(None, alertable=True)
    assert ended == [(0, len(text))] * 2
    spi.WSPCloseSocket(s)
    return bytes(answer)


if __name__ == "__main__":
    run(server, client)
