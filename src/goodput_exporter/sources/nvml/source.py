"""Samples of every GPU on this node, from a child process that may hang or crash."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from goodput_exporter.domain.observations import (
    GpuInventory,
    GpuLost,
    GpuSample,
    XidCount,
)
from goodput_exporter.sources.nvml.capabilities import Capabilities
from goodput_exporter.sources.nvml.host import Host
from goodput_exporter.sources.nvml.keeper import Keeper
from goodput_exporter.sources.nvml.known import Known
from goodput_exporter.sources.nvml.outage import Outage
from goodput_exporter.sources.nvml.revocation import Revocation
from goodput_exporter.sources.nvml.wire import Orders

EVERY_SECOND: Final = Orders(interval_seconds=1.0)


class NvmlSource:
    """
    The newest word of every GPU; reading it never waits for a driver.

    Starts a thread, and a child process that the thread replaces when it dies,
    or when it is stuck for more than one GPU.

    Args:
        now_ns: The ledger's clock, in nanoseconds.
        deadline_seconds: How long the calls on one GPU may take.
        orders: What is read, and how often.
        init_seconds: How long NVML may take to come up; without persistence mode
            it wakes every GPU first.
        reinit_seconds: Pause before NVML is tried again; doubles up to 32 times it.
        revoked_tries: How many starts in a row must be refused, with the device
            nodes there, before we ask for a new container.
        host: The doors to the machine.
        wall_ns: Wall clock, for what outlives the machine's boot.
    """

    def __init__(  # noqa: PLR0913  # durations and doors, all but one by keyword
        self,
        now_ns: Callable[[], int],
        *,
        deadline_seconds: float = 2.0,
        orders: Orders = EVERY_SECOND,
        init_seconds: float = 60.0,
        reinit_seconds: float = 1.0,
        revoked_tries: int = 5,
        host: Host | None = None,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._host = Host() if host is None else host
        self._known = Known(now_ns, deadline_seconds, orders, self._host.memory)
        self._revocation = Revocation(revoked_tries, self._host.marker, wall_ns)
        self._keeper = Keeper(
            self._known,
            orders,
            self._host,
            self._revocation,
            init_seconds=init_seconds,
            reinit_seconds=reinit_seconds,
            poll_seconds=min(deadline_seconds, orders.interval_seconds) / 4,
        )

    def read(self) -> list[GpuSample | GpuLost]:
        """
        Return one observation per GPU that is or was there, by index; at once.

        A sample is dated when the GPU answered, so its age shows. A GPU that has
        never been listed is absent: no driver, no GPUs.
        """
        return self._known.read()

    def state(self) -> tuple[bool | None, str]:
        """
        Return whether NVML answers, and one sentence about it.

        None is no driver, no answer yet, or a pause that somebody asked for: no
        fault of a machine without GPUs.
        """
        return self._known.state()

    def outage(self) -> Outage | None:
        """Return why NVML as a whole does not answer; None when it does."""
        return self._known.outage

    def xids(self) -> tuple[XidCount, ...]:
        """Return every XID that was heard since we started, by GPU and code."""
        return self._known.xids()

    def inventory(self) -> GpuInventory:
        """Return which GPUs there should be, by the bus and by memory."""
        return self._known.inventory(self._host.gpus_on_bus())

    def capabilities(self) -> Capabilities:
        """Return how NVML is reached on this node, and what it does not tell."""
        return self._known.capabilities(self._host.gpus_on_bus())

    def wants_exit(self) -> str | None:
        """Return why this container should be created anew, once; else None."""
        return self._revocation.request

    def release(
        self, *, pause_seconds: float = 600.0, timeout_seconds: float = 5.0
    ) -> bool:
        """
        Let go of NVML, so that somebody can reset a GPU or unload the driver.

        GPUs are ``paused`` until ``resume``, or until *pause_seconds* are over, so
        that a release that everybody forgot does not blind us for ever.

        Returns:
            Whether every process that held a device is gone; False where one is
            stuck in the driver, or *timeout_seconds* were too few.
        """
        return self._keeper.release(pause_seconds, timeout_seconds)

    def resume(self) -> None:
        """Take NVML up again after ``release``."""
        self._keeper.resume()

    @property
    def children_started(self) -> int:
        """How many children were started."""
        return self._keeper.started

    @property
    def children_abandoned(self) -> int:
        """How many were given up because they did not answer."""
        return self._keeper.abandoned

    @property
    def children_stuck(self) -> int:
        """How many of those outlive their kill, in uninterruptible sleep."""
        return self._keeper.stuck

    def close(self) -> None:
        """Stop the thread and the child, waiting for neither longer than 2 s."""
        self._keeper.close()
