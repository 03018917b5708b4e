"""One transaction on a SQLite ledger, as a shelf."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from goodput_exporter.domain.runs import RunKey
from goodput_exporter.errors import LedgerCorruptError
from goodput_exporter.ledger.entries import Entry, decode
from goodput_exporter.ledger.ledger import Finding
from goodput_exporter.ledger.queries import query
from goodput_exporter.ledger.shelves import Rows, Shelf, Values


def shelf_of(db: sqlite3.Connection, path: Path) -> Shelf:
    """Return the ledger in *path* as *db*'s open transaction sees it."""

    def ask(name: str, values: Values) -> Rows:
        return db.execute(query(name), dict(values)).fetchall()

    def entries(
        name: str, key: RunKey, values: Mapping[str, int], unreadable: list[Finding]
    ) -> Iterator[Entry]:
        for seq, booked_ns, *row in db.execute(query(name), dict(values)):
            try:
                yield decode(seq, booked_ns, key, row)
            except LedgerCorruptError as exc:
                unreadable.append(Finding(key, seq, str(exc)))

    def many(name: str, values: Iterable[Values]) -> None:
        db.executemany(query(name), [dict(each) for each in values])

    return Shelf(path, ask, entries, many)
