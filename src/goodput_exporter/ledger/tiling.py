"""The law that every instant of a run is booked once, checked entry by entry."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.bookings import EventKind, RunEvent
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import RunState
from goodput_exporter.ledger.entries import Entry
from goodput_exporter.ledger.ledger import Finding
from goodput_exporter.ledger.standing import covers


def first_break(
    entries: Iterable[Entry],
    reopened_ns: Collection[int],
    unnamed: Sequence[Span] = (),
    reached_ns: int | None = None,
) -> Finding | None:
    """
    Find the first instant of a run that is booked twice or not at all.

    A hole is lawful where the run was reopened, for time after a success is in
    no book, and where its steps have no name yet. ``degraded`` lies beside
    another state and is left out.

    Args:
        entries: One run's, ordered by start and then by number.
        reopened_ns: When the run was reopened.
        unnamed: Time that the run's state holds and no entry does yet.
        reached_ns: Where segments that were folded into days end; None without.

    Returns:
        A finding that names the entry booked later of the two, or None.
    """
    last: Entry | None = None
    end_ns = reached_ns
    for entry in entries:
        segment = entry.booking
        if not isinstance(segment, Segment) or segment.state is RunState.DEGRADED:
            continue
        start_ns = segment.span.start_ns
        if end_ns is not None and start_ns < end_ns:
            later = last if last is not None and last.seq > entry.seq else entry
            return _finding(later, "booked twice", start_ns, end_ns)
        if end_ns is not None:
            hole = Span(end_ns, start_ns)
            if not (_lawful(hole, reopened_ns) or covers(unnamed, hole)):
                return _finding(entry, "booked by no segment", end_ns, start_ns)
        last, end_ns = entry, segment.span.end_ns
    return None


def reopenings(entries: Iterable[Entry]) -> list[int]:
    """Return when a run was reopened, in the order of *entries*."""
    return [
        entry.booking.at_ns
        for entry in entries
        if isinstance(entry.booking, RunEvent)
        and entry.booking.kind is EventKind.REOPENED
    ]


def _lawful(hole: Span, reopened_ns: Collection[int]) -> bool:
    return hole.length_ns == 0 or any(
        hole.start_ns <= at_ns <= hole.end_ns for at_ns in reopened_ns
    )


def _finding(entry: Entry, how: str, start_ns: int, end_ns: int) -> Finding:
    what = (
        f"run {entry.key}: entry {entry.seq} breaks the tiling: "
        f"time from {start_ns} ns to {end_ns} ns is {how}"
    )
    return Finding(entry.key, entry.seq, what)
