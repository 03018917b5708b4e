"""Time is never lost, invented or booked twice, whatever happens to a run."""

from __future__ import annotations

from hypothesis import given, settings

from goodput_exporter.domain.states import RunState
from tests.fakes.histories import (
    EXECUTED,
    History,
    assert_every_instant_is_booked_once,
    histories,
    moved_into,
    watched,
)
from tests.fakes.stories import Observer


@settings(max_examples=30)
@given(histories())
def test_no_gpu_time_is_lost_or_invented(history: History) -> None:
    """Whatever ranks live through, each device is in one state at every instant."""
    story = watched(history)

    assert story.conserves()
    assert_every_instant_is_booked_once(story)


@settings(max_examples=30)
@given(histories())
def test_both_views_hold_the_same_time(history: History) -> None:
    """Hindsight moves time between states; it makes none and drops none."""
    story = watched(history)
    live, settled = story.fold.book.live, story.fold.book.settled

    everything = moved_into(story, RunState)
    assert settled.total_gpu_ns - live.total_gpu_ns == everything
    executed = settled.of(*EXECUTED) - live.of(*EXECUTED)
    assert executed == moved_into(story, EXECUTED)
    assert all(gpu_ns >= 0 for gpu_ns in settled.gpu_ns.values())


@settings(max_examples=30)
@given(histories(silences=False))
def test_executed_steps_agree_in_both_views(history: History) -> None:
    """Productive, slow, recomputing and lost are one sum, divided twice."""
    story = watched(history)
    live, settled = story.fold.book.live, story.fold.book.settled

    assert settled.of(*EXECUTED) == live.of(*EXECUTED)
    assert RunState.LOST not in live.gpu_ns
    assert RunState.RECOMPUTING not in settled.gpu_ns


@settings(max_examples=30)
@given(histories(most_ranks=1, silences=False, hangs=False))
def test_how_often_a_run_is_looked_at_changes_nothing(history: History) -> None:
    """
    A tick of half a second and one of five seconds come to the same account.

    Apart from silences and hangs: what is late, and several steps in the one
    message that ends a stall, are judged by what was decided before.
    """
    often, seldom = watched(history, tick_s=0.5), watched(history, tick_s=5.0)

    assert often.fold.book.live == seldom.fold.book.live
    assert often.fold.book.settled == seldom.fold.book.settled


def test_a_run_that_nobody_reported_has_no_time() -> None:
    """An empty book is empty, not zero of everything."""
    story = Observer().watch([], 100)

    assert story.fold.book.live.gpu_ns == {}
    assert story.fold.line_ns is None
    assert story.conserves()
