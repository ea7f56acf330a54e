"""Calling a condition function: its eight parameters, its verdict, and what it leaves behind.

The function runs in the thread that called WSPAccept. What it raises never gets lost and never
leaves a request hanging: the caller sees the exception, the request is rejected. Only
KeyboardInterrupt is nobody's verdict: the request goes back to the head of the queue.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from pyprov.winsock.address import Address
from pyprov.winsock.constants import CF_ACCEPT, CF_DEFER, CF_REJECT
from pyprov.winsock.structs import GROUP, WSABUF

if TYPE_CHECKING:
    from pyprov.winsock.address import SockAddr
    from pyprov.winsock.qos import QOS

ConditionFunction: TypeAlias = Callable[
    [WSABUF, WSABUF | None, "QOS | None", "QOS | None", WSABUF, WSABUF, GROUP, object], object
]

VERDICTS = frozenset({CF_ACCEPT, CF_REJECT, CF_DEFER})


class Decision(NamedTuple):
    """What a condition function decided.

    Attributes:
        verdict: CF_*, or None for a return value that is none of them.
        group: what it left in g.
        callee_data: what it wrote for the peer.
        overrun: it claims to have written more than there was room for.
    """

    verdict: int | None
    group: object
    callee_data: bytes
    overrun: bool


class NameBuffer(WSABUF):
    """A WSABUF with a sockaddr in it, packed when somebody looks.

    Most condition functions look at `address` alone, and one of these is made for every request.
    """

    __slots__ = ("_packed",)

    def __init__(self, address: SockAddr) -> None:
        self.address = address
        self._packed: memoryview | None = None
        self._len = 16 if len(address) == 2 else 28
        self._used = False

    @property
    def buf(self) -> memoryview:  # type: ignore[override] # read-only here, as for its user
        """The storage with the sockaddr."""
        if self._packed is None:
            self._packed = memoryview(bytearray(Address.from_tuple(self.address).pack()))
        return self._packed


def decide(
    condition: ConditionFunction,
    peer: SockAddr,
    local: SockAddr,
    callback_data: object,
) -> Decision:
    """Call a condition function for one request; what it raises goes through."""
    callee_data = WSABUF()
    g = GROUP()
    verdict = condition(
        NameBuffer(peer), None, None, None, NameBuffer(local), callee_data, g, callback_data
    )
    known = verdict if isinstance(verdict, int) and verdict in VERDICTS else None
    return Decision(known, g.value, callee_data.answer(), callee_data.overrun)
