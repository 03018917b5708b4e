"""One log line when a GPU is lost, when it is back, and per field it does not have."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final

from goodput_exporter.domain.observations import GpuLost, GpuSample

LOG: Final = logging.getLogger(__name__)


class Notices:
    """What has been said already, so that a tick every second says it once."""

    def __init__(self) -> None:
        self._lost: dict[int, tuple[str, int | None]] = {}
        self._lacking: set[tuple[str, str]] = set()

    def note(self, observations: Iterable[GpuSample | GpuLost]) -> None:
        """Log what has changed since the last call."""
        for seen in observations:
            if isinstance(seen, GpuLost):
                self._note_lost(seen)
            else:
                self._note_sample(seen)

    def _note_lost(self, gpu: GpuLost) -> None:
        why = (gpu.reason, gpu.code)
        if self._lost.get(gpu.index) != why:
            self._lost[gpu.index] = why
            code = "no NVML code" if gpu.code is None else f"NVML code {gpu.code}"
            LOG.warning(
                "GPU %d (%s) is %s: %s (%s); the other GPUs are read on",
                gpu.index,
                gpu.uuid or "UUID never seen",
                gpu.reason,
                gpu.detail,
                code,
            )

    def _note_sample(self, gpu: GpuSample) -> None:
        if self._lost.pop(gpu.index, None) is not None:
            LOG.info("GPU %d (%s) answers again", gpu.index, gpu.uuid)
        for name in sorted(gpu.unsupported):
            if (gpu.uuid, name) not in self._lacking:
                self._lacking.add((gpu.uuid, name))
                LOG.info(
                    "GPU %d (%s, %s) has no %s; the field stays absent, it is not 0",
                    gpu.index,
                    gpu.uuid,
                    gpu.name,
                    name,
                )
