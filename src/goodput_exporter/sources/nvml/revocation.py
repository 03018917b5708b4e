"""When to ask for a new container: the devices were taken from this one's cgroup."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

LOG: Final = logging.getLogger(__name__)

NO_PERMISSION: Final = 4
UNKNOWN: Final = 999
REVOKED: Final = frozenset({NO_PERMISSION, UNKNOWN})
"""
What NVML's start says when the kernel refuses the device nodes.

Source: https://github.com/NVIDIA/nvidia-container-toolkit/issues/48
"""

NS_PER_SECOND: Final = 1_000_000_000
FIRST_HOLD_SECONDS: Final = 600
LONGEST_HOLD_SECONDS: Final = 86_400


class Asked(msgspec.Struct, frozen=True):
    """The file that keeps us from asking again at once: when, and how often."""

    at_ns: int
    times: int


class Revocation:
    """
    Asks to exit, once, when NVML is refused though its nodes are there.

    Only a new container gets the devices back, and only its runtime makes one.
    Asking is remembered in a file that outlives this container, so that a cause
    that a new container does not heal costs one restart in ten minutes, then
    in twice as long, up to a day. Without such a file it never asks.

    Args:
        tries: How many starts in a row must be refused.
        marker: The file, on a volume that outlives the container; or None.
        now_ns: Wall clock, in nanoseconds since the Unix epoch.
    """

    def __init__(
        self, tries: int, marker: Path | None, now_ns: Callable[[], int]
    ) -> None:
        self._tries = tries
        self._marker = marker
        self._now_ns = now_ns
        self._refused = 0
        self.request: str | None = None

    def refused(self, code: int, *, has_nodes: bool) -> None:
        """Note that NVML did not start."""
        if code not in REVOKED or not has_nodes:
            self._refused = 0
            return
        self._refused += 1
        if self._refused >= self._tries and self.request is None and self._may_ask():
            self.request = (
                f"NVML refused to start {self._refused} times in a row (code {code}) "
                "though the device nodes are there: a daemon-reload took the devices "
                "from this container's cgroup, it seems; exit, so that the container "
                "is created anew"
            )

    def started(self) -> None:
        """Note that NVML came up: whatever it was, it is over."""
        self._refused, self.request = 0, None
        if self._marker is not None:
            try:
                self._marker.unlink(missing_ok=True)
            except OSError as exc:
                LOG.warning("%s cannot be removed (%s)", self._marker, exc)

    def _may_ask(self) -> bool:
        """Tell whether it is time, and write down that we ask: else never."""
        if self._marker is None:
            return False
        now_ns = self._now_ns()
        try:
            before = msgspec.json.decode(self._marker.read_bytes(), type=Asked)
        except FileNotFoundError:
            return self._mark(self._marker, Asked(now_ns, 1))
        except (OSError, msgspec.DecodeError):
            # We did ask, and cannot read when: hold back as after the first time.
            self._mark(self._marker, Asked(now_ns, 1))
            return False
        if 0 <= now_ns - before.at_ns < hold_seconds(before.times) * NS_PER_SECOND:
            return False
        return self._mark(self._marker, Asked(now_ns, before.times + 1))

    def _mark(self, marker: Path, asked: Asked) -> bool:
        try:
            marker.write_bytes(msgspec.json.encode(asked))
        except OSError as exc:
            LOG.warning(
                "%s cannot be written (%s): no new container is asked for, or it "
                "would be asked for again and again",
                marker,
                exc,
            )
            return False
        return True


def hold_seconds(times: int) -> int:
    """Return for how long we do not ask again after having asked so often."""
    doublings = min(max(times, 1) - 1, 30)
    return min(FIRST_HOLD_SECONDS << doublings, LONGEST_HOLD_SECONDS)
