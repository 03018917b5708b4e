"""A child in uninterruptible sleep: it listed its GPUs, then no signal ends it."""

from __future__ import annotations

import select
import time
from collections.abc import Mapping

from goodput_exporter.sources.nvml.process import ChildProcess
from goodput_exporter.sources.nvml.wire import Began, Listed, Message, Orders


class StuckChild(ChildProcess):
    """As ``ChildProcess`` shows a process in state D; no process is started."""

    def __init__(
        self, orders: Orders, environment: Mapping[str, str] | None = None
    ) -> None:
        del orders, environment
        self.garbled = 0
        self._told = False

    def receive(self, timeout_seconds: float, wake_fd: int) -> list[Message] | None:
        """List two GPUs and begin with both; then say nothing for ever."""
        if not self._told:
            self._told = True
            now_ns = time.monotonic_ns()
            return [Listed("570", 2), Began(0, now_ns), Began(1, now_ns)]
        select.select([wake_fd], [], [], timeout_seconds)
        return []

    def abandon(self) -> None:
        """SIGKILL is pending for as long as the driver holds it."""

    def is_alive(self) -> bool:
        """It is."""
        return True

    def ending(self, timeout_seconds: float) -> str | None:
        """It has not ended."""
        del timeout_seconds
        return None
