"""A recording's files: cut off, damaged, full, too large, of another version."""

from __future__ import annotations

from pathlib import Path

import pytest

from goodput_exporter.domain.fold import Observation
from goodput_exporter.domain.observations import Delivered, RankExited
from goodput_exporter.domain.placement import Placement, Stage
from goodput_exporter.domain.settings import Rules
from goodput_exporter.errors import LedgerError, LedgerTooNewError
from goodput_exporter.ledger.playing import Recording
from goodput_exporter.ledger.recorder import WAITING, Bounds, Recorder, files_of
from goodput_exporter.ledger.recording import FORMAT, Head, Terms, Tick
from tests.fakes.ledger import LLAMA

TERMS = Terms(Rules(stall_factor=7), "east", "ml", "n1", 5, 6)


def gone(at_ns: int) -> RankExited:
    """Build an observation."""
    return RankExited("a" * 16, at_ns, -9, "pid 4711: SIGKILL")


def recorded(folder: Path, ticks: int = 20, bounds: Bounds | None = None) -> Recorder:
    """Record so many ticks and let go of the files."""
    recorder = Recorder(folder, TERMS, bounds)
    recorder.began(1)
    for now_ns in range(2, ticks + 2):
        recorder.record(now_ns, [gone(now_ns)])
    recorder.close()
    return recorder


def ticks_of(recording: Recording) -> list[int]:
    """Return when the readable ticks were."""
    return [frame.now_ns for frame in recording.frames() if isinstance(frame, Tick)]


def test_what_was_recorded_is_read_back_in_its_order(tmp_path: Path) -> None:
    """Every kind of observation, who delivered it, and the terms in force."""
    placed = Placement(LLAMA, 5, Stage.SCHEDULING, 8, pods=("ml/p",))
    seen: list[Observation] = [gone(4), placed, gone(6)]
    recorder = Recorder(tmp_path, TERMS)
    recorder.began(3)
    recorder.take(seen)
    recorder.record(7, [Delivered("n2", 6)], agent="n2")
    recorder.record(8)
    recorder.close()

    head, first, second = Recording(tmp_path).frames()

    assert head == Head(3, "began", TERMS, {})
    assert first == Tick(7, [("", seen), ("n2", [Delivered("n2", 6)])])
    assert second == Tick(8, [])


def test_a_file_that_was_cut_off_anywhere_is_whole_up_to_there(tmp_path: Path) -> None:
    """Wherever a kill or a full disk ends it, earlier ticks are read; it is said."""
    recorded(tmp_path)
    (path,) = files_of(tmp_path)
    whole = path.read_bytes()
    lengths = set()

    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        recording = Recording(path)
        found = ticks_of(recording)
        lengths.add(len(found))
        assert found == list(range(2, len(found) + 2))
        assert size in (0, len(FORMAT)) or recording.damage or found

    assert max(lengths) >= 18
    assert lengths >= {0, 1, 5}


def test_a_damaged_frame_is_named_and_ends_its_file_alone(tmp_path: Path) -> None:
    """A changed byte is found by its checksum; other files are read."""
    recorded(tmp_path)
    recorder = Recorder(tmp_path, TERMS)
    recorder.began(100)
    recorder.record(101)
    recorder.close()
    first, _ = files_of(tmp_path)
    data = bytearray(first.read_bytes())
    data[len(data) // 2] ^= 0xFF
    first.write_bytes(data)

    recording = Recording(tmp_path)
    found = ticks_of(recording)

    assert found[-1] == 101
    assert 0 < len(found) < 20
    (damage,) = recording.damage
    assert "is not what was written (its checksum differs)" in damage


def test_a_recording_of_a_later_version_is_refused(tmp_path: Path) -> None:
    """The message names both formats; another program's file is no recording."""
    path = tmp_path / "00000000000000000001.recording"
    path.write_bytes(b"goodput-recording/9\nabc")
    with pytest.raises(LedgerTooNewError, match="format 9 and this program reads"):
        ticks_of(Recording(path))

    path.write_bytes(b"PK\x03\x04 and so on, longer than a line")
    with pytest.raises(LedgerError, match="it is no recording"):
        ticks_of(Recording(path))

    with pytest.raises(LedgerError, match="no recording is there"):
        Recording(tmp_path / "elsewhere")


def test_a_recording_stays_within_its_bounds(tmp_path: Path) -> None:
    """Old files go whole, and what is left can be read from its first head."""
    recorded(tmp_path, 400, Bounds(most_bytes=16_000))

    size = sum(path.stat().st_size for path in files_of(tmp_path))
    recording = Recording(tmp_path)
    found = ticks_of(recording)
    assert size <= 16_000
    assert found[-1] == 401
    assert found == list(range(found[0], 402))
    assert recording.damage == []


def test_what_is_too_old_goes(tmp_path: Path) -> None:
    """Age counts from a file's end, so the newest past is kept longest."""
    recorded(tmp_path, 400, Bounds(keep_ns=160))

    found = ticks_of(Recording(tmp_path))
    assert found[-1] == 401
    assert 160 <= len(found) <= 190


def test_a_full_disk_costs_the_recording_and_not_the_tick(tmp_path: Path) -> None:
    """Nothing is raised; it is counted, and a later file says that there is a gap."""
    folder = tmp_path / "recording"
    folder.write_text("in the way")
    recorder = Recorder(folder, TERMS)
    recorder.began(1)
    recorder.record(2, [gone(2)])
    assert (recorder.counts.ticks, recorder.counts.failures) == (0, 2)

    folder.unlink()
    recorder.record(3)
    recorder.record(4, [gone(4)])
    recorder.close()

    head, tick = Recording(folder).frames()
    assert isinstance(head, Head)
    assert (head.now_ns, head.why, tick.now_ns) == (3, "gap", 4)
    assert (recorder.counts.ticks, recorder.counts.failures) == (1, 3)


def test_what_no_codec_knows_is_counted(tmp_path: Path) -> None:
    """A number past 64 bits cannot be written; the tick is a gap, not an error."""
    recorder = Recorder(tmp_path, TERMS)
    recorder.began(1)
    recorder.record(2, [gone(2**70)])
    recorder.record(3)
    recorder.close()

    assert (recorder.counts.ticks, recorder.counts.failures) == (0, 2)
    assert [frame.now_ns for frame in Recording(tmp_path).frames()] == [1, 3]


def test_observations_that_wait_for_the_ledger_are_bounded(tmp_path: Path) -> None:
    """While the ledger fails they pile up; what does not fit is counted."""
    recorder = Recorder(tmp_path, TERMS)
    one = gone(1)

    recorder.take([one] * WAITING)
    recorder.take([one] * 3)
    recorder.close()

    assert recorder.counts.dropped == 3
