"""What the doctor looks at on any machine."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

from pyprov.tools.doctor.finding import Finding, Level
from pyprov.tools.doctor.machine import CAP_NET_ADMIN, CAP_NET_RAW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pyprov.tools.doctor.drivers import Driver
    from pyprov.tools.doctor.machine import Machine, Nic

_MIB: Final = 1 << 20
_GIB: Final = 1 << 30

RIGHTS_CURE: Final = (
    "run it as root, or: setcap cap_net_admin,cap_net_raw,cap_ipc_lock+ep "
    '"$(readlink -f "$(command -v python3)")"'
)
HUGE_CURE: Final = "echo 1024 > /proc/sys/vm/nr_hugepages"


def dpdk(version: str, folder: str, drivers: Sequence[Driver], start: str) -> Finding:
    """Say which DPDK is here and whether it starts.

    Args:
        version: DPDK's own words, empty if its library was not found.
        folder: where its drivers were looked for.
        drivers: what was found there.
        start: why it does not start; empty if it does.
    """
    if start:
        return Finding("DPDK", Level.LACKING, f"does not start: {start}")
    if not drivers:
        text = f"{version} starts, but there is no driver in {folder}"
        return Finding("DPDK", Level.NOTE, text, "apt-get install libdpdk-dev")
    number = sum(driver.name.startswith("net_") for driver in drivers)
    return Finding("DPDK", Level.OK, f"{version} starts; {number} network drivers in {folder}")


def cpus(machine: Machine) -> Finding:
    """Say which CPUs there are."""
    usable = len(os.sched_getaffinity(0))
    online, isolated = machine.cpus("online"), machine.cpus("isolated")
    text = f"{len(online)} online, {usable} for this process"
    if isolated:
        text += f"; isolated from the scheduler: {spell_cpus(isolated)}"
    else:
        text += "; none isolated (no need, but a busy worker on an isolated CPU is never held up)"
    if usable < 2:
        text += "; a busy worker and Python would share one"
        return Finding("CPUs", Level.NOTE, text)
    return Finding("CPUs", Level.OK, text)


def memory(machine: Machine) -> Finding:
    """Say how much memory there is, and what the kernel does about huge pages by itself."""
    text = f"{machine.available_memory()} MiB available"
    setting = machine.transparent_huge_pages()
    if setting:
        text += f"; transparent huge pages: {setting}"
    return Finding("memory", Level.OK, text)


def huge_pages(machine: Machine) -> Finding:
    """Say whether there are huge pages."""
    pools = machine.huge_pools()
    if not pools:
        return Finding("huge pages", Level.NOTE, "the kernel has none; all works without")
    text = ", ".join(f"{pool.free} of {pool.total} free of {_size(pool.size)}" for pool in pools)
    if not any(pool.free for pool in pools):
        text += "; all works without, tables and packet buffers are faster with them"
        return Finding("huge pages", Level.NOTE, text, HUGE_CURE)
    return Finding("huge pages", Level.OK, text)


def tun(machine: Machine, bad: Level = Level.NOTE) -> Finding:
    """Say whether a tap can be made.

    Args:
        machine: to look at.
        bad: how much it matters if it can't.
    """
    error = machine.tun()
    if error == errno.ENOENT:
        cure = "modprobe tun || { mkdir -p /dev/net && mknod -m 666 /dev/net/tun c 10 200; }"
        return Finding("tap", bad, "there is no /dev/net/tun", cure)
    if error:
        cure = RIGHTS_CURE if error in {errno.EACCES, errno.EPERM} else "modprobe tun"
        return Finding("tap", bad, f"/dev/net/tun: {os.strerror(error)}", cure)
    if not machine.has_capability(CAP_NET_ADMIN):
        return Finding("tap", bad, "a tap needs the right CAP_NET_ADMIN", RIGHTS_CURE)
    return Finding("tap", Level.OK, "/dev/net/tun can be used")


def rights(machine: Machine) -> Finding:
    """Say which rights this process has."""
    wanted = {"CAP_NET_ADMIN": CAP_NET_ADMIN, "CAP_NET_RAW": CAP_NET_RAW}
    lacking = [name for name, number in wanted.items() if not machine.has_capability(number)]
    if lacking:
        text = f"{' and '.join(lacking)} missing: good for labs and the wire in memory alone"
        return Finding("rights", Level.NOTE, text, RIGHTS_CURE)
    return Finding("rights", Level.OK, "taps and packet sockets are allowed")


def cards(machine: Machine, drivers: Sequence[Driver]) -> Iterator[Finding]:
    """Say of each network card what DPDK could do with it."""
    nics = machine.nics()
    if not nics:
        yield Finding("cards", Level.OK, "no network card on the PCI bus; virtual devices do")
    for nic in nics:
        yield _card(nic, next((driver for driver in drivers if driver.knows(nic)), None))


def _card(nic: Nic, driver: Driver | None) -> Finding:
    topic = f"card {nic.address}"
    ids = f"{nic.ids[0]:04x}:{nic.ids[1]:04x}"
    here = f"{ids}, {', '.join(nic.interfaces) or 'no interface'}, kernel driver " + (
        nic.driver or "none"
    )
    if driver is None:
        return Finding(topic, Level.NOTE, f"{here}: no DPDK driver here knows it")
    if driver.shares or is_taken(nic):
        return Finding(topic, Level.OK, f"{here}: ready for {driver.name}")
    text = f"{here}: {driver.name} could drive it, once taken from the kernel"
    return Finding(topic, Level.OK, text)


def is_taken(nic: Nic) -> bool:
    """Ask whether the kernel has handed a card over."""
    return nic.driver in {"vfio-pci", "uio_pci_generic", "igb_uio"}


def bind_command(nic: Nic) -> str:
    """Return the command that takes a card from the kernel."""
    down = "".join(f"ip link set {name} down && " for name in nic.interfaces)
    return f"{down}modprobe vfio-pci && dpdk-devbind.py -b vfio-pci {nic.address}"


def vfio(machine: Machine, bad: Level = Level.NOTE) -> Finding:
    """Say whether cards can be handed over.

    Args:
        machine: to look at.
        bad: how much it matters if they can't.
    """
    if not machine.has_vfio():
        return Finding("vfio", bad, "vfio-pci is not loaded: cards need it", "modprobe vfio-pci")
    if machine.has_iommu():
        return Finding("vfio", Level.OK, "vfio-pci is loaded and has an IOMMU")
    unsafe = "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"
    if machine.read(unsafe) in {"Y", "1"}:
        return Finding("vfio", Level.OK, "vfio-pci is loaded, without an IOMMU")
    cure = f"echo 1 > {unsafe}"
    return Finding("vfio", bad, "vfio-pci is loaded, but there is no IOMMU", cure)


def general(machine: Machine, drivers: Sequence[Driver]) -> list[Finding]:
    """Return what there is to say about any machine, DPDK itself aside."""
    one_each: list[Callable[[Machine], Finding]] = [cpus, memory, huge_pages, tun, rights]
    found = [check(machine) for check in one_each]
    found += cards(machine, drivers)
    if any(driver.knows(nic) for nic in machine.nics() for driver in drivers):
        found.append(vfio(machine))
    return found


def spell_cpus(numbers: set[int]) -> str:
    """Spell a set of CPUs: {1, 2, 3, 7} is "1-3,7"."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)


def _size(size: int) -> str:
    return f"{size // _GIB} GiB" if size >= _GIB else f"{size // _MIB} MiB"
