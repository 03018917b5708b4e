"""The ledger in one SQLite file."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack
from pathlib import Path
from threading import Lock

from goodput_exporter.domain.runs import RunKey
from goodput_exporter.ledger import sqlite_gpus, writing
from goodput_exporter.ledger.catching_up import catch_up
from goodput_exporter.ledger.connections import (
    connect_writer,
    transaction,
    write_ahead,
)
from goodput_exporter.ledger.entries import require_storable
from goodput_exporter.ledger.exchanging import finish
from goodput_exporter.ledger.failures import explained
from goodput_exporter.ledger.ledger import Batch, Compacted
from goodput_exporter.ledger.lock import WriterLock
from goodput_exporter.ledger.migrations import migrate, require_ours
from goodput_exporter.ledger.queries import migrations, query
from goodput_exporter.ledger.reader import SqliteReader
from goodput_exporter.ledger.sqlite_compaction import compact


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
        finish(path)
        with explained(path, "open the ledger"):
            db = connect_writer(path)
            opened.callback(db.close)
            require_ours(db, path)
            write_ahead(db)
            migrate(db, path, migrations())
            catch_up(db)
        opened.pop_all()
    return SqliteLedger(path, lock, db)


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
        keys = dict.fromkeys([*(key for key, _ in groups), *batch.states, *batch.heard])
        for key in keys:
            require_storable(key)
        with self._appending, explained(self._path, "append"), writing.storable(batch):
            with transaction(self._db):
                ids = writing.number_runs(self._db, keys, self._ids)
                writing.insert(self._db, batch.booked_ns, groups, ids)
                writing.insert_days(self._db, batch, ids)
                writing.replace(self._db, batch, ids)
                sqlite_gpus.insert(self._db, batch.booked_ns, batch.gpus)
                last: int = self._db.execute(query("last_seq")).fetchone()[0]
                self._db.execute(query("put_through"), {"seq": last})
            # Only now: ids given in a transaction that failed are nobody's.
            self._ids.update(ids)
        return last

    def compact(self, fold_before: int, join_before: int) -> Compacted:
        """Make the ledger smaller, run by run; see ``Archive.compact``."""
        with self._appending, explained(self._path, "compact"):
            return compact(self._db, self._path, (fold_before, join_before))

    def close(self) -> None:
        """Let go of everything; appended batches are durable already."""
        super().close()
        with self._appending:
            try:
                self._db.close()
            finally:
                self._writer.release()
