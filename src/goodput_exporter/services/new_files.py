"""Where a command writes: to a file that is new, or to standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from goodput_exporter.errors import LedgerError
from goodput_exporter.ledger.whole_files import ORDINARY, beside, place


def write_text(text: str, path: Path | None, out: TextIO) -> None:
    """
    Write a text to a new file, or to *out*.

    Args:
        text: What.
        path: What ``--out`` names; None is *out*.
        out: Standard output.

    Raises:
        LedgerError: The file exists, or cannot be written.
    """
    if path is None:
        out.write(text)
        return
    with new_file(path, "--out: ") as file:
        file.write(text)


@contextmanager
def new_file(path: Path, whose: str = "") -> Iterator[TextIO]:
    """
    Open a file that is not there yet, for text; see ``new_path``.

    Raises:
        LedgerError: The file exists, or cannot be written.
    """
    with (
        new_path(path, whose) as partial,
        partial.open("w", encoding="utf-8", newline="") as file,
    ):
        yield file


@contextmanager
def new_path(path: Path, whose: str = "") -> Iterator[Path]:
    """
    Give an empty file to write, which gets its name after the block.

    Whoever finds a file by the name that was asked for finds all of it: where the
    block fails, or this process is killed, there is none. Standard error says that
    it was written.

    Args:
        path: The file.
        whose: Begins the message, such as ``--out: ``.

    Raises:
        LedgerError: The file exists, or cannot be written.
    """
    if path.exists():
        msg = (
            f"{whose}{path} cannot be written: it exists already, and nothing is "
            "overwritten; name a new file"
        )
        raise LedgerError(msg)
    with beside(path, ".partial", ORDINARY) as partial:
        with _explained(path, whose):
            yield partial
        place(partial, path)
    sys.stderr.write(f"{path}: written, {path.stat().st_size:,} bytes\n")


@contextmanager
def _explained(path: Path, whose: str) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        msg = (
            f"{whose}{path} cannot be written ({exc.strerror or exc}); name a new "
            "file in a folder that this user may write, with space on its disk"
        )
        raise LedgerError(msg) from exc
