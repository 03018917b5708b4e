"""
The chart's values, read from ``values.yaml`` with their comments, and their schema.

A comment stands above its value. A line that begins with ``@schema`` says in JSON
Schema what may be set, where that does not follow from the default.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from goodput_exporter.config.fields import FIELDS

MARK: Final = "@schema"

INTERVALS: Final = ("5s", "10s", "15s", "20s", "30s", "45s", "60s", "1m", "90s", "2m")
"""What may be chosen: a schema cannot compare numbers, but it can list pairs."""

DEFINITIONS: Final[Mapping[str, object]] = {
    "strings": {"type": "object", "additionalProperties": {"type": "string"}},
    "settings": {
        "type": "object",
        "propertyNames": {"enum": sorted(FIELDS)},
        "additionalProperties": {"type": ["string", "number", "null", "array"]},
    },
    "port": {
        "oneOf": [
            {"type": "integer", "minimum": 1, "maximum": 65535},
            {"type": "string", "pattern": "^:?[1-9][0-9]{0,4}$"},
        ]
    },
    "pullSecrets": {
        "type": "array",
        "items": {
            "oneOf": [
                {"type": "string", "minLength": 1},
                {
                    "type": "object",
                    "required": ["name"],
                    "additionalProperties": False,
                    "properties": {"name": {"type": "string"}},
                },
            ]
        },
    },
    "resources": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "requests": {"type": "object"},
            "limits": {"type": "object"},
            "claims": {"type": "array"},
        },
    },
    "interval": {"type": "string", "enum": ["", *INTERVALS]},
}


@dataclass(frozen=True, slots=True)
class Value:
    """
    One value of the chart.

    Args:
        path: Its keys, from the top.
        default: As ``values.yaml`` has it.
        meaning: Its comment, in one line.
        schema: What it may be, in JSON Schema.
    """

    path: tuple[str, ...]
    default: object
    meaning: str
    schema: Mapping[str, object]


def values(text: str) -> list[Value]:
    """
    Read every value of a ``values.yaml`` with the comment above it.

    Raises:
        TypeError: It holds no values.
        ValueError: A value has no comment.
    """
    top = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(top, yaml.MappingNode):
        msg = "values.yaml: its top is no mapping"
        raise TypeError(msg)
    return list(_values(top, text.splitlines(), ()))


def _values(
    node: yaml.MappingNode, lines: list[str], path: tuple[str, ...]
) -> Iterator[Value]:
    for key, value in node.value:
        here = (*path, key.value)
        meaning, marked = _comment(lines, key.start_mark.line)
        if isinstance(value, yaml.MappingNode) and value.value and not marked:
            yield from _values(value, lines, here)
            continue
        if not meaning:
            msg = f"values.yaml: {'.'.join(here)} has no comment"
            raise ValueError(msg)
        default = yaml.safe_load(yaml.serialize(value))
        yield Value(here, default, meaning, _schema_of(default, marked))


def _comment(lines: list[str], at: int) -> tuple[str, dict[str, Any]]:
    """Return the words above a line, and what they say of its schema."""
    words: list[str] = []
    marked: dict[str, Any] = {}
    while at > 0 and lines[at - 1].lstrip().startswith("#"):
        at -= 1
        text = lines[at].strip().removeprefix("#").strip()
        if text.startswith(MARK):
            marked = json.loads(text.removeprefix(MARK))
        else:
            words.insert(0, text)
    return " ".join(words), marked


def _schema_of(default: object, marked: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in marked:
        return marked
    names = {bool: "boolean", int: "integer", str: "string", list: "array"}
    kind = names.get(type(default), "object")
    return {"type": kind, **marked}


def schema(found: list[Value]) -> dict[str, Any]:
    """Return the JSON schema of the values; keys it does not name are refused."""
    top = _object()
    for value in found:
        at = top
        for key in value.path[:-1]:
            at = at["properties"].setdefault(key, _object())
        described = {**value.schema, "description": value.meaning}
        at["properties"][value.path[-1]] = described
    top["properties"]["monitoring"]["allOf"] = list(_no_longer_than_interval())
    # Helm itself puts subcharts' switches here.
    top["properties"]["global"]["additionalProperties"] = True
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$comment": "Generated from values.yaml; run `make docs`.",
        **top,
        "$defs": DEFINITIONS,
    }


def _object() -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": {}}


def seconds(text: str) -> int:
    """Return the seconds of an interval, such as 60 of ``1m``."""
    return int(text[:-1]) * {"s": 1, "m": 60}[text[-1]]


def _no_longer_than_interval() -> Iterator[dict[str, Any]]:
    for interval in INTERVALS:
        shorter = [one for one in INTERVALS if seconds(one) <= seconds(interval)]
        yield {
            "if": {"properties": {"interval": {"const": interval}}},
            "then": {"properties": {"scrapeTimeout": {"enum": ["", *shorter]}}},
        }
