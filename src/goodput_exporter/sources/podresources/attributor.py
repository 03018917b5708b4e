"""The kubelet's looks and the node's GPUs, made into holdings and counts."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from goodput_exporter.domain.allocations import (
    Allocation,
    DynamicDevices,
    PodFacts,
    PodName,
)
from goodput_exporter.domain.device_ids import Gpus
from goodput_exporter.domain.holdings import NO_SLICES, Attributed, Result, attribute
from goodput_exporter.sources.podresources.listing import Look

LOG: Final = logging.getLogger(__name__)

NS_PER_SECOND: Final = 1_000_000_000
MOST_IDS_LOGGED: Final = 1_000
"""A plugin that writes a new id each time fills no log and no memory."""

FactsOf = Callable[[PodName], PodFacts | None]
Question = tuple[
    tuple[Allocation, ...], Gpus, Mapping[PodName, PodFacts], DynamicDevices
]


def nothing_known(_pod: PodName) -> PodFacts | None:
    """Stand in where no other source knows the pods: all of them count as running."""
    return None


class Attributor:
    """
    Says at every tick who holds which GPU; what nobody knows it says, too.

    Args:
        stale_after_seconds: For how long the kubelet's last answer holds while it
            cannot be asked. Containers outlive its restarts; after that, nobody knows.
    """

    def __init__(self, *, stale_after_seconds: float = 60.0) -> None:
        self.results: Counter[Result] = Counter(dict.fromkeys(Result, 0))
        self.conflicts = 0
        self._stale_after_ns = int(stale_after_seconds * NS_PER_SECOND)
        self._counted = 0
        self._first_seen_ns: dict[PodName, int] = {}
        self._logged: set[str] = set()
        self._asked: Question | None = None
        self._answered: Attributed | None = None

    def tick(
        self,
        look: Look,
        now_ns: int,
        gpus: Gpus,
        facts_of: FactsOf = nothing_known,
        dynamic: DynamicDevices = NO_SLICES,
    ) -> Attributed | None:
        """
        Return who holds what; None is not known, which is not "nobody".

        A look is counted once, however many ticks see it.

        Args:
            look: The newest one.
            now_ns: On the ledger's clock.
            gpus: The node's GPUs as NVML lists them now.
            facts_of: What another source knows of a pod: the API, or its cgroup.
            dynamic: What ResourceSlices say.
        """
        listing = look.listing_since(now_ns - self._stale_after_ns)
        is_news = look.number > self._counted
        self._counted = max(self._counted, look.number)
        if is_news and look.trouble is not None:
            self.results[look.trouble.result] += 1
        if listing is None:
            return None
        pods = self._pods(listing.allocations, now_ns, facts_of)
        attributed = self._answer((listing.allocations, gpus, pods, dynamic))
        if is_news and look.trouble is None:
            self.results.update(attributed.results)
            self.conflicts += attributed.conflicts
            self._warn(attributed.unmatched, gpus)
        return attributed

    def _answer(self, question: Question) -> Attributed:
        """Return the last answer if nothing has changed: most ticks are like that."""
        if self._answered is None or question != self._asked:
            self._asked, self._answered = question, attribute(*question)
        return self._answered

    def _pods(
        self, allocations: tuple[Allocation, ...], now_ns: int, facts_of: FactsOf
    ) -> Mapping[PodName, PodFacts]:
        """Return what is known of the listed pods; first sight stands for creation."""
        listed = dict.fromkeys(one.pod for one in allocations)
        self._first_seen_ns = {
            pod: self._first_seen_ns.get(pod, now_ns) for pod in listed
        }
        return {pod: self._facts(pod, facts_of(pod)) for pod in listed}

    def _facts(self, pod: PodName, known: PodFacts | None) -> PodFacts:
        facts = PodFacts() if known is None else known
        if facts.created_ns is not None:
            return facts
        return replace(facts, created_ns=self._first_seen_ns[pod])

    def _warn(self, unmatched: tuple[str, ...], gpus: Gpus) -> None:
        """Log an id the first time that it names no GPU here."""
        for device_id in unmatched:
            if device_id in self._logged or len(self._logged) >= MOST_IDS_LOGGED:
                continue
            self._logged.add(device_id)
            LOG.warning(
                "device id %r names none of this node's %d GPUs, so its holder is not "
                "known; if a pod runs on it, please report the id and its plugin",
                device_id,
                len(gpus),
            )
