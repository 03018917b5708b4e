"""How a file becomes a ledger of this version: numbered steps, whole or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from goodput_exporter.errors import LedgerError, LedgerTooNewError

APPLICATION_ID: Final = 0x67707574
"""``gput`` in ASCII, in the file's header: the file is a goodput ledger."""


def migrate(db: sqlite3.Connection, path: Path, scripts: Sequence[str]) -> None:
    """
    Bring a ledger to the version that *scripts* end at.

    Args:
        db: A connection without an open transaction.
        path: Its file, for the messages.
        scripts: All migrations, from the first; the count is the version.

    Raises:
        LedgerTooNewError: A later version of this program wrote it.
        sqlite3.Error: A step failed; the ledger is as it was before that step.
    """
    version = _number(db, "user_version")
    _require_known(version, path, len(scripts))
    for number, script in enumerate(scripts[version:], start=version + 1):
        _apply(db, number, script)


def require_ours(db: sqlite3.Connection, path: Path) -> None:
    """
    Check that a file is a ledger or empty, before anything is changed in it.

    Raises:
        LedgerError: The file is another program's database.
        sqlite3.Error: It is no database.
    """
    if _number(db, "application_id") == APPLICATION_ID:
        return
    tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables:
        msg = (
            f"{path}: a database of another program ({tables} tables and indexes, "
            "not a goodput ledger); give the ledger a path of its own"
        )
        raise LedgerError(msg)


def require_current(db: sqlite3.Connection, path: Path, known: int) -> None:
    """
    Check that a ledger can be read as it is, without bringing it to this version.

    Raises:
        LedgerTooNewError: A later version of this program wrote it.
        LedgerError: An earlier version wrote it, or it is empty.
    """
    version = _number(db, "user_version")
    _require_known(version, path, known)
    if version < known:
        msg = (
            f"{path}: the ledger has schema {version} and this program reads {known}; "
            "run goodput-exporter ledger migrate, or start the exporter, which brings "
            "it there too"
        )
        raise LedgerError(msg)


def _require_known(version: int, path: Path, known: int) -> None:
    if version > known:
        msg = (
            f"{path}: the ledger has schema {version}, this program knows schemas up "
            f"to {known}; start the version that wrote it, or a later one"
        )
        raise LedgerTooNewError(msg)


def _apply(db: sqlite3.Connection, number: int, script: str) -> None:
    step = f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;"
    try:
        db.executescript(step)
    finally:
        if db.in_transaction:
            db.rollback()


def _number(db: sqlite3.Connection, pragma: str) -> int:
    number: int = db.execute(f"PRAGMA {pragma}").fetchone()[0]
    return number
