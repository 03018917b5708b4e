"""
Many numbers printed at once, as Prometheus reads them.

msgspec prints a list of floats three times as fast as ``repr`` prints each,
with the same shortest digits; integer nanoseconds become seconds by moving
the point, which is exact where a float has lost its last digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import Final

import msgspec

from goodput_exporter.domain.spans import NS_PER_SECOND

LIMIT: Final = 1e300
"""What is not between minus and plus this is no finite double for a scraper."""

REFUSED: Final = b""
"""Stands where a value may not be printed."""

_NOT_NEGATIVE: Final = b"0123456789,.e+"
_NUMBERS: Final = _NOT_NEGATIVE + b"-"
_WHOLE: Final = b".000000000,"


def plain_texts(values: Sequence[float], *, negative: bool) -> list[bytes]:
    """
    Print numbers as they are.

    Args:
        values: What is not finite is refused.
        negative: Whether they may be below zero; if not, such are refused.

    Returns:
        One text per value, or ``REFUSED``.

    Raises:
        TypeError: A value is neither an int nor a float.
    """
    texts = _texts(values, _NUMBERS if negative else _NOT_NEGATIVE)
    if texts is not None:
        return texts
    _check_types(values, {int, float})
    lowest = 0 if not negative else -LIMIT
    return [b"%a" % v if lowest <= v < LIMIT else REFUSED for v in values]


def seconds_texts(values: Sequence[float]) -> list[bytes]:
    """
    Print integer nanoseconds as seconds, to the last digit.

    Args:
        values: Negative time is refused: it comes of a wrong account.

    Returns:
        One text per value, or ``REFUSED``.

    Raises:
        TypeError: A value is not an int.
    """
    _check_types(values, {int})
    if not values:
        return []
    if min(values) >= 0 and sum(values) < LIMIT:
        return _seconds(values)
    fit = [0 <= ns < LIMIT for ns in values]
    texts = iter(_seconds(list(compress(values, fit))))
    return [next(texts) if fits else REFUSED for fits in fit]


def _seconds(values: Sequence[float]) -> list[bytes]:
    """
    Print non-negative nanoseconds as seconds.

    All of them are printed as pairs, ``whole,-1fraction``: the 1 keeps the
    fraction's zeros, and the minus marks where the point belongs, so that
    each step is one call for all values.
    """
    pairs: list[float] = [0] * (2 * len(values))
    pairs[::2] = [ns // NS_PER_SECOND for ns in values]
    pairs[1::2] = [-NS_PER_SECOND - ns % NS_PER_SECOND for ns in values]
    text = msgspec.json.encode(pairs)[1:-1].replace(b",-1", b".") + b","
    return text.replace(_WHOLE, b",").split(b",")[:-1]


def _texts(values: Sequence[float], allowed: bytes) -> list[bytes] | None:
    """
    Return the texts if no value needs a second look.

    Looking at the characters of all texts at once costs a tenth of looking
    at each value: NaN and None print as ``null``, True as ``true``.
    """
    if not values:
        return []
    text = msgspec.json.encode(values)[1:-1]
    if text.translate(None, allowed):
        return None
    return text.split(b",") if _are_small(values, text) else None


def _are_small(values: Sequence[float], text: bytes) -> bool:
    """Return whether all are within the limit; if none is negative, the sum tells."""
    if b"-" in text:
        return max(values) < LIMIT and min(values) > -LIMIT
    try:
        return sum(values) < LIMIT
    except OverflowError:
        # An integer that no float can hold, beside a float.
        return False


def _check_types(values: Sequence[float], allowed: set[type]) -> None:
    strange = set(map(type, values)) - allowed
    if strange:
        names = ", ".join(sorted(kind.__name__ for kind in strange))
        msg = f"a value is of type {names}; a metric takes numbers, and times integers"
        raise TypeError(msg)
