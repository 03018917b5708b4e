"""How the watching of a cluster goes: what is followed, what waits, who is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from goodput_exporter.domain.runs import RunKey


@dataclass(frozen=True, slots=True)
class KindWatch:
    """
    How one kind of objects is followed. Counts are since the start.

    Args:
        kind: Such as ``Pod``; ``Job.batch.volcano.sh`` where a name is used twice.
        last_event_ns: When the API server last said anything about it.
        is_synced: What is known equals a list that was complete.
        is_forbidden: RBAC refuses it.
        objects: That are held now.
        relists: Lists begun after the first complete one.
        errors: By class.
        decode_faults: Values left out of objects because of their type.
        vanished: Objects that a list did not have any more.
    """

    kind: str
    last_event_ns: int | None
    is_synced: bool
    is_forbidden: bool
    objects: int
    relists: int
    errors: Mapping[str, int]
    decode_faults: int
    vanished: int


@dataclass(frozen=True, slots=True)
class RunWait:
    """How long one run has waited, in nanoseconds by what it waited for."""

    key: RunKey
    kind: str
    waited_ns: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class NodesSeen:
    """
    What the cluster's nodes have.

    Args:
        counts: Nodes by whether they have GPUs and whether their agent is heard.
        capacity, allocatable: GPUs by (model, pool).
        withheld: GPUs that a node has and does not offer, by node; without zeros.
    """

    counts: Mapping[tuple[bool, bool], int] = field(default_factory=dict)
    capacity: Mapping[tuple[str | None, ...], int] = field(default_factory=dict)
    allocatable: Mapping[tuple[str | None, ...], int] = field(default_factory=dict)
    withheld: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pushed:
    """
    What agents have pushed since the start.

    Args:
        batches: By what became of them: ``applied``, ``duplicate``, ``unreadable``.
        refused: Whole requests, by reason.
        skipped: Left out of batches that were taken, by why.
        missing: Batches that never came, told by gaps in their numbers.
        waiting: Batches that are not committed yet.
        claims_refused: Ranks that named a run which is not theirs.
        unplaced: Ranks whose pod nobody knew.
    """

    batches: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)
    missing: int = 0
    waiting: int = 0
    claims_refused: int = 0
    unplaced: int = 0


@dataclass(frozen=True, slots=True)
class ClusterWatch:
    """
    What one aggregator knows of its own work.

    Args:
        is_leader: It is the one that writes; the rest is empty where it is not.
        kinds: In the order of the table of kinds.
        waits: Of runs that were not over when the last tick began.
        queues: The longest present wait of a run, in nanoseconds by queue.
        nodes: What the nodes have.
        pushed: What agents pushed.
        unclaimed: Events about nothing that was ever seen.
    """

    is_leader: bool
    kinds: tuple[KindWatch, ...] = ()
    waits: tuple[RunWait, ...] = ()
    queues: Mapping[str, int] = field(default_factory=dict)
    nodes: NodesSeen = field(default_factory=NodesSeen)
    pushed: Pushed = field(default_factory=Pushed)
    unclaimed: int = 0
