"""What arguments of the commands mean."""

from __future__ import annotations

import contextlib
import importlib
import re
import sys
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, NamedTuple

from pyprov.runtime.config import Config, ConfigError
from pyprov.tools.errors import Unusable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping
    from pathlib import Path


class Where(NamedTuple):
    """A numeric address and a port: where to listen, or whom to connect to."""

    host: str
    port: int

    @property
    def family(self) -> int:
        """4 or 6."""
        return 6 if ":" in self.host else 4

    @property
    def is_any(self) -> bool:
        """Whether it stands for all addresses of its family."""
        return ip_address(self.host).is_unspecified

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if self.family == 6 else f"{self.host}:{self.port}"


def read_where(text: str, option: str = "--listen") -> Where:
    """Read HOST:PORT, given as that option.

    Raises:
        Unusable: it isn't that.
    """
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):([0-9]{1,5})", text)
    if match and 1 <= int(match[3]) <= 0xFFFF:
        with contextlib.suppress(ValueError):
            host = IPv6Address(match[1]) if match[1] else IPv4Address(match[2])
            return Where(str(host), int(match[3]))
    raise Unusable(f"{option} {text}: expected ADDRESS:PORT like 10.9.0.2:80 or [fd09::2]:80")


def check_numbers(arguments: argparse.Namespace, limits: Mapping[str, tuple[float, float]]) -> None:
    """Refuse options outside their limits.

    Raises:
        Unusable: the first of them, with its limits.
    """
    for name, (least, most) in limits.items():
        value = getattr(arguments, name)
        if not least <= value <= most:
            raise Unusable(f"--{name} {value}: expected {least} to {most}")


def load_config(name: Path | str) -> Config:
    """Read a configuration.

    Raises:
        Unusable: it can't be.
    """
    try:
        return Config.load(name)
    except ConfigError as error:
        raise Unusable(str(error)) from None


def check_address(where: Where, config: Config) -> None:
    """Refuse an address that the configuration's ports don't have.

    Raises:
        Unusable: with those that they have.
    """
    own = [str(interface.ip) for port in config.ports for interface in port.address]
    if not where.is_any and where.host not in own and not _is_loopback(where.host):
        names = ", ".join(own) or "none"
        raise Unusable(
            f"--listen {where}: the addresses in {config.source or 'the configuration'} are {names}"
        )


def _is_loopback(host: str) -> bool:
    return ip_address(host).is_loopback


def load_function(option: str, text: str) -> object:
    """Import MODULE:FUNCTION; modules are looked for in the current folder too.

    Raises:
        Unusable: there is no such thing.
    """
    module_name, _, name = text.partition(":")
    if not module_name or not name:
        raise Unusable(f"{option} {text}: expected MODULE:FUNCTION")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise Unusable(f"{option} {text}: {error}") from None
    function: object = getattr(module, name, None)
    if not callable(function):
        raise Unusable(f"{option} {text}: {module_name} has no function {name}")
    return function
