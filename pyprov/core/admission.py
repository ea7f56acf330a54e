"""Admission control: what connections and groups have reserved of the ports' rates.

Each port has two pools, one for each direction, of the reservable share of its rate. A reservation
belongs to a holder, and is replaced as a whole or not at all. Whoever ends a connection releases
it; a connection that ended by itself is noticed when room is short or somebody asks for the totals,
so that the ledger balances whatever way connections end.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


class Rates(NamedTuple):
    """Bytes a second in both directions."""

    sending: int = 0
    receiving: int = 0


class Holder(Protocol):
    """Who holds a reservation."""

    def is_alive(self) -> bool:
        """Say whether what it was made for still is."""


class _Reservation(NamedTuple):
    port: int
    rates: Rates


class Ledger:
    """See the module; safe from any thread."""

    __slots__ = ("_capacity", "_held", "_lock")

    def __init__(self, capacity: Sequence[int]) -> None:
        """Give each port so many bytes a second in each direction."""
        self._capacity = list(capacity)
        self._held: dict[Holder, _Reservation] = {}
        self._lock = threading.Lock()

    def reserve(self, holder: Holder, port: int, rates: Rates) -> bool:
        """Reserve for a holder in place of what it has; False, and nothing changed: no room."""
        with self._lock:
            if not self._fits(holder, port, rates):
                self._sweep()
                if not self._fits(holder, port, rates):
                    return False
            if any(rates):
                self._held[holder] = _Reservation(port, rates)
            else:
                self._held.pop(holder, None)
            return True

    def release(self, holder: Holder) -> None:
        """Give back all that a holder has."""
        with self._lock:
            self._held.pop(holder, None)

    def held(self, holder: Holder) -> Rates:
        """Return what a holder has."""
        with self._lock:
            found = self._held.get(holder)
            return found.rates if found is not None else Rates()

    def total(self, port: int = 0) -> Rates:
        """Return what is reserved of a port."""
        with self._lock:
            self._sweep()
            return self._sum(port)

    def capacity(self, port: int = 0) -> int:
        """Return what can be reserved of a port in one direction; a port nobody knows has none."""
        return self._capacity[port] if 0 <= port < len(self._capacity) else 0

    def _sum(self, port: int, besides: Holder | None = None) -> Rates:
        mine = [
            reservation.rates
            for holder, reservation in self._held.items()
            if reservation.port == port and holder is not besides
        ]
        return Rates(sum(r.sending for r in mine), sum(r.receiving for r in mine))

    def _fits(self, holder: Holder, port: int, rates: Rates) -> bool:
        taken, most = self._sum(port, holder), self.capacity(port)
        return all(
            not wanted or wanted <= most - used for wanted, used in zip(rates, taken, strict=True)
        )

    def _sweep(self) -> None:
        for holder in [holder for holder in self._held if not holder.is_alive()]:
            del self._held[holder]
