"""Does a configuration fit this machine?"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pyroute2 import IPRoute

from pyprov.runtime import eal
from pyprov.tools.doctor import checks
from pyprov.tools.doctor.finding import Finding, Level
from pyprov.tools.doctor.machine import CAP_NET_RAW

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pyprov.runtime.config import Config, Port
    from pyprov.tools.doctor.drivers import Driver
    from pyprov.tools.doctor.machine import Machine

_INTERFACE_MAX: Final = 15
_PCI: Final = re.compile(r"([0-9a-fA-F]{4,}:)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]")

# Drivers on an interface of the kernel, and the arguments that name it.
_ON_INTERFACE: Final = {
    "net_af_packet": ("iface",),
    "net_af_xdp": ("iface",),
    "net_pcap": ("iface", "rx_iface", "rx_iface_in", "tx_iface"),
}

# Drivers whose argument is a path that somebody else makes, and how much of it.
_ON_PATH: Final = {"net_virtio_user": ("path", "a vhost-user server makes it: start that first")}


class Device:
    """A virtual device's name taken apart: "net_tap0,iface=pv0".

    Attributes:
        driver: "net_tap".
        arguments: {"iface": "pv0"}.
    """

    def __init__(self, text: str) -> None:
        name, *words = text.split(",")
        self.driver = re.sub("^eth_", "net_", name.rstrip("0123456789"))
        pairs = (word.partition("=") for word in words)
        self.arguments = {key: value for key, _, value in pairs}


def kernel_addresses() -> dict[str, tuple[str, int]]:
    """Return the kernel's own addresses, each with its interface and prefix length."""
    with IPRoute() as ip:
        names = {link["index"]: link.get_attr("IFLA_IFNAME") for link in ip.get_links()}
        found = {}
        for row in ip.get_addr():
            host = row.get_attr("IFA_LOCAL") or row.get_attr("IFA_ADDRESS")
            found[host] = (str(names.get(row["index"], "?")), int(row["prefixlen"]))
    return found


def check(
    config: Config,
    machine: Machine,
    drivers: Sequence[Driver],
    held: Mapping[str, tuple[str, int]],
) -> list[Finding]:
    """Return what there is to say about a configuration.

    Args:
        config: read and checked in itself.
        machine: where it shall run.
        drivers: DPDK's, none if they were not found.
        held: the kernel's addresses, see `kernel_addresses`.
    """
    found = [_memory(config, machine), *_workers(config, machine)]
    if not config.ports:
        text = "there is no [[port]]: nothing can connect but this process itself"
        found.append(Finding("port", Level.NOTE, text))
    for index, port in enumerate(config.ports):
        found += _port(f"port[{index}]", port, machine, drivers, held)
    return found


def _memory(config: Config, machine: Machine) -> Finding:
    try:
        huge = eal.huge_pages(config)
    except ValueError as error:
        needed = config.provider.memory + 64
        cure = f"echo {-(-needed // 2)} > /proc/sys/vm/nr_hugepages"
        return Finding("memory", Level.LACKING, str(error).partition(": as root")[0], cure)
    if huge:
        return Finding("memory", Level.OK, f"{config.provider.memory} MiB of huge pages are free")
    needed, there = config.provider.memory, machine.available_memory()
    if there < needed:
        text = f"provider.memory = {needed} MiB, but {there} MiB are available"
        return Finding("memory", Level.LACKING, text)
    return Finding("memory", Level.OK, f"{needed} MiB of the {there} available, no huge pages")


def _workers(config: Config, machine: Machine) -> Iterator[Finding]:
    usable, wanted = os.sched_getaffinity(0), set(config.workers.lcores)
    lacking = wanted - usable
    if lacking:
        names = checks.spell_cpus(lacking)
        why = "not for this process" if lacking <= machine.cpus("online") else "not on this machine"
        text = f"workers.lcores: CPU {names} is {why}; usable: {checks.spell_cpus(usable)}"
        yield Finding("workers", Level.LACKING, text)
        return
    if config.workers.poll == "busy":
        busy = wanted or set(range(len(config.workers.cpus)))
        if len(busy) >= len(usable):
            text = f"{len(busy)} busy workers leave Python none of the {len(usable)} CPUs"
            yield Finding("workers", Level.NOTE, text)
            return
        shared = wanted - machine.cpus("isolated")
        if shared:
            names = checks.spell_cpus(shared)
            text = f"busy on CPU {names}, which the scheduler gives to others too"
            yield Finding("workers", Level.NOTE, text, _isolate(names))
            return
    where = f"CPU {checks.spell_cpus(wanted)}" if wanted else "any CPU"
    yield Finding("workers", Level.OK, f"{len(config.workers.cpus)} on {where}")


def _isolate(names: str) -> str:
    words = f"isolcpus={names} nohz_full={names} rcu_nocbs={names}"
    return (
        f"""sed -i 's/^GRUB_CMDLINE_LINUX="/&{words} /' /etc/default/grub && update-grub """
        "&& reboot"
    )


def _port(
    topic: str,
    port: Port,
    machine: Machine,
    drivers: Sequence[Driver],
    held: Mapping[str, tuple[str, int]],
) -> Iterator[Finding]:
    if port.device == "step" or port.device.startswith("ring"):
        yield Finding(topic, Level.OK, f"{port.device}: in memory, needs nothing")
        return
    if _PCI.match(port.device):
        yield from _pci(topic, port, machine, drivers)
        return
    device = Device(port.device)
    if drivers and all(driver.name != device.driver for driver in drivers):
        yield Finding(topic, Level.LACKING, f"DPDK has no driver {device.driver} here")
        return
    found = list(_virtual(topic, device, machine))
    found += _addresses(topic, port, device, held)
    yield from found
    if all(finding.level is Level.OK for finding in found):
        yield Finding(topic, Level.OK, f"{port.device} can be had")


def _pci(topic: str, port: Port, machine: Machine, drivers: Sequence[Driver]) -> Iterator[Finding]:
    address = port.device.partition(",")[0].lower()
    full = address if address.count(":") == 2 else f"0000:{address}"
    nics = {nic.address: nic for nic in machine.nics()}
    nic = nics.get(full)
    if nic is None:
        there = ", ".join(nics) or "none"
        text = f"no network card at {full}; there are: {there}"
        yield Finding(topic, Level.LACKING, text, "dpdk-devbind.py --status")
        return
    driver = next((driver for driver in drivers if driver.knows(nic)), None)
    if driver is None:
        text = f"no DPDK driver here knows {full} ({nic.ids[0]:04x}:{nic.ids[1]:04x})"
        yield Finding(topic, Level.LACKING, text)
    elif driver.shares or checks.is_taken(nic):
        yield Finding(topic, Level.OK, f"{full} is ready for {driver.name}")
    else:
        names = ", ".join(nic.interfaces) or "no interface"
        text = f"{full} ({names}) is still the kernel's, and lost to it once taken"
        yield Finding(topic, Level.LACKING, text, checks.bind_command(nic))
        yield checks.vfio(machine, Level.LACKING)


def _virtual(topic: str, device: Device, machine: Machine) -> Iterator[Finding]:
    if device.driver == "net_tap":
        yield checks.tun(machine, Level.LACKING)
    names = {device.arguments.get(key) for key in _ON_INTERFACE.get(device.driver, ())} - {None}
    if device.driver == "net_tap":
        names = {device.arguments.get("iface")} - {None}
    for name in sorted(str(name) for name in names):
        yield from _interface(topic, name, device.driver, machine)
    if device.driver in _ON_INTERFACE and names and not machine.has_capability(CAP_NET_RAW):
        text = f"{device.driver} needs the right CAP_NET_RAW"
        yield Finding(topic, Level.LACKING, text, checks.RIGHTS_CURE)
    yield from _paths(topic, device, machine)


def _interface(topic: str, name: str, driver: str, machine: Machine) -> Iterator[Finding]:
    if len(name) > _INTERFACE_MAX:
        text = f"{name}: an interface's name has at most {_INTERFACE_MAX} characters"
        yield Finding(topic, Level.LACKING, text)
        return
    up = machine.interface_is_up(name)
    if driver == "net_tap":
        if up is not None:
            text = f"there is an interface {name} already: is another provider running?"
            yield Finding(topic, Level.LACKING, text, f"ip link delete {name}")
    elif up is None:
        cure = f"ip link add {name} type veth peer name {name[:13]}-p && ip link set {name} up"
        yield Finding(topic, Level.LACKING, f"there is no interface {name}", cure)
    elif not up:
        yield Finding(topic, Level.LACKING, f"{name} is down", f"ip link set {name} up")


def _paths(topic: str, device: Device, machine: Machine) -> Iterator[Finding]:
    if device.driver in _ON_PATH:
        key, why = _ON_PATH[device.driver]
        path = device.arguments.get(key, "")
        if not machine.path(path).exists():
            yield Finding(topic, Level.LACKING, f"there is no {path}; {why}")
    socket = device.arguments.get("socket", "")
    if device.driver == "net_memif" and socket.startswith("/"):
        folder = Path(socket).parent
        if not machine.path(str(folder)).is_dir():
            text = f"there is no folder {folder} for the socket"
            yield Finding(topic, Level.LACKING, text, f"mkdir -p {folder}")


def _addresses(
    topic: str, port: Port, device: Device, held: Mapping[str, tuple[str, int]]
) -> Iterator[Finding]:
    """Complain where the kernel has our address: it would answer in our place."""
    if device.driver != "net_tap" and device.driver not in _ON_INTERFACE:
        return
    for interface in port.address:
        host = str(interface.ip)
        if host in held:
            name, length = held[host]
            text = f"the kernel has our address {host} on {name}: it would reset our connections"
            yield Finding(topic, Level.LACKING, text, f"ip addr del {host}/{length} dev {name}")
