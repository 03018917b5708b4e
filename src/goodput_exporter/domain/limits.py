"""Rule 10: when an open span is no longer slow but stalled."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.states import Phase

HISTORY: Final = 200
"""Durations kept per phase: enough for a 99th percentile, and bounded."""


@dataclass(slots=True)
class Durations:
    """How long each phase of a run lately took, per unbroken stretch or step."""

    recent_ns: dict[Phase, list[int]] = field(default_factory=dict)

    def observe(self, phase: Phase, duration_ns: int) -> None:
        """Remember one finished stretch of a phase, or one step."""
        recent = self.recent_ns.setdefault(phase, [])
        recent.append(duration_ns)
        del recent[:-HISTORY]

    def may_pass(self, phase: Phase, length_ns: int, rules: Rules) -> bool:
        """Tell whether so long a stretch may pass its limit: it does pass the floor."""
        floor_ns = rules.stall_floors_ns.get(phase)
        return floor_ns is not None and length_ns > floor_ns

    def limit_ns(self, phase: Phase, rules: Rules) -> int | None:
        """
        Return how long *phase* may stay open, or None where it may for ever.

        Source:
            Rule 10: max(floor, 10 x the rolling 99th percentile of that phase).
        """
        floor_ns = rules.stall_floors_ns.get(phase)
        if floor_ns is None:
            return None
        recent = self.recent_ns.get(phase)
        if not recent or max(recent) * rules.stall_factor <= floor_ns:
            return floor_ns
        rank = max(0, -(-99 * len(recent) // 100) - 1)
        return max(floor_ns, rules.stall_factor * sorted(recent)[rank])
