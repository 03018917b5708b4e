"""What a cluster gives to be seen: objects, log lines, exits, datagrams; unparsed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

Body: TypeAlias = dict[str, Any]
"""JSON of a foreign schema."""


class Via(StrEnum):
    """By which way something is seen."""

    OBJECT = "object"
    KERNEL = "kernel"
    LOG = "log"
    EXIT = "exit"
    DATAGRAM = "datagram"
    WINDOW = "window"


class Verb(StrEnum):
    """What a watch of Kubernetes says of an object."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


@dataclass(slots=True)
class Raw:
    """
    One thing to see.

    Args:
        at_ns: When it happened, on the ledger's clock; nobody is told.
        via: How it is seen.
        body: The object of an ``OBJECT``; else what is said beside *text*.
        verb: Of an object.
        text: A log line, or a datagram.
        seen_ns: When a source sees it, on the ledger's clock.
    """

    at_ns: int
    via: Via
    body: Body = field(default_factory=dict)
    verb: Verb | None = None
    text: str = ""
    seen_ns: int = 0

    @property
    def data(self) -> bytes:
        """Return a datagram as it goes over the wire."""
        return self.text.encode()


def line_of(raw: Raw) -> str:
    """Return one line of JSON: what a source sees, and when."""
    told: Body = {"seen_ns": raw.seen_ns, "via": raw.via.value}
    if raw.verb is not None:
        told["verb"] = raw.verb.value
    if raw.text:
        told["text"] = raw.text
    if raw.body:
        told["body"] = raw.body
    return json.dumps(told, separators=(",", ":"))
