"""A cluster's runs divided over aggregators, each with watches and books of its own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from copy import deepcopy
from dataclasses import dataclass, field

from goodput_exporter.domain.accounting import Account
from goodput_exporter.domain.energy import Energy
from goodput_exporter.domain.energy_totals import NOBODY, EnergyTotals
from goodput_exporter.domain.observations import Delivered
from goodput_exporter.domain.placement import Placement
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.services.bookkeeper import Bookkeeper
from goodput_exporter.services.cluster_gpus import ClusterGpus
from goodput_exporter.services.gpu_bookkeeper import GpuBookkeeper
from goodput_exporter.services.naming import Naming
from goodput_exporter.services.other_shards import OtherShards
from goodput_exporter.services.sharding import Shard
from goodput_exporter.services.sharing import Share
from goodput_exporter.sources.workloads.tracker import Tracker
from goodput_exporter.wire.kinds import Observation
from tests.fakes.cluster import Raw, ns
from tests.fakes.ledger import MemoryLedger
from tests.fakes.office import books_on

PUSH_S = 5


@dataclass
class OneShard:
    """
    What one aggregator is made of, without processes and networks.

    Args:
        shard: Which runs it books.
        others: The cluster's other shards.
        ledger: Its own book.
    """

    shard: Shard
    others: OtherShards
    ledger: MemoryLedger
    tracker: Tracker = field(default_factory=lambda: Tracker("local"))
    waiting: list[tuple[str, list[Observation]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin with nothing."""
        self.share = Share(self.shard.index)
        self.gpus = GpuBookkeeper(others=self.others)
        self.looks = ClusterGpus(self.tracker)
        self.books: Bookkeeper = books_on(self.ledger, gpus=self.gpus)
        self.books.resume(ns(0))
        self.naming = Naming(
            self.tracker, self.shard, cluster="local", namespace="default"
        )

    def tick(self, now_ns: int) -> None:
        """Book what the watches and the agents have brought, as an aggregator does."""
        self._look(now_ns)
        waiting, self.waiting = self.waiting, []
        for node, seen in waiting:
            if self.shard.is_first:
                self.gpus.take(self.looks.hear(node, seen))
                self.gpus.meter(node, seen, now_ns)
            self.books.take(self.naming.named(seen, node, now_ns), node)
        found = list(self.naming.ripe(now_ns))
        self._look(now_ns)
        for node, ready in found:
            self.books.take(ready, node)
        self.books.tick(now_ns)
        self.naming.settle(is_committed=True)

    def _look(self, now_ns: int) -> None:
        self.books.take(
            one
            for one in self.tracker.drain(now_ns)
            if not isinstance(one, Placement) or self.shard.owns(one.key)
        )

    def energy(self, now_ns: int) -> list[EnergyTotals]:
        """Return what its page shows: of its runs; on the first, of nobody, too."""
        ours = [run.key for run in self.ledger.runs()]
        if not self.shard.is_first:
            return list(self.others.energy(ours, now_ns))
        known = self.gpus.view().energy
        return [one for one in known if one.key in (NOBODY, *ours)]


class Shards:
    """
    All aggregators of a cluster.

    Args:
        count: How many there are.
        is_shared: Their books are in one database, where each may read them all.
    """

    def __init__(self, count: int, *, is_shared: bool = True) -> None:
        opens = self._book if is_shared else None
        self._ledgers = [MemoryLedger() for _ in range(count)]
        shards = [Shard(index, count) for index in range(count)]
        self.all = [
            OneShard(shard, OtherShards(shard, opens), self._ledgers[shard.index])
            for shard in shards
        ]

    def see(self, second: int, *raws: Raw) -> None:
        """Bring changes of objects to everybody's watches."""
        for one in self.all:
            for raw in raws:
                one.tracker.change("modified", deepcopy(raw), ns(second))

    def hear(self, node: str, seen: Sequence[Observation], second: int) -> None:
        """Push what an agent saw up to an instant; it waits for who is away."""
        told = [*seen, Delivered(node, ns(second) - NS_PER_SECOND)]
        for one in self.all:
            one.waiting.append((node, deepcopy(one.share.of(told))))

    def tick(self, second: int, away: Collection[int] = ()) -> None:
        """Let everybody book who is there."""
        for one in self.all:
            if one.shard.index not in away:
                one.tick(ns(second))

    def energy(self, second: int) -> dict[tuple[str, str, str], Energy]:
        """
        Return what the pages of all shards show by run, state and cause.

        GPUs of no run are ``""``, and theirs is a category instead of a state.

        Raises:
            AssertionError: Two pages show the same.
        """
        found: dict[tuple[str, str, str], Energy] = {}
        for one in self.all:
            for totals in one.energy(ns(second)):
                for group, energy in totals.groups.items():
                    name = totals.key.run, *group
                    assert name not in found, f"{name} is on two pages"
                    found[name] = energy
        return found

    def _book(self, index: int) -> MemoryLedger:
        return self._ledgers[index]

    def accounts(self) -> dict[RunKey, Account]:
        """
        Return what the ledgers hold of every run.

        Raises:
            AssertionError: Two of them hold the same run.
        """
        found: dict[RunKey, Account] = {}
        for one in self.all:
            for run in one.ledger.runs():
                assert run.key not in found, f"{run.key} is in two ledgers"
                found[run.key] = one.ledger.account(run.key)
        return found
