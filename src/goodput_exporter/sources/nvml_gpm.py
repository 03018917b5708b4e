"""GPM: how busy the SMs, tensor cores and memory were since the sample before."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Final

import pynvml

PERCENT: Final = 100
MOST_PERCENT: Final = 100.5
"""Ratios of two counters; rounding takes them a little over 100."""

METRICS: Final[Mapping[str, int]] = {
    "sm_active_ratio": pynvml.NVML_GPM_METRIC_SM_UTIL,
    "tensor_active_ratio": pynvml.NVML_GPM_METRIC_ANY_TENSOR_UTIL,
    "dram_active_ratio": pynvml.NVML_GPM_METRIC_DRAM_BW_UTIL,
}
"""
All in percent, of the time between two samples.

Source: https://docs.nvidia.com/deploy/nvml-api/group__nvmlGpmEnums.html
"""


class Activity:
    """
    Two samples of one GPU's counters; the newer becomes the older, nothing sleeps.

    Takes no lock on the profiler: GPM does not exclude Nsight or CUPTI.

    Args:
        nvml: The binding.
    """

    def __init__(self, nvml: ModuleType) -> None:
        self._nvml = nvml
        self._older: object | None = None
        self._newer: object | None = None
        self._has_older = False
        self._asked: object | None = None

    def forget(self) -> None:
        """Compare the next sample with nothing: it may be another device's."""
        self._has_older = False

    def read(self, handle: object) -> dict[str, float]:
        """
        Return ratios by field; none of them for the first sample.

        Raises:
            NVMLError: 3 where the device has no GPM, as before Hopper or under MIG.
        """
        if self._asked is None:
            if not self._nvml.nvmlGpmQueryDeviceSupport(handle).isSupportedDevice:
                raise self._nvml.NVMLError(self._nvml.NVML_ERROR_NOT_SUPPORTED)
            self._older = self._nvml.nvmlGpmSampleAlloc()
            self._newer = self._nvml.nvmlGpmSampleAlloc()
            self._asked = self._question()
        try:
            self._nvml.nvmlGpmSampleGet(handle, self._newer)
        except self._nvml.NVMLError:
            self._has_older = False
            raise
        told = self._compare() if self._has_older else {}
        self._older, self._newer = self._newer, self._older
        self._has_older = True
        return told

    def _question(self) -> object:
        asked = self._nvml.c_nvmlGpmMetricsGet_t()
        asked.version = self._nvml.NVML_GPM_METRICS_GET_VERSION
        asked.numMetrics = len(METRICS)
        for place, metric in enumerate(METRICS.values()):
            asked.metrics[place].metricId = metric
        return asked

    def _compare(self) -> dict[str, float]:
        asked = self._asked
        asked.sample1, asked.sample2 = self._older, self._newer  # type: ignore[union-attr]  # a struct of the binding, which has no types
        told = self._nvml.nvmlGpmMetricsGet(asked).metrics
        return {
            name: min(told[place].value / PERCENT, 1.0)
            for place, name in enumerate(METRICS)
            if told[place].nvmlReturn == self._nvml.NVML_SUCCESS
            and 0 <= told[place].value <= MOST_PERCENT
        }
