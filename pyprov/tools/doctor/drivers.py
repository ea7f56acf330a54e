"""Which DPDK is here, and which devices its drivers know.

A driver carries a JSON text about itself, which DPDK's own dpdk-pmdinfo reads too.
"""

from __future__ import annotations

import ctypes
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyprov.tools.doctor.machine import Nic

_INFO = re.compile(rb"PMD_INFO_STRING= (\{.*?\})\0")
_ANY = 0xFFFF


@dataclass(frozen=True, slots=True)
class Driver:
    """One driver.

    Attributes:
        name: as in a device's name without its number: "net_tap".
        library: the file name of its plugin.
        parameters: what it takes after the name, in its own words.
        kernel: the kernel modules that it works with, in its own words.
        ids: PCI ids that it knows: vendor, device, subsystem's vendor and device, 0xffff for any.
    """

    name: str
    library: str
    parameters: str
    kernel: str
    ids: tuple[tuple[int, ...], ...]

    def knows(self, nic: Nic) -> bool:
        """Ask whether it drives a card."""
        return any(
            all(theirs in {ours, _ANY} for theirs, ours in zip(row, nic.ids, strict=False))
            for row in self.ids
        )

    @property
    def shares(self) -> bool:
        """Whether the card stays with the kernel's driver, as Mellanox' do."""
        return bool(self.kernel) and "vfio" not in self.kernel


def eal_library() -> Path | None:
    """Return the DPDK library that this process runs with, None before it is loaded."""
    found = re.search(r"(/\S+/librte_eal\.so\.[\d.]+)$", _maps(), re.MULTILINE)
    return Path(found[1]) if found else None


def _maps() -> str:
    return Path("/proc/self/maps").read_text()


def version(library: Path) -> str:
    """Return DPDK's own name for its version: "DPDK 22.11.11"."""
    function = ctypes.CDLL(str(library)).rte_version
    function.restype = ctypes.c_char_p
    return cast("bytes", function()).decode()


def plugin_folder(library: Path) -> Path:
    """Return where DPDK looks for drivers: beside its libraries, by the version of its ABI."""
    abi = library.name.partition(".so.")[2]
    return library.parent / "dpdk" / f"pmds-{abi}"


def read_drivers(files: Iterable[Path]) -> list[Driver]:
    """Return the drivers in some shared objects, sorted by name."""
    drivers = [driver for file in files for driver in _drivers_of(file)]
    return sorted(drivers, key=lambda driver: driver.name)


def plugins(folder: Path) -> list[Path]:
    """Return the plugins in a folder, each once though it has several names."""
    return sorted({path.resolve() for path in folder.glob("librte_*.so*")})


def _drivers_of(file: Path) -> list[Driver]:
    try:
        with file.open("rb") as stream:
            section = ELFFile(stream).get_section_by_name(".rodata")
            texts = _INFO.findall(section.data()) if section else []
    except (OSError, ELFError):
        return []
    return [_driver(json.loads(text), file.name) for text in texts]


def _driver(info: dict[str, object], library: str) -> Driver:
    rows = cast("list[list[int]]", info.get("pci_ids", []))
    return Driver(
        name=str(info.get("name", "")),
        library=library,
        parameters=str(info.get("params", "")).strip(),
        kernel=str(info.get("kmod", "")),
        ids=tuple(tuple(row) for row in rows),
    )
