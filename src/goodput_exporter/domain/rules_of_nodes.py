"""Rules for what happens to machines and GPUs, or was declared beforehand."""

from __future__ import annotations

from typing import Final

from goodput_exporter.domain.cause_rule import (
    AKS,
    COLLECTIVE_NS,
    DISRUPTION,
    EKS,
    GRACE_NS,
    MINUTE_NS,
    NODE_MONITOR_NS,
    NTH,
    NVSENTINEL,
    TAINT_GRACE_NS,
    Role,
    Rule,
)
from goodput_exporter.domain.evidence import Kind
from goodput_exporter.domain.states import Cause
from goodput_exporter.domain.xids import FELL_OFF_THE_BUS, XidClass, codes

OVERRIDES: Final = (
    Rule(
        "planned-window",
        Cause.PLANNED,
        Role.OVERRIDES,
        Kind.MAINTENANCE_WINDOW,
        ("*",),
        why="A person declared the work beforehand; what breaks during it was planned.",
    ),
)

NODES: Final = (
    Rule(
        "spot-taint",
        Cause.SPOT_RECLAIM,
        Role.INITIATES,
        Kind.NODE_TAINT,
        (
            "aws-node-termination-handler/spot-itn",
            "aws-node-termination-handler/rebalance-recommendation",
            "cloud.google.com/impending-node-termination",
        ),
        before_ns=10 * MINUTE_NS,
        why=f"The cloud takes the machine back at short notice. {NTH}; "
        "kubernetes/kubernetes PR 77358.",
    ),
    Rule(
        "spot-event",
        Cause.SPOT_RECLAIM,
        Role.INITIATES,
        Kind.EVENT,
        (
            "Node/SpotInterrupted",
            "NodeClaim/SpotInterrupted",
            "Pod/SpotInterrupted",
        ),
        before_ns=10 * MINUTE_NS,
        why="aws/karpenter-provider-aws, pkg/controllers/interruption/events.",
    ),
    Rule(
        "scale-in-taint",
        Cause.SCALE_IN,
        Role.INITIATES,
        Kind.NODE_TAINT,
        (
            "ToBeDeletedByClusterAutoscaler",
            "aws-node-termination-handler/asg-lifecycle-termination",
        ),
        before_ns=15 * MINUTE_NS,
        why="kubernetes/autoscaler issue 1136: set on nodes that are being deleted. "
        "DeletionCandidateOfClusterAutoscaler is a thought, not a deed: no rule.",
    ),
    Rule(
        "scale-in-event",
        Cause.SCALE_IN,
        Role.INITIATES,
        Kind.EVENT,
        ("Pod/ScaleDown", "Node/ScaleDown"),
        before_ns=15 * MINUTE_NS,
        why="kubernetes/autoscaler issue 248.",
    ),
    Rule(
        "maintenance-taint",
        Cause.NODE_MAINTENANCE,
        Role.INITIATES,
        Kind.NODE_TAINT,
        ("aws-node-termination-handler/scheduled-maintenance",),
        before_ns=GRACE_NS,
        why=NTH,
    ),
    Rule(
        "drained",
        Cause.NODE_MAINTENANCE,
        Role.INITIATES,
        Kind.POD_CONDITION,
        ("EvictionByEvictionAPI",),
        before_ns=GRACE_NS,
        needs=(Kind.NODE_TAINT, "node.kubernetes.io/unschedulable"),
        why="kubectl drain cordons, then evicts. A cordon alone ends nothing, and "
        f"an eviction alone does not say whose it was. {DISRUPTION}",
    ),
    Rule(
        "node-unreachable",
        Cause.NODE_LOST,
        Role.INITIATES,
        Kind.NODE_CONDITION,
        ("Ready=Unknown", "Ready=False"),
        before_ns=COLLECTIVE_NS,
        after_ns=MINUTE_NS,
        lag_ns=NODE_MONITOR_NS,
        why="https://kubernetes.io/docs/concepts/architecture/nodes/"
        "#node-controller: dated when the controller gave up waiting.",
    ),
    Rule(
        "node-lost-taint",
        Cause.NODE_LOST,
        Role.INITIATES,
        Kind.NODE_TAINT,
        (
            "node.kubernetes.io/unreachable",
            "node.kubernetes.io/not-ready",
            "node.kubernetes.io/out-of-service",
        ),
        before_ns=COLLECTIVE_NS,
        after_ns=MINUTE_NS,
        lag_ns=NODE_MONITOR_NS,
        why="https://kubernetes.io/docs/concepts/scheduling-eviction/"
        "taint-and-toleration/#taint-based-evictions",
    ),
    Rule(
        "node-lost-status",
        Cause.NODE_LOST,
        Role.INITIATES,
        Kind.POD_REASON,
        ("NodeLost",),
        before_ns=COLLECTIVE_NS,
        after_ns=TAINT_GRACE_NS,
        why="Older clusters mark the pods: kubernetes/kubernetes issue 89212.",
    ),
    Rule(
        "node-rebooted",
        Cause.NODE_LOST,
        Role.INITIATES,
        Kind.EVENT,
        ("Node/Rebooted",),
        before_ns=COLLECTIVE_NS,
        after_ns=TAINT_GRACE_NS,
        why="The kubelet says so when it is back: the node was gone before.",
    ),
)

GPUS: Final = (
    Rule(
        "xid-fell-off-the-bus",
        Cause.GPU_LOST,
        Role.INITIATES,
        Kind.XID,
        (str(FELL_OFF_THE_BUS),),
        before_ns=COLLECTIVE_NS,
        why="The device is gone; the ranks may hang until a collective times out.",
    ),
    Rule(
        "gpu-lost",
        Cause.GPU_LOST,
        Role.INITIATES,
        Kind.GPU_LOST,
        ("lost", "unknown"),
        before_ns=COLLECTIVE_NS,
        after_ns=MINUTE_NS,
        why="NVML's return codes 15 and 999: the XID may never arrive.",
    ),
    Rule(
        "xid-hardware",
        Cause.GPU_ERROR,
        Role.INITIATES,
        Kind.XID,
        tuple(
            code
            for code in codes(
                XidClass.HW_FATAL, XidClass.HW_RECOVERABLE, XidClass.DRIVER
            )
            if code != str(FELL_OFF_THE_BUS)
        ),
        before_ns=COLLECTIVE_NS,
        why="Classes: the table of XIDs below.",
    ),
    Rule(
        "gpu-hanging",
        Cause.GPU_ERROR,
        Role.INITIATES,
        Kind.GPU_LOST,
        ("hanging", "error"),
        before_ns=COLLECTIVE_NS,
        after_ns=MINUTE_NS,
        why="The device is there and does not answer as it should.",
    ),
    Rule(
        "pcie-fatal-gpu",
        Cause.GPU_ERROR,
        Role.INITIATES,
        Kind.PCIE,
        ("fatal/nvidia",),
        before_ns=COLLECTIVE_NS,
        why="The kernel's AER driver on the GPU's own bus address: "
        "rwth-i6/returnn issue 1500.",
    ),
    Rule(
        "nvlink-down",
        Cause.GPU_ERROR,
        Role.INITIATES,
        Kind.LINK,
        ("nvlink-down", "nvswitch-fatal"),
        before_ns=COLLECTIVE_NS,
        after_ns=MINUTE_NS,
        why="A link between GPUs is part of them; XID 74 says the same. Fatal SXids: "
        "https://docs.nvidia.com/datacenter/tesla/fabric-manager-user-guide/",
    ),
    Rule(
        "condition-gpu-lost",
        Cause.GPU_LOST,
        Role.INITIATES,
        Kind.NODE_CONDITION,
        ("GPUMissing=True", "SysLogsGPUFallenOff=True"),
        before_ns=COLLECTIVE_NS,
        after_ns=TAINT_GRACE_NS,
        why=f"{AKS} {NVSENTINEL} They look every few minutes, so it is dated late.",
    ),
    Rule(
        "condition-gpu-error",
        Cause.GPU_ERROR,
        Role.INITIATES,
        Kind.NODE_CONDITION,
        (
            "NVLinkStatusInactive=True",
            "GpuDriverWatch=True",
            "GpuInforomWatch=True",
            "GpuMcuWatch=True",
            "GpuMemWatch=True",
            "GpuNvlinkWatch=True",
            "GpuNvswitchFatalWatch=True",
            "GpuPcieWatch=True",
            "GpuSmWatch=True",
            "SysLogsSXIDError=True",
            "AcceleratedHardwareReady=False",
        ),
        before_ns=COLLECTIVE_NS,
        after_ns=TAINT_GRACE_NS,
        why=f"{AKS} {NVSENTINEL} {EKS}",
    ),
    Rule(
        "xid-application",
        Cause.APPLICATION_ERROR,
        Role.INITIATES,
        Kind.XID,
        codes(XidClass.APP),
        before_ns=2 * MINUTE_NS,
        why="The driver stops the program at once; an older one ended nothing.",
    ),
)
