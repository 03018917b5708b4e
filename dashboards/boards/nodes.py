"""Node and GPU: which are sick, which XIDs came, who holds them, which idle."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders import timeseries

from dashboards.board import CLUSTER, NODE, Board, Note, Row
from dashboards.boards.selections import GPU, HERE, NODES, xids_of
from dashboards.palette import AMBER, RED
from dashboards.panels import (
    COUNT,
    RATIO,
    SECONDS,
    ZERO_IS_GOOD,
    Bound,
    Query,
    lines,
    number,
    stack,
)
from dashboards.tables import Column, rows

NAMES: Final = {"gpu_node": "Node", "gpu_uuid": "GPU"}
ANY_IS_BAD: Final = (Bound(None, AMBER), Bound(1, RED))


def _largest(metric: str, by: str = GPU) -> str:
    return f"max by ({by}) ({metric}{{{NODES}}})"


def _grew(metric: str, by: str) -> str:
    return f"sum by ({by}) (increase({metric}{{{NODES}}}[$__range])) > 0"


def _per_gpu(
    title: str, text: str, metric: str, unit: str, width: int = 8
) -> timeseries.Panel:
    query = Query(_largest(metric, "gpu_node, gpu_index"), "{{gpu_node}} {{gpu_index}}")
    return lines(title, text, query, unit=unit, width=width, height=7)


HEALTH: Final = Row(
    "Health",
    (
        number(
            "GPUs",
            "GPUs of the chosen nodes, answering or not.",
            Query(f"sum({_largest('goodput_node_gpus', 'cluster, gpu_node')})"),
            unit="none",
        ),
        number(
            "Not answering",
            "GPUs that did not answer when they were last asked.",
            Query(
                f"count({_largest('goodput_gpu_up')})"
                f" - sum(min by ({GPU}) (goodput_gpu_up{{{NODES}}}))"
            ),
            unit="none",
            bounds=ZERO_IS_GOOD,
        ),
        number(
            "Missing",
            "GPUs that nodes had and that are on no bus any more.",
            Query(
                "sum(max by (cluster, gpu_node) "
                f'(goodput_node_gpus_by_state{{{NODES},state="missing"}}))'
            ),
            unit="none",
            bounds=ZERO_IS_GOOD,
        ),
        number(
            "Not offered to pods",
            "GPUs that nodes have (capacity) and do not offer (allocatable).",
            Query(
                "sum(max by (gpu_model, node_pool) "
                f"(goodput_nodes_capacity_gpus{{{HERE}}}))"
                " - sum(max by (gpu_model, node_pool) "
                f"(goodput_nodes_allocatable_gpus{{{HERE}}}))"
            ),
            unit="none",
            bounds=ZERO_IS_GOOD,
        ),
        number(
            "Held by pods",
            "GPUs that containers hold, shared ones in parts.",
            Query(f"sum(goodput_gpu_held_ratio{{{NODES}}})"),
            unit=COUNT,
        ),
        number(
            "Held and quiet",
            "GPUs that a container holds and that ran no kernel for 15 minutes.",
            Query(
                f"sum(max by ({GPU}) (goodput_gpu_held_ratio{{{NODES}}})"
                f" * on ({GPU}) (max by ({GPU}) "
                f"(max_over_time(goodput_gpu_busy_ratio{{{NODES}}}[15m])) == bool 0))"
            ),
            unit=COUNT,
            bounds=ZERO_IS_GOOD,
        ),
        rows(
            "GPUs that do not answer",
            "With NVML's code; an empty one is past its deadline.",
            {**NAMES, "gpu_index": "Index", "code": "Code", "reason": "Reason"},
            Column(
                "Now",
                "max by (gpu_node, gpu_uuid, gpu_index, code, reason) "
                f"(goodput_gpu_error{{{NODES}}})",
                bounds=ANY_IS_BAD,
            ),
            width=12,
        ),
        rows(
            "What would recover a GPU",
            "NVML's own advice, and rows of memory that wait for a reset.",
            {**NAMES, "action": "Action", "remap": "Row remap"},
            Column(
                "Advised",
                "max by (gpu_node, gpu_uuid, action) "
                f"(goodput_gpu_recovery_action{{{NODES}}})",
            ),
            Column(
                "Remap",
                "max by (gpu_node, gpu_uuid, remap) "
                f"(goodput_gpu_row_remap{{{NODES}}})",
                bounds=ANY_IS_BAD,
            ),
            first="Remap",
            width=12,
        ),
    ),
)

ERRORS: Final = Row(
    "XIDs and errors",
    (
        rows(
            "XIDs",
            "class says who has to act: app the program's owner, driver and hw the "
            "platform. Counted since the exporter listened.",
            {**NAMES, "xid": "XID", "class": "Class"},
            Column(
                "Times",
                "max by (gpu_node, gpu_uuid, xid, class) "
                f"(goodput_gpu_xid_total{{{NODES}}})",
            ),
            Column(
                "Seconds ago",
                "time() - max by (gpu_node, gpu_uuid, xid, class) "
                f"(goodput_gpu_xid_last_timestamp_seconds{{{NODES}}})",
                SECONDS,
            ),
            first="Times",
            width=14,
        ),
        lines(
            "Memory errors",
            "ECC errors in this range by kind, and rows of memory that were replaced.",
            Query(
                _grew("goodput_gpu_ecc_errors_total", "gpu_node, kind"),
                "{{gpu_node}} {{kind}}",
            ),
            Query(
                _grew("goodput_gpu_rows_remapped_total", "gpu_node, kind"),
                "{{gpu_node}} rows {{kind}}",
            ),
            unit=COUNT,
            empty="no memory error in this range",
            width=10,
        ),
        stack(
            "Clocks held down, by reason",
            "GPUs whose clocks were throttled; reasons overlap.",
            Query(
                "sum by (reason) "
                f"(rate(goodput_gpu_throttled_seconds_total{{{NODES}}}"
                "[$__rate_interval]))",
                "{{reason}}",
            ),
            unit=COUNT,
            width=8,
        ),
        lines(
            "Link errors",
            "NVLink errors and PCIe packets sent again, per second.",
            Query(
                "sum by (gpu_node, kind) "
                f"(rate(goodput_gpu_nvlink_errors_total{{{NODES}}}"
                "[$__rate_interval]))",
                "{{gpu_node}} NVLink {{kind}}",
            ),
            Query(
                "sum by (gpu_node) "
                f"(rate(goodput_gpu_pcie_replays_total{{{NODES}}}"
                "[$__rate_interval]))",
                "{{gpu_node}} PCIe",
            ),
            unit="cps",
            width=8,
        ),
        stack(
            "NVLinks, by state",
            "An inactive link halves a collective's speed long before anything fails.",
            Query(
                f"sum by (state) (max by ({GPU}, state) "
                f"(goodput_gpu_nvlinks{{{NODES}}}))",
                "{{state}}",
            ),
            unit="none",
            width=8,
        ),
    ),
)

HOLDERS: Final = Row(
    "Who holds them",
    (
        rows(
            "Holders",
            "By the kubelet. Absent while it cannot be asked, which is not nobody.",
            {
                "gpu_node": "Node",
                "gpu_uuid": "GPU",
                "holder_namespace": "Namespace",
                "holder_pod": "Pod",
                "holder_container": "Container",
                "sharing": "Sharing",
            },
            Column(
                "Part held",
                "max by (gpu_node, gpu_uuid, holder_namespace, holder_pod, "
                f"holder_container, sharing) (goodput_gpu_held_ratio{{{NODES}}})",
                RATIO,
            ),
            width=16,
        ),
        stack(
            "Held and free",
            "GPUs that somebody holds, and that nobody does.",
            Query(f"sum(goodput_gpu_held_ratio{{{NODES}}})", "held"),
            Query(f"sum(goodput_gpu_unallocated_ratio{{{NODES}}})", "free"),
            unit=COUNT,
            width=8,
        ),
        lines(
            "Devices looked up, by what came of it",
            "Anything but attributed and unallocated is a GPU whose holder is not "
            "known.",
            Query(
                f"sum by (result) (rate(goodput_gpu_attribution_total{{{HERE}}}"
                "[$__rate_interval]))",
                "{{result}}",
            ),
            unit="cps",
        ),
        stack(
            "GPUs that nobody can use, by reason",
            "The cluster book's unavailable GPUs.",
            Query(
                "sum by (reason) (max by (gpu_model, node_pool, reason) "
                f'(goodput_cluster_gpus{{{HERE},category="unavailable"}}))',
                "{{reason}}",
            ),
            unit=COUNT,
            empty="every GPU can be used",
        ),
    ),
)

SUSPICION: Final = lines(
    "Hang suspicion",
    "Share of the looks at which a pod that reports nothing was busy and did nothing "
    "that looks like work. A suspicion, by confidence.",
    Query(
        "max by (gpu_node, holder_namespace, holder_pod, confidence) "
        f"(goodput_inferred_hang_suspicion_ratio{{{NODES}}})",
        "{{holder_namespace}}/{{holder_pod}} ({{confidence}})",
    ),
    unit=RATIO,
    width=24,
    most=1,
    empty="every pod with a GPU reports steps, or no agent watches",
)

LOAD: Final = Row(
    "Load; it says nothing of progress",
    (
        _per_gpu(
            "Busy",
            "Share of the sample period with a kernel resident. A hung collective "
            "shows 100 %.",
            "goodput_gpu_busy_ratio",
            RATIO,
        ),
        _per_gpu(
            "Tensor cores",
            "Mean share of time with a tensor core at work; Hopper and newer.",
            "goodput_gpu_tensor_active_ratio",
            RATIO,
        ),
        _per_gpu(
            "Power",
            "Drawn now; low power at full busy is suspicious.",
            "goodput_gpu_power_watts",
            "watt",
        ),
        _per_gpu(
            "Memory in use",
            "Of the GPU's own memory.",
            "goodput_gpu_memory_used_bytes",
            "bytes",
        ),
        _per_gpu(
            "Temperature", "Of the chip.", "goodput_gpu_temperature_celsius", "celsius"
        ),
        _per_gpu(
            "SM clock",
            "Of the streaming multiprocessors.",
            "goodput_gpu_sm_clock_hertz",
            "hertz",
        ),
        SUSPICION,
    ),
)

NODES_BOARD: Final = Board(
    uid="goodput-nodes",
    title="Goodput / Node and GPU",
    text="Which GPUs are sick, which XIDs came, who holds them, and which idle.",
    choices=(CLUSTER, NODE),
    rows=(HEALTH, ERRORS, HOLDERS, LOAD),
    notes=(
        Note(
            "Hardware XIDs",
            xids_of(NODES, 'class=~"hw_recoverable|hw_fatal"'),
            "XID {{xid}} on {{gpu_node}}",
        ),
    ),
)
