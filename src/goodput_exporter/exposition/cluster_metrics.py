"""Metrics of the cluster book and of energy, as data."""

from __future__ import annotations

from typing import Final

from goodput_exporter.exposition.metric import counter, gauge

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

# Energy: of what runs held, and of what nobody held.
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
