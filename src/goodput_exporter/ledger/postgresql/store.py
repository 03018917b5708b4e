"""The ledger in one book of a PostgreSQL database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock
from uuid import UUID, uuid4

from goodput_exporter.domain.accounting import Account, Segment
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.errors import LedgerCorruptError, LedgerError
from goodput_exporter.ledger.entries import Entry, require_storable
from goodput_exporter.ledger.ledger import Batch, BookedRun, Finding, Resume
from goodput_exporter.ledger.postgresql import audit, writing
from goodput_exporter.ledger.postgresql.connections import (
    Address,
    Connection,
    Readers,
    connect,
    statement,
)
from goodput_exporter.ledger.postgresql.failures import explained
from goodput_exporter.ledger.postgresql.migrations import migrate
from goodput_exporter.ledger.postgresql.naming import as_text, from_text
from goodput_exporter.ledger.postgresql.writer import Book, Writer
from goodput_exporter.ledger.queries import migrations
from goodput_exporter.ledger.reading import ALWAYS, added_up, intact, reach
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
        opened.pop_all()
    return PostgresLedger(address, writer)


class PostgresLedger:
    """
    A ledger in one book of a database that other books share.

    Appending is for one thread at a time; reading is for any thread, in
    transactions that cannot write. It shows its own book only.

    Args:
        address: The database.
        writer: The right to write the book; let go of by ``close``.
    """

    def __init__(self, address: Address, writer: Writer) -> None:
        self._address = address
        self._writer = writer
        self._readers = Readers(address)
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

    def resume(self) -> Resume:
        """Return what a restart goes on from."""
        with self._reading() as db:
            meta = db.execute(statement("all_meta"), self._book).fetchall()
            rows = db.execute(statement("open_states"), self._book).fetchall()
        states: dict[RunKey, bytes] = {}
        damaged: list[LedgerCorruptError] = []
        for *names, checksum, state in rows:
            key = RunKey(*map(from_text, names))
            try:
                states[key] = intact(self._address, key, checksum, state)
            except LedgerCorruptError as exc:
                damaged.append(exc)
        values = {from_text(name): from_text(value) for name, value in meta}
        return Resume(states, values, tuple(damaged))

    def state_of(self, key: RunKey) -> bytes | None:
        """Return one run's last state, closed or not; None if it never had one."""
        with self._reading(f"read the state of run {key}") as db:
            row = db.execute(statement("state_of"), self._named(key)).fetchone()
        return None if row is None else intact(self._address, key, *row)

    def runs(self) -> list[BookedRun]:
        """Return every run of the book, in the order of their keys."""
        with self._reading() as db:
            rows = db.execute(statement("all_runs"), self._book).fetchall()
        runs = [
            BookedRun(RunKey(*map(from_text, names)), first_ns, last_ns, closed)
            for *names, first_ns, last_ns, closed in rows
        ]
        return sorted(
            runs, key=lambda run: run.key
        )  # the server's order is its locale's

    def bookings(self, key: RunKey) -> Iterator[Entry]:
        """Yield one run's entries in the order of their numbers."""
        return self._entries("bookings", key, ALWAYS)

    def segments(self, key: RunKey, window: Span | None = None) -> Iterator[Segment]:
        """Yield, in time order and uncut, the segments that reach into *window*."""
        for entry in self._entries("segments", key, window or ALWAYS):
            if isinstance(entry.booking, Segment):
                yield entry.booking

    def account(self, key: RunKey, window: Span | None = None) -> Account:
        """Return ``tally`` of the run's segments in *window*, added up there."""
        with self._reading(f"account for run {key}") as db:
            bounds = self._reach(db, key, window or ALWAYS)
            rows = db.execute(statement("account"), bounds).fetchall() if bounds else []
        exact = ((*names, int(length_ns)) for *names, length_ns in rows)
        return added_up(self._address, key, exact)

    def verify(self, key: RunKey | None = None) -> list[Finding]:
        """Return the laws that are broken: by one run, or by any run and the whole."""
        if key is not None:
            return self._audited(lambda db: self._audit(db, key), key)
        findings = self._audited(lambda db: audit.whole(db, self._writer.id), None)
        for known in self.runs():
            findings += self.verify(known.key)
        return findings

    def close(self) -> None:
        """Let go of everything; appended batches are durable already."""
        self._readers.close()
        with self._appending:
            self._writer.close()

    @property
    def _book(self) -> dict[str, int]:
        return {"book": self._writer.id}

    def _append(self, batch: Batch, groups: list[Group]) -> int:
        db, book = self._writer.connection(), self._writer.id
        ids: dict[RunKey, int] = {}
        with db.transaction():
            last, mark, writer = _stand(db, book)
            if not self._writer.is_there(mark, writer, batch):
                ids = writing.number_runs(db, book, _keys(batch, groups), self._ids)
                last = writing.insert(db, (book, last, batch.booked_ns), groups, ids)
                writing.replace(db, book, batch, ids)
                mark = uuid4()
                values = {"id": book, "last_seq": last, "last_batch": mark}
                db.execute(statement("put_stand"), values)
                self._writer.attempt(mark, batch)
        # Only now: ids given in a transaction that failed are nobody's.
        self._writer.succeed(mark)
        self._ids.update(ids)
        return last

    @contextmanager
    def _reading(self, doing: str = "read") -> Iterator[Connection]:
        with explained(self._address, doing), self._readers.lend() as db:
            yield db

    def _entries(self, name: str, key: RunKey, window: Span) -> Iterator[Entry]:
        with self._reading(f"read run {key}") as db:
            bounds = self._reach(db, key, window)
            if bounds:
                yield from audit.entries(db, name, key, bounds)

    def _reach(
        self, db: Connection, key: RunKey, window: Span
    ) -> dict[str, int] | None:
        row = db.execute(statement("reach_of"), self._named(key)).fetchone()
        return None if row is None else reach(window, *row)

    def _audit(self, db: Connection, key: RunKey) -> list[Finding]:
        row = db.execute(statement("reach_of"), self._named(key)).fetchone()
        if row is None:
            return []
        stored = db.execute(statement("state_of"), self._named(key)).fetchone()
        return audit.run(db, key, row, stored)

    def _audited(
        self, check: Callable[[Connection], list[Finding]], key: RunKey | None
    ) -> list[Finding]:
        try:
            with self._reading("verify") as db:
                return check(db)
        except LedgerCorruptError as exc:
            return [Finding(key, None, str(exc))]

    def _named(self, key: RunKey) -> dict[str, object]:
        return self._book | {
            "cluster": as_text(key.cluster),
            "namespace": as_text(key.namespace),
            "run": as_text(key.run),
        }


def _keys(batch: Batch, groups: list[Group]) -> list[RunKey]:
    """Return every run that a batch writes to, once."""
    return list(dict.fromkeys([*(key for key, _ in groups), *batch.states]))


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
