"""The fields of Kubernetes objects that are read here, and what type each must have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

from goodput_exporter.sources.loose import Fields

Shape: TypeAlias = "type | tuple[type, ...] | Mapping[str, Shape] | list[Shape]"
"""A type, a map of fields, a list of one shape, or (under ``*``) a map of any names."""

_STATE: Final[Shape] = {
    "waiting": {"reason": str},
    "running": {"startedAt": str},
    "terminated": {
        "exitCode": int,
        "reason": str,
        "startedAt": str,
        "finishedAt": str,
        "containerID": str,
    },
}
_STATUS: Final[Shape] = [
    {"name": str, "containerID": str, "state": _STATE, "lastState": _STATE}
]
_CONDITIONS: Final[Shape] = [
    {"type": str, "status": str, "reason": str, "lastTransitionTime": str}
]
_AMOUNTS: Final[Shape] = {"*": (str, int, float)}
_CONTAINERS: Final[Shape] = [
    {
        "name": str,
        "restartPolicy": str,
        "resources": {
            "limits": _AMOUNTS,
            "requests": _AMOUNTS,
            "claims": [{"name": str}],
        },
        "env": [{"name": str, "value": str}],
    }
]
_POD_SPEC: Final[Shape] = {
    "nodeName": str,
    "hostNetwork": bool,
    "containers": _CONTAINERS,
    "initContainers": _CONTAINERS,
    "schedulingGates": [{"name": str}],
    "resourceClaims": [
        {"name": str, "resourceClaimName": str, "resourceClaimTemplateName": str}
    ],
}
_METADATA: Final[Shape] = {
    "name": str,
    "namespace": str,
    "uid": str,
    "labels": {"*": str},
    "annotations": {"*": str},
    "creationTimestamp": str,
    "deletionTimestamp": str,
    "deletionGracePeriodSeconds": int,
    "ownerReferences": [
        {"apiVersion": str, "kind": str, "name": str, "uid": str, "controller": bool}
    ],
}
_TEMPLATE: Final[Shape] = {
    "metadata": {"labels": {"*": str}, "annotations": {"*": str}},
    "spec": _POD_SPEC,
}
_JOB: Final[Mapping[str, Shape]] = {
    "parallelism": int,
    "completions": int,
    "suspend": bool,
    "template": _TEMPLATE,
}
_RAY: Final[Mapping[str, Shape]] = {
    "enableInTreeAutoscaling": bool,
    "headGroupSpec": {"template": _TEMPLATE},
    "workerGroupSpecs": [
        {
            "groupName": str,
            "replicas": int,
            "minReplicas": int,
            "numOfHosts": int,
            "template": _TEMPLATE,
        }
    ],
}
_REPLICAS: Final[Shape] = {"*": {"replicas": int, "template": _TEMPLATE}}

_SPECS: Final[Mapping[str, Shape]] = {
    "Pod": _POD_SPEC,
    "Node": {
        "unschedulable": bool,
        "taints": [{"key": str, "value": str, "effect": str, "timeAdded": str}],
    },
    "Lease": {"renewTime": str, "leaseDurationSeconds": int},
    "Job": {
        **_JOB,
        "minAvailable": int,
        "queue": str,
        "tasks": [{"name": str, "replicas": int, "template": _TEMPLATE}],
    },
    "JobSet": {
        "suspend": bool,
        "replicatedJobs": [{"name": str, "replicas": int, "template": {"spec": _JOB}}],
    },
    "TrainJob": {
        "suspend": bool,
        "trainer": {"env": [{"name": str, "value": str}]},
    },
    "StatefulSet": {"replicas": int, "template": _TEMPLATE},
    "RayJob": {"suspend": bool, "rayClusterSpec": _RAY},
    "RayCluster": {"suspend": bool, **_RAY},
    "LeaderWorkerSet": {
        "replicas": int,
        "leaderWorkerTemplate": {
            "size": int,
            "leaderTemplate": _TEMPLATE,
            "workerTemplate": _TEMPLATE,
        },
    },
    "Workload": {"queueName": str},
    "PodGroup": {"queue": str},
    "ResourceClaim": {"devices": dict},
    "ResourceClaimTemplate": {"spec": dict},
    **{
        kind: {
            "runPolicy": {"suspend": bool},
            "elasticPolicy": {"maxReplicas": int},
            replicas: _REPLICAS,
        }
        for kind, replicas in (
            ("PyTorchJob", "pytorchReplicaSpecs"),
            ("TFJob", "tfReplicaSpecs"),
            ("JAXJob", "jaxReplicaSpecs"),
            ("XGBoostJob", "xgbReplicaSpecs"),
            ("PaddleJob", "paddleReplicaSpecs"),
            ("MPIJob", "mpiReplicaSpecs"),
        )
    },
}
_STATUSES: Final[Mapping[str, Mapping[str, Shape]]] = {
    "Pod": {
        "phase": str,
        "reason": str,
        "podIP": str,
        "startTime": str,
        "containerStatuses": _STATUS,
        "initContainerStatuses": _STATUS,
    },
    "Node": {"capacity": _AMOUNTS, "allocatable": _AMOUNTS},
    "Job": {
        "state": {"phase": str, "lastTransitionTime": str},
        "retryCount": int,
    },
    "JobSet": {"restarts": int},
    "RayJob": {
        "jobStatus": str,
        "jobDeploymentStatus": str,
        "endTime": str,
        "failed": int,
    },
    "PodGroup": {"phase": str},
}


def shape_of(kind: str) -> Shape:
    """Return the fields of a kind that are read; of an unknown kind its metadata."""
    status = {**_STATUSES.get(kind, {}), "conditions": _CONDITIONS}
    if kind == "Event":
        about = {"kind": str, "namespace": str, "name": str}
        return {
            "metadata": {"name": str, "namespace": str, "uid": str},
            "reason": str,
            "message": str,
            "involvedObject": about,
            "related": {"uid": str},
            "eventTime": str,
            "lastTimestamp": str,
            "firstTimestamp": str,
        }
    spec = _SPECS.get(kind)
    if spec is None:
        return {"metadata": _METADATA}
    return {"metadata": _METADATA, "spec": spec, "status": status}


def misfits(raw: Fields, shape: Shape) -> Iterator[str]:
    """
    Yield the path of every field that is there and of another type than it must be.

    A field that is missing or null is none: every field of the API is optional.
    """
    return _misfits(raw, shape, "")


def _misfits(value: object, shape: Shape, path: str) -> Iterator[str]:
    if value is None:
        return
    if isinstance(shape, type | tuple):
        is_bool = isinstance(value, bool)
        if not isinstance(value, shape) or (is_bool and shape is not bool):
            yield path
    elif isinstance(shape, list):
        yield from _in_list(value, shape[0], path)
    elif isinstance(value, Mapping):
        yield from _in_map(value, shape, path)
    else:
        yield path


def _in_list(value: object, shape: Shape, path: str) -> Iterator[str]:
    if not isinstance(value, list | tuple):
        yield path
        return
    for row in value:
        yield from _misfits(0 if row is None else row, shape, f"{path}[]")


def _in_map(value: Fields, shape: Mapping[str, Shape], path: str) -> Iterator[str]:
    every = shape.get("*")
    if every is not None:
        for inner in value.values():
            yield from _misfits(inner, every, f"{path}.*")
        return
    for name, inner_shape in shape.items():
        if name in value:
            yield from _misfits(value[name], inner_shape, f"{path}.{name}")
