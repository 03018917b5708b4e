"""Samples of every GPU on this node, from a child process that may hang or crash."""

from __future__ import annotations

import enum
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

from goodput_exporter.domain.observations import GpuLost, GpuSample
from goodput_exporter.sources.nvml_board import NS_PER_SECOND, Board
from goodput_exporter.sources.nvml_notices import Notices
from goodput_exporter.sources.nvml_outage import Outage, outage_of
from goodput_exporter.sources.nvml_pci import nvidia_gpus
from goodput_exporter.sources.nvml_process import ChildProcess
from goodput_exporter.sources.nvml_wire import (
    Answered,
    Began,
    Failed,
    Listed,
    Message,
    Unavailable,
)

LOG: Final = logging.getLogger(__name__)

FROM_OUTSIDE: Final = frozenset({"SIGKILL", "SIGTERM", "SIGINT", "SIGHUP"})
"""Signals that somebody sends; no GPU is to blame for them."""

MOST_STUCK: Final = 4
"""Children that survive SIGKILL (uninterruptible sleep) before we add no more."""

LONGEST_PAUSE: Final = 32
"""In units of *reinit_seconds*: starting a child costs some 0.1 s of CPU."""


class Ending(enum.Enum):
    """What follows the end of a child."""

    AGAIN = "again"  # one GPU is to blame: start anew without it, at once
    LATER = "later"  # NVML as a whole is: back off
    CLOSED = "closed"


class NvmlSource:
    """
    The newest word of every GPU; reading it never waits for a driver.

    Starts a thread, and a child process that the thread replaces when it dies,
    or when it is stuck for more than one GPU.

    Args:
        now_ns: The ledger's clock, in nanoseconds.
        deadline_seconds: How long the calls on one GPU may take.
        interval_seconds: Time between two samples of one GPU.
        init_seconds: How long NVML may take to come up; without persistence mode
            it wakes every GPU first.
        reinit_seconds: Pause before NVML is tried again; doubles up to 32 times it.
        environment: The child's environment; None is ours.
        gpus_on_bus: Counts NVIDIA GPUs without a driver; None where it cannot.
    """

    def __init__(  # noqa: PLR0913  # durations and doors, all but one by keyword
        self,
        now_ns: Callable[[], int],
        *,
        deadline_seconds: float = 2.0,
        interval_seconds: float = 1.0,
        init_seconds: float = 60.0,
        reinit_seconds: float = 1.0,
        environment: Mapping[str, str] | None = None,
        gpus_on_bus: Callable[[], int | None] = nvidia_gpus,
    ) -> None:
        self.children_started = 0
        self.children_abandoned = 0
        self._now_ns = now_ns
        self._interval_seconds = interval_seconds
        self._init_seconds = init_seconds
        self._reinit_seconds = reinit_seconds
        self._poll_seconds = min(deadline_seconds, interval_seconds) / 4
        self._environment = environment
        self._gpus_on_bus = gpus_on_bus
        self._lock = threading.Lock()  # guards the two below, held for microseconds
        self._outage: Outage | None = Outage(None, "NVML has not answered yet")
        self._board = Board(
            deadline_ns=int(deadline_seconds * NS_PER_SECOND),
            interval_ns=int(interval_seconds * NS_PER_SECOND),
        )
        self._notices = Notices()
        self._noted_ns = 0
        self._children: list[ChildProcess] = []
        self._closing = threading.Event()
        self._wake_read_fd, self._wake_write_fd = os.pipe()
        self._thread = threading.Thread(target=self._keep, name="nvml", daemon=True)
        self._thread.start()

    def read(self) -> list[GpuSample | GpuLost]:
        """
        Return one observation per GPU that is or was there, by index; at once.

        A sample is dated when the GPU answered, so its age shows. A GPU that has
        never been listed is absent: no driver, no GPUs.
        """
        with self._lock:
            silence = None if self._outage is None else self._outage.detail
            return self._board.observations(
                time.monotonic_ns(), self._now_ns(), silence
            )

    def state(self) -> tuple[bool | None, str]:
        """
        Return whether NVML answers, and one sentence about it.

        None is no driver, or no answer yet: no fault of a machine without GPUs.
        """
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

    def close(self) -> None:
        """Stop the thread and the child, waiting for neither longer than 2 s."""
        if self._closing.is_set():
            return
        self._closing.set()
        os.write(self._wake_write_fd, b"x")
        self._thread.join(timeout=2.0)
        if not self._thread.is_alive():
            os.close(self._wake_read_fd)
            os.close(self._wake_write_fd)

    def _keep(self) -> None:
        """Keep one child alive: the whole life of the thread."""
        pause_seconds = self._reinit_seconds
        while not self._closing.is_set():
            is_full = self._count_stuck() >= MOST_STUCK
            ending = Ending.LATER if is_full else self._serve()
            if ending is Ending.LATER:
                self._closing.wait(pause_seconds)
                longest_seconds = LONGEST_PAUSE * self._reinit_seconds
                pause_seconds = min(2 * pause_seconds, longest_seconds)
            if self._outage is None:
                pause_seconds = self._reinit_seconds
        for child in self._children:
            child.ending(timeout_seconds=0.5)

    def _serve(self) -> Ending:
        """Start one child, listen to it as long as it is of use, let it go."""
        with self._lock:
            now_ns = time.monotonic_ns()
            self._board.restart(now_ns)
            delays = self._board.delays(now_ns)
        try:
            child = ChildProcess(self._interval_seconds, delays, self._environment)
        except OSError as exc:
            return self._down(f"the NVML child cannot be started ({exc})")
        self.children_started += 1
        try:
            return self._listen(child)
        finally:
            child.abandon()
            self._children.append(child)

    def _listen(self, child: ChildProcess) -> Ending:
        started_ns = time.monotonic_ns()
        is_up = False
        while not self._closing.is_set():
            messages = child.receive(self._poll_seconds, self._wake_read_fd)
            if messages is None:
                return self._ended(child)
            for message in messages:
                self._take(message)
                is_up = is_up or isinstance(message, Listed)
            now_ns = time.monotonic_ns()
            self._note(now_ns)
            if is_up and self._blame_stuck(now_ns):
                return Ending.AGAIN
            if not is_up and now_ns - started_ns > self._init_seconds * NS_PER_SECOND:
                self.children_abandoned += 1
                return self._down(
                    f"driver unresponsive: NVML did not come up within "
                    f"{self._init_seconds:g} s; does the kernel log name the driver?"
                )
        return Ending.CLOSED

    def _take(self, message: Message) -> None:
        offset_ns = self._now_ns() - time.monotonic_ns()
        with self._lock:
            match message:
                case Listed():
                    self._board.listed(message, time.monotonic_ns())
                    self._outage = None
                case Began():
                    self._board.began(message)
                case Answered():
                    self._board.answered(message, message.mono_ns + offset_ns)
                case Failed():
                    self._board.failed(message, message.mono_ns + offset_ns)
        if isinstance(message, Unavailable):
            self._out(outage_of(message, self._gpus_on_bus()))
        elif isinstance(message, Listed):
            LOG.info("NVML lists %d GPUs, driver %s", message.count, message.driver)

    def _ended(self, child: ChildProcess) -> Ending:
        """Find out why a child ended by itself, and whom to blame."""
        how = child.ending(timeout_seconds=1.0)
        if how is None:
            if self._outage is None:
                self._down("the NVML child ended without a word")
            return Ending.LATER
        with self._lock:
            suspects = [] if how in FROM_OUTSIDE else self._board.in_flight()
            now_ns = time.monotonic_ns()
            for index in suspects:
                detail = f"reading it ended the NVML child ({how})"
                self._board.blame(index, now_ns, "error", detail)
        if suspects:
            return Ending.AGAIN
        return self._down(f"the NVML child ended ({how}); it is started again")

    def _blame_stuck(self, now_ns: int) -> bool:
        """
        Return whether the child is of no more use, blaming the GPU that stuck first.

        One GPU that hangs among others that answer keeps its thread, and heals
        when its call returns. Two at once share a lock in the driver, as it
        seems: without the one that began first the others may answer again.
        """
        with self._lock:
            hanging = self._board.hanging(now_ns)
            is_alone = len(hanging) == 1 and (self._board.count or 0) > 1
            if not hanging or is_alone or self._count_stuck() >= MOST_STUCK:
                return False
            detail = "its calls did not return before the deadline; it is left alone"
            self._board.blame(hanging[0], now_ns, "hanging", detail)
        self.children_abandoned += 1
        return True

    def _count_stuck(self) -> int:
        """Return how many former children are still there; reaps the others."""
        self._children = [child for child in self._children if child.is_alive()]
        return len(self._children)

    def _down(self, detail: str) -> Ending:
        self._out(Outage(up=False, detail=detail))
        return Ending.LATER

    def _out(self, outage: Outage) -> None:
        """Record that NVML as a whole does not answer; log it when it is news."""
        with self._lock:
            is_news = outage != self._outage
            self._outage = outage
        if is_news:
            level = logging.INFO if outage.up is None else logging.WARNING
            LOG.log(level, "%s", outage.detail)

    def _note(self, now_ns: int) -> None:
        if now_ns - self._noted_ns >= self._interval_seconds * NS_PER_SECOND:
            self._noted_ns = now_ns
            self._notices.note(self.read())
