"""Which book of a cluster has a run, and what that one holds of it."""

from __future__ import annotations

from psycopg.rows import TupleRow

from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.ledger.extents import Extent
from goodput_exporter.ledger.gpu_compaction import segments_in
from goodput_exporter.ledger.postgresql.connections import Connection, statement
from goodput_exporter.ledger.postgresql.naming import as_text, from_text
from goodput_exporter.ledger.shelves import Shelf


def named(book: int, key: RunKey) -> dict[str, object]:
    """Return a run of a book as statements name it."""
    return {
        "book": book,
        "cluster": as_text(key.cluster),
        "namespace": as_text(key.namespace),
        "run": as_text(key.run),
    }


def extent_of(db: Connection, book: int, key: RunKey) -> Extent | None:
    """Return how far a run reaches in a book; None where nothing of it is there."""
    row = db.execute(statement("reach_of"), named(book, key)).fetchone()
    return None if row is None else Extent(*row)


def stored_of(db: Connection, book: int, key: RunKey) -> TupleRow | None:
    """Return the row of a run's state, if it has one."""
    return db.execute(statement("state_of"), named(book, key)).fetchone()


def meta_of(db: Connection, book: int) -> dict[str, str]:
    """Return what a book notes of itself."""
    rows = db.execute(statement("all_meta"), {"book": book})
    return {from_text(name): from_text(value) for name, value in rows}


def keys_of(db: Connection, book: int) -> list[RunKey]:
    """Return a book's runs, in the order of their keys."""
    rows = db.execute(statement("all_runs"), {"book": book}).fetchall()
    return sorted(RunKey(*map(from_text, row[:3])) for row in rows)


def owners_elsewhere(db: Connection, book: int) -> dict[RunKey, int]:
    """Return the runs of the cluster's other shards, each with its book."""
    found: dict[RunKey, int] = {}
    for (other,) in db.execute(statement("other_books"), {"id": book}).fetchall():
        number: int = other
        found |= dict.fromkeys(keys_of(db, other), number)
    return found


def told(
    db: Connection,
    shelf: Shelf,
    owner: int | None,
    asked: tuple[RunKey, Span],
    *,
    is_divided: bool,
) -> list[Segment] | None:
    """
    Return what a run's book has of a span; None if it is not kept.

    How far the book is folded is read behind its segments: another shard's may be
    folded meanwhile.

    Raises:
        LedgerCorruptError: A line of it is no entry.
    """
    key, span = asked
    extent = None if owner is None else extent_of(db, owner, key)
    found = segments_in(shelf, key, extent, span, is_divided=is_divided)
    after = None if owner is None else extent_of(db, owner, key)
    folded_ns = None if after is None else after.folded_ns
    return None if folded_ns is not None and span.start_ns < folded_ns else found
