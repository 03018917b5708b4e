"""Counters never go back and count nothing twice, also when this program restarts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from goodput_exporter.domain.fold import Fold
from goodput_exporter.domain.observations import (
    RankExited,
    RankReport,
    RunObservation,
)
from goodput_exporter.ledger.state import decode_state, encode_state
from tests.fakes.histories import (
    History,
    assert_every_instant_is_booked_once,
    histories,
    watched,
)
from tests.fakes.ranks import ns
from tests.fakes.stories import START_S, Observer

TICK_S = 2.0


@dataclass(frozen=True)
class Shown:
    """What counters show at one instant."""

    gpu_ns: dict[str, int]
    bad_gpu_ns: dict[str, int]
    restated: dict[str, int]
    steps: int
    redone: int

    def is_at_least(self, before: Shown) -> bool:
        """Tell whether no counter has gone back since *before*."""
        pairs = (
            (self.gpu_ns, before.gpu_ns),
            (self.bad_gpu_ns, before.bad_gpu_ns),
            (self.restated, before.restated),
        )
        grown = all(
            now.get(name, 0) >= then
            for ours, old in pairs
            for now, name, then in ((ours, name, then) for name, then in old.items())
        )
        return grown and self.steps >= before.steps and self.redone >= before.redone


def shown(fold: Fold) -> Shown:
    """Read the counters."""
    return Shown(
        {state.value: gpu_ns for state, gpu_ns in fold.book.live.gpu_ns.items()},
        {cause.value: gpu_ns for cause, gpu_ns in fold.book.live.bad_gpu_ns.items()},
        dict(fold.book.restated),
        fold.steps_first,
        fold.steps_redone,
    )


def after_downtime(
    seen: Sequence[RunObservation], gone_ns: int, back_ns: int
) -> list[RunObservation]:
    """
    Return what is seen of a story by a program that was away.

    Reports sent meanwhile are lost. Of an end it learns on its return, and
    not when it was.
    """
    found: list[RunObservation] = []
    for what in seen:
        if not gone_ns < what.at_ns <= back_ns:
            found.append(what)
        elif isinstance(what, RankExited):
            found.append(
                RankExited(what.incarnation, back_ns, None, "gone", since_ns=gone_ns)
            )
    return found


@settings(max_examples=25)
@given(histories())
def test_no_counter_ever_goes_back(history: History) -> None:
    """At every tick each counter is at least what it was the tick before."""
    story = Observer(tick_s=TICK_S)
    before = shown(story.fold)
    coming = list(history.seen)

    while story.now_s < history.ends_s + 70:
        until_ns = ns(START_S + story.now_s + TICK_S)
        story.watch([o for o in coming if o.at_ns <= until_ns], story.now_s + TICK_S)
        coming = [o for o in coming if o.at_ns > until_ns]
        now = shown(story.fold)
        assert now.is_at_least(before)
        before = now


@settings(max_examples=25)
@given(histories(), st.data())
def test_a_restart_at_any_tick_counts_nothing_twice(
    history: History, data: st.DataObject
) -> None:
    """Killed between two ticks, away for a while, back with the committed state."""
    crash_s = TICK_S * data.draw(st.integers(1, max(1, int(history.ends_s / TICK_S))))
    away_s = data.draw(st.sampled_from([0.0, 1.0, 7.0, 40.0]))
    gone_ns, back_ns = ns(START_S + crash_s), ns(START_S + crash_s + away_s)
    story = Observer(tick_s=TICK_S)
    story.watch([o for o in history.seen if o.at_ns <= gone_ns], crash_s)
    committed = shown(story.fold)

    story.fold = decode_state(encode_state(story.fold))
    story.fold.resumed_ns = back_ns
    story.now_s = crash_s + away_s
    later = after_downtime(history.seen, gone_ns, back_ns)
    story.watch([o for o in later if o.at_ns > gone_ns], history.ends_s + 400)

    assert shown(story.fold).is_at_least(committed)
    assert story.conserves()
    assert_every_instant_is_booked_once(story)


@settings(max_examples=20)
@given(histories(), st.data())
def test_a_restart_without_downtime_changes_no_entry(
    history: History, data: st.DataObject
) -> None:
    """What is written down of a fold is all that it knows."""
    crash_s = TICK_S * data.draw(st.integers(1, max(1, int(history.ends_s / TICK_S))))
    whole = watched(history, tick_s=TICK_S)

    story = Observer(tick_s=TICK_S)
    first = [o for o in history.seen if o.at_ns <= ns(START_S + crash_s)]
    story.watch(first, crash_s)
    story.fold = decode_state(encode_state(story.fold))
    story.watch(history.seen[len(first) :], history.ends_s + 70)

    assert story.bookings == whole.bookings
    assert shown(story.fold) == shown(whole.fold)


@settings(max_examples=15)
@given(histories(most_ranks=2), st.data())
def test_reports_that_were_heard_before_change_nothing(
    history: History, data: st.DataObject
) -> None:
    """A sender's old datagrams, read from a queue after a restart, are no news."""
    crash_s = TICK_S * data.draw(st.integers(4, max(4, int(history.ends_s / TICK_S))))
    first = [o for o in history.seen if o.at_ns <= ns(START_S + crash_s)]
    stale = [o for o in first if isinstance(o, RankReport)][-5:]

    plain = Observer(tick_s=TICK_S).watch(first, crash_s)
    story = Observer(tick_s=TICK_S).watch(first, crash_s)
    story.fold = decode_state(encode_state(story.fold))
    plain.watch(history.seen[len(first) :], history.ends_s + 70)
    story.watch([*stale, *history.seen[len(first) :]], history.ends_s + 70)

    assert story.fold.book.live == plain.fold.book.live
