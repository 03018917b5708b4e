"""What PostgreSQL's refusal means to the person who has to mend it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final

import psycopg

from goodput_exporter.errors import LedgerCorruptError, LedgerError

CORRUPT: Final = MappingProxyType(
    {
        "XX001": "a page is damaged: stop the exporter, keep the cluster's files, "
        "restore a backup",
        "XX002": "an index is damaged: REINDEX the table, then run verify",
    }
)
ADVICE: Final = MappingProxyType(
    {
        "25006": "the server is a standby or read-only; name the primary in ledger.url",
        "3F000": "the schema goodput is gone or may not be used; check the grants",
        "42501": "grant the user CREATE on the database for the first start, and all "
        "on the schema goodput",
        "53100": "free space on the server's volume; nothing of the batch was written "
        "and it can be appended again",
        "55P03": "another session holds it: find it in pg_stat_activity, and end "
        "open transactions in database tools",
        "57014": "a timeout of the server or a person cancelled it; "
        "nothing of it was written",
    }
)
BY_CLASS: Final = MappingProxyType(
    {
        "08": "check that the server runs and can be reached from here",
        "23": "a rule of the schema refused the row; please report this as a bug",
        "40": "the server took the transaction back; it can be tried again",
        "53": "the server lacks room or memory; nothing of the batch was written",
        "57": "the server is stopping or starting; it is tried again",
        "58": "the server's files or its volume fail; see the server's log",
        "P0": "a trigger refused it: entries are append-only",
    }
)
UNREACHED: Final = (
    "check that the server runs and can be reached from here, that the database and "
    "the user exist, and the password in PGPASSWORD or PGPASSFILE"
)
"""libpq gives no code for what happens while it connects; its words say which it is."""
OTHERWISE: Final = "see the server's log"


@contextmanager
def explained(where: object, doing: str) -> Iterator[None]:
    """
    Turn psycopg's errors into ours.

    Args:
        where: The database.
        doing: What was tried, as in "cannot *append*".

    Raises:
        LedgerCorruptError: The content does not hold together.
        LedgerError: Anything else that PostgreSQL refuses.
    """
    try:
        yield
    except psycopg.Error as exc:
        raise explain(exc, where, doing) from exc


def explain(exc: psycopg.Error, where: object, doing: str) -> LedgerError:
    """Return the error that says what PostgreSQL refused and what to check."""
    # The message's first line; LINE 1 and carets below it are for typists of SQL.
    said = str(exc).strip().partition("\n")[0]
    code = exc.sqlstate or ""
    if code in CORRUPT:
        return LedgerCorruptError(f"{where}: cannot {doing} ({said}): {CORRUPT[code]}")
    return LedgerError(f"{where}: cannot {doing} ({said}): {_advice(code)}")


def _advice(code: str) -> str:
    if not code:  # the connection, not the server: it had no answer
        return UNREACHED
    return ADVICE.get(code) or BY_CLASS.get(code[:2], OTHERWISE)
