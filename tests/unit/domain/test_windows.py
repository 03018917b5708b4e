"""Rule 6 by hand: small windows whose content a person can add up."""

from __future__ import annotations

import pytest

from goodput_exporter.domain.life import Life, Piece, born
from goodput_exporter.domain.observations import RankReport
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import Phase, RunState
from goodput_exporter.domain.windows import Mix, level, mix

S = NS_PER_SECOND
WAIT, SAVE = RunState.DATA_WAIT, RunState.CHECKPOINTING
RESTORE, EVAL = RunState.RESTORING, RunState.EVALUATING


def life(*pieces: tuple[float, RunState | None], begins_s: float = 0.0) -> Life:
    """Return a rank that spent these seconds in these states, one after another."""
    at_ns = round(begins_s * S)
    made = born(RankReport("a" * 16, 0, at_ns, 0, Phase.INIT, 0, {}))
    for seconds, state in pieces:
        end_ns = at_ns + round(seconds * S)
        made.pieces.append(Piece(at_ns, end_ns, state))
        at_ns = end_ns
    made.reported_ns = at_ns
    return made


def test_the_longest_wait_counts_and_the_rest_is_step_time() -> None:
    """One rank waits 3 s, one 1 s, in a window of 10 s: 3 s, and 7 s of steps."""
    lives = [life((3, WAIT), (7, None)), life((9, None), (1, WAIT))]

    assert mix(lives, 0, 10 * S) == Mix(((WAIT, 3 * S),), 7 * S, 0)


def test_phases_of_different_ranks_stand_side_by_side() -> None:
    """One rank saves while another waits: both held the job up, in table order."""
    lives = [life((8, None), (2, WAIT)), life((4, SAVE), (6, None))]

    assert mix(lives, 0, 10 * S).phases == ((SAVE, 4 * S), (WAIT, 2 * S))


def test_maxima_that_exceed_the_window_are_scaled_down_together() -> None:
    """Nine seconds of saving here, six of waiting there: 15 s do not fit into 10."""
    lives = [life((9, SAVE), (1, None)), life((4, None), (6, WAIT))]
    content = mix(lives, 0, 10 * S)

    assert content.phases == ((SAVE, 6 * S), (WAIT, 4 * S))
    assert content.step_ns == 0


def test_the_largest_remainder_gets_the_nanosecond_that_is_left() -> None:
    """Three equal phases in 10 ns: the first in the table's order gets four."""
    lives = [
        life((10 / S, RESTORE)),
        life((10 / S, SAVE)),
        life((10 / S, EVAL)),
    ]

    assert mix(lives, 0, 10).phases == ((RESTORE, 4), (SAVE, 3), (EVAL, 3))


def test_a_window_without_step_time_is_its_phases() -> None:
    """Ranks that start up for 9 s and 10 s: all of it is starting up."""
    lives = [
        life((10, RunState.INITIALIZING)),
        life((9, RunState.INITIALIZING), begins_s=1),
    ]

    assert mix(lives, 0, 10 * S) == Mix(((RunState.INITIALIZING, 10 * S),), 0, 0)


def test_only_the_part_inside_the_window_counts() -> None:
    """A wait from 8 s to 14 s is 2 s of the first window and 4 s of the second."""
    lives = [life((8, None), (6, WAIT), (6, None)), life((20, None))]

    assert mix(lives, 0, 10 * S).phases == ((WAIT, 2 * S),)
    assert mix(lives, 10 * S, 20 * S).phases == ((WAIT, 4 * S),)


def test_time_that_no_rank_covers_is_unobserved() -> None:
    """One rank speaks of 0-4 s, one of 7-10 s: nobody of the three in between."""
    lives = [life((4, None)), life((3, None), begins_s=7)]

    assert mix(lives, 0, 10 * S) == Mix((), 7 * S, 3 * S)


def test_a_window_that_nobody_saw_holds_nothing_else() -> None:
    """Without ranks all of it is unobserved."""
    assert mix([], 0, 10 * S) == Mix((), 0, 10 * S)


@pytest.mark.parametrize(
    ("intervals", "step_ns", "shares"),
    [
        ([(2, 1), (2, 1), (2, 1)], 6, [2, 2, 2]),
        ([(2, 1), (10, 1), (2, 1)], 6, [2, 2, 2]),
        ([(1, 1), (10, 1), (10, 1)], 9, [1, 4, 4]),
        ([(4, 2), (10, 1)], 6, [4, 2]),
        ([(0, 1), (10, 1)], 4, [0, 4]),
        ([(5, 1)], 0, [0]),
    ],
)
def test_step_time_is_spread_as_evenly_as_the_ends_allow(
    intervals: list[tuple[int, int]], step_ns: int, shares: list[int]
) -> None:
    """A step that waited for data is the step it was; none outgrows its interval."""
    assert level(intervals, step_ns) == shares
