"""A run's book does not know by whose clock its leaders wrote it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodput_exporter.domain.states import RunState
from tests.fakes.takeovers import Days, Life, Reign
from tests.fakes.trainers import Truth

CORRECTION_NS = 159_267
"""By so much an agent once corrected what it knew of a clock."""
TAKEN_OVER_S = 14.0

clocks_ns = st.integers(-5_000_000, 5_000_000)


def booked(life: Life) -> Truth:
    """Return what a run's book says that its trainer has done."""
    fold = life.fold
    lost = tuple(one.lost_steps or 0 for one in fold.incidents)
    return Truth(fold.steps_first + fold.steps_redone, fold.steps_first, lost)


def unseen(life: Life) -> list[int]:
    """Return how long each unobserved time of a run was, in nanoseconds."""
    found = [one for one in life.segments if one.state is RunState.UNOBSERVED]
    return [one.span.length_ns for one in found]


@pytest.mark.parametrize("ahead_ns", [CORRECTION_NS, -CORRECTION_NS])
def test_a_new_leaders_clock_is_no_silence_of_the_ranks(ahead_ns: int) -> None:
    """
    An agent vouches by the new leader's clock, a rank's age goes on by the old one's.

    Where that agent is cut off next, for longer than the settle delay and not as long
    as is waited after a take-over, the difference between the two is not unobserved.
    """
    reigns = [Reign(2.0), Reign(TAKEN_OVER_S, ahead_ns)]

    life = Life(Days(reigns, crashes=[8.0, 42.0], cut_off=(16.0, 34.0))).live()

    assert unseen(life) == []
    assert booked(life) == life.truth


def test_the_time_since_a_ranks_last_report_is_no_silence_of_its_own() -> None:
    """
    An agent vouches every second, and a rank speaks every two: it would have spoken.

    Whoever cut the agent off has cut off the rank, too, with the same clocks.
    """
    reigns = [Reign(2.0), Reign(TAKEN_OVER_S)]
    days = Days(reigns, cut_off=(16.8, 34.0), report_slots=20)

    life = Life(days).live()

    assert unseen(life) == []
    assert booked(life) == life.truth


def test_an_agent_that_stays_away_is_waited_for_no_longer_than_that() -> None:
    """What is settled is settled: beyond the delay after a take-over it is blind."""
    reigns = [Reign(2.0), Reign(TAKEN_OVER_S)]
    days = Days(reigns, cut_off=(16.0, 200.0), ends_s=100.0, over_s=100.0)

    life = Life(days).live()

    assert sum(unseen(life)) > 0


@settings(max_examples=5)  # each of them is the life of a minute under three leaders
@given(
    clocks_ns,
    clocks_ns,
    st.floats(8.0, 15.5),
    st.floats(11.0, 20.0),
    st.integers(1, 20),
)
def test_leaders_by_any_clocks_book_what_the_trainer_did(
    first_ns: int, second_ns: int, after_s: float, away_s: float, report_slots: int
) -> None:
    """Every step once, each crash with what it lost, and no instant unobserved."""
    reigns = [Reign(2.0), Reign(TAKEN_OVER_S, first_ns), Reign(38.0, second_ns)]
    cut_off = TAKEN_OVER_S + after_s - 7.0, TAKEN_OVER_S + after_s - 7.0 + away_s
    days = Days(reigns, [7.0, 44.0], cut_off, report_slots)

    life = Life(days).live()

    assert unseen(life) == []
    assert booked(life) == life.truth
