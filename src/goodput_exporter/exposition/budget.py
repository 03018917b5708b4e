"""How many series a page may have, and which runs stay on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import floor

from goodput_exporter.domain.snapshot import RunView
from goodput_exporter.exposition.family import AnyFamily
from goodput_exporter.exposition.isolation import Isolation


class Budget:
    """
    Leaves the smallest runs out of a page that would have too many series.

    The largest stay: those that hold the most devices, then those that have spent
    the most GPU time. Sums over groups of runs hold what is left out as well.

    Args:
        most: Series that runs may have.
        families: Of runs; what is left out is counted by each.
        isolation: Where it is counted.
    """

    def __init__(
        self,
        most: int,
        families: Sequence[AnyFamily[RunView]],
        isolation: Isolation,
    ) -> None:
        self._most = most
        self._families = families
        self._isolation = isolation
        self._per_run = 1.0

    def chosen(self, runs: Iterable[RunView]) -> list[RunView]:
        """Return the runs that fit, by the series of each on the last page."""
        everyone = list(runs)
        room = max(1, floor(self._most / self._per_run))
        if len(everyone) <= room:
            return everyone
        largest = sorted(everyone, key=_size, reverse=True)
        stay = {id(run) for run in largest[:room]}
        self._count(run for run in everyone if id(run) not in stay)
        return [run for run in everyone if id(run) in stay]

    def is_exceeded(self, runs: int, series: int) -> bool:
        """Note how many series so many runs had; tell whether that was too much."""
        if runs:
            self._per_run = max(1.0, series / runs)
        return series > self._most and runs > 1

    def _count(self, left_out: Iterable[RunView]) -> None:
        runs = list(left_out)

        def count(family: AnyFamily[RunView]) -> None:
            _, values = family.read_all(runs)
            if values:
                self._isolation.drop(family.metric.name, len(values))

        self._isolation.each(self._families, lambda family: family.metric, count)


def _size(run: RunView) -> tuple[int, int, str]:
    spent = sum(run.sealed.gpu_ns.values())
    return run.asked_devices, spent, str(run.key)
