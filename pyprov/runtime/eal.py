"""How DPDK's environment (EAL) is started: once a process, so alike for all that may run in it.

The arguments depend as little as possible on the configuration, since a second engine with other
ones is refused. The main lcore floats over the CPUs this process may use: no thread is pinned by
EAL itself.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pyprov.runtime.config import Config

_HUGEPAGES: Final = Path("/sys/kernel/mm/hugepages")
_PCI: Final = re.compile(r"[0-9a-fA-F:]+\.[0-7]")

# MiB without huge pages. They are taken up only as they are used.
_MEMORY_LIVE: Final = 1024
_MEMORY_LAB: Final = 512

# EAL's own allocations, on top of packet buffers and chunks.
_MEMORY_OWN: Final = 64


def lab_arguments() -> list[str]:
    """Return the arguments for step mode: no rights, no huge pages, no device, no file."""
    return _arguments("--no-huge", f"-m{_MEMORY_LAB}", "--no-pci", "--no-telemetry", "--no-shconf")


def arguments(config: Config, *, huge: bool) -> list[str]:
    """Return the arguments for a live engine."""
    if huge:
        memory = ["--in-memory"]
    else:
        needed = 2 * config.provider.memory + _MEMORY_OWN
        memory = ["--no-huge", f"-m{max(_MEMORY_LIVE, needed)}", "--no-shconf"]
    devices = [port.device for port in config.ports if _PCI.match(port.device)]
    buses = [word for device in devices for word in ("-a", device)] or ["--no-pci"]
    telemetry = [] if config.observe.telemetry else ["--no-telemetry"]
    return _arguments(*memory, *buses, *telemetry, *config.provider.eal)


def huge_pages(config: Config) -> bool:
    """Decide whether the engine gets huge pages.

    Raises:
        ValueError: the configuration insists and there are not enough; one line with the cure.
    """
    wish, needed = config.provider.huge, config.provider.memory + _MEMORY_OWN
    free = 0 if wish == "never" else free_huge_memory()
    if wish == "always" and free < needed:
        raise ValueError(
            f'provider.huge = "always": {free} MiB of huge pages are free, {needed} are needed: '
            f'as root, echo {-(-needed // 2)} > /proc/sys/vm/nr_hugepages (or huge = "auto")'
        )
    return free >= needed


def free_huge_memory() -> int:
    """Return how many MiB of huge pages nobody has taken."""
    total = 0
    for pool in _HUGEPAGES.glob("hugepages-*kB"):
        size = int(pool.name.removeprefix("hugepages-").removesuffix("kB"))
        total += size * int((pool / "free_hugepages").read_text())
    return total // 1024


def _arguments(*words: str) -> list[str]:
    cpus = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    # Nothing is shared through files, so processes can do with one name (and one folder).
    shared = ("--file-prefix=pyprov", "--log-level=*:error")
    return ["pyprov", f"--lcores=0@({cpus})", *shared, *words]
