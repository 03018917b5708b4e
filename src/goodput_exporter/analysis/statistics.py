"""Mean times to interruption and recovery, with limits and marks of doubt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, pstdev
from typing import Final

from goodput_exporter.analysis.distributions import poisson_lower, poisson_upper
from goodput_exporter.analysis.records import Interruption, RunBook
from goodput_exporter.domain.accounting import Account
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import LAYER_OF, Layer

CONFIDENCE: Final = 0.95
FEW_EVENTS: Final = 10
"""Below this the 95 % limits lie further apart than a factor of four."""

WIDE_SPREAD: Final = 1.25
"""Of recovery times; above it 95 % limits hold the truth in less than 90 %."""

AVAILABLE: Final = frozenset({Layer.FRAMEWORK, Layer.MODEL, Layer.GOOD})


@dataclass(frozen=True, slots=True)
class MeanTime:
    """
    A mean time between or of events, with its limits.

    Args:
        events: How many.
        exposure_seconds: The time in which they were counted.
        seconds: Exposure per event; None without any.
        low_seconds: Its lower limit, known without any event, too.
        high_seconds: Its upper limit; None without any: it may be for ever.
        confidence: The chance that such limits hold the truth.
        spread: Standard deviation of the times over their mean, 1 if they are
            exponential; None where single times are not known.
    """

    events: int
    exposure_seconds: float
    seconds: float | None
    low_seconds: float
    high_seconds: float | None
    confidence: float
    spread: float | None = None

    @property
    def too_few(self) -> bool:
        """Tell whether the figure is an order of magnitude at best."""
        return self.events < FEW_EVENTS

    @property
    def too_narrow(self) -> bool:
        """Tell whether the times spread so widely that the limits promise too much."""
        return self.spread is not None and self.spread > WIDE_SPREAD


def mean_time(
    exposure_seconds: float,
    events: int,
    *,
    confidence: float = CONFIDENCE,
    ended_by_clock: bool = True,
) -> MeanTime:
    """
    Estimate the mean of an exponential time from a count over an exposure.

    Args:
        exposure_seconds: Time under observation, of all subjects together.
        events: How many events ended in it.
        confidence: The chance that the limits hold the truth; two-sided.
        ended_by_clock: The observation ended at an instant of ours; else with
            the last event, which leaves nothing unfinished and narrows the
            lower limit.

    Source:
        B. Epstein, M. Sobel, Life testing, Journal of the American Statistical
        Association 48 (1953) 486: limits ``2T / chi2`` with 2k degrees of freedom,
        and 2k + 2 for the lower limit where the clock ends the observation.
    """
    miss = (1 - confidence) / 2
    most = poisson_upper(events if ended_by_clock or events == 0 else events - 1, miss)
    return MeanTime(
        events=events,
        exposure_seconds=exposure_seconds,
        seconds=exposure_seconds / events if events else None,
        low_seconds=exposure_seconds / most,
        high_seconds=exposure_seconds / poisson_lower(events, miss) if events else None,
        confidence=confidence,
    )


def available_gpu_ns(account: Account) -> int:
    """Return T_avail, weighted by GPUs: all observed time but infrastructure's."""
    return sum(
        gpu_ns
        for state, gpu_ns in account.gpu_ns.items()
        if LAYER_OF[state] in AVAILABLE
    )


def mtti(books: Iterable[RunBook], *, confidence: float = CONFIDENCE) -> MeanTime:
    """
    Return the mean time to interruption: T_avail over interruptions.

    What a person, a plan or a scale-in stopped is no interruption. Of several
    runs it is the ratio of sums: the mean availability of a run, not of a GPU.

    Args:
        books: One run's, or several runs'; each with one device at least.
        confidence: Of the limits.

    Source:
        The definitions, section 6; limits as in ``mean_time``.
    """
    exposure, events = 0.0, 0
    for book in books:
        exposure += available_gpu_ns(book.account) / book.devices / NS_PER_SECOND
        events += sum(one.is_interruption for one in book.interruptions)
    return mean_time(exposure, events, confidence=confidence)


def mttr(
    interruptions: Iterable[Interruption], *, confidence: float = CONFIDENCE
) -> MeanTime:
    """
    Return the mean time to recovery: from the first rank's end to new progress.

    An interruption that is open, or that another one took over, adds its time
    and no recovery, as a survivor does in a life test. The limits take recovery
    times as exponential: they are too wide where every recovery takes the same
    time, and too narrow where a few take much longer than the rest; *spread* of
    the result tells.

    Args:
        interruptions: Of one run or several; the deliberate ones are left out.
        confidence: Of the limits.

    Source:
        As ``mean_time``.
    """
    counted = [one for one in interruptions if one.is_interruption]
    done = [one.lasted_ns for one in counted if one.recovered]
    mean = mean_time(
        sum(one.lasted_ns for one in counted) / NS_PER_SECOND,
        len(done),
        confidence=confidence,
        ended_by_clock=len(done) < len(counted),
    )
    return replace(mean, spread=_spread(done))


def _spread(times_ns: Sequence[int]) -> float | None:
    mean = fmean(times_ns) if len(times_ns) > 1 else 0.0
    return pstdev(times_ns) / mean if mean else None
