"""A ledger on a volume that is mounted read-only can be checked and reported on."""

from __future__ import annotations

import csv
import io
import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from goodput_exporter.ledger.store import open_ledger
from tests.fakes.ledger import booked, segment
from tests.parts import miss, require

pytestmark = pytest.mark.real

HOUR_NS = 3_600 * 10**9
MOUNTED = (
    'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"'
)


def read_only(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line where a folder is mounted read-only."""
    unshare = [
        str(require("unshare", package="util-linux")),
        "-rm",
        "sh",
        "-c",
        MOUNTED,
    ]
    program = [sys.executable, "-m", "goodput_exporter.cli", *words]
    command = [*unshare, "sh", str(folder)]
    usable = subprocess.run(
        [*command, "test", "!", "-w", str(folder)], capture_output=True, check=False
    )
    if usable.returncode:
        miss("a mount of one's own needs user namespaces")
    return subprocess.run(
        [*command, *program, "--ledger-path", str(folder / "ledger.sqlite")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"PATH": os.environ["PATH"]},
    )


def booked_in(report: str) -> int:
    """Return the GPU-nanoseconds of a report in CSV."""
    return sum(int(row["gpu_ns"]) for row in csv.DictReader(io.StringIO(report)))


def kept(folder: Path) -> Path:
    """Make a ledger with an hour in the file and an hour in the log only."""
    path, copy = folder / "ledger.sqlite", folder / "copy"
    copy.mkdir()
    with closing(open_ledger(path)) as ledger:
        ledger.append(booked(segment(0, HOUR_NS)))
    with closing(open_ledger(path)) as ledger:
        ledger.append(booked(segment(HOUR_NS, 2 * HOUR_NS)))
        for name in ("ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"):
            shutil.copy(folder / name, copy / name)
    return copy


def test_a_closed_ledger_is_verified_and_reported_on(tmp_path: Path) -> None:
    """All of it is in the file: nothing is missing, and nothing is said."""
    with closing(open_ledger(tmp_path / "ledger.sqlite")) as ledger:
        ledger.append(booked(segment(0, HOUR_NS)))

    verified = read_only(tmp_path, "ledger", "verify")
    reported = read_only(tmp_path, "report", "--format", "csv")

    assert (verified.returncode, verified.stderr) == (0, "")
    assert "1 run; every law holds" in verified.stdout
    assert (reported.returncode, reported.stderr) == (0, "")
    assert booked_in(reported.stdout) == 8 * HOUR_NS


def test_what_lies_in_a_log_that_cannot_be_replayed_is_told(tmp_path: Path) -> None:
    """Two of the three files were copied: the last hour lacks, and that is said."""
    copy = kept(tmp_path)
    (copy / "ledger.sqlite-shm").unlink()

    done = read_only(copy, "report", "--format", "csv")

    assert done.returncode == 0
    assert booked_in(done.stdout) == 8 * HOUR_NS
    assert "bytes of ledger.sqlite-wal, which were committed last" in done.stderr


def test_all_three_files_hold_everything(tmp_path: Path) -> None:
    """What a killed exporter leaves is read as it would be in a writable folder."""
    done = read_only(kept(tmp_path), "report", "--format", "csv")

    assert (done.returncode, done.stderr) == (0, "")
    assert booked_in(done.stdout) == 16 * HOUR_NS


def test_a_command_that_writes_says_what_to_change(tmp_path: Path) -> None:
    """Compaction needs a folder that can be written."""
    open_ledger(tmp_path / "ledger.sqlite").close()

    done = read_only(tmp_path, "ledger", "compact")

    assert done.returncode == 1
    assert "writable for this user" in done.stderr
