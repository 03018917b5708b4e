"""What an old incident has cost, read from its run's entries."""

from __future__ import annotations

from collections.abc import Iterable

from goodput_exporter.analysis.hindsight import hindsight
from goodput_exporter.analysis.incidents import incidents_of
from goodput_exporter.analysis.stretches import Stretch
from goodput_exporter.domain.accounting import is_bad
from goodput_exporter.domain.fold import Spent, add_to
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import RunState
from goodput_exporter.ledger.entries import Entry


def spent_on(key: RunKey, entries: Iterable[Entry], number: int) -> Spent | None:
    """
    Add up an incident that its run's fold has forgotten.

    Args:
        key: The run.
        entries: All of the run's, in the order of their numbers.
        number: The incident's, within the run.

    Returns:
        None where the run never had it.
    """
    bookings = [entry.booking for entry in entries]
    seen = hindsight(bookings)
    ends = [stretch.span.end_ns for stretch in seen.live]
    if not ends:
        return None
    window = Span(min(s.span.start_ns for s in seen.live), max(ends))
    found = incidents_of(key, bookings, seen, window, settled=True)
    for record in found.records:
        if record.number == number:
            span = record.began_ns, record.detected_ns
            live, settled = _by_state(seen.known, number), dict(record.gpu_ns)
            return Spent(span, record.cause, live, settled)
    return None


def _by_state(stretches: Iterable[Stretch], number: int) -> dict[RunState, int]:
    found: dict[RunState, int] = {}
    for stretch in stretches:
        if stretch.incident == number and is_bad(stretch.state):
            add_to(found, stretch.state, stretch.gpu_ns)
    return found
