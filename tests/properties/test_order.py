"""The order in which observations arrive does not decide what is booked."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from goodput_exporter.domain.advance import advance
from goodput_exporter.domain.bookings import Booking
from goodput_exporter.domain.fold import observe
from goodput_exporter.domain.settings import Rules
from tests.fakes.histories import History, histories, watched
from tests.fakes.ranks import ns
from tests.fakes.stories import START_S, Observer

TICK_S = 2.0


def watched_late(history: History, dice: random.Random) -> Observer:
    """Watch a history whose every observation is under way for up to the grace."""
    story = Observer(tick_s=TICK_S)
    grace_ns = story.rules.grace_ns
    arriving = sorted(
        (
            (seen.at_ns + dice.randint(0, grace_ns), dice.random(), seen)
            for seen in history.seen
        ),
        key=lambda arrival: arrival[:2],
    )
    until_s = history.ends_s + 70
    while story.now_s < until_s:
        story.now_s = min(until_s, story.now_s + TICK_S)
        now_ns = ns(START_S + story.now_s)
        while arriving and arriving[0][0] <= now_ns:
            observe(story.fold, arriving.pop(0)[2])
        story.tick()
    return story


@settings(max_examples=12)
@given(histories(), st.randoms(use_true_random=False))
def test_any_order_within_the_grace_gives_the_same_book(
    history: History, dice: random.Random
) -> None:
    """Late by up to the grace, overtaken, interleaved: entry by entry the same."""
    prompt, late = watched(history, tick_s=TICK_S), watched_late(history, dice)

    assert late.bookings == prompt.bookings
    assert late.fold.book.live == prompt.fold.book.live
    assert late.fold.book.settled == prompt.fold.book.settled
    assert late.fold.incidents == prompt.fold.incidents


@settings(max_examples=10)
@given(histories(), st.randoms(use_true_random=False))
def test_what_arrives_twice_counts_once(history: History, dice: random.Random) -> None:
    """Every observation may be repeated, at once or within the grace."""
    twice = History(
        history.world,
        [o for seen in history.seen for o in [seen] * dice.randint(1, 3)],
        history.ends_s,
    )

    once, again = watched(history), watched_late(twice, dice)

    assert again.bookings == once.bookings


@settings(max_examples=10)
@given(histories())
def test_looking_ahead_books_nothing(history: History) -> None:
    """A tick at an instant that has been decided already changes nothing."""
    story = watched(history)
    booked: list[Booking] = list(story.bookings)
    account = story.fold.book.live.copy()

    for _ in range(3):
        advance(story.fold, ns(START_S + story.now_s), Rules())

    assert story.fold.book.pending == []
    assert story.bookings == booked
    assert story.fold.book.live == account
