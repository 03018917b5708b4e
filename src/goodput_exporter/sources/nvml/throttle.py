"""For how long which reason held one GPU's clocks down: NVML's counters, or ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from goodput_exporter.domain.observations import Throttled
from goodput_exporter.sources.nvml.readings import CLOCK_REASONS, reasons

NOT_THROTTLED: Final = frozenset({"gpu_idle"})
"""A reason for low clocks that costs nobody anything."""

SLACK_NS: Final = 1_000_000_000
"""A counter is read a little before or after the instant that dates it."""


@dataclass(slots=True)
class ThrottleClock:
    """
    The throttled time of one GPU by reason.

    A reason that NVML counts is NVML's counter. Every other is sampled: a reason
    seen now is booked for the time since the sample before, and time without
    samples is booked for none. NVML's counter is let go, and sampled from then
    on, when it grows faster than time: its number then means something else in
    this driver, as happened when they were renumbered between releases.

    Args:
        longest_ns: Two samples further apart leave the time between unobserved.
    """

    longest_ns: int
    _sampled_ns: dict[str, int] = field(default_factory=dict)
    _sampled_at_ns: int | None = None
    _told_ns: dict[str, int] = field(default_factory=dict)
    _told_at_ns: int = 0
    _distrusted: set[str] = field(default_factory=set)
    _totals: tuple[Throttled, ...] | None = None  # until one of the above changes

    def sampled(self, bits: int | None, now_ns: int) -> None:
        """Take over the reasons of one sample; None is not supported."""
        if bits is None:
            return
        if self._sampled_at_ns is None:
            names = frozenset(CLOCK_REASONS.values()) - NOT_THROTTLED
            self._sampled_ns = dict.fromkeys(sorted(names), 0)
            self._sampled_at_ns, self._totals = now_ns, None
        gap_ns = now_ns - self._sampled_at_ns
        self._sampled_at_ns = now_ns
        if 0 < gap_ns <= self.longest_ns:
            for reason in reasons(bits) - NOT_THROTTLED:
                self._totals = None
                before_ns = self._sampled_ns.get(reason, 0)
                self._sampled_ns[reason] = before_ns + gap_ns

    def told(self, counters_ns: Mapping[str, int], now_ns: int) -> None:
        """Take over NVML's own counters."""
        most_ns = now_ns - self._told_at_ns + SLACK_NS
        for reason, total_ns in counters_ns.items():
            grown_ns = total_ns - self._told_ns.get(reason, total_ns)
            if grown_ns > most_ns or total_ns < 0:
                self._distrusted.add(reason)
        for reason, total_ns in counters_ns.items():
            if reason not in self._distrusted:
                self._told_ns[reason] = total_ns
        for reason in self._distrusted:
            self._told_ns.pop(reason, None)
        self._told_at_ns, self._totals = now_ns, None

    def totals(self) -> tuple[Throttled, ...]:
        """Return every reason that is measured, in order of its name."""
        if self._totals is None:
            totals = self._sampled_ns | self._told_ns
            self._totals = tuple(
                Throttled(name, totals[name], is_sampled=name not in self._told_ns)
                for name in sorted(totals)
            )
        return self._totals
