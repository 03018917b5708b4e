"""What may explain an end is gathered from every source, and told once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from goodput_exporter.config import load
from goodput_exporter.domain.evidence import Kind
from goodput_exporter.domain.observations import GpuLost, XidCount
from goodput_exporter.domain.xids import xid_class
from goodput_exporter.services.witness import Witness
from goodput_exporter.sources.maintenance import FILE_NAME
from tests.fakes.snapshots import gpu_lost, gpu_sample

NOW_NS = 1_760_000_000_000_000_000
FELL = XidCount("GPU-3", 79, xid_class(79), 1, NOW_NS - 5)


def witness(folder: Path, **more: str) -> Witness:
    """Return a witness whose ledger lies in *folder*."""
    flags = {"ledger.path": str(folder / "ledger.sqlite"), "identity.node": "n1"}
    return Witness(load(environ={}, flags={**flags, **more}))


def test_an_xid_is_told_whenever_it_comes_again(tmp_path: Path) -> None:
    """The counter says how often; each rise is one more observation."""
    seen = witness(tmp_path)
    again = replace(FELL, total=2, last_at_ns=NOW_NS + 5)

    (first,) = seen.drain((), [FELL], NOW_NS)
    assert (first.kind, first.reason, first.at_ns) == (Kind.XID, "79", NOW_NS - 5)
    assert first.subject == "gpu/n1/GPU-3"
    assert seen.drain((), [FELL], NOW_NS) == []
    (second,) = seen.drain((), [again], NOW_NS)
    assert second.at_ns == NOW_NS + 5


def test_a_gpu_is_lost_once_until_it_is_back(tmp_path: Path) -> None:
    """A GPU that stays away is no news."""
    seen, lost = witness(tmp_path), gpu_lost(3)

    assert [one.kind for one in seen.drain([lost], (), NOW_NS)] == [Kind.GPU_LOST]
    assert seen.drain([lost], (), NOW_NS) == []
    assert seen.drain([gpu_sample(3)], (), NOW_NS) == []
    assert len(seen.drain([lost], (), NOW_NS)) == 1


def test_a_gpu_that_somebody_let_go_of_is_not_lost(tmp_path: Path) -> None:
    """A pause is no trouble of the GPU."""
    paused = GpuLost(0, NOW_NS, "GPU-0", None, "paused")

    assert witness(tmp_path).drain([paused], (), NOW_NS) == []


def test_files_that_people_and_launchers_write_are_read(tmp_path: Path) -> None:
    """Bad ones are counted by their source."""
    cycles = tmp_path / "nvrx"
    cycles.mkdir()
    (cycles / "cycle_info.job.0.0").write_text("{")
    (tmp_path / FILE_NAME).write_text("nonsense")
    seen = witness(tmp_path, **{"evidence.nvrx_folder": str(cycles)})

    assert seen.drain((), (), NOW_NS) == []
    assert seen.failures() == {"maintenance": 1, "nvrx": 1}
