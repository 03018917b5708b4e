"""How long runs have waited: shown as long as they are in sight, over our restarts."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping
from typing import Final

from goodput_exporter.domain.runs import RunKey
from goodput_exporter.services.sharding import Shard
from goodput_exporter.sources.workloads.tracker import Tracker
from goodput_exporter.sources.workloads.waits import Wait

META: Final = "waited/"
"""Names in the ledger's meta begin with this; a slot's number follows."""

_log = logging.getLogger(__name__)

Spent = dict[Wait, int]


class Waited:
    """
    Keeps what runs have waited in numbered slots of the ledger's meta.

    A slot is written when its run's placement changes, up to the date of that
    placement: from there on the tracker adds what passes. The tracker forgets a run
    with its last object, and what is shown of it stays until the run leaves the
    page. Slots of runs that have left are used again, so there are as many as there
    were runs at a time.

    Args:
        tracker: Adds the waits up.
        shard: Whose runs are looked at.
    """

    def __init__(self, tracker: Tracker, shard: Shard) -> None:
        self._tracker = tracker
        self._shard = shard
        self._spent: dict[RunKey, Spent] = {}
        self._slots: dict[RunKey, int] = {}
        self._free: list[int] = []
        self._written: dict[RunKey, Spent] = {}
        self._news: dict[str, str] = {}

    def resume(self, meta: Mapping[str, str]) -> None:
        """Give runs that the tracker remembers what they had waited before."""
        for name, text in sorted(meta.items()):
            if not name.startswith(META):
                continue
            slot = int(name.removeprefix(META))
            key, spent = _decoded(name, text) if text else (None, {})
            if key is None or key in self._slots:
                self._free.append(slot)
                continue
            run = self._tracker.register.runs.get(key)
            if run is not None:
                run.waits_ns = dict(spent)
            self._spent[key] = spent
            self._slots[key], self._written[key] = slot, dict(spent)

    def look(self, now_ns: int, in_sight: Collection[RunKey]) -> None:
        """
        Take over what the tracker knows, and forget runs that have left.

        Args:
            now_ns: The present.
            in_sight: Runs that are on the page.
        """
        runs = self._tracker.register.runs
        waits = self._tracker.waits(now_ns).items()
        self._spent.update({k: spent for k, spent in waits if self._shard.owns(k)})
        for key in [key for key in self._spent if key not in runs]:
            if key not in in_sight:
                self._leave(key)
            elif self._spent[key]:
                self._put(key, self._spent[key])
        for key, run in runs.items():
            if run.waits_ns and key in self._spent:
                self._put(key, run.waits_ns)

    def shown(self) -> Mapping[RunKey, Spent]:
        """Return how long each run has waited by now, in nanoseconds by reason."""
        return self._spent

    def news(self) -> dict[str, str]:
        """Return the slots that changed, until they are settled."""
        return dict(self._news)

    def settle(self, *, is_committed: bool) -> None:
        """Tell whether the news so far is in the ledger."""
        if is_committed:
            self._news.clear()

    def _put(self, key: RunKey, spent: Mapping[Wait, int]) -> None:
        if self._written.get(key) == spent:
            return
        if key not in self._slots:
            count = len(self._slots)
            self._slots[key] = self._free.pop() if self._free else count
        self._written[key] = dict(spent)
        self._news[f"{META}{self._slots[key]}"] = _encoded(key, spent)

    def _leave(self, key: RunKey) -> None:
        del self._spent[key]
        slot = self._slots.pop(key, None)
        if slot is not None:
            del self._written[key]
            self._free.append(slot)
            self._news[f"{META}{slot}"] = ""


def _encoded(key: RunKey, spent: Mapping[Wait, int]) -> str:
    named = {wait.value: ns for wait, ns in sorted(spent.items())}
    return json.dumps([key.cluster, key.namespace, key.run, named])


def _decoded(name: str, text: str) -> tuple[RunKey | None, Spent]:
    try:
        cluster, namespace, run, named = json.loads(text)
        spent = {Wait(wait): int(ns) for wait, ns in named.items()}
        return RunKey(cluster, namespace, run), spent
    except (ValueError, TypeError, AttributeError):
        _log.exception("%s cannot be read; a run's waits begin anew", name)
        return None, {}
