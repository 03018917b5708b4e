"""What a node tells of itself reaches whoever asks, once, and stops nobody."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from goodput_exporter.domain.evidence import Evidence, Kind
from goodput_exporter.domain.observations import GpuSample
from goodput_exporter.services.node_health import TOLD, LinkWatch, NodeHealth
from goodput_exporter.sources.links import Links
from tests.fakes.heartbeats import BOOT_NS, NOON_NS, StillClock
from tests.fakes.node_views import gpu_full

XID = "NVRM: Xid (PCI:0000:44:00): 79, pid=0, GPU has fallen off the bus."


def line(number: int, at_ns: int) -> str:
    """Return a record of the kernel's log, dated on the ledger's clock."""
    return f"6,{number},{(at_ns - BOOT_NS) // 1000},-;{XID}\n"


def health(
    folder: Path, notes: dict[str, str] | None = None, log: str = "kmsg"
) -> NodeHealth:
    """Return what reads a node of which everything is in a folder."""
    return NodeHealth(
        StillClock(),
        "node-1",
        kernel_log=folder / log,
        links_folder=folder / "class",
        notes=notes or {},
    )


def test_the_kernels_log_is_evidence(tmp_path: Path) -> None:
    """A line from before the agent's first start is of another time."""
    log = tmp_path / "kmsg"
    log.write_text(line(1, NOON_NS - 5_000) + "7,2,1,-;usb 1-1: new device\n")
    with closing(health(tmp_path, {TOLD: str(NOON_NS - 10_000)})) as around:
        seen = around.drain([])
        view = around.view()

    assert [one.kind for one in seen] == [Kind.XID]
    assert (view.is_up, view.records["read"], view.records["old"]) == (True, 1, 1)


def test_what_an_earlier_life_has_told_is_not_told_again(tmp_path: Path) -> None:
    """The kernel keeps its log while an agent restarts, and shows all of it again."""
    (tmp_path / "kmsg").write_text(line(1, NOON_NS - 5_000))
    with closing(health(tmp_path, {TOLD: str(NOON_NS - 10_000)})) as first:
        told = first.drain([])
        notes = first.notes()
    (tmp_path / "kmsg").write_text(line(1, NOON_NS - 5_000) + line(2, NOON_NS - 2_000))
    with closing(health(tmp_path, notes)) as second:
        again = second.drain([])

    assert len(told) == len(again) == 1
    assert again[0].at_ns > told[0].at_ns


@pytest.mark.parametrize("note", ["", "soon", str(NOON_NS * 2), "-1"])
def test_without_a_note_the_log_begins_now(tmp_path: Path, note: str) -> None:
    """A spoilt note, or one of a clock that was wrong, silences no kernel."""
    (tmp_path / "kmsg").write_text(line(1, NOON_NS - 5_000))
    with closing(health(tmp_path, {TOLD: note})) as around:
        around.drain([])

        assert around.notes() == {TOLD: str(NOON_NS)}


def test_a_log_that_may_not_be_read_says_why(tmp_path: Path) -> None:
    """No rights are no trouble: the rest goes on."""
    with closing(health(tmp_path, log="nothing")) as around:
        around.drain([gpu_full(0)])

        assert "mount it from the host" in str(around.why_off())
        assert not around.view().is_up


@dataclass
class SlowLinks(Links):
    """Links whose card answers when it is told to."""

    asked: threading.Event = field(default_factory=threading.Event)
    answers: threading.Event = field(default_factory=threading.Event)

    def drain(self, at_ns: int, gpus: Iterable[GpuSample] = ()) -> list[Evidence]:
        """Wait for the word."""
        del gpus
        self.asked.set()
        assert self.answers.wait(10)
        return [Evidence(at_ns, Kind.LINK, "ib-down", "node/n", "sysfs", "mlx5_0:1")]


def test_a_card_that_hangs_stops_no_tick() -> None:
    """Its news come when they are there."""
    links = SlowLinks("n")
    watch = LinkWatch(links, StillClock(), seconds=3600)
    watch.start()
    assert links.asked.wait(10)
    meanwhile = watch.taken()
    links.answers.set()
    watch.close()
    watch.join(10)

    assert meanwhile == []
    assert [one.reason for one in watch.taken()] == ["ib-down"]
