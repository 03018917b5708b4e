"""Garbage in cycles, looked for where there can be some, and seldom among the rest."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Final

SWEEP_SECONDS: Final = 600.0
"""Between two looks at everything, at least."""
SHARE: Final = 1_000
"""A look at everything may take so small a part of the time."""


class Sweeping:
    """
    Keeps what lives on out of the collector's sight, from tick to tick.

    Python looks at every object again whenever enough new ones have come. Reports
    wait some seconds for their instant, so they are never garbage when they are new;
    of a fleet they are 10^5 objects a second, beside millions that stay. With 5,000
    runs a look at all of them stopped the program for seconds. So after each tick
    what is new is looked at once, and what lives is set aside: it still goes when
    nothing refers to it. What becomes garbage in a cycle later, which is little, is
    found by a sweep.

    Args:
        clock: Seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due = clock() + SWEEP_SECONDS

    def settle(self) -> None:
        """Set aside what lives; sweep where that is due."""
        began = self._clock()
        if began >= self._due:
            gc.unfreeze()
            gc.collect()
            ended = self._clock()
            self._due = ended + max(SWEEP_SECONDS, SHARE * (ended - began))
        else:
            gc.collect(0)
        gc.freeze()
