"""Compaction of a ledger in one SQLite file, also while an exporter writes it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from goodput_exporter.domain.runs import RunKey
from goodput_exporter.ledger.compaction import compact_run, together
from goodput_exporter.ledger.connections import (
    connect_writer,
    transaction,
    write_ahead,
)
from goodput_exporter.ledger.failures import explained
from goodput_exporter.ledger.ledger import Compacted
from goodput_exporter.ledger.queries import query
from goodput_exporter.ledger.reader import extent_of, read_ledger
from goodput_exporter.ledger.sqlite_shelf import shelf_of


def compact_file(path: Path, before: tuple[int, int]) -> Compacted:
    """
    Compact the ledger in *path*; see ``Archive.compact``.

    The writer's lock is not needed: nothing is booked, and SQLite lets one
    transaction write at a time. An exporter waits for a run's transaction, or
    fails to commit and tries again at its next tick.

    Raises:
        LedgerError: It cannot be read or written.
    """
    read_ledger(path).close()
    with explained(path, "compact"), closing(connect_writer(path)) as db:
        write_ahead(db)
        return compact(db, path, before)


def compact(db: sqlite3.Connection, path: Path, before: tuple[int, int]) -> Compacted:
    """
    Compact every run, each in a transaction of its own.

    Raises:
        sqlite3.Error: The file cannot be written; the runs before stay compacted.
    """
    names = db.execute(query("all_runs")).fetchall()
    return together([_one(db, path, RunKey(*row[:3]), before) for row in names])


def _one(
    db: sqlite3.Connection, path: Path, key: RunKey, before: tuple[int, int]
) -> Compacted:
    with transaction(db):
        extent = extent_of(db, key)
        if extent is None:
            return Compacted()
        names = key.cluster, key.namespace, key.run
        stored = db.execute(query("state_of"), names).fetchone()
        return compact_run(shelf_of(db, path), key, extent, stored, before)
