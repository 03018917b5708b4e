"""Which laws a stored ledger breaks, read from its file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Final

from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.errors import LedgerCorruptError
from goodput_exporter.ledger.daily_audit import days_differing, settled_differing
from goodput_exporter.ledger.days import DAY_NS, Amounts, add
from goodput_exporter.ledger.entries import INT64_MAX, Entry
from goodput_exporter.ledger.extents import Extent
from goodput_exporter.ledger.folding import days_of, fold_of
from goodput_exporter.ledger.ledger import Finding
from goodput_exporter.ledger.queries import query
from goodput_exporter.ledger.reading import Stored, added_up, intact, reach
from goodput_exporter.ledger.shelves import Shelf
from goodput_exporter.ledger.standing import Standing, differences, standing_of
from goodput_exporter.ledger.tiling import first_break, reopenings

PAGES_REPORTED: Final = 10
"""A torn file has thousands of bad pages; ten are enough to know."""


def whole(db: sqlite3.Connection) -> list[Finding]:
    """Return damage to the file itself, and entries that are gone."""
    pages = db.execute(f"PRAGMA integrity_check({PAGES_REPORTED})").fetchall()
    findings = [Finding(None, None, text) for (text,) in pages if text != "ok"]
    last, count = db.execute(query("numbers")).fetchone()
    if last != count:
        what = f"{last} entries were numbered and {count} are there; some were removed"
        findings.append(Finding(None, None, what))
    return findings


def run(
    shelf: Shelf, key: RunKey, extent: Extent, stored: Stored | None
) -> list[Finding]:
    """
    Return one run's unreadable entries, and the first that breaks the tiling.

    Its daily accounts are added up again, and its state's accounts with them.

    Args:
        shelf: The book, in a transaction.
        key: Whose.
        extent: How far the run reaches, as recorded.
        stored: Its row of ``state_of``, if it has one.
    """
    findings: list[Finding] = []
    by_time = {"run_id": extent.run_id}
    standing = standing_in(key, stored, findings)
    unnamed = () if standing is None else standing.unnamed
    fold = fold_of(shelf, extent.run_id)
    reopened_ns = reopenings(shelf.entries("by_time", key, by_time, []))
    again: Amounts = {}
    entries = shelf.entries("by_time", key, by_time, findings)
    found = counted(measured(entries, extent.longest_ns, findings), again)
    broken = first_break(found, reopened_ns, unnamed, fold.reached_ns)
    for _ in found:  # the rest, for the days
        pass
    if broken is not None:
        findings.append(broken)
    differing = [] if standing is None else _compared(shelf, key, extent, standing)
    if extent.is_current and not findings:
        # A line that cannot be read or was changed shows in its day as well: once
        # is enough, and verify is asked again after the mending.
        days = days_of(shelf, extent.run_id)
        findings += days_differing(key, days, again, fold)
        if standing is not None and not differing and _counts_all(standing, extent):
            findings += settled_differing(key, days, standing.book.settled.gpu_ns)
    return findings + differing


def _counts_all(standing: Standing, extent: Extent) -> bool:
    """Tell whether a state counts the run from its beginning, not from anew."""
    return extent.first_ns is None or standing.begins_ns <= extent.first_ns


def _compared(
    shelf: Shelf, key: RunKey, extent: Extent, standing: Standing
) -> list[Finding]:
    """Compare a state's accounts with folded days and the entries since."""
    begins_ns = standing.begins_ns
    rows: list[tuple[str, str, int, int]] = []
    if extent.folded_ns is not None and begins_ns < extent.folded_ns:
        days = {"first": begins_ns // DAY_NS, "last": extent.folded_day}
        rows += shelf.ask("days_account", {"run_id": extent.run_id, **days})
        begins_ns = extent.folded_ns
    # Not the recorded longest segment: what it leaves out is to be found here.
    bounds = reach(Span(begins_ns, INT64_MAX), extent.run_id, INT64_MAX)
    if bounds is not None:
        rows += shelf.ask("account", bounds)
    exact = [(*row[:3], int(row[3])) for row in rows]
    try:
        booked = added_up("the ledger", key, exact)
    except LedgerCorruptError:
        return []  # the unreadable entry is a finding already
    return differences(key, standing, booked)


def standing_in(
    key: RunKey, stored: Stored | None, unreadable: list[Finding]
) -> Standing | None:
    """Read a state and its checksum; one that is damaged is added to *unreadable*."""
    if stored is None:
        return None
    try:
        return standing_of(intact("the ledger", key, *stored))
    except LedgerCorruptError as exc:
        unreadable.append(Finding(key, None, f"run {key}: {exc}"))
        return None


def measured(
    entries: Iterator[Entry], longest_ns: int, findings: list[Finding]
) -> Iterator[Entry]:
    """Pass entries on; one that windows would miss is added to *findings*."""
    for entry in entries:
        booking = entry.booking
        if isinstance(booking, Segment) and booking.span.length_ns > longest_ns:
            what = (
                f"run {entry.key}: entry {entry.seq} lasts {booking.span.length_ns} "
                f"ns and the run's longest is recorded as {longest_ns} ns"
            )
            findings.append(Finding(entry.key, entry.seq, what))
        yield entry


def counted(entries: Iterator[Entry], into: Amounts) -> Iterator[Entry]:
    """Pass entries on, and add them to their days."""
    for entry in entries:
        add(into, entry.booking)
        yield entry
