"""What a run's stored state says of its entries, and where the two differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from goodput_exporter.domain.accounting import Account
from goodput_exporter.domain.book import Book
from goodput_exporter.domain.fold import Fold
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import RunState
from goodput_exporter.ledger.entries import INT64_MAX, INT64_MIN
from goodput_exporter.ledger.ledger import Finding
from goodput_exporter.ledger.state import FORMAT, decode_state


@dataclass(frozen=True, slots=True)
class Standing:
    """
    How far a run's fold has come, as stored in the same batch as its entries.

    Args:
        begins_ns: The book's first instant; a run that began anew has entries
            before it, which its accounts do not count.
        unnamed: Time that belongs to the run and is in no entry yet: the open
            step, warm-up steps without a judge, and all from the line on.
        book: Its accounts.
    """

    begins_ns: int
    unnamed: tuple[Span, ...]
    book: Book


def standing_of(state: bytes) -> Standing | None:
    """
    Read what a state says of the entries beside it.

    None where it is no fold's: a ledger keeps whatever bytes it is given, and
    whether a run can go on from them is for whoever resumes it to say.

    Raises:
        LedgerCorruptError: It is a fold's and cannot be read.
    """
    if not state.startswith(FORMAT + b" "):
        return None
    fold = decode_state(state)
    begins_ns = INT64_MIN if fold.line_ns is None else fold.opened_ns
    return Standing(begins_ns, tuple(_unnamed(fold)), fold.book)


def differences(key: RunKey, standing: Standing, booked: Account) -> list[Finding]:
    """
    Compare a run's accounts with its entries, and with wall time x devices.

    Args:
        key: Whose.
        standing: From the state.
        booked: The sum of the entries from ``begins_ns`` on.
    """
    live = standing.book.live
    found = [
        f"run {key}: the entries hold {booked.of(state)} GPU-ns {state.value} and its "
        f"state counts {live.of(state)}"
        for state in RunState
        if booked.of(state) != live.of(state)
    ]
    wall_ns = sum(n * length_ns for n, length_ns in standing.book.wall_ns.items())
    total_ns = live.total_gpu_ns + standing.book.corrections.total_gpu_ns
    if wall_ns != total_ns:
        what = (
            f"run {key}: its states sum to {total_ns} GPU-ns, and its wall time x "
            f"devices is {wall_ns}"
        )
        found.append(what)
    return [Finding(key, None, what) for what in found]


def covers(spans: Sequence[Span], hole: Span) -> bool:
    """Tell whether every instant of *hole* is in one of *spans*."""
    reached_ns = hole.start_ns
    for span in sorted(spans):
        if span.start_ns <= reached_ns < span.end_ns:
            reached_ns = span.end_ns
    return reached_ns >= hole.end_ns


def _unnamed(fold: Fold) -> list[Span]:
    if fold.ended_ns is not None or fold.line_ns is None:
        return []
    held = [span for step in fold.steps.held for span in step.spans]
    return [*held, *fold.steps.open, Span(fold.line_ns, INT64_MAX)]
