"""CPU time as the kernel accounts it, and which CPU does what in a benchmark."""

import os
from pathlib import Path
from typing import Final

SERVER: Final = 1  # CPU of the server side, packet work included
CLIENT: Final = 0

_TICK: Final = 1 / os.sysconf("SC_CLK_TCK")


def busy_seconds(cpu: int) -> float:
    """Seconds since boot in which a CPU did anything: user, nice, system, irq and softirq."""
    for line in Path("/proc/stat").read_text(encoding="ascii").splitlines():
        name, *fields = line.split()
        if name == f"cpu{cpu}":
            user, nice, system, _idle, _iowait, irq, softirq = map(int, fields[:7])
            return (user + nice + system + irq + softirq) * _TICK
    raise ValueError(f"there is no CPU {cpu}")


def both_busy_seconds() -> float:
    """Seconds since boot in which the two did anything, together."""
    return busy_seconds(SERVER) + busy_seconds(CLIENT)


def pinned(cpu: int, *command: str) -> list[str]:
    """The command, bound to one CPU."""
    return ["taskset", "--cpu-list", str(cpu), *command]
