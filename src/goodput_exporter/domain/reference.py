"""Rule 9: the reference step time, which decides what is slow."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from typing import Final

SAMPLES: Final = 200
ENOUGH: Final = 20
SLOW_FROM: Final = 105
"""A step within 5 % of the reference is productive as a whole (in percent)."""


@dataclass(slots=True)
class Reference:
    """
    The lowest 10th percentile seen over 200 consecutive comparable steps.

    Kept across restarts; a slow drift cannot raise it, which is the point.
    """

    recent_ns: list[int] = field(default_factory=list)
    ordered_ns: list[int] = field(default_factory=list)
    lowest_ns: int | None = None

    def observe(self, duration_ns: int, count: int = 1) -> None:
        """Take *count* equal steps as samples."""
        for _ in range(min(count, SAMPLES)):
            self._push(duration_ns)
            if len(self.recent_ns) >= ENOUGH:
                tenth = self.ordered_ns[(len(self.ordered_ns) + 9) // 10 - 1]
                if self.lowest_ns is None or tenth < self.lowest_ns:
                    self.lowest_ns = tenth

    def _push(self, duration_ns: int) -> None:
        self.recent_ns.append(duration_ns)
        insort(self.ordered_ns, duration_ns)
        if len(self.recent_ns) > SAMPLES:
            oldest = self.recent_ns.pop(0)
            del self.ordered_ns[bisect_left(self.ordered_ns, oldest)]


def split_slow(duration_ns: int, reference_ns: int | None) -> tuple[int, int]:
    """
    Split one step into (productive, slow) nanoseconds.

    Within 5 % of the reference nothing is slow; beyond it the whole excess
    over the reference is, not only what passes the 5 %.
    """
    if reference_ns is None or duration_ns * 100 <= reference_ns * SLOW_FROM:
        return duration_ns, 0
    return reference_ns, duration_ns - reference_ns
