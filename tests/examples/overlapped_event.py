"""Overlapped requests that set event objects; WSPGetOverlappedResult says how they have ended."""

from echo import pending, run

from pyprov import spi


class Request:
    """A request under way on a socket: at any time one, to receive or to send."""

    def __init__(self, s):
        self.s = s
        self.overlapped = spi.WSAOVERLAPPED(spi.WSACreateEvent())
        self.buffer = bytearray(4096)
        self.sending = False

    @property
    def event(self):
        return self.overlapped.hEvent

    def receive(self):
        self.sending = False
        with pending():
            spi.WSPRecv(self.s, self.buffer, 0, self.overlapped)

    def send(self, count):
        self.sending = True
        with pending():
            spi.WSPSend(self.s, memoryview(self.buffer)[:count], 0, self.overlapped)

    def go_on(self):
        """It has ended: begin the next one; False if there is nothing more to do."""
        count, _flags = spi.WSPGetOverlappedResult(self.s, self.overlapped, False)
        if self.sending:
            self.receive()
        elif count:
            self.send(count)
        else:
            spi.WSPCloseSocket(self.s)
            return False
        return True


def server(listener, clients):
    requests = []
    for _ in range(clients):
        s, _peer = spi.WSPAccept(listener)
        requests.append(Request(s))
        requests[-1].receive()
    while requests:
        index = spi.WSAWaitForMultipleEvents([request.event for request in requests])
        if not requests[index].go_on():
            del requests[index]


def client(address, text):
    """ConnectEx sends the text with the connection."""
    s = spi.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP)
    spi.WSPBind(s, ("0.0.0.0", 0))
    connect_ex = spi.WSPIoctl(s, spi.SIO_GET_EXTENSION_FUNCTION_POINTER, spi.WSAID_CONNECTEX)
    overlapped = spi.WSAOVERLAPPED(spi.WSACreateEvent())
    with pending():
        connect_ex(s, address, text, overlapped)
    sent, _ = spi.WSPGetOverlappedResult(s, overlapped, True)
    assert sent == len(text)
    answer = bytearray(len(text))
    with pending():
        spi.WSPRecv(s, answer, spi.MSG_WAITALL, overlapped)
    spi.WSPGetOverlappedResult(s, overlapped, True)
    spi.WSPCloseSocket(s)
    return bytes(answer)


if __name__ == "__main__":
    run(server, client)
