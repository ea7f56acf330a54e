"""WSPSelect: one thread, non-blocking sockets, and a look at which of them can go on."""

from echo import run, would_block

from pyprov import spi


class Connection:
    """A socket of the server, and what it has yet to send back."""

    def __init__(self, s):
        self.s = s
        self.unsent = bytearray()
        self.at_end = False

    def read(self):
        buffer = bytearray(4096)
        with would_block():
            count, _ = spi.WSPRecv(self.s, buffer)
            self.unsent += buffer[:count]
            self.at_end = count == 0

    def write(self):
        with would_block():
            sent = spi.WSPSend(self.s, bytes(self.unsent))
            del self.unsent[:sent]


def server(listener, clients):
    spi.WSPIoctl(listener, spi.FIONBIO, 1)
    connections = {}
    served = 0
    while served < clients:
        reading = [s for s, connection in connections.items() if not connection.at_end]
        writing = [s for s, connection in connections.items() if connection.unsent]
        readable, writable, _ = spi.WSPSelect([listener, *reading], writing, None)
        for s in readable:
            if s == listener:
                with would_block():
                    accepted, _peer = spi.WSPAccept(listener)
                    connections[accepted] = Connection(accepted)
            else:
                connections[s].read()
        for s in writable:
            connections[s].write()
        for s, connection in list(connections.items()):
            if connection.at_end and not connection.unsent:
                spi.WSPCloseSocket(s)
                del connections[s]
                served += 1


def client(address, text):
    s = spi.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP)
    spi.WSPIoctl(s, spi.FIONBIO, 1)
    with would_block():
        spi.WSPConnect(s, address)
    _, connected, failed = spi.WSPSelect(None, [s], [s])
    assert connected
    assert not failed
    spi.WSPSend(s, text)
    answer = bytearray()
    while len(answer) < len(text):
        spi.WSPSelect([s], None, None)
        buffer = bytearray(4096)
        count, _ = spi.WSPRecv(s, buffer)
        answer += buffer[:count]
    spi.WSPCloseSocket(s)
    return bytes(answer)


if __name__ == "__main__":
    run(server, client)
