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
from goodput_exporter.domain.slots import WHOLE
from goodput_exporter.domain.spans import NS_PER_SECOND, Span

LATE_NS: Final = 300 * NS_PER_SECOND
"""A run's pods may leave the cluster book so long before its end is dated: agents
look every few seconds, and a lost node is dated by its last lease."""

Gpus = int | Fraction
"""How many; whole numbers, which are ten times as fast, but for shared ones."""

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

    Days whose live lines were folded are no exposure, whatever was moved in them
    later: their accounts do not say which GPUs were held at the same time.

    Args:
        lines: Of the cluster book, those that reach into *window*, whoever held the
            GPUs; in any order.
        window: The half-open span to look at; lines are cut to it.
        runs: Whose GPUs count.
        settled: Take back what was reversed, and count what was restated; else what
            was booked live.
    """
    found = Exposing(runs, settled=settled)
    found.add(lines, window)
    return found.so_far()


class Exposing:
    """
    The exposure of windows that tile a longer one, added up window by window.

    Args:
        runs: Whose GPUs count.
        settled: See ``exposure_of``.
    """

    def __init__(self, runs: Collection[RunKey], *, settled: bool) -> None:
        self._runs = runs
        self._settled = settled
        self._node_ns: defaultdict[str, int] = defaultdict(int)
        self._models: defaultdict[str, set[str]] = defaultdict(set)
        self._known: dict[RunKey, Span] = {}

    def add(self, lines: Iterable[GpuBooking], window: Span) -> None:
        """Add one window; see ``exposure_of``."""
        told = list(lines)
        begins_ns = [line.span.start_ns for line in told if line.kind is Kind.LIVE]
        since_ns = max(window.start_ns, min(begins_ns, default=window.end_ns))
        inside = Span(min(since_ns, window.end_ns), window.end_ns)
        changes: defaultdict[str, defaultdict[int, Gpus]] = defaultdict(
            lambda: defaultdict(int)
        )
        for line in told:
            sign = self._sign(line)
            span = line.span.clip(inside)
            if sign and span is not None:
                gpus: Gpus = sign * len(line.gpus)
                if line.slots != WHOLE:
                    gpus *= line.slots.share
                of_it = changes[line.node]
                of_it[span.start_ns] += gpus
                of_it[span.end_ns] -= gpus
                if sign > 0:
                    self._note(line, span)
        for node, its in changes.items():
            self._node_ns[node] += _held_ns(its)

    def _sign(self, line: GpuBooking) -> int:
        """Return what a line adds to what these runs held; 0 of any other."""
        if line.hold.category is not Category.HELD or line.hold.run not in self._runs:
            return 0
        return SIGN.get(line.kind, 0) if self._settled else int(line.kind is Kind.LIVE)

    def _note(self, line: GpuBooking, span: Span) -> None:
        self._models[line.node].add(line.gpu_model)
        run = line.hold.run
        if run is not None:
            self._known[run] = _hull(self._known.get(run), span)

    def so_far(self) -> Exposure:
        """Return what the windows come to that were added."""
        nodes = (
            NodeTime(node, _model(self._models[node]), node_ns)
            for node, node_ns in sorted(self._node_ns.items())
            if node_ns
        )
        return Exposure(tuple(nodes), dict(self._known))


def _held_ns(changes: Mapping[int, Gpus]) -> int:
    """Return for how long the sum of all changes so far is above zero."""
    held_ns, since_ns = 0, 0
    gpus: Gpus = 0
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
