"""What the page says of a node's GPUs: samples, health, XIDs, and holders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from goodput_exporter.domain.observations import (
    GpuHealth,
    GpuLost,
    GpuSample,
    XidCount,
)
from goodput_exporter.domain.snapshot import Snapshot
from goodput_exporter.exposition import gpu_metrics as names
from goodput_exporter.exposition.family import Family, Group, Labels, Samples, Single
from goodput_exporter.exposition.metric import Metric

Read = Callable[[GpuHealth], float | None]


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU of one node, as last observed."""

    node: str
    seen: GpuSample | GpuLost


def _gpu_error(gpu: Gpu) -> Samples:
    if isinstance(gpu.seen, GpuSample):
        return {}
    code = None if gpu.seen.code is None else str(gpu.seen.code)
    return {(code, gpu.seen.reason): 1}


def _measured(metric: Metric, read: Callable[[GpuSample], float | None]) -> Family[Gpu]:
    """Fill a metric with one figure of a GPU that answers."""

    def samples(gpu: Gpu) -> Samples:
        if isinstance(gpu.seen, GpuLost):
            return {}
        value = read(gpu.seen)
        return {} if value is None else {(gpu.seen.name,): value}

    return Family(metric, samples)


def _gpus_of(snapshot: Snapshot) -> list[Gpu]:
    """Return this node's GPUs."""
    return [Gpu(snapshot.node, seen) for seen in snapshot.gpus]


def _gpu_labels(gpu: Gpu) -> Labels:
    """Return what tells a GPU from all others, lost or not."""
    return (gpu.node, gpu.seen.uuid, str(gpu.seen.index))


def _of_sample(
    metric: Metric, read: Callable[[GpuSample], dict[Labels, float]]
) -> Family[Gpu]:
    def samples(gpu: Gpu) -> Samples:
        if not isinstance(gpu.seen, GpuSample):
            return {}
        name = gpu.seen.name
        return {(name, *labels): value for labels, value in read(gpu.seen).items()}

    return Family(metric, samples)


def _of_health(metric: Metric, **reads: Read) -> Family[Gpu]:
    """Fill a metric from the counters of errors; a kind not told is absent."""

    def read(sample: GpuSample) -> dict[Labels, float]:
        if sample.health is None:
            return {}
        told = {kind: one(sample.health) for kind, one in reads.items()}
        # A flag is a number on a page.
        return {(kind,): int(n) for kind, n in told.items() if n is not None}

    return _of_sample(metric, read)


def _throttled(sample: GpuSample) -> dict[Labels, float]:
    return {
        (one.reason, "sampled" if one.is_sampled else "counter"): one.total_ns
        for one in sample.throttled
    }


def _replays(sample: GpuSample) -> dict[Labels, float]:
    health = sample.health
    if health is None or health.pcie_replays is None:
        return {}
    return {(): health.pcie_replays}


def _inactive_links(health: GpuHealth) -> float | None:
    if health.nvlinks is None or health.nvlinks_active is None:
        return None
    return health.nvlinks - health.nvlinks_active


def _recovery(sample: GpuSample) -> dict[Labels, float]:
    health = sample.health
    if health is None or health.recovery_action is None:
        return {}
    return {(health.recovery_action,): 1}


def _mig(sample: GpuSample) -> dict[Labels, float]:
    if sample.mig is None:
        return {}
    return {
        (one.uuid, one.profile): sample.mig.share(one) for one in sample.mig.instances
    }


GPUS: Final = Group(
    (
        Single(names.GPU_UP, lambda gpu: int(isinstance(gpu.seen, GpuSample))),
        Family(names.GPU_ERROR, _gpu_error),
        _measured(names.GPU_BUSY, lambda gpu: gpu.busy_ratio),
        _measured(names.GPU_MEMORY_USED, lambda gpu: gpu.memory_used_bytes),
        _measured(names.GPU_MEMORY_TOTAL, lambda gpu: gpu.memory_total_bytes),
        _measured(names.GPU_POWER, lambda gpu: gpu.power_watts),
        _measured(names.GPU_POWER_LIMIT, lambda gpu: gpu.power_limit_watts),
        _measured(names.GPU_ENERGY, lambda gpu: gpu.energy_joules),
        _measured(names.GPU_TEMPERATURE, lambda gpu: gpu.temperature_celsius),
        _measured(names.GPU_SM_CLOCK, lambda gpu: gpu.sm_clock_hertz),
        _measured(names.GPU_MEMORY_CLOCK, lambda gpu: gpu.memory_clock_hertz),
    ),
    _gpus_of,
    _gpu_labels,
)

GPU_HEALTH: Final = Group(
    (
        _measured(names.GPU_SM_ACTIVE, lambda gpu: gpu.sm_active_ratio),
        _measured(names.GPU_TENSOR_ACTIVE, lambda gpu: gpu.tensor_active_ratio),
        _measured(names.GPU_DRAM_ACTIVE, lambda gpu: gpu.dram_active_ratio),
        _of_sample(names.GPU_THROTTLED, _throttled),
        _of_health(
            names.GPU_ECC_ERRORS,
            corrected=lambda health: health.ecc_corrected,
            uncorrected=lambda health: health.ecc_uncorrected,
        ),
        _of_health(
            names.GPU_ROWS_REMAPPED,
            corrected=lambda health: health.rows_remapped_corrected,
            uncorrected=lambda health: health.rows_remapped_uncorrected,
        ),
        _of_health(
            names.GPU_ROW_REMAP,
            pending=lambda health: health.row_remap_pending,
            failed=lambda health: health.row_remap_failed,
        ),
        _of_sample(names.GPU_PCIE_REPLAYS, _replays),
        _of_health(
            names.GPU_NVLINK_ERRORS,
            replay=lambda health: health.nvlink_replays,
            recovery=lambda health: health.nvlink_recoveries,
            crc=lambda health: health.nvlink_crc_errors,
        ),
        _of_health(
            names.GPU_NVLINKS,
            active=lambda health: health.nvlinks_active,
            inactive=_inactive_links,
        ),
        _of_sample(names.GPU_RECOVERY_ACTION, _recovery),
        _of_sample(names.GPU_MIG_SHARE, _mig),
    ),
    _gpus_of,
    _gpu_labels,
)


def _per_xid(metric: Metric, read: Callable[[XidCount], int]) -> Family[Snapshot]:
    def samples(now: Snapshot) -> Samples:
        return {
            (now.node, one.uuid, str(one.xid), one.xid_class.value): read(one)
            for one in now.node_view.xids
        }

    return Family(metric, samples)


def _held(now: Snapshot) -> Samples:
    """Sum what one container holds of one GPU: it may have several MIG devices."""
    view = now.node_view.attribution
    held: dict[Labels, float] = defaultdict(float)
    for one in () if view is None or view.now is None else view.now.holdings:
        holder = (one.pod.namespace, one.pod.name, one.container, one.sharing.value)
        held[(now.node, one.gpu_uuid, *holder)] += float(one.share)
    return held


def _unallocated(now: Snapshot) -> Samples:
    view = now.node_view.attribution
    if view is None or view.now is None:
        return {}
    rest = view.now.unallocated.items()
    return {(now.node, uuid): float(share) for uuid, share in rest}


def _results(now: Snapshot) -> Samples:
    view = now.node_view.attribution
    return {} if view is None else {(key,): n for key, n in view.results.items()}


def _conflicts(now: Snapshot) -> float | None:
    view = now.node_view.attribution
    return None if view is None else view.conflicts


def _degraded(now: Snapshot) -> float | None:
    view = now.node_view.attribution
    return None if view is None else int(view.trouble is not None)


def _no_labels(_: object) -> Labels:
    return ()


HOLDERS: Final = Group(
    (
        _per_xid(names.GPU_XIDS, lambda one: one.total),
        _per_xid(names.GPU_XID_LAST, lambda one: one.last_at_ns),
        Family(names.GPU_HELD, _held),
        Family(names.GPU_UNALLOCATED, _unallocated),
        Family(names.GPU_ATTRIBUTION, _results),
        Single(names.GPU_ATTRIBUTION_CONFLICTS, _conflicts),
        Single(names.GPU_ATTRIBUTION_DEGRADED, _degraded),
    ),
    lambda snapshot: (snapshot,),
    _no_labels,
)
