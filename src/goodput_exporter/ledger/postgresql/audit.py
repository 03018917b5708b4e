"""Which laws a book in PostgreSQL breaks, read from its tables."""

from __future__ import annotations

from collections.abc import Iterator

from goodput_exporter.domain.runs import RunKey
from goodput_exporter.errors import LedgerCorruptError
from goodput_exporter.ledger.audit import measured
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


def run(db: Connection, key: RunKey, run_id: int, longest_ns: int) -> list[Finding]:
    """Return one run's unreadable entries, and the first that breaks the tiling."""
    findings: list[Finding] = []
    reopened_ns = reopenings(entries(db, "by_time", key, {"run_id": run_id}, []))
    found = entries(db, "by_time", key, {"run_id": run_id}, findings)
    broken = first_break(measured(found, longest_ns, findings), reopened_ns)
    return [*findings, broken] if broken else findings


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
