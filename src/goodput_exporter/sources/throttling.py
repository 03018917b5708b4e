"""GPUs whose clocks are held down for long, as evidence: a reason for slow steps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from goodput_exporter.domain.evidence import Evidence, Kind
from goodput_exporter.domain.observations import GpuSample
from goodput_exporter.domain.spans import NS_PER_SECOND

WINDOW_NS: Final = 60 * NS_PER_SECOND
SUSTAINED_RATIO: Final = 0.5
"""Half of a minute: shorter dips are how a GPU keeps its limits."""
HARMLESS: Final = frozenset(
    {"gpu_idle", "applications_clocks", "display_clocks", "sw_power_cap", "sync_boost"}
)
"""
Reasons that are a setting, or a GPU at its rated power as it should be under load.
Source: NVIDIA, nvmlClocksEventReasons.
"""


@dataclass(slots=True)
class Throttling:
    """
    Tells once when a reason begins to last, and once when it is over.

    Args:
        node: Whose GPUs.
    """

    node: str
    _since: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    _lasting: set[tuple[str, str]] = field(default_factory=set)

    def drain(self, gpus: Iterable[GpuSample]) -> list[Evidence]:
        """Return what began to last, or ended, since the last call."""
        found: list[Evidence] = []
        for gpu in gpus:
            for held in gpu.throttled:
                if held.reason not in HARMLESS:
                    found += self._look(gpu, held.reason, held.total_ns)
        return found

    def _look(self, gpu: GpuSample, reason: str, total_ns: int) -> list[Evidence]:
        key = gpu.uuid, reason
        since_ns, before_ns = self._since.setdefault(key, (gpu.at_ns, total_ns))
        if total_ns < before_ns or gpu.at_ns < since_ns:
            self._since[key] = gpu.at_ns, total_ns  # the driver began anew
            return []
        passed_ns = gpu.at_ns - since_ns
        if passed_ns < WINDOW_NS:
            return []
        self._since[key] = gpu.at_ns, total_ns
        held_ns = total_ns - before_ns
        lasts = held_ns >= SUSTAINED_RATIO * passed_ns
        if lasts is (key in self._lasting):
            return []
        self._lasting ^= {key}
        share = f"{100 * held_ns // passed_ns} % of {passed_ns // NS_PER_SECOND} s"
        word = reason if lasts else f"{reason}/over"
        subject = f"gpu/{self.node}/{gpu.uuid}"
        at_ns = since_ns if lasts else gpu.at_ns
        return [Evidence(at_ns, Kind.THROTTLED, word, subject, "nvml", share)]
