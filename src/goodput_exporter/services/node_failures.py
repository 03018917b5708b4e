"""How many failures began on each node, beside the entries that say so."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from goodput_exporter.analysis.incident_record import struck_by
from goodput_exporter.domain.bookings import RunEvent
from goodput_exporter.domain.rollups import Booked
from goodput_exporter.domain.snapshot import NodeCause
from goodput_exporter.domain.states import Cause
from goodput_exporter.ledger.ledger import Batch

STRUCK: Final = "struck/"
"""Names in the ledger's meta begin so: the failures of a node by cause."""


class NodeFailures:
    """Counts that are committed in the same batch as what they count."""

    def __init__(self) -> None:
        self._counts: Counter[NodeCause] = Counter()

    def resume(self, meta: Mapping[str, str]) -> None:
        """Go on with the counts that an earlier life has committed."""
        for name, stored in meta.items():
            if name.startswith(STRUCK):
                node = name.removeprefix(STRUCK)
                for cause, count in json.loads(stored).items():
                    self._counts[node, Cause(cause)] = count

    def added_to(self, batch: Batch) -> Batch:
        """Return a batch with what the counts come to once it is committed."""
        own = {k: v for k, v in batch.meta.items() if not k.startswith(STRUCK)}
        new = _failures(batch.bookings)
        for node in {node for node, _ in new}:
            counts = {
                cause.value: self._counts[node, cause] + new[node, cause]
                for cause in Cause
                if self._counts[node, cause] + new[node, cause]
            }
            own[f"{STRUCK}{node}"] = json.dumps(counts, separators=(",", ":"))
        return replace(batch, meta=own)

    def publish(self, batch: Batch) -> None:
        """Take what has been committed."""
        self._counts += _failures(batch.bookings)

    def view(self) -> dict[NodeCause, int]:
        """Return the failures of each node so far, by cause; none is not there."""
        return dict(self._counts)


def _failures(booked: Iterable[Booked]) -> Counter[NodeCause]:
    struck = (struck_by(one) for _, one in booked if isinstance(one, RunEvent))
    return Counter(one for one in struck if one is not None)
