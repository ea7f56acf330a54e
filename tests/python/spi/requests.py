"""Overlapped requests as tests make them."""

from tests.python.failing import fails


class Request:
    """A structure with an event object, and the routine's calls if there is to be one."""

    def __init__(self, world, *, routine=False, event=True):
        self.world = world
        self.spi = world.spi
        self.event = self.spi.WSACreateEvent() if event else None
        self.overlapped = self.spi.WSAOVERLAPPED(self.event)
        self.calls = []
        self.routine = self.note if routine else None

    def note(self, error, transferred, overlapped, flags):
        assert overlapped is self.overlapped
        self.calls.append((error, transferred, flags))

    def begin(self, call, *arguments, **more):
        """Make the request, which may pend or be done at once."""
        try:
            call(*arguments, **more)
        except self.spi.WSAError as error:
            if error.code != self.spi.WSA_IO_PENDING:
                raise
        return self

    @property
    def arguments(self):
        return self.overlapped, self.routine

    @property
    def pending(self):
        self.world.settle()
        return self.overlapped.Internal == self.spi.WSS_OPERATION_IN_PROGRESS

    @property
    def is_set(self):
        self.world.settle()
        return self.event.is_set()

    @property
    def error(self):
        """Of the request that has ended."""
        assert not self.pending
        return self.overlapped.OffsetHigh

    @property
    def transferred(self):
        """By the request that has ended well."""
        assert self.error == 0
        return self.overlapped.InternalHigh

    def result(self, s, wait=False):
        return self.spi.WSPGetOverlappedResult(s, self.overlapped, wait)


def receive(world, s, size=64, **kind):
    """A pending request to receive, and its buffer."""
    request, buffer = Request(world, **kind), bytearray(size)
    with fails("WSA_IO_PENDING"):
        world.spi.WSPRecv(s, buffer, 0, *request.arguments)
    return request, buffer
