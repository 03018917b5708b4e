"""
Reading one run of a fleet by its daily accounts, and as few entries as that needs.

What entries say afterwards – a better cause, another state, work that did not survive
– concerns some of a run's segments. Those are read, with all events and moves, and
told as if they were the whole run. The rest has one state for ever: the daily accounts
hold how much of it there is. Where it is not sure that the two make the same report
as all entries do, nothing is returned, and the caller reads every entry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

from goodput_exporter.analysis.histories import History, Quiet, View, history
from goodput_exporter.analysis.stretches import Pricing
from goodput_exporter.domain.accounting import Account, Segment
from goodput_exporter.domain.bookings import Booking
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.ledger.days import DAY_NS
from goodput_exporter.ledger.ledger import BookedRun
from goodput_exporter.ledger.one_run import OneRun, RunReader
from goodput_exporter.report.trends import Grain, grain_of, periods_of
from goodput_exporter.services.chosen_entries import chosen_of
from goodput_exporter.services.quiet_time import laid_out, left_over, mostly
from goodput_exporter.services.reading_runs import (
    booked_in,
    facts_of,
    fold_in,
    read_run,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """
    What is asked of each run.

    Args:
        window: What the report is about.
        view: Which view it shows.
        periods: What the report divides the window into, in time order; each ends
            at midnight in UTC or with the window.
        pricing: What GPU time costs.
    """

    window: Span
    view: View
    periods: Sequence[Span]
    pricing: Pricing

    def blocks(self) -> list[Span]:
        """Return the periods, divided where the price changes."""
        book, place = self.pricing.book, self.pricing.place
        if book is None or place is None:
            return list(self.periods)
        return [
            span
            for period in self.periods
            for span, _ in book.split(place.gpu_model, place.node_pool, period)
        ]


def read_runs(  # noqa: PLR0913 - whose entries, and how to read them
    ledger: RunReader,
    runs: Sequence[BookedRun],
    *,
    window: Span,
    view: View,
    pricing: Pricing,
    every_entry: bool,
) -> Iterator[tuple[History, Account]]:
    """
    Read runs for one report, each with what the ledger itself adds up.

    Args:
        ledger: Where they are.
        runs: Those with time in the window.
        window: What the report is about.
        view: Which view it shows.
        pricing: What GPU time costs.
        every_entry: Of a single run, or of two that are compared, all is told.
    """
    grain = grain_of(window)
    asked = Asked(window, view, tuple(periods_of(window, grain)), pricing)
    is_fine = every_entry or grain is Grain.HOUR
    for run in runs:
        read = None if is_fine else read_by_days(ledger, run, asked)
        if read is None:
            whole = read_run(ledger, run, pricing=pricing)
            read = whole, booked_in(ledger, whole, window)
        yield read


def read_by_days(
    ledger: RunReader, run: BookedRun, asked: Asked
) -> tuple[History, Account] | None:
    """
    Read one run for a report of several.

    Returns:
        Its history, exact for every window that *asked*'s periods make up, and what
        the ledger itself adds up; None where every entry is needed.
    """
    # A folded run has few entries left, and its report leaves the folded days out.
    if run.folded_ns is not None:
        return None
    place = asked.pricing.place
    model = None if place is None else place.gpu_model
    facts = facts_of(fold_in(ledger, run.key), gpu_model=model)
    if facts is not None and facts.upper_bound:
        return None  # step numbers begin anew: which were kept cannot be told by them
    with ledger.one_run(run.key) as one:
        chosen = None if one is None else chosen_of(one, asked.blocks())
        if one is None or chosen is None:
            return None
        told = chosen.bookings()
        seen = history(run.key, told, facts=facts, pricing=asked.pricing)
        quiet = _quiet(ledger, one, told, asked)
        if quiet is None or seen.seen.unplaced_gpu_ns:
            return None
        whole = replace(seen, quiet=quiet)
        inside = None if whole.life is None else whole.life.clip(asked.window)
        return whole, Account() if inside is None else one.account(inside)


def _quiet(
    ledger: RunReader, run: OneRun, told: Iterable[Booking], asked: Asked
) -> Quiet | None:
    window = asked.window
    days = run.days(window.start_ns // DAY_NS, -(-window.end_ns // DAY_NS))
    left = left_over(days, (one for one in told if isinstance(one, Segment)))
    stretches = None if left is None else laid_out(left, asked.blocks())
    if stretches is None:
        return None
    return Quiet(stretches, mostly(days, asked.view), _saves_of(ledger, run.key))


def _saves_of(ledger: RunReader, key: RunKey) -> Callable[[Span], int]:
    """Return what counts a run's saves later, if it is asked at all, and once."""

    @cache
    def saves(window: Span) -> int:
        with ledger.one_run(key) as one:
            return 0 if one is None else one.saves(window)

    return saves
