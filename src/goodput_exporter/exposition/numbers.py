"""
Many numbers printed at once, as Prometheus reads them.

msgspec prints a list of floats three times as fast as ``repr`` prints each,
with the same shortest digits; integer nanoseconds become seconds by moving
the point, which is exact where a float has lost its last digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

LIMIT: Final = 1e300
"""What is not between minus and plus this is no finite double for a scraper."""

REFUSED: Final = b""
"""Stands where a value may not be printed."""

_INTEGERS: Final = b"0123456789,"
_NOT_NEGATIVE: Final = _INTEGERS + b".e+"
_NUMBERS: Final = _NOT_NEGATIVE + b"-"
_NS_DIGITS: Final = 9
_WHOLE: Final = b"." + b"0" * _NS_DIGITS


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
    texts = _texts(values, _INTEGERS)
    if texts is None:
        _check_types(values, {int})
        texts = [b"%a" % v if 0 <= v < LIMIT else REFUSED for v in values]
    # Most states of most runs are zero: not worth a call.
    return [text if text == b"0" else _move_point(text) for text in texts]


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
    if max(values) >= LIMIT or min(values) <= -LIMIT:
        return None
    return text.split(b",")


def _move_point(ns: bytes) -> bytes:
    if len(ns) > _NS_DIGITS:
        return (ns[:-_NS_DIGITS] + b"." + ns[-_NS_DIGITS:]).removesuffix(_WHOLE)
    return b"0." + ns.rjust(_NS_DIGITS, b"0") if ns else REFUSED


def _check_types(values: Sequence[float], allowed: set[type]) -> None:
    strange = set(map(type, values)) - allowed
    if strange:
        names = ", ".join(sorted(kind.__name__ for kind in strange))
        msg = f"a value is of type {names}; a metric takes numbers, and times integers"
        raise TypeError(msg)
