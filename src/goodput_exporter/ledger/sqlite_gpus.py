"""The cluster book in a SQLite ledger: its lines, and what its nodes go on from."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial

from goodput_exporter.domain.spans import Span
from goodput_exporter.ledger import gpu_audit, sqlite_energy
from goodput_exporter.ledger.days import DAY_NS
from goodput_exporter.ledger.entries import INT64_MAX, INT64_MIN
from goodput_exporter.ledger.gpu_compaction import GpuShelf
from goodput_exporter.ledger.gpu_days import GpuDayRow, GpuFold, GpuReach, reach_of
from goodput_exporter.ledger.gpu_lines import GpuBatch, GpuLine, decode, encode
from goodput_exporter.ledger.ledger import Finding
from goodput_exporter.ledger.queries import query
from goodput_exporter.ledger.reading import ALWAYS


def insert(db: sqlite3.Connection, booked_ns: int, batch: GpuBatch) -> None:
    """
    Write a tick's part of the cluster book, in an open transaction.

    Raises:
        AccountingError: A line can never be stored.
    """
    rows = [(booked_ns, *encode(each)) for each in batch.bookings]
    db.executemany(query("append_gpu_line"), rows)
    gone = [(name,) for name, state in batch.nodes.items() if state is None]
    db.executemany(query("drop_gpu_node"), gone)
    kept = [(name, state) for name, state in batch.nodes.items() if state is not None]
    db.executemany(query("put_gpu_node"), kept)
    sqlite_energy.insert(db, batch.energy)


def lines(db: sqlite3.Connection, window: Span | None) -> Iterator[GpuLine]:
    """Yield the lines that reach into a window; none is longer than a day."""
    for seq, booked_ns, *row in db.execute(query("gpu_lines"), reach(window)):
        yield decode(seq, booked_ns, row)


def nodes(db: sqlite3.Connection) -> dict[str, bytes]:
    """Return what each node needs to go on."""
    return dict(db.execute(query("gpu_nodes")).fetchall())


def numbers(db: sqlite3.Connection) -> tuple[int, int]:
    """Return the last number given to a line, and how many lines are there."""
    last, count = db.execute(query("gpu_numbers")).fetchone()
    return last, count


def reach(window: Span | None) -> dict[str, int]:
    """Return the bounds of a window's scan."""
    asked = window or ALWAYS
    start_ns, end_ns = max(asked.start_ns, INT64_MIN), min(asked.end_ns, INT64_MAX)
    reach_ns = max(start_ns - DAY_NS, INT64_MIN)
    return {"reach_ns": reach_ns, "start_ns": start_ns, "end_ns": end_ns}


def days(db: sqlite3.Connection, first: int, last: int) -> list[GpuDayRow]:
    """Return what was folded of the days from *first* to before *last*."""
    return db.execute(query("gpu_days"), {"first": first, "last": last}).fetchall()


def reached(db: sqlite3.Connection) -> GpuReach:
    """Return how far the book's lines reach, and how far it was folded."""
    row = db.execute(query("gpu_fold")).fetchone()
    first_ns, last_ns = db.execute(query("gpu_reach")).fetchone()
    return reach_of(first_ns, last_ns, None if row is None else GpuFold(*row))


def shelf_of(db: sqlite3.Connection) -> GpuShelf:
    """Return the book as an open transaction of *db* sees it."""

    def drop(end_ns: int) -> int:
        db.execute(query("begin_compacting"))
        removed = db.execute(query("drop_gpu_lines"), {"end_ns": end_ns}).rowcount
        db.execute(query("end_compacting"))
        return removed

    def put_day(rows: Sequence[GpuDayRow]) -> None:
        db.executemany(query("put_gpu_day"), rows)

    def put_fold(fold: GpuFold) -> None:
        db.execute(query("put_gpu_fold"), asdict(fold))

    return GpuShelf(partial(lines, db), put_day, drop, put_fold)


def findings(db: sqlite3.Connection) -> list[Finding]:
    """Return the laws that the book breaks."""
    return gpu_audit.findings(
        gpu_audit.Kept(
            lambda: lines(db, None),
            nodes(db),
            dict(db.execute(query("all_meta")).fetchall()),
            numbers(db),
            reached(db).fold,
            lambda: days(db, INT64_MIN, INT64_MAX),
        )
    )
