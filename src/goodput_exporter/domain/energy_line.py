"""
A straight line through the readings of one GPU's energy, as long as it is straight.

A counter that grows evenly needs no reading but its first and its last. A line ends
where the next reading would leave one between its ends further off the straight than
``TOLERANCE_MILLIJOULES``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from goodput_exporter.domain.energy import MILLIJOULES_PER_JOULE, Drawn
from goodput_exporter.domain.spans import NS_PER_SECOND, Span

TOLERANCE_MILLIJOULES: Final = 500 * MILLIJOULES_PER_JOULE
"""What a GPU of 700 W draws in 0.7 s: less than samples of 5 s leave open anyway."""
LONGEST_LINE_NS: Final = 60 * NS_PER_SECOND
"""A line is kept when it ends, so what is kept is at most so far behind."""


@dataclass(slots=True)
class Line:
    """
    What one GPU drew since the last reading that is kept.

    Args:
        start_ns, end_ns: Two readings; equal while there is one.
        millijoules: The growth between them.
        lowest, highest: Between which slopes, in millijoules per nanoseconds, a line
            passes every reading near enough; None before there is one between.
    """

    start_ns: int
    end_ns: int
    millijoules: int = 0
    integrated: bool = False
    lowest: tuple[int, int] | None = None
    highest: tuple[int, int] | None = None

    def takes(self, at_ns: int, growth: int) -> bool:
        """Tell whether the line may go on to a new reading."""
        length_ns = at_ns - self.start_ns
        if length_ns > LONGEST_LINE_NS:
            return False
        if self.end_ns == self.start_ns:
            return True
        lowest, highest = self._bounds()
        total = self.millijoules + growth
        return (
            lowest[0] * length_ns <= total * lowest[1]
            and total * highest[1] <= highest[0] * length_ns
        )

    def go_on(self, at_ns: int, growth: int) -> None:
        """Go on to a reading that ``takes`` has approved of."""
        if self.end_ns > self.start_ns:
            self.lowest, self.highest = self._bounds()
        self.end_ns = at_ns
        self.millijoules += growth

    def drawn(self) -> Drawn | None:
        """Return the line as it stands; None of a single reading."""
        if self.end_ns == self.start_ns:
            return None
        span = Span(self.start_ns, self.end_ns)
        return Drawn(span, self.millijoules, placed=True, integrated=self.integrated)

    def _bounds(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the bounds with the newest reading as one between the ends."""
        length_ns = self.end_ns - self.start_ns
        low = self.millijoules - TOLERANCE_MILLIJOULES, length_ns
        high = self.millijoules + TOLERANCE_MILLIJOULES, length_ns
        if self.lowest is None or self.highest is None:
            return low, high
        return (
            low if _is_steeper(low, self.lowest) else self.lowest,
            high if _is_steeper(self.highest, high) else self.highest,
        )


def _is_steeper(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] * other[1] > other[0] * one[1]
