"""Which laws the stored cluster book breaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from heapq import merge

from goodput_exporter.domain.gpu_bookings import GpuBooking, GpuGroup, Kind, group_of
from goodput_exporter.domain.gpu_tiling import Numbered, breaks, order
from goodput_exporter.domain.spans import Span
from goodput_exporter.errors import LedgerCorruptError
from goodput_exporter.ledger.days import day_name, day_of
from goodput_exporter.ledger.gpu_days import (
    GpuDay,
    GpuDayRow,
    GpuFold,
    decode_day,
    sealed,
)
from goodput_exporter.ledger.gpu_lines import GpuLine
from goodput_exporter.ledger.gpu_state import BOOK, StoredBook, decode_book, take_up
from goodput_exporter.ledger.ledger import Finding

WHERE = "the cluster book"


@dataclass(frozen=True, slots=True)
class Kept:
    """
    A stored cluster book.

    Args:
        lines: Reads every line, in the order of ``domain.gpu_tiling``; asked for
            once per law, so that no law needs more than a few of them at a time.
        nodes: What is open, as stored beside them.
        meta: Where the totals are.
        numbers: The last number given, and how many lines are there, or were.
        fold: How far it was folded; None if it never was.
        days: Reads the folded days.
    """

    lines: Callable[[], Iterable[GpuLine]]
    nodes: Mapping[str, bytes]
    meta: Mapping[str, str]
    numbers: tuple[int, int]
    fold: GpuFold | None = None
    days: Callable[[], Iterable[GpuDayRow]] = tuple


def findings(kept: Kept) -> list[Finding]:
    """Add the book up again, and return the first line that breaks each law."""
    return list(_findings(kept))


def _findings(kept: Kept) -> Iterator[Finding]:
    last, count = kept.numbers
    if last != count:
        what = f"{last} lines were numbered and {count} are there; some were removed"
        yield Finding(None, None, f"{WHERE}: {what}")
    try:
        yield from _of_lines(kept)
    except LedgerCorruptError as exc:
        yield Finding(None, None, f"{WHERE}: {exc}")


def _of_lines(kept: Kept) -> Iterator[Finding]:
    """
    Yield which laws the lines and the totals break.

    Raises:
        LedgerCorruptError: Something stored cannot be read.
    """
    meta, fold = kept.meta, kept.fold
    book = take_up(meta, kept.nodes, 0)
    is_open: list[Numbered] = sorted(
        ((None, line) for line in book.open_lines()), key=order
    )
    stored = decode_book(meta[BOOK]) if BOOK in meta else StoredBook(0)

    def booked() -> Iterator[Numbered]:
        every = ((each.seq, each.booking) for each in kept.lines())
        return every if fold is None else _since(every, fold.end_ns)

    for seq, what in breaks(lambda: merge(booked(), is_open, key=order)):
        yield Finding(None, seq, f"{WHERE}: {what}")
    if fold is not None and _seal_of(fold, kept.days()) != fold.digest:
        what = (
            f"{WHERE}: the accounts before {day_name(fold.day)} are not what was "
            "folded; restore a backup"
        )
        yield Finding(None, None, what)
    folded = map(decode_day, kept.days())
    yield from _totals(dict(stored.closed), (line for _, line in booked()), folded)


def _since(lines: Iterable[Numbered], at_ns: int) -> Iterator[Numbered]:
    """
    Yield what lines say of the time that was not folded, in order; departures stay.

    Lines that begin earlier are cut, and then begin together: those few wait for
    each other.
    """
    cut: list[Numbered] = []
    for seq, line in lines:
        if cut and line.span.start_ns > at_ns:
            yield from sorted(cut, key=order)
            cut = []
        inside = line.span.clip(Span(at_ns, max(at_ns, line.span.end_ns)))
        if line.kind is Kind.LEFT:
            one = seq, line
        elif inside is not None:
            one = seq, replace(line, span=inside)
        else:
            continue
        if line.span.start_ns > at_ns:
            yield one
        else:
            cut.append(one)
    yield from sorted(cut, key=order)


def _seal_of(fold: GpuFold, days: Iterable[GpuDayRow]) -> str:
    """Return the digest of folded days, each over the ones before it."""
    by_day: dict[int, list[GpuDayRow]] = {}
    for row in days:
        by_day.setdefault(row[0], []).append(row)
    digest = ""
    for day in range(day_of(fold.first_ns), fold.day):
        digest = sealed(digest, by_day.pop(day, ()))
    return "" if by_day else digest


def _totals(
    stored: Mapping[GpuGroup, int],
    lines: Iterable[GpuBooking],
    folded: Iterable[GpuDay],
) -> Iterator[Finding]:
    again: Counter[GpuGroup] = Counter()
    for one in folded:
        again[group_of(one.gpu_model, one.node_pool, one.hold)] += one.gpu_ns
    for line in lines:
        if line.kind is Kind.LIVE:
            group = group_of(line.gpu_model, line.node_pool, line.hold)
            again[group] += line.gpu_ns
    for group in sorted(stored.keys() | again.keys()):
        if stored.get(group, 0) != again[group]:
            what = (
                f"its lines hold {again[group]} GPU-ns {group.category.value} of "
                f"{group.gpu_model or 'an unknown model'} and its totals count "
                f"{stored.get(group, 0)}"
            )
            yield Finding(None, None, f"{WHERE}: {what}")
            return
