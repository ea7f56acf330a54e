"""Providers on live engines without a device, and threads that use them."""

import contextlib
import sys
import threading

from pyprov.core.port import DataplaneError
from pyprov.runtime import convert, dataplane, eal, engine
from pyprov.runtime.config import Config
from pyprov.spi.provider import Provider

TABLES = {
    "provider": {"memory": 24, "packet_buffers": 2048, "max_connections": 4096},
    "port": [{"device": "ring", "address": ["10.9.0.2/24"]}],
    "tcp": {"nagle": False},
}
HERE = "10.9.0.2"
PATIENCE = 60


class Threads:
    """Threads whose errors come out in the test, and that must end."""

    def __init__(self):
        self.threads = []
        self.errors = []

    def start(self, function, *args):
        def body():
            try:
                function(*args)
            except BaseException as error:  # noqa: BLE001 - raised in the test
                self.errors.append(error)

        thread = threading.Thread(target=body, daemon=True)
        self.threads.append(thread)
        thread.start()
        return thread

    def join(self):
        for thread in self.threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a thread hangs"
        self.threads.clear()
        if self.errors:
            raise self.errors[0]


@contextlib.contextmanager
def quick_turns():
    """Python's threads get in between each other after microseconds, not milliseconds."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(20e-6)
    yield
    sys.setswitchinterval(before)


def start(config):
    """A live engine in an EAL that other tests of the process use too."""
    engine.start_eal(eal.lab_arguments(), any_will_do=True)
    record = dataplane.new_config()
    convert.fill(record, config, huge=False)
    return dataplane.EngineDataplane(record)


@contextlib.contextmanager
def provider(workers):
    """A provider on an engine of so many workers, reached by loopback."""
    plane = start(Config.from_dict(TABLES | {"workers": {"count": workers}}))
    yield Provider(plane)
    with contextlib.suppress(DataplaneError):  # the test has stopped it
        plane.stop(0)


def listen(spi, port=80, backlog=500):
    s = spi.WSPSocket(2, 1, 6)
    spi.WSPBind(s, (HERE, port))
    spi.WSPListen(s, backlog)
    return s


def connect(spi):
    s = spi.WSPSocket(2, 1, 6)
    spi.WSPConnect(s, (HERE, 80))
    return s


def pair(spi, listener):
    near = connect(spi)
    return near, spi.WSPAccept(listener)[0]


def receive(spi, s, size):
    buffer = bytearray(size)
    assert spi.WSPRecv(s, buffer, spi.MSG_WAITALL)[0] == size
    return bytes(buffer)
