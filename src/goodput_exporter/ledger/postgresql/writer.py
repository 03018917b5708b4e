"""The one connection that may append to a book, and what it knows of its last batch."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from psycopg.rows import TupleRow

from goodput_exporter.errors import LedgerError
from goodput_exporter.ledger.ledger import Batch
from goodput_exporter.ledger.postgresql.connections import (
    Address,
    Connection,
    connect,
    statement,
)
from goodput_exporter.ledger.postgresql.naming import as_text


@dataclass(frozen=True, slots=True)
class Book:
    """Whose entries: one cluster's, or one shard of a cluster's runs."""

    cluster: str
    shard: int = 0

    def __str__(self) -> str:
        """Return the name that messages use."""
        return f"{self.cluster}/{self.shard}"


class Writer:
    """
    The right to append to one book, held as a lock of the server's.

    The lock is the session's, so it is gone with the connection, however
    either end dies; a connection that was lost is made and locked anew.

    Args:
        address: The database, with a migrated ledger.
        book: What to write.
        db: A connection to it, kept.

    Raises:
        LedgerError: Another process writes this book.
        psycopg.Error: The database refuses.
    """

    def __init__(self, address: Address, book: Book, db: Connection) -> None:
        self._address = address
        self._book = book
        self._me = f"process {os.getpid()} on {socket.gethostname()}"
        self.id = _number(db, book)
        self._lock(db)
        since = datetime.now(UTC).isoformat(timespec="seconds")
        writer = f"{self._me} since {since}"
        self.last: UUID | None = _one(db, "put_writer", id=self.id, writer=writer)[0]
        self._doubt: tuple[UUID, Batch] | None = None
        self._db = db
        self._is_closed = False

    def connection(self) -> Connection:
        """
        Return the connection that holds the lock, a new one if it was lost.

        The book's writer is not put down again: if another took the book
        meanwhile, it stays named there.

        Raises:
            LedgerError: Another process writes this book by now, or it is closed.
            psycopg.Error: The database cannot be reached.
        """
        if self._is_closed:
            msg = f"{self._address}: the ledger is closed"
            raise LedgerError(msg)
        if self._db.closed:
            db = connect(self._address)
            try:
                self._lock(db)
            except BaseException:
                db.close()
                raise
            self._db = db
        return self._db

    def is_there(self, stored: UUID | None, writer: str | None, batch: Batch) -> bool:
        """
        Return whether an attempt whose answer was lost has committed *batch*.

        Args:
            stored: The mark of the book's last batch.
            writer: Who took the book's lock last.
            batch: What is about to be appended.

        Raises:
            LedgerError: The book ends with a batch that is neither this
                process's last one nor *batch*.
        """
        if stored == self.last:
            return False
        if self._doubt is None or stored != self._doubt[0]:
            msg = (
                f"{self._address}: {writer} went on with book {self._book} while this "
                "exporter was cut off from it; restart this exporter, so that it "
                "goes on from there, and let one of the two run"
            )
            raise LedgerError(msg)
        if batch != self._doubt[1]:
            msg = (
                f"{self._address}: the batch of {self._doubt[1].booked_ns} ns was "
                "committed though its answer was lost; append it again before any other"
            )
            raise LedgerError(msg)
        return True

    def attempt(self, mark: UUID, batch: Batch) -> None:
        """Remember what is about to be committed, in case no answer comes."""
        self._doubt = (mark, batch)

    def succeed(self, mark: UUID | None) -> None:
        """Remember the mark of the batch that is known to be the book's last."""
        self.last, self._doubt = mark, None

    def close(self) -> None:
        """Let another writer in."""
        self._is_closed = True
        self._db.close()

    def _lock(self, db: Connection) -> None:
        if not _one(db, "lock_book", id=self.id)[0]:
            raise self._held(_one(db, "writer_of", id=self.id)[0])

    def _held(self, holder: str | None) -> LedgerError:
        name = holder or "another process"
        advice = "stop it, or give this exporter another cluster's name"
        if name.startswith(f"{self._me} since"):
            advice = (
                "if that is a connection this process has lost, the server lets go of "
                "it in eleven seconds; else " + advice
            )
        return LedgerError(
            f"{self._address}: {name} writes book {self._book} already; {advice}"
        )


def _number(db: Connection, book: Book) -> int:
    names = {"cluster": as_text(book.cluster), "shard": book.shard}
    db.execute(statement("add_book"), names)
    number: int = _one(db, "find_book", **names)[0]
    return number


def _one(db: Connection, name: str, **values: object) -> TupleRow:
    row = db.execute(statement(name), values).fetchone()
    if row is None:
        msg = f"the book is gone from the table books ({name} found no row)"
        raise LedgerError(msg)
    return row
