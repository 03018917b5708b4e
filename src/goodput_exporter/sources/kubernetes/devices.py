"""Which pods ask for GPUs, and what of them is worth keeping."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from goodput_exporter.sources.kubernetes.objects import (
    Container,
    Metadata,
    Pod,
    PodSpec,
    Quantity,
    Resources,
)

GPU_SUFFIX: Final = "/gpu"
MIG_PREFIX: Final = "nvidia.com/mig-"
APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
"""The whole object once more, up to 256 KiB of it; nobody here reads it."""


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
    """Return a pod without the resources and annotations that nobody reads."""
    spec, metadata = pod.spec, pod.metadata
    return msgspec.structs.replace(
        pod,
        metadata=None if metadata is None else _without_applied(metadata),
        spec=None if spec is None else _gpus_only(spec),
    )


def _without_applied(metadata: Metadata) -> Metadata:
    if not metadata.annotations or APPLIED not in metadata.annotations:
        return metadata
    kept = {
        name: text for name, text in metadata.annotations.items() if name != APPLIED
    }
    return msgspec.structs.replace(metadata, annotations=kept)


def _gpus_only(spec: PodSpec) -> PodSpec:
    return msgspec.structs.replace(
        spec,
        containers=_lighter(spec.containers),
        init_containers=_lighter(spec.init_containers),
    )


def _lighter(containers: tuple[Container, ...] | None) -> tuple[Container, ...] | None:
    if containers is None:
        return None
    return tuple(
        each
        if each.resources is None
        else msgspec.structs.replace(each, resources=_gpus_of(each.resources))
        for each in containers
    )


def _gpus_of(resources: Resources) -> Resources:
    return Resources(
        limits=_amounts(resources.limits),
        requests=_amounts(resources.requests),
        claims=resources.claims,
    )


def _amounts(amounts: dict[str, Quantity] | None) -> dict[str, Quantity] | None:
    if not amounts:
        return amounts
    return {name: amount for name, amount in amounts.items() if is_gpu(name)} or None
