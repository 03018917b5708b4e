"""
The one door to SciPy: limits of a Poisson count, and the tail of a binomial one.

``scipy.special`` and not ``scipy.stats``: the same functions under older names,
loaded in half a second less. The first call loads it, so that a program that
reports nothing needs no SciPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

from goodput_exporter.errors import ConfigError


def poisson_lower(events: int, miss: float) -> float:
    """
    Return the least mean under which *events* or more are no rarer than *miss*.

    Args:
        events: How many were counted.
        miss: The chance to miss on this side, half of one minus the confidence.

    Raises:
        ConfigError: SciPy is not installed.

    Source:
        F. Garwood, Fiducial limits for the Poisson distribution, Biometrika
        28 (1936) 437: half the chi-square quantile with 2k degrees of freedom.
    """
    if events == 0:
        return 0.0
    return float(_special().gammaincinv(events, miss))


def poisson_upper(events: int, miss: float) -> float:
    """
    Return the largest mean under which *events* or fewer are no rarer than *miss*.

    Args:
        events: How many were counted.
        miss: The chance to miss on this side, half of one minus the confidence.

    Raises:
        ConfigError: SciPy is not installed.

    Source:
        As ``poisson_lower``, with 2k + 2 degrees of freedom.
    """
    return float(_special().gammainccinv(events + 1, miss))


def binomial_tails(
    counts: Sequence[int], trials: Sequence[int], shares: Sequence[float]
) -> list[float]:
    """
    Return the chance of each count or more, out of its trials, at its share.

    Args:
        counts: From 1 to the trials.
        trials: How many events were dealt out.
        shares: The chance that one event falls here, from 0 to 1.

    Raises:
        ConfigError: SciPy is not installed.

    Source:
        The binomial tail as an incomplete beta function: NIST Digital Library
        of Mathematical Functions, 8.17.5.
    """
    missed = [n - k + 1 for n, k in zip(trials, counts, strict=True)]
    return [float(tail) for tail in _special().betainc(counts, missed, shares)]


def _special() -> ModuleType:
    try:
        from scipy import special
    except ImportError as exc:
        msg = (
            f"limits and tests need SciPy, and it cannot be loaded ({exc}); "
            "install goodput-exporter[analysis]"
        )
        raise ConfigError(msg) from exc
    loaded: ModuleType = special
    return loaded
