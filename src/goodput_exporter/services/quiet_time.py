"""What daily accounts hold beside the entries that were read, as stretches of time."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence

from goodput_exporter.analysis.histories import View
from goodput_exporter.analysis.stretches import Stretch
from goodput_exporter.domain.accounting import Segment, is_bad
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.ledger.days import (
    DAY_NS,
    DailyAmount,
    Part,
    amounts_of,
)

Left = dict[tuple[int, str, str, int], int]
"""Nanoseconds by day, state, cause and number of devices."""


def left_over(days: Iterable[DailyAmount], read: Iterable[Segment]) -> Left | None:
    """
    Return what the daily accounts hold beside segments that were read.

    Args:
        days: Of one run.
        read: Segments of it; parts in other days count for nothing.

    Returns:
        Positive amounts; None where the days hold less than the segments, or time
        beside other time, whose number of devices could not be told.
    """
    left: Left = {}
    for one in days:
        if one.part is Part.LIVE:
            left[one.day, one.state, one.cause, one.devices] = one.length_ns
    known = {day for day, *_ in left}
    for (day, part, state, cause, devices), length_ns in amounts_of(read).items():
        if part == Part.LIVE and day in known:
            place = day, state, cause, devices
            left[place] = left.get(place, 0) - length_ns
    left = {place: length_ns for place, length_ns in left.items() if length_ns}
    beside = any(state == RunState.DEGRADED.value for _, state, _, _ in left)
    return None if beside or any(ns < 0 for ns in left.values()) else left


def laid_out(left: Left, blocks: Sequence[Span]) -> tuple[Stretch, ...] | None:
    """
    Give what is left a place within its block.

    Nobody asks where in it: every sum is of whole blocks. One after the other they
    fit, because a run's time has nothing else beside it.

    Args:
        left: See ``left_over``.
        blocks: In time order, without gaps; no day of *left* lies in two.

    Returns:
        Stretches; None where a block has no room for what it is said to hold.
    """
    starts = [block.start_ns for block in blocks]
    sums: defaultdict[tuple[int, str, str, int], int] = defaultdict(int)
    for (day, state, cause, devices), length_ns in left.items():
        place = max(0, bisect_right(starts, day * DAY_NS) - 1)
        sums[place, state, cause, devices] += length_ns
    found: list[Stretch] = []
    filled = list(starts)
    for (place, name, cause_name, devices), length_ns in sums.items():
        span = Span(filled[place], filled[place] + length_ns)
        filled[place] = span.end_ns
        if span.end_ns > blocks[place].end_ns:
            return None
        state = RunState(name)
        cause = Cause(cause_name) if is_bad(state) else Cause.NONE
        gpu_ns = length_ns * devices
        found.append(Stretch(span, devices, state, cause, None, 0, gpu_ns))
    return tuple(found)


def mostly(
    days: Iterable[DailyAmount], view: View
) -> tuple[tuple[Span, RunState], ...]:
    """Return what filled most of each day in one view, in order of days."""
    sums: defaultdict[int, dict[str, int]] = defaultdict(dict)
    for one in days:
        if one.part is Part.LIVE or view is View.SETTLED:
            filled = sums[one.day]
            filled[one.state] = filled.get(one.state, 0) + one.gpu_ns
    return tuple(
        (
            Span(day * DAY_NS, (day + 1) * DAY_NS),
            RunState(max(filled, key=lambda state: filled[state])),
        )
        for day, filled in sorted(sums.items())
    )
