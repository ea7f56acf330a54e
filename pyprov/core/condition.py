"""Calling a condition function: its eight parameters, its verdict, and what it leaves behind.

The function runs in the thread that called WSPAccept. What it raises never gets lost and never
leaves a request hanging: the caller sees the exception, the request is rejected. Only
KeyboardInterrupt is nobody's verdict: the request goes back to the head of the queue.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from pyprov.winsock.address import Address
from pyprov.winsock.structs import GROUP, WSABUF

if TYPE_CHECKING:
    from pyprov.core.offer import Offer
    from pyprov.winsock.address import SockAddr
    from pyprov.winsock.qos import QOS

ConditionFunction: TypeAlias = Callable[
    [WSABUF, WSABUF | None, "QOS | None", "QOS | None", WSABUF, WSABUF, GROUP, object], object
]


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


class EmptyBuffer(WSABUF):
    """A WSABUF without room: what callee data gets that cannot be sent."""

    __slots__ = ()

    def __init__(self) -> None:
        self.buf = _NO_ROOM
        self.address = None
        self._len = 0
        self._used = False


_NO_ROOM = memoryview(bytearray())
CALLEE_DATA_MAX: Final = 1024


def decide(
    condition: ConditionFunction,
    peer: SockAddr,
    local: SockAddr,
    callback_data: object,
    offer: Offer | None,
    sqos: QOS | None = None,
) -> tuple[object, object, WSABUF]:
    """Call a condition function for one request; what it raises goes through.

    Args:
        condition: the function.
        peer: the caller's address.
        local: the address it called.
        callback_data: for the function.
        offer: what came with the request; None: its peer takes no answer.
        sqos: what the caller asks for; the function may change it.

    Returns:
        Its verdict as it is, what it left in g, and the callee data.
    """
    caller_data = None
    callee_data: WSABUF = EmptyBuffer()
    if offer is not None:
        callee_data = WSABUF(CALLEE_DATA_MAX)
        if offer.data:
            caller_data = WSABUF(offer.data)
    g = GROUP()
    verdict = condition(
        NameBuffer(peer), caller_data, sqos, None, NameBuffer(local), callee_data, g, callback_data
    )
    return verdict, g.value, callee_data
