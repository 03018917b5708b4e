"""Disks that are full, files that may not be written, and a second writer."""

from __future__ import annotations

import os
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from goodput_exporter.domain.runs import RunKey
from goodput_exporter.errors import LedgerError
from goodput_exporter.ledger.connections import connect_writer, write_ahead
from goodput_exporter.ledger.ledger import Batch, Ledger
from goodput_exporter.ledger.lock import WriterLock
from goodput_exporter.ledger.migrations import migrate
from goodput_exporter.ledger.queries import migrations
from goodput_exporter.ledger.store import SqliteLedger, open_ledger
from tests.fakes.ledger import LLAMA, booked, segment

OTHER = RunKey("local", "default", "mistral")
LARGE = Batch(
    2,
    [(OTHER, segment(i, i + 1)) for i in range(10_000)],
    {OTHER: b"large"},
    meta={"boot": "large"},
)


@contextmanager
def files_no_larger_than(size_bytes: int) -> Iterator[None]:
    """Let the kernel refuse to grow any file of this process, as a quota does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def opened_with(path: Path, pragma: str) -> SqliteLedger:
    """Open a ledger whose database has a setting that the product does not."""
    lock, db = WriterLock(path), connect_writer(path)
    write_ahead(db)
    migrate(db, path, migrations())
    db.execute(f"PRAGMA {pragma}").fetchall()
    return SqliteLedger(path, lock, db)


def assert_only_the_first_batch_is_there(ledger: Ledger) -> None:
    """Check that a refused batch left no entry, no run, no state and no meta value."""
    assert [run.key for run in ledger.runs()] == [LLAMA]
    assert ledger.resume().states == {}
    assert ledger.resume().meta == {}
    assert ledger.verify() == []


def test_a_full_volume_stops_a_batch_and_not_the_ledger(path: Path) -> None:
    """What could not be written leaves no trace and is written when there is room."""
    with closing(open_ledger(path)) as ledger:
        ledger.append(booked(segment(0, 1)))
        with (
            files_no_larger_than(256 * 1024),
            pytest.raises(LedgerError, match=r"cannot append .*check its volume: full"),
        ):
            ledger.append(LARGE)
        assert_only_the_first_batch_is_there(ledger)

        last = ledger.append(LARGE)

        assert last == 10_001
        assert ledger.account(OTHER).total_gpu_ns == 80_000
        assert ledger.verify() == []


def test_a_database_that_may_not_grow_says_so(path: Path) -> None:
    """SQLite's own word for full comes with the same advice and leaves no trace."""
    with closing(opened_with(path, "max_page_count = 30")) as ledger:
        ledger.append(booked(segment(0, 1)))

        with pytest.raises(LedgerError, match="free space on its volume"):
            ledger.append(LARGE)

        assert_only_the_first_batch_is_there(ledger)
        assert ledger.append(Batch(3, [(OTHER, segment(0, 1))])) == 2
        assert ledger.account(LLAMA).total_gpu_ns == 8


def test_a_second_writer_is_told_who_the_first_is(path: Path) -> None:
    """Two exporters would book the same time twice; the later one does not start."""
    with closing(open_ledger(path)) as ledger:
        with pytest.raises(LedgerError, match=f"process {os.getpid()} writes this"):
            open_ledger(path)
        ledger.append(booked(segment(0, 1)))

    with closing(open_ledger(path)) as ledger:
        assert ledger.account(LLAMA).total_gpu_ns == 8


def test_a_start_that_fails_leaves_no_lock(path: Path) -> None:
    """After the damage is mended the same process can open the ledger."""
    path.write_bytes(b"no database, " * 100)
    with pytest.raises(LedgerError):
        open_ledger(path)
    path.unlink()

    open_ledger(path).close()


def test_a_database_tool_that_holds_the_file_is_an_error_not_a_wait(path: Path) -> None:
    """A foreign transaction refuses the batch, which is taken once it ends."""
    ledger = opened_with(path, "busy_timeout = 0")
    with closing(ledger), closing(sqlite3.connect(path)) as tool:
        ledger.append(booked(segment(0, 1)))
        tool.execute("BEGIN IMMEDIATE")

        with pytest.raises(LedgerError, match="another process holds it"):
            ledger.append(booked(segment(1, 2)))

        tool.rollback()
        assert ledger.append(booked(segment(1, 2))) == 2


def test_a_closed_ledger_says_so(path: Path) -> None:
    """Reading after the end is an error of ours, not an empty book."""
    ledger = open_ledger(path)
    ledger.append(booked(segment(0, 1)))
    reading = ledger.bookings(LLAMA)
    next(reading)
    ledger.close()
    ledger.close()

    with pytest.raises(LedgerError, match="the ledger is closed"):
        ledger.runs()
    assert list(reading) == []


def test_a_directory_that_does_not_exist_is_named(tmp_path: Path) -> None:
    """A mistyped path must not look like a new start, so no directory is made."""
    with pytest.raises(
        LedgerError, match=r"nowhere/ledger\.db\.lock: cannot be opened"
    ):
        open_ledger(tmp_path / "nowhere" / "ledger.db")


@pytest.mark.parametrize(
    ("place", "why"),
    [("folder", "is a folder"), ("pipe", "is no ordinary"), ("loop", "symbolic links")],
)
def test_a_path_that_is_no_file_is_named_and_left_as_it_is(
    tmp_path: Path, place: str, why: str
) -> None:
    """A folder, a pipe, links in a circle; not even a lock is laid beside them."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    before = sorted(tmp_path.iterdir())

    with pytest.raises(LedgerError, match=rf"{place}: .*{why}.*ledger\.path"):
        open_ledger(tmp_path / place)

    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.usefixtures("without_root")
def test_a_directory_that_may_not_be_written_is_named(open_directory: Path) -> None:
    """Without the right to write beside the file there is no ledger."""
    directory = open_directory / "sealed"
    directory.mkdir(mode=0o555)

    with pytest.raises(LedgerError, match=r"Permission denied.*must exist and be writ"):
        open_ledger(directory / "ledger.db")


@pytest.mark.usefixtures("without_root")
def test_a_file_that_may_only_be_read_is_refused_at_once(open_directory: Path) -> None:
    """The first tick is too late to learn that nothing can be booked."""
    path = open_directory / "ledger.db"
    open_ledger(path).close()
    path.chmod(0o444)

    with pytest.raises(LedgerError, match=r"cannot open the ledger .*readonly"):
        open_ledger(path)


def test_a_path_may_hold_any_character(tmp_path: Path) -> None:
    """A percent or question mark in a path is no part of SQLite's address syntax."""
    path = tmp_path / "50%25 ?mode=memory#ü.db"

    open_ledger(path).close()

    assert path.exists()
