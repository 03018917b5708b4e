"""Files that are made: whole under their name, or not there at all."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from goodput_exporter.errors import LedgerError
from goodput_exporter.ledger.whole_files import beside, place

WRITES: Final = """
import sys
from pathlib import Path
from goodput_exporter.ledger.whole_files import beside

with beside(Path(sys.argv[1]), ".partial") as partial:
    partial.write_text("half a file")
    partial.with_name(partial.name + "-journal").write_text("half a journal")
    print("writing", flush=True)
    sys.stdin.read()
"""


@contextmanager
def in_the_middle(target: Path) -> Iterator[subprocess.Popen[str]]:
    """Give a process that has begun to make a file; it is gone afterwards."""
    command = [sys.executable, "-c", WRITES, str(target)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        try:
            yield process
        finally:
            process.kill()


def made(target: Path, text: str) -> None:
    """Make a file as the commands do."""
    with beside(target, ".partial") as partial:
        partial.write_text(text)
        place(partial, target)


def test_a_killed_attempt_takes_no_name_and_the_next_one_works(tmp_path: Path) -> None:
    """Half of a file, and of SQLite's journal for it, is nobody's any more."""
    target = tmp_path / "copy"
    with in_the_middle(target) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        left = {path.name for path in tmp_path.iterdir()}
    made(target, "whole")

    assert "copy" not in left
    assert left >= {"copy.partial", "copy.partial-journal"}
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "copy": "whole"
    }


def test_two_do_not_make_one_file_at_once(tmp_path: Path) -> None:
    """The second is refused, and the first goes on undisturbed."""
    target = tmp_path / "copy"
    with in_the_middle(target):
        with pytest.raises(LedgerError, match="another process is making it"):
            made(target, "whole")
        begun = (tmp_path / "copy.partial").read_text()

    assert begun == "half a file"
    assert not target.exists()


def test_a_file_that_only_has_the_name_of_an_attempt_is_left_alone(
    tmp_path: Path,
) -> None:
    """No lock lies beside it, so it may be somebody's own."""
    mine = tmp_path / "copy.partial"
    mine.write_text("mine")

    for _ in range(2):
        with pytest.raises(LedgerError, match=r"copy\.partial: exists already"):
            made(tmp_path / "copy", "whole")

    assert mine.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [mine]


def test_a_finished_file_survives_what_is_left_of_the_attempt(tmp_path: Path) -> None:
    """Killed right after it was named, a file has two names; one of them goes."""
    target, kept = tmp_path / "copy", tmp_path / "kept"
    with in_the_middle(target) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    place(tmp_path / "copy.partial", target)
    target.rename(kept)
    made(target, "whole")

    assert (kept.read_text(), target.read_text()) == ("half a file", "whole")


@pytest.mark.parametrize("is_there", [False, True])
def test_a_file_gets_its_name_where_there_are_no_hard_links(
    tmp_path: Path, *, is_there: bool
) -> None:
    """It is renamed, and still never in the place of another."""

    def refuse(_old: Path, _new: Path) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    partial, target = tmp_path / "copy.partial", tmp_path / "copy"
    partial.write_text("new")
    if is_there:
        target.write_text("old")
        with pytest.raises(LedgerError, match="nothing is overwritten"):
            place(partial, target, link=refuse)
    else:
        place(partial, target, link=refuse)

    assert target.read_text() == ("old" if is_there else "new")
