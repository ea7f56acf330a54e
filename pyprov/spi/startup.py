"""WSPStartup, WSPCleanup: counting, version words, and the end of everything."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from pyprov.core.closing import release
from pyprov.core.control import Control
from pyprov.core.failure import translate
from pyprov.core.notification import change_posting
from pyprov.core.port import DataplaneError
from pyprov.core.upcalls import WSPUPCALLTABLE
from pyprov.spi.base import Calls
from pyprov.spi.table import ORDER, WSPPROC_TABLE
from pyprov.winsock.codes import (
    WSAEFAULT,
    WSAEINVAL,
    WSANOTINITIALISED,
    WSAVERNOTSUPPORTED,
)
from pyprov.winsock.errors import WSAError
from pyprov.winsock.macros import HIBYTE, LOBYTE
from pyprov.winsock.protocol_info import WSAPROTOCOL_INFOW
from pyprov.winsock.structs import WSPDATA

if TYPE_CHECKING:
    from pyprov.core.limits import Limits
    from pyprov.core.port import Dataplane

VERSION: Final = 0x0202
DESCRIPTION: Final = "pyprov TCP"


class Engine(NamedTuple):
    """What a provider runs on.

    Attributes:
        dataplane: the engine.
        limits: its bounds.
        stop: ends it; None if it is somebody else's.
    """

    dataplane: Dataplane
    limits: Limits
    stop: Callable[[], None] | None


# Starts the engine that a configuration describes.
Starter: TypeAlias = Callable[[object], Engine]


class StartupCalls(Calls):
    """The life of a provider."""

    def __init__(self, starter: Starter) -> None:
        """Prepare a provider that is not started.

        Args:
            starter: called with WSPStartup's config by the first one.
        """
        super().__init__()
        self._starter = starter
        self._stop: Callable[[], None] | None = None
        self._count = 0
        self._starting = threading.Lock()

    def WSPStartup(
        self,
        wVersionRequested: int = VERSION,
        lpProtocolInfo: WSAPROTOCOL_INFOW | None = None,
        UpcallTable: WSPUPCALLTABLE | None = None,
        *,
        config: object = None,
    ) -> tuple[WSPDATA, WSPPROC_TABLE]:
        """Start the provider, or count one more user of it.

        Args:
            wVersionRequested: major version in the low byte; 2.2 or later.
            lpProtocolInfo: the catalog entry wanted; both work always.
            UpcallTable: upcalls from now on; the provider's own by default.
            config: path of a TOML file, or its tables; looked at by the first call only.

        Returns:
            What the provider says of itself, and its functions.

        Raises:
            WSAError: WSAVERNOTSUPPORTED, WSAEFAULT for arguments of a wrong type, WSASYSNOTREADY
                if the engine does not start.
        """
        version = _negotiate(wVersionRequested)
        upcalls = WSPUPCALLTABLE() if UpcallTable is None else UpcallTable
        if not isinstance(upcalls, WSPUPCALLTABLE):
            raise WSAError(WSAEFAULT, f"{upcalls!r} is no WSPUPCALLTABLE")
        if not isinstance(lpProtocolInfo, (WSAPROTOCOL_INFOW, type(None))):
            raise WSAError(WSAEFAULT, f"{lpProtocolInfo!r} is no WSAPROTOCOL_INFO")
        with self._starting:
            control = self._started
            if control is None:
                control = self._start(config, upcalls)
            control.upcalls = upcalls
            upcalls.attach(control.sockets, partial(change_posting, control))
            change_posting(control)
            self._started = control
            self._count += 1
        table = WSPPROC_TABLE({name: getattr(self, name) for name in ORDER})
        return WSPDATA(version, VERSION, DESCRIPTION), table

    def _start(self, config: object, upcalls: WSPUPCALLTABLE) -> Control:
        engine = self._starter(config)
        self._stop = engine.stop
        return Control(engine.dataplane, engine.limits, upcalls)

    def WSPCleanup(self) -> None:
        """Undo one WSPStartup; the last one closes all sockets hard and stops the engine.

        Blocking calls end with WSAEINTR; nothing else tells that a request was cancelled: of
        overlapped ones only the structure does (WSA_OPERATION_ABORTED).

        Raises:
            WSAError: WSANOTINITIALISED if there is no startup to undo.
        """
        with self._starting:
            control = self._started
            if control is None:
                raise WSAError(WSANOTINITIALISED)
            self._count -= 1
            if self._count:
                return
            self._started = None
            self._finish(control)

    def _finish(self, control: Control) -> None:
        for socket in control.sockets.clear():
            release(control, socket, silent=True)
        with control.lock:
            control.tickets.clear()
        control.service.end()
        if control.pump is not None:
            control.pump.end()
        if self._stop is None:
            return
        try:
            self._stop()
        except DataplaneError as error:
            raise translate(error) from error


def _negotiate(requested: object) -> int:
    """Return the version that will be spoken.

    Raises:
        WSAError: WSAVERNOTSUPPORTED below 2.2, WSAEINVAL for what is no word.
    """
    if not isinstance(requested, int) or not 0 <= requested <= 0xFFFF:
        raise WSAError(WSAEINVAL, f"{requested!r} is no version word")
    if (LOBYTE(requested), HIBYTE(requested)) < (2, 2):
        raise WSAError(WSAVERNOTSUPPORTED, "this provider speaks 2.2 and later")
    return VERSION
