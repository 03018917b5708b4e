"""One GPU through NVIDIA's binding: what it is, what it tells, and how it fails."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Final

import pynvml

from goodput_exporter.sources.nvml_wire import DETAIL_CHARS, Answered, Failed

UNSUPPORTED: Final = frozenset(
    {pynvml.NVML_ERROR_NOT_SUPPORTED, pynvml.NVML_ERROR_FUNCTION_NOT_FOUND}
)
"""The board or the driver lacks the field; it will not get it while we run."""

DEVICE_IS_DOWN: Final = frozenset(
    {pynvml.NVML_ERROR_GPU_IS_LOST, pynvml.NVML_ERROR_RESET_REQUIRED}
)
"""Said of the whole device, whichever field was asked for."""

NVML_IS_DOWN: Final = frozenset(
    {pynvml.NVML_ERROR_UNINITIALIZED, pynvml.NVML_ERROR_DRIVER_NOT_LOADED}
)
"""Said of the driver, whichever device was asked for."""

FRACTIONAL: Final = frozenset(
    {"busy_ratio", "power_watts", "power_limit_watts", "energy_joules"}
)
"""The fields that are not whole numbers."""

Values = dict[str, float]


class DriverGoneError(Exception):
    """The driver went away under us; every handle is void."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Reading:
    """
    One NVML call and the fields it fills.

    Args:
        fields: Names in ``GpuSample``, in the order of the values of *call*.
        call: Takes the binding and a handle; returns values in our units.
        most: The largest value that a real device can tell. A struct that an
            older binding misreads yields more, and is refused, never repaired.
    """

    fields: tuple[str, ...]
    call: Callable[[ModuleType, object], tuple[float, ...]]
    most: float


def _memory(nvml: ModuleType, handle: object) -> tuple[float, ...]:
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


READINGS: Final = (
    Reading(
        ("busy_ratio",),
        lambda nvml, handle: (nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100,),
        most=1.0,
    ),
    Reading(("memory_used_bytes", "memory_total_bytes"), _memory, most=2**50),
    Reading(
        ("power_watts",),
        lambda nvml, handle: (nvml.nvmlDeviceGetPowerUsage(handle) / 1000,),
        most=20_000,
    ),
    Reading(
        ("power_limit_watts",),
        lambda nvml, handle: (nvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1000,),
        most=20_000,
    ),
    Reading(
        ("energy_joules",),
        lambda nvml, handle: (nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000,),
        most=1e14,
    ),
    # nvmlDeviceGetTemperatureV replaces it one day; today older drivers lack that one.
    Reading(
        ("temperature_celsius",),
        lambda nvml, handle: (
            nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU),
        ),
        most=250,
    ),
    Reading(
        ("sm_clock_hertz",),
        lambda nvml, handle: (
            nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM) * 1_000_000,
        ),
        most=1e11,
    ),
    Reading(
        ("memory_clock_hertz",),
        lambda nvml, handle: (
            nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM) * 1_000_000,
        ),
        most=1e11,
    ),
)


class Device:
    """
    One GPU by its NVML index; remembers who it is and what it does not support.

    Args:
        index: NVML's index.
        now_ns: CLOCK_MONOTONIC, in nanoseconds.
        nvml: The binding.
    """

    def __init__(
        self, index: int, now_ns: Callable[[], int], nvml: ModuleType = pynvml
    ) -> None:
        self.index = index
        self._now_ns = now_ns
        self._nvml = nvml
        self._is_known = False
        self._uuid: str | None = None
        self._name = ""
        self._unsupported: set[str] = set()

    def forget(self) -> None:
        """Ask who it is anew next time: indices move when a GPU goes."""
        self._is_known = False

    def read(self) -> Answered | Failed:
        """
        Return one sample, or why there is none.

        A field that fails alone is None. The device has failed when NVML says
        so of the whole device, or when no field at all was answered.

        Raises:
            DriverGoneError: NVML itself is down.
        """
        try:
            handle = self._nvml.nvmlDeviceGetHandleByIndex(self.index)
            if not self._is_known:
                self._identify(handle)
            return self._sample(handle)
        except self._nvml.NVMLError as exc:
            self.forget()
            if exc.value in NVML_IS_DOWN:
                raise DriverGoneError(exc.value, describe(exc)) from exc
            return Failed(
                self.index, self._now_ns(), self._uuid, exc.value, describe(exc)
            )

    def _identify(self, handle: object) -> None:
        uuid = self._nvml.nvmlDeviceGetUUID(handle)
        if uuid != self._uuid:
            self._unsupported.clear()
        self._uuid = uuid
        self._name = self._nvml.nvmlDeviceGetName(handle)
        self._is_known = True

    def _sample(self, handle: object) -> Answered:
        values: Values = {}
        refusal: Exception | None = None
        for reading in READINGS:
            if self._unsupported.issuperset(reading.fields):
                continue
            try:
                values.update(self._ask(reading, handle))
            except self._nvml.NVMLError as exc:
                if exc.value in DEVICE_IS_DOWN | NVML_IS_DOWN:
                    raise
                if exc.value in UNSUPPORTED:
                    self._unsupported.update(reading.fields)
                else:
                    refusal = exc
        if refusal is not None and not values:
            raise refusal
        return self._answer(values)

    def _ask(self, reading: Reading, handle: object) -> Values:
        found = reading.call(self._nvml, handle)
        if not all(0 <= value <= reading.most for value in found):
            return {}
        return dict(zip(reading.fields, found, strict=True))

    def _answer(self, values: Values) -> Answered:
        whole = {
            name: value if name in FRACTIONAL else int(value)
            for name, value in values.items()
        }
        return Answered(
            index=self.index,
            mono_ns=self._now_ns(),
            uuid=self._uuid or "",
            name=self._name,
            unsupported=tuple(sorted(self._unsupported)),
            **whole,  # type: ignore[arg-type]  # keyed by READINGS, typed by FRACTIONAL
        )


def describe(error: Exception) -> str:
    """Return NVML's own words for an error, short enough for one message."""
    return str(error)[:DETAIL_CHARS]
