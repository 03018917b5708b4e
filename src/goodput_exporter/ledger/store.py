"""The ledger in one SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from threading import Lock

from goodput_exporter.domain.accounting import Account, Segment
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.errors import LedgerCorruptError, LedgerError
from goodput_exporter.ledger import audit, writing
from goodput_exporter.ledger.connections import (
    Readers,
    connect_writer,
    transaction,
    write_ahead,
)
from goodput_exporter.ledger.entries import Entry, decode, require_storable
from goodput_exporter.ledger.failures import explained
from goodput_exporter.ledger.ledger import Batch, BookedRun, Finding, Resume
from goodput_exporter.ledger.lock import WriterLock
from goodput_exporter.ledger.migrations import (
    migrate,
    require_current,
    require_ours,
)
from goodput_exporter.ledger.queries import migrations, query
from goodput_exporter.ledger.reading import ALWAYS, added_up, intact, reach


def open_ledger(path: Path) -> SqliteLedger:
    """
    Open a ledger to write it; make it, or bring it to this version, if need be.

    Raises:
        LedgerTooNewError: A later version of this program wrote it.
        LedgerCorruptError: It is no database, or a damaged one.
        LedgerError: Another process writes it, or the file cannot be opened.
    """
    with ExitStack() as opened:
        lock = WriterLock(path)
        opened.callback(lock.release)
        with explained(path, "open the ledger"):
            db = connect_writer(path)
            opened.callback(db.close)
            require_ours(db, path)
            write_ahead(db)
            migrate(db, path, migrations())
        opened.pop_all()
    return SqliteLedger(path, lock, db)


def read_ledger(path: Path) -> SqliteReader:
    """
    Open a ledger to read it, whoever writes it; nothing in it is changed.

    Raises:
        LedgerTooNewError: A later version of this program wrote it.
        LedgerCorruptError: It is no database, or a damaged one.
        LedgerError: It is of an earlier version, or cannot be opened.
    """
    if not path.is_file():
        msg = f"{path}: no ledger is there; check ledger.path"
        raise LedgerError(msg)
    reader = SqliteReader(path)
    try:
        reader.require_current()
    except BaseException:
        reader.close()
        raise
    return reader


class SqliteReader:
    """
    What can be read of a ledger in one SQLite file, while another process writes it.

    Args:
        path: The ledger's file, which exists and is of this version.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._readers = Readers(path)

    def resume(self) -> Resume:
        """Return what a restart goes on from."""
        with self._reading() as db:
            meta = dict(db.execute(query("all_meta")).fetchall())
            keys = [RunKey(*names) for names in db.execute(query("open_runs"))]
        states: dict[RunKey, bytes] = {}
        damaged: list[LedgerCorruptError] = []
        for key in keys:
            try:
                state = self.state_of(key)
            except LedgerCorruptError as exc:
                damaged.append(exc)
            else:
                if state is not None:
                    states[key] = state
        return Resume(states, meta, tuple(damaged))

    def state_of(self, key: RunKey) -> bytes | None:
        """Return one run's last state, closed or not; None if it never had one."""
        with self._reading(f"read the state of run {key}") as db:
            row = db.execute(query("state_of"), _names(key)).fetchone()
        if row is None:
            return None
        checksum, state = row
        return intact(self._path, key, checksum, state)

    def runs(self) -> list[BookedRun]:
        """Return every run, in the order of their keys."""
        with self._reading() as db:
            rows = db.execute(query("all_runs")).fetchall()
        return [
            BookedRun(RunKey(cluster, namespace, run), first_ns, last_ns, closed == 1)
            for cluster, namespace, run, first_ns, last_ns, closed in rows
        ]

    def bookings(self, key: RunKey) -> Iterator[Entry]:
        """Yield one run's entries in the order of their numbers."""
        return self._entries("bookings", key, ALWAYS)

    def segments(self, key: RunKey, window: Span | None = None) -> Iterator[Segment]:
        """Yield, in time order and uncut, the segments that reach into *window*."""
        for entry in self._entries("segments", key, window or ALWAYS):
            if isinstance(entry.booking, Segment):
                yield entry.booking

    def account(self, key: RunKey, window: Span | None = None) -> Account:
        """Return ``tally`` of the run's segments in *window*, added up by SQLite."""
        with self._reading(f"account for run {key}") as db:
            reach = _reach(db, key, window or ALWAYS)
            rows = db.execute(query("account"), reach).fetchall() if reach else []
        return added_up(self._path, key, rows)

    def verify(self, key: RunKey | None = None) -> list[Finding]:
        """Return the laws that are broken: by one run, or by any run and the whole."""
        if key is not None:
            return self._audited(partial(audit.run, key=key), key)
        findings = self._audited(audit.whole, None)
        for known in self.runs():
            findings += self._audited(partial(audit.run, key=known.key), known.key)
        return findings

    def require_current(self) -> None:
        """Refuse a file that is no ledger of this version; see ``read_ledger``."""
        with self._reading("open the ledger") as db:
            require_ours(db, self._path)
            require_current(db, self._path, len(migrations()))

    def close(self) -> None:
        """Let go of the connections."""
        self._readers.close()

    @contextmanager
    def _reading(self, doing: str = "read") -> Iterator[sqlite3.Connection]:
        with explained(self._path, doing), self._readers.lend() as db:
            yield db

    def _entries(self, name: str, key: RunKey, window: Span) -> Iterator[Entry]:
        with self._reading(f"read run {key}") as db:
            reach = _reach(db, key, window)
            rows = db.execute(query(name), reach) if reach else ()
            for seq, booked_ns, *row in rows:
                yield decode(seq, booked_ns, key, row)

    def _audited(
        self, check: Callable[[sqlite3.Connection], list[Finding]], key: RunKey | None
    ) -> list[Finding]:
        try:
            with self._reading("verify") as db:
                return check(db)
        except LedgerCorruptError as exc:
            return [Finding(key, None, str(exc))]


class SqliteLedger(SqliteReader):
    """
    A ledger in one SQLite file, beside its write-ahead log and its lock.

    Appending is for one thread at a time; reading is for any thread, on
    connections that cannot write.

    Args:
        path: The ledger's file.
        lock: The right to write it, already held; released by ``close``.
        db: The connection that appends, on a migrated ledger.
    """

    def __init__(self, path: Path, lock: WriterLock, db: sqlite3.Connection) -> None:
        super().__init__(path)
        self._writer = lock
        self._db = db
        self._appending = Lock()
        self._ids: dict[RunKey, int] = {}

    def append(self, batch: Batch) -> int:
        """Write a batch durably, as a whole or not at all; see ``Ledger.append``."""
        groups = writing.grouped(batch)
        keys = dict.fromkeys([*(key for key, _ in groups), *batch.states])
        for key in keys:
            require_storable(key)
        with self._appending, explained(self._path, "append"), writing.storable(batch):
            with transaction(self._db):
                ids = writing.number_runs(self._db, keys, self._ids)
                writing.insert(self._db, batch.booked_ns, groups, ids)
                writing.replace(self._db, batch, ids)
                last: int = self._db.execute(query("last_seq")).fetchone()[0]
            # Only now: ids given in a transaction that failed are nobody's.
            self._ids.update(ids)
        return last

    def close(self) -> None:
        """Let go of everything; appended batches are durable already."""
        super().close()
        with self._appending:
            try:
                self._db.close()
            finally:
                self._writer.release()


def _reach(db: sqlite3.Connection, key: RunKey, window: Span) -> dict[str, int] | None:
    """Return the bounds of a window's scan, or None for a run that is not there."""
    row = db.execute(query("reach_of"), _names(key)).fetchone()
    return None if row is None else reach(window, *row)


def _names(key: RunKey) -> tuple[str, str, str]:
    return key.cluster, key.namespace, key.run
