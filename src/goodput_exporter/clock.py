"""The ledger's clock: wall time once, monotonic from there on."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

LOOKS: Final = 5
"""Readings of both clocks: enough for one of them not to be interrupted."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Clock(Protocol):
    """Where the services get the time from; tests bring their own."""

    def now_ns(self) -> int:
        """Return nanoseconds since the Unix epoch; never goes back."""

    def from_monotonic(self, mono_ns: int) -> int:
        """Return what ``now_ns`` was when CLOCK_MONOTONIC showed *mono_ns*."""


class LedgerClock:
    """
    Wall time at one instant, carried on by CLOCK_MONOTONIC.

    A stepped wall clock changes nothing: durations stay true, and an
    exporter that restarts within one boot goes on with the same offset.

    Args:
        offset_ns: Wall minus monotonic time, from an earlier life of the
            exporter in the same boot; None takes it from the wall clock now.
    """

    def __init__(self, offset_ns: int | None = None) -> None:
        if offset_ns is None:
            offset_ns = offset_of(time.time_ns, time.monotonic_ns)
        self.offset_ns = offset_ns

    def now_ns(self) -> int:
        """Return nanoseconds since the Unix epoch; never goes back."""
        return time.monotonic_ns() + self.offset_ns

    def from_monotonic(self, mono_ns: int) -> int:
        """Return what ``now_ns`` was when CLOCK_MONOTONIC showed *mono_ns*."""
        return mono_ns + self.offset_ns

    def skew_ns(self) -> int:
        """Return how far the wall clock has been stepped away from this one."""
        return time.time_ns() - self.now_ns()


def offset_of(wall_ns: Callable[[], int], monotonic_ns: Callable[[], int]) -> int:
    """
    Return wall minus monotonic time, by the reading that took least.

    A process that has to wait between two clocks would take its wait for a
    difference of theirs, and two replicas on one machine would disagree by it.

    Args:
        wall_ns: Nanoseconds since the Unix epoch.
        monotonic_ns: Nanoseconds since some instant.

    Source:
        F. Cristian, Probabilistic clock synchronization (1989): the shortest of some
        round trips bounds the error best, to half of its length.
    """
    found: list[tuple[int, int]] = []
    for _ in range(LOOKS):
        before_ns, seen_ns, after_ns = monotonic_ns(), wall_ns(), monotonic_ns()
        found.append((after_ns - before_ns, seen_ns - (before_ns + after_ns) // 2))
    return min(found)[1]


def boot_id() -> str:
    """Return this boot's id; CLOCK_MONOTONIC means nothing across two of them."""
    return BOOT_ID.read_text(encoding="ascii").strip()
