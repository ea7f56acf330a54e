"""Sets of networks, for `address in prefix(...)`."""

from __future__ import annotations

import ipaddress
from typing import TypeAlias

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


class Prefix:
    """Networks of either family. An IPv6 network holds no IPv4 address, not even ::/0."""

    __slots__ = ("networks",)

    def __init__(self, networks: tuple[Network, ...]) -> None:
        self.networks = networks

    def __contains__(self, address: object) -> bool:
        found = ipaddress.ip_address(str(address))
        return any(found in network for network in self.networks)

    def __repr__(self) -> str:
        return f"prefix({', '.join(repr(str(network)) for network in self.networks)})"


def prefix(*networks: str) -> Prefix:
    """Return a set of networks, written as 10.0.0.0/8 or fd00::/8; a bare address is a host.

    Raises:
        ValueError: Nothing given, no network, bits set behind it, or IPv4 in IPv6's clothes.
    """
    if not networks:
        raise ValueError("prefix() of no network at all")
    made = tuple(ipaddress.ip_network(network) for network in networks)
    for network in made:
        if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
            raise ValueError(f"{network} is an IPv4 network: write it as one")
    return Prefix(made)
