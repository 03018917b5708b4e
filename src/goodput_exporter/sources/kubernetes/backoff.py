"""Pauses between attempts: doubling, jittered, and never shorter than asked for."""

from __future__ import annotations

from random import Random
from typing import Final

from goodput_exporter.sources.kubernetes.waits import Waits

_MOST_DOUBLINGS: Final = 16
_JITTER: Final = 0.5
_LATER: Final = 0.25


class Backoff:
    """
    How long to pause before the next attempt.

    Args:
        waits: The bounds.
        chance: Where the jitter comes from. Every aggregator in a fleet sees
            the same API server come back; without jitter all call at once.
    """

    def __init__(self, waits: Waits, chance: Random) -> None:
        self._waits = waits
        self._chance = chance
        self.failures = 0

    def reset(self) -> None:
        """Start anew: the last attempt brought something."""
        self.failures = 0

    def pause_s(self, retry_after_s: float | None = None) -> float:
        """
        Count a failure, and return the seconds to pause after it.

        Args:
            retry_after_s: What the server asked for. The pause is at least
                that, up to a bound, and up to a quarter more.
        """
        doublings = min(self.failures, _MOST_DOUBLINGS)
        self.failures += 1
        longest = min(
            self._waits.pause_first_s * 2.0**doublings, self._waits.pause_most_s
        )
        ours = longest * self._chance.uniform(1 - _JITTER, 1)
        if retry_after_s is None:
            return ours
        asked = min(max(retry_after_s, 0.0), self._waits.retry_after_most_s)
        return max(ours, asked * self._chance.uniform(1, 1 + _LATER))

    def slow_s(self, seconds: float) -> float:
        """Return *seconds* with jitter, for what only a person can change."""
        return seconds * self._chance.uniform(1 - _LATER, 1 + _LATER)
