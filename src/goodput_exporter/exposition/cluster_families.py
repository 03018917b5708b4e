"""What the page says of the cluster book: every physical GPU in one category."""

from __future__ import annotations

from typing import Final

from goodput_exporter.domain.gpu_bookings import GpuGroup
from goodput_exporter.domain.gpu_view import ClusterView
from goodput_exporter.domain.snapshot import Snapshot
from goodput_exporter.exposition import cluster_metrics as names
from goodput_exporter.exposition.energy_families import energy_of_nobody
from goodput_exporter.exposition.family import (
    AnyFamily,
    Family,
    Group,
    Labels,
    Samples,
    Single,
)


def _labels(group: GpuGroup) -> Labels:
    return group.gpu_model, group.node_pool, group.category.value, group.reason.value


def _gpu_seconds(cluster: ClusterView) -> Samples:
    return {_labels(group): gpu_ns for group, gpu_ns in cluster.sealed.items()}


def _gpus(cluster: ClusterView) -> Samples:
    """Give every group that there ever was, so that one that is empty now says 0."""
    groups = cluster.sealed.keys() | cluster.gpus.keys()
    return {
        _labels(group): float(cluster.gpus.get(group, 0)) for group in sorted(groups)
    }


def _restated(cluster: ClusterView) -> Samples:
    return {(*pair,): gpu_ns for pair, gpu_ns in cluster.restated.items()}


FAMILIES: Final[tuple[AnyFamily[ClusterView], ...]] = (
    Family(names.CLUSTER_GPU_SECONDS, _gpu_seconds),
    Family(names.CLUSTER_GPUS, _gpus),
    Family(names.CLUSTER_RESTATED, _restated),
    Single(names.CLUSTER_SEALED, lambda cluster: cluster.line_ns),
    Single(names.CLUSTER_TOO_LATE, lambda cluster: cluster.too_late),
    Single(names.CLUSTER_DISPUTES, lambda cluster: cluster.disputes),
    Family(names.CLUSTER_ENERGY, energy_of_nobody),
)


def _subjects(snapshot: Snapshot) -> tuple[ClusterView, ...]:
    return () if snapshot.cluster is None else (snapshot.cluster,)


CLUSTER: Final = Group(FAMILIES, _subjects, lambda _: ())
