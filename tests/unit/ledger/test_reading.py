"""Ledgers that may only be read, are cut off, or are written meanwhile."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from goodput_exporter.errors import LedgerCorruptError, LedgerError
from goodput_exporter.ledger.opening import compact_ledger, open_ledger, read_ledger
from tests.fakes.ledger import LLAMA, booked, segment

BOTH = (1, 1)


def written(path: Path) -> None:
    """Write a ledger of one run and let go of it."""
    with closing(open_ledger(path)) as ledger:
        ledger.append(booked(*[segment(i, i + 1) for i in range(2_000)]))


@pytest.fixture
def loaded(tmp_path: Path) -> None:
    """Load what is loaded on first use, which another user may not be able to."""
    written(tmp_path / "other.db")
    compact_ledger(tmp_path / "other.db", BOTH)


@pytest.mark.usefixtures("loaded", "without_root")
def test_a_read_only_ledger_is_read_and_not_compacted(open_directory: Path) -> None:
    """The error names the file and what to make writable; nothing has changed."""
    path = open_directory / "ledger.db"
    written(path)
    path.chmod(0o444)
    before = path.read_bytes()

    with closing(read_ledger(path)) as ledger:
        assert ledger.verify() == []
        assert ledger.account(LLAMA).total_gpu_ns == 16_000
    with pytest.raises(LedgerError, match=r"ledger\.db: cannot compact .*writable"):
        compact_ledger(path, BOTH)

    assert path.read_bytes() == before


def test_a_cut_file_is_not_compacted(path: Path) -> None:
    """Damage is an error; what is left stays as it is."""
    written(path)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    before = path.read_bytes()

    with pytest.raises(LedgerCorruptError, match="restore a backup"):
        compact_ledger(path, BOTH)

    assert path.read_bytes() == before


def test_a_later_ledger_is_neither_read_nor_compacted(path: Path) -> None:
    """As it is not opened to be written, either."""
    written(path)
    with closing(open_ledger(path)):
        pass
    with path.open("r+b") as file:
        file.seek(60)  # the schema's number in SQLite's file header
        file.write((99).to_bytes(4, "big"))

    for act in (lambda: read_ledger(path), lambda: compact_ledger(path, BOTH)):
        with pytest.raises(LedgerError, match="has schema 99"):
            act()


def test_who_reads_while_a_compaction_commits_sees_one_ledger(path: Path) -> None:
    """A reader that began before keeps every segment; the next one sees days."""
    written(path)
    with closing(read_ledger(path)) as ledger:
        reading = ledger.segments(LLAMA)
        first = next(reading)

        done = compact_ledger(path, BOTH)

        assert first == segment(0, 1)
        assert sum(1 for _ in reading) == 1_999
        assert done.folded == 2_000
        assert list(ledger.segments(LLAMA)) == []
        assert ledger.account(LLAMA).total_gpu_ns == 16_000
