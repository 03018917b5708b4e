"""A node of which everything is known, for pages that must show all of it."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from goodput_exporter.domain.allocations import PodName
from goodput_exporter.domain.holdings import Attributed, Holding, Result, Sharing
from goodput_exporter.domain.node_view import (
    AttributionView,
    Dropped,
    HangSuspicion,
    InferenceView,
    IngestView,
    KernelLogView,
    NodeView,
    PushView,
    ReaderView,
)
from goodput_exporter.domain.observations import (
    GpuHealth,
    GpuInventory,
    GpuSample,
    MigInstance,
    MigLayout,
    Throttled,
    XidCount,
)
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.xids import XidClass
from tests.fakes.snapshots import gpu_sample

AT_NS = 1_760_000_300 * NS_PER_SECOND
GPU = "GPU-00000000-0000-0000-0000-000000000000"


def gpu_full(index: int = 0, **changes: Any) -> GpuSample:  # noqa: ANN401 - any field of the dataclass
    """Return a GPU that tells everything, with some fields changed."""
    health = GpuHealth(
        at_ns=AT_NS,
        ecc_corrected=3,
        ecc_uncorrected=0,
        rows_remapped_corrected=1,
        rows_remapped_uncorrected=0,
        row_remap_pending=True,
        row_remap_failed=False,
        pcie_replays=2,
        nvlinks=18,
        nvlinks_active=17,
        nvlink_replays=4,
        nvlink_recoveries=1,
        nvlink_crc_errors=0,
        recovery_action="gpu_reset",
    )
    part = MigInstance("MIG-1", GPU, 1, 0, "3g.40gb", 4, 3, 40 * 2**30)
    told: dict[str, Any] = {
        "sm_active_ratio": 0.875,
        "tensor_active_ratio": 0.5,
        "dram_active_ratio": 0.25,
        "throttled": (
            Throttled("sw_power_cap", 12_500_000_000, is_sampled=False),
            Throttled("hw_thermal", 0, is_sampled=True),
        ),
        "health": health,
        "mig": MigLayout(AT_NS, 7, (part,)),
    }
    return gpu_sample(index, **told | changes)


def node_view(**changes: Any) -> NodeView:  # noqa: ANN401 - any field of the dataclass
    """Return a node in some trouble, with some fields changed."""
    pod = PodName("ml", "llama-0")
    half = Holding(
        pod, "u-1", "train", GPU, frozenset(), Fraction(1, 2), Sharing.TIME_SLICING
    )
    held = Attributed((half,), {GPU: Fraction(1, 2)}, {Result.ATTRIBUTED: 1})
    told: dict[str, Any] = {
        "xids": (XidCount(GPU, 79, XidClass.HW_FATAL, 2, AT_NS),),
        "inventory": GpuInventory(8, 7, ("GPU-gone",)),
        "reader": ReaderView("driver_unresponsive", 3, 2, 1),
        "attribution": AttributionView(
            held, {"attributed": 60, "no_socket": 2}, 1, "no socket"
        ),
        "push": PushView(
            batches={"applied": 10, "duplicate": 1, "refused": 0},
            failures=4,
            lost={"overflow": 5, "unsendable": 0},
            delivered_ns=AT_NS,
            offset_ns=-1_500_000,
            waiting_batches=3,
            waiting_bytes=4096,
            oldest_ns=AT_NS - NS_PER_SECOND,
            is_durable=False,
            dropped={"memory": Dropped(2, 2048)},
        ),
        "inference": InferenceView((HangSuspicion(pod, "train", "medium", 0.75),), 2),
        "kernel_log": KernelLogView(
            is_up=True, records={"read": 40, "lost": 3, "foreign": 1}
        ),
        "ingest": IngestView({"rate": 1}, {"applied": 7}, 1, {"kinds": 2}),
    }
    return NodeView(**told | changes)
