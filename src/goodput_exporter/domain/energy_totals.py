"""The energy of one run so far, or of GPUs that no run held, as counters show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from goodput_exporter.domain.energy import Energy
from goodput_exporter.domain.runs import RunKey

NOBODY: Final = RunKey("", "", "")
"""In the place of a run: GPUs that no run held, by category."""

UNBOOKED: Final = "unbooked"
"""In the place of a category: drawn while neither book says what the GPU did."""
LATE: Final = "late"
"""Likewise: told of when its time was divided already; the ledger has it by state."""
UNPLACED: Final = "unplaced"
"""Likewise: drawn across a gap between samples, or a restart of the driver."""


@dataclass(frozen=True, slots=True)
class EnergyTotals:
    """
    What was drawn up to an instant, by state and cause; it only grows.

    Args:
        key: The run that held the GPUs, or ``NOBODY``.
        through_ns: Up to where it is divided.
        groups: By state, or category of GPUs, and cause.
    """

    key: RunKey
    through_ns: int
    groups: Mapping[tuple[str, str], Energy] = field(default_factory=dict)

    @property
    def total(self) -> Energy:
        """Return all of it."""
        return sum(self.groups.values(), Energy())
