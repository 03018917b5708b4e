"""Kubernetes objects as the API server writes them, with fields that nobody reads."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

Json: TypeAlias = dict[str, Any]

PODS: Final = "/api/v1/pods"
NODES: Final = "/api/v1/nodes"


def metadata(name: str, uid: str = "") -> Json:
    """Return what every object says about itself; the uid is the name by default."""
    return {
        "name": name,
        "namespace": "ml",
        "uid": uid or name,
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": {"job-name": "llama", "app": "train"},
        "annotations": {
            "note": "kept",
            "kubectl.kubernetes.io/last-applied-configuration": '{"kind":"Pod"}',
        },
        "ownerReferences": [
            {"apiVersion": "batch/v1", "kind": "Job", "name": "llama", "uid": "j-1",
             "controller": True, "blockOwnerDeletion": True},
        ],
        "managedFields": [{"manager": "kubelet", "fieldsV1": {"f:status": {}}}],
    }  # fmt: skip


def pod(
    name: str, uid: str = "", *, gpus: int | None = 8, phase: str = "Running"
) -> Json:
    """Return a pod; without GPUs if *gpus* is None."""
    limits = {"cpu": "32", "memory": "512Gi"}
    if gpus is not None:
        limits["nvidia.com/gpu"] = str(gpus)
    state = {"running": {"startedAt": "2026-01-01T00:01:00Z"}}
    ended = {"exitCode": 137, "reason": "OOMKilled", "signal": 9, "message": "",
             "startedAt": "2026-01-01T00:00:20Z", "finishedAt": "2026-01-01T00:00:50Z",
             "containerID": "containerd://old"}  # fmt: skip
    return {
        "metadata": metadata(name, uid),
        "spec": {
            "nodeName": "node-1",
            "containers": [
                {"name": "train", "image": "train:1", "env": [{"name": "A"}],
                 "resources": {"limits": limits, "requests": dict(limits)}},
            ],
            "initContainers": [{"name": "fetch", "resources": {}}],
            "resourceClaims": [],
            "schedulingGates": [],
            "priorityClassName": "high",
        },
        "status": {
            "phase": phase,
            "reason": "",
            "message": "",
            "podIP": "10.0.0.7",
            "hostIP": "192.168.0.7",
            "startTime": "2026-01-01T00:00:10Z",
            "conditions": [
                {"type": "Ready", "status": "True", "reason": None, "message": "",
                 "lastTransitionTime": "2026-01-01T00:01:01Z", "lastProbeTime": None},
            ],
            "containerStatuses": [
                {"name": "train", "ready": True, "restartCount": 1, "state": state,
                 "lastState": {"terminated": ended}, "containerID": "containerd://a",
                 "image": "train:1", "imageID": "sha256:1"},
            ],
            "initContainerStatuses": [
                {"name": "fetch", "ready": True, "restartCount": 0, "lastState": {},
                 "image": "fetch:1", "imageID": "sha256:2",
                 "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}},
            ],
        },
    }  # fmt: skip


def node(name: str) -> Json:
    """Return a node that is being drained."""
    return {
        "metadata": metadata(name),
        "spec": {
            "podCIDR": "10.0.0.0/24",
            "unschedulable": True,
            "taints": [
                {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule",
                 "value": "", "timeAdded": "2026-01-01T00:00:00Z"},
            ],
        },
        "status": {
            "capacity": {"nvidia.com/gpu": "8", "cpu": 64},
            "allocatable": {"nvidia.com/gpu": "8", "cpu": "63500m"},
            "conditions": [{"type": "Ready", "status": "Unknown", "message": ""}],
        },
    }  # fmt: skip


def event(name: str) -> Json:
    """Return an event, with the null that real ones have."""
    return {
        "metadata": metadata(name),
        "type": "Warning",
        "reason": "Preempted",
        "message": "Preempted by pod q on node n1",
        "involvedObject": {"kind": "Pod", "namespace": "ml", "name": "p", "uid": "u",
                           "apiVersion": "v1"},
        "source": {"component": "default-scheduler", "host": ""},
        "reportingComponent": "default-scheduler",
        "eventTime": None,
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:05:00Z",
        "count": 4,
        "series": {"count": 4, "lastObservedTime": "2026-01-01T00:05:00.000000Z"},
    }  # fmt: skip


def job(name: str) -> Json:
    """Return a job that failed once."""
    return {
        "metadata": metadata(name),
        "spec": {
            "suspend": False,
            "parallelism": 4,
            "completions": 4,
            "backoffLimit": 3,
            "template": {"spec": pod("t")["spec"]},
        },
        "status": {
            "active": 3,
            "ready": 3,
            "failed": 1,
            "succeeded": 0,
            "restarts": 1,
            "startTime": "2026-01-01T00:00:00Z",
            "conditions": [{"type": "Suspended", "status": "False"}],
        },
    }
