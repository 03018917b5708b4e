"""A book in PostgreSQL as a shelf, and what is wrong with its numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from goodput_exporter.domain.runs import RunKey
from goodput_exporter.errors import LedgerCorruptError
from goodput_exporter.ledger.entries import Entry, decode
from goodput_exporter.ledger.ledger import Finding
from goodput_exporter.ledger.postgresql.connections import (
    ROWS_FETCHED,
    Connection,
    statement,
)
from goodput_exporter.ledger.shelves import Rows, Shelf, Values


def whole(db: Connection, book: int) -> list[Finding]:
    """Return what is wrong with the book's numbers: entries that are gone."""
    row = db.execute(statement("numbers"), {"book": book}).fetchone()
    last, count = row or (0, 0)
    if last == count:
        return []
    what = f"{last} entries were numbered and {count} are there; some were removed"
    return [Finding(None, None, what)]


def shelf_of(db: Connection, where: object) -> Shelf:
    """Return the book as *db*'s open transaction sees it."""

    def ask(name: str, values: Values) -> Rows:
        cursor = db.execute(statement(name), dict(values))
        return cursor.fetchall() if cursor.description else []

    def read(
        name: str, key: RunKey, values: Mapping[str, int], unreadable: list[Finding]
    ) -> Iterator[Entry]:
        return entries(db, name, key, values, unreadable)

    def many(name: str, values: Iterable[Values]) -> None:
        with db.cursor() as cursor:
            cursor.executemany(statement(name), [dict(each) for each in values])

    return Shelf(where, ask, read, many)


def entries(
    db: Connection,
    name: str,
    key: RunKey,
    reach: Mapping[str, int],
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
        for seq, booked_ns, *row in cursor.execute(statement(name), dict(reach)):
            try:
                yield decode(seq, booked_ns, key, row)
            except LedgerCorruptError as exc:
                if unreadable is None:
                    raise
                unreadable.append(Finding(key, seq, str(exc)))
