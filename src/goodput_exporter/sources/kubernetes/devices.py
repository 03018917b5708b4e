"""Which pods ask for GPUs, and what of them is worth keeping."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from goodput_exporter.sources.kubernetes.objects import (
    Container,
    Pod,
    PodSpec,
    Quantity,
)

GPU_SUFFIX: Final = "/gpu"
MIG_PREFIX: Final = "nvidia.com/mig-"
APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
"""The whole object once more, up to 256 KiB of it; nobody here reads it."""


@lru_cache(maxsize=1024)  # a cluster has some dozens, and each pod names them again
def is_gpu(resource: str) -> bool:
    """Return whether a resource's name means GPUs, whoever made them."""
    return resource.endswith(GPU_SUFFIX) or resource.startswith(MIG_PREFIX)


def wants_gpus(pod: Pod) -> bool:
    """
    Return whether a pod asks for GPUs: any ``*/gpu``, MIG, or a claim for devices.

    Which devices a claim (DRA) is for, its own object says; so every pod with
    one counts. An amount of zero counts too: what is asked for is judged later.
    """
    spec = pod.spec
    if spec is None:
        return False
    return bool(spec.resource_claims) or any(_asks(each) for each in _containers(spec))


def _containers(spec: PodSpec) -> Iterator[Container]:
    yield from spec.containers or ()
    yield from spec.init_containers or ()


def _asks(container: Container) -> bool:
    resources = container.resources
    if resources is None:
        return False
    return bool(resources.claims) or any(
        is_gpu(name)
        for amounts in (resources.limits, resources.requests)
        for name in amounts or ()
    )


def compact(pod: Pod) -> Pod:
    """
    Take out of a pod the resources and annotations that nobody reads.

    In place, on maps that nobody else has seen yet: a pod is read two thousand
    times a second when a large job restarts, and a copy costs as much again.
    """
    if pod.metadata is not None and pod.metadata.annotations:
        pod.metadata.annotations.pop(APPLIED, None)
    if pod.spec is not None:
        for container in _containers(pod.spec):
            resources = container.resources
            if resources is not None:
                _keep_gpus(resources.limits)
                _keep_gpus(resources.requests)
    return pod


def _keep_gpus(amounts: dict[str, Quantity] | None) -> None:
    if amounts:
        for name in tuple(amounts):
            if not is_gpu(name):
                del amounts[name]
