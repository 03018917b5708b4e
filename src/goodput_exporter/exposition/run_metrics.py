"""Metrics of runs, as data: where the time went, what they are and do."""

from __future__ import annotations

from typing import Final

from goodput_exporter.exposition.metric import counter, gauge, info

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
