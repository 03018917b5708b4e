"""Time is never lost, invented or booked twice, whatever happens to a run."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.spans import Span
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


def joined(segments: Iterable[Segment]) -> list[tuple[Span, tuple[object, ...]]]:
    """Join what one state goes on in; a tick ends an entry, and means nothing."""
    found: list[tuple[Span, tuple[object, ...]]] = []
    for one in sorted(segments, key=lambda s: (s.state, s.span)):
        what = (one.state, one.devices, one.cause, one.incident, one.kept_as)
        last, kind = found[-1] if found else (one.span, ())
        if kind == what and last.end_ns == one.span.start_ns:
            found[-1] = (Span(last.start_ns, one.span.end_ns), what)
        else:
            found.append((one.span, what))
    return found


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
@given(histories(silences=False), st.sampled_from([0.5, 1.0, 3.0, 17.0]))
def test_how_often_a_run_is_looked_at_changes_nothing(
    history: History, tick_s: float
) -> None:
    """
    However long the tick, however many ranks: each instant is in the same state.

    Apart from silences: what comes late is judged by what was decided before.
    """
    often, seldom = watched(history), watched(history, tick_s=tick_s)

    assert joined(seldom.segments()) == joined(often.segments())
    assert seldom.fold.book.live == often.fold.book.live
    assert seldom.fold.book.settled == often.fold.book.settled
    assert seldom.fold.incidents == often.fold.incidents


def test_a_run_that_nobody_reported_has_no_time() -> None:
    """An empty book is empty, not zero of everything."""
    story = Observer().watch([], 100)

    assert story.fold.book.live.gpu_ns == {}
    assert story.fold.line_ns is None
    assert story.conserves()
