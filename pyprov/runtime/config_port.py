"""The [[port]] tables of a configuration: devices and their addresses."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)
from typing import TypeAlias, TypeVar

from pyprov.runtime.config_wire import WireEnd, read_rate, read_wire
from pyprov.runtime.rules import (
    ConfigError,
    as_integer,
    as_list,
    as_table,
    as_text,
    build,
    flag,
    integer,
    parsed,
    parsed_by,
    refused,
    take,
)

IPAddress: TypeAlias = IPv4Address | IPv6Address
IPInterface: TypeAlias = IPv4Interface | IPv6Interface
IPNetwork: TypeAlias = IPv4Network | IPv6Network
Value = TypeVar("Value")

# As many as the dataplane's configuration record has room for.
ADDRESSES_MAX = 16
NEIGHBOURS_MAX = 64
ROUTES_MAX = 16
VLANS_MAX = 8
DEVICE_MAX = 191

IPV6_MTU_MIN = 1280
TAP_MTU_MAX = 1500  # DPDK's driver has no larger buffers

_DEVICE = re.compile(
    r"""ring (:[\w-]{1,31})? | step                                  # in memory; frames by hand
    | ([0-9a-fA-F]{4,}:)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7] (,\S+)?   # PCI
    | (net|eth)_[a-z][a-z_]*[0-9]+ (,[^\s,=]+=[^\s,]*)*           # virtual""",
    re.VERBOSE,
)
_DEVICE_ALLOWED = (
    'a device: a PCI address like "0000:3b:00.0", a virtual device like "net_tap0,iface=pv0", '
    '"ring" or "step"'
)
_MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")


def read_device(value: object) -> str:
    """Check the shape of a device; whether it exists is found out at start."""
    text = as_text(value, _DEVICE_ALLOWED)
    if not _DEVICE.fullmatch(text) or len(text) > DEVICE_MAX:
        raise refused(value, _DEVICE_ALLOWED)
    return text


def read_mac(value: object) -> bytes:
    """Read the address of one station: six bytes, neither a group's nor all zero."""
    allowed = 'a station\'s MAC address like "02:00:00:00:00:01"'
    text = as_text(value, allowed)
    packed = bytes.fromhex(text.replace(":", "")) if _MAC.fullmatch(text) else b""
    if not any(packed) or packed[0] & 1:
        raise refused(value, allowed)
    return packed


def read_address(value: object) -> IPAddress:
    """Read one numeric address of a host."""
    allowed = 'an address like "10.9.0.1" or "fd09::1"'
    try:
        address = ip_address(as_text(value, allowed))
    except ValueError:
        raise refused(value, allowed) from None
    if address.is_multicast or address.is_unspecified or _is_odd(address):
        raise refused(value, allowed)
    return address


def read_interface(value: object) -> IPInterface:
    """Read an own address with its network."""
    allowed = 'an address with its prefix length like "10.9.0.2/24" or "fd09::2/64"'
    text = as_text(value, allowed)
    try:
        interface = ip_interface(text)
    except ValueError:
        raise refused(value, allowed) from None
    if "/" not in text or _is_odd(interface):
        raise refused(value, allowed)
    if interface.is_multicast or interface.is_unspecified or interface.is_loopback:
        raise ConfigError("", "expected the address of a host on a network", value=value)
    if isinstance(interface, IPv4Interface) and interface.network.prefixlen < 31:
        network = interface.network
        if interface.ip in {network.network_address, network.broadcast_address}:
            raise ConfigError("", f"this is not a host of {network} but all of it", value=value)
    return interface


def read_network(value: object) -> IPNetwork:
    """Read a network, whose host bits are zero."""
    allowed = 'a network like "10.0.0.0/8" or "fd00::/8"'
    try:
        return ip_network(as_text(value, allowed))
    except ValueError:
        raise refused(value, allowed) from None


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A static entry of the neighbour table."""

    address: IPAddress
    mac: bytes


@dataclass(frozen=True, slots=True)
class Route:
    """A network that is reached through a gateway of its own."""

    to: IPNetwork
    via: IPAddress


def _read_neighbour(value: object) -> Neighbour:
    table = as_table(value, ("address", "mac"), '{ address = "10.9.0.1", mac = "02:..." }')
    return Neighbour(take(table, "address", read_address), take(table, "mac", read_mac))


def _read_route(value: object) -> Route:
    table = as_table(value, ("to", "via"), '{ to = "10.0.0.0/8", via = "10.9.0.1" }')
    route = Route(take(table, "to", read_network), take(table, "via", read_address))
    if route.to.version != route.via.version:
        raise ConfigError("via", f"is not of the same family as {route.to}", value=str(route.via))
    return route


def _list_of(
    read: Callable[[object], Value], most: int, what: str
) -> Callable[[object], tuple[Value, ...]]:
    allowed = f"a list of at most {most} {what}"

    def read_list(value: object) -> tuple[Value, ...]:
        items = as_list(value, read, allowed)
        if len(items) > most:
            raise ConfigError("", f"expected {allowed}, not {len(items)}")
        return items

    return read_list


def _read_gateways(value: object) -> tuple[IPAddress, ...]:
    if isinstance(value, str):
        return (read_address(value),)
    gateways = as_list(value, read_address, "an address, or a list with one a family")
    if len({gateway.version for gateway in gateways}) < len(gateways):
        raise ConfigError("", "expected at most one gateway a family", value=value)
    return gateways


@dataclass(frozen=True, slots=True)
class Port:
    """One network device.

    Attributes:
        device: PCI address, virtual device with its arguments, "ring" (the in-memory wire; the two
            ports of one process that have "ring:NAME" are its ends), or "step" (frames handed in
            and out by the caller).
        address: Own addresses with their networks, of both families. None is a port that answers
            nothing.
        gateway: Where everything goes that no network or route covers, one a family at most.
        mtu: Largest IP packet, bytes.
        mac: Own station address, six bytes; empty takes the device's, or a local one where that is
            the kernel's.
        queues: Receive and transmit queues; 0 is one a worker as far as the device has them.
        rate: Bits a second that the link carries, for admission and reports; 0 asks the device.
        neighbour: Static neighbours, which never age.
        route: Networks behind other gateways.
        vlan: VLAN tags whose frames are taken; without any, only untagged frames are.
        checksum_offload: Whether the device computes checksums where it can.
        segmentation_offload: Whether the device cuts large segments where it can and computes
            checksums.
        receive_offload: Whether received segments that follow each other are put together, by the
            device where it can (LRO), else before TCP sees them.
        dad: Whether an IPv6 address is probed for before it is used.
        wire: On "ring": the emulated wire behind it, whose other end is a port of the same process.
    """

    device: str = parsed("", read_device)
    address: tuple[IPInterface, ...] = parsed(
        (), _list_of(read_interface, ADDRESSES_MAX, 'addresses like "10.9.0.2/24"')
    )
    gateway: tuple[IPAddress, ...] = parsed((), _read_gateways)
    mtu: int = integer(1500, 68, 9000)
    mac: bytes = parsed(b"", read_mac)
    queues: int = integer(0, 1, 64, zero="one a worker")
    rate: int = parsed(0, read_rate)
    neighbour: tuple[Neighbour, ...] = parsed(
        (), _list_of(_read_neighbour, NEIGHBOURS_MAX, "neighbours")
    )
    route: tuple[Route, ...] = parsed((), _list_of(_read_route, ROUTES_MAX, "routes"))
    vlan: tuple[int, ...] = parsed(
        (), _list_of(lambda value: as_integer(value, 1, 4094), VLANS_MAX, "VLAN tags")
    )
    checksum_offload: bool = flag(default=True)
    segmentation_offload: bool = flag(default=True)
    receive_offload: bool = flag(default=False)
    dad: bool = flag(default=True)
    wire: WireEnd = parsed_by(WireEnd, read_wire)  # noqa: RUF009 - makes a field


def read_port(value: object) -> Port:
    """Read one [[port]] table.

    Raises:
        ConfigError: Also for values that each are fine but cannot be together.
    """
    port = build(Port(), value)
    if not port.device:
        raise ConfigError("device", "is missing")
    if port.wire.name and port.device != "ring":
        raise ConfigError("wire", 'goes with device = "ring" alone')
    hosts = {interface.ip for interface in port.address}
    if len(hosts) < len(port.address):
        raise ConfigError("address", "has an address twice")
    if port.mtu < IPV6_MTU_MIN and any(host.version == 6 for host in hosts):
        raise ConfigError("mtu", f"IPv6 needs at least {IPV6_MTU_MIN}", value=port.mtu)
    if port.mtu > TAP_MTU_MAX and port.device.startswith("net_tap"):
        cure = "a veth with net_af_packet takes 9000"
        raise ConfigError("mtu", f"a tap carries at most {TAP_MTU_MAX}; {cure}", value=port.mtu)
    for gateway in (*port.gateway, *(route.via for route in port.route)):
        if gateway in hosts or not _is_on_link(gateway, port):
            key = "gateway" if gateway in port.gateway else "route"
            raise ConfigError(key, f"{gateway} is not another host on a network of this port")
    for neighbour in port.neighbour:
        if neighbour.address in hosts:
            raise ConfigError("neighbour", f"{neighbour.address} is this port's own address")
    return port


def _is_on_link(address: IPAddress, port: Port) -> bool:
    if address.version == 6 and address.is_link_local:
        return True
    return any(address in interface.network for interface in port.address)


def _is_odd(address: IPAddress | IPInterface) -> bool:
    """Whether an IPv6 address has a scope, or is an IPv4 address in disguise."""
    if not isinstance(address, IPv6Address):
        return False
    return address.scope_id is not None or address.ipv4_mapped is not None
