"""Alerts about GPUs and nodes: lost, sick, withheld, idle, or busy for nothing."""

from __future__ import annotations

from typing import Final

from dashboards.rules.rule import Alert, Condition, Severity
from dashboards.rules.signals import (
    GPU,
    NODE,
    age,
    counted,
    holder,
    largest,
    listed,
)

XID_S: Final = 900
XID: Final = (*GPU, "xid")


def _xid(kind: str) -> Condition:
    newest = f'goodput_gpu_xid_last_timestamp_seconds{{class="{kind}"}}'
    return Condition(
        age(newest, XID), f"< {XID_S}", rare="a healthy GPU reports no such XID"
    )


def _idle() -> str:
    """Return how many whole GPUs a pod holds that ran no kernel for 15 minutes."""
    gpu = listed(GPU)
    holder = "cluster, gpu_node, holder_namespace, holder_pod"
    held = f"max by ({gpu}, holder_namespace, holder_pod) (goodput_gpu_held_ratio)"
    quiet = f"max by ({gpu}) (max_over_time(goodput_gpu_busy_ratio[15m])) == bool 0"
    return f"sum by ({holder}) ({held} * on ({gpu}) group_left () ({quiet}))"


def _power_of_usual() -> str:
    watts = "goodput_gpu_power_watts"
    now, usual = f"max_over_time({watts}[10m])", f"avg_over_time({watts}[1d])"
    return f"{largest(now, GPU)} / on ({listed(GPU)}) {largest(usual, GPU)}"


GPU_ALERTS: Final = (
    Alert(
        name="GoodputGpuLost",
        severity=Severity.PAGE,
        main=Condition(f"min by ({listed(GPU)}, gpu_index) (goodput_gpu_up)", "< 1"),
        lasting="1m",
        summary=(
            "GPU {{ $labels.gpu_index }} ({{ $labels.gpu_uuid }}) of node "
            "{{ $labels.gpu_node }} does not answer."
        ),
        first="Cordon the node; the code in goodput_gpu_error says how it failed.",
        look_ups=(holder(),),
    ),
    Alert(
        name="GoodputGpuXidFatal",
        severity=Severity.PAGE,
        main=_xid("hw_fatal"),
        summary=(
            "GPU {{ $labels.gpu_uuid }} of node {{ $labels.gpu_node }} reported XID "
            "{{ $labels.xid }} {{ $value | humanizeDuration }} ago: it needs a reset "
            "or a repair."
        ),
        first="Cordon and drain the node, then reset the GPU or call for its repair.",
        look_ups=(holder(),),
    ),
    Alert(
        name="GoodputGpuXidRecoverable",
        severity=Severity.TICKET,
        main=_xid("hw_recoverable"),
        summary=(
            "GPU {{ $labels.gpu_uuid }} of node {{ $labels.gpu_node }} reported XID "
            "{{ $labels.xid }} {{ $value | humanizeDuration }} ago; the hardware "
            "contained it."
        ),
        first="Plan a reset of the GPU, and watch whether it comes back.",
        look_ups=(holder(),),
    ),
    Alert(
        name="GoodputGpusMissing",
        severity=Severity.PAGE,
        main=Condition(
            largest('goodput_node_gpus_by_state{state="missing"}', NODE), "> 0"
        ),
        lasting="1m",
        summary=(
            f"Node {{{{ $labels.gpu_node }}}} has lost {counted('GPU')}: on no bus any "
            "more."
        ),
        first="Look for XID 79 and for the GPU on the PCI bus (lspci); then cordon.",
    ),
    Alert(
        name="GoodputGpusWithheld",
        severity=Severity.PAGE,
        main=Condition(
            largest("goodput_node_withheld_gpus", NODE),
            "> 0",
            rare="a node that offers all its GPUs has no such series",
        ),
        lasting="5m",
        summary=(
            f"Node {{{{ $labels.gpu_node }}}} has {counted('GPU')} that it does not "
            "offer to pods."
        ),
        first=(
            "Compare capacity and allocatable; the device plugin's log says which GPU "
            "it took out, and a restart of the plugin puts a healthy one back."
        ),
    ),
    Alert(
        name="GoodputNvmlOutage",
        severity=Severity.PAGE,
        main=Condition(
            largest("goodput_nvml_outage", (*NODE, "kind")),
            "> 0",
            rare="NVML answers on a healthy node",
        ),
        lasting="5m",
        summary=(
            "NVML does not answer on node {{ $labels.gpu_node }}: {{ $labels.kind }}."
        ),
        first="Run nvidia-smi on the node; reload the driver or reboot the node.",
    ),
    Alert(
        name="GoodputBusyWithoutProgress",
        severity=Severity.TICKET,
        main=Condition(_power_of_usual(), "< 0.6"),
        also=(
            Condition(
                largest("min_over_time(goodput_gpu_busy_ratio[10m])", GPU), "> 0.95"
            ),
        ),
        on=GPU,
        lasting="5m",
        summary=(
            "GPU {{ $labels.gpu_uuid }} of node {{ $labels.gpu_node }} looks fully "
            "busy at {{ $value | humanizePercentage }} of its usual power: a hung "
            "collective looks so. This is a suspicion."
        ),
        first="See whether the steps of the job that holds the GPU go on.",
        look_ups=(holder(),),
    ),
    Alert(
        name="GoodputHangSuspected",
        severity=Severity.TICKET,
        main=Condition(
            largest(
                "goodput_inferred_hang_suspicion_ratio",
                (*NODE, "holder_namespace", "holder_pod"),
            ),
            "> 0.9",
        ),
        lasting="10m",
        summary=(
            "Pod {{ $labels.holder_namespace }}/{{ $labels.holder_pod }} on node "
            "{{ $labels.gpu_node }} reports nothing; in "
            "{{ $value | humanizePercentage }} of the looks its GPUs were busy and "
            "did nothing that looks like work. This is a suspicion."
        ),
        first="Look at the job's own log, and take a stack of its ranks.",
    ),
    Alert(
        name="GoodputIdleAllocatedGpus",
        severity=Severity.TICKET,
        main=Condition(_idle(), "> 0.99"),
        lasting="15m",
        summary=(
            "Pod {{ $labels.holder_namespace }}/{{ $labels.holder_pod }} holds "
            f"{counted('GPU')} of node {{{{ $labels.gpu_node }}}} and has run nothing "
            "there for 30 minutes."
        ),
        first="Ask its owner; a notebook or a finished job can give them back.",
    ),
)
