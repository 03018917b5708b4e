"""Compaction of books in PostgreSQL, also while exporters write them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from goodput_exporter.domain.runs import RunKey
from goodput_exporter.ledger.compaction import compact_run, first_undecided, together
from goodput_exporter.ledger.gpu_compaction import (
    fold_day,
    is_divided,
    plan,
    unfolded,
)
from goodput_exporter.ledger.gpu_state import take_up
from goodput_exporter.ledger.ledger import Compacted
from goodput_exporter.ledger.postgresql import gpus
from goodput_exporter.ledger.postgresql.connections import (
    Address,
    Connection,
    connect,
    snapshot,
    statement,
)
from goodput_exporter.ledger.postgresql.failures import explained
from goodput_exporter.ledger.postgresql.owners import (
    extent_of,
    keys_of,
    meta_of,
    owners_elsewhere,
    stored_of,
    told,
)
from goodput_exporter.ledger.postgresql.shelf import shelf_of


def compact(
    address: Address, books: Sequence[int], before: tuple[int, int]
) -> Compacted:
    """
    Compact every run of some books, each in a transaction of its own.

    The writer's lock is not needed: nothing is booked, and whoever appends waits
    for the book's row as this does. Days of the first book's cluster book go first,
    and no run of any of the books is folded further than they are: their states are
    read in the runs' segments.

    Args:
        address: The database.
        books: One, or those of a cluster's shards in their order.
        before: Fold days before the first, join within days before the second.

    Raises:
        LedgerError: The database cannot be read or written; the runs before stay
            compacted.
    """
    with explained(address, "compact"), closing(connect(address)) as db:
        folded, runs_before = _gpus(db, address, books[0], before[0])
        limits = min(before[0], runs_before), before[1]
        return together(
            [
                folded,
                *(
                    _run(db, address, (book, key), limits)
                    for book in books
                    for key in keys_of(db, book)
                ),
            ]
        )


def _run(
    db: Connection, address: Address, run: tuple[int, RunKey], before: tuple[int, int]
) -> Compacted:
    book, key = run
    with db.transaction():
        db.execute(statement("stand"), {"id": book})
        extent = extent_of(db, book, key)
        if extent is None:
            return Compacted()
        stored = stored_of(db, book, key)
        return compact_run(shelf_of(db, address), key, extent, stored, before)


def _gpus(
    db: Connection, address: Address, book: int, fold_before: int
) -> tuple[Compacted, int]:
    """Fold days of the cluster book; return before which day runs may be."""
    where, shelf = gpus.reached(db, book), shelf_of(db, address)
    meta = meta_of(db, book)
    with snapshot(db):
        findings = [] if where.first_ns is None else gpus.findings(db, book, meta)
    if findings:
        return unfolded(findings, where)
    owners = dict.fromkeys(keys_of(db, book), book)
    is_shared = is_divided(meta)
    if is_shared:
        owners |= owners_elsewhere(db, book)
    decided = (
        first_undecided(key, stored_of(db, owner, key)) for key, owner in owners.items()
    )
    planned = plan(take_up(meta, gpus.nodes(db, book), 0), where, fold_before, decided)
    removed = 0
    for day in planned.days:
        with db.transaction():
            db.execute(statement("stand"), {"id": book})
            where, gone = fold_day(
                gpus.shelf_of(db, book),
                day,
                where,
                lambda key, span: told(
                    db, shelf, owners.get(key), (key, span), is_divided=is_shared
                ),
            )
        removed += gone
    return Compacted(gpu_folded=removed), planned.runs_before
