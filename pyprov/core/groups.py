"""Socket groups: sockets that belong together, and may have to talk with one host only.

A group lives until its last member closes. Ids are unique in the provider and above the two
numbers that ask for a new group.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

from pyprov.winsock.codes import WSAEINVAL
from pyprov.winsock.constants import SG_CONSTRAINED_GROUP, SG_UNCONSTRAINED_GROUP
from pyprov.winsock.errors import WSAError

if TYPE_CHECKING:
    from pyprov.core.qos import SocketQos
    from pyprov.core.socket import Socket

_FIRST_ID: Final = 3
_ids: Final = itertools.count(_FIRST_ID)


class Group:
    """One group.

    Attributes:
        id: its number.
        constrained: all members are connected to one host.
        host: that host, None before the first connection.
        members: sockets that belong to it.
        creator: the socket that made it, or None if that is closed.
        qos: what it has reserved beside its members.
    """

    __slots__ = ("constrained", "creator", "host", "id", "members", "qos")

    def __init__(self, *, constrained: bool) -> None:
        self.id = next(_ids)
        self.constrained = constrained
        self.host: str | None = None
        self.members = 0
        self.creator: Socket | None = None
        self.qos: SocketQos | None = None

    def admits(self, host: str) -> bool:
        """Whether a member may be connected to this host."""
        return not self.constrained or self.host in {None, host}


class Groups:
    """The groups of one provider. Its methods are called under `Control.lock`."""

    __slots__ = ("_by_id",)

    def __init__(self) -> None:
        self._by_id: dict[int, Group] = {}

    def choose(self, g: object, host: str | None = None) -> Group | None:
        """Find or make the group that a `g` asks for; 0 is none.

        Raises:
            WSAError: WSAEINVAL if there is no such group or it does not admit the host.
        """
        if isinstance(g, int):
            if g == 0:
                return None
            if g in {SG_UNCONSTRAINED_GROUP, SG_CONSTRAINED_GROUP}:
                return Group(constrained=g == SG_CONSTRAINED_GROUP)
            group = self._by_id.get(g)
            if group is not None and (host is None or group.admits(host)):
                return group
            if group is not None:
                raise WSAError(WSAEINVAL, f"group {g} is constrained to {group.host}")
        raise WSAError(WSAEINVAL, f"{g!r} is no group")

    def join(self, socket: Socket, group: Group, host: str | None = None) -> None:
        """Make a socket a member, and its host the group's if it is the first connection."""
        if not group.members:
            self._by_id[group.id] = group
            group.creator = socket
        group.members += 1
        if group.constrained and group.host is None:
            group.host = host
        socket.group = group

    def leave(self, socket: Socket) -> SocketQos | None:
        """Take a socket out of its group, which ends with its last member.

        Returns:
            What a group that has ended had reserved.
        """
        group = socket.group
        if group is None:
            return None
        socket.group = None
        if group.creator is socket:
            group.creator = None
        group.members -= 1
        if not group.members:
            del self._by_id[group.id]
            return group.qos
        return None
