"""Parts of a GPU as slots of time, so that any two windows add up to the nanosecond."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Final

from goodput_exporter.domain.spans import Span
from goodput_exporter.errors import AccountingError


@dataclass(frozen=True, slots=True, order=True)
class Slots:
    """
    Some of every *of* nanoseconds of a GPU, counted from the epoch.

    Dividing each window by the largest remainder would add up within a window and
    not across two of them, and a part could shrink while time goes on (the Alabama
    paradox). So the nanoseconds themselves are dealt out: ``[start, end)`` of each
    round of *of*. What a part gets differs from its share of a window by less than
    a quarter of a round, which is a few nanoseconds.

    Args:
        start, end: The first slot, and the one after the last.
        of: How many slots a round has.
    """

    start: int = 0
    end: int = 1
    of: int = 1

    @property
    def share(self) -> Fraction:
        """Return the part of the GPU that these slots are."""
        return Fraction(self.end - self.start, self.of)

    def within(self, span: Span) -> int:
        """Return how many nanoseconds of *span* these slots hold."""
        if self.end - self.start == self.of:
            return span.length_ns
        return self._before(span.end_ns) - self._before(span.start_ns)

    def _before(self, at_ns: int) -> int:
        rounds, rest = divmod(at_ns, self.of)
        width = self.end - self.start
        return rounds * width + min(max(rest - self.start, 0), width)


WHOLE: Final = Slots()
"""All of a GPU."""


def slots_of(shares: Sequence[Fraction]) -> list[Slots]:
    """
    Deal a GPU out in parts, side by side, in the order given.

    Raises:
        AccountingError: A share is not positive, or they do not sum to exactly 1.
    """
    if sum(shares) != 1 or any(share <= 0 for share in shares):
        parts = ", ".join(str(share) for share in shares)
        msg = f"a GPU cannot be held in parts of {parts}; they must sum to exactly 1"
        raise AccountingError(msg)
    of = lcm(*(share.denominator for share in shares))
    dealt: list[Slots] = []
    start = 0
    for share in shares:
        end = start + share.numerator * (of // share.denominator)
        dealt.append(Slots(start, end, of))
        start = end
    return dealt
