"""Metrics of the exporter's own health and of its process, as data."""

from __future__ import annotations

from typing import Final

from goodput_exporter.exposition.metric import counter, gauge, info

NODE_GPUS: Final = gauge(
    "goodput_node_gpus",
    "GPUs of the node, answering or not; 0 on a node without a driver.",
    "gpu_node",
)
GPU_SOURCE_UP: Final = gauge(
    "goodput_gpu_source_up",
    "1 if NVML answered when it was last asked; absent where there is no driver.",
    "gpu_node",
)

TICK_LAG: Final = gauge(
    "goodput_tick_lag_seconds", "How late the last tick began.", unit="seconds"
)
TICK_DURATION: Final = gauge(
    "goodput_tick_duration_seconds", "How long the last tick took.", unit="seconds"
)
TICKS: Final = counter("goodput_ticks_total", "Ticks since the exporter started.")
DATAGRAMS_ACCEPTED: Final = counter(
    "goodput_datagrams_accepted_total", "Heartbeats taken in.", "transport"
)
DATAGRAMS_REJECTED: Final = counter(
    "goodput_datagrams_rejected_total",
    "Heartbeats refused as a whole, and fields dropped from others, by reason.",
    "reason",
)
DATAGRAMS_LOST: Final = counter(
    "goodput_datagrams_lost_total",
    "Heartbeats that never arrived, told by gaps in the senders' own counts.",
)
RUNS_REFUSED: Final = counter(
    "goodput_runs_refused_total",
    "Reports of runs for which there was no room in memory.",
)
RUNS_SET_BACK: Final = counter(
    "goodput_runs_set_back_total",
    "Times a run went back to its last commit because it could not go on: a bug of "
    "ours, with its trace in the log.",
)
LEDGER_UP: Final = gauge("goodput_ledger_up", "1 if the last commit succeeded.")
LEDGER_ENTRIES: Final = counter(
    "goodput_ledger_entries_total", "Entries written to the ledger."
)
LEDGER_COMMITS: Final = counter(
    "goodput_ledger_commits_total", "Commits that the ledger made durable."
)
LEDGER_FAILURES: Final = counter(
    "goodput_ledger_failures_total", "Commits that failed; their entries are retried."
)
RECORDING_FAILURES: Final = counter(
    "goodput_recording_failures_total",
    "Ticks that could not be recorded; a replay will show the gap.",
)
EVIDENCE_FAILURES: Final = counter(
    "goodput_evidence_failures_total",
    "Times that a source of evidence could not be read.",
    "source",
)
CLOCK_SKEW: Final = gauge(
    "goodput_clock_skew_seconds",
    "How far the wall clock was stepped away from the ledger's clock.",
    unit="seconds",
)
BUILD_INFO: Final = info(
    "goodput_build_info", "What is running.", "version", "python_version"
)
SERIES: Final = gauge(
    "goodput_series", "Series on this page, those about the page itself left out."
)
SERIES_DROPPED: Final = counter(
    "goodput_series_dropped_total",
    "Series left out: another has the same labels, or the page is over its budget.",
    "family",
)
COLLECTOR_ERRORS: Final = counter(
    "goodput_collector_errors_total",
    "Times a family could not be rendered, or one of its values is not a number.",
    "family",
)

# The process; names as every Prometheus client exports them.
PROCESS_MEMORY: Final = gauge(
    "process_resident_memory_bytes", "Resident memory size in bytes.", unit="bytes"
)
PROCESS_CPU: Final = counter(
    "process_cpu_seconds_total",
    "User and system CPU time spent, in seconds.",
    unit="seconds",
)
PROCESS_START: Final = gauge(
    "process_start_time_seconds",
    "When the process started, in Unix time.",
    unit="seconds",
)
PROCESS_FDS: Final = gauge("process_open_fds", "Open file descriptors.")
