"""An agent in service for half an hour: what it holds does not grow."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import pytest

from tests.fakes.chatter import chatter
from tests.fakes.kubelet import kubelet
from tests.fakes.node_agent import AGGREGATOR, AgentStation, node_agent
from tests.fakes.nvml.driver import compile_library, install
from tests.fakes.station import Station, station, until
from tests.fakes.vitals import Vitals, vitals

SECONDS: Final = float(os.environ.get("GOODPUT_SOAK_SECONDS", "1800"))
SAMPLES: Final = 60
GPUS = RANKS = 16
MIB: Final = 2**20
SLACK_BYTES: Final = 2 * MIB
"""By as much memory may differ between the middle of the time and its end: what an
allocator keeps; a leak of one observation per tick is more."""

pytestmark = [pytest.mark.real, pytest.mark.soak, pytest.mark.timeout(SECONDS + 300)]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    at_s: float
    held: Vitals
    waiting_batches: float
    waiting_bytes: float


def row(agent: AgentStation, at_s: float) -> Row:
    """Look at an agent once, as a scrape does."""
    page = agent.page()
    return Row(
        at_s,
        vitals(agent.pid),
        page.one("goodput_spool_batches") or 0.0,
        page.one("goodput_spool_bytes") or 0.0,
    )


def write(rows: list[Row]) -> None:
    """Print the table, every fifth line of it."""
    said = ["", "  minute  rss MiB  threads  files  processes  waiting batches  KiB"]
    said += [
        f"{one.at_s / 60:8.1f} {one.held.resident / MIB:8.2f} {one.held.threads:8}"
        f" {one.held.descriptors:6} {one.held.processes:10}"
        f" {one.waiting_batches:16.0f} {one.waiting_bytes / 1024:4.0f}"
        for one in [*rows[::5], rows[-1]]
    ]
    sys.stderr.write("\n".join(said) + "\n")


@contextmanager
def in_service(folder: Path) -> Iterator[tuple[Station, AgentStation]]:
    """Give an agent of 16 GPUs and 16 ranks beside its aggregator, both at work."""
    driver = install(folder, compile_library(folder))
    driver.play(f"count {GPUS}")
    (folder / "books").mkdir()
    root = folder / "kubelet"
    with ExitStack() as parts:
        books = parts.enter_context(station(folder / "books", **AGGREGATOR))
        books.start()
        # The same port again after it was away.
        books.settings["HTTP_PORT"] = books.url.rsplit(":", 1)[1].strip("/")
        node = parts.enter_context(kubelet(root))
        real = {
            "NVML_ENABLED": "auto",
            "KUBELET_ENABLED": "auto",
            "KUBELET_ROOT": str(root),
            "BOOKS_TICK_SECONDS": "1",
            "PUSH_EVERY_SECONDS": "5",
        }
        agent = parts.enter_context(node_agent(folder / "node", books.url, **real))
        names = ("LD_LIBRARY_PATH", "FAKE_NVML_SCENARIO", "FAKE_NVML_DEVICES")
        agent.environment = {name: driver.environment()[name] for name in names}
        agent.start()
        for number in range(GPUS):
            node.gives(f"llama-{number}", f"GPU-{number:08x}")
        parts.enter_context(chatter(agent.unix, RANKS, life_s=SECONDS / 60))
        yield books, agent


def test_half_an_hour_of_service_grows_nothing(tmp_path: Path) -> None:
    """
    Memory, threads, files and the spool are at the end what they were before.

    Every 30 s all ranks are new ones, and the aggregator is away for a sixth of the
    time. GOODPUT_SOAK_SECONDS makes it shorter or longer.
    """
    rows: list[Row] = []
    with in_service(tmp_path) as (books, agent):
        began = time.monotonic()
        for number in range(SAMPLES):
            if number == SAMPLES // 2:
                books.kill()
            if number == SAMPLES * 2 // 3:
                books.start()
            due = began + (number + 1) * SECONDS / SAMPLES
            time.sleep(max(0.0, due - time.monotonic()))  # this is the soak
            rows.append(row(agent, time.monotonic() - began))
        until(lambda: agent.page().one("goodput_spool_batches") == 0, "an empty spool")
        rows.append(row(agent, time.monotonic() - began))
        page = agent.page()
    write(rows)

    early, late = rows[SAMPLES // 4 : SAMPLES // 2], rows[-SAMPLES // 4 :]
    assert _resident(late) <= _resident(early) + SLACK_BYTES
    assert max(one.held.threads for one in late) <= _most_threads(early)
    assert max(one.held.descriptors for one in late) <= _most_files(early)
    assert rows[-1].waiting_bytes == 0
    assert page.sum("goodput_spool_dropped_batches_total") == 0
    assert page.sum("goodput_push_lost_observations_total") == 0


def _resident(rows: list[Row]) -> float:
    return median(one.held.resident for one in rows)


def _most_threads(rows: list[Row]) -> int:
    return max(one.held.threads for one in rows)


def _most_files(rows: list[Row]) -> int:
    # A scrape and a push may be under way at one look and not at another.
    return max(one.held.descriptors for one in rows) + 2
