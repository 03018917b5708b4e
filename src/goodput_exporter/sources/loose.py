"""Reading of foreign JSON in which every field may be missing, null or of any type."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

Fields: TypeAlias = Mapping[str, object]

_EMPTY: Final[Fields] = {}
_OBJECT: Final = (dict, Mapping)
"""Nearly every object is a dict, which is told much faster than a Mapping."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_NS_PER_MICROSECOND: Final = 1_000


def fields(value: object, *path: str) -> Fields:
    """Return the object under *path*; empty where there is none."""
    for name in path:
        value = value.get(name) if isinstance(value, _OBJECT) else None
    return value if isinstance(value, _OBJECT) else _EMPTY


def rows(value: object, *path: str) -> list[Fields]:
    """Return the objects in the list under *path*; whatever else is in it is left."""
    last = fields(value, *path[:-1]).get(path[-1])
    if not isinstance(last, list | tuple):
        return []
    return [row for row in last if isinstance(row, _OBJECT)]


def text(value: object, *path: str) -> str:
    """Return the string under *path*; ``""`` where there is none."""
    last = fields(value, *path[:-1]).get(path[-1])
    return last if isinstance(last, str) else ""


def whole(value: object, *path: str) -> int | None:
    """Return the integer under *path*; True is none."""
    last = fields(value, *path[:-1]).get(path[-1])
    return last if isinstance(last, int) and not isinstance(last, bool) else None


def instant_ns(value: object, *path: str) -> int | None:
    """Return the RFC 3339 timestamp under *path*, in nanoseconds since the epoch."""
    try:
        at = datetime.fromisoformat(text(value, *path))
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return (at - _EPOCH) // _MICROSECOND * _NS_PER_MICROSECOND
