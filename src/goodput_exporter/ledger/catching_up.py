"""Daily accounts for entries that were booked without: by an earlier version."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

from goodput_exporter.domain.runs import RunKey
from goodput_exporter.errors import LedgerCorruptError
from goodput_exporter.ledger.connections import transaction
from goodput_exporter.ledger.days import Amounts, add
from goodput_exporter.ledger.entries import decode
from goodput_exporter.ledger.queries import query
from goodput_exporter.ledger.writing import DailyRow

AT_ONCE: Final = 100_000
"""Entries between two writes: their days fit in memory, whatever the ledger holds."""


def catch_up(db: sqlite3.Connection) -> None:
    """
    Add what the daily accounts lack of a SQLite ledger, as a whole or not at all.

    Raises:
        sqlite3.Error: The file cannot be read or written.
    """
    through, last = db.execute(query("through")).fetchone()
    if through >= last:
        return
    with transaction(db):
        missing = db.execute(query("entries_after"), {"seq": through})
        for rows in daily_rows(missing):
            db.executemany(query("put_days"), rows)
        db.execute(query("put_through"), {"seq": last})


def daily_rows(entries: Iterable[Sequence[Any]]) -> Iterator[list[DailyRow]]:
    """
    Add up entries by day, some at a time.

    A line that is no entry is left out here and named by ``verify``, as before.

    Args:
        entries: The run's number and names, then the columns of an entry.
    """
    coming = iter(entries)
    while some := list(islice(coming, AT_ONCE)):
        by_run: dict[int, Amounts] = {}
        for run_id, cluster, namespace, run, seq, booked_ns, *row in some:
            key = RunKey(cluster, namespace, run)
            try:
                entry = decode(seq, booked_ns, key, row)
            except LedgerCorruptError:
                continue
            add(by_run.setdefault(run_id, {}), entry.booking)
        yield sorted(
            (run_id, *name, length_ns)
            for run_id, amounts in by_run.items()
            for name, length_ns in amounts.items()
        )
