"""The account of a window, hour by hour, day by day or week by week."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from goodput_exporter.analysis.stretches import Stretch, account_of
from goodput_exporter.domain.accounting import Account
from goodput_exporter.domain.ratios import LayerRatios, ratios
from goodput_exporter.domain.spans import NS_PER_SECOND, Span

HOUR_NS: Final = 3_600 * NS_PER_SECOND
DAY_NS: Final = 24 * HOUR_NS
WEEK_NS: Final = 7 * DAY_NS
MOST_HOURS: Final = 4 * DAY_NS
MOST_DAYS: Final = 62 * DAY_NS
"""Longer windows are told by the week: a hundred columns tell nobody more."""

FIRST_MONDAY_NS: Final = 4 * DAY_NS
"""The first day of the epoch was a Thursday; weeks begin on Monday (ISO 8601)."""


class Grain(StrEnum):
    """How long each line of a trend is."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"


LENGTH_NS: Final = {Grain.HOUR: HOUR_NS, Grain.DAY: DAY_NS, Grain.WEEK: WEEK_NS}


@dataclass(frozen=True, slots=True)
class Period:
    """
    One line of a trend.

    Args:
        span: When; the first and the last are cut to the window.
        account: Of all runs together.
    """

    span: Span
    account: Account

    @property
    def ratios(self) -> LayerRatios:
        """Return the period's ratios of sums."""
        return ratios(self.account)

    @property
    def bad_gpu_ns(self) -> int:
        """Return its badput."""
        return sum(self.account.bad_gpu_ns.values())


def name_of(period: Period, grain: Grain) -> str:
    """Return when a period begins, as precisely as its length needs, in UTC."""
    begins = datetime.fromtimestamp(period.span.start_ns // NS_PER_SECOND, UTC)
    return f"{begins:%m-%d %H:%M}" if grain is Grain.HOUR else f"{begins:%Y-%m-%d}"


def grain_of(window: Span) -> Grain:
    """Return how a window is best divided: hours, days or weeks."""
    if window.length_ns <= MOST_HOURS:
        return Grain.HOUR
    return Grain.DAY if window.length_ns <= MOST_DAYS else Grain.WEEK


def trend(stretches: Iterable[Stretch], window: Span, grain: Grain) -> list[Period]:
    """
    Divide an account over time.

    The periods sum to the window's account exactly. All are there, also those in
    which nothing was booked.

    Args:
        stretches: Of any runs, in one view.
        window: What to divide.
        grain: How; days and weeks are those of UTC.
    """
    return [
        Period(span, account_of(mine, span))
        for span, mine in divided(stretches, window, grain)
    ]


def divided(
    stretches: Iterable[Stretch], window: Span, grain: Grain
) -> list[tuple[Span, list[Stretch]]]:
    """Return each period with the stretches that reach into it, uncut."""
    periods: list[tuple[Span, list[Stretch]]] = [
        (span, []) for span in periods_of(window, grain)
    ]
    length_ns, origin_ns = LENGTH_NS[grain], _origin_ns(grain)
    first = (window.start_ns - origin_ns) // length_ns
    for stretch in stretches:
        inside = stretch.span.clip(window)
        if inside is None:
            continue
        begins = (inside.start_ns - origin_ns) // length_ns - first
        ends = (inside.end_ns - 1 - origin_ns) // length_ns - first
        for _, mine in periods[begins : ends + 1]:
            mine.append(stretch)
    return periods


def periods_of(window: Span, grain: Grain) -> Iterator[Span]:
    """Yield what a window is divided into, in time order; nothing is left out."""
    length_ns, origin_ns = LENGTH_NS[grain], _origin_ns(grain)
    start_ns = (window.start_ns - origin_ns) // length_ns * length_ns + origin_ns
    while start_ns < window.end_ns:
        inside = Span(start_ns, start_ns + length_ns).clip(window)
        if inside is not None:
            yield inside
        start_ns += length_ns


def _origin_ns(grain: Grain) -> int:
    return FIRST_MONDAY_NS if grain is Grain.WEEK else 0
