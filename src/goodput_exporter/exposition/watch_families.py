"""What the page says of an aggregator's watch over its cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from goodput_exporter.domain.cluster_watch import ClusterWatch, KindWatch, RunWait
from goodput_exporter.domain.snapshot import Snapshot
from goodput_exporter.exposition import watch_metrics as names
from goodput_exporter.exposition.family import (
    AnyFamily,
    Family,
    Group,
    Labels,
    Samples,
    Single,
)
from goodput_exporter.exposition.metric import Metric


def _nodes(watch: ClusterWatch) -> Samples:
    """Give every combination once there are nodes, so that an alert sees it rise."""
    counts = watch.nodes.counts
    if not counts:
        return {}
    return {
        (str(gpu).lower(), "present" if agent else "missing"): counts.get(
            (gpu, agent), 0
        )
        for gpu in (True, False)
        for agent in (True, False)
    }


def _by_name(
    metric: Metric, read: Callable[[ClusterWatch], dict[str, int]]
) -> Family[ClusterWatch]:
    return Family(metric, lambda watch: {(name,): n for name, n in read(watch).items()})


def _while_leading(
    metric: Metric, read: Callable[[ClusterWatch], int]
) -> Single[ClusterWatch]:
    return Single(metric, lambda watch: read(watch) if watch.is_leader else None)


FAMILIES: Final[tuple[AnyFamily[ClusterWatch], ...]] = (
    Single(names.LEADER, lambda watch: int(watch.is_leader)),
    Family(names.NODES, _nodes),
    Family(
        names.CAPACITY_GPUS,
        lambda watch: {(*k,): n for k, n in watch.nodes.capacity.items()},
    ),
    Family(
        names.ALLOCATABLE_GPUS,
        lambda watch: {(*k,): n for k, n in watch.nodes.allocatable.items()},
    ),
    _by_name(names.WITHHELD_GPUS, lambda watch: dict(watch.nodes.withheld)),
    _by_name(names.QUEUE_WAITING, lambda watch: dict(watch.queues)),
    _while_leading(names.EVENTS_UNCLAIMED, lambda watch: watch.unclaimed),
    _by_name(names.PUSHED_BATCHES, lambda watch: dict(watch.pushed.batches)),
    _by_name(names.PUSHES_REFUSED, lambda watch: dict(watch.pushed.refused)),
    _by_name(names.PUSHED_SKIPPED, lambda watch: dict(watch.pushed.skipped)),
    _while_leading(names.PUSHED_MISSING, lambda watch: watch.pushed.missing),
    _while_leading(names.PUSHED_WAITING, lambda watch: watch.pushed.waiting),
    _while_leading(names.CLAIMS_REFUSED, lambda watch: watch.pushed.claims_refused),
    _while_leading(names.RANKS_UNPLACED, lambda watch: watch.pushed.unplaced),
)


def _watch(snapshot: Snapshot) -> tuple[ClusterWatch, ...]:
    return () if snapshot.watched is None else (snapshot.watched,)


WATCH: Final = Group(FAMILIES, _watch, lambda _: ())

KIND_FAMILIES: Final[tuple[AnyFamily[KindWatch], ...]] = (
    Single(names.WATCH_LAST_EVENT, lambda kind: kind.last_event_ns),
    Single(names.WATCH_SYNCED, lambda kind: int(kind.is_synced)),
    Single(names.SOURCE_FORBIDDEN, lambda kind: int(kind.is_forbidden)),
    Single(names.WATCH_OBJECTS, lambda kind: kind.objects),
    Single(names.WATCH_RELISTS, lambda kind: kind.relists),
    Family(
        names.WATCH_ERRORS,
        lambda kind: {(name,): n for name, n in kind.errors.items() if n},
    ),
    Single(names.WATCH_DECODE_FAULTS, lambda kind: kind.decode_faults),
    Single(names.WATCH_VANISHED, lambda kind: kind.vanished),
)


def _kinds(snapshot: Snapshot) -> tuple[KindWatch, ...]:
    return () if snapshot.watched is None else snapshot.watched.kinds


KINDS: Final = Group(KIND_FAMILIES, _kinds, lambda kind: (kind.kind,))

WAIT_FAMILIES: Final[tuple[AnyFamily[RunWait], ...]] = (
    Family(
        names.RUN_WAITED,
        lambda wait: {(reason,): ns for reason, ns in wait.waited_ns.items()},
    ),
)


def _waits(snapshot: Snapshot) -> tuple[RunWait, ...]:
    return () if snapshot.watched is None else snapshot.watched.waits


def _run_labels(wait: RunWait) -> Labels:
    return (wait.key.run, wait.key.namespace, wait.kind)


WAITS: Final = Group(WAIT_FAMILIES, _waits, _run_labels)
