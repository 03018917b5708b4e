"""How ledgers of earlier versions become ledgers of this one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from goodput_exporter.errors import LedgerTooNewError
from goodput_exporter.ledger.connections import connect_writer
from goodput_exporter.ledger.migrations import migrate
from goodput_exporter.ledger.queries import migrations

FIRST = "PRAGMA application_id = 1735423348; CREATE TABLE a (x);"
SECOND = "CREATE TABLE b (y); INSERT INTO a VALUES (2);"
BROKEN = "CREATE TABLE c (z); INSERT INTO nothing VALUES (1);"


@pytest.fixture
def db(path: Path) -> Iterator[sqlite3.Connection]:
    """Open an empty database."""
    with closing(connect_writer(path)) as opened:
        yield opened


def version(db: sqlite3.Connection) -> int:
    """Return the number of steps that a ledger has taken."""
    number: int = db.execute("PRAGMA user_version").fetchone()[0]
    return number


def test_every_step_is_taken_once(db: sqlite3.Connection, path: Path) -> None:
    """A later start takes only the steps that are new since."""
    migrate(db, path, [FIRST])
    migrate(db, path, [FIRST, SECOND])
    migrate(db, path, [FIRST, SECOND])

    assert version(db) == 2
    assert db.execute("SELECT x FROM a").fetchall() == [(2,)]


def test_a_step_that_fails_leaves_the_ledger_as_it_was(
    db: sqlite3.Connection, path: Path
) -> None:
    """Half a step is undone; the steps before it stay."""
    with pytest.raises(sqlite3.OperationalError, match="nothing"):
        migrate(db, path, [FIRST, BROKEN])

    assert version(db) == 1
    assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("a",)]


def test_a_later_ledger_is_refused(db: sqlite3.Connection, path: Path) -> None:
    """The message names both versions and what to do."""
    migrate(db, path, [FIRST, SECOND])

    with pytest.raises(
        LedgerTooNewError, match=r"schema 2.*up to 1; start the version"
    ):
        migrate(db, path, [FIRST])


def test_the_shipped_steps_are_numbered_without_gaps() -> None:
    """The files' numbers are the versions, so none may be missing or doubled."""
    folder = Path(__file__).parents[3] / "src/goodput_exporter/ledger/sql/sqlite"
    names = sorted(file.name for file in (folder / "migrations").iterdir())

    assert [int(name[:4]) for name in names] == list(range(1, len(migrations()) + 1))
