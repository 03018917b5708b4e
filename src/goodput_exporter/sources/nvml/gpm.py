"""GPM: how busy the SMs, tensor cores and memory were since the sample before."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Final

import pynvml

PERCENT: Final = 100
MOST_PERCENT: Final = 100.5
"""Ratios of two counters; rounding takes them a little over 100."""

METRICS: Final = (
    pynvml.NVML_GPM_METRIC_SM_UTIL,
    pynvml.NVML_GPM_METRIC_ANY_TENSOR_UTIL,
    pynvml.NVML_GPM_METRIC_DRAM_BW_UTIL,
)
"""
In the order of ``ACTIVITY``, all in percent, of the time between two samples.

Source: https://docs.nvidia.com/deploy/nvml-api/group__nvmlGpmEnums.html
"""


Ratios = tuple[float | None, ...]
UNTOLD: Final[Ratios] = (None,) * len(METRICS)


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
        self._asked: Any = None

    def forget(self) -> None:
        """Compare the next sample with nothing: it may be another device's."""
        self._has_older = False

    def read(self, handle: object) -> Ratios:
        """
        Return ratios in the order of ``ACTIVITY``; None for each at first.

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
        told = self._compare() if self._has_older else UNTOLD
        self._older, self._newer = self._newer, self._older
        self._has_older = True
        return told

    def _question(self) -> object:
        asked = self._nvml.c_nvmlGpmMetricsGet_t()
        asked.version = self._nvml.NVML_GPM_METRICS_GET_VERSION
        asked.numMetrics = len(METRICS)
        for place, metric in enumerate(METRICS):
            asked.metrics[place].metricId = metric
        return asked

    def _compare(self) -> Ratios:
        asked = self._asked
        asked.sample1, asked.sample2 = self._older, self._newer
        told = self._nvml.nvmlGpmMetricsGet(asked).metrics
        return tuple(self._ratio(told[place]) for place in range(len(METRICS)))

    def _ratio(self, metric: Any) -> float | None:  # noqa: ANN401  # a struct of the binding
        if metric.nvmlReturn != self._nvml.NVML_SUCCESS:
            return None
        value = float(metric.value)
        return 1.0 if PERCENT < value <= MOST_PERCENT else value / PERCENT
