"""The fields of Kubernetes objects that are read here, and what type each must have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final, TypeAlias

from goodput_exporter.sources.loose import Fields

Shape: TypeAlias = "type | tuple[type, ...] | Mapping[str, Shape] | list[Shape]"
"""A type, a map of fields, a list of one shape, or (under ``*``) a map of any names."""

_OBJECT: Final = (dict, Mapping)
"""Nearly every object is a dict, which is told much faster than a Mapping."""
KINDS: Final = 64
"""More than are followed; an object may say that it is of any kind."""
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


@lru_cache(KINDS)
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
    # Nearly every object fits; to know only that takes less than half of the time.
    return iter(()) if fits(raw, shape) else every_misfit(raw, shape, "")


def fits(value: object, shape: Shape) -> bool:
    """Tell whether there are no misfits, without a path for each field."""
    if value is None or type(value) is shape:
        return True
    if isinstance(shape, _OBJECT):
        return isinstance(value, _OBJECT) and _map_fits(value, shape)
    if isinstance(shape, list):
        return isinstance(value, list | tuple) and all(_rows_fit(value, shape[0]))
    return _is_of(value, shape)


def _rows_fit(rows: Iterable[object], shape: Shape) -> Iterator[bool]:
    """Yield of each row whether it fits; null is no row."""
    return (row is not None and fits(row, shape) for row in rows)


def _is_of(value: object, kind: type | tuple[type, ...]) -> bool:
    """Tell the type of a value; true and false are no numbers."""
    is_bool = isinstance(value, bool)
    return isinstance(value, kind) and (not is_bool or kind is bool)


def _map_fits(value: Fields, shape: Mapping[str, Shape]) -> bool:
    every = shape.get("*")
    if every is not None:
        exact = every if isinstance(every, tuple) else (every,)
        kinds = set(map(type, value.values()))
        is_exact = all(kind in exact for kind in kinds)
        return is_exact or all(fits(one, every) for one in value.values())
    for name, inner in shape.items():
        one = value.get(name)
        # Said twice, because a call for each of a pod's sixty fields is what costs.
        if one is None or type(one) is inner:
            continue
        if not fits(one, inner):
            return False
    return True


def every_misfit(value: object, shape: Shape, path: str) -> Iterator[str]:
    """Yield the path of every misfit, below the path of the value."""
    if value is None:
        return
    if isinstance(shape, type | tuple):
        if not _is_of(value, shape):
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
        yield from every_misfit(0 if row is None else row, shape, f"{path}[]")


def _in_map(value: Fields, shape: Mapping[str, Shape], path: str) -> Iterator[str]:
    every = shape.get("*")
    if every is not None:
        for inner in value.values():
            yield from every_misfit(inner, every, f"{path}.*")
        return
    for name, inner_shape in shape.items():
        if name in value:
            yield from every_misfit(value[name], inner_shape, f"{path}.{name}")
