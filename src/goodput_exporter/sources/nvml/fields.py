"""Errors, wear and links of one GPU: NVML's numbered fields, many in one call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Final

import pynvml

from goodput_exporter.sources.nvml.errors import (
    DEVICE_IS_DOWN,
    NVML_IS_DOWN,
    STALE,
    UNSUPPORTED,
)
from goodput_exporter.sources.nvml.wire import Counted

MOST_COUNT: Final = 2**53
"""No error counter comes near; beyond it the value is not one."""

MOST_LINKS: Final = pynvml.NVML_NVLINK_MAX_LINKS

FIELDS: Final[Mapping[str, tuple[int, int]]] = {
    "ecc_corrected": (pynvml.NVML_FI_DEV_ECC_SBE_VOL_TOTAL, MOST_COUNT),
    "ecc_uncorrected": (pynvml.NVML_FI_DEV_ECC_DBE_VOL_TOTAL, MOST_COUNT),
    "ecc_corrected_lifetime": (pynvml.NVML_FI_DEV_ECC_SBE_AGG_TOTAL, MOST_COUNT),
    "ecc_uncorrected_lifetime": (pynvml.NVML_FI_DEV_ECC_DBE_AGG_TOTAL, MOST_COUNT),
    "rows_remapped_corrected": (pynvml.NVML_FI_DEV_REMAPPED_COR, MOST_COUNT),
    "rows_remapped_uncorrected": (pynvml.NVML_FI_DEV_REMAPPED_UNC, MOST_COUNT),
    "row_remap_pending": (pynvml.NVML_FI_DEV_REMAPPED_PENDING, 1),
    "row_remap_failed": (pynvml.NVML_FI_DEV_REMAPPED_FAILURE, 1),
    "pages_retired_corrected": (pynvml.NVML_FI_DEV_RETIRED_SBE, MOST_COUNT),
    "pages_retired_uncorrected": (pynvml.NVML_FI_DEV_RETIRED_DBE, MOST_COUNT),
    "page_retirement_pending": (pynvml.NVML_FI_DEV_RETIRED_PENDING, 1),
    "pcie_replays": (pynvml.NVML_FI_DEV_PCIE_REPLAY_COUNTER, MOST_COUNT),
    "nvlinks": (pynvml.NVML_FI_DEV_NVLINK_LINK_COUNT, MOST_LINKS),
    "recovery_action": (pynvml.NVML_FI_DEV_GET_GPU_RECOVERY_ACTION, 0xFF),
    "memory_temperature_celsius": (pynvml.NVML_FI_DEV_MEMORY_TEMP, 250),
}
"""
The field's number, and the most that it can be.

Source: https://docs.nvidia.com/deploy/nvml-api/group__nvmlFieldValueEnums.html
"""

THROTTLED: Final[Mapping[str, int]] = {
    "sw_power_cap": pynvml.NVML_FI_DEV_CLOCKS_EVENT_REASON_SW_POWER_CAP,
    "sync_boost": pynvml.NVML_FI_DEV_CLOCKS_EVENT_REASON_SYNC_BOOST,
    "sw_thermal": pynvml.NVML_FI_DEV_CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN,
    "hw_thermal": pynvml.NVML_FI_DEV_CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN,
    "hw_power_brake": pynvml.NVML_FI_DEV_CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN,
}
"""Reasons that NVML counts itself, in nanoseconds since the driver was loaded."""

LINK_ERRORS: Final[Mapping[str, tuple[int, int]]] = {
    "nvlink_replays": (
        pynvml.NVML_FI_DEV_NVLINK_ERROR_DL_REPLAY,
        pynvml.NVML_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL,
    ),
    "nvlink_recoveries": (
        pynvml.NVML_FI_DEV_NVLINK_ERROR_DL_RECOVERY,
        pynvml.NVML_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL,
    ),
    "nvlink_crc_errors": (
        pynvml.NVML_FI_DEV_NVLINK_ERROR_DL_CRC,
        pynvml.NVML_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL,
    ),
}
"""A field per link, for Hopper; and the total over all links, before Hopper."""

LINK_STATE: Final = pynvml.NVML_FI_DEV_NVLINK_GET_STATE
LINK_DOWN: Final = pynvml.NVML_NVLINK_STATE_INACTIVE

_KINDS: Final = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")
"""The member of the value's union, by ``nvmlValueType_t``."""

Key = tuple[int, int]
"""A field's number, and its scope: a link, or 0."""


@dataclass(slots=True)
class Fields:
    """
    The numbered fields of one GPU; remembers which of them it does not have.

    Args:
        nvml: The binding.
    """

    nvml: ModuleType
    _lacking: set[Key] = field(default_factory=set)

    def forget(self) -> None:
        """Ask for everything anew: another device, or another layout of it."""
        self._lacking.clear()

    def read(
        self, index: int, uuid: str, handle: object, now_ns: Callable[[], int]
    ) -> Counted:
        """
        Return the counters; what is not supported, failed or cannot be is absent.

        Raises:
            NVMLError: The device as a whole, or the driver, is down.
        """
        plain = {name: (number, 0) for name, (number, _) in FIELDS.items()}
        throttled = {name: (number, 0) for name, number in THROTTLED.items()}
        told = self._ask(handle, [*plain.values(), *throttled.values()])
        values = {
            name: int(told[key])
            for name, key in plain.items()
            if key in told and 0 <= told[key] <= FIELDS[name][1]
        }
        temperature = values.pop("memory_temperature_celsius", None)
        links = values.get("nvlinks", 0)
        values |= self._links(handle, links) if links else {}
        return Counted(
            index=index,
            mono_ns=now_ns(),
            uuid=uuid,
            values=values,
            throttled_ns={
                name: int(told[key]) for name, key in throttled.items() if key in told
            },
            memory_temperature_celsius=temperature,
            unsupported=tuple(self._unsupported(plain)),
        )

    def _unsupported(self, plain: Mapping[str, Key]) -> Iterable[str]:
        return (name for name, key in plain.items() if key in self._lacking)

    def _links(self, handle: object, count: int) -> dict[str, int]:
        """Return how many links are up, and their errors over all links."""
        every = range(count)
        per_link = [number for number, _ in LINK_ERRORS.values()]
        totals = [(number, 0) for _, number in LINK_ERRORS.values()]
        asked = [(number, link) for number in (LINK_STATE, *per_link) for link in every]
        told = self._ask(handle, [*asked, *totals])
        states = [told[key] for link in every if (key := (LINK_STATE, link)) in told]
        found: dict[str, int] = {}
        if len(states) == count:
            found["nvlinks_active"] = sum(state != LINK_DOWN for state in states)
        for name, (number, total) in LINK_ERRORS.items():
            errors = [told.get((number, link)) for link in every]
            known = [error for error in errors if error is not None]
            if len(known) == count:
                found[name] = int(sum(known))
            elif (total, 0) in told:
                found[name] = int(told[total, 0])
        return found

    def _ask(self, handle: object, keys: Sequence[Key]) -> dict[Key, float]:
        """Return the fields that were told; those not supported are asked once."""
        wanted = [key for key in keys if key not in self._lacking]
        if not wanted:
            return {}
        told = {}
        for key, answer in zip(
            wanted, self.nvml.nvmlDeviceGetFieldValues(handle, wanted), strict=True
        ):
            code = answer.nvmlReturn
            if code == self.nvml.NVML_SUCCESS:
                told[key] = getattr(answer.value, _KINDS[answer.valueType])
            elif code in DEVICE_IS_DOWN | NVML_IS_DOWN:
                raise self.nvml.NVMLError(code)
            elif code in UNSUPPORTED | STALE:  # 2: a number newer than the driver
                self._lacking.add(key)
        return told
