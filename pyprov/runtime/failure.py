"""How the dataplane's refusals become exceptions."""

from __future__ import annotations

from pyprov.core.port import DataplaneError


class StartError(Exception):
    """EAL or an engine did not start; the text is one line with the cause and the cure."""


def check(result: int, verb: str) -> int:
    """Return what a call gave, or raise what it refused."""
    if result < 0:
        raise DataplaneError(result, verb)
    return result
