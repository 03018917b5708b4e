"""The ledger in one book of a PostgreSQL database."""

from __future__ import annotations

from contextlib import ExitStack
from threading import Lock
from uuid import UUID, uuid4

from goodput_exporter.domain.runs import RunKey
from goodput_exporter.errors import LedgerError
from goodput_exporter.ledger.entries import require_storable
from goodput_exporter.ledger.ledger import Batch, Compacted
from goodput_exporter.ledger.postgresql import gpus, writing
from goodput_exporter.ledger.postgresql.connections import (
    Address,
    Connection,
    connect,
    statement,
)
from goodput_exporter.ledger.postgresql.failures import explained
from goodput_exporter.ledger.postgresql.migrations import migrate
from goodput_exporter.ledger.postgresql.reader import PostgresReader
from goodput_exporter.ledger.postgresql.writer import Book, Writer
from goodput_exporter.ledger.queries import migrations
from goodput_exporter.ledger.writing import Group, grouped


def open_ledger(url: str, book: Book) -> PostgresLedger:
    """
    Open a book to write it; make it, or bring the schema to this version.

    Raises:
        ConfigError: The URL cannot be read, or holds a password.
        LedgerTooNewError: A later schema no longer suits this program.
        LedgerError: Another process writes the book, or the database refuses.
    """
    address = Address(url)
    with explained(address, "open the ledger"), ExitStack() as opened:
        db = connect(address)
        opened.callback(db.close)
        migrate(db, address, migrations("postgresql"))
        writer = Writer(address, book, db)
        writing.catch_up(db, writer.id)
        opened.pop_all()
    return PostgresLedger(address, writer)


class PostgresLedger(PostgresReader):
    """
    A ledger in one book of a database that other books share.

    Appending is for one thread at a time; reading is for any thread, in
    transactions that cannot write. It shows its own book only.

    Args:
        address: The database.
        writer: The right to write the book; let go of by ``close``.
    """

    def __init__(self, address: Address, writer: Writer) -> None:
        super().__init__(address, writer.id)
        self._writer = writer
        self._appending = Lock()
        self._ids: dict[RunKey, int] = {}

    def append(self, batch: Batch) -> int:
        """Write a batch durably, as a whole or not at all; see ``Ledger.append``."""
        groups = grouped(batch)
        for key in _keys(batch, groups):
            require_storable(key)
        with (
            self._appending,
            explained(self._address, "append"),
            writing.storable(batch),
        ):
            return self._append(batch, groups)

    def compact(self, fold_before: int, join_before: int) -> Compacted:
        """Make the book smaller, run by run; see ``Archive.compact``."""
        return self.compacted((fold_before, join_before))

    def close(self) -> None:
        """Let go of everything; appended batches are durable already."""
        super().close()
        with self._appending:
            self._writer.close()

    def _append(self, batch: Batch, groups: list[Group]) -> int:
        db, book = self._writer.connection(), self._writer.id
        ids: dict[RunKey, int] = {}
        with db.transaction():
            last, mark, writer = _stand(db, book)
            if not self._writer.is_there(mark, writer, batch):
                ids = writing.number_runs(db, book, _keys(batch, groups), self._ids)
                last = writing.insert(db, (book, last, batch.booked_ns), groups, ids)
                writing.insert_days(db, batch, ids)
                writing.replace(db, book, batch, ids)
                gpus.insert(db, book, batch.booked_ns, batch.gpus)
                mark = uuid4()
                values = {"id": book, "last_seq": last, "last_batch": mark}
                db.execute(statement("put_stand"), values)
                db.execute(statement("put_through"), {"id": book, "seq": last})
                self._writer.attempt(mark, batch)
        # Only now: ids given in a transaction that failed are nobody's.
        self._writer.succeed(mark)
        self._ids.update(ids)
        return last


def _keys(batch: Batch, groups: list[Group]) -> list[RunKey]:
    """Return every run that a batch writes to, once."""
    named = [*(key for key, _ in groups), *batch.states, *batch.heard]
    return list(dict.fromkeys(named))


def _stand(db: Connection, book: int) -> tuple[int, UUID | None, str | None]:
    """
    Return the book's last number, its last batch's mark and who wrote it.

    Raises:
        LedgerError: Somebody removed the book.
    """
    row = db.execute(statement("stand"), {"id": book}).fetchone()
    if row is None:
        msg = f"book number {book} is gone from the table books; restore a backup"
        raise LedgerError(msg)
    last, mark, writer = row
    return last, mark, writer
