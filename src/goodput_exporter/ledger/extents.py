"""How far one run reaches in a ledger, and which lines a window's account needs."""

from __future__ import annotations

from dataclasses import dataclass

from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.errors import LedgerError
from goodput_exporter.ledger.days import DAY_NS, day_name, day_of


@dataclass(frozen=True, slots=True)
class Extent:
    """
    One run as the database knows it.

    Args:
        run_id: Its number there.
        longest_ns: Its longest segment.
        first_ns, last_ns: What its segments and events span; None without any.
        folded_day: Days before it have no segments any more; None if none has.
        is_current: The daily accounts hold every entry of the book.
    """

    run_id: int
    longest_ns: int
    first_ns: int | None
    last_ns: int | None
    folded_day: int | None
    is_current: bool

    @property
    def folded_ns(self) -> int | None:
        """Return from when on the run's segments are kept; None: all of them."""
        return None if self.folded_day is None else self.folded_day * DAY_NS


@dataclass(frozen=True, slots=True)
class Needed:
    """
    What adds up to a window.

    Args:
        days: The first day and the one after the last, of the daily accounts.
        spans: Where segments are added up instead.
    """

    days: tuple[int, int] | None
    spans: tuple[Span, ...]


def needed(where: object, key: RunKey, extent: Extent, window: Span) -> Needed:
    """
    Divide a window into whole days and what is left at its edges.

    Raises:
        LedgerError: An edge cuts a day whose segments were folded.
    """
    if extent.first_ns is None or extent.last_ns is None:
        return Needed(None, ())
    window = _to_whole_days(window, extent.first_ns, extent.last_ns)
    if window.length_ns <= 0:
        return Needed(None, ())
    first, last = -(-window.start_ns // DAY_NS), window.end_ns // DAY_NS
    if not extent.is_current:  # an older program booked since: its days lack that
        last = min(last, extent.folded_day if extent.folded_day is not None else first)
    if first >= last:
        days, spans = None, [window]
    else:
        before = Span(window.start_ns, first * DAY_NS)
        after = Span(last * DAY_NS, window.end_ns)
        days, spans = (first, last), [before, after]
    left = tuple(span for span in spans if span.length_ns > 0)
    _require_kept(where, key, extent, left)
    return Needed(days, left)


def _to_whole_days(window: Span, first_ns: int, last_ns: int) -> Span:
    """Cut a window to the run, and let it take the run's first and last day whole."""
    start_ns, end_ns = window.start_ns, window.end_ns
    if end_ns <= first_ns or start_ns >= last_ns:
        return Span(start_ns, start_ns)
    if start_ns <= first_ns:
        start_ns = day_of(first_ns) * DAY_NS
    if end_ns >= last_ns:
        end_ns = -(-last_ns // DAY_NS) * DAY_NS
        if last_ns == first_ns:
            end_ns = max(end_ns, (day_of(last_ns) + 1) * DAY_NS)
    return Span(start_ns, end_ns)


def _require_kept(
    where: object, key: RunKey, extent: Extent, spans: tuple[Span, ...]
) -> None:
    for span in spans:
        if extent.folded_ns is not None and span.start_ns < extent.folded_ns:
            day = day_name(day_of(span.start_ns))
            kept = day_name(extent.folded_day or 0)
            msg = (
                f"{where}: run {key}: the segments of {day} were folded into a daily "
                f"account (ledger.keep_days); before {kept} ask for whole UTC days"
            )
            raise LedgerError(msg)
