"""What a database's refusal means to the person who has to mend it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final

from goodput_exporter.errors import LedgerCorruptError, LedgerError
from goodput_exporter.ledger.connections import PRIMARY_CODE

CORRUPT: Final = MappingProxyType(
    {
        sqlite3.SQLITE_CORRUPT: "its pages do not hold together (a cut or overwritten "
        "file): stop the exporter, keep the file, restore a backup",
        sqlite3.SQLITE_NOTADB: "it is no SQLite database: check that the path is the "
        "ledger's; the file is left as it is",
    }
)
ADVICE: Final = MappingProxyType(
    {
        sqlite3.SQLITE_FULL: "free space on its volume; nothing of the batch was "
        "written and it can be appended again",
        sqlite3.SQLITE_IOERR: "check its volume: full, over quota, past a file size "
        "limit, or failing; nothing of the batch was written",
        sqlite3.SQLITE_READONLY: "make the file and its directory writable for this "
        "user and check that the volume is not mounted read-only",
        sqlite3.SQLITE_CANTOPEN: "check that its directory exists and is writable "
        "for this user; SQLite keeps two more files beside it",
        sqlite3.SQLITE_PERM: "check the owner and mode of the file",
        sqlite3.SQLITE_BUSY: "another process holds it: find it with fuser, and end "
        "open transactions in database tools",
        sqlite3.SQLITE_LOCKED: "another process holds it: find it with fuser",
        sqlite3.SQLITE_CONSTRAINT: "a rule of the schema refused the row; please "
        "report this as a bug",
    }
)
OTHERWISE: Final = "check the file, its volume and its permissions"


@contextmanager
def explained(path: Path, doing: str) -> Iterator[None]:
    """
    Turn SQLite's errors into ours.

    Args:
        path: The ledger's file.
        doing: What was tried, as in "cannot *append*".

    Raises:
        LedgerCorruptError: The content does not hold together.
        LedgerError: Anything else that SQLite refuses.
    """
    try:
        yield
    except sqlite3.Error as exc:
        raise explain(exc, path, doing) from exc


def explain(exc: sqlite3.Error, path: Path, doing: str) -> LedgerError:
    """Return the error that says what SQLite refused and what to check."""
    code = getattr(exc, "sqlite_errorcode", 0) & PRIMARY_CODE
    if code in CORRUPT:
        return LedgerCorruptError(f"{path}: cannot {doing} ({exc}): {CORRUPT[code]}")
    if not code:  # the binding refused, not the file: nothing on disk to check
        return LedgerError(f"{path}: cannot {doing}: {exc}")
    advice = ADVICE.get(code, OTHERWISE)
    return LedgerError(f"{path}: cannot {doing} ({exc}): {advice}")
