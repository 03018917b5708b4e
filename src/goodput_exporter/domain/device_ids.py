"""
Which GPU a device id means, whatever the plugin that wrote it calls its devices.

No setting chooses among the forms. UUIDs are tried first; the short forms, in
which a number alone names a GPU, cannot be mistaken for one another.

| form | written by | names |
| --- | --- | --- |
| ``GPU-...`` | NVIDIA's plugin | a GPU by UUID |
| ``MIG-...``, ``MIG-GPU-.../7/0`` | NVIDIA's plugin, and before R470 | a MIG device |
| ``GPU-...::3``, ``MIG-...::0``, ``GPU-...-3`` | NVIDIA's plugin, shared | a replica |
| ``0``, ``0:1``, ``0::3`` | plugins that count | NVML index, its MIG device, replica |
| ``nvidia0``, ``nvidia0/gi7`` | GKE's plugin | device node, its GPU instance |
| ``nvidia0/vgpu1``, ``nvidia0/gi7/vgpu1`` | GKE's plugin, shared | a replica |
| ``1-7`` | DCGM's naming | NVML index and GPU instance |
| ``NODE/gpu-0`` | NVIDIA's DRA driver | device node; index before its version 25.8 |
| ``NODE/gpu-0-mig-1g10gb-19-4`` | the same | device node, profile, placement |
| ``NODE/gpu-0-mig-19-4-1`` | the same, before | device node, profile, placement, size |

Sources of the forms: dcgm-exporter issues 92, 201, 272, 307 and pull request 432;
NVIDIA/k8s-dra-driver-gpu issue 563 and its device names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from goodput_exporter.domain.inventory import Device, Gpu, MigDevice, part, whole

REPLICA: Final = re.compile(r"(?P<uuid>.+?)(?:::|-replica-|-)[0-9]{1,6}")
LEGACY_MIG: Final = re.compile(
    r"MIG-(?P<uuid>GPU-.+)/(?P<gi>[0-9]{1,6})/(?P<ci>[0-9]{1,6})"
)
NUMBERED: Final = re.compile(
    r"(?P<gpu>[0-9]{1,6})(?::(?P<mig>[0-9]{1,6}))?(?P<replica>::[0-9]{1,6})?"
)
NODE: Final = re.compile(
    r"nvidia(?P<gpu>[0-9]{1,6})(?:/gi(?P<gi>[0-9]{1,6}))?(?P<replica>/vgpu[0-9]{1,6})?"
)
PAIR: Final = re.compile(r"(?P<gpu>[0-9]{1,6})-(?P<gi>[0-9]{1,6})")
DYNAMIC: Final = re.compile(
    r"gpu-(?P<gpu>[0-9]{1,6})"
    r"(?:-mig-(?:[0-9]{1,6}-(?P<was>[0-9]{1,6})-[0-9]{1,6}"
    r"|.*[^0-9-].*-[0-9]{1,6}-(?P<start>[0-9]{1,6})))?"
)

Gpus = tuple[Gpu, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A device that an id names, and whether the id is one replica of it."""

    device: Device
    is_replica: bool = False


def find(device_id: str, gpus: Gpus) -> Found | None:
    """
    Return what a device plugin's id names among *gpus*; None is no device of theirs.

    A UUID or a number that no GPU here has is None too: a MIG device that is gone
    is nobody's, and never taken for its neighbour.
    """
    for form in (_by_uuid, _by_replica, _by_legacy_mig, _by_number, _by_node, _by_pair):
        found = form(device_id, gpus)
        if found is not None:
            return found
    return None


def find_dynamic(device: str, gpus: Gpus) -> Found | None:
    """
    Return what a device name of NVIDIA's DRA driver means, by the name alone.

    The driver has counted device nodes since version 25.8, NVML indices before; they
    are the same on most nodes. A ResourceSlice says the UUID; ask it first.
    """
    if (match := DYNAMIC.fullmatch(device)) is None:
        return None
    number = int(match["gpu"])
    gpu = _one(gpus, lambda one: one.minor == number) or _one(
        gpus, lambda one: one.index == number
    )
    start = match["start"] or match["was"]
    return _among(gpu, start, lambda mig: mig.placement_start == int(start))


def _by_uuid(device_id: str, gpus: Gpus) -> Found | None:
    for gpu in gpus:
        if gpu.uuid == device_id:
            return Found(whole(gpu))
        for mig in gpu.mig:
            if mig.uuid == device_id:
                return _found(part(gpu, mig))
    return None


def _by_replica(device_id: str, gpus: Gpus) -> Found | None:
    if (match := REPLICA.fullmatch(device_id)) is None:
        return None
    found = _by_uuid(match["uuid"], gpus)
    return None if found is None else Found(found.device, is_replica=True)


def _by_legacy_mig(device_id: str, gpus: Gpus) -> Found | None:
    if (match := LEGACY_MIG.fullmatch(device_id)) is None:
        return None
    ids = (int(match["gi"]), int(match["ci"]))
    return _among(
        _one(gpus, lambda gpu: gpu.uuid == match["uuid"]),
        device_id,
        lambda mig: (mig.gpu_instance, mig.compute_instance) == ids,
    )


def _by_number(device_id: str, gpus: Gpus) -> Found | None:
    if (match := NUMBERED.fullmatch(device_id)) is None:
        return None
    return _among(
        _one(gpus, lambda gpu: gpu.index == int(match["gpu"])),
        match["mig"],
        lambda mig: mig.index == int(match["mig"]),
        is_replica=match["replica"] is not None,
    )


def _by_node(device_id: str, gpus: Gpus) -> Found | None:
    if (match := NODE.fullmatch(device_id)) is None:
        return None
    return _among(
        _one(gpus, lambda gpu: gpu.minor == int(match["gpu"])),
        match["gi"],
        lambda mig: mig.gpu_instance == int(match["gi"]),
        is_replica=match["replica"] is not None,
    )


def _by_pair(device_id: str, gpus: Gpus) -> Found | None:
    if (match := PAIR.fullmatch(device_id)) is None:
        return None
    return _among(
        _one(gpus, lambda gpu: gpu.index == int(match["gpu"])),
        match["gi"],
        lambda mig: mig.gpu_instance == int(match["gi"]),
    )


def _among(
    gpu: Gpu | None,
    named: str | None,
    is_meant: Callable[[MigDevice], bool],
    *,
    is_replica: bool = False,
) -> Found | None:
    """Return *gpu* itself where no part is *named*, else the parts that are meant."""
    if gpu is None:
        return None
    if named is None:
        return Found(whole(gpu), is_replica)
    return _found(part(gpu, *filter(is_meant, gpu.mig)), is_replica=is_replica)


def _found(device: Device | None, *, is_replica: bool = False) -> Found | None:
    return None if device is None else Found(device, is_replica)


def _one(gpus: Gpus, is_meant: Callable[[Gpu], bool]) -> Gpu | None:
    """Return the only GPU that is meant; two of them are none."""
    matches: Iterator[Gpu] = filter(is_meant, gpus)
    first = next(matches, None)
    return None if next(matches, None) is not None else first
