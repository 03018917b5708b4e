"""Rule 14: what was booked while the ranks were silent, as it is known now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from goodput_exporter.domain.accounting import Segment, is_bad
from goodput_exporter.domain.book import (
    Book,
    join,
    recause,
    remember,
    restate,
    settled_as,
)
from goodput_exporter.domain.bookings import Reattribution
from goodput_exporter.domain.spans import Span

LATE: Final = "late-evidence"
"""The rule's id of time whose interruption was told of late."""


def doubt(into: Book, segment: Segment) -> None:
    """Note that a segment may turn out to be another."""
    join(into.doubted, segment)


def tell_again(
    into: Book, at_ns: int, segment: Segment
) -> tuple[list[tuple[Segment, Segment]], list[Span]]:
    """
    Restate the part of a segment that was booked while the ranks were silent.

    Args:
        into: The run's book.
        at_ns: When this is decided.
        segment: As it would have been booked if it had been told in time.

    Returns:
        That part piece by piece, as it was known and as it is; and the spans of
        the segment that are in no book yet.
    """
    left: list[Segment] = []
    changed: list[tuple[Segment, Segment]] = []
    for known in into.doubted:
        inside = known.span.clip(segment.span)
        if inside is None:
            left.append(known)
            continue
        before = replace(known, span=inside)
        after = replace(
            segment,
            span=inside,
            devices=known.devices,
            bridged=known.bridged,
            model_flops=None,
        )
        if not is_bad(after.state):
            # No entry says whose it is not: it is nobody's while it is not bad.
            after = replace(after, cause=before.cause, incident=before.incident)
        _know_better(into, at_ns, before, after)
        changed.append((before, after))
        left += _around(known, inside)
    into.doubted = left
    for _, after in changed:
        into.blind = [part for each in into.blind for part in _around(each, after.span)]
        into.idle = [part for each in into.idle for part in _around(each, after.span)]
        remember(into, after)
    told = sorted(after.span for _, after in changed)
    return changed, _gaps(segment.span, told)


def _know_better(into: Book, at_ns: int, before: Segment, after: Segment) -> None:
    """Restate what changes of a segment: its state first, and then its cause."""
    if before.state is not after.state:
        restate(
            into,
            at_ns,
            after.span,
            (before.state.value, after.state.value),
            after.gpu_ns,
            cause=before.cause,
            reason="rule 14: late evidence",
            incident=before.incident,
            executed=after,
        )
    whose = after.cause, after.incident
    if not is_bad(after.state) or whose == (before.cause, before.incident):
        return
    settled, settled_ns, _ = settled_as(after)
    is_own = settled is after.state
    recause(
        into,
        Reattribution(
            at_ns,
            after.span,
            after.incident,
            before.cause,
            after.cause,
            before.incident,
            {after.state: after.gpu_ns},
            {settled: settled_ns} if is_own else {},
            LATE,
        ),
    )


def _around(segment: Segment, inside: Span) -> list[Segment]:
    """Return what is left of a segment without a span."""
    return [replace(segment, span=s) for s in _gaps(segment.span, [inside])]


def _gaps(span: Span, taken: Sequence[Span]) -> list[Span]:
    """Return the parts of a span that sorted spans, without overlap, leave."""
    gaps: list[Span] = []
    cursor_ns = span.start_ns
    for each in taken:
        gaps.append(Span(cursor_ns, min(each.start_ns, span.end_ns)))
        cursor_ns = max(cursor_ns, each.end_ns)
    gaps.append(Span(cursor_ns, span.end_ns))
    return [gap for gap in gaps if gap.length_ns > 0]
