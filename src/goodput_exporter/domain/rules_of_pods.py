"""Rules for what schedulers, kubelets, queues and people do to pods."""

from __future__ import annotations

from typing import Final

from goodput_exporter.domain.cause_rule import (
    COLLECTIVE_NS,
    DISRUPTION,
    GRACE_NS,
    KUEUE,
    MINUTE_NS,
    TAINT_GRACE_NS,
    Role,
    Rule,
)
from goodput_exporter.domain.evidence import Kind
from goodput_exporter.domain.states import Cause

PODS: Final = (
    Rule(
        "preempted-condition",
        Cause.PREEMPTED,
        Role.INITIATES,
        Kind.POD_CONDITION,
        ("PreemptionByScheduler", "PreemptionByKubeScheduler"),
        before_ns=GRACE_NS,
        why=f"The second is the word of Kubernetes 1.25. {DISRUPTION}",
    ),
    Rule(
        "preempted-event",
        Cause.PREEMPTED,
        Role.INITIATES,
        Kind.EVENT,
        ("Pod/Preempted",),
        before_ns=GRACE_NS,
        why="The scheduler's event on its victim.",
    ),
    Rule(
        "preempted-by-kubelet",
        Cause.PREEMPTED,
        Role.INITIATES,
        Kind.POD_REASON,
        ("Preempting",),
        before_ns=GRACE_NS,
        why="The kubelet makes room for a critical pod.",
    ),
    Rule(
        "evicted-condition",
        Cause.EVICTED,
        Role.INITIATES,
        Kind.POD_CONDITION,
        ("TerminationByKubelet",),
        before_ns=GRACE_NS,
        why="Node pressure; a shutdown of the node has a reason of its own here. "
        f"{DISRUPTION}",
    ),
    Rule(
        "evicted-status",
        Cause.EVICTED,
        Role.INITIATES,
        Kind.POD_REASON,
        ("Evicted",),
        before_ns=GRACE_NS,
        why="kubernetes/kubernetes issue 105467: either of the two may be missing.",
    ),
    Rule(
        "evicted-event",
        Cause.EVICTED,
        Role.INITIATES,
        Kind.EVENT,
        ("Pod/Evicted",),
        before_ns=GRACE_NS,
        why="kubernetes/kubernetes issue 141483: it may be the only sign.",
    ),
    Rule(
        "device-admission",
        Cause.DEVICE_ADMISSION,
        Role.INITIATES,
        Kind.POD_REASON,
        (
            "UnexpectedAdmissionError",
            "TopologyAffinityError",
            "OutOf*",
        ),
        before_ns=MINUTE_NS,
        why="The kubelet refused the pod: its devices are not there. "
        "kubernetes/kubernetes issues 97131 and 130145.",
    ),
    Rule(
        "image-pull",
        Cause.IMAGE_PULL,
        Role.INITIATES,
        Kind.CONTAINER_WAITING,
        (
            "ErrImagePull",
            "ImagePullBackOff",
            "InvalidImageName",
            "ErrImageNeverPull",
            "ImageInspectError",
            "RegistryUnavailable",
        ),
        before_ns=GRACE_NS,
        why="https://kubernetes.io/docs/concepts/containers/images/#imagepullbackoff",
    ),
    Rule(
        "oom-killed",
        Cause.OOM_KILLED,
        Role.INITIATES,
        Kind.CONTAINER_EXIT,
        ("OOMKilled",),
        before_ns=MINUTE_NS,
        why="Whatever the exit code: 137, but also 0 (kubernetes/kubernetes issue "
        "131530) or 1.",
    ),
    Rule(
        "oom-killed-by-kernel",
        Cause.OOM_KILLED,
        Role.INITIATES,
        Kind.OOM_KILL,
        ("*",),
        before_ns=MINUTE_NS,
        why="The kernel names the cgroup, and so the pod. The container's own reason "
        "is only OOMKilled where its first process was the one: kubernetes/kubernetes "
        "issue 50632.",
    ),
    Rule(
        "oom-killed-in-place",
        Cause.OOM_KILLED,
        Role.INITIATES,
        Kind.CONTAINER_RESTART,
        ("OOMKilled",),
        before_ns=MINUTE_NS,
        why="openshift/origin issue 7064.",
    ),
)

WORKLOADS: Final = (
    Rule(
        "queue-preempted",
        Cause.QUEUE_PREEMPTED,
        Role.INITIATES,
        Kind.WORKLOAD_CONDITION,
        (
            "Evicted/Preempted*",
            "Evicted/PodsReadyTimeout",
            "Evicted/AdmissionCheck",
            "Evicted/ClusterQueueStopped",
            "Evicted/LocalQueueStopped",
        ),
        before_ns=GRACE_NS,
        why="The queue took the quota back. The pods carry no mark of it: "
        f"kubernetes-sigs/jobset issue 1117. {KUEUE}",
    ),
    Rule(
        "queue-saw-node-failures",
        Cause.NODE_LOST,
        Role.INITIATES,
        Kind.WORKLOAD_CONDITION,
        ("Evicted/NodeFailures",),
        before_ns=COLLECTIVE_NS,
        after_ns=TAINT_GRACE_NS,
        why=KUEUE,
    ),
    Rule(
        "deactivated",
        Cause.USER,
        Role.INITIATES,
        Kind.WORKLOAD_CONDITION,
        ("Evicted/Deactivated", "Evicted/InactiveWorkload"),
        before_ns=GRACE_NS,
        why=f"Somebody set spec.active to false. {KUEUE}",
    ),
    Rule(
        "suspended-by-hand",
        Cause.USER,
        Role.INITIATES,
        Kind.WORKLOAD_CONDITION,
        ("Suspended/*",),
        before_ns=GRACE_NS,
        why="No queue and no owner manages it, so a person did it.",
    ),
    Rule(
        "owner-deleted",
        Cause.USER,
        Role.INITIATES,
        Kind.WORKLOAD_DELETED,
        ("*",),
        before_ns=GRACE_NS,
        why="The run's own top object is deleted, not only its pods.",
    ),
)
