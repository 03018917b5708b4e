"""NVRx's cycle files are read once each, and a bad one costs only itself."""

from __future__ import annotations

import json
import os
from pathlib import Path

from goodput_exporter.domain.evidence import Kind
from goodput_exporter.sources.nvrx import MOST_BYTES, CycleFiles

SEEN_NS = 1_700_000_000_000_000_000


def cycle(number: int, ended: str = "2023-11-14T22:13:20Z") -> str:
    """Return what NVRx writes of one cycle."""
    return json.dumps(
        {
            "job_id": "story",
            "attempt_index": 0,
            "cycle_number": number,
            "cycle_start_time": "2023-11-14T22:00:00Z",
            "cycle_end_time": ended,
            "active_nodes": "n[1-4]",
            "standby_nodes": "",
        }
    )


def test_a_cycle_that_has_ended_is_told_once(tmp_path: Path) -> None:
    """It is dated by its own end, whenever it is read."""
    (tmp_path / "cycle_info.story.0.0").write_text(cycle(0))
    files = CycleFiles(tmp_path)

    (seen,) = files.drain(SEEN_NS + 7)
    assert (seen.kind, seen.subject) == (Kind.NVRX_CYCLE, "run//story")
    assert seen.at_ns == SEEN_NS
    assert files.drain(SEEN_NS + 9) == []


def test_a_cycle_that_goes_on_is_told_when_it_ends(tmp_path: Path) -> None:
    """The same file is written again."""
    path = tmp_path / "cycle_info.story.0.0"
    path.write_text(cycle(0, ended=""))
    files = CycleFiles(tmp_path)
    assert files.drain(SEEN_NS) == []

    path.write_text(cycle(0))
    assert len(files.drain(SEEN_NS)) == 1


def test_bad_files_cost_only_themselves(tmp_path: Path) -> None:
    """Half a file, something huge, a pipe, a link, a folder: counted, and passed."""
    (tmp_path / "cycle_info.story.0.0").write_text(cycle(0)[:40])
    (tmp_path / "cycle_info.story.0.1").write_bytes(b"[" * (MOST_BYTES + 1))
    os.mkfifo(tmp_path / "cycle_info.story.0.2")
    (tmp_path / "cycle_info.story.0.3").mkdir()
    (tmp_path / "cycle_info.story.0.4").write_text("[" * 50_000)
    (tmp_path / "cycle_info.story.0.5").write_text(cycle(5))
    (tmp_path / "cycle_info.current").symlink_to(tmp_path / "cycle_info.story.0.5")
    files = CycleFiles(tmp_path)

    (seen,) = files.drain(SEEN_NS)
    assert seen.reason == "cycle 5 ended"
    assert files.failures == 5


def test_a_folder_that_is_not_there_has_no_cycles(tmp_path: Path) -> None:
    """NVRx may be started later."""
    files = CycleFiles(tmp_path / "later")
    assert files.drain(SEEN_NS) == []

    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "cycle_info.story.0.0").write_text(cycle(0))
    assert len(files.drain(SEEN_NS)) == 1
