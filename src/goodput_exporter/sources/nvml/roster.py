"""Which GPUs this node has and had: where each was last, and which took whose place."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

from goodput_exporter.domain.observations import GpuInventory, GpuLost, GpuSample

NS_PER_SECOND: Final = 1_000_000_000
REPLACED_SHOWN_SECONDS: Final = 3600.0
"""A GPU that was replaced is named among the others for so long."""


@dataclass(slots=True)
class Roster:
    """
    GPUs by UUID, for an index means another GPU after a reboot or a repair.

    Args:
        home: The index that each GPU had last; GPUs of earlier lives included.
        moves: How often that has changed.
    """

    home: dict[str, int] = field(default_factory=dict)
    moves: int = 0
    _replaced_ns: dict[str, int] = field(default_factory=dict)
    _newcomer: dict[int, str] = field(default_factory=dict)

    def settle(
        self, uuid: str, index: int, present: Collection[str], mono_ns: int
    ) -> None:
        """
        Note where a GPU is, and whose place it has taken if it was never seen.

        Args:
            uuid: The GPU that answered.
            index: Where it is now.
            present: The GPUs that are known to be here, this one included.
            mono_ns: CLOCK_MONOTONIC when it answered.
        """
        if uuid not in self.home:
            self._newcomer[index] = uuid
            for other, place in self.home.items():
                if place == index and other not in present:
                    self._replaced_ns.setdefault(other, mono_ns)
        if self.home.get(uuid) != index:
            self.home[uuid] = index
            self.moves += 1
        self._replaced_ns.pop(uuid, None)

    def gone(
        self, present: Collection[str | None], now_ns: int, at_ns: int, why: str
    ) -> list[GpuLost]:
        """Name the GPUs that are not *present*, by index; replaced ones for an hour."""
        return [
            self._gone(uuid, at_ns, why)
            for uuid in self._by_index(self.home.keys() - present)
            if self._is_shown(uuid, now_ns)
        ]

    def _gone(self, uuid: str, at_ns: int, why: str) -> GpuLost:
        index = self.home[uuid]
        if uuid not in self._replaced_ns:
            return GpuLost(index, at_ns, uuid, None, "lost", why)
        detail = f"{self._newcomer[index]} is at its index now"
        return GpuLost(index, at_ns, uuid, None, "replaced", detail)

    def _is_shown(self, uuid: str, now_ns: int) -> bool:
        since_ns = self._replaced_ns.get(uuid, now_ns)
        return now_ns - since_ns <= REPLACED_SHOWN_SECONDS * NS_PER_SECOND

    def paused(self, at_ns: int, why: str) -> list[GpuSample | GpuLost]:
        """Return every GPU that is here as one that nobody asks, by index."""
        here = self.home.keys() - self._replaced_ns.keys()
        return [
            GpuLost(self.home[uuid], at_ns, uuid, None, "paused", why)
            for uuid in self._by_index(here)
        ]

    def _by_index(self, uuids: Iterable[str]) -> list[str]:
        return sorted(uuids, key=lambda uuid: (self.home[uuid], uuid))

    def inventory(
        self, observed: Iterable[GpuSample | GpuLost], on_bus: int | None
    ) -> GpuInventory:
        """Return which of all the GPUs ever seen are among those that answer."""
        answer = {gpu.uuid for gpu in observed if isinstance(gpu, GpuSample)}
        gone = self.home.keys() - answer
        return GpuInventory(
            on_bus=on_bus,
            visible=len(answer),
            missing=tuple(sorted(gone - self._replaced_ns.keys())),
            replaced=tuple(sorted(gone & self._replaced_ns.keys())),
        )
