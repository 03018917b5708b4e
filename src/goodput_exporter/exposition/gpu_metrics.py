"""Metrics of a node's GPUs and of who holds them, as data."""

from __future__ import annotations

from typing import Final

from goodput_exporter.exposition.metric import counter, gauge

GPU: Final = ("gpu_node", "gpu_uuid", "gpu_index")
"""Known of a lost GPU too, so that ``up`` stays one series when it goes to 0."""
GPU_SEEN: Final = (*GPU, "gpu_model")

# What is seen of every GPU. What a device does not support is absent.
GPU_UP: Final = gauge(
    "goodput_gpu_up", "1 if the GPU answered when it was last asked, else 0.", *GPU
)
GPU_ERROR: Final = gauge(
    "goodput_gpu_error",
    "1 for a GPU that did not answer, with the NVML code (empty: past its deadline).",
    *(*GPU, "code", "reason"),
)
GPU_BUSY: Final = gauge(
    "goodput_gpu_busy_ratio",
    "Share of the sample period with a kernel resident; says nothing of progress.",
    *GPU_SEEN,
    unit="ratio",
)
GPU_MEMORY_USED: Final = gauge(
    "goodput_gpu_memory_used_bytes", "GPU memory in use.", *GPU_SEEN, unit="bytes"
)
GPU_MEMORY_TOTAL: Final = gauge(
    "goodput_gpu_memory_total_bytes", "GPU memory built in.", *GPU_SEEN, unit="bytes"
)
GPU_POWER: Final = gauge(
    "goodput_gpu_power_watts", "Power drawn now.", *GPU_SEEN, unit="watts"
)
GPU_POWER_LIMIT: Final = gauge(
    "goodput_gpu_power_limit_watts",
    "Power at which the GPU throttles itself.",
    *GPU_SEEN,
    unit="watts",
)
GPU_ENERGY: Final = counter(
    "goodput_gpu_energy_joules_total",
    "Energy used since the driver was loaded.",
    *GPU_SEEN,
    unit="joules",
)
GPU_TEMPERATURE: Final = gauge(
    "goodput_gpu_temperature_celsius",
    "Temperature of the chip.",
    *GPU_SEEN,
    unit="celsius",
)
GPU_SM_CLOCK: Final = gauge(
    "goodput_gpu_sm_clock_hertz",
    "Clock of the streaming multiprocessors.",
    *GPU_SEEN,
    unit="hertz",
)
GPU_MEMORY_CLOCK: Final = gauge(
    "goodput_gpu_memory_clock_hertz", "Clock of the memory.", *GPU_SEEN, unit="hertz"
)

# Activity, health and wear.
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
