"""A socket with an event object."""

ALL = 0x3FF


class Watched:
    """A socket with an event object."""

    def __init__(self, world, s, mask=ALL):
        self.world = world
        self.spi = world.spi
        self.s = s
        self.event = world.spi.WSACreateEvent()
        self.select(mask)

    def select(self, mask):
        self.spi.WSPEventSelect(self.s, self.event, mask)

    def enum(self, s=None):
        """What the record holds; the event is reset."""
        self.world.settle()
        return self.spi.WSPEnumNetworkEvents(self.s if s is None else s, self.event)

    def seen(self, s=None):
        return self.enum(s).lNetworkEvents

    @property
    def is_set(self):
        self.world.settle()
        return self.event.is_set()
