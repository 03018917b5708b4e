"""When a phase is overdue: its floor, or ten times its own slowest hundredth."""

from __future__ import annotations

import pytest

from goodput_exporter.domain.limits import Durations
from goodput_exporter.domain.settings import MINUTE_NS, Rules
from goodput_exporter.domain.states import Phase

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("phase", "minutes"),
    [
        (Phase.TRAIN_STEP, 1),
        (Phase.DATA_LOADING, 10),
        (Phase.EVAL, 10),
        (Phase.INIT, 30),
        (Phase.COMPILE, 30),
        (Phase.CHECKPOINT_SAVE, 30),
        (Phase.CHECKPOINT_RESTORE, 30),
        (Phase.FINALIZE, 30),
        (Phase.IDLE, None),
        (Phase.OTHER, None),
    ],
)
def test_every_phase_has_its_floor(phase: Phase, minutes: int | None) -> None:
    """A run without history is judged by the settings alone."""
    limit = None if minutes is None else minutes * MINUTE_NS

    assert Durations().limit_ns(phase, Rules()) == limit


def test_short_history_leaves_the_floor() -> None:
    """Ten times six seconds are the floor of a minute."""
    durations = Durations()
    durations.observe(Phase.TRAIN_STEP, 6 * SECOND)

    assert durations.limit_ns(Phase.TRAIN_STEP, Rules()) == 60 * SECOND


def test_long_history_raises_the_limit_of_its_own_phase() -> None:
    """Ten times seven seconds are more; other phases are not concerned."""
    durations = Durations()
    durations.observe(Phase.TRAIN_STEP, 7 * SECOND)

    assert durations.limit_ns(Phase.TRAIN_STEP, Rules()) == 70 * SECOND
    assert durations.limit_ns(Phase.EVAL, Rules()) == 10 * MINUTE_NS


def test_one_outlier_in_a_hundred_raises_nothing() -> None:
    """The 99th percentile of 100 is the 99th; of 99 it is the largest."""
    durations = Durations()
    durations.observe(Phase.TRAIN_STEP, 50 * SECOND)
    for _ in range(98):
        durations.observe(Phase.TRAIN_STEP, 10 * SECOND)
    of_99 = durations.limit_ns(Phase.TRAIN_STEP, Rules())
    durations.observe(Phase.TRAIN_STEP, 10 * SECOND)

    assert of_99 == 500 * SECOND
    assert durations.limit_ns(Phase.TRAIN_STEP, Rules()) == 100 * SECOND


def test_an_outlier_above_short_steps_leaves_the_floor() -> None:
    """One step of 50 s among hundreds of 1 s is no reason to wait 500 s."""
    durations = Durations()
    durations.observe(Phase.TRAIN_STEP, 50 * SECOND)
    for _ in range(150):
        durations.observe(Phase.TRAIN_STEP, SECOND)

    assert durations.limit_ns(Phase.TRAIN_STEP, Rules()) == 60 * SECOND


def test_two_hundred_durations_are_remembered() -> None:
    """What was long ago is forgotten."""
    durations = Durations()
    for _ in range(10):
        durations.observe(Phase.TRAIN_STEP, 50 * SECOND)
    for _ in range(200):
        durations.observe(Phase.TRAIN_STEP, 10 * SECOND)

    assert durations.recent_ns[Phase.TRAIN_STEP] == [10 * SECOND] * 200


def test_factor_and_floors_are_settings() -> None:
    """A phase may be given a limit, and another lose it."""
    rules = Rules(stall_factor=3, stall_floors_ns={Phase.IDLE: 5})
    durations = Durations()
    durations.observe(Phase.IDLE, 7)

    assert durations.limit_ns(Phase.IDLE, rules) == 21
    assert durations.limit_ns(Phase.TRAIN_STEP, rules) is None
