"""The GPUs of one node and how they are cut up, as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from goodput_exporter.domain.observations import (
    GpuLost,
    GpuObservation,
    GpuSample,
    MigLayout,
)

MOST_SLICES: Final = 7
"""Compute slices of an A100, H100, H200, B200; an A30 has 4 (NVML's profiles say)."""


@dataclass(frozen=True, slots=True)
class MigDevice:
    """
    One MIG device: a compute instance within a GPU instance.

    Args:
        uuid: Its own, ``MIG-...``.
        gpu_instance, compute_instance: NVML's ids; a new layout reuses them.
        compute_slices: Slices of SMs that are its own.
        index: NVML's index among the MIG devices of its GPU, where known.
        placement_start: First memory slice of its GPU instance, where known; it
            names the instance among its siblings, as DRA does.
    """

    uuid: str
    gpu_instance: int
    compute_instance: int
    compute_slices: int
    index: int | None = None
    placement_start: int | None = None


@dataclass(frozen=True, slots=True)
class Gpu:
    """
    One physical GPU, present or lost: what is lost is still somebody's.

    Args:
        uuid: ``GPU-...``, the only name that survives a reboot.
        index: NVML's index. *minor*: the N of ``/dev/nvidiaN``, which may differ;
            None where the driver does not say.
        mig: Its MIG devices; none of them unless MIG is on.
        slices: The compute slices of the whole GPU.
        is_exclusive_process: Its compute mode admits one process at a time. The
            device plugin's MPS daemon sets it, and time slicing cannot work with it.
    """

    uuid: str
    index: int
    minor: int | None = None
    mig: tuple[MigDevice, ...] = ()
    slices: int = MOST_SLICES
    is_exclusive_process: bool = False


@dataclass(frozen=True, slots=True)
class Device:
    """
    What an allocation can name: a GPU, or the MIG devices of one GPU instance.

    Args:
        gpu: The GPU that it is, or is a part of.
        parts: UUIDs of the MIG devices; empty is the whole GPU.
        share: Its part of the GPU.
    """

    gpu: Gpu
    parts: frozenset[str] = frozenset()
    share: Fraction = Fraction(1)

    def overlaps(self, other: Device) -> bool:
        """Return whether some of the hardware is in both."""
        if self.gpu.uuid != other.gpu.uuid:
            return False
        return not self.parts or not other.parts or bool(self.parts & other.parts)


def whole(gpu: Gpu) -> Device:
    """Return a GPU as a device."""
    return Device(gpu)


def part(gpu: Gpu, *instances: MigDevice) -> Device | None:
    """
    Return MIG devices of one GPU as a device; None where there are none of a size.

    Its share is its compute slices over those of the GPU: 1/7 for ``1g``, 3/7 for
    ``3g``, whatever its memory is. Two ``3g`` leave one seventh unallocated.
    """
    slices = sum(instance.compute_slices for instance in instances)
    if slices < 1 or gpu.slices < 1:
        return None
    parts = frozenset(instance.uuid for instance in instances)
    return Device(gpu, parts, Fraction(slices, gpu.slices))


def gpus_of(
    seen: Iterable[GpuObservation],
    before: Iterable[Gpu] = (),
    minors: Mapping[str, int] = MappingProxyType({}),
    exclusive: frozenset[str] = frozenset(),
) -> tuple[Gpu, ...]:
    """
    Return the node's GPUs as they are seen now, in the order in which they are seen.

    A lost GPU stays as it was *before*, its MIG devices included: its holder still
    has it. One that has never told its UUID cannot be named, and is not there.

    Args:
        seen: The newest observation of each.
        before: What this function returned last.
        minors: The device node's number per UUID, where known.
        exclusive: UUIDs of those in the compute mode EXCLUSIVE_PROCESS.
    """
    known = {gpu.uuid: gpu for gpu in before}
    found: dict[str, Gpu] = {}
    for one in seen:
        if one.uuid is None or one.uuid in found:
            continue
        if isinstance(one, GpuLost) and one.uuid in known:
            found[one.uuid] = known[one.uuid]
            continue
        layout = one.mig if isinstance(one, GpuSample) else None
        found[one.uuid] = Gpu(
            one.uuid,
            one.index,
            minors.get(one.uuid),
            _devices(layout),
            MOST_SLICES if layout is None else layout.slices,
            one.uuid in exclusive,
        )
    return tuple(found.values())


def _devices(layout: MigLayout | None) -> tuple[MigDevice, ...]:
    """Return a layout's MIG devices; their place in it is no index: NVML's has gaps."""
    return tuple(
        MigDevice(one.uuid, one.gpu_instance, one.compute_instance, one.compute_slices)
        for one in (() if layout is None else layout.instances)
    )
