"""WSPEventSelect: network events of many sockets, told by event objects."""

from echo import run, would_block

from pyprov import spi


class Server:
    """One event object for each socket, and one thread that waits for all of them."""

    def __init__(self, listener):
        self.listener = listener
        self.sockets = []
        self.events = []
        self.served = 0
        self.add(listener, spi.FD_ACCEPT)

    def add(self, s, mask):
        self.sockets.append(s)
        self.events.append(spi.WSACreateEvent())
        spi.WSPEventSelect(s, self.events[-1], mask)

    def drop(self, index):
        spi.WSPCloseSocket(self.sockets.pop(index))
        spi.WSACloseEvent(self.events.pop(index))
        self.served += 1

    def step(self):
        index = spi.WSAWaitForMultipleEvents(self.events) - spi.WSA_WAIT_EVENT_0
        s = self.sockets[index]
        happened = spi.WSPEnumNetworkEvents(s, self.events[index]).lNetworkEvents
        if happened & spi.FD_ACCEPT:
            with would_block():
                accepted, _peer = spi.WSPAccept(self.listener)
                self.add(accepted, spi.FD_READ | spi.FD_CLOSE)
        if happened & (spi.FD_READ | spi.FD_CLOSE) and self.echo(s):
            self.drop(index)

    def echo(self, s):
        """Send back what is there; True at the peer's end."""
        buffer = bytearray(4096)
        with would_block():
            while True:
                count, _ = spi.WSPRecv(s, buffer)
                if count == 0:
                    return True
                spi.WSPSend(s, memoryview(buffer)[:count])  # all of it is taken over
        return False


def server(listener, clients):
    state = Server(listener)
    while state.served < clients:
        state.step()


def client(address, text):
    s = spi.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP)
    event = spi.WSACreateEvent()
    spi.WSPEventSelect(s, event, spi.FD_CONNECT | spi.FD_READ)
    with would_block():
        spi.WSPConnect(s, address)
    answer = bytearray()
    while len(answer) < len(text):
        spi.WSAWaitForMultipleEvents([event])
        events = spi.WSPEnumNetworkEvents(s, event)
        if events.lNetworkEvents & spi.FD_CONNECT:
            assert events.iErrorCode[spi.FD_CONNECT_BIT] == 0
            spi.WSPSend(s, text)
        if events.lNetworkEvents & spi.FD_READ:
            buffer = bytearray(4096)
            with would_block():
                count, _ = spi.WSPRecv(s, buffer)
                answer += buffer[:count]
    spi.WSPCloseSocket(s)
    return bytes(answer)


if __name__ == "__main__":
    run(server, client)
