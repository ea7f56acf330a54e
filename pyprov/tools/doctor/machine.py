"""The facts of a machine that matter here, read from /proc, /sys and /dev."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass
from pathlib import Path

CAP_NET_ADMIN = 12
CAP_NET_RAW = 13

_NETWORK_CLASS = "0x02"
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Nic:
    """A network device on the PCI bus.

    Attributes:
        address: where: "0000:3b:00.0".
        ids: vendor, device, and both of its subsystem.
        driver: the kernel's driver that has it now, empty for none.
        interfaces: the kernel's interfaces on it.
    """

    address: str
    ids: tuple[int, int, int, int]
    driver: str
    interfaces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HugePool:
    """Huge pages of one size in bytes; how many there are, and how many nobody has."""

    size: int
    total: int
    free: int


class Machine:
    """The machine below a root folder, which is / except in tests."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    def path(self, name: str) -> Path:
        """Return the path of an absolute name."""
        return self._root / name.lstrip("/")

    def read(self, name: str) -> str:
        """Return the stripped text of a file, empty if there is none."""
        try:
            return self.path(name).read_text().strip()
        except OSError:
            return ""

    def nics(self) -> list[Nic]:
        """Return the network devices on the PCI bus."""
        return [
            self._nic(folder)
            for folder in sorted(self.path("/sys/bus/pci/devices").glob("*"))
            if self._text(folder / "class").startswith(_NETWORK_CLASS)
        ]

    def _nic(self, folder: Path) -> Nic:
        names = ("vendor", "device", "subsystem_vendor", "subsystem_device")
        vendor, device, *subsystem = (int(self._text(folder / name) or "0", 16) for name in names)
        driver = folder / "driver"
        return Nic(
            address=folder.name,
            ids=(vendor, device, subsystem[0], subsystem[1]),
            driver=driver.resolve().name if driver.exists() else "",
            # A virtio card's interface hangs below the virtio device.
            interfaces=tuple(sorted(path.name for path in folder.glob("**/net/*"))),
        )

    @staticmethod
    def _text(path: Path) -> str:
        try:
            return path.read_text().strip()
        except OSError:
            return ""

    def huge_pools(self) -> list[HugePool]:
        """Return the pools of huge pages, the smallest size first."""
        pools = [
            HugePool(
                size=1024 * int(folder.name.removeprefix("hugepages-").removesuffix("kB")),
                total=int(self._text(folder / "nr_hugepages") or "0"),
                free=int(self._text(folder / "free_hugepages") or "0"),
            )
            for folder in self.path("/sys/kernel/mm/hugepages").glob("hugepages-*kB")
        ]
        return sorted(pools, key=lambda pool: pool.size)

    def available_memory(self) -> int:
        """Return MiB that can be had without swapping."""
        match = re.search(r"^MemAvailable:\s+(\d+) kB", self.read("/proc/meminfo"), re.MULTILINE)
        return int(match[1]) * 1024 // _MIB if match else 0

    def cpus(self, which: str) -> set[int]:
        """Return a set of CPUs by its name below /sys/devices/system/cpu: "online", "isolated"."""
        cpus: set[int] = set()
        text = self.read(f"/sys/devices/system/cpu/{which}")
        for part in re.findall(r"\d+(?:-\d+)?", text):
            first, _, last = part.partition("-")
            cpus.update(range(int(first), int(last or first) + 1))
        return cpus

    def transparent_huge_pages(self) -> str:
        """Return the kernel's setting: "always", "madvise" or "never"; empty without any."""
        chosen = re.search(r"\[(\w+)\]", self.read("/sys/kernel/mm/transparent_hugepage/enabled"))
        return chosen[1] if chosen else ""

    def has_capability(self, number: int) -> bool:
        """Ask whether this process has a capability."""
        match = re.search(r"^CapEff:\s+([0-9a-f]+)$", self.read("/proc/self/status"), re.MULTILINE)
        return bool(match and int(match[1], 16) >> number & 1)

    def tun(self) -> int:
        """Try to open the tun device; 0 or the errno."""
        try:
            os.close(os.open(self.path("/dev/net/tun"), os.O_RDWR | os.O_CLOEXEC))
        except OSError as error:
            return error.errno or errno.EIO
        return 0

    def interface_is_up(self, name: str) -> bool | None:
        """Ask whether an interface of the kernel is set up; None: there is no such one."""
        flags = self.read(f"/sys/class/net/{name}/flags")
        return bool(int(flags, 16) & 1) if flags else None

    def has_vfio(self) -> bool:
        """Ask whether the kernel's vfio-pci is loaded."""
        return self.path("/sys/bus/pci/drivers/vfio-pci").exists()

    def has_iommu(self) -> bool:
        """Ask whether an IOMMU is in use."""
        groups = self.path("/sys/kernel/iommu_groups")
        return groups.exists() and any(groups.iterdir())
