"""Where a command writes: to a file that is new, or to standard output."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from goodput_exporter.errors import LedgerError


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
    Open a file that is not there yet, for text.

    Args:
        path: The file.
        whose: Begins the message, such as ``--out: ``.

    Raises:
        LedgerError: The file exists, or cannot be written.
    """
    with (
        explained(path, whose),
        path.open("x", encoding="utf-8", newline="") as file,
    ):
        yield file


@contextmanager
def explained(path: Path, whose: str = "") -> Iterator[None]:
    """
    Say of a file that the block writes what to check where that fails.

    Raises:
        LedgerError: The operating system refused it.
    """
    try:
        yield
    except OSError as exc:
        msg = (
            f"{whose}{path} cannot be written ({exc.strerror or exc}); name a new "
            "file in a folder that this user may write"
        )
        raise LedgerError(msg) from exc
