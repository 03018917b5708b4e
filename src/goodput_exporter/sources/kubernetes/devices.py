"""Which pods ask for GPUs, and what of them is worth keeping."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import msgspec

from goodput_exporter.sources.kubernetes.lean import Object, Quantity
from goodput_exporter.sources.kubernetes.objects import Manifest
from goodput_exporter.sources.kubernetes.pod_objects import Container, Pod, PodSpec
from goodput_exporter.sources.workloads.devices import is_gpu
from goodput_exporter.sources.workloads.identity import RUN_ID_VARIABLE
from goodput_exporter.sources.workloads.pods import RANK_VARIABLES
from goodput_exporter.sources.workloads.table import LWS

VARIABLES: Final = frozenset({RUN_ID_VARIABLE, *RANK_VARIABLES})
"""Of a pod's environment, what names its run and numbers it; the rest may be secret."""
LEADER: Final = LWS + "name"
"""A leader of a LeaderWorkerSet owns its workers, whether it holds a GPU or not."""
APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
"""The whole object once more, up to 256 KiB of it; nobody here reads it."""


_set: Final = msgspec.structs.force_setattr
"""Of structs that nobody else has seen yet: to others they are frozen."""


@lru_cache(maxsize=1024)
def _needless(names: tuple[str, ...]) -> tuple[str, ...]:
    """
    Return those of a container's resources that are no GPUs.

    A cluster's pods name few sets of resources, again and again.
    """
    return tuple(name for name in names if not is_gpu(name))


def wants_gpus(pod: Pod) -> bool:
    """
    Return whether a pod asks for GPUs, or leads pods that may.

    GPUs are any ``*/gpu``, those shared, MIG, or a claim for devices. Which devices
    a claim (DRA) is for, its own object says; so every pod with one counts. An
    amount of zero counts too: what is asked for is judged later.
    """
    spec = pod.spec
    if spec is None:
        return False
    if spec.resource_claims:
        return True
    for each in _containers(spec):
        if _asks(each):
            return True
    return pod.metadata is not None and LEADER in (pod.metadata.labels or ())


# Loops below where comprehensions would be shorter: of a hundred thousand pods each
# is read so when a list is, and a generator costs more than what it goes through.


def _containers(spec: PodSpec) -> tuple[Container, ...]:
    return (spec.containers or ()) + (spec.init_containers or ())


def _asks(container: Container) -> bool:
    resources = container.resources
    if resources is None:
        return False
    if resources.claims:
        return True
    for amounts in (resources.limits, resources.requests):
        if amounts and len(_needless(tuple(amounts))) < len(amounts):
            return True
    return False


def compact(pod: Pod) -> Pod:
    """
    Take out of a pod the resources, variables and annotations that nobody reads.

    In place, on maps that nobody else has seen yet: a pod is read two thousand
    times a second when a large job restarts, and a copy costs as much again.
    """
    _forget_copy(pod)
    if pod.spec is not None:
        for container in _containers(pod.spec):
            env, resources = container.env, container.resources
            if env:
                kept = [each for each in env if each.name in VARIABLES]
                _set(container, "env", tuple(kept) or None)
            if resources is not None:
                if resources.limits:
                    _keep_gpus(resources.limits)
                if resources.requests:
                    _keep_gpus(resources.requests)
    return pod


def without_copy(found: Manifest) -> Manifest:
    """Take the copy of itself out of an object that was applied, in place."""
    _forget_copy(found)
    return found


def _forget_copy(found: Object) -> None:
    if found.metadata is not None and found.metadata.annotations:
        found.metadata.annotations.pop(APPLIED, None)


def _keep_gpus(amounts: dict[str, Quantity]) -> None:
    for name in _needless(tuple(amounts)):
        del amounts[name]
