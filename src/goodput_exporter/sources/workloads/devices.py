"""How many GPUs a pod asks for: extended resources, MIG, and claims for devices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from goodput_exporter.sources.loose import Fields, fields, rows, text, whole

MOST: Final = 1_000_000
"""No pod has more devices; an amount above it is a fault, not a fact."""


@dataclass(frozen=True, slots=True, order=True)
class Claim:
    """
    A claim (DRA) that a pod uses, by where its size is written.

    Args:
        kind: ``ResourceClaim`` or ``ResourceClaimTemplate``.
        name: Its name in the pod's namespace.
    """

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Ask:
    """
    What one pod asks for.

    Args:
        devices: GPUs and MIG instances by resource name, effective request.
        claims: Claims whose size their own objects say.
    """

    devices: int
    claims: tuple[Claim, ...] = ()

    @property
    def is_any(self) -> bool:
        """Return whether it may hold a GPU at all."""
        return self.devices > 0 or bool(self.claims)


Sizes: TypeAlias = Callable[[Claim], int]
"""How many GPUs a claim is for; 0 where it is for none, or not known yet."""


def is_gpu(resource: str) -> bool:
    """
    Return whether a resource's name means whole GPUs or instances of them.

    Source:
        Device plugins' README: ``nvidia.com/gpu`` (``.shared`` where it is shared
        under a name of its own), ``nvidia.com/mig-1g.10gb``, ``amd.com/gpu``.
    """
    return resource.endswith(("/gpu", "/gpu.shared")) or "/mig-" in resource


def amount(value: object) -> int:
    """Return a whole quantity, ``8`` or ``"8"``; 0 where it is none."""
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value[:20])
    if not isinstance(value, int) or isinstance(value, bool):
        return 0
    return value if 0 <= value <= MOST else 0


def gpus_in(amounts: Mapping[str, object]) -> int:
    """Return the GPUs in a map of resources, such as a node's capacity."""
    return sum(amount(value) for name, value in amounts.items() if is_gpu(name))


def container_gpus(container: Fields) -> int:
    """Return what one container asks for; of extended resources limit = request."""
    resources = fields(container, "resources")
    return gpus_in(fields(resources, "limits")) or gpus_in(
        fields(resources, "requests")
    )


def asked_by(spec: object) -> Ask:
    """
    Return the effective request of a pod's or a pod template's spec.

    Init containers run one after the other before the containers do, so the
    largest of them counts and not their sum; those that restart always are
    sidecars and stay.

    Source:
        https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/
        (resource sharing within containers).
    """
    sidecars = highest = 0
    for container in rows(spec, "initContainers"):
        asked = container_gpus(container)
        if text(container, "restartPolicy") == "Always":
            sidecars += asked
            highest = max(highest, sidecars)
        else:
            highest = max(highest, sidecars + asked)
    running = sum(container_gpus(each) for each in rows(spec, "containers"))
    return Ask(max(highest, sidecars + running), _claims(spec))


def _claims(spec: object) -> tuple[Claim, ...]:
    found = []
    for row in rows(spec, "resourceClaims"):
        name = text(row, "resourceClaimName")
        template = text(row, "resourceClaimTemplateName")
        if name:
            found.append(Claim("ResourceClaim", name))
        elif template:
            found.append(Claim("ResourceClaimTemplate", template))
    return tuple(found)


def rank_containers(spec: object) -> frozenset[str]:
    """Return the names of the containers that hold GPUs; empty where none says so."""
    return frozenset(
        text(each, "name")
        for each in rows(spec, "containers")
        if container_gpus(each) or rows(each, "resources", "claims")
    )


def sidecars(pod: Fields) -> frozenset[str]:
    """
    Return the names of the containers whose ends stop nobody: those beside the ranks.

    Where the ranks are done and the pod has failed, one of the others failed it; then
    there are none.
    """
    ranks, status = rank_containers(pod.get("spec")), fields(pod, "status")
    found = {
        text(each, "name")
        for each in rows(pod, "spec", "initContainers")
        if text(each, "restartPolicy") == "Always"
    }
    if ranks:
        named = (text(each, "name") for each in rows(pod, "spec", "containers"))
        found.update(name for name in named if name not in ranks)
    codes = [
        whole(each, "state", "terminated", "exitCode")
        for each in rows(status, "containerStatuses")
        if text(each, "name") in ranks
    ]
    is_their_doing = (
        text(status, "phase") == "Failed"
        and bool(codes)
        and not any(code != 0 for code in codes)
    )
    return frozenset() if is_their_doing else frozenset(found)


def claimed(raw: Fields) -> int:
    """
    Return the GPUs of a ResourceClaim, or of a template's claims.

    A device class whose name has ``gpu`` or ``mig`` in it is for GPUs; what a
    class is for is written nowhere else.

    Source:
        https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/
        resource-claim-v1/; the first versions have no ``exactly``.
    """
    spec = fields(raw, "spec")
    if text(raw, "kind") == "ResourceClaimTemplate":
        spec = fields(spec, "spec")
    requests = rows(spec, "devices", "requests")
    return sum(_requested(request) for request in requests)


def _requested(request: Fields) -> int:
    options: Iterable[Fields] = rows(request, "firstAvailable")
    for one in (fields(request, "exactly"), request, *options):
        device_class = text(one, "deviceClassName").lower()
        if "gpu" in device_class or "mig" in device_class:
            count = whole(one, "count")
            return 1 if count is None else amount(count)
    return 0
