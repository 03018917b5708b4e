"""Metrics of groups of runs and of the nodes that broke them, as data."""

from __future__ import annotations

from typing import Final

from goodput_exporter.exposition.metric import counter, gauge

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
