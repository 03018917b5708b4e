"""What was changed in folded days of the cluster book is found."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from goodput_exporter.domain.spans import Span
from goodput_exporter.errors import LedgerCorruptError
from goodput_exporter.ledger.days import DAY_NS
from goodput_exporter.ledger.store import open_ledger
from tests.fakes.gpu_books import both_books, gpus
from tests.fakes.gpus import IDLE, LOST

DAYS = [Span(day * DAY_NS, (day + 1) * DAY_NS) for day in range(3)]


@pytest.fixture
def folded(path: Path) -> Path:
    """Return a ledger whose cluster book has two folded days and one that is kept."""
    lines = [
        gpus(hold, n, 1, day) for day in DAYS for n, hold in enumerate((IDLE, LOST))
    ]
    with closing(open_ledger(path)) as ledger:
        ledger.append(both_books([], lines, DAYS[-1].end_ns))
        done = ledger.compact(2, 2)
        assert (done.gpu_folded, ledger.verify()) == (4, [])
    return path


@pytest.mark.parametrize(
    ("harm", "found"),
    [
        ("UPDATE gpu_days SET gpu_ns = gpu_ns + 1 WHERE day = 0", "are not what was"),
        ("UPDATE gpu_days SET state = 'held' WHERE day = 1", "are not what was"),
        (
            "DELETE FROM gpu_days WHERE day = 1 AND category = 'unallocated'",
            "its lines",
        ),
        ("UPDATE gpu_days SET day = 7 WHERE day = 1", "are not what was folded"),
        ("UPDATE gpu_days SET state = 'asleep'", "cannot be read"),
        ("UPDATE gpu_folds SET removed = 3", "some were removed"),
    ],
)
def test_a_changed_account_is_found(folded: Path, harm: str, found: str) -> None:
    """Its lines are gone, so a digest and the book's totals stand for them."""
    with closing(sqlite3.connect(folded)) as db, db:
        db.execute(harm)

    with closing(open_ledger(folded)) as ledger:
        findings = ledger.verify()
        later = ledger.compact(3, 3)

    assert any(found in finding.what for finding in findings)
    assert later.gpu_folded == 0
    assert later.findings


def test_a_line_that_no_version_wrote_is_not_priced(folded: Path) -> None:
    """Reading it is an error with the day's name, not a cost."""
    with closing(sqlite3.connect(folded)) as db, db:
        db.execute("UPDATE gpu_days SET category = 'asleep'")

    with (
        closing(open_ledger(folded)) as ledger,
        pytest.raises(LedgerCorruptError, match="a line of 1970-01-01 cannot be read"),
    ):
        list(ledger.gpu_days(0, 2))


def test_lines_are_removed_by_compaction_only(folded: Path) -> None:
    """The book stays append-only for everybody else."""
    with (
        closing(sqlite3.connect(folded)) as db,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        db.execute("DELETE FROM gpu_lines")


def test_a_line_that_cannot_be_read_hides_no_break_before_it(folded: Path) -> None:
    """The book is read line by line, however long it is, never as a whole."""
    morning, evening = (
        Span(2 * DAY_NS + start, 2 * DAY_NS + start + DAY_NS // 4)
        for start in (DAY_NS // 8, DAY_NS // 2)
    )
    with closing(open_ledger(folded)) as ledger:
        twice = [gpus(LOST, 0, 1, morning), gpus(IDLE, 0, 1, evening)]
        ledger.append(both_books([], twice, DAYS[-1].end_ns))
    with closing(sqlite3.connect(folded)) as db, db:
        for (name,) in db.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND "
            "tbl_name = 'gpu_lines'"
        ).fetchall():
            db.execute(f"DROP TRIGGER {name}")
        db.execute(
            "UPDATE gpu_lines SET category = 'asleep' WHERE start_ns = ?",
            (evening.start_ns,),
        )

    with closing(open_ledger(folded)) as ledger:
        said = [finding.what for finding in ledger.verify()]

    assert any("overlaps time" in what for what in said)
    assert any("cannot be read" in what for what in said)
