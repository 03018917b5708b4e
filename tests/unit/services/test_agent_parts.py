"""What an agent remembers, tells once, and says of its readiness."""

from __future__ import annotations

import json
import socket
from contextlib import closing
from pathlib import Path

import pytest

from goodput_exporter.clock import LedgerClock
from goodput_exporter.domain.holdings import Attributed
from goodput_exporter.domain.node_view import ReaderView
from goodput_exporter.domain.observations import (
    GpuInventory,
    GpuLost,
    GpuSample,
    XidCount,
)
from goodput_exporter.domain.xids import XidClass
from goodput_exporter.services.acquaintances import KNOWN, Acquaintances
from goodput_exporter.services.agent_views import readiness
from goodput_exporter.services.node_news import REPEAT_NS, NodeNews
from goodput_exporter.services.notes import FILE_NAME, Notes
from goodput_exporter.sources.heartbeats import HeartbeatSource
from tests.fakes.heartbeats import StillClock, drain_until, heartbeat
from tests.fakes.snapshots import gpu_lost, gpu_sample

EIGHT = GpuInventory(8, 8)


@pytest.mark.parametrize(
    ("outage", "gpus", "is_ready"),
    [
        (None, EIGHT, True),
        (None, GpuInventory(8, 7, ("GPU-1",)), False),
        (None, GpuInventory(7, 7, ("GPU-1",)), True),
        ("starting", GpuInventory(8, 0), False),
        ("driver_not_loaded", GpuInventory(8, 0), False),
        ("library_not_found", GpuInventory(0, 0), True),
        ("library_not_found", GpuInventory(None, 0), True),
        ("driver_mismatch", GpuInventory(None, 0), False),
        ("paused", GpuInventory(8, 0), True),
    ],
)
def test_ready_is_seeing_what_is_on_the_bus(
    outage: str | None,
    gpus: GpuInventory,
    is_ready: bool,  # noqa: FBT001 - a table's column
) -> None:
    """A node without GPUs is ready, and one whose GPUs do not answer is not."""
    assert readiness(ReaderView(outage), gpus).is_well == is_ready


def test_notes_are_found_again(tmp_path: Path) -> None:
    """What an earlier life wrote is what a later one reads, names it knows or not."""
    Notes(tmp_path / "new").keep({"clock": "1", "other": "2"})
    Notes(tmp_path / "new").keep({"clock": "3"})

    assert Notes(tmp_path / "new").kept == {"clock": "3", "other": "2"}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"clock": 7}', "\x00"])
def test_spoilt_notes_are_no_notes(tmp_path: Path, text: str) -> None:
    """A torn file costs what it said, and no start."""
    (tmp_path / FILE_NAME).write_text(text)

    assert Notes(tmp_path).kept == {}


def test_notes_that_cannot_be_written_are_tried_again(tmp_path: Path) -> None:
    """A disk that comes back has them, though nothing has changed meanwhile."""
    folder = tmp_path / "folder"
    folder.write_text("in the way")
    notes = Notes(folder)
    notes.keep({"clock": "1"})
    folder.unlink()
    notes.keep({"clock": "1"})

    assert Notes(folder).kept == {"clock": "1"}


@pytest.mark.parametrize("text", ["", "[1]", '{"a": 1}', '{"a": ["x", 1, null, 1]}'])
def test_spoilt_notes_of_processes_are_nobody(tmp_path: Path, text: str) -> None:
    """Nobody is declared dead on the word of a spoilt file."""
    source = HeartbeatSource(LedgerClock(), unix_path=tmp_path / "agent.sock")
    with closing(source):
        assert Acquaintances(source).resume({KNOWN: text}, 1) == []


def test_a_process_that_is_gone_has_ended(tmp_path: Path) -> None:
    """Its end lies between when it was met and now."""
    source = HeartbeatSource(LedgerClock(), unix_path=tmp_path / "agent.sock")
    with closing(source):
        known = '{"00000000000000a1": [4194304, 1, "toy", 5]}'
        gone = Acquaintances(source).resume({KNOWN: known}, 9)

    [end] = gone
    assert (end.incarnation, end.since_ns, end.at_ns) == ("00000000000000a1", 5, 9)


def test_what_has_not_changed_is_not_told_again() -> None:
    """A driver that hangs repeats its last sample; the aggregator has it."""
    news = NodeNews()
    gpus: list[GpuSample | GpuLost] = [gpu_sample(0), gpu_lost(3)]
    xids = [XidCount("GPU-0", 79, XidClass.HW_FATAL, 1, 1)]
    held = Attributed((), {}, {})

    first = [*news.of(gpus, xids, EIGHT, REPEAT_NS), *news.of_holders(held, REPEAT_NS)]
    again = [*news.of(gpus, xids, EIGHT, REPEAT_NS + 1), *news.of_holders(held, 0)]

    assert len(first) == 5
    assert again == []


def test_state_is_repeated_for_who_comes_later() -> None:
    """An aggregator that lost its books hears of every XID and holder again."""
    news = NodeNews()
    xids = [XidCount("GPU-0", 79, XidClass.HW_FATAL, 1, 1)]
    news.of([], xids, EIGHT, REPEAT_NS)
    news.of_holders(None, REPEAT_NS)

    later = news.of([], xids, EIGHT, 2 * REPEAT_NS)

    assert later == [*xids, EIGHT]
    assert len(news.of_holders(None, 2 * REPEAT_NS)) == 1


def test_a_rank_that_restarts_in_its_process_is_one_acquaintance(
    tmp_path: Path,
) -> None:
    """A year of in-process restarts is one process, whose exit ends the newest."""
    path = tmp_path / "agent.sock"
    with closing(HeartbeatSource(StillClock(), unix_path=path)) as source:
        known = Acquaintances(source)
        for life in range(3):
            for rank in range(2):
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                    said = {"inc": f"{life:08x}{rank:08x}", "rank": rank}
                    sock.sendto(heartbeat(**said), str(path))
            known.meet(drain_until(source, lambda seen: len(seen) == 2))
        noted = json.loads(known.notes()[KNOWN])

    assert sorted(noted) == ["0000000200000000", "0000000200000001"]
