"""
Folding days of the cluster book into accounts, in states of runs.

A price is put on both books together, so they are folded together: first the cluster
book's days, while the runs' segments are still there to say what a held GPU did, and
then the runs, no further than that. Each day is one transaction: its lines are added
up, the account is written and compared with them, and live lines that end with the
day go. Corrections and departures stay for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from goodput_exporter.analysis.stretches import joined_segments
from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.cluster import ClusterBook
from goodput_exporter.domain.gpu_bookings import Kind
from goodput_exporter.domain.gpu_stands import Category
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.errors import LedgerCorruptError
from goodput_exporter.ledger.days import DAY_NS, day_of
from goodput_exporter.ledger.extents import Extent
from goodput_exporter.ledger.gpu_days import (
    GpuDayRow,
    GpuFold,
    GpuReach,
    day_of_lines,
    sealed,
)
from goodput_exporter.ledger.gpu_lines import GpuLine
from goodput_exporter.ledger.ledger import Compacted, Finding
from goodput_exporter.ledger.reading import reach
from goodput_exporter.ledger.shelves import Shelf

NOWHERE: Final = GpuReach(None, None, None)
SHARDS: Final = "shards"
"""The name in a ledger's meta of how many shards divide its cluster's runs."""


@dataclass(frozen=True, slots=True)
class GpuShelf:
    """
    The cluster book in an open transaction that may write.

    Args:
        lines: Returns the lines that reach into a span.
        put_day: Writes the account of one day.
        drop: Takes live lines away that end by an instant; returns how many.
        put_fold: Writes how far the book is folded.
    """

    lines: Callable[[Span], Iterable[GpuLine]]
    put_day: Callable[[Sequence[GpuDayRow]], None]
    drop: Callable[[int], int]
    put_fold: Callable[[GpuFold], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """
    Which days can be folded.

    Args:
        days: Of the cluster book, in order.
        runs_before: Runs fold days before it: beyond, the cluster book needs their
            segments still.
    """

    days: range
    runs_before: int


def plan(
    book: ClusterBook, where: GpuReach, fold_before: int, decided: Iterable[int]
) -> Plan:
    """
    Say how far both books can be folded.

    A cluster book whose line lies days behind what is to be folded is kept no more:
    its last days stay as they are, and runs do not wait for them.

    Args:
        book: What the cluster book goes on from.
        where: How far its lines reach.
        fold_before: Days before it are to be folded.
        decided: Of each run, the first day in which it may still book something.
    """
    nothing = range(0)
    if book.line_ns is None or where.first_ns is None:
        return Plan(nothing, fold_before)
    is_kept = book.line_ns >= fold_before * DAY_NS
    opened = [day_of(line.span.start_ns) for line in book.open_lines()]
    last = min([fold_before, day_of(book.line_ns), *opened, *decided])
    first = day_of(where.first_ns) if where.fold is None else where.fold.day
    days = range(first, last) if first < last else nothing
    return Plan(days, max(first, last) if is_kept else fold_before)


def unfolded(findings: Iterable[Finding], where: GpuReach) -> tuple[Compacted, int]:
    """Leave a cluster book as it is that breaks a law, and runs beside it."""
    first = day_of(where.first_ns or 0)
    before = first if where.fold is None else where.fold.day
    return Compacted(findings=tuple(findings)), before


def fold_day(
    shelf: GpuShelf,
    day: int,
    where: GpuReach,
    segments_of: Callable[[RunKey, Span], Sequence[Segment] | None],
) -> tuple[GpuReach, int]:
    """
    Fold one day of the cluster book.

    Args:
        shelf: The book.
        day: The day after the last one that was folded.
        where: How far the book reaches before this.
        segments_of: Returns a run's segments in a span; None if they are not kept.

    Returns:
        How far the book reaches now, and how many lines are gone.
    """
    span = Span(day * DAY_NS, (day + 1) * DAY_NS)
    lines = [line.booking for line in shelf.lines(span)]
    live = [line for line in lines if line.kind is Kind.LIVE]
    runs = {
        line.hold.run
        for line in live
        if line.hold.run is not None and line.hold.category is Category.HELD
    }
    told = {run: segments_of(run, span) for run in runs}
    rows = day_of_lines(
        day,
        live,
        {run: joined_segments(parts) for run, parts in told.items() if parts},
        [run for run, parts in told.items() if parts is None],
    )
    shelf.put_day(rows)
    removed = shelf.drop(span.end_ns)
    first_ns = span.start_ns if where.first_ns is None else where.first_ns
    last = where.fold or GpuFold(day, first_ns)
    fold = GpuFold(
        day + 1, last.first_ns, last.removed + removed, sealed(last.digest, rows)
    )
    shelf.put_fold(fold)
    return replace(where, fold=fold), removed


def is_divided(meta: Mapping[str, str]) -> bool:
    """Tell whether other shards book some of the runs that hold the book's GPUs."""
    return meta.get(SHARDS, "1") != "1"


def segments_in(
    shelf: Shelf,
    key: RunKey,
    extent: Extent | None,
    span: Span,
    *,
    is_divided: bool = False,
) -> list[Segment] | None:
    """
    Return a run's segments that reach into a span; None if they are not kept.

    Args:
        shelf: The ledger.
        key: The run.
        extent: How far it reaches; None where the ledger has nothing of it.
        span: Where to look.
        is_divided: What the ledger has nothing of may be in another shard's.

    Raises:
        LedgerCorruptError: A line of it is no entry.
    """
    if extent is None:
        return None if is_divided else []
    if extent.folded_ns is not None and span.start_ns < extent.folded_ns:
        return None
    bounds = reach(span, extent.run_id, extent.longest_ns)
    if bounds is None:
        return []
    unreadable: list[Finding] = []
    found = list(shelf.entries("segments", key, bounds, unreadable))
    if unreadable:
        raise LedgerCorruptError(unreadable[0].what)
    return [one.booking for one in found if isinstance(one.booking, Segment)]
