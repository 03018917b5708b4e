"""Metrics of an agent's pipes, as data: NVML, the kernel's log, pushing."""

from __future__ import annotations

from typing import Final

from goodput_exporter.exposition.metric import counter, gauge

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
