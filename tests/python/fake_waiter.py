"""core.port.Waiter of the fake dataplane (fakes.py)."""

import contextlib
import os

from pyprov.core import port
from pyprov.core.port import Ready


class FakeWaiter:
    def __init__(self, fake, fd=None):
        self.fake = fake
        self.watches = {}
        self.changed = {}
        self.rung = False
        self.signal = fd is not None
        self.own_fd = None if self.signal else os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.fd = fd if self.signal else self.own_fd

    def watch(self, handle, mask, *, once=False, cookie=0):
        connection = self.fake.record(handle, "watch")
        self.watches.pop(handle, None)
        self.changed.pop(handle, None)
        if not mask:
            return
        self.watches[handle] = (mask, once, cookie)
        if connection.status.ready & mask and (not self.signal or once):
            self.report(handle)

    def watch_since(self, handle, mask, seen):
        status = self.fake.record(handle, "watch").status
        self.watches.pop(handle, None)
        self.changed.pop(handle, None)
        self.watches[handle] = (mask, False, 0)
        if port.moves(status, mask) != seen:
            self.report(handle)

    def report(self, handle):
        _, once, cookie = self.watches[handle]
        if once:
            del self.watches[handle]
        if not self.signal:
            self.changed[handle] = cookie
        os.eventfd_write(self.fd, 1)

    def watch_addresses(self):
        """They stay as they are."""

    def take(self, n=256):
        taken = []
        for handle in list(self.changed)[:n]:
            cookie = self.changed.pop(handle)
            known = self.fake.records.get(handle)
            taken.append(Ready(handle, cookie, known.status.ready if known else 0))
        if not self.changed:
            self.drain()
        return taken

    def wait(self, timeout_ns=None):
        self.fake.block(lambda: bool(self.changed) or self.rung, timeout_ns)
        if self.rung:
            self.rung = False
            self.drain()
            return True
        return bool(self.changed)

    def wait_for(self, handle, mask, timeout_ns=None):
        status = self.fake.record(handle, "wait_for").status

        def ready():
            return status.ready & mask if handle in self.fake.records else 0

        self.fake.block(lambda: ready() or self.rung or handle not in self.fake.records, timeout_ns)
        self.rung = False
        return ready()

    def ring(self):
        self.rung = True
        os.eventfd_write(self.fd, 1)

    def drain(self):
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self.fd)

    def fileno(self):
        return self.fd

    def close(self):
        if self in self.fake.waiters:
            self.fake.waiters.remove(self)
        if self.own_fd is not None:
            os.close(self.own_fd)
            self.own_fd = None
