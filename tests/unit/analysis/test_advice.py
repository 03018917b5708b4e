"""The advice is Young's and Daly's, and its gain is what a run would see."""

from __future__ import annotations

import math

import pytest
from scipy import optimize, special

from goodput_exporter.analysis.advice import (
    CheckpointAdvice,
    CheckpointFacts,
    NoAdvice,
    advise,
    checkpoint_facts,
    daly,
    young,
)
from goodput_exporter.analysis.ettr import efficiency
from goodput_exporter.analysis.statistics import mean_time
from goodput_exporter.domain.states import Cause, RunState
from tests.fakes.failures import HOUR, book, interruption, trained


def facts(
    *,
    events: int = 30,
    now: float | None = 3_600,
    write: float | None = 60,
    durable: float | None = None,
    progress: float | None = 1.0,
) -> CheckpointFacts:
    """Return a run on 1,000 GPUs that is interrupted every 8 hours."""
    return CheckpointFacts(
        mtti=mean_time(events * 8 * 3_600, events),
        interval_seconds=now,
        write_seconds=write,
        restart_seconds=300,
        outage_seconds=600,
        progress_ratio=progress,
        devices=1_000,
        durable_seconds=durable,
    )


def advice(measured: CheckpointFacts) -> CheckpointAdvice:
    """Return the advice of facts that allow one."""
    found = advise(measured)
    assert isinstance(found, CheckpointAdvice)
    return found


@pytest.mark.parametrize(
    ("mean_minutes", "minutes"), [(24 * 60, "117"), (6 * 60, "57"), (15, "9.1")]
)
def test_daly_s_interval_is_the_published_one(mean_minutes: int, minutes: str) -> None:
    """A save of 5 min, as in figures 3 to 5 of the paper, to the digits printed."""
    digits = 1 if "." in minutes else 0

    assert f"{daly(5, mean_minutes):.{digits}f}" == minutes


@pytest.mark.parametrize(
    ("write", "mean", "interval"), [(5, 1_440, 120), (0.5, 3_600, 60), (2, 100, 20)]
)
def test_young_s_interval_is_the_square_root(
    write: float, mean: float, interval: float
) -> None:
    """Of twice the save times the mean: five minutes and a day make two hours."""
    assert young(write, mean) == pytest.approx(interval)


def test_a_save_that_takes_twice_the_mean_is_beyond_daly_s_series() -> None:
    """The interval is then the mean itself, and the run is lost anyway."""
    assert daly(50, 25) == 25
    assert daly(49.999, 25) == pytest.approx(50 * 13 / 9 - 50, rel=1e-3)
    assert daly(500, 25) == 25


@pytest.mark.parametrize("ratio", [1e-6, 1e-4, 1e-2, 0.1, 0.3, 0.5])
def test_daly_s_interval_is_where_the_waste_is_least(ratio: float) -> None:
    """SciPy's numerical minimum, and the exact one by Lambert's W, are beside it."""
    best = optimize.minimize_scalar(
        lambda interval: 1 - efficiency(interval, ratio, 1.0),
        bounds=(ratio / 10, 3.0),
        method="bounded",
        options={"xatol": 1e-9},
    )
    exact = 1 + special.lambertw(-math.exp(-1 - ratio)).real

    assert best.x == pytest.approx(exact, rel=1e-3)
    assert daly(ratio, 1.0) == pytest.approx(exact, rel=0.012)
    lost = efficiency(best.x, ratio, 1.0) - efficiency(daly(ratio, 1.0), ratio, 1.0)
    assert 0 <= lost < 1e-5


def test_the_restart_has_no_part_in_the_interval() -> None:
    """However long it takes, the waste is least at the same place."""
    quick = efficiency(100, 5, 1_440) / efficiency(120, 5, 1_440)
    slow = efficiency(100, 5, 1_440, restart=60, outage=600) / efficiency(
        120, 5, 1_440, restart=60, outage=600
    )

    assert slow == pytest.approx(quick)


def test_saving_too_seldom_costs_gpu_hours_every_day() -> None:
    """
    Four hours between saves of a minute, where half an hour would do.

    The gain is that of a simulated run.
    """
    found = advice(facts(now=4 * 3_600))

    assert found.young_seconds == pytest.approx(1_859, abs=1)
    assert found.interval_seconds == found.daly_seconds == pytest.approx(1_819, abs=1)
    now, then = (
        trained(interval, 60, 8 * 3_600, restart=300, outage=600)
        for interval in (found.now_seconds, found.interval_seconds)
    )
    assert found.gain == pytest.approx(then - now, abs=0.003)
    assert found.gpu_hours_per_day == pytest.approx(found.gain * 24_000)
    assert found.gain_low < found.gain < found.gain_high
    assert found.daly_low_seconds < found.daly_seconds < found.daly_high_seconds
    assert found.worth_it
    assert not found.too_few


def test_a_run_that_saves_as_advised_has_nothing_to_gain() -> None:
    """The gain is zero, not a rounding error sold as advice."""
    found = advice(facts(now=daly(60, 8 * 3_600)))

    assert found.gain == 0
    assert found.gpu_hours_per_day == 0
    assert not found.worth_it


def test_three_interruptions_are_too_few_to_be_sure() -> None:
    """The advice stands with its limits, and with a mark."""
    few, many = advice(facts(events=3, now=2_700)), advice(facts(now=2_700))

    assert few.too_few
    assert few.gain == pytest.approx(many.gain)
    assert few.gain_low < 0 < few.gain
    assert not few.worth_it
    assert few.gain_high - few.gain_low > many.gain_high - many.gain_low


def test_a_checkpoint_cannot_be_taken_before_the_last_one_is_durable() -> None:
    """An upload of 50 minutes is the least interval, though less would be better."""
    found = advice(facts(durable=3_000, now=4 * 3_600))

    assert found.upload_bound
    assert found.interval_seconds == 3_000
    assert found.daly_seconds < 3_000
    assert found.gain < advice(facts(now=4 * 3_600)).gain


def test_only_the_productive_share_of_what_is_saved_is_gained() -> None:
    """A run that waits for data half of its time gains half as much."""
    whole, half = advice(facts(now=7_200)), advice(facts(now=7_200, progress=0.5))

    assert half.gain == pytest.approx(whole.gain / 2)


@pytest.mark.parametrize(
    ("measured", "why"),
    [
        (facts(write=None), "no save or no training was seen"),
        (facts(now=None), "no save or no training was seen"),
        (facts(progress=None), "no save or no training was seen"),
        (facts(events=0), "0 interruptions in 0 s"),
        (facts(write=0), "only what blocks can be traded"),
    ],
)
def test_where_something_is_not_known_there_is_no_advice(
    measured: CheckpointFacts, why: str
) -> None:
    """And a sentence that says what is missing."""
    found = advise(measured)

    assert isinstance(found, NoAdvice)
    assert why in found.why


def test_the_facts_are_measured_from_the_book() -> None:
    """
    Ten saves in 20 hours of the loop; two crashes and one planned stop.

    The planned stop is no interruption, so its restart counts in no cost.
    """
    cost = {
        RunState.DOWN: 2 * HOUR * 8,
        RunState.RESTORING: HOUR * 8,
        RunState.RECOMPUTING: HOUR * 8,
    }
    run = book(
        {
            RunState.PRODUCTIVE: 12,
            RunState.DATA_WAIT: 4,
            RunState.RECOMPUTING: 3,
            RunState.INTERRUPTED: 1,
            RunState.CHECKPOINTING: 0.5,
            RunState.RESTORING: 3,
            RunState.DOWN: 6,
        },
        interruption(number=1, cost=cost),
        interruption(number=2, cost=cost, cause=Cause.HANG),
        interruption(number=3, cost=cost, cause=Cause.PLANNED),
        devices=8,
    )

    measured = checkpoint_facts(run, saves=10, durable_seconds=30)

    assert measured.mtti.seconds == pytest.approx(23.5 / 2 * 3_600)
    assert measured.interval_seconds == pytest.approx(2 * 3_600)
    assert measured.write_seconds == pytest.approx(180)
    assert measured.restart_seconds == pytest.approx(3_600)
    assert measured.outage_seconds == pytest.approx(2 * 3_600)
    assert measured.progress_ratio == pytest.approx(0.75)
    assert isinstance(advise(measured), CheckpointAdvice)
    assert isinstance(advise(checkpoint_facts(run, saves=0)), NoAdvice)
    assert isinstance(advise(checkpoint_facts(book({}), saves=3)), NoAdvice)
