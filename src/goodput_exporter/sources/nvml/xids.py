"""How often each GPU reported each XID, and whether somebody listens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from goodput_exporter.domain.observations import XidCount
from goodput_exporter.domain.xids import xid_class
from goodput_exporter.sources.nvml.wire import Happened, Watching

MOST_ROWS: Final = 1024
"""Rows of (GPU, code); a driver that invents codes is counted, not remembered."""


@dataclass(slots=True)
class XidLog:
    """Counters that outlive every child."""

    overflowed: int = 0
    _counts: dict[tuple[str, int], XidCount] = field(default_factory=dict)
    _watching: dict[str, Watching] = field(default_factory=dict)

    def happened(self, message: Happened, at_ns: int) -> None:
        """Add one, dated on the ledger's clock."""
        key = (message.uuid, message.xid)
        before = self._counts.get(key)
        if before is None and len(self._counts) >= MOST_ROWS:
            self.overflowed += 1
            return
        total = 1 if before is None else before.total + 1
        self._counts[key] = XidCount(*key, xid_class(message.xid), total, at_ns)

    def watching(self, message: Watching) -> None:
        """Note whether XIDs of one GPU are heard."""
        self._watching[message.uuid] = message

    def restart(self) -> None:
        """A new child listens to nothing yet."""
        self._watching.clear()

    def counts(self) -> tuple[XidCount, ...]:
        """Return every count, by GPU and code."""
        return tuple(count for _, count in sorted(self._counts.items()))

    def deaf(self, uuid: str) -> str | None:
        """Return why XIDs of one GPU are not heard; None when they are."""
        told = self._watching.get(uuid)
        if told is None:
            return "not asked for yet"
        return None if told.is_on else told.detail
