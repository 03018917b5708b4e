"""Exact parts become decimals that still add up, by the largest remainder."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import TypeVar

from goodput_exporter.domain.spans import apportion

Key = TypeVar("Key")


def rounded(
    parts: Mapping[Key, int], *, per_unit: int, decimals: int
) -> dict[Key, Decimal]:
    """
    Round parts so that they sum to their rounded total, to the last digit.

    Rounding each part alone would leave a table whose lines do not add up. A
    part may therefore differ from its own rounding by one last digit.

    Args:
        parts: Exact, not negative, all in one small unit.
        per_unit: How many of the small units make one of the unit shown.
        decimals: How many decimals are shown.

    Returns:
        The same keys in the same order; the values sum to
        ``nearest(sum(parts), ...)`` exactly.
    """
    total = _units(sum(parts.values()), per_unit, decimals)
    if not total:
        return dict.fromkeys(parts, _decimal(0, decimals))
    shares = apportion(total, list(parts.values()))
    return {
        key: _decimal(share, decimals) for key, share in zip(parts, shares, strict=True)
    }


def nearest(amount: int, *, per_unit: int, decimals: int) -> Decimal:
    """Round one exact amount; a half goes to the even digit, as in bookkeeping."""
    return _decimal(_units(amount, per_unit, decimals), decimals)


def _units(amount: int, per_unit: int, decimals: int) -> int:
    return round(Fraction(amount * 10**decimals, per_unit))


def _decimal(units: int, decimals: int) -> Decimal:
    # By text: the constructor is exact where arithmetic would round to 28 digits.
    return Decimal(f"{units}E-{decimals}")
