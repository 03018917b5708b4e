"""
What a GPU drew, from the growth of its energy counter.

Between two readings the power is taken as constant, and no longer than a stated
limit: what a counter says across a longer gap, or across a restart of the
driver, was drawn at nobody knows which instant.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from goodput_exporter.domain.observations import GpuReading
from goodput_exporter.domain.spans import NS_PER_SECOND, Span
from goodput_exporter.errors import BadInputError

LONGEST_GAP_NS: Final = 60 * NS_PER_SECOND
"""A shorter gap may hide a checkpoint, a longer one whole incidents."""

MILLIJOULES_PER_JOULE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Reading:
    """One GPU's energy counter, which begins anew with the driver."""

    gpu: str
    at_ns: int
    millijoules: int


def reading_of(sample: GpuReading) -> Reading | None:
    """Return a sample's counter; None where the device has none."""
    if sample.energy_joules is None:
        return None
    # NVML counts whole millijoules, so this undoes a division and rounds nothing.
    millijoules = round(sample.energy_joules * MILLIJOULES_PER_JOULE)
    return Reading(sample.uuid, sample.at_ns, millijoules)


@dataclass(frozen=True, slots=True)
class Drawn:
    """
    What one GPU drew between two readings.

    Args:
        span: From the earlier reading to the later one.
        millijoules: The growth of the counter. After a restart of the driver it
            is what the new counter shows: the least that was drawn.
        placed: The power may be taken as constant over the span.
        integrated: From samples of the power: the device has no counter.
    """

    span: Span
    millijoules: int
    placed: bool
    integrated: bool = False

    def within(self, window: Span) -> int:
        """
        Return the energy inside *window*, in millijoules.

        Windows that tile the span get shares that sum to the whole: a share
        is the difference of what was drawn up to its two ends.
        """
        inside = self.span.clip(window)
        return 0 if inside is None else self.between(inside.start_ns, inside.end_ns)

    def between(self, start_ns: int, end_ns: int) -> int:
        """Return the energy between two instants of the span; see ``within``."""
        first_ns, length_ns = self.span.start_ns, self.span.length_ns
        return (
            self.millijoules * (end_ns - first_ns) // length_ns
            - self.millijoules * (start_ns - first_ns) // length_ns
        )


@dataclass(frozen=True, slots=True)
class Energy:
    """
    The energy of some GPU time, and how much of that time was not measured.

    Args:
        millijoules: Drawn in the measured time; None if none was measured.
        measured_gpu_ns: With energy placed in it. *unknown_gpu_ns*: without.
        integrated_millijoules: What of the energy is from samples of the power, of
            devices that have no counter.
    """

    millijoules: int | None = None
    measured_gpu_ns: int = 0
    unknown_gpu_ns: int = 0
    integrated_millijoules: int = 0

    @property
    def gpu_ns(self) -> int:
        """Return all of its GPU time."""
        return self.measured_gpu_ns + self.unknown_gpu_ns

    def __add__(self, other: Energy) -> Energy:
        """Return both together; None and a measured zero are a measured zero."""
        known = self.millijoules
        if other.millijoules is not None:
            known = other.millijoules + (known or 0)
        return Energy(
            known,
            self.measured_gpu_ns + other.measured_gpu_ns,
            self.unknown_gpu_ns + other.unknown_gpu_ns,
            self.integrated_millijoules + other.integrated_millijoules,
        )


def drawn(
    readings: Iterable[Reading], *, longest_gap_ns: int = LONGEST_GAP_NS
) -> list[Drawn]:
    """
    Turn one GPU's counter into energy between readings.

    Args:
        readings: Of one GPU, in any order; a repeated one counts once.
        longest_gap_ns: Over a longer gap nothing is interpolated.

    Returns:
        One per pair of neighbours, in time order, without holes.

    Raises:
        BadInputError: Two readings of one instant differ.
    """
    in_order = sorted(set(readings), key=lambda one: (one.at_ns, one.millijoules))
    return [_between(a, b, longest_gap_ns) for a, b in pairwise(in_order)]


def _between(earlier: Reading, later: Reading, longest_gap_ns: int) -> Drawn:
    if earlier.at_ns == later.at_ns:
        msg = (
            f"GPU {earlier.gpu} at {earlier.at_ns} ns: its counter shows both "
            f"{earlier.millijoules} and {later.millijoules} mJ; "
            "check that one agent reads it and that UUIDs are not shared"
        )
        raise BadInputError(msg)
    span = Span(earlier.at_ns, later.at_ns)
    growth = later.millijoules - earlier.millijoules
    if growth < 0:
        return Drawn(span, later.millijoules, placed=False)
    return Drawn(span, growth, placed=span.length_ns <= longest_gap_ns)
