"""What may explain why a run ended, gathered from every source of one machine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from goodput_exporter.config import Settings
from goodput_exporter.domain.evidence import Evidence, Kind
from goodput_exporter.domain.observations import GpuLost, GpuSample, XidCount
from goodput_exporter.sources.evidence_lines import evidence_of_gpu
from goodput_exporter.sources.maintenance import FILE_NAME, MaintenanceSource
from goodput_exporter.sources.nvrx import CycleFiles

TOLD_BY_PEOPLE = frozenset({"paused", "replaced"})
"""Reasons for a GPU's silence that are no trouble of the GPU."""


class Witness:
    """
    Declared maintenance, NVRx's cycles, lost GPUs and XIDs, each told once.

    Args:
        settings: Where the files are, and what this node is called.
    """

    def __init__(self, settings: Settings) -> None:
        self._node = settings.identity.node
        self._maintenance = MaintenanceSource(settings.ledger.path.parent / FILE_NAME)
        folder = settings.evidence.nvrx_folder
        self._cycles = None if folder is None else CycleFiles(folder)
        self._lost: set[str] = set()
        self._xids: dict[tuple[str, int], int] = {}

    def drain(
        self,
        gpus: Sequence[GpuSample | GpuLost],
        xids: Iterable[XidCount],
        now_ns: int,
    ) -> list[Evidence]:
        """
        Return what is new since the last call.

        Args:
            gpus: The newest word of every GPU.
            xids: Every XID that was heard so far, counted.
            now_ns: The present.
        """
        found = self._maintenance.drain()
        if self._cycles is not None:
            found += self._cycles.drain(now_ns)
        return [*found, *self._newly_lost(gpus), *self._new_xids(xids)]

    def failures(self) -> dict[str, int]:
        """Return how often each file could not be read."""
        counts = {"maintenance": self._maintenance.failures}
        if self._cycles is not None:
            counts["nvrx"] = self._cycles.failures
        return counts

    def _newly_lost(self, gpus: Sequence[GpuSample | GpuLost]) -> list[Evidence]:
        lost = {
            gpu.uuid or str(gpu.index): gpu
            for gpu in gpus
            if isinstance(gpu, GpuLost) and gpu.reason not in TOLD_BY_PEOPLE
        }
        fresh = [gpu for name, gpu in lost.items() if name not in self._lost]
        self._lost = set(lost)
        return [evidence_of_gpu(gpu, self._node) for gpu in fresh]

    def _new_xids(self, xids: Iterable[XidCount]) -> list[Evidence]:
        found: list[Evidence] = []
        for heard in xids:
            name = heard.uuid, heard.xid
            if heard.total <= self._xids.get(name, 0):
                continue
            self._xids[name] = heard.total
            subject = f"gpu/{self._node}/{heard.uuid}"
            reason = str(heard.xid)
            seen = Evidence(heard.last_at_ns, Kind.XID, reason, subject, "nvml")
            found.append(seen)
        return found
