"""A restore that is killed anywhere leaves a ledger, whole, and says what to do."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from itertools import count
from pathlib import Path
from shutil import copyfile
from typing import Final

import pytest

from goodput_exporter.errors import LedgerError
from goodput_exporter.ledger.copying import back_up, restore
from goodput_exporter.ledger.reader import read_ledger
from goodput_exporter.ledger.store import open_ledger
from tests.fakes.deaths import dies_before
from tests.fakes.ledger import LLAMA, booked, segment

OLD: Final = "ledger.sqlite.old"
MOST: Final = 60
"""More changes than a restore makes in its folder."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """
    Give the ledger of an exporter that was killed, and a backup from before.

    The last of what it booked is in the write-ahead log alone.
    """
    made, folder = tmp_path / "made", tmp_path / "kept"
    made.mkdir()
    folder.mkdir()
    with closing(open_ledger(made / "ledger.sqlite")) as ledger:
        ledger.append(booked(segment(0, 10)))
        back_up(made / "ledger.sqlite", tmp_path / "backup")
        ledger.append(booked(segment(10, 30)))
        for name in ("ledger.sqlite", "ledger.sqlite-wal"):
            copyfile(made / name, folder / name)
    return folder


def held(path: Path) -> int:
    """Return what a ledger holds of the run, in nanoseconds of eight GPUs."""
    with closing(read_ledger(path)) as ledger:
        assert ledger.verify() == []
        return ledger.account(LLAMA).total_gpu_ns // 8


def restored(folder: Path) -> None:
    """Put the backup in the ledger's place."""
    backup = folder.parent / "backup"
    assert restore(folder / "ledger.sqlite", backup, OLD) == []


def killed(folder: Path, tmp_path: Path, number: int) -> Path | None:
    """Return a copy of the folder in which a restore was killed; None past its end."""
    copy = tmp_path / str(number)
    copy.mkdir()
    for file in folder.iterdir():
        copyfile(file, copy / file.name)
    return copy if dies_before(number, copy, partial(restored, copy)) else None


@pytest.mark.parametrize("first", [0, 1], ids=["even", "odd"])
def test_a_killed_restore_leaves_what_was_there_or_what_was_to_come(
    first: int, folder: Path, tmp_path: Path
) -> None:
    """
    Killed before each change that it makes: nothing is lost and nothing is mixed.

    Whoever reads the ledger has one of the two or is told what ends the restore;
    whoever writes it ends it; and what was there is whole under one name or another.
    """
    told: list[str] = []
    for number in count(first, 2):
        copy = killed(folder, tmp_path, number)
        if copy is None:
            break
        path, old = copy / "ledger.sqlite", copy / OLD
        try:
            assert held(path) in {10, 30}
        except LedgerError as exc:
            told.append(str(exc))

        with closing(open_ledger(path)) as ledger:
            last_ns = ledger.runs()[0].last_ns or 0
            ledger.append(booked(segment(last_ns, last_ns + 1)))

        assert held(path) in {11, 31}
        assert held(path) == 31 or held(old) == 30
        assert not list(copy.glob("*.restored"))

    assert 3 < number < MOST
    assert told
    assert all("ledger migrate: both end it" in words for words in told)


def test_a_restore_ends_an_earlier_one_that_was_killed(
    folder: Path, tmp_path: Path
) -> None:
    """Its own old ledger is then what the earlier one put there."""
    cut_off = next(
        copy
        for number in range(MOST)
        if (copy := killed(folder, tmp_path, number)) is not None
        and list(copy.glob("*.restored"))
    )
    path = cut_off / "ledger.sqlite"

    assert restore(path, tmp_path / "backup", "ledger.sqlite.older") == []

    assert held(path) == held(cut_off / "ledger.sqlite.older") == 10
    assert held(cut_off / OLD) == 30


def test_a_copy_of_half_a_ledger_is_not_taken(folder: Path, tmp_path: Path) -> None:
    """A backup of what a killed restore left is refused, as reading it is."""
    path = folder / "ledger.sqlite"
    (folder / f"{OLD}.restored").touch()

    with pytest.raises(LedgerError, match="was cut off"):
        back_up(path, tmp_path / "another")
