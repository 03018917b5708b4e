"""Interruptions as recorded in public: raw objects, the expected cause, the source."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from goodput_exporter.domain.evidence import Evidence, Kind
from goodput_exporter.domain.observations import GpuLost
from goodput_exporter.domain.states import Cause
from goodput_exporter.sources.evidence import evidence_of, evidence_of_deleted
from goodput_exporter.sources.evidence_lines import (
    evidence_of_cycle,
    evidence_of_gpu,
    evidence_of_kernel_line,
    evidence_of_log_line,
)
from goodput_exporter.sources.loose import instant_ns

FOLDER: Final = Path(__file__).resolve().parents[1] / "fixtures" / "causes"


@dataclass(frozen=True, slots=True)
class Recorded:
    """
    One fixture.

    Args:
        name: Its file's, without the ending.
        end_ns: When the first rank's incarnation ended.
        evidence: What the parsers make of the raw objects.
        cause, rule: What is expected.
        sources: Where it is public.
        modelled: What of it is ours.
        raw: The Kubernetes objects as they are.
    """

    name: str
    end_ns: int
    evidence: tuple[Evidence, ...]
    cause: Cause
    rule: str
    sources: tuple[str, ...]
    modelled: str
    raw: tuple[dict[str, Any], ...]


def recorded() -> list[Recorded]:
    """Return every fixture, in the order of their names."""
    return [_load(path) for path in sorted(FOLDER.glob("*.json"))]


def at_ns(date: str) -> int:
    """Return an RFC 3339 date in nanoseconds since the epoch."""
    found = instant_ns({"at": date}, "at")
    assert found is not None, date
    return found


def _load(path: Path) -> Recorded:
    told = json.loads(path.read_text(encoding="utf-8"))
    observed = told["observed"]
    return Recorded(
        path.stem,
        at_ns(told["end"]),
        tuple(seen for one in observed for seen in _read(one)),
        Cause(told["cause"]),
        told["rule"],
        tuple(told["sources"]),
        told["modelled"],
        tuple(one["raw"] for one in observed if one["via"] in {"object", "deleted"}),
    )


def _read(one: dict[str, Any]) -> list[Evidence]:
    return READERS[one["via"]](one, at_ns(one["seen"]))


def _stall(one: dict[str, Any], seen_ns: int) -> list[Evidence]:
    return [Evidence(seen_ns, Kind.STALL, one["raw"])]


def _window(one: dict[str, Any], from_ns: int) -> list[Evidence]:
    kind, until_ns = Kind.MAINTENANCE_WINDOW, at_ns(one["until"])
    return [Evidence(from_ns, kind, one["raw"], one["on"], "person", "", until_ns)]


def _gpu(one: dict[str, Any], seen_ns: int) -> list[Evidence]:
    return [evidence_of_gpu(GpuLost(at_ns=seen_ns, **one["raw"]), one["on"])]


READERS: Final[dict[str, Callable[[dict[str, Any], int], list[Evidence]]]] = {
    "object": lambda one, ns: evidence_of(one["raw"], ns),
    "deleted": lambda one, ns: evidence_of_deleted(one["raw"], ns),
    "kernel": lambda one, ns: evidence_of_kernel_line(one["raw"], ns, one["on"]),
    "log": lambda one, ns: evidence_of_log_line(one["raw"], ns, one["on"]),
    "cycle": lambda one, ns: evidence_of_cycle(one["raw"], ns),
    "gpu": _gpu,
    "stall": _stall,
    "window": _window,
}
"""By which way a fixture says that something was seen."""
