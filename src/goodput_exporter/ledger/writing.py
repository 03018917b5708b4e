"""One batch as statements, inside a transaction that somebody else opens and ends."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from itertools import chain, groupby
from operator import itemgetter
from typing import Final
from zlib import crc32

from goodput_exporter.domain.runs import RunKey
from goodput_exporter.errors import AccountingError
from goodput_exporter.ledger.days import Amounts, add_all
from goodput_exporter.ledger.entries import Row, encode
from goodput_exporter.ledger.ledger import Batch
from goodput_exporter.ledger.queries import query

Group = tuple[RunKey, list[Row]]
"""A run and some of its new entries, in columns."""

_Stored = tuple[int | float | str | None, ...]
"""booked_ns and run_id, and what an entry's booking decides."""
AT_ONCE: Final = 25
"""Entries per statement: a third less work than one by one, and more gain nothing.
Their 375 values are fewer than the 999 that an SQLite before 3.32 takes."""

DailyRow = tuple[int, int, str, str, str, int, int]
"""run_id, day, part, state, cause, devices, length_ns."""


def grouped(batch: Batch) -> list[Group]:
    """
    Encode a batch's bookings, neighbours of one run together, order unchanged.

    Raises:
        AccountingError: A booking can never be stored.
    """
    return [
        (key, [encode(key, booking) for _, booking in neighbours])
        for key, neighbours in groupby(batch.bookings, key=itemgetter(0))
    ]


def number_runs(
    db: sqlite3.Connection, keys: Iterable[RunKey], known: Mapping[RunKey, int]
) -> dict[RunKey, int]:
    """Return the id of each run, new ones included; *known* is left as it is."""
    return {key: known.get(key) or _number_run(db, key) for key in keys}


def insert(
    db: sqlite3.Connection,
    booked_ns: int,
    groups: Iterable[Group],
    ids: Mapping[RunKey, int],
) -> None:
    """
    Write entries, and how far they stretch their runs.

    Args:
        db: In an open transaction.
        booked_ns: When the batch was decided.
        groups: The entries, in the order in which they get their numbers.
        ids: The id of every run among them.
    """
    entries: list[_Stored] = []
    stretched: list[dict[str, int]] = []
    for key, rows in groups:
        run_id = ids[key]
        entries += [(booked_ns, run_id, *row) for row in rows]
        stretched += reaches(run_id, rows)
    whole = len(entries) - len(entries) % AT_ONCE
    flat = (
        tuple(chain.from_iterable(entries[first : first + AT_ONCE]))
        for first in range(0, whole, AT_ONCE)
    )
    db.executemany(_append_many(), flat)
    db.executemany(query("append_entry"), entries[whole:])
    db.executemany(query("stretch_run"), stretched)


@cache
def _append_many() -> str:
    """Return the statement that appends ``AT_ONCE`` entries, in their order."""
    one = query("append_entry")
    values = one[one.index("VALUES") + len("VALUES") :].strip()
    return f"{one.rstrip()}{f', {values}' * (AT_ONCE - 1)}"


def insert_days(
    db: sqlite3.Connection, batch: Batch, ids: Mapping[RunKey, int]
) -> None:
    """Add a batch's bookings to their days: as many rows as days and kinds of time."""
    db.executemany(query("put_days"), daily_rows(by_run(batch), ids))


def by_run(batch: Batch) -> dict[RunKey, Amounts]:
    """Add up a batch's bookings by run and day."""
    amounts: dict[RunKey, Amounts] = {}
    for key, neighbours in groupby(batch.bookings, key=itemgetter(0)):
        add_all(amounts.setdefault(key, {}), map(itemgetter(1), neighbours))
    return amounts


def daily_rows(
    by_run: Mapping[RunKey, Amounts], ids: Mapping[RunKey, int]
) -> list[DailyRow]:
    """Return daily amounts in columns, in the order of the table."""
    return sorted(
        (ids[key], *name, length_ns)
        for key, amounts in by_run.items()
        for name, length_ns in amounts.items()
    )


def replace(db: sqlite3.Connection, batch: Batch, ids: Mapping[RunKey, int]) -> None:
    """Put the batch's states and meta values in the place of earlier ones."""
    db.executemany(
        query("put_state"),
        [
            (ids[key], batch.booked_ns, key in batch.closed, crc32(state), state)
            for key, state in batch.states.items()
        ],
    )
    db.executemany(query("drop_heard"), [(ids[key],) for key in batch.states])
    heard = [(ids[key], words) for key, words in batch.heard.items()]
    db.executemany(query("put_heard"), heard)
    db.executemany(query("put_meta"), batch.meta.items())


@contextmanager
def storable(batch: Batch) -> Iterator[None]:
    """
    Tell a batch that no retry can save from a disk that may recover.

    Raises:
        AccountingError: A value does not fit its column.
    """
    try:
        yield
    except (OverflowError, UnicodeEncodeError) as exc:
        msg = (
            f"the batch of {batch.booked_ns} ns holds a value that the ledger cannot "
            f"({exc}): integers must fit 64 bits and text must be Unicode"
        )
        raise AccountingError(msg) from exc


def _number_run(db: sqlite3.Connection, key: RunKey) -> int:
    names = (key.cluster, key.namespace, key.run)
    row = db.execute(query("find_run"), names).fetchone()
    if row is None:
        db.execute(query("add_run"), names)
        row = db.execute(query("find_run"), names).fetchone()
    number: int = row[0]
    return number


def reaches(run_id: int, rows: Iterable[Row]) -> list[dict[str, int]]:
    """
    Return how far entries stretch their run, or nothing where they do not.

    A restatement is about time that is booked already: it stretches nothing.
    """
    spans = [(row[1], row[2]) for row in rows if row[0] != "restatement"]
    if not spans:
        return []
    return [
        {
            "run_id": run_id,
            "first_ns": min(spans)[0],
            "last_ns": max(map(itemgetter(1), spans)),
            "longest_ns": max(end_ns - start_ns for start_ns, end_ns in spans),
        }
    ]
