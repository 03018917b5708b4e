"""What the stories of the NVML source have in common: its pace, and what it says."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection

import pytest

from goodput_exporter.domain.observations import GpuLost, GpuSample
from goodput_exporter.sources.nvml.host import Host
from goodput_exporter.sources.nvml.source import NvmlSource
from goodput_exporter.sources.nvml.wire import Orders
from tests.fakes.nvml.driver import FakeDriver

PATIENCE_SECONDS = 15.0
"""How long a busy machine may take; a healthy run needs a tenth of a second."""

DEADLINE_SECONDS = 0.5
QUICK = Orders(interval_seconds=0.05, health_seconds=0.1)


def source_on(
    driver: FakeDriver,
    *,
    init_seconds: float = 30.0,
    deadline_seconds: float = DEADLINE_SECONDS,
    orders: Orders = QUICK,
    host: Host | None = None,
) -> NvmlSource:
    """Return a source with short intervals."""
    return NvmlSource(
        time.monotonic_ns,
        deadline_seconds=deadline_seconds,
        orders=orders,
        init_seconds=init_seconds,
        reinit_seconds=0.02,
        revoked_tries=2,
        host=driver.host() if host is None else host,
    )


def until(holds: Callable[[], bool], source: NvmlSource) -> None:
    """Wait until something holds; fail with what the source says if it never does."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    pause = threading.Event()
    while not holds():
        if time.monotonic() > give_up:
            pytest.fail(f"never happened; {source.state()}, {source.read()}")
        pause.wait(0.005)


def fresh(source: NvmlSource) -> dict[int, GpuSample]:
    """Return the samples by index."""
    return {gpu.index: gpu for gpu in source.read() if isinstance(gpu, GpuSample)}


def lost(source: NvmlSource) -> dict[int, GpuLost]:
    """Return the lost GPUs by index."""
    return {gpu.index: gpu for gpu in source.read() if isinstance(gpu, GpuLost)}


def all_fresh(source: NvmlSource, count: int = 8) -> bool:
    """Return whether that many GPUs answer, and no other was ever there."""
    return len(fresh(source)) == len(source.read()) == count


def renewed(source: NvmlSource, since_ns: int, indices: Collection[int]) -> bool:
    """Return whether these GPUs have answered since."""
    seen = fresh(source)
    return all(i in seen and seen[i].at_ns > since_ns for i in indices)


def uuid(index: int) -> str:
    """Return the fake driver's UUID of a GPU."""
    return f"GPU-00000000-0000-0000-0000-{index:012d}"
