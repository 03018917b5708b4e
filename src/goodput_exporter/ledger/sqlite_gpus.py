"""The cluster book in a SQLite ledger: its lines, and what its nodes go on from."""

from __future__ import annotations

import sqlite3

from goodput_exporter.domain.spans import Span
from goodput_exporter.ledger.days import DAY_NS
from goodput_exporter.ledger.entries import INT64_MAX, INT64_MIN
from goodput_exporter.ledger.gpu_lines import GpuBatch, GpuLine, decode, encode
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


def lines(db: sqlite3.Connection, window: Span | None) -> list[GpuLine]:
    """Return the lines that reach into a window; none is longer than a day."""
    rows = db.execute(query("gpu_lines"), reach(window))
    return [decode(seq, booked_ns, row) for seq, booked_ns, *row in rows]


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
