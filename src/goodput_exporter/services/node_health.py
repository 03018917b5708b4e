"""What the node itself tells that may explain an end: its kernel, links and clocks."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from goodput_exporter.clock import Clock
from goodput_exporter.domain.evidence import Evidence
from goodput_exporter.domain.node_view import KernelLogView
from goodput_exporter.domain.observations import GpuSample
from goodput_exporter.sources.kernel_lines import PodOf
from goodput_exporter.sources.kmsg import KernelLog
from goodput_exporter.sources.links import Links
from goodput_exporter.sources.throttling import Throttling

TOLD: Final = "kernel_log"
"""The name among the notes: when the newest line was logged that told something."""
LINKS_SECONDS: Final = 10.0
"""A port's counters are asked of its firmware, and some take milliseconds."""
MOST_WAITING: Final = 4_096


class LinkWatch(threading.Thread):
    """
    Looks at links on a thread of its own: a card that hangs must stop no tick.

    Args:
        links: Whose ``drain`` may wait for firmware.
        clock: Dates what has changed.
        seconds: Between two looks.
    """

    def __init__(
        self, links: Links, clock: Clock, seconds: float = LINKS_SECONDS
    ) -> None:
        super().__init__(name="links", daemon=True)
        self._links = links
        self._clock = clock
        self._seconds = seconds
        self._closing = threading.Event()
        self._found: deque[Evidence] = deque(maxlen=MOST_WAITING)
        self.gpus: Sequence[GpuSample] = ()

    def run(self) -> None:
        """Look until told to stop."""
        self.look()
        while not self._closing.wait(self._seconds):
            self.look()

    def look(self) -> None:
        """Look once."""
        self._found.extend(self._links.drain(self._clock.now_ns(), self.gpus))

    def taken(self) -> list[Evidence]:
        """Return what was found since the last call, at once."""
        return [self._found.popleft() for _ in range(len(self._found))]

    def close(self) -> None:
        """Look no more; a look that hangs is left behind."""
        self._closing.set()
        if self.is_alive():
            self.join(1.0)


class NodeHealth:
    """
    Evidence of one node beside its GPUs' own words.

    Args:
        clock: The ledger's.
        node: Whose.
        kernel_log, links_folder: Where the kernel tells of itself and its devices.
        notes: What an earlier life left: lines that it has told are not told again.
        pod_of: Names pods by their uid.
    """

    def __init__(  # noqa: PLR0913 - services take values, each named at the call
        self,
        clock: Clock,
        node: str,
        *,
        kernel_log: Path,
        links_folder: Path,
        notes: Mapping[str, str],
        pod_of: PodOf | None = None,
    ) -> None:
        now_ns = clock.now_ns()
        self._told_ns = _told_ns(notes, now_ns)
        self._kernel = KernelLog(
            clock, node, since_ns=self._told_ns + 1, pod_of=pod_of, path=kernel_log
        )
        self._links = LinkWatch(Links(node, links_folder), clock)
        self._throttling = Throttling(node)

    def start(self) -> None:
        """Begin to look at links."""
        self._links.start()

    def drain(self, gpus: Sequence[GpuSample]) -> list[Evidence]:
        """Return what is new since the last call; never waits."""
        self._links.gpus = gpus
        logged = self._kernel.drain()
        self._told_ns = max([self._told_ns, *(one.at_ns for one in logged)])
        return [*logged, *self._links.taken(), *self._throttling.drain(gpus)]

    def notes(self) -> dict[str, str]:
        """Return what a later life must know; it changes with evidence only."""
        return {TOLD: str(self._told_ns)}

    def view(self) -> KernelLogView:
        """Return how the kernel's log fares."""
        counts = self._kernel.counts
        records = {
            "read": counts.records - counts.old,
            "old": counts.old,
            "foreign": counts.foreign,
            "malformed": counts.malformed,
            "lost": counts.lost,
        }
        return KernelLogView(self._kernel.why_off is None, records)

    def why_off(self) -> str | None:
        """Say why the kernel's log is not read; None where it is."""
        return self._kernel.why_off

    def close(self) -> None:
        """Let go of the log and of the links."""
        self._links.close()
        self._kernel.close()


def _told_ns(notes: Mapping[str, str], now_ns: int) -> int:
    """
    Return up to when the log has been told.

    Without a note it begins now: what is older may be of jobs of last month. A note
    from the future is of a clock that was wrong.
    """
    said = notes.get(TOLD, "")
    return min(int(said), now_ns) if said.isascii() and said.isdecimal() else now_ns
