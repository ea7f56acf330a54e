"""What the contract of the SPI is tested on: a provider, and somebody on the other end.

Each test runs in every world. `FakeWorld` is the provider on a dataplane in plain Python, where
the other end is played by hand; `LabWorld` is the provider on the real dataplane, and the other end
is a second one, joined by an emulated wire. Time is virtual in both. The third is in tap_world.py:
a live engine with the kernel on its other end.

    world.spi                       the provider under test; its address is 10.9.0.2, fd09::2
    client = world.client(80)       somebody connects to a listener of ours
    client.send(b"x"); client.finish(); client.reset()
    client.shout(b"!"); client.heard()                      urgent data, in the lab and on a tap
    client.received, client.finished, client.was_reset      what came back
    client.close(); client.abort()                          let go of it, reset it unread
    world.serve(80)                 somebody listens at 10.9.0.1: accepts, "refuse" or "silence"
    world.at(0.5, client.send, b"x")                        half a second from now
    world.spawn(f, *args)           a thread; see pyprov.lab
    assert world.took(start, 0.5)   half a second has passed since it was `start`
    world.sent()                    frames of ours since the last call, in the lab and on a tap
"""

import errno

from pyprov.core import port
from pyprov.core.limits import Limits
from pyprov.core.port import ConnectParams, DataplaneError, ListenParams, pack_address
from pyprov.spi.provider import Provider
from tests.python.fakes import FakeDataplane

ANY_PORT = 40000


class World:
    real_time = False
    address = "10.9.0.2"
    address6 = "fd09::2"
    peer_address = "10.9.0.1"
    peer_address6 = "fd09::1"

    def listener(self, local_port=80, backlog=5, *, host=None):
        """A listening socket of ours."""
        spi = self.spi
        host = host or self.address
        s = spi.WSPSocket(
            spi.AF_INET6 if ":" in host else spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP
        )
        spi.WSPBind(s, (host, local_port))
        spi.WSPListen(s, backlog)
        return s

    def pair(self, local_port=80):
        """An accepted socket of ours and the client on its other end; the listener is closed."""
        listener = self.listener(local_port)
        client = self.client(local_port)
        s, _ = self.spi.WSPAccept(listener)
        self.spi.WSPCloseSocket(listener)
        return s, client

    def connect(self, remote_port=81):
        """A socket of ours that has connected, and who answered."""
        spi = self.spi
        self.serve(remote_port)
        s = spi.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP)
        spi.WSPConnect(s, (self.peer_address, remote_port))
        return s, self.accepted(remote_port)

    def took(self, start, seconds, within=1e-5):
        """Has it been so long since `start`? Where time is real, it may have been longer."""
        passed = self.now - start
        return passed >= seconds - 1e-3 if self.real_time else abs(passed - seconds) <= within


# ---- the fake ------------------------------------------------------------------------------------


class FakeClient:
    def __init__(self, world, peer):
        self.world = world
        self.peer = peer
        host, number = peer.peer
        self.address = (port.unpack_address(host), number)

    def send(self, data):
        self.peer.send(data)

    def finish(self):
        self.peer.finish()

    def reset(self):
        self.peer.reset()

    abort = reset

    def fail(self, error):
        """The connection ends by an error of our own TCP's finding."""
        self.peer.reset(error)

    def drain(self):
        """Read everything, which makes room for more."""
        self.peer.take()

    def acknowledge(self):
        self.peer.take()

    @property
    def received(self):
        return bytes(self.peer.received)

    @property
    def finished(self):
        return self.peer.finished

    @property
    def was_reset(self):
        return self.peer.was_reset


class FakeWorld(World):
    name = "fake"

    def __init__(self, limits=None):
        self.dataplane = FakeDataplane()
        self.spi = Provider(self.dataplane, limits or Limits())
        self.outcomes = {}
        self.dataplane.on_connect = lambda params: self.outcomes.get(
            params.peer_port, -errno.ECONNREFUSED
        )
        self.numbers = iter(range(ANY_PORT, 65536))

    def close(self):
        self.dataplane.__exit__(None, None, None)

    def client(self, local_port, data=b"", *, source=None, host=None):
        source = source or (self.peer_address, next(self.numbers))
        if host and ":" in host:
            source = (self.peer_address6, source[1])
        return FakeClient(self, self.dataplane.request(local_port, source, data, host=host))

    def serve(self, remote_port, how="accept"):
        outcomes = {"accept": 0, "refuse": -errno.ECONNREFUSED, "silence": None}
        self.outcomes[remote_port] = outcomes[how]

    def accepted(self, remote_port):
        """Who accepted our connect to this port."""
        found = [
            record
            for record in self.dataplane.records.values()
            if getattr(record, "peer", (0, 0))[1] == remote_port
        ]
        return FakeClient(self, found[-1])

    def finish_connect(self, remote_port, error=0):
        """An unanswered connect of ours ends."""
        self.dataplane.complete(self.accepted(remote_port).peer.handle, error)

    def settle(self):
        """Let what is on the wire arrive, and other threads run."""
        self.dataplane.advance(0)

    @property
    def now(self):
        return self.dataplane.clock / 1e9

    def at(self, seconds, function, *args):
        self.dataplane.at(seconds, function, *args)

    def advance(self, seconds):
        self.dataplane.advance(seconds)

    def spawn(self, function, *args):
        return self.dataplane.scheduler.spawn(function, *args)


class Client:
    """The far end of a connection: `drain` reads into `taken` and sets the other two."""

    def __init__(self, world, address):
        self.world = world
        self.address = address
        self.taken = bytearray()
        self.ended = self.broken = False

    def reset(self):
        self.drain()
        self.abort()

    @property
    def received(self):
        self.world.settle()
        self.drain()
        return bytes(self.taken)

    @property
    def finished(self):
        self.world.settle()
        self.drain()
        return self.ended

    @property
    def was_reset(self):
        self.world.settle()
        self.drain()
        return self.broken


# ---- the lab -------------------------------------------------------------------------------------

# Long enough for a segment to cross the wire and for its answer to come back.
SETTLED = 0.005


class LabClient(Client):
    def __init__(self, world, handle, address):
        super().__init__(world, address)
        self.dataplane = world.two.a.dataplane
        self.handle = handle
        self.status = self.dataplane.status(handle)

    def send(self, data):
        assert self.dataplane.send(self.handle, data) == len(data)
        self.world.settle()

    def finish(self):
        self.dataplane.shutdown_send(self.handle)
        self.world.settle()

    def shout(self, data):
        """Send bytes, the last of them urgent."""
        assert self.dataplane.send(self.handle, data, port.IO_OOB) == len(data)
        self.world.settle()

    def heard(self):
        """The urgent byte that has come."""
        one = bytearray(1)
        assert self.dataplane.recv(self.handle, one, port.IO_OOB) == 1
        return bytes(one)

    def close(self):
        self.dataplane.close(self.handle)
        self.world.settle()

    def abort(self):
        self.dataplane.close(self.handle, port.CLOSE_ABORT)
        self.world.settle()

    def drain(self):
        buffer = bytearray(65536)
        while not (self.ended or self.broken):
            try:
                count = self.dataplane.recv(self.handle, buffer)
            except DataplaneError as error:
                self.broken = error.error == -errno.ECONNRESET
                break
            if count is None:
                break
            self.ended = count == 0
            self.taken += buffer[:count]
            self.world.settle()

    def acknowledge(self):
        self.world.settle()


class LabWorld(World):
    name = "lab"

    def __init__(self, limits=None):
        from pyprov.lab import Lab  # noqa: PLC0415 - the fake needs no extension

        self.two = Lab.pair(seed=1, config={"tcp": {"nagle": False}})
        self.spi = self.two.b.spi
        if limits is not None:
            self.spi = Provider(self.two.b.dataplane, limits)
        self.servers = {}
        self.numbers = iter(range(ANY_PORT, 65536))

    def close(self):
        self.two.__exit__(None, None, None)

    def client(self, local_port, data=b"", *, source=None, host=None):
        host = host or self.address
        near = source or (self.peer_address6 if ":" in host else self.peer_address, 0)
        number = near[1] or next(self.numbers)
        handle = self.two.a.dataplane.connect(
            ConnectParams(
                peer=pack_address(host),
                peer_port=local_port,
                local=pack_address(near[0]),
                local_port=number,
            )
        )
        made = LabClient(self, handle, (near[0], number))
        self.settle()
        if made.status.error:
            made.broken = True
        elif data:
            made.send(data)
        return made

    def serve(self, remote_port, how="accept"):
        if how == "silence":
            self.two.a.dataplane.reset()
            msg = "a peer that is silent takes a wire that loses everything"
            raise NotImplementedError(msg)
        if how == "accept" and remote_port not in self.servers:
            params = ListenParams(port=remote_port, backlog=16)
            self.servers[remote_port] = self.two.a.dataplane.listen(params)

    def accepted(self, remote_port):
        self.settle()
        request = self.two.a.dataplane.accept(self.servers[remote_port])
        return LabClient(self, request.handle, (self.peer_address, remote_port))

    def sent(self):
        self.settle()
        return [frame for _, frame in self.two.b.collect()]

    def settle(self):
        self.two.advance(SETTLED)

    @property
    def now(self):
        return self.two.now

    def at(self, seconds, function, *args):
        def later():
            self.two.advance(seconds)
            function(*args)

        self.two.spawn(later)

    def advance(self, seconds):
        self.two.advance(seconds)

    def spawn(self, function, *args):
        return self.two.spawn(function, *args)


WORLDS = {"fake": FakeWorld, "lab": LabWorld}
