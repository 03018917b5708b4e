"""What an address of a ledger means, and what is said of one that means nothing."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodput_exporter.errors import ConfigError, LedgerCorruptError, LedgerError
from goodput_exporter.ledger.opening import open_ledger
from goodput_exporter.ledger.postgresql.connections import Address
from goodput_exporter.ledger.postgresql.failures import explain, explained
from goodput_exporter.ledger.postgresql.migrations import runs_from
from goodput_exporter.ledger.postgresql.naming import as_text, from_text
from goodput_exporter.ledger.queries import migrations


@pytest.mark.parametrize("spelling", ["{path}", "sqlite://{path}"])
def test_a_path_is_a_file_of_sqlite(path: Path, spelling: str) -> None:
    """A bare path and the address of a file open the same ledger."""
    with closing(open_ledger(spelling.format(path=path))) as ledger:
        assert ledger.runs() == []

    assert path.read_bytes().startswith(b"SQLite format 3")


@pytest.mark.parametrize("scheme", ["postgress", "mysql", ""])
def test_an_unknown_scheme_is_refused_with_what_is_allowed(scheme: str) -> None:
    """A typing error names the known schemes, and never shows the password."""
    with pytest.raises(ConfigError, match=r"sqlite://PATH or postgresql://") as refused:
        open_ledger(f"{scheme}://me:secret@host/db")

    assert f"'{scheme}://…' names no ledger" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_an_address_of_nothing_is_refused() -> None:
    """`sqlite://` alone would be a file without a name."""
    with pytest.raises(ConfigError, match="names no ledger"):
        open_ledger("sqlite://")


def test_a_password_has_no_place_in_an_address() -> None:
    """Lists of processes show flags, and `config` shows settings."""
    with pytest.raises(ConfigError, match="PGPASSFILE") as refused:
        Address("postgresql://me:secret@db.example:5433/books")

    assert "postgresql://me@db.example:5433/books holds" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_an_address_that_cannot_be_read_is_not_repeated() -> None:
    """Libpq's own message would quote the whole of it."""
    with pytest.raises(ConfigError, match="libpq cannot read it") as refused:
        Address("postgresql://me:secret@host:port/db?what=ever")

    assert "secret" not in str(refused.value)


def test_what_an_address_leaves_out_has_an_end() -> None:
    """A server that vanished holds a tick for seconds; who sets the waits has them."""
    usual = Address("postgresql:///books").conninfo()
    own = Address("postgresql:///books?connect_timeout=60").conninfo()

    assert "connect_timeout=5 " in usual
    assert "tcp_user_timeout=30000" in usual
    assert "connect_timeout=60" in own


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The message says where the exporter looked and what to check."""
    with pytest.raises(LedgerError, match=r"check that the server runs") as refused:
        open_ledger(f"postgresql://me@/books?host={tmp_path}")

    assert f"postgresql://me@{tmp_path}/books: cannot open the ledger" in str(
        refused.value
    )


def test_without_the_driver_the_extra_is_named() -> None:
    """Whoever installed the exporter for one machine learns what is missing."""
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from goodput_exporter.ledger.opening import open_ledger\n"
        "from goodput_exporter.errors import ConfigError\n"
        "try: open_ledger('postgresql:///books')\n"
        "except ConfigError as exc: print(exc)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert "install goodput-exporter[postgres]" in done.stdout


@given(st.text())
def test_any_name_is_kept_in_text_without_nul(name: str) -> None:
    """PostgreSQL's text has no NUL; names have, and come back as they were."""
    text = as_text(name)

    assert "\0" not in text
    assert from_text(text) == name


def test_every_migration_says_which_programs_still_run() -> None:
    """A step that forgot to would lock every other cluster's exporter out."""
    oldest = [runs_from(script) for script in migrations("postgresql")]

    assert oldest[0] == 1
    assert all(at <= number for number, at in enumerate(oldest, start=1))
    with pytest.raises(ValueError, match="runs-from"):
        runs_from("CREATE TABLE t ();")


@pytest.mark.parametrize(
    ("refusal", "advice"),
    [
        (psycopg.errors.DiskFull, "free space on the server's volume"),
        (psycopg.errors.OutOfMemory, "lacks room or memory"),
        (psycopg.errors.AdminShutdown, "stopping or starting"),
        (psycopg.errors.ForeignKeyViolation, "report this as a bug"),
        (psycopg.errors.UndefinedTable, "see the server's log"),
        (psycopg.OperationalError, "can be reached from here"),
    ],
)
def test_a_refusal_says_what_to_check(
    refusal: type[psycopg.Error], advice: str
) -> None:
    """Each kind of trouble leads the reader to where it is mended."""
    with pytest.raises(LedgerError, match="cannot append") as refused:
        fail(refusal("first line\nLINE 1: SELECT"))

    assert advice in str(refused.value)
    assert "(first line)" in str(refused.value)


def test_a_damaged_page_is_corruption_not_bad_luck() -> None:
    """The server's word for damage stops the run, as a damaged file does."""
    error = explain(psycopg.errors.DataCorrupted("page 7"), "here", "read")

    assert isinstance(error, LedgerCorruptError)
    assert "restore a backup" in str(error)


def fail(error: psycopg.Error) -> None:
    """Let a database refuse."""
    with explained("somewhere", "append"):
        raise error
