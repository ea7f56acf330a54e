"""The thirty functions on one engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyprov.core.limits import Limits
from pyprov.spi import constants
from pyprov.spi.connecting import ConnectingCalls
from pyprov.spi.ioctl import IoctlCalls
from pyprov.spi.listening import ListeningCalls
from pyprov.spi.many import ManyCalls
from pyprov.spi.names import NameCalls
from pyprov.spi.notify import NotifyCalls
from pyprov.spi.options import OptionCalls
from pyprov.spi.overlapped import OverlappedCalls
from pyprov.spi.qosname import QosNameCalls
from pyprov.spi.sockets import SocketCalls
from pyprov.spi.startup import Engine, StartupCalls
from pyprov.spi.strings import StringCalls
from pyprov.spi.transfer import TransferCalls

if TYPE_CHECKING:
    from pyprov.core.port import Dataplane


class AllCalls(
    StartupCalls,
    SocketCalls,
    NameCalls,
    ListeningCalls,
    ConnectingCalls,
    TransferCalls,
    NotifyCalls,
    OverlappedCalls,
    OptionCalls,
    IoctlCalls,
    QosNameCalls,
    StringCalls,
    ManyCalls,
):
    """All groups of calls together; constants and classes can be read through it."""


# As members: a `__getattr__` would slow each look at any member, and with it all calls.
for _name, _value in vars(constants).items():
    if not _name.startswith("_") and not hasattr(AllCalls, _name):
        setattr(AllCalls, _name, staticmethod(_value))


class Provider(AllCalls):
    """A provider bound to an engine that runs already, a lab's for example.

    It is started; WSPStartup and WSPCleanup count on top of that, and never stop the engine.
    """

    def __init__(self, dataplane: Dataplane, limits: Limits | None = None) -> None:
        self._limits = Limits() if limits is None else limits
        super().__init__(lambda _: Engine(dataplane, self._limits, None))
        self.WSPStartup()

    def limit(self, limits: Limits) -> None:
        """Let other limits hold for what is made from now on."""
        self._limits = limits
        if self._started is not None:
            self._started.limits = limits
