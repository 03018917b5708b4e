"""What one run's GPUs drew in one window, and what GPUs drew that no run held."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from goodput_exporter.analysis.energy import energy_beside
from goodput_exporter.analysis.gpu_energy import Metered, energy_of_each
from goodput_exporter.analysis.holding import used
from goodput_exporter.analysis.usage import Category
from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.energy import Energy
from goodput_exporter.domain.energy_totals import (
    LATE,
    NOBODY,
    UNBOOKED,
    UNPLACED,
)
from goodput_exporter.domain.gpu_bookings import GpuBooking
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.slots import WHOLE
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause

Groups = dict[tuple[str, str], Energy]
"""Energy by state, or category, and cause."""


def holder_of(line: GpuBooking) -> RunKey:
    """Return the run that held a line's GPUs, or ``NOBODY``."""
    run = line.hold.run
    return NOBODY if run is None or line.hold.category is not Category.HELD else run


def lines_by_holder(lines: Iterable[GpuBooking]) -> dict[RunKey, list[GpuBooking]]:
    """
    Return what ``share_of`` needs of the lines for each holder.

    That is its own, and those of others that may be about parts of the same GPUs. So
    a fleet's lines are not searched once for each of its runs.
    """
    own: dict[RunKey, list[GpuBooking]] = {}
    parts: list[GpuBooking] = []
    for line in lines:
        own.setdefault(holder_of(line), []).append(line)
        if line.slots != WHOLE:
            parts.append(line)
    return {
        holder: [*its, *(line for line in parts if holder_of(line) != holder)]
        for holder, its in own.items()
    }


def share_of(
    holder: RunKey,
    lines: Sequence[GpuBooking],
    segments: Iterable[Segment] | None,
    metered: Metered,
    window: Span,
) -> Groups:
    """
    Divide the energy of a run's GPUs over what the run was doing.

    Args:
        holder: The run, or ``NOBODY``.
        lines: Of the cluster book, of everybody, or its own of ``lines_by_holder``:
            a GPU that several hold is divided.
        segments: Of the run's book; None where that cannot be read: all is ``held``.
        metered: What the GPUs drew.
        window: The half-open span to account for.

    Returns:
        Energies whose GPU time is what the run held. Those of windows that tile a
        longer one sum to its own.
    """
    inside = [line for line in lines if line.span.clip(window) is not None]
    its = [line for line in inside if holder_of(line) == holder]
    gpus = {gpu for line in its for gpu in line.gpus}
    beside = _beside(holder, inside, gpus)
    known = {} if segments is None else {holder: list(segments)}
    unknown = (holder,) if segments is None else ()
    in_use = used([*its, *beside], known, window, unknown)
    there = {gpu: metered[gpu] for gpu in gpus if gpu in metered}
    found = energy_of_each(there, in_use, window)
    groups: Groups = {}
    for one, energy in zip(in_use, found.energies, strict=True):
        if holder_of(one.line) == holder:
            group = one.state.value, one.cause.value
            groups[group] = groups.get(group, Energy()) + energy
    return groups


def not_booked(lines: Iterable[GpuBooking], metered: Metered, window: Span) -> Groups:
    """
    Return what GPUs drew while no book says what they did, or at an unknown instant.

    With what every run's GPUs and those of ``NOBODY`` drew it is exactly what
    *metered* holds in the window.
    """
    booked: defaultdict[str, list[Span]] = defaultdict(list)
    for line in lines:
        inside = line.span.clip(window)
        if inside is not None:
            for gpu in line.gpus:
                booked[gpu].append(inside)
    unbooked, unplaced = energy_beside(metered, booked, window)
    rest = {
        (UNBOOKED, Cause.NONE.value): Energy(unbooked),
        (UNPLACED, Cause.NONE.value): Energy(unplaced),
    }
    return {group: energy for group, energy in rest.items() if energy.millijoules}


def late_share(
    lines: Sequence[GpuBooking],
    late: Metered,
    since_ns: int,
    through_ns: Callable[[RunKey], int],
) -> Groups:
    """
    Return what GPUs drew in time that was divided before it was told of.

    Args:
        lines: Of the cluster book, of everybody, from *since_ns* on.
        late: What was told of since.
        since_ns: Where the first of it begins.
        through_ns: Up to where each holder's time was divided.
    """
    found = Energy()
    for holder in dict.fromkeys(map(holder_of, lines)):
        if since_ns < through_ns(holder):
            window = Span(since_ns, through_ns(holder))
            share = share_of(holder, lines, (), late, window)
            found = sum(share.values(), found)
    if since_ns < through_ns(NOBODY):
        rest = not_booked(lines, late, Span(since_ns, through_ns(NOBODY)))
        found = sum(rest.values(), found)
    return {(LATE, Cause.NONE.value): Energy(found.millijoules)}


def _beside(
    holder: RunKey, lines: Iterable[GpuBooking], gpus: set[str]
) -> Iterator[GpuBooking]:
    """Yield who else holds parts of the same GPUs."""
    for line in lines:
        is_shared = line.slots != WHOLE and not gpus.isdisjoint(line.gpus)
        if is_shared and holder_of(line) != holder:
            yield line
