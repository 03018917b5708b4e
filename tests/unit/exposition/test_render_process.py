"""This process, read from a procfs that the test writes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from goodput_exporter.exposition.process import Process

TICKS = os.sysconf("SC_CLK_TCK")
STAT = f"42 (a) b (c) S 1 42 42 0 -1 0 0 0 0 0 {3 * TICKS} {TICKS} 0 0 20 0 4 0 {50 * TICKS} 1000 7 0\n"  # noqa: E501 - the kernel's own form


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """Write the files of one process whose name holds blanks and brackets."""
    (tmp_path / "42" / "fd").mkdir(parents=True)
    for number in "012":
        (tmp_path / "42" / "fd" / number).touch()
    (tmp_path / "42" / "stat").write_text(STAT)
    (tmp_path / "stat").write_text("cpu 1 2 3\nbtime 1760000000\n")
    return tmp_path


def test_the_kernel_counts_in_ticks_and_pages(proc: Path) -> None:
    """They come out in seconds and bytes."""
    process = Process(proc, "42")

    assert process.cpu_seconds() == 4.0
    assert process.start_seconds() == 1_760_000_050.0
    assert process.resident_bytes() == 7 * os.sysconf("SC_PAGE_SIZE")
    assert process.open_fds() == 3


def test_without_procfs_nothing_is_known(tmp_path: Path) -> None:
    """Another system is not a process of zero bytes."""
    process = Process(tmp_path / "nowhere")

    assert process.cpu_seconds() is None
    assert process.start_seconds() is None
    assert process.resident_bytes() is None
    assert process.open_fds() is None
