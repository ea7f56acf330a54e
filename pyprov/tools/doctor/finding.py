"""What the doctor says about one thing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"  # it is there
    NOTE = "note"  # it is not, and some uses would need or like it
    LACKING = "lacking"  # what was asked for cannot work without it


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    Attributes:
        topic: what it is about, one word or two.
        level: how much it matters.
        text: what was found.
        cure: the command that mends it; empty if there is nothing to mend or no command does.
    """

    topic: str
    level: Level
    text: str
    cure: str = ""
