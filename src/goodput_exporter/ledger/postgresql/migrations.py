"""How a database becomes a ledger of this version: numbered steps, forward only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from goodput_exporter.errors import LedgerError, LedgerTooNewError
from goodput_exporter.ledger.postgresql.connections import Connection, statement

RUNS_FROM: Final = re.compile(r"\A-- runs-from: (\d+)\n")


def migrate(db: Connection, where: object, scripts: Sequence[str]) -> None:
    """
    Bring a ledger to the version that *scripts* end at, or leave a later one.

    Exporters of several clusters share the schema and are not upgraded in one
    moment. So each step says from which schema on a program still works with
    it, and a program runs on a later schema unless a step there forbids it.

    Args:
        db: A connection without an open transaction.
        where: Its database, for the messages.
        scripts: All migrations, from the first; the count is the version.

    Raises:
        LedgerTooNewError: A later schema no longer suits this program.
        LedgerError: The schema is another program's.
        psycopg.Error: A step failed; the ledger is as it was before that step.
    """
    version, runs_from = stand(db, where)
    if runs_from > len(scripts):
        msg = (
            f"{where}: the ledger has schema {version}, which needs a program that "
            f"knows schema {runs_from}; this one knows schemas up to {len(scripts)}: "
            "start the version that wrote it, or a later one"
        )
        raise LedgerTooNewError(msg)
    for number, script in enumerate(scripts[version:], start=version + 1):
        _step(db, where, number, script)


def runs_from(script: str) -> int:
    """
    Return the oldest schema whose program works on the one that *script* makes.

    Raises:
        ValueError: Its first line does not say.
    """
    found = RUNS_FROM.match(script)
    if found is None:
        msg = "a migration begins with the line '-- runs-from: VERSION'"
        raise ValueError(msg)
    return int(found[1])


def _step(db: Connection, where: object, number: int, script: str) -> None:
    with db.transaction():
        db.execute(statement("lock_migrations"))
        if stand(db, where)[0] >= number:
            return  # another exporter started at the same time and was first
        if number == 1:
            _make_schema(db)
        db.execute(script.encode())
        db.execute(statement("put_version"), (number, runs_from(script)))


def stand(db: Connection, where: object) -> tuple[int, int]:
    """
    Return the schema's version and the oldest program that it suits.

    Raises:
        LedgerError: The schema is another program's.
    """
    _, is_ours, tables = _one(db, "tables")
    if is_ours:
        version, oldest = _one(db, "version")
        return version, oldest
    if tables:
        msg = (
            f"{where}: the schema goodput holds {tables} tables of another program; "
            "give the ledger a database of its own"
        )
        raise LedgerError(msg)
    return 0, 0


def _make_schema(db: Connection) -> None:
    # Asked first: IF NOT EXISTS demands the right to create it even if it is there.
    exists, _, _ = _one(db, "tables")
    if not exists:
        db.execute("CREATE SCHEMA goodput")


def _one(db: Connection, name: str) -> tuple[int, ...]:
    row = db.execute(statement(name)).fetchone()
    return () if row is None else row
