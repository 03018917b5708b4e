"""Windows at their edges: gaps, borders, and orders that only some cases show."""

from __future__ import annotations

from goodput_exporter.domain.life import Life, Piece
from goodput_exporter.domain.states import Phase, RunState
from goodput_exporter.domain.windows import Mix, level, mix

DATA, SAVE = RunState.DATA_WAIT, RunState.CHECKPOINTING
LOAD = RunState.RESTORING


def rank(*pieces: tuple[int, int, RunState | None]) -> Life:
    """Return a rank that did this and nothing before or after."""
    start, end = pieces[0][0], pieces[-1][1]
    spent = [Piece(*piece) for piece in pieces]
    found = Life("a" * 16, 0, 2, 1, start, end, 0, end - start, Phase.IDLE, 0, {}, None)
    found.pieces = spent
    return found


def test_without_a_step_the_longest_wait_fills_what_any_rank_saw() -> None:
    """One saw six of the ten, the other the rest; the step comes only after."""
    one = rank((0, 6, DATA))
    two = rank((6, 10, DATA), (10, 20, None))

    assert mix([one, two], 0, 10) == Mix(((DATA, 10),), 0, 0)


def test_loading_lies_before_saving() -> None:
    """The table's order, which is not the alphabet's."""
    one = rank((0, 3, SAVE), (3, 7, LOAD), (7, 10, None))

    assert mix([one], 0, 10) == Mix(((LOAD, 4), (SAVE, 3)), 3, 0)


def test_what_lies_before_a_window_is_not_in_it() -> None:
    """And what follows it in the same rank is."""
    one = rank((0, 10, SAVE), (10, 14, DATA), (14, 20, None))

    assert mix([one], 10, 20) == Mix(((DATA, 4),), 6, 0)


def test_a_nanosecond_of_waiting_is_waiting() -> None:
    """Nothing is too short to be booked."""
    assert mix([rank((0, 1, DATA), (1, 10, None))], 0, 10) == Mix(((DATA, 1),), 9, 0)


def test_every_gap_that_nobody_saw_is_unobserved() -> None:
    """Two ranks come late, one after the other has fallen silent."""
    one, two = rank((2, 4, None)), rank((7, 10, None))

    assert mix([one, two], 0, 10) == Mix((), 5, 5)


def test_who_completes_more_steps_has_less_room_for_each() -> None:
    """Four steps in twelve are three each; one in twenty may take what is left."""
    assert level([(20, 1), (12, 4)], 24) == [12, 12]


def test_a_single_step_is_measured_by_its_own_length() -> None:
    """One of ten is longer than each of two in sixteen."""
    assert level([(10, 1), (16, 2)], 26) == [10, 16]


def test_no_step_time_is_dropped_where_there_is_no_room() -> None:
    """The shares sum to it all the same; the longest step takes the rest."""
    assert level([(5, 1), (7, 1)], 15) == [5, 10]
    assert level([(5, 1), (7, 1), (6, 1)], 19) == [5, 8, 6]
