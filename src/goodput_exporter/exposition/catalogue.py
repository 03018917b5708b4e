"""
Every metric that this program exports, as data.

The pages, the docs, the dashboards and the tests read it; a name that is
not here is exported nowhere. No metric carries a label that Prometheus sets
on the target (``job``, ``instance``, ``pod``, ``namespace``, ``node``,
``container``): the two would collide and one would be renamed.
"""

from __future__ import annotations

from typing import Final

from goodput_exporter.exposition import node_metrics
from goodput_exporter.exposition.metric import Metric, counter, gauge, info
from goodput_exporter.exposition.node_metrics import GPU, GPU_SEEN

RUN: Final = ("run", "run_namespace", "run_kind")

# Runs: where the time went. Counters hold sealed time only and never go back.
RUN_GPU_SECONDS: Final = counter(
    "goodput_run_gpu_seconds_total",
    "Sealed GPU time of the run by state; the states sum to wall time times asked "
    "devices.",
    *(*RUN, "state", "layer"),
    unit="seconds",
    in_ns=True,
)
RUN_BADPUT: Final = counter(
    "goodput_run_badput_gpu_seconds_total",
    "Sealed GPU time in states other than productive and unobserved, by cause.",
    *(*RUN, "cause"),
    unit="seconds",
    in_ns=True,
)
RUN_RESTATED: Final = counter(
    "goodput_run_restated_gpu_seconds_total",
    "GPU time that later evidence moved in the settled view; the sealed counters "
    "stay as they were.",
    *(*RUN, "from_state", "to_state"),
    unit="seconds",
    in_ns=True,
)
RUN_REATTRIBUTED: Final = counter(
    "goodput_run_reattributed_gpu_seconds_total",
    "Badput whose cause became better known, by a rule or a person; the sealed "
    "counters by cause stay as they were.",
    *(*RUN, "from_cause", "to_cause"),
    unit="seconds",
    in_ns=True,
)
RUN_LATE: Final = counter(
    "goodput_run_late_evidence_seconds_total",
    "Time of ranks that was heard of after it had been booked without them.",
    *RUN,
    unit="seconds",
    in_ns=True,
)
RUN_RATIO: Final = gauge(
    "goodput_run_ratio",
    "Ratios of the run per window, open tail included. infrastructure x framework x "
    "pace = goodput; infrastructure x framework x model = overall. Absent where a "
    "part is unknown.",
    *(*RUN, "layer", "window"),
    unit="ratio",
)
RUN_OPEN: Final = gauge(
    "goodput_run_open_seconds",
    "Length of the run's newest time that is not sealed yet: in gauges, not in "
    "counters.",
    *RUN,
    unit="seconds",
    in_ns=True,
)

# Runs: what they are and what they do now.
RUN_INFO: Final = info(
    "goodput_run_info",
    "What the run's figures rest on. upper_bound: recomputed steps cannot be seen; "
    "devices: gpus, or ranks where ranks have no GPU and count as one device each.",
    *(*RUN, "source", "verified", "upper_bound", "outcome", "devices"),
)
RUN_OWNER_INFO: Final = info(
    "goodput_run_owner_info",
    "Whose the run is and where it runs; empty where that is not known. Join it to "
    "see runs by team, and to send an alert to the team.",
    *(*RUN, "team", "queue", "gpu_model", "node_pool"),
)
RUN_STATE: Final = gauge(
    "goodput_run_state",
    "The state the run is in now: one series, of value 1, with the state as a label.",
    *(*RUN, "state"),
)
RUN_STARTED: Final = gauge(
    "goodput_run_started_timestamp_seconds",
    "When the run's book was opened, in Unix time.",
    *RUN,
    unit="seconds",
    in_ns=True,
)
RUN_ENDED: Final = gauge(
    "goodput_run_ended_timestamp_seconds",
    "When the run ended, in Unix time; absent while it is open.",
    *RUN,
    unit="seconds",
    in_ns=True,
)
RUN_SEALED: Final = gauge(
    "goodput_run_sealed_timestamp_seconds",
    "Everything of the run before this time is in the counters, in Unix time.",
    *RUN,
    unit="seconds",
    in_ns=True,
)
RUN_ASKED_DEVICES: Final = gauge(
    "goodput_run_asked_devices", "Devices that the run's book counts.", *RUN
)
RUN_RANK_COVERAGE: Final = gauge(
    "goodput_run_rank_coverage_ratio",
    "Ranks heard of lately, as a share of the ranks expected.",
    *RUN,
    unit="ratio",
)

# Runs: progress.
RUN_STEP: Final = gauge(
    "goodput_run_step", "Last completed optimizer step; falls back on a restart.", *RUN
)
RUN_HIGH_WATER_STEP: Final = gauge(
    "goodput_run_high_water_step",
    "Highest optimizer step ever completed; steps up to it are redone work.",
    *RUN,
)
RUN_SAVED_STEP: Final = gauge(
    "goodput_run_saved_step", "Step of the last checkpoint whose save returned.", *RUN
)
RUN_DURABLE_STEP: Final = gauge(
    "goodput_run_durable_step",
    "Step of the last checkpoint that would survive the loss of every rank.",
    *RUN,
)
RUN_EXPOSURE: Final = gauge(
    "goodput_run_exposure_gpu_seconds",
    "GPU time that a crash now would cost; absent without a durable checkpoint.",
    *RUN,
    unit="seconds",
    in_ns=True,
)
RUN_REFERENCE_STEP: Final = gauge(
    "goodput_run_reference_step_seconds",
    "Step time above which time counts as slow; absent until enough steps are known.",
    *RUN,
    unit="seconds",
    in_ns=True,
)
RUN_STEPS: Final = counter(
    "goodput_run_steps_total",
    "Optimizer steps executed: for the first time, or redone after going back.",
    *(*RUN, "execution"),
)
RUN_RESTARTS: Final = counter(
    "goodput_run_restarts_total",
    "Times the run came back, by what brought it back and why it had stopped.",
    *(*RUN, "how", "cause"),
)
RUN_INTERRUPTIONS: Final = counter(
    "goodput_run_interruptions_total",
    "Times a rank of the run ended abnormally; one per outage, not per rank.",
    *RUN,
)
RUN_OUTAGE_INFO: Final = info(
    "goodput_run_outage_info",
    "Why the run is down: the cause of its interruption and the node that it began "
    "on, empty where nobody knows. Absent while all its ranks are there.",
    *(*RUN, "gpu_node", "cause"),
)

# Runs: the model layer. Absent where FLOPs, tokens or peak are unknown.
RUN_TOKENS: Final = counter(
    "goodput_run_tokens_total",
    "Tokens of the steps that the run completed for the first time.",
    *RUN,
)
RUN_MFU: Final = gauge(
    "goodput_run_mfu_ratio",
    "Model FLOPs utilization over all booked step time. Compare only equal "
    "conventions and dtypes.",
    *(*RUN, "convention", "peak_dtype", "gpu_model"),
    unit="ratio",
)
RUN_PEAK_UNKNOWN: Final = gauge(
    "goodput_run_peak_unknown",
    "1 where no peak FLOP/s is known for the run's devices and dtype, so MFU is "
    "absent.",
    *RUN,
)
RUN_MODEL_FLOPS: Final = counter(
    "goodput_run_model_flops_total",
    "Model FLOPs of steps executed for the first time.",
    *RUN,
)

# Groups of runs: cluster, namespace, team, queue, GPU model, node pool. These sums
# outlive the runs and never go back.
GROUP: Final = ("group_kind", "group")
GROUP_GPU_SECONDS: Final = counter(
    "goodput_group_gpu_seconds_total",
    "Sealed GPU time of all runs of the group by state, of those that are over, too.",
    *(*GROUP, "state", "layer"),
    unit="seconds",
    in_ns=True,
)
GROUP_BADPUT: Final = counter(
    "goodput_group_badput_gpu_seconds_total",
    "Sealed GPU time of the group's runs in states other than productive and "
    "unobserved, by cause.",
    *(*GROUP, "cause"),
    unit="seconds",
    in_ns=True,
)
GROUP_RESTATED: Final = counter(
    "goodput_group_restated_gpu_seconds_total",
    "GPU time of the group's runs that later evidence moved in the settled view.",
    *(*GROUP, "from_state", "to_state"),
    unit="seconds",
    in_ns=True,
)
GROUP_RATIO: Final = gauge(
    "goodput_group_ratio",
    "Ratios of the group per window: ratios of sums over sealed time, never means of "
    "ratios. Absent where a part is unknown.",
    *(*GROUP, "layer", "window"),
    unit="ratio",
)

NODE_FAILURES: Final = counter(
    "goodput_node_failures_total",
    "Interruptions of runs that began on the node, by cause as it was known then. What "
    "somebody decided is none: preemptions, reclaims, drains, and what people stop.",
    *("gpu_node", "cause"),
)

# The cluster book: every physical GPU is at every instant in one category.
CLUSTER: Final = ("gpu_model", "node_pool", "category", "reason")
CLUSTER_GPU_SECONDS: Final = counter(
    "goodput_cluster_gpu_seconds_total",
    "Sealed time of physical GPUs by category; reason says why they are unavailable "
    "or unobserved. Shared GPUs count once, in parts.",
    *CLUSTER,
    unit="seconds",
    in_ns=True,
)
CLUSTER_GPUS: Final = gauge(
    "goodput_cluster_gpus",
    "Physical GPUs by category at the last sealed instant; shared ones in parts.",
    *CLUSTER,
)
CLUSTER_RESTATED: Final = counter(
    "goodput_cluster_restated_gpu_seconds_total",
    "Time of physical GPUs that later evidence moved in the settled view.",
    "from_category",
    "to_category",
    unit="seconds",
    in_ns=True,
)
CLUSTER_SEALED: Final = gauge(
    "goodput_cluster_sealed_timestamp_seconds",
    "Up to when the time of the physical GPUs is sealed.",
    unit="seconds",
    in_ns=True,
)
CLUSTER_TOO_LATE: Final = counter(
    "goodput_cluster_words_too_late_total",
    "Reports on a node's GPUs that came too late to change all that they told of.",
)
CLUSTER_DISPUTES: Final = counter(
    "goodput_cluster_gpu_disputes_total",
    "How often a node named a GPU that was in another node's book; it counts once.",
)
RUN_ENERGY: Final = counter(
    "goodput_run_energy_joules_total",
    "Energy of the GPUs that the run held, by what the run was doing, up to where both "
    "books are sealed. basis is counter, or power where a GPU counts no energy.",
    *("run", "run_namespace", "state", "cause", "basis"),
    unit="joules",
)
RUN_ENERGY_TIME: Final = counter(
    "goodput_run_energy_gpu_seconds_total",
    "Time of the GPUs that the run held, by whether their energy is known in it.",
    *("run", "run_namespace", "measured"),
    unit="seconds",
    in_ns=True,
)
CLUSTER_ENERGY: Final = counter(
    "goodput_cluster_energy_joules_total",
    "Energy of GPUs that no run held, by category. In no state is what is unplaced "
    "(drawn across gaps between samples), late (told of when its time was sealed) or "
    "unbooked (of GPUs that the cluster book did not know then).",
    *("category", "basis"),
    unit="joules",
)

# The aggregator's watch over its cluster, and what agents push to it.
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

# GPUs of this node. What a device does not support is absent.
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

# The exporter's own health.
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

CATALOGUE: Final[tuple[Metric, ...]] = (
    *(value for value in list(globals().values()) if isinstance(value, Metric)),
    *node_metrics.METRICS,
)
"""All of the above, and what ``node_metrics`` has."""
