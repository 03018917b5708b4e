"""The energy of a window by who drew it, and doing what."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TypeVar

from goodput_exporter.analysis.usage import State
from goodput_exporter.domain.energy import Energy
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.states import Cause

Name = TypeVar("Name")


@dataclass(frozen=True, slots=True)
class Drew:
    """
    Who drew energy, and doing what.

    Args:
        state: By the run book where a run held the GPUs, else their category.
        cause: Why, where the state is bad.
        run, team: Whose GPUs they were. *node_pool*: which they are.
    """

    state: State
    cause: Cause
    run: RunKey | None
    team: str | None
    node_pool: str | None


@dataclass(slots=True)
class EnergyUsed:
    """
    The energy of one window, live view of both books.

    Args:
        found: By who drew it; it has the GPU time of the hours with any energy.
        unbooked_millijoules: Drawn while no line of the cluster book says what the
            GPU did; so it is in days that were folded.
        unplaced_millijoules: Drawn across gaps between samples.
    """

    found: dict[Drew, Energy] = field(default_factory=dict)
    unbooked_millijoules: int = 0
    unplaced_millijoules: int = 0

    @property
    def total(self) -> Energy:
        """Return what is known of GPUs at work and idle, unbooked energy left out."""
        return sum(self.found.values(), Energy())

    def by(self, name: Callable[[Drew], Name]) -> dict[Name, Energy]:
        """Add up by any name."""
        sums: dict[Name, Energy] = {}
        for drew, energy in self.found.items():
            sums[name(drew)] = sums.get(name(drew), Energy()) + energy
        return sums

    def of(self, runs: Collection[RunKey]) -> EnergyUsed:
        """Return the part of some runs' GPUs; what is in no book is nobody's."""
        own = {drew: one for drew, one in self.found.items() if drew.run in runs}
        return EnergyUsed(own)
