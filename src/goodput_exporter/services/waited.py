"""How long runs have waited, kept over restarts of ours."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Final

from goodput_exporter.domain.runs import RunKey
from goodput_exporter.sources.workloads.tracker import Tracker
from goodput_exporter.sources.workloads.waits import Wait

META: Final = "waited/"
"""Names in the ledger's meta begin with this; a slot's number follows."""

_log = logging.getLogger(__name__)


class Waited:
    """
    Keeps what open runs have waited in numbered slots of the ledger's meta.

    A slot is written when its run's placement changes, up to the date of that
    placement: from there on the tracker adds what passes. Slots of runs that are
    over are used again, so there are as many as there were runs at a time.

    Args:
        tracker: Adds the waits up.
    """

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._slots: dict[RunKey, int] = {}
        self._free: list[int] = []
        self._written: dict[RunKey, str] = {}
        self._news: dict[str, str] = {}

    def resume(self, meta: Mapping[str, str]) -> None:
        """Give runs that the tracker remembers what they had waited before."""
        for name, text in sorted(meta.items()):
            if not name.startswith(META):
                continue
            slot = int(name.removeprefix(META))
            key, waits = _decoded(name, text) if text else (None, {})
            run = None if key is None else self._tracker.register.runs.get(key)
            if key is None or run is None or key in self._slots:
                self._free.append(slot)
                continue
            run.waits_ns = dict(waits)
            self._slots[key], self._written[key] = slot, text

    def news(self) -> dict[str, str]:
        """Return the slots that changed, until they are settled."""
        runs = self._tracker.register.runs
        for key in [key for key in self._slots if key not in runs]:
            slot = self._slots.pop(key)
            self._free.append(slot)
            self._news[f"{META}{slot}"] = ""
            del self._written[key]
        for key, run in runs.items():
            text = _encoded(key, run.waits_ns)
            if run.waits_ns and self._written.get(key) != text:
                self._written[key] = text
                self._news[f"{META}{self._slot(key)}"] = text
        return dict(self._news)

    def settle(self, *, is_committed: bool) -> None:
        """Tell whether the news so far is in the ledger."""
        if is_committed:
            self._news.clear()

    def _slot(self, key: RunKey) -> int:
        if key not in self._slots:
            used = len(self._slots)
            self._slots[key] = self._free.pop() if self._free else used
        return self._slots[key]


def _encoded(key: RunKey, waits: Mapping[Wait, int]) -> str:
    spent = {wait.value: ns for wait, ns in sorted(waits.items())}
    return json.dumps([key.cluster, key.namespace, key.run, spent])


def _decoded(name: str, text: str) -> tuple[RunKey | None, dict[Wait, int]]:
    try:
        cluster, namespace, run, spent = json.loads(text)
        waits = {Wait(wait): int(ns) for wait, ns in spent.items()}
        return RunKey(cluster, namespace, run), waits
    except (ValueError, TypeError, AttributeError):
        _log.exception("%s cannot be read; a run's waits begin anew", name)
        return None, {}
