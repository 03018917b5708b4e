"""A day of an agent by a clock that leaps: what it holds does not grow."""

from __future__ import annotations

import os
import socket
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest

from goodput_exporter.domain.coalescing import coalesced
from goodput_exporter.domain.observations import Delivered, GpuInventory
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.ledger.spool.spool import Spool
from goodput_exporter.services.acquaintances import Acquaintances
from goodput_exporter.services.node_news import NodeNews
from goodput_exporter.services.push import Pusher
from goodput_exporter.sources.heartbeats import HeartbeatSource
from goodput_exporter.wire.kinds import Observation
from tests.fakes.aggregator import Desk, DirectCourier, Hands
from tests.fakes.chatter import heartbeat
from tests.fakes.heartbeats import drain_until
from tests.fakes.observations import gpu

DAY_S: Final = 24 * 3600
HOUR_S: Final = 3600
LIFE_S: Final = 600
AWAY_EVERY_S: Final = 6 * HOUR_S
GPUS = RANKS = 16
KIB: Final = 2**10
SLACK_BYTES: Final = 128 * KIB
"""What pools and caches may differ by; one object kept per tick would be more."""


class LeapingClock(Hands):
    """A ledger clock that is moved by hand, of a kernel that was just booted."""

    def from_monotonic(self, mono_ns: int) -> int:
        """Return the ledger's instant: a rank here says nothing of its kernel's."""
        return mono_ns


class Node:
    """
    The parts of an agent that hold anything, on a real socket and a real disk.

    Args:
        folder: Where the socket and the spool are.
        parts: Closes what is opened.
    """

    def __init__(self, folder: Path, parts: ExitStack) -> None:
        self.clock = LeapingClock()
        self.began_ns = self.clock.now_ns()
        self.desk = Desk(clock=self.clock)
        self.courier = DirectCourier(self.desk)
        self._path = folder / "agent.sock"
        self._source = HeartbeatSource(self.clock, unix_path=self._path)
        parts.callback(self._source.close)
        self._sender = parts.enter_context(
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        )
        self.known = Acquaintances(self._source)
        self._news = NodeNews()
        self.spool = Spool(folder / "spool")
        parts.callback(self.spool.close)
        self.pusher = Pusher(
            self.courier,
            self.spool,
            agent="node-1",
            node="node-1",
            now_ns=self.clock.now_ns,
            chance=lambda: 0.5,
        )
        self._said = 0
        self.told = 0

    def tick(self, seconds: float) -> None:
        """Let ranks speak, hear them, look at GPUs, and push what is due."""
        self.clock.forward(seconds)
        age_s = (self.clock.now_ns() - self.began_ns) / NS_PER_SECOND
        life, up_s = divmod(age_s, LIFE_S)
        for rank in range(RANKS):
            said = heartbeat(rank, RANKS, int(life), self._said, up_s, mono=False)
            self._sender.sendto(said, str(self._path))
            self._said += 1
        heard = drain_until(self._source, lambda seen: len(seen) >= RANKS)
        seen: list[Observation] = [*coalesced(heard)]
        self.known.meet(heard)
        now_ns = self.clock.now_ns()
        samples = [gpu(index, int(age_s)) for index in range(GPUS)]
        seen += self._news.of(samples, [], GpuInventory(GPUS, GPUS), now_ns)
        self.pusher.take([*seen, Delivered("node-1", now_ns)])
        self.told += len(seen) + 1
        while self.pusher.step() == 0:
            pass
        # Neither the aggregator nor the wire is what is measured.
        self.desk.books.applied.clear()
        self.courier.bodies.clear()


@contextmanager
def node(folder: Path) -> Iterator[Node]:
    """Give a node at the beginning of its day."""
    with ExitStack() as parts:
        yield Node(folder, parts)


def live(one: Node, seconds: int, tick_s: int) -> None:
    """Let a node live; the aggregator is away for an hour of every six."""
    for second in range(0, seconds, tick_s):
        is_away = second % AWAY_EVERY_S < HOUR_S
        one.courier.desk = None if is_away else one.desk
        one.tick(tick_s)


@pytest.mark.parametrize(
    "tick_s",
    [
        pytest.param(120, marks=pytest.mark.timeout(180)),
        # As in service; some ten minutes.
        pytest.param(1, marks=[pytest.mark.soak, pytest.mark.timeout(3600)]),
    ],
)
def test_a_day_grows_nothing(tmp_path: Path, tick_s: int) -> None:
    """
    144 restarts of 16 ranks in one process, four outages of an hour, 16 GPUs.

    What is held after 24 h is what was held after 6: no more memory, threads or
    open files, and nothing waits.
    """
    with node(tmp_path) as one:
        live(one, DAY_S // 4, tick_s)
        tracemalloc.start()
        live(one, DAY_S // 4, tick_s)
        before, threads, files = held()
        live(one, DAY_S // 2, tick_s)
        after, threads_after, files_after = held()
        tracemalloc.stop()
        noted = len(one.known.notes()["processes"])
        waiting, counts = one.spool.waiting(), one.pusher.counts

    sys.stderr.write(
        f"\n{DAY_S / tick_s:.0f} ticks, {one.told} observations, memory "
        f"{(after - before) / KIB:+.1f} KiB over twelve hours, threads {threads} and "
        f"{threads_after}, files {files} and {files_after}\n"
    )
    assert after - before < SLACK_BYTES
    # Fewer is another test's, which let go late in the same process.
    assert threads_after <= threads
    assert files_after <= files
    assert waiting.records <= 1
    assert counts.overflow == counts.unsendable == counts.refused == 0
    assert noted < RANKS * KIB / 4


def held() -> tuple[int, int, int]:
    """Return traced bytes, threads and open files of this process."""
    threads = len(list(Path("/proc/self/task").iterdir()))
    files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - it opens none to stay
    return tracemalloc.get_traced_memory()[0], threads, files
