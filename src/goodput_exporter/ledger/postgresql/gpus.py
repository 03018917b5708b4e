"""The cluster book in a book of PostgreSQL: its lines, and what nodes go on from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from goodput_exporter.domain.spans import Span
from goodput_exporter.ledger.gpu_lines import (
    GPUS,
    GpuBatch,
    GpuLine,
    GpuRow,
    decode,
    encode,
)
from goodput_exporter.ledger.postgresql.connections import Connection, statement
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


def lines(db: Connection, book: int, window: Span | None) -> list[GpuLine]:
    """Return the lines that reach into a window; none is longer than a day."""
    rows = db.execute(statement("gpu_lines"), {"book": book, **reach(window)})
    return [decode(seq, booked_ns, _read(row)) for seq, booked_ns, *row in rows]


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
