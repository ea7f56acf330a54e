"""One host of ours in a lab: a listener, its application, and a peer that watches every frame."""

import errno

from pyprov.core.port import (
    ANY_ADDRESS,
    CLOSE_ABORT,
    ConnectParams,
    DataplaneError,
    ListenParams,
    pack_address,
)
from pyprov.lab import Lab
from tests.python.peer import Peer
from tests.python.tcp.wire_rules import check_frame

PORT = 80

# The peer's station address is known, so that what is sent leaves at any time.
PEER_MAC = "02:00:00:00:00:99"
NEIGHBOURS = [{"address": host, "mac": PEER_MAC} for host in ("10.9.0.1", "fd09::1")]

# enum pv_tcp_state
STATES = (
    "CLOSED",
    "LISTEN",
    "SYN-SENT",
    "SYN-RECEIVED",
    "ESTABLISHED",
    "CLOSE-WAIT",
    "FIN-WAIT-1",
    "CLOSING",
    "LAST-ACK",
    "FIN-WAIT-2",
    "TIME-WAIT",
)

# What a connection comes to after the handshake, one state after the other.
SYNCHRONISED = ("ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING", "LAST-ACK")


class WatchingPeer(Peer):
    """Lets nothing pass that no host may send."""

    def answer(self, frame):
        check_frame(frame.original)
        return super().answer(frame)


class Application:
    """Who holds a connection's handle."""

    def __init__(self, host, handle):
        self.host = host
        self.handle = handle
        self.status = host.dataplane.status(handle)

    @property
    def state(self):
        return STATES[self.status.state]

    @property
    def info(self):
        return self.host.dataplane.info(self.handle)

    def send(self, data, flags=0):
        """Write; the segments leave at once. Returns how much was taken, None if full."""
        taken = self.host.dataplane.send(self.handle, data, flags)
        self.host.turn()
        return taken

    def recv(self, size=1 << 20, flags=0):
        """Bytes, b"" after the peer's FIN, None if nothing is there."""
        buffer = bytearray(size)
        count = self.host.dataplane.recv(self.handle, buffer, flags)
        self.host.turn()
        return None if count is None else bytes(buffer[:count])

    @property
    def error(self):
        """The errno with which reading fails, 0 if it does not."""
        try:
            self.recv()
        except DataplaneError as error:
            return -error.error
        return 0

    def shutdown(self):
        self.host.dataplane.shutdown_send(self.handle)
        self.host.turn()

    def close(self):
        self.host.dataplane.close(self.handle)
        self.host.turn()

    def abort(self):
        self.host.dataplane.close(self.handle, CLOSE_ABORT)
        self.host.turn()

    def option(self, option, value):
        self.host.dataplane.set_option(self.handle, option, value)
        self.host.turn()


class Host:
    """A lab with [tcp] keys of its own, and keywords of ListenParams."""

    def __init__(self, seed=1, *, tcp=None, provider=None, port=None, listen=True, **params):
        ports = [{"neighbour": NEIGHBOURS} | (port or {})]
        tables = {"tcp": tcp or {}, "provider": provider or {}, "port": ports}
        self.lab = Lab(seed=seed, config=tables)
        self.dataplane = self.lab.dataplane
        self.peer = WatchingPeer(self.lab, mac=PEER_MAC)
        self.listener = self.listen(**params) if listen else None

    def __enter__(self):
        self.lab.__enter__()
        return self

    def __exit__(self, *exception):
        return self.lab.__exit__(*exception)

    def turn(self):
        self.dataplane.step(self.dataplane.now())

    def listen(self, port=PORT, family=46, **params):
        return self.dataplane.listen(ListenParams(port=port, family=family, **params))

    def accept(self, listener=None):
        """The application of the oldest request, None if none waits."""
        request = self.dataplane.accept(self.listener if listener is None else listener)
        return None if request is None else Application(self, request.handle)

    def connection(self, *, port=PORT, options=None, **tcp):
        """A peer's end and our application's, ESTABLISHED. `options`: of the SYN."""
        end = self.peer.tcp(port, **tcp)
        end.handshake(options)
        application = self.accept()
        assert application is not None, "nothing to accept"
        return end, application

    def connect(self, port=7, *, v6=False, **params):
        """Begin an active open; returns the peer's end, before it has seen the SYN, and ours."""
        peer = self.peer.address6 if v6 else self.peer.address
        handle = self.dataplane.connect(
            ConnectParams(peer=pack_address(peer), peer_port=port, **params)
        )
        application = Application(self, handle)
        self.turn()
        source = params.get("local_port") or application.info.local_port
        return self.peer.tcp(source, sport=port, v6=v6), application

    def after_a_lost_syn(self, *, passive):
        """A connection whose SYN, or SYN-ACK if passive, was sent twice: the peer and its user."""
        if passive:
            end = self.peer.tcp(PORT)
            end.segment("S", options=[("MSS", 1000)])
            end.expect("SA")
            end.expect("SA", within=1.5)
            end.segment("A")
            return end, self.accept()
        end, app = self.connect()
        end.take()
        end.ack = end.take(1.5).seq + 1
        end.segment("SA", options=[("MSS", 1000)])
        end.expect("A")
        return end, app

    def in_state(self, state, **tcp):
        """A connection that the peer opened, brought to a state."""
        end, application = self.connection(**tcp)
        if state in {"CLOSE-WAIT", "LAST-ACK"}:
            end.segment("FA")
            end.expect("A", ack=end.seq)
        if state not in {"ESTABLISHED", "CLOSE-WAIT"}:
            application.shutdown()
            end.expect("FA")
        if state in {"FIN-WAIT-2", "TIME-WAIT"}:
            end.segment("A")
        if state in {"CLOSING", "TIME-WAIT"}:
            end.segment("FA", ack=end.ack - (state == "CLOSING"))
            end.expect("A", ack=end.seq)
        assert application.state == state
        return end, application

    def counter(self, name):
        return self.dataplane.counters()[name]

    def counts(self, *names):
        counters = self.dataplane.counters()
        return tuple(counters[name] for name in names)


def refused(call, *arguments):
    """The name of the errno with which a call of the dataplane fails, "" if it does not."""
    try:
        call(*arguments)
    except DataplaneError as error:
        return errno.errorcode[-error.error]
    return ""


__all__ = ["ANY_ADDRESS", "PORT", "STATES", "SYNCHRONISED", "Application", "Host", "refused"]
