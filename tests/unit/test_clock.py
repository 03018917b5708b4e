"""The ledger's clock begins where the wall clock is, however busy the machine is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from goodput_exporter.clock import LOOKS, offset_of

AHEAD_NS = 1_700_000_000_000_000_000
"""How far the wall clock is ahead of the monotonic one."""

waits_ns = st.integers(0, 50_000_000)


class Busy:
    """
    A machine on which time passes before each look at one of its clocks.

    Args:
        waits_ns: As long as that takes, look by look.
    """

    def __init__(self, waits_ns: list[int]) -> None:
        self._waits_ns = iter(waits_ns)
        self._now_ns = 1_000

    def monotonic_ns(self) -> int:
        """Return what the monotonic clock shows once it is looked at."""
        self._now_ns += next(self._waits_ns)
        return self._now_ns

    def wall_ns(self) -> int:
        """Return the same of the wall clock."""
        return self.monotonic_ns() + AHEAD_NS


@given(st.lists(waits_ns, min_size=3 * LOOKS, max_size=3 * LOOKS))
def test_the_clock_is_as_exact_as_its_quickest_reading(waits: list[int]) -> None:
    """Half of what that took, and no more, whatever the others waited for."""
    busy = Busy(waits)
    quickest_ns = min(sum(waits[at + 1 : at + 3]) for at in range(0, 3 * LOOKS, 3))

    offset_ns = offset_of(busy.wall_ns, busy.monotonic_ns)

    assert abs(offset_ns - AHEAD_NS) <= quickest_ns // 2 + 1
