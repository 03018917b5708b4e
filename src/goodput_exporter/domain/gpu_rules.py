"""The settings of the cluster book: how long it waits, and for how long words hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.errors import AccountingError

DAY_NS: Final = 86_400 * NS_PER_SECOND


@dataclass(frozen=True, slots=True)
class GpuRules:
    """
    The settings of the cluster book.

    Args:
        grace_ns: The line stays this far behind the present, for words on the way.
        settle_ns: It waits no longer than this for a node that is silent.
        settle_after_start_ns: The same for as long after our own start.
        patience_ns: For how long a node's last word holds.
        horizon_ns: Later words than this change nothing, and are counted.
        longest_ns: Lines are cut at its multiples; it divides a day.

    Raises:
        AccountingError: Lines could cross the end of a day, or be longer than one.
    """

    grace_ns: int = 5 * NS_PER_SECOND
    settle_ns: int = 60 * NS_PER_SECOND
    settle_after_start_ns: int = 300 * NS_PER_SECOND
    patience_ns: int = 60 * NS_PER_SECOND
    horizon_ns: int = 3_600 * NS_PER_SECOND
    longest_ns: int = 3_600 * NS_PER_SECOND

    def __post_init__(self) -> None:
        """Check that each line lies in one day, and no correction is longer."""
        if self.horizon_ns > DAY_NS:
            msg = f"a horizon of {self.horizon_ns} ns is longer than a day ({DAY_NS})"
            raise AccountingError(msg)
        if self.longest_ns <= 0 or DAY_NS % self.longest_ns:
            msg = (
                f"lines of at most {self.longest_ns} ns do not end with the day; "
                f"use a divisor of {DAY_NS}"
            )
            raise AccountingError(msg)
