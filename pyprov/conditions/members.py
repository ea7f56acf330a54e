"""`in` and `==` of addresses and numbers: as words that are zero where there is a match."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

from pyprov.conditions import bpf
from pyprov.conditions.error import ConditionError
from pyprov.conditions.layout import FAMILY
from pyprov.conditions.number import Constant, Load, Number, raw
from pyprov.conditions.prefix import Prefix

if TYPE_CHECKING:
    from pyprov.conditions.prefix import Network
    from pyprov.conditions.scope import Address

_IS_6: Final = raw(bpf.XOR, Load(FAMILY.offset, FAMILY.size, 0, FAMILY.top), Constant(6))
_MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")
_WORD: Final = 0xFFFF_FFFF_FFFF_FFFF


def _words(address: Address) -> tuple[Load, Load]:
    low, high = Load(address.offset + 8, 8, 0, _WORD), Load(address.offset, 8, 0, _WORD)
    return high, low


def _differs(word: Load, bits: int, value: int) -> Number:
    """Compare the upper bits of a word with those of a value."""
    shift = 64 - bits
    shifted = raw(bpf.RSH, word, Constant(shift)) if shift else word
    return raw(bpf.XOR, shifted, Constant(value >> shift))


def outside(address: Address, network: Network) -> Number:
    """Return a word that is zero if the address is of the network."""
    high, low = _words(address)
    value, length = int(network.network_address), network.prefixlen
    if isinstance(network, ipaddress.IPv4Network):
        return raw(bpf.OR, _differs(low, 32 + length, 0xFFFF << 32 | value), high)
    parts: list[Number] = []
    if length:
        parts.append(_differs(high, min(length, 64), value >> 64))
    if length > 64:
        parts.append(_differs(low, length - 64, value & _WORD))
    if network.supernet_of(_MAPPED):
        parts.append(_IS_6)
    whole = parts[0]
    for part in parts[1:]:
        whole = raw(bpf.OR, whole, part)
    return whole


def apart(one: Address, other: Address) -> Number:
    """Return a word that is zero if two addresses are the same."""
    halves = zip(_words(one), _words(other), strict=True)
    first, second = (raw(bpf.XOR, a, b) for a, b in halves)
    return raw(bpf.OR, first, second)


def host(text: object) -> Network:
    """Return the network that is one address, written as a request has it.

    Raises:
        ConditionError: It is no address, or written in another way than a request's.
    """
    try:
        address = ipaddress.ip_address(str(text))
    except ValueError:
        raise ConditionError(
            f"{text!r} is no address", "compare with one in quotes, or with prefix(...)"
        ) from None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        raise ConditionError(f"no request says {text!r}", f"write {str(address.ipv4_mapped)!r}")
    if str(address) != text:
        raise ConditionError(f"no request says {text!r}", f"write {str(address)!r}")
    return ipaddress.ip_network(address)


def networks(container: object) -> list[Network]:
    """Return the networks of a prefix(...) or of a tuple of addresses.

    Raises:
        ConditionError: It is neither.
    """
    if isinstance(container, Prefix):
        return list(container.networks)
    if isinstance(container, tuple):
        return [host(member) for member in container]
    raise ConditionError(
        f"an address cannot be in {container!r}", "write prefix(...) or a tuple of addresses"
    )


def numbers(container: object) -> list[int]:
    """Return the numbers in a tuple or range.

    Raises:
        ConditionError: It is neither, or there are others in it.
    """
    if isinstance(container, range):
        return list(container)
    if isinstance(container, tuple) and all(isinstance(member, int) for member in container):
        return [int(member) for member in container]
    raise ConditionError(
        f"a number cannot be in {container!r}", "write a tuple of numbers, or range(...)"
    )
