"""Compaction of a ledger in one SQLite file, also while an exporter writes it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from goodput_exporter.domain.runs import RunKey
from goodput_exporter.ledger import sqlite_gpus
from goodput_exporter.ledger.compaction import compact_run, first_undecided, together
from goodput_exporter.ledger.connections import (
    connect_writer,
    snapshot,
    transaction,
    write_ahead,
)
from goodput_exporter.ledger.failures import explained
from goodput_exporter.ledger.gpu_compaction import (
    fold_day,
    is_divided,
    plan,
    segments_in,
    unfolded,
)
from goodput_exporter.ledger.gpu_state import take_up
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
    keys = [RunKey(*row[:3]) for row in names]
    folded, runs_before = _gpus(db, path, keys, before[0])
    limits = min(before[0], runs_before), before[1]
    return together([folded, *(_one(db, path, key, limits) for key in keys)])


def _gpus(
    db: sqlite3.Connection, path: Path, keys: list[RunKey], fold_before: int
) -> tuple[Compacted, int]:
    """Fold days of the cluster book; return before which day runs may be."""
    known = {key: extent_of(db, key) for key in keys}
    where, shelf = sqlite_gpus.reached(db), shelf_of(db, path)
    with snapshot(db):
        findings = [] if where.first_ns is None else sqlite_gpus.findings(db)
    if findings:
        return unfolded(findings, where)
    meta = dict(db.execute(query("all_meta")).fetchall())
    decided = (first_undecided(key, _stored(db, key)) for key in keys)
    book = take_up(meta, sqlite_gpus.nodes(db), 0)
    planned = plan(book, where, fold_before, decided)
    elsewhere = is_divided(meta)
    removed = 0
    for day in planned.days:
        with transaction(db):
            where, gone = fold_day(
                sqlite_gpus.shelf_of(db),
                day,
                where,
                lambda key, span: segments_in(
                    shelf, key, known.get(key), span, is_divided=elsewhere
                ),
            )
        removed += gone
    return Compacted(gpu_folded=removed), planned.runs_before


def _one(
    db: sqlite3.Connection, path: Path, key: RunKey, before: tuple[int, int]
) -> Compacted:
    with transaction(db):
        extent = extent_of(db, key)
        if extent is None:
            return Compacted()
        shelf = shelf_of(db, path)
        return compact_run(shelf, key, extent, _stored(db, key), before)


def _stored(db: sqlite3.Connection, key: RunKey) -> tuple[Any, ...] | None:
    names = key.cluster, key.namespace, key.run
    row: tuple[Any, ...] | None = db.execute(query("state_of"), names).fetchone()
    return row
