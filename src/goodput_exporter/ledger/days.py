"""Daily accounts: what one run's bookings add to each UTC day, in exact integers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.bookings import (
    OUTSIDE_THE_BOOK,
    Booking,
    EventKind,
    Reattribution,
    Restatement,
    RunEvent,
)
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import NS_PER_SECOND, Span, apportion
from goodput_exporter.domain.states import Cause, RunState

DAY_NS: Final = 86_400 * NS_PER_SECOND
"""Days begin at multiples of it on the ledger's clock, which is Unix time: UTC days
without leap seconds, and a wall clock that is stepped moves none of them."""
EPOCH: Final = date(1970, 1, 1).toordinal()


class Part(StrEnum):
    """
    Where an amount of a day comes from; the views are sums of parts.

    The live view is ``live``; what is known today is ``live`` and ``restated``;
    the settled view is all four.
    """

    LIVE = "live"
    KEPT = "kept"
    RESTATED = "restated"
    HINDSIGHT = "hindsight"


OF_SEGMENTS: Final = (Part.LIVE, Part.KEPT)
"""Parts that segments make; the others come from entries that are never folded."""

Amounts = dict[tuple[int, str, str, str, int], int]
"""Nanoseconds by (day, part, state, cause, devices); negative where time moved away.
Every GPU-nanosecond is a length times a number of devices, because the product
leaves 64 bits and its two factors do not."""


_Kind = tuple[int, RunState, Cause, int, RunState | None]
"""Day, state, cause, devices and what the settled view calls it, of a segment."""

DaySums = dict[tuple[int, str, str, str], int]
"""GPU-nanoseconds of all runs by (day, part, state, cause)."""


@dataclass(frozen=True, slots=True)
class DailyAmount:
    """
    One line of a daily account.

    Args:
        key: Whose.
        day: Days since 1970-01-01, UTC, on the ledger's clock.
        part: Where it comes from.
        state, cause: What the time was.
        devices: How many devices at once.
        length_ns: How long; negative where the part moves time away.
    """

    key: RunKey
    day: int
    part: Part
    state: str
    cause: str
    devices: int
    length_ns: int

    @property
    def gpu_ns(self) -> int:
        """Return the GPU time, in nanoseconds x devices."""
        return self.length_ns * self.devices


def summed(rows: Iterable[tuple[int, str, str, str, int, int]]) -> DaySums:
    """Add up day, part, state, cause, devices and nanoseconds over the devices."""
    sums: DaySums = {}
    for day, part, state, cause, devices, length_ns in rows:
        name = day, part, state, cause
        sums[name] = sums.get(name, 0) + devices * int(length_ns)
    return sums


def amounts_of(bookings: Iterable[Booking]) -> Amounts:
    """Add up bookings of one run by day."""
    amounts: Amounts = {}
    add_all(amounts, bookings)
    return amounts


def add_all(amounts: Amounts, bookings: Iterable[Booking]) -> None:
    """
    Add bookings of a run to their days.

    A tick books many segments of few kinds within a day. Those are added up as
    they come, and looked at once per kind: a ledger is as fast as it appends.
    """
    kinds: dict[_Kind, int] = {}
    for booking in bookings:
        if isinstance(booking, Segment):
            span = booking.span
            start_ns, end_ns = span.start_ns, span.end_ns
            day = start_ns // DAY_NS
            if end_ns <= (day + 1) * DAY_NS:
                state, kept_as = booking.state, booking.kept_as
                kind = day, state, booking.cause, booking.devices, kept_as
                kinds[kind] = kinds.get(kind, 0) + end_ns - start_ns
                continue
        add(amounts, booking)
    for kind, length_ns in kinds.items():
        _add_length(amounts, kind, length_ns)


def add(amounts: Amounts, booking: Booking) -> None:
    """Add one booking of a run to its days; a restore may say what was lost by it."""
    match booking:
        case Segment():
            _add_segment(amounts, booking)
        case Restatement():
            is_lost = RunState.LOST.value in (booking.from_state, booking.to_state)
            part = Part.HINDSIGHT if is_lost else Part.RESTATED
            for state, sign in ((booking.from_state, -1), (booking.to_state, 1)):
                if state != OUTSIDE_THE_BOOK:
                    name = part, state, booking.cause.value
                    _move(amounts, booking.span, name, sign * booking.gpu_ns)
            if booking.kept_as is not None:
                _keep(amounts, booking, booking.kept_as)
        case Reattribution():
            for state, part, gpu_ns in _reattributed(booking):
                for cause, sign in ((booking.from_cause, -1), (booking.to_cause, 1)):
                    name = part, state.value, cause.value
                    _move(amounts, booking.span, name, sign * gpu_ns)
        case RunEvent(kind=EventKind.RESTORED):
            _add_loss(amounts, booking)


def pieces(span: Span) -> Iterator[tuple[int, int]]:
    """Yield the days that a span touches and how much of it lies in each, in ns."""
    start_ns = span.start_ns
    while True:
        day = start_ns // DAY_NS
        end_ns = min(span.end_ns, (day + 1) * DAY_NS)
        yield day, end_ns - start_ns
        if end_ns >= span.end_ns:
            return
        start_ns = end_ns


def day_of(at_ns: int) -> int:
    """Return the day that an instant is in."""
    return at_ns // DAY_NS


def day_name(day: int) -> str:
    """Return a day as people write it; outside the calendar, its number."""
    try:
        return date.fromordinal(EPOCH + day).isoformat()
    except (ValueError, OverflowError):
        return f"day {day}"


def _add_segment(amounts: Amounts, segment: Segment) -> None:
    of_segment = segment.state, segment.cause, segment.devices, segment.kept_as
    for day, length_ns in pieces(segment.span):
        _add_length(amounts, (day, *of_segment), length_ns)


def _add_length(amounts: Amounts, kind: _Kind, length_ns: int) -> None:
    day, state, cause, devices, kept_as = kind
    live = day, Part.LIVE.value, state.value, cause.value, devices
    amounts[live] = amounts.get(live, 0) + length_ns
    if kept_as is not None and kept_as is not state:
        for name, sign in ((state.value, -1), (kept_as.value, 1)):
            kept = day, Part.KEPT.value, name, cause.value, devices
            amounts[kept] = amounts.get(kept, 0) + sign * length_ns


def _keep(amounts: Amounts, moved: Restatement, kept_as: RunState) -> None:
    """Let hindsight call executed steps what they are if they are kept."""
    if moved.to_state != kept_as.value:
        live = Part.HINDSIGHT, moved.to_state, moved.cause.value
        kept = Part.HINDSIGHT, kept_as.value, Cause.NONE.value
        _move(amounts, moved.span, live, -moved.gpu_ns)
        _move(amounts, moved.span, kept, moved.gpu_ns)


def _add_loss(amounts: Amounts, restored: RunEvent) -> None:
    """
    Move what a rollback lost, on the day on which it was known.

    The event tells slow steps apart only where it names ``lost_slow_gpu_ns``;
    else all of it leaves ``productive``.
    """
    lost_ns = restored.detail.get("lost_gpu_ns")
    slow_ns = restored.detail.get("lost_slow_gpu_ns") or 0
    if not isinstance(lost_ns, int) or not isinstance(slow_ns, int) or not lost_ns:
        return
    cause = str(restored.detail.get("cause") or Cause.NONE.value)
    at = Span(restored.at_ns, restored.at_ns)
    for state, moved_cause, gpu_ns in (
        (RunState.PRODUCTIVE, Cause.NONE.value, slow_ns - lost_ns),
        (RunState.SLOW, Cause.NONE.value, -slow_ns),
        (RunState.LOST, cause, lost_ns),
    ):
        _move(amounts, at, (Part.HINDSIGHT, state.value, moved_cause), gpu_ns)


def _reattributed(moved: Reattribution) -> Iterator[tuple[RunState, Part, int]]:
    """Yield what moves as the live view calls it, and what hindsight adds to that."""
    for state in RunState:
        live_ns = moved.gpu_ns.get(state, 0)
        settled_ns = moved.settled_gpu_ns.get(state, 0)
        if live_ns:
            yield state, Part.RESTATED, live_ns
        if settled_ns != live_ns:
            yield state, Part.HINDSIGHT, settled_ns - live_ns


def _move(
    amounts: Amounts, span: Span, name: tuple[Part, str, str], gpu_ns: int
) -> None:
    """
    Spread moved GPU time over the days of its span, in proportion to their parts.

    Time that devices spent side by side falls exactly where it was; what was
    lost has no place of its own within its span, and is dealt out evenly.
    """
    part, state, cause = name
    days = list(pieces(span))
    lengths = [length_ns for _, length_ns in days]
    sign = -1 if gpu_ns < 0 else 1
    shares = apportion(abs(gpu_ns), lengths) if any(lengths) else [abs(gpu_ns)]
    for (day, length_ns), share in zip(days, shares, strict=True):
        devices, rest_ns = divmod(share, length_ns or DAY_NS)
        for count, part_ns in ((devices, length_ns or DAY_NS), (1, rest_ns)):
            if count and part_ns:
                key = day, part.value, state, cause, count
                amounts[key] = amounts.get(key, 0) + sign * part_ns
