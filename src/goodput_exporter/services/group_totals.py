"""The totals of groups of runs, in the ledger beside the entries they are sums of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from goodput_exporter.domain.placement import Owner
from goodput_exporter.domain.rollups import (
    Booked,
    GroupKey,
    GroupView,
    Rollups,
    Totals,
    decode,
    encode,
)
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.ledger.ledger import Batch

GROUP: Final = "group/"
"""Names in the ledger's meta begin so: the totals of a group of runs."""

Owners = Mapping[RunKey, Owner]


class GroupTotals:
    """Rollups that are committed in the same batch as what they add up."""

    def __init__(self) -> None:
        self._rollups = Rollups()
        self._ahead: dict[GroupKey, Totals] = {}

    def resume(self, meta: Mapping[str, str]) -> None:
        """Go on with the totals that an earlier life has committed."""
        for name, stored in meta.items():
            if name.startswith(GROUP):
                kind, _, value = name.removeprefix(GROUP).partition("/")
                self._rollups.totals[GroupKey(kind, value)] = decode(json.loads(stored))

    def remember(self, booked: Sequence[Booked], owners: Owners, now_ns: int) -> None:
        """Take entries that are committed already into the recent windows."""
        self._rollups.remember(booked, owners, now_ns)

    def added_to(self, batch: Batch, owners: Owners) -> Batch:
        """Return a batch with what the groups come to once it is committed."""
        own = {k: v for k, v in batch.meta.items() if not k.startswith(GROUP)}
        self._ahead = self._rollups.ahead(batch.bookings, owners)
        totals = {
            f"{GROUP}{group}": json.dumps(encode(totals), separators=(",", ":"))
            for group, totals in self._ahead.items()
        }
        return replace(batch, meta={**own, **totals})

    def publish(self, batch: Batch, owners: Owners) -> None:
        """Take what has been committed: the batch that ``added_to`` returned last."""
        self._rollups.totals.update(self._ahead)
        self._rollups.remember(batch.bookings, owners, batch.booked_ns)

    def views(self, now_ns: int) -> tuple[GroupView, ...]:
        """Return what may be shown of every group."""
        return self._rollups.views(now_ns)
