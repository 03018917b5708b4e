"""Mean times and rates agree with tables, with SciPy, and with simulated truth."""

from __future__ import annotations

import math
import random
from functools import cache

import pytest
from scipy import stats

from goodput_exporter.analysis.rates import (
    rate,
    rates_by_cause,
    rates_by_node,
)
from goodput_exporter.analysis.records import interruptions_of
from goodput_exporter.analysis.statistics import (
    FEW_EVENTS,
    MeanTime,
    mean_time,
    mtti,
    mttr,
)
from goodput_exporter.domain.snapshot import Incident
from goodput_exporter.domain.states import Cause, RunState
from tests.fakes.failures import DAY, HOUR, book, fleet, interruption, key


@pytest.mark.parametrize(
    ("events", "low", "high"),
    [(0, 0.0, 3.689), (1, 0.0253, 5.572), (5, 1.623, 11.668), (10, 4.795, 18.390)],
)
def test_the_limits_of_a_count_are_those_of_the_printed_tables(
    events: int, low: float, high: float
) -> None:
    """Garwood's 95 % limits of a Poisson mean, as printed since 1936."""
    measured = rate(1_000 * DAY, events)

    assert measured.low == pytest.approx(low, abs=5e-4)
    assert measured.high == pytest.approx(high, abs=5e-4)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
@pytest.mark.parametrize("events", [1, 2, 17, 419, 100_000])
def test_the_limits_of_a_mean_time_are_chi_square(
    events: int, confidence: float
) -> None:
    """Twice the exposure over SciPy's chi-square quantiles, to the last digits."""
    miss = (1 - confidence) / 2

    mean = mean_time(7.0, events, confidence=confidence)
    failed = mean_time(7.0, events, confidence=confidence, ended_by_clock=False)

    assert mean.high_seconds == pytest.approx(14 / stats.chi2.ppf(miss, 2 * events))
    assert mean.low_seconds == pytest.approx(14 / stats.chi2.isf(miss, 2 * events + 2))
    assert failed.high_seconds == mean.high_seconds
    assert failed.low_seconds == pytest.approx(14 / stats.chi2.isf(miss, 2 * events))


def test_without_an_event_only_the_lower_limit_is_known() -> None:
    """A month without a crash says: rather not every week; it does not say never."""
    mean = mean_time(30 * 86_400, 0)

    assert mean.seconds is None
    assert mean.high_seconds is None
    assert mean.low_seconds / 86_400 == pytest.approx(8.13, abs=0.01)
    assert mean.too_few


def test_few_events_are_those_whose_limits_are_a_factor_of_four_apart() -> None:
    """With nine they are further apart than that, with ten they are not."""
    apart = {}
    for events in (FEW_EVENTS - 1, FEW_EVENTS):
        mean = mean_time(1.0, events)
        assert mean.high_seconds is not None
        apart[mean.too_few] = mean.high_seconds / mean.low_seconds

    assert apart[True] > 4 > apart[False]


@cache
def _counted(events: int, confidence: float) -> MeanTime:
    return mean_time(1.0, events, confidence=confidence)


@pytest.mark.parametrize("expected", [0.7, 3.0, 25.0])
def test_the_limits_hold_the_truth_as_often_as_they_say(expected: float) -> None:
    """Of 4,000 clusters with a known rate, 90 % or more lie within 90 % limits."""
    rng = random.Random(1936)  # noqa: S311 - a simulation, not a secret
    held = 0
    for _ in range(4_000):
        clock, events = rng.expovariate(expected), 0
        while clock < 1:
            clock += rng.expovariate(expected)
            events += 1
        mean = _counted(events, 0.9)
        high = mean.high_seconds
        held += mean.low_seconds <= 1 / expected and (
            high is None or 1 / expected <= high
        )

    # Exact limits of a whole number hold too often rather than too seldom; the
    # noise of 4,000 throws is 1.4 % at three sigma.
    assert held / 4_000 > 0.9 - 0.014


def test_the_limits_of_repairs_hold_the_truth_exactly() -> None:
    """Finished exponential repairs: the 90 % limits hold it in 90 % of the worlds."""
    rng = random.Random(1953)  # noqa: S311 - a simulation, not a secret
    held = 0
    for _ in range(4_000):
        hours = [rng.expovariate(1.0) for _ in range(6)]
        mean = mttr((interruption(hours=one) for one in hours), confidence=0.9)
        assert mean.high_seconds is not None
        held += mean.low_seconds <= 3_600 <= mean.high_seconds

    assert held / 4_000 == pytest.approx(0.9, abs=0.015)


def test_a_few_very_long_repairs_make_the_limits_too_narrow() -> None:
    """Where one in twenty takes 100 times as long, the limits are marked."""
    usual = [interruption(hours=0.1 + i / 100) for i in range(19)]

    assert not mttr(usual).too_narrow
    assert mttr([*usual, interruption(hours=20)]).too_narrow
    assert mttr(usual[:1]).spread is None
    assert mttr([interruption(hours=2), interruption(hours=2)]).spread == 0


@pytest.mark.parametrize(("spread", "held"), [(0.5, 0.99), (0.95, 0.94), (1.25, 0.89)])
def test_the_mark_stands_where_95_percent_limits_hold_less_than_90(
    spread: float, held: float
) -> None:
    """Lognormal repairs, as repairs are: the limits lean on the spread."""
    rng = random.Random(1953)  # noqa: S311 - a simulation, not a secret
    sigma = math.sqrt(math.log(1 + spread**2))
    hits = 0
    for _ in range(2_000):
        hours = sum(rng.lognormvariate(0, sigma) for _ in range(20))
        mean = mean_time(hours, 20, ended_by_clock=False)
        assert mean.high_seconds is not None
        hits += mean.low_seconds <= math.exp(sigma**2 / 2) <= mean.high_seconds

    assert hits / 2_000 == pytest.approx(held, abs=0.02)


def test_the_llama_3_run_was_interrupted_every_three_hours() -> None:
    """
    54 days on 16,384 GPUs: 466 interruptions, 47 of them planned.

    Source: arXiv:2407.21783, section 3.3.4.
    """
    planned = [interruption(cause=Cause.PLANNED) for _ in range(47)]
    others = [interruption() for _ in range(419)]
    run = book({RunState.PRODUCTIVE: 54 * 24}, *planned, *others, devices=16_384)

    mean = mtti([run])

    assert mean.events == 419
    assert mean.seconds == pytest.approx(3.093 * 3_600, rel=1e-3)
    assert mean.low_seconds == pytest.approx(2.811 * 3_600, rel=1e-3)
    assert mean.high_seconds == pytest.approx(3.413 * 3_600, rel=1e-3)
    assert not mean.too_few


def test_a_run_is_interrupted_only_while_it_is_available() -> None:
    """Waiting for a node, or seen by nobody, is no time to interruption."""
    run = book(
        {
            RunState.PRODUCTIVE: 6,
            RunState.INITIALIZING: 2,
            RunState.DOWN: 100,
            RunState.QUEUED: 100,
            RunState.UNOBSERVED: 100,
        },
        interruption(),
        interruption(),
        devices=64,
    )

    assert mtti([run]).seconds == 4 * 3_600


def test_the_mean_of_a_group_is_the_ratio_of_sums() -> None:
    """A big run weighs no more than a small one: each may be interrupted as a whole."""
    big = book({RunState.PRODUCTIVE: 10}, interruption(), devices=1_000)
    small = book({RunState.PRODUCTIVE: 90}, interruption(), devices=8)

    assert mtti([big, small]).seconds == 50 * 3_600


@pytest.mark.parametrize("cause", [Cause.USER, Cause.PLANNED, Cause.SCALE_IN])
def test_what_somebody_wanted_is_no_interruption(cause: Cause) -> None:
    """It is in neither mean time and in no rate."""
    wanted = interruption(cause=cause, hours=72, node="n0")

    assert mtti([book({RunState.PRODUCTIVE: 10}, wanted)]).events == 0
    assert mttr([wanted]).exposure_seconds == 0
    assert rates_by_cause(fleet(1), [wanted]).rows == {}
    assert rates_by_node(fleet(1), [wanted]).rows["n0"].events == 0


def test_an_open_interruption_makes_recovery_look_longer_not_shorter() -> None:
    """Three recoveries of an hour, and one run down since nine hours."""
    done = [interruption() for _ in range(3)]
    still = interruption(hours=9, recovered=False)

    assert mttr(done).seconds == 3_600
    assert mttr([*done, still]).seconds == 4 * 3_600
    assert mttr([still]).seconds is None


def test_an_incident_ends_where_the_next_one_takes_over() -> None:
    """A crash during the restart: one recovery, from the first end to new progress."""
    first = Incident(1, 0, 1 * HOUR, Cause.GPU_ERROR, "xid", ())
    second = Incident(
        2, 2 * HOUR, 2 * HOUR, Cause.HANG, "stall", (), recovered_ns=5 * HOUR
    )
    third = Incident(3, 8 * HOUR, 9 * HOUR, Cause.UNKNOWN, "nothing-seen", ())

    closed = interruptions_of(
        key("llama"), [third, first, second], 10 * HOUR, nodes={1: "n7"}
    )

    spans = [(one.detected_ns // HOUR, one.ended_ns // HOUR) for one in closed]
    assert spans == [(1, 2), (2, 5), (9, 10)]
    assert [one.recovered for one in closed] == [False, True, False]
    assert [one.node for one in closed] == ["n7", None, None]
    assert mttr(closed[:2]).seconds == 4 * 3_600
