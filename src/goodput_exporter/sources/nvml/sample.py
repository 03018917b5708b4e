"""From the child's messages to the observations of the domain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from goodput_exporter.domain.observations import (
    GpuHealth,
    GpuSample,
    MigInstance,
    MigLayout,
    Throttled,
)
from goodput_exporter.sources.nvml.readings import reasons
from goodput_exporter.sources.nvml.wire import Answered, Counted, Partitioned

RECOVERY_ACTIONS: Final[Mapping[int, str]] = {
    0: "none",
    1: "gpu_reset",
    2: "node_reboot",
    3: "drain_p2p",
    4: "drain_and_reset",
    5: "recover_imex_domain",
    6: "bus_reset",
    7: "system_reboot",
}
"""
NVML's numbers for what would recover a GPU.

Source: https://docs.nvidia.com/deploy/nvml-api/group__nvmlFieldValueEnums.html
"""

FLAGS: Final = frozenset(
    {"row_remap_pending", "row_remap_failed", "page_retirement_pending"}
)

AS_TOLD: Final = (
    "index",
    "uuid",
    "name",
    "busy_ratio",
    "memory_busy_ratio",
    "memory_used_bytes",
    "memory_total_bytes",
    "power_watts",
    "power_limit_watts",
    "energy_joules",
    "temperature_celsius",
    "sm_clock_hertz",
    "memory_clock_hertz",
    "pcie_sent_rate",
    "pcie_received_rate",
    "sm_active_ratio",
    "tensor_active_ratio",
    "dram_active_ratio",
    "processes",
    "took_ns",
)
"""The fields of a sample that are as the child told them."""


@dataclass(slots=True)
class Rare:
    """What is read of one GPU more rarely than samples, as read last."""

    health: GpuHealth | None = None
    layout: MigLayout | None = None
    memory_temperature_celsius: int | None = None


def sample_of(
    answer: Answered, at_ns: int, rare: Rare, throttled: tuple[Throttled, ...] = ()
) -> GpuSample:
    """Return one sample with the newest of what is read more rarely."""
    bits = answer.clock_reasons
    return GpuSample(
        at_ns=at_ns,
        clock_reasons=None if bits is None else reasons(bits),
        unsupported=frozenset(answer.unsupported),
        refused=frozenset(answer.refused),
        health=rare.health,
        mig=rare.layout,
        throttled=throttled,
        memory_temperature_celsius=rare.memory_temperature_celsius,
        **{name: getattr(answer, name) for name in AS_TOLD},
    )


def health_of(counted: Counted, at_ns: int) -> GpuHealth:
    """Return the counters of errors and wear; a new action is named by its number."""
    values: dict[str, int | bool | str] = dict(counted.values)
    for name in FLAGS & values.keys():
        values[name] = bool(values[name])
    action = counted.values.get("recovery_action")
    if action is not None:
        values["recovery_action"] = RECOVERY_ACTIONS.get(action, f"action_{action}")
    return GpuHealth(
        at_ns=at_ns,
        unsupported=frozenset(counted.unsupported),
        **values,  # type: ignore[arg-type]  # keyed by FIELDS, typed by FLAGS
    )


def layout_of(told: Partitioned, at_ns: int) -> MigLayout | None:
    """Return the MIG layout; None where MIG is off."""
    if told.slices is None:
        return None
    instances = tuple(
        MigInstance(
            uuid=one.uuid,
            parent_uuid=told.uuid,
            gpu_instance=one.gpu_instance,
            compute_instance=one.compute_instance,
            profile=one.profile,
            gpu_slices=one.gpu_slices,
            compute_slices=one.compute_slices,
            memory_bytes=one.memory_bytes,
            memory_used_bytes=one.memory_used_bytes,
        )
        for one in told.instances
    )
    return MigLayout(at_ns, told.slices, instances)
