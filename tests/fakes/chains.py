"""Owner chains as their projects build them, one file each, and what they are."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from goodput_exporter.domain.placement import Placement
from goodput_exporter.sources.workloads.tracker import Tracker
from tests.fakes.cluster import Raw

FOLDER: Final = Path(__file__).resolve().parents[1] / "fixtures" / "workloads"
SEEN_NS: Final = 1_772_330_000 * 10**9
"""Some two hours into the objects' lives."""


@dataclass(frozen=True, slots=True)
class Chain:
    """
    One fixture.

    Args:
        name: Its file's.
        objects: From the top owner to the pods.
        expect: What the run is; its kind is None where it is none.
    """

    name: str
    objects: list[Raw]
    expect: dict[str, Any]


def chains() -> list[Chain]:
    """Return every fixture, in the order of their names."""
    return [_load(path) for path in sorted(FOLDER.glob("*.json"))]


def _load(path: Path) -> Chain:
    found = json.loads(path.read_text(encoding="utf-8"))
    return Chain(path.stem, found["objects"], found["expect"])


def final(tracker: Tracker, now_ns: int = SEEN_NS) -> dict[str, Placement]:
    """Return the newest placement of every run."""
    found = tracker.drain(now_ns)
    return {one.key.run: one for one in found if isinstance(one, Placement)}
