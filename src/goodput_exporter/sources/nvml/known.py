"""What the parent knows of NVML, under one lock that is held for microseconds."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from goodput_exporter.domain.observations import (
    GpuInventory,
    GpuLost,
    GpuSample,
    XidCount,
)
from goodput_exporter.sources.nvml.board import Board
from goodput_exporter.sources.nvml.capabilities import Capabilities, GpuCapabilities
from goodput_exporter.sources.nvml.memory import recall, remember
from goodput_exporter.sources.nvml.outage import Outage
from goodput_exporter.sources.nvml.readings import ACTIVITY
from goodput_exporter.sources.nvml.roster import NS_PER_SECOND, Roster
from goodput_exporter.sources.nvml.search import LOADER, Library, Nodes
from goodput_exporter.sources.nvml.wire import (
    Answered,
    Began,
    Counted,
    Failed,
    Happened,
    Listed,
    Message,
    Orders,
    Partitioned,
    Rested,
    Watching,
)
from goodput_exporter.sources.nvml.xids import XidLog

LOG: Final = logging.getLogger(__name__)
STARTING: Final = Outage(None, "NVML has not answered yet", "starting")


class Known:
    """
    Written by the keeper's thread, read by everybody; no call waits for a driver.

    Args:
        now_ns: The ledger's clock, in nanoseconds.
        deadline_seconds: How long the calls on one GPU may take.
        orders: What a child is asked for.
        memory: The file that keeps the UUIDs; None forgets.
    """

    def __init__(
        self,
        now_ns: Callable[[], int],
        deadline_seconds: float,
        orders: Orders,
        memory: Path | None,
    ) -> None:
        self._now_ns = now_ns
        self._orders = orders
        self._memory = memory
        self._lock = threading.Lock()
        self._outage: Outage | None = STARTING
        self._board = Board(
            deadline_ns=int(deadline_seconds * NS_PER_SECOND),
            interval_ns=int(orders.interval_seconds * NS_PER_SECOND),
            roster=Roster(recall(memory)),
        )
        self._kept = self._board.roster.moves
        self._xids = XidLog()
        self._reached: tuple[Library, tuple[Library, ...], tuple[Nodes, ...]]
        self._reached = (LOADER, (), ())

    @property
    def outage(self) -> Outage | None:
        """Why NVML as a whole does not answer; None when it does."""
        with self._lock:
            return self._outage

    def take(self, message: Message) -> None:
        """Take over what the child said, dated on the ledger's clock."""
        offset_ns = self._now_ns() - time.monotonic_ns()
        with self._lock:
            self._take(message, offset_ns)
            roster = self._board.roster
            home = dict(roster.home) if roster.moves != self._kept else None
            self._kept = roster.moves
        if home is not None:  # written without the lock: a disk may be slow
            remember(self._memory, home)

    def _take(self, message: Message, offset_ns: int) -> None:
        board = self._board
        match message:
            case Listed():
                board.listed(message, time.monotonic_ns())
                self._outage = None
            case Began():
                board.began(message)
            case Answered():
                board.answered(message, message.mono_ns + offset_ns)
            case Counted():
                board.counted(message, message.mono_ns + offset_ns)
            case Partitioned():
                board.partitioned(message, message.mono_ns + offset_ns)
            case Rested():
                board.rested(message)
            case Failed():
                board.failed(message, message.mono_ns + offset_ns)
            case Happened():
                self._xids.happened(message, message.mono_ns + offset_ns)
            case Watching():
                self._xids.watching(message)

    def out(self, outage: Outage) -> None:
        """Record that NVML as a whole does not answer; log it when it is news."""
        with self._lock:
            is_news = outage != self._outage
            self._outage = outage
        if is_news:
            level = logging.INFO if outage.up is None else logging.WARNING
            LOG.log(level, "%s", outage.detail)

    def restart(
        self, library: Library, searched: Sequence[Library], nodes: tuple[Nodes, ...]
    ) -> dict[int, float]:
        """Begin with a new child; return for how long it leaves which GPU alone."""
        with self._lock:
            now_ns = time.monotonic_ns()
            self._board.restart(now_ns)
            self._xids.restart()
            self._reached = (library, tuple(searched), nodes)
            return self._board.delays(now_ns)

    def blame_in_flight(self, detail: str) -> bool:
        """Blame every GPU whose calls had not come back; tell whether there is one."""
        with self._lock:
            suspects = self._board.in_flight()
            for index in suspects:
                self._board.blame(index, time.monotonic_ns(), "error", detail)
        return bool(suspects)

    def blame_stuck(self, now_ns: int) -> bool:
        """
        Blame the GPU that stuck first, unless it hangs alone among others.

        One GPU that hangs among others that answer keeps its thread, and heals
        when its call returns. Two at once share a lock in the driver, as it
        seems: without the one that began first the others may answer again.
        """
        with self._lock:
            hanging = self._board.hanging(now_ns)
            is_alone = len(hanging) == 1 and (self._board.count or 0) > 1
            if not hanging or is_alone:
                return False
            detail = "its calls did not return before the deadline; it is left alone"
            self._board.blame(hanging[0], now_ns, "hanging", detail)
        return True

    def read(self) -> list[GpuSample | GpuLost]:
        """Return one observation per GPU that is or was there, by index; at once."""
        with self._lock:
            at_ns, outage = self._now_ns(), self._outage
            if outage is not None and outage.kind == "paused":
                return self._board.roster.paused(at_ns, outage.detail)
            silence = None if outage is None else outage.detail
            return self._board.observations(time.monotonic_ns(), at_ns, silence)

    def state(self) -> tuple[bool | None, str]:
        """Return whether NVML answers, and one sentence about it."""
        with self._lock:
            outage, driver = self._outage, self._board.driver
        if outage is not None:
            return outage.up, outage.detail
        seen = self.read()
        lost = [gpu for gpu in seen if isinstance(gpu, GpuLost)]
        if not lost:
            return True, f"{len(seen)} GPUs, driver {driver}"
        first = lost[0]
        detail = (
            f"{len(seen) - len(lost)} of {len(seen)} GPUs answer, driver {driver}; "
            f"GPU {first.index} ({first.uuid}) is {first.reason}: {first.detail}"
        )
        return len(lost) < len(seen), detail

    def xids(self) -> tuple[XidCount, ...]:
        """Return every XID that was heard, by GPU and code."""
        with self._lock:
            return self._xids.counts()

    def inventory(self, on_bus: int | None) -> GpuInventory:
        """Return which GPUs there should be, and which answer."""
        seen = self.read()
        with self._lock:
            return self._board.roster.inventory(seen, on_bus)

    def capabilities(self, on_bus: int | None) -> Capabilities:
        """Return how NVML is reached, and what it tells there."""
        with self._lock:
            library, searched, nodes = self._reached
            is_up = self._outage is None
            orders = self._orders
            return Capabilities(
                library=library,
                searched=searched,
                nodes=nodes,
                driver=self._board.driver if is_up else "",
                nvml=self._board.nvml if is_up else "",
                gpus_on_bus=on_bus,
                gpm=orders.gpm,
                pcie=orders.pcie,
                processes=orders.processes,
                events=orders.events,
                gpus=tuple(self._capable(gpu) for gpu in self._board.samples()),
                refused=dict(self._board.refused),
            )

    def _capable(self, gpu: GpuSample) -> GpuCapabilities:
        lacking = gpu.unsupported
        if gpu.health is not None:
            lacking |= gpu.health.unsupported
        return GpuCapabilities(
            index=gpu.index,
            uuid=gpu.uuid,
            name=gpu.name,
            unsupported=tuple(sorted(lacking)),
            xids_not_heard=self._xids.deaf(gpu.uuid),
            throttle_sampled=tuple(
                one.reason for one in gpu.throttled if one.is_sampled
            ),
            gpm=lacking.isdisjoint(ACTIVITY) if self._orders.gpm else None,
        )
