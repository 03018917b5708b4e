"""How one GPU is partitioned by MIG, enumerated whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Final

from goodput_exporter.sources.nvml.errors import STALE, UNSUPPORTED
from goodput_exporter.sources.nvml.wire import Instance, Partitioned

BYTES_PER_MIB: Final = 2**20
TRIES: Final = 3
"""A layout that changes while we enumerate it is asked for again, so often."""

MOST_SLICES: Final = 64
MOST_MIB: Final = 2**30


def partition(
    nvml: ModuleType, index: int, uuid: str, handle: object, now_ns: Callable[[], int]
) -> Partitioned | None:
    """
    Return the MIG layout of one GPU.

    Returns:
        The layout, with no slices where MIG is off or the device has none; None
        when it changed under every try, or tells what cannot be.

    Raises:
        NVMLError: Anything but "not supported" and "no such instance".
    """
    for _ in range(TRIES):
        try:
            slices = _slices(nvml, handle)
            found = () if slices is None else tuple(_instances(nvml, handle, slices))
        except nvml.NVMLError as exc:
            if exc.value in STALE:
                continue
            raise
        if slices is None or sum(one.compute_slices for one in found) <= slices:
            return Partitioned(index, now_ns(), uuid, slices, found)
    return None


def _slices(nvml: ModuleType, handle: object) -> int | None:
    """Return into how many slices the GPU divides; None where MIG is off."""
    try:
        current, _pending = nvml.nvmlDeviceGetMigMode(handle)
        if current != nvml.NVML_DEVICE_MIG_ENABLE:
            return None
        slices = int(nvml.nvmlDeviceGetMaxMigDeviceCount(handle))
    except nvml.NVMLError as exc:
        if exc.value in UNSUPPORTED:
            return None
        raise
    return slices if 0 < slices <= MOST_SLICES else None


def _instances(nvml: ModuleType, handle: object, slices: int) -> Iterator[Instance]:
    for slot in range(slices):
        try:
            device = nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, slot)
        except nvml.NVMLError_NotFound:
            continue  # instances need not fill the first slots
        yield _instance(nvml, device)


def _instance(nvml: ModuleType, device: object) -> Instance:
    attributes = nvml.nvmlDeviceGetAttributes(device)
    _, _, profile = nvml.nvmlDeviceGetName(device).partition("MIG ")
    total = min(int(attributes.memorySizeMB), MOST_MIB) * BYTES_PER_MIB
    return Instance(
        uuid=nvml.nvmlDeviceGetUUID(device),
        gpu_instance=nvml.nvmlDeviceGetGpuInstanceId(device),
        compute_instance=nvml.nvmlDeviceGetComputeInstanceId(device),
        profile=profile.strip(),
        gpu_slices=int(attributes.gpuInstanceSliceCount),
        compute_slices=int(attributes.computeInstanceSliceCount),
        memory_bytes=total,
        memory_used_bytes=_memory_used(nvml, device),
    )


def _memory_used(nvml: ModuleType, device: object) -> int | None:
    try:
        memory = nvml.nvmlDeviceGetMemoryInfo(device)
    except nvml.NVMLError as exc:
        if exc.value in UNSUPPORTED:
            return None
        raise
    return int(memory.used) if memory.used <= memory.total else None
