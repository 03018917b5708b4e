"""Half-open spans of time in integer nanoseconds, and exact division of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

NS_PER_SECOND: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """
    One half-open stretch of time, ``[start_ns, end_ns)``.

    Args:
        start_ns: First instant inside, in nanoseconds on the ledger's clock.
        end_ns: First instant after it; never before *start_ns*.
    """

    start_ns: int
    end_ns: int

    @property
    def length_ns(self) -> int:
        """Return how long the span is, in nanoseconds."""
        return self.end_ns - self.start_ns

    def clip(self, window: Span) -> Span | None:
        """Return the part inside *window*, or None where nothing is."""
        start_ns = max(self.start_ns, window.start_ns)
        end_ns = min(self.end_ns, window.end_ns)
        return Span(start_ns, end_ns) if start_ns < end_ns else None


def apportion(total: int, weights: Sequence[int]) -> list[int]:
    """
    Divide an integer exactly in proportion to *weights*.

    The largest remainder gets the unit that rounding leaves over; equal
    remainders go to the earlier position, so the result is reproducible.

    Args:
        total: What to divide; not negative.
        weights: Not negative, at least one of them positive.

    Returns:
        One share per weight; the shares sum to *total* exactly.

    Source:
        Hamilton's method of apportionment.
    """
    whole = sum(weights)
    shares = [total * weight // whole for weight in weights]
    left = total - sum(shares)
    by_remainder = sorted(
        range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i)
    )
    for i in by_remainder[:left]:
        shares[i] += 1
    return shares
