"""Metrics of the aggregator's watch and of what agents push to it, as data."""

from __future__ import annotations

from typing import Final

from goodput_exporter.exposition.metric import counter, gauge
from goodput_exporter.exposition.run_metrics import RUN

LEADER: Final = gauge(
    "goodput_leader", "1 on the replica that writes, 0 on those that wait for it."
)
WATCH_LAST_EVENT: Final = gauge(
    "goodput_watch_last_event_timestamp_seconds",
    "When the API server last said anything about a kind of objects, in Unix time.",
    "kind",
    unit="seconds",
    in_ns=True,
)
WATCH_SYNCED: Final = gauge(
    "goodput_watch_synced",
    "1 while what is known of a kind equals a complete list and what came after it.",
    "kind",
)
SOURCE_FORBIDDEN: Final = gauge(
    "goodput_source_forbidden",
    "1 while RBAC refuses a kind: what it would tell is not known.",
    "kind",
)
WATCH_OBJECTS: Final = gauge(
    "goodput_watch_objects", "Objects of a kind that are held.", "kind"
)
WATCH_RELISTS: Final = counter(
    "goodput_watch_relists_total",
    "Lists of a kind after the first one: the watch could not go on.",
    "kind",
)
WATCH_ERRORS: Final = counter(
    "goodput_watch_errors_total",
    "Lists and watches of a kind that failed, by class; those seen so far.",
    "kind",
    "trouble",
)
WATCH_DECODE_FAULTS: Final = counter(
    "goodput_watch_decode_faults_total",
    "Values left out of objects because they are not of the type that the API says.",
    "kind",
)
WATCH_VANISHED: Final = counter(
    "goodput_watch_vanished_total",
    "Objects that a list did not have any more: they ended while nobody looked.",
    "kind",
)
EVENTS_UNCLAIMED: Final = counter(
    "goodput_events_unclaimed_total",
    "Events of the cluster about nothing that was ever seen.",
)

# What waits, and what the nodes have.
RUN_WAITED: Final = counter(
    "goodput_run_waited_seconds_total",
    "Time that the run waited, by what for: suspended (quota), gated, unschedulable, "
    "image_pull, init.",
    *(*RUN, "reason"),
    unit="seconds",
    in_ns=True,
)
QUEUE_WAITING: Final = gauge(
    "goodput_queue_longest_wait_seconds",
    "How long the run that waits longest in a queue has waited by now.",
    "queue",
    unit="seconds",
    in_ns=True,
)
NODES: Final = gauge(
    "goodput_nodes",
    "Nodes by whether they have GPUs (true, false) and whether their agent was heard "
    "of lately (present, missing).",
    "gpu",
    "agent",
)
CAPACITY_GPUS: Final = gauge(
    "goodput_nodes_capacity_gpus",
    "GPUs that nodes have, as their kubelets say.",
    "gpu_model",
    "node_pool",
)
ALLOCATABLE_GPUS: Final = gauge(
    "goodput_nodes_allocatable_gpus",
    "GPUs that nodes offer to pods.",
    "gpu_model",
    "node_pool",
)
WITHHELD_GPUS: Final = gauge(
    "goodput_node_withheld_gpus",
    "GPUs that a node has and does not offer; absent where it offers all.",
    "gpu_node",
)

# What agents push.
PUSHED_BATCHES: Final = counter(
    "goodput_pushed_batches_total",
    "Agents' batches by what became of them: applied, duplicate, unreadable.",
    "fate",
)
PUSHES_REFUSED: Final = counter(
    "goodput_pushes_refused_total",
    "Agents' requests that were refused as a whole, by reason.",
    "reason",
)
PUSHED_SKIPPED: Final = counter(
    "goodput_pushed_skipped_total",
    "What was left out of batches that were taken: unknown kinds and fields, rows that "
    "cannot be, what is of another node (foreign).",
    "what",
)
PUSHED_MISSING: Final = counter(
    "goodput_pushed_missing_total",
    "Batches that never came, told by gaps in their numbers.",
)
PUSHED_WAITING: Final = gauge(
    "goodput_pushed_waiting", "Batches that are not committed yet."
)
CLAIMS_REFUSED: Final = counter(
    "goodput_run_claims_refused_total",
    "Ranks that named the run of other pods; they are booked as themselves.",
)
RANKS_UNPLACED: Final = counter(
    "goodput_ranks_unplaced_total",
    "Ranks whose pod nobody knew; they are taken at their word.",
)
