"""What a capture tells of the place in which it was taken."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from pyprov.runtime.config import Config, ConfigError, Port, Workers
from pyprov.runtime.config_port import NEIGHBOURS_MAX, IPAddress, IPInterface, Neighbour
from pyprov.tools.errors import Failed, Unusable
from pyprov.tools.replay.packet import ACK, SYN, dissect, is_group, segment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pyprov.tools.arguments import Where
    from pyprov.tools.replay.capture import Frame

_PREFIX: Final = {4: 24, 6: 64}


@dataclass(slots=True)
class Survey:
    """A capture, looked through once.

    Attributes:
        asked: the address and port of each SYN, in order.
        station: by address, the station to which its packets were sent.
        senders: by address, who sent to which address from which station.
    """

    asked: list[tuple[IPAddress, int]] = field(default_factory=list)
    station: dict[IPAddress, bytes] = field(default_factory=dict)
    senders: dict[IPAddress, dict[IPAddress, bytes]] = field(default_factory=dict)


def survey(frames: Iterable[Frame]) -> Survey:
    """Look through a capture."""
    result = Survey()
    for frame in frames:
        packet = dissect(frame.data)
        if not packet.target or is_group(packet.to):
            continue
        target, source = ipaddress.ip_address(packet.target), ipaddress.ip_address(packet.source)
        result.station.setdefault(target, packet.to)
        result.senders.setdefault(target, {}).setdefault(source, packet.sender)
        if packet.tcp:
            head = segment(frame.data, packet)
            where = target, head.target
            if head.flags & (SYN | ACK) == SYN and where not in result.asked:
                result.asked.append(where)
    return result


def place(found: Survey, where: Sequence[Where], config: Config | None) -> Config:
    """Return the configuration of an engine that stands where the capture's server stood.

    Args:
        found: the capture.
        where: listeners that were asked for.
        config: whose first port and settings are used, if one was given.

    Raises:
        Failed: nothing in the capture is for it.
        Unusable: its addresses cannot be.
    """
    if found.station and not any(map(any, found.station.values())):
        raise Failed("frames of the loopback device name no stations: capture somewhere else")
    if config is None:
        config = Config.from_dict({"provider": {"memory": 64, "huge": "never"}})
    port = config.ports[0] if config.ports else Port()
    address = port.address or _addresses(found, where)
    hosts = [interface.ip for interface in address]
    stations = [found.station[host] for host in hosts if host in found.station]
    if not stations:
        names = ", ".join(map(str, hosts)) or "anybody who listens"
        raise Failed(f"no frame of the capture is for {names}")
    port = replace(port, device="step", mac=stations[0], dad=False, address=address)
    port = _with_neighbours(port, found, hosts)
    return replace(config, ports=(port,), workers=Workers())


def _addresses(found: Survey, where: Sequence[Where]) -> tuple[IPInterface, ...]:
    """Take the addresses asked for, else those to which the capture connects."""
    hosts = [ipaddress.ip_address(one.host) for one in where if not one.is_any]
    if not hosts:
        hosts = [host for host, _ in found.asked]
        hosts = [host for host in hosts if found.station[host] == found.station[hosts[0]]]
    texts = [f"{host}/{_PREFIX[host.version]}" for host in dict.fromkeys(hosts)]
    try:
        return Config.from_dict({"port": [{"device": "step", "address": texts}]}).ports[0].address
    except ConfigError as error:
        raise Unusable(f"give --config with the server's network: {error}") from None


def _with_neighbours(port: Port, found: Survey, hosts: Sequence[IPAddress]) -> Port:
    """Give it the stations of the capture's clients: nobody answers ARP in a replay.

    Clients on no network of the port are behind a gateway, a made-up one if need be.
    """
    senders = {
        source: station
        for host in hosts
        for source, station in found.senders.get(host, {}).items()
        if source not in hosts
    }
    near = {source: station for source, station in senders.items() if _is_near(source, port)}
    known = {neighbour.address for neighbour in port.neighbour}
    more = [Neighbour(host, station) for host, station in near.items() if host not in known]
    gateways = {gateway.version: gateway for gateway in port.gateway}
    for source, station in senders.items():
        if source in near:
            continue
        gateway = gateways.get(source.version) or _free_host(port, {*near, *hosts}, source.version)
        if gateway is not None and gateway not in known:
            gateways[source.version] = gateway
            known.add(gateway)
            more.insert(0, Neighbour(gateway, station))
    neighbours = (*port.neighbour, *more)[:NEIGHBOURS_MAX]
    return replace(port, neighbour=neighbours, gateway=tuple(gateways.values()))


def _is_near(host: IPAddress, port: Port) -> bool:
    return any(host in interface.network for interface in port.address)


def _free_host(port: Port, taken: set[IPAddress], version: int) -> IPAddress | None:
    for interface in port.address:
        if interface.version == version:
            for host in interface.network.hosts():
                if host not in taken:
                    return host
    return None
