"""The calls that every sample makes: what each fills, and what a device can tell."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

Values = tuple[float | None, ...]

BYTES_PER_KIB: Final = 1024
HERTZ_PER_MEGAHERTZ: Final = 1_000_000
MILLI: Final = 1000
PERCENT: Final = 100

ACTIVITY: Final = ("sm_active_ratio", "tensor_active_ratio", "dram_active_ratio")
"""The fields that GPM fills."""

CLOCK_REASONS: Final[Mapping[int, str]] = {
    0x001: "gpu_idle",
    0x002: "applications_clocks",
    0x004: "sw_power_cap",
    0x008: "hw_slowdown",
    0x010: "sync_boost",
    0x020: "sw_thermal",
    0x040: "hw_thermal",
    0x080: "hw_power_brake",
    0x100: "display_clocks",
}
"""
NVML's bits. ``hw_slowdown`` stands for the thermal and the power brake's together.

Source: https://docs.nvidia.com/deploy/nvml-api/group__nvmlClocksEventReasons.html
"""


def up_to(most: float) -> Callable[[Values], bool]:
    """
    Return a check of whether a device can have told some values.

    A struct that an older binding misreads yields more than *most*, and is
    refused, never repaired. None is not told, which is fine.
    """

    def takes(values: Values) -> bool:
        # A loop, and no all(): this is asked for every field of every sample.
        for value in values:
            if value is not None and not 0 <= value <= most:
                return False
        return True

    return takes


@dataclass(frozen=True, slots=True)
class Reading:
    """
    One NVML call and the fields it fills.

    Args:
        fields: Names in ``GpuSample``, in the order of the values of *call*.
        call: Takes the binding and a handle; returns values in our units, as the
            field has them: whole, or not.
        takes: Whether a real device can tell these values.
    """

    fields: tuple[str, ...]
    call: Callable[[ModuleType, object], tuple[Any, ...]]
    takes: Callable[[tuple[Any, ...]], bool]


def _busy(nvml: ModuleType, handle: object) -> Values:
    rates = nvml.nvmlDeviceGetUtilizationRates(handle)
    return (rates.gpu / PERCENT, rates.memory / PERCENT)


def _memory(nvml: ModuleType, handle: object) -> Values:
    """Return used and total bytes, without the driver's reserve where it says so."""
    try:
        memory = nvml.nvmlDeviceGetMemoryInfo(handle, version=nvml.nvmlMemory_v2)
    except (
        nvml.NVMLError_FunctionNotFound,
        nvml.NVMLError_ArgumentVersionMismatch,
    ):
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    if memory.used > memory.total:
        return (math.inf, math.inf)
    return (memory.used, memory.total)


def _clock_reasons(nvml: ModuleType, handle: object) -> Values:
    try:
        return (nvml.nvmlDeviceGetCurrentClocksEventReasons(handle),)
    except nvml.NVMLError_FunctionNotFound:  # its name before driver 535
        return (nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle),)


def _clock(nvml: ModuleType, handle: object, kind: int) -> Values:
    return (nvml.nvmlDeviceGetClockInfo(handle, kind) * HERTZ_PER_MEGAHERTZ,)


def _pcie(nvml: ModuleType, handle: object) -> Values:
    """Return bytes per second sent and received, each counted for 20 ms."""
    sent = nvml.nvmlDeviceGetPcieThroughput(handle, nvml.NVML_PCIE_UTIL_TX_BYTES)
    received = nvml.nvmlDeviceGetPcieThroughput(handle, nvml.NVML_PCIE_UTIL_RX_BYTES)
    return (sent * BYTES_PER_KIB, received * BYTES_PER_KIB)


READINGS: Final = (
    Reading(("busy_ratio", "memory_busy_ratio"), _busy, up_to(1.0)),
    Reading(("memory_used_bytes", "memory_total_bytes"), _memory, up_to(2**50)),
    Reading(
        ("power_watts",),
        lambda nvml, handle: (nvml.nvmlDeviceGetPowerUsage(handle) / MILLI,),
        up_to(20_000),
    ),
    Reading(
        ("power_limit_watts",),
        lambda nvml, handle: (nvml.nvmlDeviceGetEnforcedPowerLimit(handle) / MILLI,),
        up_to(20_000),
    ),
    Reading(
        ("energy_joules",),
        lambda nvml, handle: (
            nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / MILLI,
        ),
        up_to(1e14),
    ),
    # nvmlDeviceGetTemperatureV replaces it one day; today older drivers lack that one.
    Reading(
        ("temperature_celsius",),
        lambda nvml, handle: (
            nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU),
        ),
        up_to(250),
    ),
    Reading(
        ("sm_clock_hertz",),
        lambda nvml, handle: _clock(nvml, handle, nvml.NVML_CLOCK_SM),
        up_to(1e11),
    ),
    Reading(
        ("memory_clock_hertz",),
        lambda nvml, handle: _clock(nvml, handle, nvml.NVML_CLOCK_MEM),
        up_to(1e11),
    ),
    Reading(("clock_reasons",), _clock_reasons, up_to(0xFFFF)),
)

PCIE: Final = Reading(("pcie_sent_rate", "pcie_received_rate"), _pcie, up_to(1e12))
"""Off by default: two calls of 20 ms each, in which the driver counts."""


@functools.cache
def reasons(bits: int) -> frozenset[str]:
    """Return the names of some clock reasons; a bit without a name is ``"other"``."""
    named = {name for bit, name in CLOCK_REASONS.items() if bits & bit}
    return frozenset(named | ({"other"} if bits & ~sum(CLOCK_REASONS) else set()))
