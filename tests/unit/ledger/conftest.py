"""What the tests of the stored ledger share: a path, and a user who is not root."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

NOBODY = 65_534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where a ledger may lie."""
    return tmp_path / "ledger.db"


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """Make a directory that any user can reach; pytest's own is its user's alone."""
    directory = Path(mkdtemp(prefix="goodput-"))
    directory.chmod(0o777)
    yield directory
    directory.chmod(0o700)
    shutil.rmtree(directory)


@pytest.fixture
def without_root(open_directory: Path) -> Iterator[None]:
    """Give up root's right to write anywhere, for the length of a test."""
    assert open_directory.exists()  # made before, removed after
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
