"""Rules for what proves that something outside began it, and names nobody."""

from __future__ import annotations

from typing import Final

from goodput_exporter.domain.cause_rule import (
    COLLECTIVE_NS,
    GRACE_NS,
    KUEUE,
    MINUTE_NS,
    NOBODY,
    TAINT_GRACE_NS,
    Role,
    Rule,
)
from goodput_exporter.domain.evidence import Kind
from goodput_exporter.domain.states import Cause
from goodput_exporter.domain.xids import XidClass, codes

RECOVERY_ACTION: Final = "154"

TRACES: Final = (
    Rule(
        "evicted-by-somebody",
        Cause.OTHER,
        Role.TRACE,
        Kind.POD_CONDITION,
        ("EvictionByEvictionAPI",),
        before_ns=GRACE_NS,
        why="Drains, autoscalers and spot handlers all evict; none is recorded.",
    ),
    Rule(
        "tainted-away",
        Cause.OTHER,
        Role.TRACE,
        Kind.POD_CONDITION,
        ("DeletionByTaintManager",),
        before_ns=GRACE_NS,
        after_ns=TAINT_GRACE_NS,
        why="A taint removed the pod; which one was not seen.",
    ),
    Rule(
        "orphaned",
        Cause.OTHER,
        Role.TRACE,
        Kind.POD_CONDITION,
        ("DeletionByPodGC", "DeletionByGCPControllerManager"),
        before_ns=GRACE_NS,
        after_ns=TAINT_GRACE_NS,
        why="The node's object is gone: lost, scaled in or reclaimed, who knows.",
    ),
    Rule(
        "node-shut-down",
        Cause.OTHER,
        Role.TRACE,
        Kind.POD_CONDITION,
        ("TerminationByKubelet/shutdown",),
        before_ns=GRACE_NS,
        why="https://kubernetes.io/docs/concepts/cluster-administration/"
        "node-shutdown/: for whose sake it does not say.",
    ),
    Rule(
        "unseen-disruption",
        Cause.OTHER,
        Role.TRACE,
        Kind.POD_CONDITION,
        ("*",),
        before_ns=GRACE_NS,
        why="A reason that this table does not know.",
    ),
    Rule(
        "unseen-pod-reason",
        Cause.OTHER,
        Role.TRACE,
        Kind.POD_REASON,
        ("*",),
        before_ns=GRACE_NS,
        why="A reason that this table does not know, or a shutdown of the node.",
    ),
    Rule(
        "node-object-deleted",
        Cause.OTHER,
        Role.TRACE,
        Kind.NODE_DELETED,
        ("*",),
        before_ns=COLLECTIVE_NS,
        after_ns=TAINT_GRACE_NS,
        why="Autoscalers delete healthy nodes; a lost one turns unreachable first.",
    ),
    Rule(
        "node-disrupted",
        Cause.OTHER,
        Role.TRACE,
        Kind.NODE_TAINT,
        ("karpenter.sh/disrupted", "karpenter.sh/disruption"),
        before_ns=GRACE_NS,
        why="It does not say why: aws/karpenter-provider-aws issue 6103.",
    ),
    Rule(
        "node-trouble-event",
        Cause.OTHER,
        Role.TRACE,
        Kind.EVENT,
        (
            "Pod/NodeNotReady",
            "Pod/TaintManagerEviction",
            "Node/NodeNotReady",
            "Node/InstanceTerminating",
            "Node/InstanceStopping",
            "Node/InstanceUnhealthy",
            "Node/TerminatingOnInterruption",
        ),
        before_ns=COLLECTIVE_NS,
        after_ns=TAINT_GRACE_NS,
        why="NVIDIA/gpu-operator issue 584; karpenter-provider-aws as above.",
    ),
    Rule(
        "replaced-by-a-slice",
        NOBODY,
        Role.CASCADE,
        Kind.WORKLOAD_CONDITION,
        ("Evicted/WorkloadSliceReplaced",),
        why=f"An elastic run goes on as another workload. {KUEUE}",
    ),
    Rule(
        "unseen-queue-reason",
        Cause.OTHER,
        Role.TRACE,
        Kind.WORKLOAD_CONDITION,
        ("Evicted/*", "SuspendedByOthers/*", "Failed/DeadlineExceeded"),
        before_ns=GRACE_NS,
        why="The queue or the controller stopped it for a reason without a cause here.",
    ),
    Rule(
        "gpu-wants-recovery",
        Cause.OTHER,
        Role.TRACE,
        Kind.XID,
        (RECOVERY_ACTION,),
        before_ns=COLLECTIVE_NS,
        why="It accompanies another XID, which was not seen.",
    ),
    Rule(
        "xid-aftermath",
        NOBODY,
        Role.CASCADE,
        Kind.XID,
        tuple(
            code
            for code in codes(*XidClass, ends_work=False)
            if code != RECOVERY_ACTION
        ),
        why="45 cleans up after other errors and kills; 38, 63 and 92 are notices.",
    ),
    Rule(
        "unseen-xid",
        Cause.OTHER,
        Role.TRACE,
        Kind.XID,
        ("*",),
        before_ns=MINUTE_NS,
        why="An XID of unknown class.",
    ),
    Rule(
        "pod-deleted",
        Cause.UNKNOWN,
        Role.TRACE,
        Kind.POD_DELETED,
        ("*",),
        before_ns=GRACE_NS,
        after_ns=0,
        why="Somebody deleted the pod before it ended; nobody left a word.",
    ),
)
