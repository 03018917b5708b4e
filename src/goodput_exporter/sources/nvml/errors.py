"""NVML's return codes by what they say about: a field, a device, or the driver."""

from __future__ import annotations

from typing import Final

import pynvml

from goodput_exporter.sources.nvml.wire import DETAIL_CHARS

UNSUPPORTED: Final = frozenset(
    {
        pynvml.NVML_ERROR_NOT_SUPPORTED,
        pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
        pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH,
    }
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

STALE: Final = frozenset(
    {pynvml.NVML_ERROR_INVALID_ARGUMENT, pynvml.NVML_ERROR_NOT_FOUND}
)
"""Said of a handle or an instance that is no more: ask again what there is."""


class DriverGoneError(Exception):
    """The driver went away under us; every handle is void."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def describe(error: Exception) -> str:
    """Return NVML's own words for an error, short enough for one message."""
    return str(error)[:DETAIL_CHARS]
