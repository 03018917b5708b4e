"""How a book in PostgreSQL is opened: to write it, to read it, to make it smaller."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from goodput_exporter.errors import LedgerError, LedgerTooNewError
from goodput_exporter.ledger.ledger import Compacted
from goodput_exporter.ledger.postgresql.compaction import compact
from goodput_exporter.ledger.postgresql.connections import (
    Address,
    Connection,
    connect,
    statement,
)
from goodput_exporter.ledger.postgresql.failures import explained
from goodput_exporter.ledger.postgresql.migrations import stand
from goodput_exporter.ledger.postgresql.naming import as_text
from goodput_exporter.ledger.postgresql.reader import PostgresReader
from goodput_exporter.ledger.postgresql.store import PostgresLedger, open_ledger
from goodput_exporter.ledger.postgresql.writer import Book
from goodput_exporter.ledger.queries import migrations


def open_book(url: str, cluster: str, shard: int) -> PostgresLedger:
    """Open a book to write it; see ``opening.open_ledger``."""
    return open_ledger(url, Book(cluster, shard))


def read_book(url: str, cluster: str, shard: int) -> PostgresReader:
    """
    Open a book to read it; nothing in the database is changed.

    Raises:
        ConfigError: The URL cannot be read, or holds a password.
        LedgerTooNewError: A later schema no longer suits this program.
        LedgerError: There is no such book, or the schema is an earlier one.
    """
    address = Address(url)
    with explained(address, "read the ledger"):
        db = connect(address)
        try:
            _require_current(db, address)
            number = _number(db, address, Book(cluster, shard))
        finally:
            db.close()
    return PostgresReader(address, number)


def compact_books(
    url: str, cluster: str, shards: Sequence[int], before: tuple[int, int]
) -> Compacted:
    """
    Compact the books of some shards; see ``compaction.compact``.

    Raises:
        ConfigError: The URL cannot be read, or holds a password.
        LedgerError: One of the books is not there, and nothing was compacted; or see
            ``compaction.compact``.
    """
    address = Address(url)
    with explained(address, "compact"), closing(connect(address)) as db:
        _require_current(db, address)
        books = [_number(db, address, Book(cluster, shard)) for shard in shards]
    return compact(address, books, before)


def _require_current(db: Connection, address: Address) -> None:
    version, runs_from = stand(db, address)
    known = len(migrations("postgresql"))
    if runs_from > known:
        msg = (
            f"{address}: the ledger has schema {version}, which needs a program that "
            f"knows schema {runs_from}; this one knows schemas up to {known}"
        )
        raise LedgerTooNewError(msg)
    if version < known:
        msg = (
            f"{address}: the ledger has schema {version} and this program reads "
            f"{known}; run goodput-exporter ledger migrate, or start the exporter, "
            "which brings it there too"
        )
        raise LedgerError(msg)


def _number(db: Connection, address: Address, book: Book) -> int:
    names = {"cluster": as_text(book.cluster), "shard": book.shard}
    row = db.execute(statement("find_book"), names).fetchone()
    if row is None:
        msg = (
            f"{address}: no book {book} is there; check identity.cluster, which names "
            "the exporter's book"
        )
        raise LedgerError(msg)
    number: int = row[0]
    return number
