"""Metrics of a node beside its GPUs' samples, as data: health, holders, pipes."""

from __future__ import annotations

from typing import Final

from goodput_exporter.exposition.metric import Metric, counter, gauge

GPU: Final = ("gpu_node", "gpu_uuid", "gpu_index")
"""Known of a lost GPU too, so that ``up`` stays one series when it goes to 0."""
GPU_SEEN: Final = (*GPU, "gpu_model")

# GPUs: activity, health and wear. What a device does not support is absent.
GPU_SM_ACTIVE: Final = gauge(
    "goodput_gpu_sm_active_ratio",
    "Mean share of streaming multiprocessors with work since the sample before.",
    *GPU_SEEN,
    unit="ratio",
)
GPU_TENSOR_ACTIVE: Final = gauge(
    "goodput_gpu_tensor_active_ratio",
    "Mean share of time with a tensor core at work since the sample before.",
    *GPU_SEEN,
    unit="ratio",
)
GPU_DRAM_ACTIVE: Final = gauge(
    "goodput_gpu_dram_active_ratio",
    "Mean share of the memory's bandwidth in use since the sample before.",
    *GPU_SEEN,
    unit="ratio",
)
GPU_THROTTLED: Final = counter(
    "goodput_gpu_throttled_seconds_total",
    "Time for which a reason held the clocks down; reasons overlap. source: counter "
    "is NVML's since the driver was loaded, sampled is added up from samples.",
    *(*GPU_SEEN, "reason", "source"),
    unit="seconds",
    in_ns=True,
)
GPU_ECC_ERRORS: Final = counter(
    "goodput_gpu_ecc_errors_total",
    "ECC errors since the driver was loaded.",
    *(*GPU_SEEN, "kind"),
)
GPU_ROWS_REMAPPED: Final = counter(
    "goodput_gpu_rows_remapped_total",
    "Rows of memory replaced after errors of a kind, over the board's life.",
    *(*GPU_SEEN, "kind"),
)
GPU_ROW_REMAP: Final = gauge(
    "goodput_gpu_row_remap",
    "1 where a remap waits for a reset (pending), or cannot be done (failed).",
    *(*GPU_SEEN, "remap"),
)
GPU_PCIE_REPLAYS: Final = counter(
    "goodput_gpu_pcie_replays_total", "PCIe packets sent again.", *GPU_SEEN
)
GPU_NVLINK_ERRORS: Final = counter(
    "goodput_gpu_nvlink_errors_total",
    "Errors over all NVLinks of the GPU, by kind.",
    *(*GPU_SEEN, "kind"),
)
GPU_NVLINKS: Final = gauge(
    "goodput_gpu_nvlinks", "NVLinks of the GPU, by state.", *(*GPU_SEEN, "state")
)
GPU_RECOVERY_ACTION: Final = gauge(
    "goodput_gpu_recovery_action",
    "What would recover the GPU: one series, of value 1, with the action as a label.",
    *(*GPU_SEEN, "action"),
)
GPU_MIG_SHARE: Final = gauge(
    "goodput_gpu_mig_share_ratio",
    "Part of the GPU that a MIG device is, by compute slices.",
    *(*GPU_SEEN, "mig_uuid", "mig_profile"),
    unit="ratio",
)
GPU_XIDS: Final = counter(
    "goodput_gpu_xid_total",
    "XIDs that the GPU reported while the exporter listened, by code and by who has "
    "to act.",
    *("gpu_node", "gpu_uuid", "xid", "class"),
)
GPU_XID_LAST: Final = gauge(
    "goodput_gpu_xid_last_timestamp_seconds",
    "When the newest of these XIDs came, in Unix time.",
    *("gpu_node", "gpu_uuid", "xid", "class"),
    unit="seconds",
    in_ns=True,
)

# Who holds which GPU, by the kubelet.
GPU_HELD: Final = gauge(
    "goodput_gpu_held_ratio",
    "Part of the GPU that a container holds; with the unallocated part it sums to 1 "
    "per GPU. Absent while nobody knows.",
    *("gpu_node", "gpu_uuid"),
    *("holder_namespace", "holder_pod", "holder_container", "sharing"),
    unit="ratio",
)
GPU_UNALLOCATED: Final = gauge(
    "goodput_gpu_unallocated_ratio",
    "Part of the GPU that nobody holds.",
    *("gpu_node", "gpu_uuid"),
    unit="ratio",
)
GPU_ATTRIBUTION: Final = counter(
    "goodput_gpu_attribution_total",
    "Devices that were looked up by what came of it, once per look at the kubelet; "
    "no_socket and forbidden are looks that failed.",
    "result",
)
GPU_ATTRIBUTION_CONFLICTS: Final = counter(
    "goodput_gpu_attribution_conflicts_total",
    "Devices that the kubelet lists for an older pod as well; the newest holds them.",
)
GPU_ATTRIBUTION_DEGRADED: Final = gauge(
    "goodput_gpu_attribution_degraded",
    "1 while the kubelet cannot be asked, and its last answer or none holds.",
)

NODE_GPUS_BY_STATE: Final = gauge(
    "goodput_node_gpus_by_state",
    "GPUs of the node: on_bus by PCI, expected by PCI or memory, visible, missing "
    "and replaced.",
    *("gpu_node", "state"),
)
NVML_OUTAGE: Final = gauge(
    "goodput_nvml_outage",
    "1 while NVML as a whole does not answer, with why in a word.",
    *("gpu_node", "kind"),
)
NVML_STARTED: Final = counter(
    "goodput_nvml_children_started_total", "Processes started to read GPUs."
)
NVML_ABANDONED: Final = counter(
    "goodput_nvml_children_abandoned_total",
    "Of these, those given up because they did not answer.",
)
NVML_STUCK: Final = gauge(
    "goodput_nvml_children_stuck",
    "Of the abandoned, those that outlive their kill, stuck in the driver.",
)

# What the agent makes of containers that report nothing, and of the kernel's log.
HANG_SUSPICION: Final = gauge(
    "goodput_inferred_hang_suspicion_ratio",
    "Share of the last minute's looks at which a container's GPUs were busy and did "
    "nothing that looks like work. Of containers that report nothing only.",
    *("gpu_node", "holder_namespace", "holder_pod", "holder_container", "confidence"),
    unit="ratio",
)
INFERENCE_REFUSED: Final = counter(
    "goodput_inference_refused_total",
    "Times that a container was not watched because there were too many.",
)
KERNEL_LOG_UP: Final = gauge(
    "goodput_kernel_log_up", "1 while the kernel's log can be read."
)
KERNEL_LOG_RECORDS: Final = counter(
    "goodput_kernel_log_records_total",
    "Records of the kernel's log by result: read, old (told before the start), "
    "foreign (a program's), malformed, and lost (overwritten before they were read).",
    "result",
)

# The way from an agent to the aggregator.
PUSH_BATCHES: Final = counter(
    "goodput_push_batches_total",
    "Batches by what became of them at the aggregator; refused ones are given up.",
    "fate",
)
PUSH_FAILURES: Final = counter(
    "goodput_push_failures_total",
    "Pushes that did not end well; their batches wait and are sent again.",
)
PUSH_LOST: Final = counter(
    "goodput_push_lost_observations_total",
    "Observations lost before they were in a batch.",
    "reason",
)
PUSH_DELIVERED: Final = gauge(
    "goodput_push_delivered_timestamp_seconds",
    "When nothing was left to deliver, in Unix time; absent before.",
    unit="seconds",
    in_ns=True,
)
SPOOL_BATCHES: Final = gauge(
    "goodput_spool_batches", "Batches that wait for the aggregator."
)
SPOOL_BYTES: Final = gauge(
    "goodput_spool_bytes", "What they take on disk and in memory.", unit="bytes"
)
SPOOL_OLDEST: Final = gauge(
    "goodput_spool_oldest_timestamp_seconds",
    "When the oldest waiting batch was made, in Unix time; absent if none waits.",
    unit="seconds",
    in_ns=True,
)
SPOOL_DURABLE: Final = gauge(
    "goodput_spool_durable",
    "1 while all that waits would survive the agent's death; 0 while the disk takes "
    "nothing.",
)
SPOOL_DROPPED_BATCHES: Final = counter(
    "goodput_spool_dropped_batches_total",
    "Batches given up before they were delivered.",
    "reason",
)
SPOOL_DROPPED_BYTES: Final = counter(
    "goodput_spool_dropped_bytes_total",
    "Bytes given up before they were delivered; of damaged ones nobody knows how many "
    "batches they were.",
    "reason",
    unit="bytes",
)
CLOCK_OFFSET: Final = gauge(
    "goodput_clock_offset_seconds",
    "What takes the agent's clock to the aggregator's; absent until measured.",
    unit="seconds",
)
INGEST_REFUSED: Final = counter(
    "goodput_ingest_requests_refused_total",
    "Pushes refused as a whole, by reason.",
    "reason",
)
INGEST_BATCHES: Final = counter(
    "goodput_ingest_batches_total",
    "Batches that agents pushed, by what became of them.",
    "fate",
)
INGEST_MISSING: Final = gauge(
    "goodput_ingest_missing_batches",
    "Batches with a later one there that have not come; they may still.",
)
INGEST_SKIPPED: Final = counter(
    "goodput_ingest_skipped_total",
    "Left out of batches that were taken, by why.",
    "why",
)

METRICS: Final[tuple[Metric, ...]] = tuple(
    value for value in list(globals().values()) if isinstance(value, Metric)
)
"""All of the above, in the order above."""
