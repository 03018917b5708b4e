"""One batch as statements, inside a transaction that somebody else opens and ends."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final
from zlib import crc32

import psycopg
from psycopg.rows import TupleRow

from goodput_exporter.domain.runs import RunKey
from goodput_exporter.errors import AccountingError
from goodput_exporter.ledger import writing
from goodput_exporter.ledger.catching_up import daily_rows
from goodput_exporter.ledger.ledger import Batch
from goodput_exporter.ledger.postgresql.connections import (
    ROWS_FETCHED,
    Connection,
    statement,
)
from goodput_exporter.ledger.postgresql.naming import as_text, from_text
from goodput_exporter.ledger.writing import DailyRow, Group

Values = Sequence[object] | Mapping[str, object]
"""What a statement is executed with, by place or by name."""
DAY_COLUMNS: Final = (
    "run_ids",
    "days",
    "parts",
    "states",
    "causes",
    "devices",
    "lengths_ns",
)


def number_runs(
    db: Connection, book: int, keys: Iterable[RunKey], known: Mapping[RunKey, int]
) -> dict[RunKey, int]:
    """Return the id of each run, new ones included; *known* is left as it is."""
    keys = list(keys)
    unknown = [key for key in keys if key not in known]
    found = _numbered(db, book, unknown) if unknown else {}
    return {key: known[key] if key in known else found[key] for key in keys}


def insert(
    db: Connection,
    place: tuple[int, int, int],
    groups: Collection[Group],
    ids: Mapping[RunKey, int],
) -> int:
    """
    Write entries by COPY, and how far they stretch their runs.

    Args:
        db: In an open transaction.
        place: The book, the number of its last entry, when the batch was decided.
        groups: The entries, in the order in which they get their numbers.
        ids: The id of every run among them.

    Returns:
        The number of the book's last entry.
    """
    book, seq, booked_ns = place
    if not groups:
        return seq
    with db.cursor() as cursor, cursor.copy(statement("append_entries")) as copy:
        for key, rows in groups:
            run_id = ids[key]
            for row in rows:
                seq += 1
                copy.write_row((book, seq, booked_ns, run_id, *row))
    stretched = [
        reach for key, rows in groups for reach in writing.reaches(ids[key], rows)
    ]
    _many(db, "stretch_run", stretched)
    return seq


def insert_days(db: Connection, batch: Batch, ids: Mapping[RunKey, int]) -> None:
    """Add a batch's bookings to their days, in one statement."""
    _put_days(db, writing.daily_rows(writing.by_run(batch), ids))


def catch_up(db: Connection, book: int) -> None:
    """
    Add what the daily accounts of a book lack, as a whole or not at all.

    Args:
        db: The writer's connection, without an open transaction.
        book: The book's number.
    """
    with db.transaction():
        row = db.execute(statement("through"), {"id": book}).fetchone()
        through, last = row or (0, 0)
        if through >= last:
            return
        with db.cursor(name="missing") as cursor:
            cursor.itersize = ROWS_FETCHED
            asked = {"book": book, "seq": through}
            missing = cursor.execute(statement("entries_after"), asked)
            for rows in daily_rows(_named(missing)):
                _put_days(db, rows)
        db.execute(statement("put_through"), {"id": book, "seq": last})


def replace(db: Connection, book: int, batch: Batch, ids: Mapping[RunKey, int]) -> None:
    """Put the batch's states and meta values in the place of earlier ones."""
    states = [
        (ids[key], batch.booked_ns, key in batch.closed, crc32(state), state)
        for key, state in batch.states.items()
    ]
    _many(db, "put_state", states)
    _many(db, "drop_heard", [(ids[key],) for key in batch.states])
    heard = [(ids[key], words) for key, words in batch.heard.items()]
    _many(db, "put_heard", heard)
    meta = [(book, as_text(name), as_text(text)) for name, text in batch.meta.items()]
    _many(db, "put_meta", meta)


@contextmanager
def storable(batch: Batch) -> Iterator[None]:
    """
    Tell a batch that no retry can save from a server that may recover.

    Raises:
        AccountingError: A value does not fit its column.
    """
    with writing.storable(batch):
        try:
            yield
        except psycopg.DataError as exc:
            msg = (
                f"the batch of {batch.booked_ns} ns holds a value that the ledger "
                f"cannot ({exc}): integers must fit 64 bits and text must be Unicode"
            )
            raise AccountingError(msg) from exc


def _numbered(db: Connection, book: int, keys: list[RunKey]) -> dict[RunKey, int]:
    names = {
        "book": book,
        "clusters": [as_text(key.cluster) for key in keys],
        "namespaces": [as_text(key.namespace) for key in keys],
        "runs": [as_text(key.run) for key in keys],
    }
    db.execute(statement("add_runs"), names)
    return {
        RunKey(*map(from_text, row[:3])): row[3]
        for row in db.execute(statement("find_runs"), names)
    }


def _named(rows: Iterable[TupleRow]) -> Iterator[TupleRow]:
    """Turn the names of runs back into what they are."""
    for run_id, cluster, namespace, run, *entry in rows:
        yield (run_id, *map(from_text, (cluster, namespace, run)), *entry)


def _put_days(db: Connection, rows: Sequence[DailyRow]) -> None:
    if not rows:
        return
    columns = [list(column) for column in zip(*rows, strict=True)]
    db.execute(statement("put_days"), dict(zip(DAY_COLUMNS, columns, strict=True)))


def _many(db: Connection, name: str, values: Collection[Values]) -> None:
    if values:
        with db.cursor() as cursor:
            cursor.executemany(statement(name), values)
