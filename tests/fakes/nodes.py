"""Nodes with GPUs in the shapes that the stories of attribution need."""

from __future__ import annotations

from goodput_exporter.domain.allocations import Allocation, PodName
from goodput_exporter.domain.inventory import Gpu, MigDevice

GPU_RESOURCE = "nvidia.com/gpu"
DRA_DRIVER = "gpu.nvidia.com"


def gpu_uuid(number: int) -> str:
    """Return the UUID of the node's GPU of that number."""
    return f"GPU-{number:08x}-71fa-2a59-a3bb-3d4c9d3f1e00"


def mig_uuid(gpu: int, instance: int) -> str:
    """Return the UUID of a MIG device, of the form that R470 and later write."""
    return f"MIG-{gpu:04x}{instance:04x}-9d6a-5c2f-8f4e-77d1a0b6c3aa"


def node(count: int, *, is_exclusive_process: bool = False) -> tuple[Gpu, ...]:
    """
    Return a node whose device nodes are numbered the other way than NVML's indices.

    So a test that mixes the two up fails.
    """
    return tuple(
        Gpu(
            gpu_uuid(index),
            index,
            minor=count - 1 - index,
            is_exclusive_process=is_exclusive_process,
        )
        for index in range(count)
    )


def mig_gpu(index: int, *compute_slices: int, first_gi: int = 7) -> Gpu:
    """Return a GPU cut into GPU instances of that many compute slices each."""
    mig = []
    start = 0
    for position, slices in enumerate(compute_slices):
        mig.append(
            MigDevice(
                mig_uuid(index, first_gi + position),
                gpu_instance=first_gi + position,
                compute_instance=0,
                compute_slices=slices,
                index=position,
                placement_start=start,
            )
        )
        start += 4 if slices == 3 else slices  # a 3g takes four of eight memory slices
    return Gpu(gpu_uuid(index), index, minor=index, mig=tuple(mig))


def given(
    pod: str,
    device_id: str,
    *,
    resource: str = GPU_RESOURCE,
    container: str = "train",
    claim: str | None = None,
) -> Allocation:
    """Return a device plugin's allocation, or a DRA driver's if a claim is named."""
    return Allocation(PodName("ml", pod), container, resource, device_id, claim)


def claimed(
    pod: str, device_id: str, claim: str, container: str = "train"
) -> Allocation:
    """Return an allocation by a ResourceClaim in the pod's namespace."""
    return given(
        pod,
        device_id,
        resource=DRA_DRIVER,
        container=container,
        claim=f"ml/{claim}",
    )
