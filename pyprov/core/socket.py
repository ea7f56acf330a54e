"""The socket object: what a SOCKET stands for.

One is made for every accept, so it is small: what few sockets have (`events`, `blocked`, `group`)
is made when it is needed; what an accepted socket inherits (`options`, `profile`) is shared with
the listener, and replaced, never changed, when one of them gets another value.
"""

from __future__ import annotations

from socket import AF_INET6 as _POSIX_INET6
from socket import inet_ntop
from typing import TYPE_CHECKING, Final

from pyprov.core.states import State
from pyprov.winsock.constants import AF_INET

if TYPE_CHECKING:
    from pyprov.core.binding import Binding
    from pyprov.core.blocking import BlockedCall
    from pyprov.core.conndata import ConnectData
    from pyprov.core.groups import Group
    from pyprov.core.lanes import Lanes
    from pyprov.core.netevents import NetEvents
    from pyprov.core.options import Options
    from pyprov.core.port import Request, Status
    from pyprov.core.qos import SocketQos
    from pyprov.winsock.address import Address, SockAddr
    from pyprov.winsock.protocol_info import WSAPROTOCOL_INFOW

# Bits of `Socket.shut`; shifted left by PUT_OFF those that the connection is yet to hear of.
SHUT_RECEIVE: Final = 1
SHUT_SEND: Final = 2
SHUT_BOTH: Final = 3
PUT_OFF: Final = 2


_NOBODY: list[int] = []  # only a listener has a list of its own
_OPEN: Final = State.OPEN  # asking the enumeration each time would be felt in an accept
_OCTETS: Final = tuple(map(str, range(256)))


class Profile:
    """What a socket was made as.

    Attributes:
        info: its catalog entry.
        catalog_id: and that one's number.
        family: AF_INET or AF_INET6.
        type: SOCK_STREAM.
        protocol: IPPROTO_TCP.
        overlapped: made with WSA_FLAG_OVERLAPPED.
    """

    __slots__ = ("catalog_id", "family", "info", "overlapped", "protocol", "type")

    def __init__(self, info: WSAPROTOCOL_INFOW, *, overlapped: bool) -> None:
        self.info = info
        self.catalog_id = info.dwCatalogEntryId
        self.family = info.iAddressFamily
        self.type = info.iSocketType
        self.protocol = info.iProtocol
        self.overlapped = overlapped


class Socket:
    """See the module.

    Attributes:
        profile: what it was made as.
        options: its options; shared, see core/options.py.
        state: see core/states.py.
        claimed: a thread changes its state and calls the dataplane for that.
        descriptors: how many SOCKETs stand for it.
        handle: the dataplane's, 0 for none.
        status: the live view of the handle's status record, None before it was asked for.
        blocking: calls wait.
        shut: SHUT_* of the directions that this side has closed; see closing.end_late.
        error: SO_ERROR.
        bound: what WSPBind bound, with the port that it chose.
        request: the connection request that an accepted socket came from.
        peer: the peer's address, None without one.
        local: the local address of a connection that WSPConnect makes or made, None without one.
        before_connect: the state that a failed connect leads back to.
        failed: the last connect failed, and no other has begun.
        binding: its entry in the table of bound ports, None if it has none.
        deferred: listener: handles of the deferred requests at the head of the backlog.
        deciding: listener: threads that run a condition function for it now.
        backlog: listener: what WSPListen set, after clamping.
        connected_ns: engine time at which it became connected, 0 for not.
        events: what was registered with WSPEventSelect or WSPAsyncSelect.
        blocked: calls that wait on it.
        lanes: its overlapped requests, and all else that few sockets have for their sake.
        group: its socket group.
        qos: its quality of service, None if nobody ever asked for any.
        conndata: data beside the stream, None if it was never asked for.
    """

    __slots__ = (
        "backlog",
        "before_connect",
        "binding",
        "blocked",
        "blocking",
        "bound",
        "claimed",
        "conndata",
        "connected_ns",
        "deciding",
        "deferred",
        "descriptors",
        "error",
        "events",
        "failed",
        "group",
        "handle",
        "lanes",
        "local",
        "options",
        "peer",
        "profile",
        "qos",
        "request",
        "shut",
        "state",
        "status",
    )

    def __init__(self, profile: Profile, options: Options) -> None:
        self.profile = profile
        self.options = options
        self.state: State = _OPEN
        self.claimed = False
        self.descriptors = 0
        self.handle = 0
        self.status: Status | None = None
        self.blocking = True
        self.shut = 0
        self.error = 0
        self.bound: Address | None = None
        self.request: Request | None = None
        self.before_connect: State = _OPEN
        self.failed = False
        self.peer: SockAddr | None = None
        self.local: SockAddr | None = None
        self.binding: Binding | None = None
        self.deferred: tuple[int, ...] = ()
        self.deciding: list[int] = _NOBODY
        self.backlog = 0
        self.connected_ns = 0
        self.events: NetEvents | None = None
        self.blocked: list[BlockedCall] | None = None
        self.lanes: Lanes | None = None
        self.group: Group | None = None
        self.qos: SocketQos | None = None
        self.conndata: ConnectData | None = None


def to_sockaddr(family: int, address: bytes, port: int) -> SockAddr:
    """Return the tuple of the `socket` module for the dataplane's 16 bytes."""
    if family == AF_INET:
        a, b, c, d = address[12:]
        return f"{_OCTETS[a]}.{_OCTETS[b]}.{_OCTETS[c]}.{_OCTETS[d]}", port
    return inet_ntop(_POSIX_INET6, address), port, 0, 0
