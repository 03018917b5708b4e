"""A copy of the domain with one line changed, and what it makes of a story."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import astuple, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from goodput_exporter import domain
from goodput_exporter.domain.fold import Observation
from tests.fakes.ranks import ns
from tests.fakes.stories import KEY, START_S, heard_ns

SHARED: Final = (
    "states",
    "spans",
    "observations",
    "evidence",
    "placement",
    "runs",
    "flops",
    "peaks",
    "peak_table",
)
"""Modules that every copy takes from the real domain: what both speak in."""
REAL: Final = "goodput_exporter.domain"
SOURCES: Final = Path(domain.__file__).parent
Facts = dict[str, object]


@dataclass(frozen=True)
class Change:
    """
    One rule deleted or inverted.

    Args:
        module: Of the domain.
        snippet: What stands in its source, exactly once.
        instead: What stands there in the copy.
    """

    module: str
    snippet: str
    instead: str


@dataclass(frozen=True)
class Story:
    """
    What is heard, and when it is looked at.

    Args:
        seen: Observations; each arrives at its own instant, or *late_s* after it.
        until_s: When the watching ends, in the story's seconds.
        rules: Settings other than the defaults.
        away_s: When this program was not there, and heard nothing.
        late_s: How long observations of one kind are under way.
    """

    seen: Iterable[Observation]
    until_s: float
    rules: dict[str, object] = field(default_factory=dict)
    away_s: tuple[float, float] | None = None
    late_s: dict[type, float] = field(default_factory=dict)

    def arrivals(self) -> list[tuple[float, Observation]]:
        """Return (story second, observation), as they come in."""
        found = []
        for one in self.seen:
            at_s = heard_ns(one) / 1e9 - START_S + self.late_s.get(type(one), 0.0)
            if self.away_s is None or not self.away_s[0] <= at_s < self.away_s[1]:
                found.append((at_s, one))
        return sorted(found, key=lambda pair: pair[0])


def write_copy(folder: Path, name: str, change: Change | None) -> None:
    """
    Write the domain as a package of another name, with one change.

    Raises:
        LookupError: The snippet is not in the source exactly once.
    """
    shared = "|".join(SHARED)
    moved = re.compile(rf"goodput_exporter\.domain(\.| import )(?!(?:{shared})\b)")
    package = folder / name
    package.mkdir()
    for path in SOURCES.glob("*.py"):
        text = path.read_text()
        if change is not None and path.stem == change.module:
            found = text.count(change.snippet)
            if found != 1:
                msg = (
                    f"domain/{path.name} holds {change.snippet!r} {found} times, not "
                    "once; the rule has moved: look where it lives now and say so in "
                    "the table of this test"
                )
                raise LookupError(msg)
            text = text.replace(change.snippet, change.instead)
        (package / path.name).write_text(moved.sub(rf"{name}\1", text))


def retell(package: str, story: Story) -> Facts:
    """Watch a story with one copy of the domain, and say all that it found."""
    rules = import_module(f"{package}.settings").Rules(**story.rules)
    fold_of = import_module(f"{package}.fold")
    advance = import_module(f"{package}.advance").advance
    fold = fold_of.Fold(KEY)
    coming = story.arrivals()
    now_s, position = 0.0, 0
    bookings: list[Any] = []
    while now_s < story.until_s:
        now_s += 1.0
        if story.away_s is not None and story.away_s[0] < now_s < story.away_s[1]:
            now_s = story.away_s[1]
            fold.resumed_ns = ns(START_S + now_s)
        while position < len(coming) and coming[position][0] <= now_s:
            fold_of.observe(fold, coming[position][1])
            position += 1
        advance(fold, ns(START_S + now_s), rules)
        bookings += fold.book.pending
        fold.book.pending = []
    return {**_accounts(package, fold), **_beside(fold, bookings)}


def _accounts(package: str, fold: Any) -> Facts:  # noqa: ANN401 - of any copy
    book = fold.book
    ratios = import_module(f"{package}.ratios").ratios
    views = {"live": book.live, "settled": book.settled, "today": book.corrections}
    facts: Facts = {f"{name}": _said(view.gpu_ns) for name, view in views.items()}
    facts |= {f"{name} by cause": _said(v.bad_gpu_ns) for name, v in views.items()}
    facts["restated"] = dict(book.restated)
    facts["in no book"] = book.outside_ns
    facts["ratios"] = astuple(ratios(book.live))
    return facts


def _beside(fold: Any, bookings: list[Any]) -> Facts:  # noqa: ANN401 - of any copy
    progress = fold.progress
    return {
        "lost steps": [incident.lost_steps for incident in fold.incidents],
        "causes": [incident.cause for incident in fold.incidents],
        "restarts": sum(fold.restarts.values()),
        "progress": (progress.high_water, progress.durable, progress.exposure()),
        "an upper bound": progress.upper_bound,
        "tokens": fold.tokens,
        "model FLOPs": fold.book.model_flops,
        "outcome": (fold.outcome, fold.ended_ns),
        "segments": [
            (one.span, one.state, one.devices, one.bridged)
            for one in bookings
            if hasattr(one, "devices")
        ],
    }


def _said(gpu_ns: dict[Any, int]) -> dict[str, int]:
    return {one.value: spent for one, spent in gpu_ns.items() if spent}
