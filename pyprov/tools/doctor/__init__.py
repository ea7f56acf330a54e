"""`pyprov doctor`: what this machine lacks, and the command that mends it.

With --config it also says whether that configuration can run here. Exit status 0 if nothing that
was asked for is lacking.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from pyprov.runtime import eal, engine
from pyprov.runtime.config import Config, ConfigError
from pyprov.tools.doctor import checks, drivers, fit
from pyprov.tools.doctor.finding import Finding, Level
from pyprov.tools.doctor.machine import Machine
from pyprov.tools.errors import Unusable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pyprov.tools.doctor.drivers import Driver

_MARKS = {Level.OK: "ok", Level.NOTE: "note", Level.LACKING: "LACKING"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing beside --config and --json."""
    parser.epilog = "Exit status 1 if something that is needed is lacking, else 0."


def run(arguments: argparse.Namespace) -> int:
    """Look, and report."""
    try:
        config = Config.load(arguments.config) if arguments.config else None
    except ConfigError as error:
        raise Unusable(str(error)) from None
    found, known = examine(Machine(), config)
    lacking = any(finding.level is Level.LACKING for finding in found)
    if arguments.json:
        print(json.dumps(_document(found, known, ok=not lacking)))
    else:
        _print(found, config)
    return 1 if lacking else 0


def examine(machine: Machine, config: Config | None) -> tuple[list[Finding], list[Driver]]:
    """Return all there is to say, and DPDK's drivers."""
    start = _try_dpdk()
    library = drivers.eal_library()
    known: list[Driver] = []
    version, folder = "DPDK", ""
    if library is not None:
        version, plugins = drivers.version(library), drivers.plugin_folder(library)
        known, folder = drivers.read_drivers(drivers.plugins(plugins)), str(plugins)
    found = [checks.dpdk(version, folder, known, start), *checks.general(machine, known)]
    if config is not None:
        found += fit.check(config, machine, known, fit.kernel_addresses())
    return found, known


def _try_dpdk() -> str:
    """Start DPDK as a lab does, which checks the CPU too; empty or why it can't be."""
    try:
        engine.start_eal(eal.lab_arguments(), any_will_do=True)
    except engine.StartError as error:
        return str(error)
    return ""


def _document(found: Sequence[Finding], known: Sequence[Driver], *, ok: bool) -> dict[str, object]:
    names = [driver.name for driver in known]
    return {"ok": ok, "findings": [asdict(finding) for finding in found], "drivers": names}


def _print(found: Sequence[Finding], config: Config | None) -> None:
    width = max(len(finding.topic) for finding in found)
    for finding in found:
        print(f"{_MARKS[finding.level]:>7}  {finding.topic:{width}}  {finding.text}")
        if finding.cure:
            print(f"{'':7}  {'':{width}}  -> {finding.cure}")
    number = sum(finding.level is Level.LACKING for finding in found)
    what = config.source if config else "labs and the wire in memory"
    print()
    print(f"{number} lacking for {what}" if number else f"nothing is lacking for {what}")
