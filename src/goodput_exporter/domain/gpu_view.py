"""The cluster book as published: what its GPUs have been, and what they are now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from goodput_exporter.domain.cluster import ClusterBook
from goodput_exporter.domain.energy_totals import EnergyTotals
from goodput_exporter.domain.gpu_bookings import GpuGroup


@dataclass(frozen=True, slots=True)
class ClusterView:
    """
    The cluster book up to its line.

    Args:
        line_ns: Up to where everything is decided; None before the first word.
        sealed: GPU time by group, in nanoseconds x GPUs; it never shrinks.
        gpus: How many GPUs each group has at the line; shared ones count in parts.
        restated: GPU time moved afterwards, by (from, to); ``"outside"`` is no book.
        too_late: Words that came too late to change all that they told of.
        disputes: How often a node named a GPU that was another's.
        energy: What each run's GPUs drew, and those that no run held.
    """

    line_ns: int | None = None
    sealed: Mapping[GpuGroup, int] = field(default_factory=dict)
    gpus: Mapping[GpuGroup, Fraction] = field(default_factory=dict)
    restated: Mapping[tuple[str, str], int] = field(default_factory=dict)
    too_late: int = 0
    disputes: int = 0
    energy: tuple[EnergyTotals, ...] = ()


def view_of(book: ClusterBook) -> ClusterView:
    """Return what may be shown of a book whose lines are all committed."""
    gpus: dict[GpuGroup, Fraction] = {}
    for (group, slots, _), count in book.common.standing.items():
        gpus[group] = gpus.get(group, Fraction(0)) + slots.share * count
    return ClusterView(
        book.line_ns,
        book.totals(),
        dict(sorted(gpus.items())),
        dict(book.restated),
        book.too_late,
        book.common.owners.disputes,
    )
