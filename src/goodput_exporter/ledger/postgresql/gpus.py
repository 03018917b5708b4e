"""The cluster book in a book of PostgreSQL: its lines, and what nodes go on from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Final, cast

from psycopg.rows import TupleRow

from goodput_exporter.domain.spans import Span
from goodput_exporter.ledger import gpu_audit
from goodput_exporter.ledger.entries import INT64_MAX, INT64_MIN
from goodput_exporter.ledger.gpu_compaction import GpuShelf
from goodput_exporter.ledger.gpu_days import GpuDayRow, GpuFold, GpuReach, reach_of
from goodput_exporter.ledger.gpu_lines import (
    GPUS,
    GpuBatch,
    GpuLine,
    GpuRow,
    decode,
    encode,
)
from goodput_exporter.ledger.ledger import Finding
from goodput_exporter.ledger.postgresql import energy
from goodput_exporter.ledger.postgresql.connections import (
    ROWS_FETCHED,
    Connection,
    statement,
)
from goodput_exporter.ledger.postgresql.naming import as_text, from_text
from goodput_exporter.ledger.sqlite_gpus import reach

NAMES: Final = frozenset({1, 6, 7, 8, 9, 10, 11})
"""Where in a row there is text that comes from outside."""


def insert(db: Connection, book: int, booked_ns: int, batch: GpuBatch) -> None:
    """
    Write a tick's part of the cluster book, in the transaction that locks the book.

    Raises:
        AccountingError: A line can never be stored.
    """
    if batch.bookings:
        _append(db, book, booked_ns, [encode(each) for each in batch.bookings])
    for name, state in batch.nodes.items():
        if state is None:
            db.execute(statement("drop_gpu_node"), (book, as_text(name)))
        else:
            db.execute(statement("put_gpu_node"), (book, as_text(name), state))
    energy.insert(db, book, batch.energy)


def lines(db: Connection, book: int, window: Span | None) -> Iterator[GpuLine]:
    """Yield the lines that reach into a window; none is longer than a day."""
    with db.cursor(name="gpu_lines") as cursor:
        cursor.itersize = ROWS_FETCHED
        asked = {"book": book, **reach(window)}
        for seq, booked_ns, *row in cursor.execute(statement("gpu_lines"), asked):
            yield decode(seq, booked_ns, _read(row))


def nodes(db: Connection, book: int) -> dict[str, bytes]:
    """Return what each node needs to go on."""
    rows = db.execute(statement("gpu_nodes"), {"book": book})
    return {from_text(name): bytes(state) for name, state in rows}


def numbers(db: Connection, book: int) -> tuple[int, int]:
    """Return the last number given to a line, and how many lines are there."""
    row = db.execute(statement("gpu_numbers"), {"book": book}).fetchone()
    last, count = row or (0, 0)
    return last, count


def _append(db: Connection, book: int, booked_ns: int, rows: Iterable[GpuRow]) -> None:
    row = db.execute(statement("last_gpu_line"), {"id": book}).fetchone()
    seq = int(row[0]) if row else 0
    with db.cursor() as cursor, cursor.copy(statement("append_gpu_lines")) as copy:
        for each in rows:
            seq += 1
            copy.write_row((book, seq, booked_ns, *_written(each)))
    db.execute(statement("put_last_gpu_line"), {"id": book, "seq": seq})


def _written(row: GpuRow) -> list[object]:
    return [
        as_text(each) if at in NAMES and isinstance(each, str) else each
        for at, each in enumerate(row)
    ]


def _read(row: list[object]) -> list[object]:
    return [
        from_text(each) if at in NAMES and isinstance(each, str) else each
        for at, each in enumerate(row[: GPUS + 1])
    ]


def days(db: Connection, book: int, first: int, last: int) -> list[GpuDayRow]:
    """Return what was folded of the days from *first* to before *last*."""
    asked = {"book": book, "first": first, "last": last}
    rows = db.execute(statement("gpu_days"), asked).fetchall()
    return [_day(row) for row in rows]


def _day(row: TupleRow) -> GpuDayRow:
    read = (from_text(x) if isinstance(x, str) else x for x in row)
    return cast("GpuDayRow", tuple(read))


def reached(db: Connection, book: int) -> GpuReach:
    """Return how far the book's lines reach, and how far it was folded."""
    row = db.execute(statement("gpu_fold"), {"book": book}).fetchone()
    bounds = db.execute(statement("gpu_reach"), {"book": book}).fetchone()
    first_ns, last_ns = bounds or (None, None)
    return reach_of(first_ns, last_ns, None if row is None else GpuFold(*row))


def shelf_of(db: Connection, book: int) -> GpuShelf:
    """Return the book as an open transaction of *db* sees it."""

    def drop(end_ns: int) -> int:
        db.execute(statement("begin_compacting"))
        removed = db.execute(
            statement("drop_gpu_lines"), {"book": book, "end_ns": end_ns}
        ).rowcount
        db.execute(statement("end_compacting"))
        return removed

    def put_day(rows: Sequence[GpuDayRow]) -> None:
        with db.cursor() as cursor, cursor.copy(statement("put_gpu_days")) as copy:
            for row in rows:
                names = [as_text(x) if isinstance(x, str) else x for x in row]
                copy.write_row((book, *names))

    def put_fold(fold: GpuFold) -> None:
        db.execute(statement("put_gpu_fold"), {"book": book, **asdict(fold)})

    return GpuShelf(partial(lines, db, book), put_day, drop, put_fold)


def findings(db: Connection, book: int, meta: Mapping[str, str]) -> list[Finding]:
    """Return the laws that the book breaks."""
    return gpu_audit.findings(
        gpu_audit.Kept(
            lambda: lines(db, book, None),
            nodes(db, book),
            meta,
            numbers(db, book),
            reached(db, book).fold,
            lambda: days(db, book, INT64_MIN, INT64_MAX),
        )
    )
