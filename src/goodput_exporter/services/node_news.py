"""What is new of a node's GPUs since the last tick, for whoever is told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from goodput_exporter.domain.gpu_holdings import GpuHoldings, told
from goodput_exporter.domain.holdings import Attributed
from goodput_exporter.domain.observations import (
    GpuInventory,
    GpuLost,
    GpuSample,
    XidCount,
)
from goodput_exporter.domain.spans import NS_PER_SECOND

REPEAT_NS: Final = 30 * NS_PER_SECOND
"""State is told again so often: an aggregator that comes later has missed it."""

News = GpuSample | GpuLost | XidCount | GpuInventory | GpuHoldings


class NodeNews:
    """Remembers what was told, so that only what has changed is told again."""

    def __init__(self) -> None:
        self._told_ns: dict[str, int] = {}
        self._xids: dict[tuple[str, int], XidCount] = {}
        self._inventory: GpuInventory | None = None
        self._holders: Attributed | None = None
        self._has_told_holders = False
        self._repeated_ns = 0

    def of(
        self,
        gpus: Sequence[GpuSample | GpuLost],
        xids: Iterable[XidCount],
        inventory: GpuInventory | None,
        now_ns: int,
    ) -> list[News]:
        """
        Return what is new of the GPUs.

        A sample that was told is not told again: a driver that hangs says nothing.
        """
        if now_ns - self._repeated_ns >= REPEAT_NS:
            self._repeated_ns = now_ns
            self._xids, self._inventory, self._has_told_holders = {}, None, False
        news: list[News] = []
        for gpu in gpus:
            name = gpu.uuid or str(gpu.index)
            if self._told_ns.get(name) != gpu.at_ns:
                self._told_ns[name] = gpu.at_ns
                news.append(gpu)
        for xid in xids:
            if self._xids.get((xid.uuid, xid.xid)) != xid:
                self._xids[xid.uuid, xid.xid] = xid
                news.append(xid)
        if inventory is not None and inventory != self._inventory:
            self._inventory = inventory
            news.append(inventory)
        return news

    def of_holders(self, attributed: Attributed | None, now_ns: int) -> list[News]:
        """Return who holds what, if that has changed."""
        # The same question has the same answer, and is the same object then.
        if self._has_told_holders and attributed is self._holders:
            return []
        self._holders, self._has_told_holders = attributed, True
        return [told(attributed, now_ns)]
