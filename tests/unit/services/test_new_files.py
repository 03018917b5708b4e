"""What commands write: a file that is whole, or none."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from goodput_exporter.errors import LedgerError
from goodput_exporter.services.new_files import new_file


def fill_the_disk(path: Path) -> None:
    """Write half of a file, up to where there is no space left."""
    with new_file(path) as file:
        file.write("half of it")
        file.flush()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_no_half_file_and_the_next_try_works(tmp_path: Path) -> None:
    """Half a table is not to be taken for a whole one."""
    path = tmp_path / "table.csv"
    with pytest.raises(LedgerError, match=r"table\.csv cannot be written"):
        fill_the_disk(path)
    left = list(tmp_path.iterdir())
    with new_file(path) as file:
        file.write("all of it")

    assert left == []
    assert path.read_text() == "all of it"
    assert list(tmp_path.iterdir()) == [path]


def test_a_table_is_read_by_whom_the_users_mask_allows(tmp_path: Path) -> None:
    """Unlike a copy of a whole ledger, which is its owner's alone."""
    path, usual = tmp_path / "table.csv", tmp_path / "usual"
    usual.touch()
    with new_file(path) as file:
        file.write("all of it")

    assert path.stat().st_mode == usual.stat().st_mode
