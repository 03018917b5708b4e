"""Accounts add up: by state, and of the bad states by cause."""

from __future__ import annotations

import pytest

from goodput_exporter.domain.accounting import (
    Account,
    Segment,
    is_bad,
    tally,
    verify_tiling,
)
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.errors import OverlapError


def segment(
    start: int, end: int, state: RunState, devices: int = 1, cause: Cause = Cause.NONE
) -> Segment:
    """Return one booked segment."""
    return Segment(Span(start, end), state, devices, cause)


def test_gpu_time_is_time_times_devices() -> None:
    """Eight devices for ten nanoseconds are eighty."""
    assert segment(5, 15, RunState.DOWN, 8).gpu_ns == 80


def test_only_kept_progress_and_the_unseen_are_not_bad() -> None:
    """Everything else is somebody's loss."""
    assert {state for state in RunState if not is_bad(state)} == {
        RunState.PRODUCTIVE,
        RunState.UNOBSERVED,
    }


def test_an_account_sums_by_state_and_bad_time_by_cause() -> None:
    """Good time has no cause."""
    account = tally(
        [
            segment(0, 10, RunState.PRODUCTIVE, 2),
            segment(10, 20, RunState.DOWN, 2, Cause.HANG),
            segment(20, 25, RunState.STALLED, 2, Cause.HANG),
            segment(25, 30, RunState.PRODUCTIVE, 2, Cause.HANG),
            segment(30, 31, RunState.UNOBSERVED, 2, Cause.HANG),
        ]
    )

    assert account.gpu_ns == {
        RunState.PRODUCTIVE: 30,
        RunState.DOWN: 20,
        RunState.STALLED: 10,
        RunState.UNOBSERVED: 2,
    }
    assert account.bad_gpu_ns == {Cause.HANG: 30}
    assert account.total_gpu_ns == 62
    assert account.of(RunState.DOWN, RunState.STALLED, RunState.IDLE) == 30


def test_a_window_takes_the_parts_inside_it() -> None:
    """What lies outside is another window's."""
    booked = [segment(0, 10, RunState.IDLE, 3), segment(10, 20, RunState.DOWN, 3)]

    assert tally(booked, Span(5, 12)).gpu_ns == {RunState.IDLE: 15, RunState.DOWN: 6}
    assert tally(booked, Span(20, 30)).gpu_ns == {}


def test_accounts_merge_and_copies_are_their_own() -> None:
    """A group's account is the sum of its members', and changes none of them."""
    one = tally([segment(0, 10, RunState.DOWN, cause=Cause.HANG)])
    two = tally(
        [
            segment(0, 5, RunState.DOWN, cause=Cause.HANG),
            segment(5, 6, RunState.IDLE, cause=Cause.USER),
        ]
    )
    both = one.copy()
    both.merge(two)

    assert both.gpu_ns == {RunState.DOWN: 15, RunState.IDLE: 1}
    assert both.bad_gpu_ns == {Cause.HANG: 15, Cause.USER: 1}
    assert one.gpu_ns == {RunState.DOWN: 10}
    assert one.bad_gpu_ns == {Cause.HANG: 10}


def test_an_empty_account_holds_nothing() -> None:
    """Nothing booked is nothing, in every state."""
    assert Account().total_gpu_ns == 0
    assert Account().of(*RunState) == 0


def test_an_instant_is_booked_once() -> None:
    """The error names both states and where they meet."""
    booked = [segment(10, 20, RunState.DOWN), segment(0, 11, RunState.IDLE)]

    with pytest.raises(OverlapError, match=r"down from 10 ns overlaps idle.*11 ns"):
        verify_tiling(booked)


def test_neighbours_and_holes_are_no_overlap() -> None:
    """A hole is time in no book; the law of the sum finds it, not this check."""
    verify_tiling([segment(0, 10, RunState.IDLE), segment(10, 20, RunState.DOWN)])
    verify_tiling([segment(30, 40, RunState.IDLE), segment(0, 10, RunState.DOWN)])
    verify_tiling([])


def test_degraded_devices_stand_beside_those_that_step() -> None:
    """They are other devices at the same instant."""
    verify_tiling(
        [
            segment(0, 10, RunState.PRODUCTIVE, 7),
            segment(0, 10, RunState.DEGRADED, 1),
        ]
    )
