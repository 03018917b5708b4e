"""Ledgers that are not what was written: a clear error, and nothing dropped."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.errors import (
    LedgerCorruptError,
    LedgerError,
    LedgerTooNewError,
)
from goodput_exporter.ledger.ledger import Batch
from goodput_exporter.ledger.store import open_ledger
from tests.fakes.ledger import LLAMA, booked, segment

OTHER = RunKey("local", "default", "mistral")
PAGE = 4096


def written(path: Path, entries: int = 5_000) -> None:
    """Write a ledger of one run and let go of it."""
    with closing(open_ledger(path)) as ledger:
        ledger.append(booked(*[segment(i, i + 1) for i in range(entries)]))


def tampered(path: Path, *statements: str) -> None:
    """Change a ledger behind its back, as a person with a database tool would."""
    with closing(sqlite3.connect(path)) as db, db:
        for statement in statements:
            db.execute(statement)


@pytest.mark.parametrize(
    "statement", ["UPDATE entries SET devices = 0 WHERE seq = 3", "DELETE FROM entries"]
)
def test_a_booked_line_cannot_be_changed_or_removed(path: Path, statement: str) -> None:
    """The database itself refuses, whoever asks."""
    written(path, 5)

    with pytest.raises(sqlite3.IntegrityError, match="entries are append-only"):
        tampered(path, statement)

    with closing(open_ledger(path)) as ledger:
        assert ledger.account(LLAMA).total_gpu_ns == 40


def test_a_file_that_is_no_database_is_left_alone(path: Path) -> None:
    """A wrong path does not cost the file that lies there."""
    path.write_bytes(b"loss,step\n" * 1_000)

    with pytest.raises(LedgerCorruptError, match="it is no SQLite database"):
        open_ledger(path)

    assert path.read_bytes() == b"loss,step\n" * 1_000


def test_another_programs_database_is_left_alone(path: Path) -> None:
    """A database without our mark is not ours to add tables to."""
    tampered(path, "CREATE TABLE dashboards (id INTEGER)")
    before = path.read_bytes()

    with pytest.raises(LedgerError, match=r"ledger\.db: a database of another program"):
        open_ledger(path)

    assert path.read_bytes() == before


def test_a_ledger_of_a_later_version_is_left_alone(path: Path) -> None:
    """Old code must not guess at a new schema; it says which versions differ."""
    written(path, 5)
    tampered(path, "PRAGMA user_version = 99")

    with pytest.raises(LedgerTooNewError, match=r"schema 99.* up to \d+; start the"):
        open_ledger(path)


def test_a_cut_file_is_refused(path: Path) -> None:
    """A copy that broke off half-way is damage, not a shorter history."""
    written(path)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)

    with pytest.raises(LedgerCorruptError, match="restore a backup"):
        open_ledger(path)


def test_overwritten_pages_are_found_and_never_counted(path: Path) -> None:
    """Pages of noise stop the sums that need them, and verify reports them."""
    written(path)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2 // PAGE * PAGE)
        file.write(b"\xff" * PAGE * 20)

    with closing(open_ledger(path)) as ledger:
        with pytest.raises(LedgerCorruptError, match=r"ledger\.db: cannot account"):
            ledger.account(LLAMA, Span(1, 4_999))
        with pytest.raises(LedgerCorruptError, match="cannot read run"):
            list(ledger.bookings(LLAMA))
        findings = ledger.verify()

    assert len(findings) > 1
    assert findings[0].key is None


def test_one_damaged_state_costs_only_its_run(path: Path) -> None:
    """The other runs go on; the damaged one is named, and its entries stay."""
    with closing(open_ledger(path)) as ledger:
        ledger.append(
            Batch(1, [(LLAMA, segment(0, 5))], {LLAMA: b"abc", OTHER: b"xyz"})
        )
    tampered(path, "UPDATE states SET state = x'00' WHERE run_id = 1")

    with closing(open_ledger(path)) as ledger:
        resume = ledger.resume()
        account = ledger.account(LLAMA)
        with pytest.raises(LedgerCorruptError, match="local/default/llama"):
            ledger.state_of(LLAMA)

    assert resume.states == {OTHER: b"xyz"}
    assert len(resume.damaged) == 1
    assert str(resume.damaged[0]) == (
        f"{path}: the state of run local/default/llama is not what was written (its "
        "checksum differs); its entries stay, but nothing can go on from it: restore "
        "a backup, or let the run begin anew"
    )
    assert account.total_gpu_ns == 40


def test_a_line_with_an_unknown_word_is_named(path: Path) -> None:
    """
    A changed word stops the sum that reads it, and verify names its line.

    The day's account was written with the line, and does not suffer.
    """
    written(path, 5)
    tampered(
        path,
        "DROP TRIGGER entries_are_never_changed",
        "UPDATE entries SET state = 'napping' WHERE seq = 3",
    )

    with closing(open_ledger(path)) as ledger:
        with pytest.raises(LedgerCorruptError, match="'napping'"):
            ledger.account(LLAMA, Span(1, 5))
        assert ledger.account(LLAMA).total_gpu_ns == 40
        findings = ledger.verify()

    assert [(found.key, found.seq) for found in findings] == [(LLAMA, 3), (LLAMA, 4)]


@pytest.mark.parametrize("where", ["seq = 3", "seq = 5"])
def test_a_line_that_is_gone_is_missed(path: Path, where: str) -> None:
    """Numbers without gaps give away a removed line, even the last."""
    written(path, 5)
    tampered(
        path,
        "DROP TRIGGER entries_are_never_removed",
        "DELETE FROM entries WHERE " + where,  # noqa: S608 (a constant of this test)
    )

    with closing(open_ledger(path)) as ledger:
        findings = ledger.verify()

    assert (
        findings[0].what == "5 entries were numbered and 4 are there; some were removed"
    )


def test_a_stretched_line_is_named(path: Path) -> None:
    """A segment longer than any that was booked is damage to its run."""
    written(path, 2)
    tampered(
        path,
        "DROP TRIGGER entries_are_never_changed",
        "UPDATE entries SET end_ns = 99 WHERE seq = 2",
    )

    with closing(open_ledger(path)) as ledger:
        findings = ledger.verify(LLAMA)

    assert [found.seq for found in findings] == [2]
    assert "lasts 98 ns and the run's longest is recorded as 1 ns" in findings[0].what
