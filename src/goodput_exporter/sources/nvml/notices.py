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
        # By UUID: a GPU that is gone may share its index with one that answers.
        self._lost: dict[str | int, tuple[str, int | None]] = {}
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
        who = gpu.uuid or gpu.index
        if self._lost.get(who) != why:
            self._lost[who] = why
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
        before = self._lost.pop(gpu.uuid, None)
        if before or (gpu.index in self._lost and self._lost.pop(gpu.index)):
            LOG.info("GPU %d (%s) answers again", gpu.index, gpu.uuid)
        lacking = gpu.unsupported
        if gpu.health is not None:
            lacking |= gpu.health.unsupported
        for name in sorted(lacking):
            if (gpu.uuid, name) not in self._lacking:
                self._lacking.add((gpu.uuid, name))
                LOG.info(
                    "GPU %d (%s, %s) has no %s; the field stays absent, it is not 0",
                    gpu.index,
                    gpu.uuid,
                    gpu.name,
                    name,
                )
