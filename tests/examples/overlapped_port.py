"""A completion port: several threads take what has ended on all sockets; AcceptEx accepts."""

import threading

from echo import pending, run

from pyprov import spi

SLOT = 32
THREADS = 2


class Connection:
    """A socket, its buffer, and what its one request is about."""

    def __init__(self, listener, accept_ex):
        self.s = spi.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP)
        self.buffer = bytearray(4096)
        self.overlapped = spi.WSAOVERLAPPED()
        self.then = self.accepted
        self.listener = listener
        with pending():
            accept_ex(listener, self.s, self.buffer, 1024, SLOT, SLOT, self.overlapped)

    def accepted(self, transferred):
        """The first data has come with the connection."""
        spi.WSPSetSockOpt(self.s, spi.SOL_SOCKET, spi.SO_UPDATE_ACCEPT_CONTEXT, self.listener)
        self.received(transferred)

    def received(self, transferred):
        if transferred == 0:
            spi.WSPCloseSocket(self.s)
            return
        self.then = self.was_sent
        with pending():
            spi.WSPSend(self.s, memoryview(self.buffer)[:transferred], 0, self.overlapped)

    def was_sent(self, transferred):
        self.then = self.received
        with pending():
            spi.WSPRecv(self.s, self.buffer, 0, self.overlapped)


class Server:
    """All connections by their requests, and the port."""

    def __init__(self, listener, clients):
        self.port = spi.CompletionPort()
        self.port.associate(listener)
        self.left = clients
        self.lock = threading.Lock()
        self.connections = {}
        accept_ex = spi.WSPIoctl(
            listener, spi.SIO_GET_EXTENSION_FUNCTION_POINTER, spi.WSAID_ACCEPTEX
        )
        with self.lock:
            for _ in range(clients):
                connection = Connection(listener, accept_ex)
                self.port.associate(connection.s)
                self.connections[connection.overlapped] = connection

    def work(self):
        while True:
            _key, transferred, overlapped, error = self.port.get()
            if overlapped is None:
                return
            with self.lock:
                connection = self.connections[overlapped]
            assert error == 0
            ended = transferred == 0
            connection.then(transferred)
            if ended:
                self.end_one()

    def end_one(self):
        with self.lock:
            self.left -= 1
            if self.left == 0:
                for _ in range(THREADS):
                    self.port.post()


def server(listener, clients):
    state = Server(listener, clients)
    threads = [threading.Thread(target=state.work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def client(address, text):
    s = spi.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP)
    spi.WSPConnect(s, address)
    port = spi.CompletionPort()
    port.associate(s, "the client's")
    answer = bytearray(len(text))
    receiving, sending = spi.WSAOVERLAPPED(), spi.WSAOVERLAPPED()
    with pending():
        spi.WSPRecv(s, answer, spi.MSG_WAITALL, receiving)
    with pending():
        spi.WSPSend(s, text, 0, sending)
    ended = {port.get().overlapped for _ in range(2)}
    assert ended == {receiving, sending}
    spi.WSPCloseSocket(s)
    port.close()
    return bytes(answer)


if __name__ == "__main__":
    run(server, client)
