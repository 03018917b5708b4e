"""How the aggregator's watch goes, as one value for the page."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from goodput_exporter.domain.cluster_watch import (
    ClusterWatch,
    KindWatch,
    NodesSeen,
    Pushed,
    RunWait,
)
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.ingest.inbox import Inbox
from goodput_exporter.ingest.refusals import Counts
from goodput_exporter.services.following import Following
from goodput_exporter.services.naming import Naming
from goodput_exporter.services.sharding import Shard
from goodput_exporter.sources.kubernetes.standing import Standing, State
from goodput_exporter.sources.workloads.nodes import NodeRecord
from goodput_exporter.sources.workloads.tracker import Tracker

MISSING_NS: Final = 60 * NS_PER_SECOND
"""An agent pushes every 5 s; one that is updated is away for less than this."""


@dataclass(slots=True)
class Hearing:
    """When each node's agent was last heard."""

    heard_ns: dict[str, int] = field(default_factory=dict)

    def hear(self, node: str, now_ns: int) -> None:
        """Note that an agent's batch came."""
        self.heard_ns[node] = now_ns

    def has(self, node: str, now_ns: int) -> bool:
        """Tell whether a node's agent was heard lately."""
        heard_ns = self.heard_ns.get(node)
        return heard_ns is not None and now_ns - heard_ns < MISSING_NS


def watch_of(  # noqa: PLR0913 - every part of the aggregator, once
    following: Following,
    tracker: Tracker,
    hearing: Hearing,
    waits: tuple[RunWait, ...],
    *,
    inbox: Inbox,
    counts: Counts,
    naming: Naming,
    shard: Shard,
    now_ns: int,
) -> ClusterWatch:
    """Return how the watch goes now; what is nobody's run only on the first shard."""
    return ClusterWatch(
        is_leader=True,
        kinds=tuple(
            _kind(following.label_of(at), standing)
            for at, standing in enumerate(following.standings())
        ),
        waits=waits,
        queues=tracker.waiting_ns(now_ns) if shard.is_first else {},
        nodes=nodes_seen(tracker, hearing, now_ns) if shard.is_first else NodesSeen(),
        pushed=_pushed(inbox, counts, naming),
        unclaimed=tracker.unclaimed,
    )


def _kind(label: str, standing: Standing) -> KindWatch:
    return KindWatch(
        label,
        standing.last_event_ns,
        is_synced=standing.state is State.SYNCED,
        is_forbidden=standing.state is State.FORBIDDEN,
        objects=standing.objects,
        relists=standing.relists,
        errors={trouble.value: n for trouble, n in standing.errors.items()},
        decode_faults=standing.decode_faults,
        vanished=standing.vanished,
    )


def nodes_seen(tracker: Tracker, hearing: Hearing, now_ns: int) -> NodesSeen:
    """Count nodes by whether they have GPUs and an agent, and what they offer."""
    counts: Counter[tuple[bool, bool]] = Counter()
    capacity: Counter[tuple[str | None, ...]] = Counter()
    allocatable: Counter[tuple[str | None, ...]] = Counter()
    withheld: dict[str, int] = {}
    for name, node in tracker.register.nodes.items():
        if node.is_gone:
            continue
        counts[bool(node.capacity), hearing.has(name, now_ns)] += 1
        if node.capacity:
            place = (node.gpu_model or "", node.pool or "")
            capacity[place] += node.capacity
            allocatable[place] += node.allocatable or 0
            withheld |= _withheld(name, node)
    return NodesSeen(counts, capacity, allocatable, withheld)


def _withheld(name: str, node: NodeRecord) -> dict[str, int]:
    missing = (node.capacity or 0) - (node.allocatable or 0)
    return {name: missing} if missing > 0 else {}


def _pushed(inbox: Inbox, counts: Counts, naming: Naming) -> Pushed:
    return Pushed(
        {
            "applied": inbox.applied,
            "duplicate": inbox.duplicates,
            "unreadable": counts.unreadable,
        },
        {reason.value: n for reason, n in counts.refused.items()},
        {**counts.skipped, "overflow": naming.counts.dropped},
        inbox.missing,
        inbox.waiting,
        naming.counts.refused_claims,
        naming.counts.unplaced,
    )
