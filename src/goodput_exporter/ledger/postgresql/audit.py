"""Which laws a book in PostgreSQL breaks, read from its tables."""

from __future__ import annotations

from collections.abc import Iterator

from goodput_exporter.domain.runs import RunKey
from goodput_exporter.errors import LedgerCorruptError
from goodput_exporter.ledger.audit import compared, measured, scan, standing_in
from goodput_exporter.ledger.entries import Entry, decode
from goodput_exporter.ledger.ledger import Finding
from goodput_exporter.ledger.postgresql.connections import (
    ROWS_FETCHED,
    Connection,
    statement,
)
from goodput_exporter.ledger.tiling import first_break, reopenings


def whole(db: Connection, book: int) -> list[Finding]:
    """Return what is wrong with the book's numbers: entries that are gone."""
    row = db.execute(statement("numbers"), {"book": book}).fetchone()
    last, count = row or (0, 0)
    if last == count:
        return []
    what = f"{last} entries were numbered and {count} are there; some were removed"
    return [Finding(None, None, what)]


def run(
    db: Connection,
    key: RunKey,
    reach_of: tuple[int, int],
    stored: tuple[int, object] | None,
) -> list[Finding]:
    """
    Return one run's unreadable entries, and the first that breaks the tiling.

    Args:
        db: In an open transaction.
        key: Whose.
        reach_of: Its number and its longest segment, as recorded.
        stored: Its state with its checksum, if it has one.
    """
    run_id, longest_ns = reach_of
    findings: list[Finding] = []
    standing = standing_in(key, stored, findings)
    unnamed = () if standing is None else standing.unnamed
    reopened_ns = reopenings(entries(db, "by_time", key, {"run_id": run_id}, []))
    found = entries(db, "by_time", key, {"run_id": run_id}, findings)
    broken = first_break(measured(found, longest_ns, findings), reopened_ns, unnamed)
    if broken is not None:
        findings.append(broken)
    if standing is not None and (bounds := scan(standing, run_id)):
        rows = db.execute(statement("account"), bounds)
        exact = ((*names, int(length_ns)) for *names, length_ns in rows)
        findings += compared(key, standing, exact)
    return findings


def entries(
    db: Connection,
    name: str,
    key: RunKey,
    reach: dict[str, int],
    unreadable: list[Finding] | None = None,
) -> Iterator[Entry]:
    """
    Yield the entries that a statement finds, a few thousand in memory at a time.

    Args:
        db: In an open transaction.
        name: The statement.
        key: Whose entries.
        reach: The statement's values.
        unreadable: Takes lines that are no entry, instead of raising.

    Raises:
        LedgerCorruptError: A line is no entry.
    """
    with db.cursor(name="entries") as cursor:
        cursor.itersize = ROWS_FETCHED
        for seq, booked_ns, *row in cursor.execute(statement(name), reach):
            try:
                yield decode(seq, booked_ns, key, row)
            except LedgerCorruptError as exc:
                if unreadable is None:
                    raise
                unreadable.append(Finding(key, seq, str(exc)))
