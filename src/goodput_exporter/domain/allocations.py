"""Which devices a node's kubelet says its containers were given, word for word."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

GPU_RESOURCE: Final = re.compile(r"nvidia\.com/(?:gpu(?:[.-].*)?|mig-.*)")
"""Also when shared or renamed; NVIDIA's network cards have names beside these."""
GPU_DRIVER: Final = "gpu.nvidia.com"
"""The DRA driver of GPUs; ``compute-domain.nvidia.com`` hands out channels."""


class PodName(NamedTuple):
    """A pod as the kubelet names it; its uid is not in what the kubelet lists."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Allocation:
    """
    One device that one container was given.

    Args:
        pod, container: Who was given it.
        resource: The device plugin's resource, or the DRA driver's name.
        device_id: As its plugin wrote it; ``"POOL/DEVICE"`` from a DRA driver.
        claim: ``"NAMESPACE/NAME"`` of the ResourceClaim; None from a device plugin.
        share_id: Set where DRA lets several claims have the device at once.
    """

    pod: PodName
    container: str
    resource: str
    device_id: str
    claim: str | None = None
    share_id: str | None = None

    @property
    def is_gpu(self) -> bool:
        """Whether the resource's name says that it is a GPU or a part of one."""
        if self.claim is not None:
            return self.resource == GPU_DRIVER
        return GPU_RESOURCE.fullmatch(self.resource) is not None


@dataclass(frozen=True, slots=True)
class PodFacts:
    """
    What another source knows of a pod.

    Args:
        uid: None where nobody said.
        created_ns: When it was created, or first seen; None is before all others.
        is_finished: It has succeeded or failed; the kubelet may list it still.
    """

    uid: str | None = None
    created_ns: int | None = None
    is_finished: bool = False


@dataclass(frozen=True, slots=True)
class DynamicDevices:
    """
    What the API server knows of DRA devices; all of it may be unknown.

    Args:
        uuids: From ResourceSlices: the UUID of a driver's ``"POOL/DEVICE"``.
        observers: ResourceClaims with admin access, ``"NAMESPACE/NAME"``: they look
            on, and hold nothing.
    """

    uuids: Mapping[tuple[str, str], str] = field(default_factory=dict)
    observers: frozenset[str] = frozenset()
