"""What a key of a configuration file may hold, said where the key is defined.

A configuration table is a frozen dataclass whose fields are made by the functions below. Each gives
its field a default and a rule: how a TOML value is checked and turned into the field's value.
`build` makes such a dataclass of a TOML table and says exactly what is wrong if that cannot be.
"""

import difflib
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Table = TypeVar("Table", bound=DataclassInstance)

Value = TypeVar("Value")
_RULE = "rule"


class ConfigError(ValueError):
    """A configuration cannot be.

    Attributes:
        file: Where it came from.
        key: The key with the tables around it: `port[0].mtu`. Empty if it is the file as a whole.
        problem: What is wrong, and what is allowed.
    """

    def __init__(self, key: str, problem: str, *, value: object = None, file: str = "") -> None:
        self.file = file
        self.key = key
        self.problem = problem
        self.value = value
        shown = "" if value is None else f" = {spell(value)}"
        place = ": ".join(part for part in (file, f"{key}{shown}") if part)
        super().__init__(f"{place}: {problem}" if place else problem)

    def within(self, outer: str, file: str = "") -> "ConfigError":
        """Return the same error as seen from an enclosing table or file."""
        dot = "." if outer and self.key and not self.key.startswith("[") else ""
        return ConfigError(
            f"{outer}{dot}{self.key}", self.problem, value=self.value, file=file or self.file
        )


@dataclass(frozen=True, slots=True)
class _Rule:
    read: Callable[[object], object]


def parsed(default: Value, read: Callable[[object], Value]) -> Value:
    """Define a field that `read` makes of a TOML value, or refuses with `ConfigError`."""
    return field(default=default, metadata={_RULE: _Rule(read)})


def parsed_by(make: Callable[[], Value], read: Callable[[object], Value]) -> Value:
    """Define such a field whose default is made for each table."""
    return field(default_factory=make, metadata={_RULE: _Rule(read)})


def flag(*, default: bool) -> bool:
    """Define a switch."""

    def read(value: object) -> bool:
        if not isinstance(value, bool):
            raise refused(value, "true or false")
        return value

    return parsed(default, read)


def integer(default: int, low: int, high: int, *, zero: str = "") -> int:
    """Define a whole number from low to high; `zero` says what an additional 0 means."""
    allowed = f"a whole number from {low} to {high}" + (f", or 0 for {zero}" if zero else "")

    def read(value: object) -> int:
        if zero and isinstance(value, int) and value == 0:
            return as_integer(value, 0, 0, allowed)
        return as_integer(value, low, high, allowed)

    return parsed(default, read)


def seconds(default: float, low: float, high: float, *, zero: str = "") -> float:
    """Define a time in seconds from low to high; `zero` says what an additional 0 means."""
    allowed = f"seconds from {low:g} to {high:g}" + (f", or 0 for {zero}" if zero else "")
    return number(default, low, high, allowed, zero=bool(zero))


def number(default: float, low: float, high: float, allowed: str, *, zero: bool = False) -> float:
    """Define a number from low to high, with 0 beside these if `zero`."""

    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise refused(value, allowed)
        if not (low <= value <= high or (zero and value == 0)):
            raise refused(value, allowed)
        return float(value)

    return parsed(default, read)


def choice(default: str, *words: str) -> str:
    """Define a word out of a few."""
    allowed = f"{', '.join(map(spell, words[:-1]))} or {spell(words[-1])}"

    def read(value: object) -> str:
        text = as_text(value, allowed)
        if text not in words:
            raise refused(value, allowed)
        return text

    return parsed(default, read)


def refused(value: object, allowed: str) -> ConfigError:
    """Make the error for a value that is not what is allowed."""
    return ConfigError("", f"expected {allowed}", value=value)


def spell(value: object) -> str:
    """Spell a value as TOML does, shortened if it is long."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except ValueError:
        text = str(value)
    text = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)
    return text if len(text) <= 80 else f"{text[:77]}..."


def spell_key(key: str) -> str:
    """Spell a key as TOML does: in quotes unless it is made of letters, digits, _ and -."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else spell(key)


def as_text(value: object, allowed: str) -> str:
    """Return a text, or refuse the value by saying what is allowed."""
    if not isinstance(value, str):
        raise refused(value, allowed)
    return value


def as_integer(value: object, low: int, high: int, allowed: str = "") -> int:
    """Return a whole number from low to high, or refuse the value."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise refused(value, allowed or f"a whole number from {low} to {high}")
    return value


def as_table(value: object, known: Iterable[str], allowed: str = "a table") -> dict[str, object]:
    """Return a table none of whose keys is unknown; no known keys means that any is fine."""
    if not isinstance(value, dict):
        raise refused(value, allowed)
    keys = list(known)
    for key in value:
        if keys and key not in keys:
            raise ConfigError(spell_key(key), unknown(key, keys))
    return value


def take(table: dict[str, object], key: str, read: Callable[[object], Value]) -> Value:
    """Return what `read` makes of a key that has to be there."""
    if key not in table:
        raise ConfigError(key, "is missing")
    try:
        return read(table[key])
    except ConfigError as error:
        raise error.within(spell_key(key)) from None


def as_list(value: object, read: Callable[[object], Value], allowed: str) -> tuple[Value, ...]:
    """Return what `read` makes of each item of a list."""
    if not isinstance(value, list):
        raise refused(value, allowed)
    items = []
    for index, item in enumerate(value):
        try:
            items.append(read(item))
        except ConfigError as error:
            raise error.within(f"[{index}]") from None
    return tuple(items)


def unknown(key: str, keys: Iterable[str]) -> str:
    """Say that a key is unknown, with the one that was probably meant or else all there are."""
    near = difflib.get_close_matches(key, keys, n=1)
    if near:
        return f"unknown key; did you mean {near[0]}?"
    return f"unknown key; known here are {', '.join(sorted(keys))}"


def build(default: "Table", value: object) -> "Table":
    """Return `default` with the keys of a TOML table replaced.

    Raises:
        ConfigError: For an unknown key, a value that its rule refuses, or values that cannot be
            together.
    """
    rules = {part.name: part.metadata[_RULE] for part in fields(default) if _RULE in part.metadata}
    made = {}
    for key, item in as_table(value, rules).items():
        try:
            made[key] = rules[key].read(item)
        except ConfigError as error:
            raise error.within(key) from None
    return replace(default, **made)


def keys_of(table: "type[DataclassInstance]") -> tuple[str, ...]:
    """Return the keys that a table's files may have."""
    return tuple(part.name for part in fields(table) if _RULE in part.metadata)
