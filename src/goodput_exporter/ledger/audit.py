"""Which laws a stored ledger breaks, read from its file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Final

from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.errors import LedgerCorruptError
from goodput_exporter.ledger.entries import INT64_MAX, Entry, decode
from goodput_exporter.ledger.ledger import Finding
from goodput_exporter.ledger.queries import query
from goodput_exporter.ledger.reading import added_up, intact, reach
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


def run(db: sqlite3.Connection, key: RunKey) -> list[Finding]:
    """Return one run's unreadable entries, and the first that breaks the tiling."""
    names = (key.cluster, key.namespace, key.run)
    row = db.execute(query("reach_of"), names).fetchone()
    if row is None:
        return []
    run_id, longest_ns = row
    findings: list[Finding] = []
    stored = db.execute(query("state_of"), names).fetchone()
    standing = standing_in(key, stored, findings)
    unnamed = () if standing is None else standing.unnamed
    reopened_ns = reopenings(_entries(db, key, run_id, []))
    entries = _entries(db, key, run_id, findings)
    found = measured(entries, longest_ns, findings)
    broken = first_break(found, reopened_ns, unnamed)
    if broken is not None:
        findings.append(broken)
    if standing is not None and (bounds := scan(standing, run_id)):
        findings += compared(key, standing, db.execute(query("account"), bounds))
    return findings


def standing_in(
    key: RunKey, stored: tuple[int, object] | None, unreadable: list[Finding]
) -> Standing | None:
    """Read a state and its checksum; one that is damaged is added to *unreadable*."""
    if stored is None:
        return None
    try:
        return standing_of(intact("the ledger", key, *stored))
    except LedgerCorruptError as exc:
        unreadable.append(Finding(key, None, f"run {key}: {exc}"))
        return None


def scan(standing: Standing, run_id: int) -> dict[str, int] | None:
    """Return the bounds of the entries that a state's accounts count."""
    # Not the recorded longest segment: what it leaves out is to be found here.
    return reach(Span(standing.begins_ns, INT64_MAX), run_id, INT64_MAX)


def compared(
    key: RunKey, standing: Standing, rows: Iterable[tuple[str, str, int, int]]
) -> list[Finding]:
    """Compare a state's accounts with sums of its entries; see ``added_up``."""
    try:
        booked = added_up("the ledger", key, rows)
    except LedgerCorruptError:
        return []  # the unreadable entry is a finding already
    return differences(key, standing, booked)


def _entries(
    db: sqlite3.Connection, key: RunKey, run_id: int, unreadable: list[Finding]
) -> Iterator[Entry]:
    for seq, booked_ns, *row in db.execute(query("by_time"), {"run_id": run_id}):
        try:
            yield decode(seq, booked_ns, key, row)
        except LedgerCorruptError as exc:
            unreadable.append(Finding(key, seq, str(exc)))


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
