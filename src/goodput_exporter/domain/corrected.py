"""A run's time as it is known today: its segments, after what was restated."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import replace

from goodput_exporter.domain.accounting import Account, Segment
from goodput_exporter.domain.bookings import (
    OUTSIDE_THE_BOOK,
    Reattribution,
    Restatement,
)
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import RunState

Move = Restatement | Reattribution


def correct(segments: Sequence[Segment], moves: Iterable[Move]) -> list[Segment]:
    """
    Apply restatements to the segments that they are about.

    What was lost stays as it is: only the settled view tells it apart, and
    it has no place in time. The order of segments is not kept.

    Args:
        segments: Of one run.
        moves: In the order in which they were decided.
    """
    whole = list(segments)
    for move in moves:
        if isinstance(move, Reattribution):
            whole = [part for each in whole for part in _recaused(each, move)]
        elif is_about_time(move):
            whole = _moved(whole, move)
    return whole


def _recaused(segment: Segment, move: Reattribution) -> list[Segment]:
    """Give the part of a segment that a reattribution is about its better cause."""
    inside = segment.span.clip(move.span)
    whose = segment.incident, segment.cause
    if (
        inside is None
        or whose != (move.from_incident, move.from_cause)
        or segment.state not in move.gpu_ns
    ):
        return [segment]
    before = Span(segment.span.start_ns, inside.start_ns)
    after = Span(inside.end_ns, segment.span.end_ns)
    found = [replace(segment, span=s) for s in (before, after) if s.length_ns]
    due = replace(segment, span=inside, cause=move.to_cause, incident=move.incident)
    return [*found, due]


def is_about_time(move: Restatement) -> bool:
    """Tell whether a restatement says what a span was, rather than what was lost."""
    return RunState.LOST.value not in (move.from_state, move.to_state)


def shift(account: Account, move: Restatement, span: Span) -> None:
    """Move a restatement's share of *span* from one state of *account* to another."""
    inside = move.span.clip(span)
    if inside is None or not is_about_time(move):
        return
    gpu_ns = inside.length_ns * devices_of(move)
    if move.from_state != OUTSIDE_THE_BOOK:
        account.add(RunState(move.from_state), -gpu_ns, move.cause)
    if move.to_state != OUTSIDE_THE_BOOK:
        account.add(RunState(move.to_state), gpu_ns, move.cause)


def devices_of(move: Restatement) -> int:
    """Return how many devices a restatement is about."""
    return move.gpu_ns // move.span.length_ns


def join_segments(segments: Iterable[Segment]) -> list[Segment]:
    """Sort segments by time and join those that say the same of adjoining spans."""
    joined: list[Segment] = []
    latest: dict[bool, int] = {}
    for segment in sorted(segments, key=lambda s: (s.span, s.state)):
        lane = segment.state is RunState.DEGRADED
        index = latest.get(lane)
        if index is not None and _goes_on(joined[index], segment):
            joined[index] = _joined(joined[index], segment)
        else:
            joined.append(segment)
            latest[lane] = len(joined) - 1
    return joined


def extend(joined: Sequence[Segment], segments: Sequence[Segment]) -> list[Segment]:
    """
    Join segments to a list that is sorted and joined already.

    Most begin where the list ends, so only its end is looked at: the whole of
    it once a tick was three quarters of a view's cost.
    """
    if not segments:
        return list(joined)
    first_ns = min(segment.span.start_ns for segment in segments)
    place = bisect_left(joined, first_ns, key=lambda s: s.span.start_ns)
    # One before it in either lane may go on: a state, and ``degraded`` beside it.
    place = max(0, place - 2)
    return [*joined[:place], *join_segments([*joined[place:], *segments])]


def _moved(segments: list[Segment], move: Restatement) -> list[Segment]:
    if move.from_state == OUTSIDE_THE_BOOK:
        state = RunState(move.to_state)
        return [*segments, Segment(move.span, state, devices_of(move), move.cause)]
    found: list[Segment] = []
    for segment in segments:
        inside = segment.span.clip(move.span)
        if inside is None or segment.state.value != move.from_state:
            found.append(segment)
            continue
        before = Span(segment.span.start_ns, inside.start_ns)
        after = Span(inside.end_ns, segment.span.end_ns)
        found += [replace(segment, span=s) for s in (before, after) if s.length_ns]
        if move.to_state != OUTSIDE_THE_BOOK:
            found.append(replace(segment, span=inside, state=RunState(move.to_state)))
    return found


def _goes_on(last: Segment, segment: Segment) -> bool:
    return last.span.end_ns == segment.span.start_ns and (
        last.state,
        last.cause,
        last.incident,
        last.devices,
    ) == (segment.state, segment.cause, segment.incident, segment.devices)


def _joined(last: Segment, segment: Segment) -> Segment:
    return replace(
        last,
        span=Span(last.span.start_ns, segment.span.end_ns),
        last_step=last.last_step if segment.last_step is None else segment.last_step,
        model_flops=None,
    )
