"""Two networks with one face: the fake dataplane's and a pair of labs.

A world has `.dataplane`, which is tested, and `.request(port, data)`, which makes a client on the
other side: `.send .finish .reset .received .finished .was_reset`. What the client does has arrived
after `.settle()`.
"""

import errno

from pyprov.core import port
from pyprov.core.port import DataplaneError
from pyprov.lab import Lab
from tests.python.fakes import FakeDataplane


class FakeWorld:
    def __init__(self):
        self.dataplane = FakeDataplane()
        self.next_port = 40000

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.dataplane.__exit__(*exception)

    def request(self, number, data=b""):
        self.next_port += 1
        return self.dataplane.request(number, ("10.9.0.1", self.next_port), data)

    def settle(self, seconds=0.01):
        self.dataplane.advance(seconds)

    def spawn(self, function, *args):
        return self.dataplane.scheduler.spawn(function, *args)


class Client:
    """The far end of a connection, on the other lab's dataplane."""

    def __init__(self, dataplane, number, peer):
        self.dataplane = dataplane
        address = port.pack_address(peer)
        self.handle = dataplane.connect(port.ConnectParams(peer=address, peer_port=number))
        self.got = bytearray()

    def send(self, data):
        assert self.dataplane.send(self.handle, data) == len(data)

    def finish(self):
        self.dataplane.shutdown_send(self.handle)

    def reset(self):
        self.dataplane.close(self.handle, port.CLOSE_ABORT)

    @property
    def received(self):
        self.read()
        return self.got

    @property
    def finished(self):
        return self.read() == 0

    @property
    def was_reset(self):
        return self.dataplane.status(self.handle).error in {-errno.ECONNRESET, -errno.ECONNREFUSED}

    def read(self):
        """Take all that is there; what the last recv returned."""
        buffer = bytearray(65536)
        while True:
            try:
                n = self.dataplane.recv(self.handle, buffer)
            except DataplaneError:
                return None
            if not n:
                return n
            self.got += buffer[:n]


class PairWorld:
    def __init__(self):
        self.two = Lab.pair(seed=7, delay=1e-4)
        self.dataplane = self.two.b.dataplane

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.two.__exit__(*exception)

    def request(self, number, data=b""):
        client = Client(self.two.a.dataplane, number, self.two.b.address)
        self.settle()
        if data:
            client.send(data)
            self.settle()
        return client

    def settle(self, seconds=0.3):  # more than a delayed acknowledgment and what waits for it
        self.two.advance(seconds)

    def spawn(self, function, *args):
        return self.two.spawn(function, *args)


WORLDS = {"fake": FakeWorld, "lab": PairWorld}
