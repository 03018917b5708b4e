"""How long each node held the GPUs of runs, so that a failure would have struck one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from goodput_exporter.analysis.records import Interruption, NodeTime
from goodput_exporter.domain.gpu_bookings import GpuBooking, Kind
from goodput_exporter.domain.gpu_stands import Category
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import NS_PER_SECOND, Span

LATE_NS: Final = 300 * NS_PER_SECOND
"""A run's pods may leave the cluster book so long before its end is dated: agents
look every few seconds, and a lost node is dated by its last lease."""

SIGN: Final = {Kind.LIVE: 1, Kind.RESTATED: 1, Kind.REVERSAL: -1}
"""What a line adds to the settled view; ``left`` holds no time."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """
    What some runs held in one window, by the cluster book.

    Args:
        nodes: Each node that held GPUs of theirs, in order of name; empty where the
            cluster book knows of none.
        runs: From when to when each of them is in the cluster book, in the window.
    """

    nodes: tuple[NodeTime, ...] = ()
    runs: Mapping[RunKey, Span] = field(default_factory=dict)

    def holds(self, one: Interruption) -> bool:
        """Tell whether the nodes of its run were known when it was interrupted."""
        known = self.runs.get(one.run)
        if known is None:
            return False
        return known.start_ns <= one.detected_ns < known.end_ns + LATE_NS


def exposure_of(
    lines: Iterable[GpuBooking],
    window: Span,
    *,
    runs: Collection[RunKey],
    settled: bool,
) -> Exposure:
    """
    Add up for how long each node held GPUs of some runs.

    A node counts once, however many GPUs and runs it held at an instant. Time in
    which its GPUs were unavailable or terminating is no exposure: no run was there
    to be interrupted. A node whose lines name several GPU models is of a kind of its
    own, with all their names: it is compared with no node that has one of them.

    Args:
        lines: Of the cluster book, those that reach into *window*; in any order.
        window: The half-open span to look at; lines are cut to it.
        runs: Whose GPUs count.
        settled: Take back what was reversed, and count what was restated; else what
            was booked live.
    """
    changes: defaultdict[str, defaultdict[int, Fraction]] = defaultdict(
        lambda: defaultdict(Fraction)
    )
    models: defaultdict[str, set[str]] = defaultdict(set)
    known: dict[RunKey, Span] = {}
    for line in lines:
        run, inside = line.hold.run, line.span.clip(window)
        sign = SIGN.get(line.kind, 0) if settled else int(line.kind is Kind.LIVE)
        if not sign or run not in runs or run is None or inside is None:
            continue
        if line.hold.category is not Category.HELD:
            continue
        weight = sign * len(line.gpus) * line.slots.share
        changes[line.node][inside.start_ns] += weight
        changes[line.node][inside.end_ns] -= weight
        if sign > 0:
            models[line.node].add(line.gpu_model)
            known[run] = _hull(known.get(run), inside)
    nodes = (
        NodeTime(node, _model(models[node]), _held_ns(changes[node]))
        for node in sorted(changes)
    )
    return Exposure(tuple(one for one in nodes if one.node_ns), known)


def _held_ns(changes: Mapping[int, Fraction]) -> int:
    """Return for how long the sum of all changes so far is above zero."""
    held_ns, gpus, since_ns = 0, Fraction(0), 0
    for at_ns in sorted(changes):
        held_ns += at_ns - since_ns if gpus > 0 else 0
        gpus += changes[at_ns]
        since_ns = at_ns
    return held_ns


def _hull(before: Span | None, inside: Span) -> Span:
    if before is None:
        return inside
    return Span(
        min(before.start_ns, inside.start_ns), max(before.end_ns, inside.end_ns)
    )


def _model(names: Iterable[str]) -> str | None:
    """Name what a node has; a line that nobody told a model of says nothing."""
    return " + ".join(sorted(filter(None, names))) or None
