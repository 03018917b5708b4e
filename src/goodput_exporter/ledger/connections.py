"""Connections to one SQLite file: a durable one to write, read-only ones to lend."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Final

BUSY_SECONDS: Final = 5.0
"""Long enough for a backup's short lock, short enough that a tick is only late."""
NO_PLACE: Final = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY})
"""What SQLite says where it may not make its two files beside a ledger."""
PRIMARY_CODE: Final = 0xFF
"""SQLite's extended codes keep the primary one in the low byte."""

_log = logging.getLogger(__name__)


def connect_writer(path: Path) -> sqlite3.Connection:
    """
    Open the connection that appends, and change nothing yet.

    Raises:
        sqlite3.Error: The file cannot be opened.
    """
    return _connect(path, "rwc")


def connect_reader(path: Path) -> sqlite3.Connection:
    """
    Open a connection that cannot write; another process may.

    In a folder that cannot be written SQLite opens a ledger only as one that nobody
    writes, because it has no place for the index of the write-ahead log. What is in
    that log alone is not seen then, and this is said.

    Raises:
        sqlite3.Error: The file cannot be opened.
    """
    db = _connect(path, "ro")
    try:
        db.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as exc:
        db.close()
        code = getattr(exc, "sqlite_errorcode", 0) & PRIMARY_CODE
        if code not in NO_PLACE or os.access(path.absolute().parent, os.W_OK):
            raise
        _say_what_is_unseen(path)
        return _connect(path, "ro&immutable=1")
    return db


@cache
def _say_what_is_unseen(path: Path) -> None:
    log = path.with_name(path.name + "-wal")
    size = log.stat().st_size if log.exists() else 0
    if size:
        _log.warning(
            "%s lies in a folder that cannot be written, so the %d bytes of %s, which "
            "were committed last, are not read; for all of it copy both files to a "
            "folder that can be written and name the copy in ledger.path",
            path,
            size,
            log.name,
        )


def write_ahead(db: sqlite3.Connection) -> None:
    """
    Make commits durable and let readers go on meanwhile.

    ``synchronous=FULL`` makes a commit wait for the disk, so that what was
    acknowledged survives a power cut. SQLite opens a file that may only be
    read without a word, so one write is tried and taken back.

    Raises:
        sqlite3.Error: The file cannot be written.
    """
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        db.execute(f"PRAGMA {pragma}").fetchall()
    version = db.execute("PRAGMA user_version").fetchone()[0]
    db.execute("BEGIN IMMEDIATE")
    try:
        db.execute(f"PRAGMA user_version = {version:d}")
    finally:
        db.rollback()


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Commit what the block did, or nothing of it, whatever goes wrong in it."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.rollback()


@contextmanager
def snapshot(db: sqlite3.Connection) -> Iterator[None]:
    """Read the same batches throughout the block, whatever is written meanwhile."""
    db.execute("BEGIN")
    try:
        yield
    finally:
        db.rollback()


class Readers:
    """
    Read-only connections, lent to one reader at a time.

    A pool and not one per thread: web servers start and drop threads as they
    like, and a dropped thread's connection would have no owner.

    Args:
        path: The ledger's file, which exists.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._idle: list[sqlite3.Connection] = []
        self._open = True

    @contextmanager
    def lend(self) -> Iterator[sqlite3.Connection]:
        """
        Lend a connection for the length of the block, which sees one snapshot.

        Raises:
            sqlite3.Error: The file cannot be read, or the pool is closed.
        """
        db = self._take()
        try:
            db.execute("BEGIN")
            yield db
        finally:
            self._give_back(db)

    def close(self) -> None:
        """Close what is idle now, and what is lent when it comes back."""
        with self._lock:
            self._open = False
            idle, self._idle = self._idle, []
        for db in idle:
            db.close()

    def _take(self) -> sqlite3.Connection:
        with self._lock:
            if not self._open:
                msg = "the ledger is closed"
                raise sqlite3.ProgrammingError(msg)
            if self._idle:
                return self._idle.pop()
        return connect_reader(self._path)

    def _give_back(self, db: sqlite3.Connection) -> None:
        if db.in_transaction:
            db.rollback()
        with self._lock:
            if self._open:
                self._idle.append(db)
                return
        db.close()


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,  # lent to one thread at a time, not bound to one
    )
