"""What an emulated wire does: the keys of `wire` in a [[port]] table and of `Lab.pair`."""

import re
from dataclasses import dataclass
from typing import Self, TypeVar

from pyprov.runtime.rules import (
    ConfigError,
    as_integer,
    as_text,
    build,
    integer,
    number,
    parsed,
    refused,
    seconds,
)

_RATE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([kMGT]?)")
_RATE_ALLOWED = 'bits a second, like 10_000_000_000 or "10G"'
_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}

Wire = TypeVar("Wire", bound="WireParams")

# A frame that others are to overtake waits so much longer, at least.
_REORDER_DELAY = 1e-4


def read_rate(value: object) -> int:
    """Read bits a second from a number or a text with a unit."""
    if isinstance(value, str):
        match = _RATE.fullmatch(value)
        if match is None:
            raise refused(value, _RATE_ALLOWED)
        value = int(float(match[1]) * _UNITS[match[2]])
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return as_integer(value, 0, 10**13, _RATE_ALLOWED)


def _share() -> float:
    return number(0.0, 0, 1, "a share of the frames from 0 to 1")


@dataclass(frozen=True, slots=True)
class WireParams:
    """What a wire does to the frames of one direction.

    Attributes:
        rate: Bits a second; 0 is no limit.
        queue: Bytes that wait at the rate, what comes then is lost; 0 is no limit.
        delay: Seconds that a frame travels.
        jitter: Up to so many seconds more, without changing the order.
        loss: Share of the frames that vanish.
        burst: How many vanish one after the other, on average.
        reorder: Share of the frames that others overtake.
        reorder_delay: How much later these come; 0 is the delay, and at least 0.1 ms.
        duplicate: Share of the frames that arrive twice.
        corrupt: Share of the frames that have one bit turned over.
        mtu: IP packets larger than this vanish; 0 is none.
    """

    rate: int = parsed(10_000_000_000, read_rate)
    queue: int = integer(0, 1, 1 << 40, zero="no limit")
    delay: float = seconds(1e-4, 0, 3600)
    jitter: float = seconds(0.0, 0, 3600)
    loss: float = _share()
    burst: int = integer(1, 1, 1_000_000)
    reorder: float = _share()
    reorder_delay: float = seconds(0.0, 1e-9, 3600, zero="the delay, and at least 0.1 ms")
    duplicate: float = _share()
    corrupt: float = _share()
    mtu: int = integer(0, 68, 65_535, zero="none")

    @classmethod
    def of(cls, **keys: object) -> Self:
        """Check keys that are given in Python.

        Raises:
            ConfigError: no such key, or not such a value.
        """
        return _checked(build(cls(), keys))

    @property
    def overtaken(self) -> float:
        """How much later come those that others overtake."""
        return self.reorder_delay or max(self.delay, _REORDER_DELAY)


def _read_name(value: object) -> str:
    allowed = "a name of letters, digits, _ and -"
    if not re.fullmatch(r"[\w-]{1,31}", text := as_text(value, allowed)):
        raise refused(value, allowed)
    return text


@dataclass(frozen=True, slots=True)
class WireEnd(WireParams):
    """`wire` of a [[port]]: one end of a wire, and what it does to the frames that leave here.

    Attributes:
        name: The port of the same process whose wire has the same name is at the other end.
        seed: Of what is drawn.
    """

    name: str = parsed("", _read_name)
    seed: int = integer(1, 0, 2**31)


def read_wire(value: object) -> WireEnd:
    """Read one `wire` table.

    Raises:
        ConfigError: naming the key.
    """
    end = build(WireEnd(), value)
    if not end.name:
        raise ConfigError("name", "is missing")
    return _checked(end)


def _checked(made: Wire) -> Wire:
    if made.loss == 1 and made.burst > 1:
        raise ConfigError("loss", "losses in bursts need some frames between them", value=1)
    return made
