"""Chance that can be repeated: one stream of numbers per seed and purpose."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import Final, TypeVar

from goodput_exporter.domain.spans import NS_PER_SECOND

T = TypeVar("T")

INCARNATION_DIGITS: Final = 16


class Chance:
    """
    A stream of random draws.

    Streams of different purposes do not disturb each other: one more data wait
    in one run changes no failure of another.

    Args:
        words: The seed and the purpose; equal words give equal draws.
    """

    def __init__(self, *words: object) -> None:
        seed = "/".join(str(word) for word in words)
        self._dice = random.Random(seed)  # noqa: S311 - a life that repeats, no secret

    def ratio(self) -> float:
        """Return a number from 0 to below 1."""
        return self._dice.random()

    def happens(self, chance: float) -> bool:
        """Return True with the probability *chance*."""
        return self._dice.random() < chance

    def between_ns(self, least_s: float, most_s: float) -> int:
        """Return a duration that is uniform between two numbers of seconds."""
        return round(self._dice.uniform(least_s, most_s) * NS_PER_SECOND)

    def after_ns(self, mean_ns: float) -> int:
        """Return the exponential wait for something that comes at a constant rate."""
        return 1 + round(self._dice.expovariate(1.0) * mean_ns)

    def below(self, count: int) -> int:
        """Return an integer from 0 to below *count*."""
        return self._dice.randrange(count)

    def one_of(self, options: Sequence[T], weights: Sequence[float]) -> T:
        """Return one option, in proportion to its weight."""
        return self._dice.choices(options, weights)[0]


def incarnation_of(*words: object) -> str:
    """Return 16 hex digits that stand for one life of one rank."""
    digest = hashlib.sha256("/".join(str(word) for word in words).encode())
    return digest.hexdigest()[:INCARNATION_DIGITS]


def uid_of(*words: object) -> str:
    """Return the UID of a Kubernetes object, in the usual form."""
    digits = hashlib.sha256("/".join(str(word) for word in words).encode()).hexdigest()
    cuts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32])
    return "-".join(cuts)
