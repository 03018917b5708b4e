"""Every container of a node whose ranks say nothing, and what it would report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from goodput_exporter.domain.observations import RankExited, RankReport
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.sources.inference.looks import Look
from goodput_exporter.sources.inference.thresholds import DEFAULTS, Thresholds
from goodput_exporter.sources.inference.watched import Container, Watched

PATIENCE_NS: Final = 60 * NS_PER_SECOND
"""A pod that spoke within it speaks for itself: the settle delay of rule 14."""
MOST_CONTAINERS: Final = 256
"""A node has fewer; whoever makes up containers must not cost memory."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """
    How much one container looks like a hang that keeps its GPUs busy.

    Args:
        ratio: From 0 to 1. *confidence*: ``"high"``, ``"medium"`` or ``"low"``.
        odd_ones: GPUs that do nothing while the others spin.
        quiet_ns: Since how long nothing has looked like training.
    """

    container: Container
    ratio: float
    confidence: str
    odd_ones: tuple[str, ...]
    quiet_ns: int


@dataclass(slots=True)
class Guesses:
    """
    The watches of one node.

    Args:
        limits: The thresholds.
        refused: Containers that were not watched because there are too many.
    """

    limits: Thresholds = DEFAULTS
    refused: int = 0
    _watched: dict[str, Watched] = field(default_factory=dict)
    _spoke_ns: dict[str, int] = field(default_factory=dict)
    _done: set[str] = field(default_factory=set)

    def watch(self, containers: Iterable[Container], now_ns: int) -> None:
        """
        Watch these from now on, and no others.

        One that has just started is watched from its beginning. What is left out
        is forgotten without a word: say ``gone`` before, where it ended.
        """
        present = {one.place: one for one in containers}
        pods = {one.pod for one in present.values()}
        self._watched = {p: w for p, w in self._watched.items() if p in present}
        self._spoke_ns = {p: ns for p, ns in self._spoke_ns.items() if p in pods}
        self._done &= pods
        for place, one in present.items():
            if place in self._watched or one.pod in self._done:
                continue
            if now_ns - self._spoke_ns.get(one.pod, -PATIENCE_NS) < PATIENCE_NS:
                continue
            if len(self._watched) >= MOST_CONTAINERS:
                self.refused += 1
                continue
            is_new = now_ns - one.started_ns < PATIENCE_NS // 2
            begun_ns = one.started_ns if is_new else now_ns
            if one.pod in self._spoke_ns:
                begun_ns = now_ns  # what came before it told itself
            self._watched[place] = Watched(one, self.limits, begun_ns)

    def spoke(self, pod: str, at_ns: int, *, is_bye: bool = False) -> None:
        """
        Note that a pod reports for itself: nothing is inferred of it from here on.

        Where it falls silent for the settle delay, and has not said goodbye, a new
        watch begins.
        """
        self._spoke_ns[pod] = at_ns
        if is_bye:
            self._done.add(pod)
        self._watched = {
            place: watched
            for place, watched in self._watched.items()
            if watched.container.pod != pod
        }

    def look(self, place: str, look: Look) -> None:
        """Take one look at one container; who is not watched is left aside."""
        watched = self._watched.get(place)
        if watched is not None:
            watched.look(look)

    def gone(
        self, place: str, at_ns: int, exit_code: int | None = None
    ) -> RankExited | None:
        """
        Note that a container has ended, and return that for the run's book.

        Without an exit code nobody knows how it ended: then the end counts as
        unseen, at some instant since the last look.
        """
        watched = self._watched.pop(place, None)
        if watched is None or not watched.cum_ns:
            return None
        return RankExited(
            watched.incarnation,
            at_ns,
            exit_code,
            f"container {watched.container.name} is gone",
            since_ns=watched.told_ns if exit_code is None else None,
        )

    def reports(self) -> list[RankReport]:
        """Return the cumulative state of every container of which anything is known."""
        told = (watched.report() for watched in self._watched.values())
        return [report for report in told if report is not None]

    def suspicions(self) -> list[Suspicion]:
        """Return how much each container that can be judged looks like a hang."""
        return [
            Suspicion(
                watched.container,
                watched.suspicion(),
                watched.confidence,
                watched.odd_ones(),
                watched.told_ns - watched.sign_ns,
            )
            for watched in self._watched.values()
            if watched.confidence is not None
        ]
