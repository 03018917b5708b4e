"""The settings as a flat table, and how a found value becomes a checked one."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from goodput_exporter.config.setting import Setting
from goodput_exporter.config.settings import Settings
from goodput_exporter.errors import ConfigError

PREFIX = "GOODPUT_EXPORTER_"
MOST = 10**9
"""Of any number whose setting says nothing else: 31 years in seconds, a petabyte in
mebibytes. Beyond that, sums in nanoseconds leave the ledger's 64 bits."""
SHOWN = 80
"""Characters of a wrong value that a message repeats."""


@dataclass(frozen=True, slots=True)
class Field:
    """One setting, as the reference page, the flags and the checks see it."""

    section: str
    name: str
    kind: type
    many: bool
    optional: bool
    default: object
    about: Setting

    @property
    def key(self) -> str:
        """Return what files and messages call it: ``http.port``."""
        return f"{self.section}.{self.name}"

    @property
    def flag(self) -> str:
        """Return what the command line calls it: ``--http-port``."""
        return "--" + self.key.replace(".", "-").replace("_", "-")

    @property
    def variable(self) -> str:
        """Return what the environment calls it: ``GOODPUT_EXPORTER_HTTP_PORT``."""
        return PREFIX + self.key.replace(".", "_").upper()


@dataclass(frozen=True, slots=True)
class Given:
    """A value as it was found, and where, for messages and ``config``."""

    value: object
    where: str


def _fields() -> Iterator[Field]:
    sections = typing.get_type_hints(Settings)
    for section, of_section in sections.items():
        hints = typing.get_type_hints(of_section, include_extras=True)
        for item in dataclasses.fields(of_section):
            shape, about = typing.get_args(hints[item.name])
            kind, many, optional = _shape(shape)
            yield Field(section, item.name, kind, many, optional, item.default, about)


def _shape(annotation: object) -> tuple[type, bool, bool]:
    """Return the plain type, whether it is a list of it, and whether None is one."""
    if isinstance(annotation, types.UnionType):
        return annotation.__args__[0], False, True
    if typing.get_origin(annotation) is tuple:
        return typing.get_args(annotation)[0], True, False
    if not isinstance(annotation, type):
        msg = f"config.py: {annotation!r} is no type that a setting can have"
        raise TypeError(msg)
    return annotation, False, False


FIELDS = {field.key: field for field in _fields()}


def convert(field: Field, given: Given) -> object:
    """
    Return a value as its setting's type, within its bounds.

    Raises:
        ConfigError: It cannot be, or is out of bounds.
    """
    value = given.value
    if field.optional and (value is None or value == ""):
        return None
    if field.many:
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, list | tuple):
            raise _wrong(field, given, "a list of text")
        return tuple(_one(field, Given(item, given.where)) for item in items)
    return _one(field, given)


def _one(field: Field, given: Given) -> object:
    value = given.value.strip() if isinstance(given.value, str) else given.value
    if field.kind in (int, float):
        return _number(field, given, value)
    if not isinstance(value, str | Path) or value == "":
        raise _wrong(field, given, "text that is not empty")
    if "\0" in str(value):
        raise _wrong(field, given, "text without a NUL character")
    if field.kind is Path:
        return _path(field, given, value)
    if field.about.choices and value not in field.about.choices:
        raise _wrong(field, given, "one of " + ", ".join(field.about.choices))
    return value


def _path(field: Field, given: Given, value: str | Path) -> Path:
    try:
        return Path(value).expanduser()
    except RuntimeError:  # what pathlib raises for a ~ that is nobody's
        raise _wrong(field, given, "a path below a home that exists") from None


def _number(field: Field, given: Given, value: object) -> int | float:
    wanted = "a whole number" if field.kind is int else "a number"
    accepted = (str, int) if field.kind is int else (str, int, float)
    if isinstance(value, bool) or not isinstance(value, accepted):
        raise _wrong(field, given, wanted)
    try:
        number: int | float = field.kind(value)
    except (ValueError, OverflowError):
        raise _wrong(field, given, wanted) from None
    low, high = field.about.at_least, field.about.at_most
    if number in (float("inf"), float("-inf")):
        raise _wrong(field, given, wanted)
    high = MOST if high is None and number > MOST else high
    # Written so that NaN, which compares false with everything, is refused too.
    if not (low is None or number >= low) or not (high is None or number <= high):
        limits = [f"at least {low}"] * (low is not None)
        limits += [f"at most {high}"] * (high is not None)
        raise _wrong(field, given, f"{wanted}, " + " and ".join(limits))
    return number


def _wrong(field: Field, given: Given, wanted: str) -> ConfigError:
    unit = f" ({field.about.unit})" if field.about.unit else ""
    return ConfigError(
        f"{given.where}: {field.key} must be {wanted}{unit}, not {_shown(given.value)}"
    )


def _shown(value: object) -> str:
    """Return a value as a message shows it: as much as a person can read."""
    try:
        text = repr(value)
    except ValueError:  # Python writes out no number of over 4,300 digits
        return "a number of thousands of digits"
    left = len(text) - SHOWN
    return text if left <= 0 else f"{text[:SHOWN]}... ({left} characters more)"
