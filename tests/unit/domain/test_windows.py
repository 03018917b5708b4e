"""What a run did in a window: its slowest rank, phase by phase."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodput_exporter.domain.life import Life, Piece
from goodput_exporter.domain.states import Phase, RunState
from goodput_exporter.domain.windows import Mix, level, mix

DATA, SAVE, INIT = RunState.DATA_WAIT, RunState.CHECKPOINTING, RunState.INITIALIZING


def rank(*pieces: tuple[int, int, RunState | None]) -> Life:
    """Return a rank that did this and nothing before or after."""
    start, end = pieces[0][0], pieces[-1][1]
    return Life(
        incarnation="a" * 16,
        rank=0,
        world_size=2,
        devices=1,
        started_ns=start,
        reported_ns=end,
        seq=0,
        up_ns=end - start,
        phase=Phase.IDLE,
        stretch_ns=start,
        cum_ns={},
        pid=None,
        pieces=[Piece(*piece) for piece in pieces],
    )


def test_a_phase_takes_as_long_as_on_its_slowest_rank() -> None:
    """The others waited for it inside their steps."""
    slow = rank((0, 3, DATA), (3, 10, None))
    quick = rank((0, 1, DATA), (1, 10, None))

    assert mix([slow, quick], 0, 10) == Mix(((DATA, 3),), 7, 0)


def test_different_phases_of_different_ranks_add_up() -> None:
    """In table order: a save before a wait for data."""
    one = rank((0, 3, DATA), (3, 10, None))
    two = rank((0, 6, None), (6, 10, SAVE))

    assert mix([one, two], 0, 10) == Mix(((SAVE, 4), (DATA, 3)), 3, 0)


def test_phases_that_exceed_the_window_are_scaled_down_together() -> None:
    """Nine of data and nine of saving in ten: five each."""
    one = rank((0, 9, DATA), (9, 10, None))
    two = rank((0, 9, SAVE), (9, 10, None))

    assert mix([one, two], 0, 10) == Mix(((SAVE, 5), (DATA, 5)), 0, 0)


def test_without_any_step_the_phases_fill_the_window() -> None:
    """Nobody stepped, so nothing is step time."""
    one = rank((0, 6, DATA), (6, 10, SAVE))
    two = rank((0, 6, DATA), (6, 10, SAVE))

    assert mix([one, two], 0, 10) == Mix(((SAVE, 4), (DATA, 6)), 0, 0)


def test_several_pieces_of_a_phase_are_one_rank_s_sum() -> None:
    """Only inside the window."""
    one = rank((0, 4, DATA), (4, 6, None), (6, 9, DATA), (9, 20, None))

    assert mix([one], 2, 10) == Mix(((DATA, 5),), 3, 0)


def test_what_no_rank_reported_is_unobserved() -> None:
    """Before the first began and after the last spoke."""
    one = rank((2, 5, None))
    two = rank((4, 8, None))

    assert mix([one, two], 0, 10) == Mix((), 6, 4)
    assert mix([rank((0, 3, None)), rank((6, 10, None))], 0, 10) == Mix((), 7, 3)
    assert mix([], 0, 10) == Mix((), 0, 10)


def test_phases_share_what_was_observed() -> None:
    """They cannot spill into time that nobody saw."""
    one = rank((0, 6, DATA))
    two = rank((0, 6, SAVE))

    assert mix([one, two], 0, 10) == Mix(((SAVE, 3), (DATA, 3)), 0, 4)


def test_a_rank_that_has_been_used_up_to_now_is_observed_from_there() -> None:
    """Its earlier pieces are laid; its life is longer than what is left of it."""
    one = rank((5, 10, INIT))
    one.started_ns = 0

    assert mix([one], 0, 10) == Mix(((INIT, 5),), 0, 5)


def test_a_window_s_steps_are_as_equal_as_their_ends_allow() -> None:
    """Of 12 for three steps, one has room for 2 only: the others get 5."""
    assert level([(10, 1), (2, 1), (10, 1)], 12) == [5, 2, 5]
    assert level([(10, 1), (10, 1)], 20) == [10, 10]
    assert level([(10, 2), (10, 1)], 9) == [6, 3]
    assert level([(10, 1)], 0) == [0]


def test_what_does_not_divide_goes_to_the_longest() -> None:
    """Seven in three: not a nanosecond is lost."""
    assert sum(level([(10, 1), (10, 1), (10, 1)], 7)) == 7
    assert level([], 0) == []


def test_an_interval_without_a_step_shares_as_one() -> None:
    """The open step at the end of a window is one that goes on."""
    assert level([(10, 1), (10, 0)], 10) == [5, 5]


@pytest.mark.parametrize("length", [0, 1, 10, 10**12])
def test_no_step_is_longer_than_its_interval(length: int) -> None:
    """As long as there is room for all of the step time."""
    intervals = [(length, 1), (3, 2), (10**13, 4)]
    shares = level(intervals, length)

    assert all(s <= room for s, (room, _) in zip(shares, intervals, strict=True))
    assert sum(shares) == length


intervals_and_time = st.lists(
    st.tuples(st.integers(0, 10**12), st.integers(0, 50)), min_size=1, max_size=8
).flatmap(
    lambda found: st.tuples(st.just(found), st.integers(0, sum(n for n, _ in found)))
)


@given(intervals_and_time)
def test_step_time_is_spread_without_loss(
    case: tuple[list[tuple[int, int]], int],
) -> None:
    """Whatever the steps, their shares sum to the window's step time."""
    intervals, step_ns = case
    shares = level(intervals, step_ns)

    assert sum(shares) == step_ns
    assert all(s >= 0 for s in shares)


def test_a_rank_whose_time_is_all_laid_observes_nothing_more() -> None:
    """It has reported past the window's start, and has nothing left to say."""
    laid = rank((0, 10, None))
    laid.pieces = []

    assert mix([laid], 5, 10) == Mix((), 0, 5)
