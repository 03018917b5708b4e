"""Told late, in parts, in another order or twice: the settled book is the same."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from goodput_exporter.analysis.histories import history
from goodput_exporter.analysis.stretches import account_of
from goodput_exporter.domain.accounting import Account, tally
from goodput_exporter.domain.observations import RankExited
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import RunState
from tests.fakes.crews import crew, death, in_step, init_until, leave, told
from tests.fakes.deliveries import Arrival, CutOff, arriving, jumbled, watched
from tests.fakes.histories import History, histories
from tests.fakes.office import Office
from tests.fakes.ranks import Rank
from tests.fakes.stories import KEY, Observer
from tests.properties.test_views import check
from tests.scenarios.telling import books_close

TICK_S = 2.0
ALWAYS = Span(0, 2**62)


@st.composite
def cut_offs(draw: st.DrawFn) -> list[CutOff]:
    """Draw when a run's agents are cut off, one time after the other."""
    found: list[CutOff] = []
    at_s = float(draw(st.integers(5, 90)))
    for _ in range(draw(st.integers(1, 3))):
        to_s = at_s + draw(st.integers(30, 250))
        found.append(CutOff(at_s, to_s, draw(st.sampled_from((1, 1, 2, 5)))))
        at_s = to_s + draw(st.integers(20, 90))
    return found


@st.composite
def crashing_crews(draw: st.DrawFn) -> History:
    """Draw a crew whose ranks do the same at the same time, and crash a few times."""
    world = draw(st.integers(2, 3))
    everyone: list[Rank] = []
    deaths: list[RankExited] = []
    at_s, step, saved = 0.0, 0, -1
    lives = draw(st.integers(1, 3))
    for number in range(1, lives + 1):
        starts = [at_s + draw(st.integers(0, 3)) for _ in range(world)]
        ranks = crew(world, life=number, begins_s=starts)
        init_until(ranks, max(starts) + draw(st.integers(1, 20)))
        step = saved + 1
        for rank in ranks:
            rank.declare(saved)
        for count in draw(st.lists(st.integers(1, 8), max_size=4)):
            each_s = draw(st.sampled_from((1.0, 2.0, 7.0, 10.0, 13.0)))
            in_step(ranks, step, step + count - 1, each=each_s)
            step += count
            if draw(st.booleans()):
                saved = step - 1
                for rank in ranks:
                    rank.durable(saved)
        if draw(st.booleans()):
            for rank in ranks:
                rank.cut(5.0)
        ends_well = number == lives and draw(st.booleans())
        if ends_well:
            leave(ranks)
        everyone += ranks
        deaths += [
            death(rank, 0 if ends_well else -9, after_s=draw(st.integers(0, 3)))
            for rank in ranks
        ]
        at_s = max(rank.ends_s for rank in ranks) + draw(st.integers(4, 60))
    return History(world, told(everyone, deaths), at_s)


def nonzero(account: Account) -> Account:
    """Return an account without the states and causes that hold nothing."""
    return Account(
        {state: gpu_ns for state, gpu_ns in account.gpu_ns.items() if gpu_ns},
        {cause: gpu_ns for cause, gpu_ns in account.bad_gpu_ns.items() if gpu_ns},
    )


def in_the_end(story: Observer) -> dict[str, object]:
    """Return what a book says of a run, however it came to know."""
    fold = story.fold
    return {
        "settled": nonzero(fold.book.settled),
        "steps": (fold.progress.high_water, fold.steps_first, fold.steps_redone),
        "attempts": (fold.attempt, fold.interruptions, dict(fold.restarts)),
        "outcome": fold.outcome,
        "incidents": [
            (
                each.number,
                each.detected_ns,
                each.cause,
                each.restored_step,
                each.lost_steps,
                {state: gpu_ns for state, gpu_ns in each.settled_ns.items() if gpu_ns},
            )
            for each in fold.incidents
        ],
    }


def until(past: History, cuts: list[CutOff]) -> float:
    """Return an instant at which all has come in, and the settle delay is over."""
    return max([past.ends_s, *(cut.to_s for cut in cuts)]) + 120


def see(arrivals: list[Arrival], until_s: float) -> Observer:
    """Watch a run by what comes in."""
    return watched(arrivals, until_s, tick_s=TICK_S)


@settings(max_examples=8)
@given(histories(most_ranks=1, silences=False), cut_offs())
def test_one_rank_told_late_is_booked_as_if_told_in_time(
    past: History, cuts: list[CutOff]
) -> None:
    """Whatever it does: phases, stalls, rollbacks, crashes, whenever it is heard."""
    prompt = see(arriving(past.seen), until(past, cuts))
    late = see(arriving(past.seen, *cuts), until(past, cuts))

    assert in_the_end(late) == in_the_end(prompt)
    assert books_close(late)


@settings(max_examples=6)
@given(crashing_crews(), cut_offs())
def test_a_crew_told_late_is_booked_as_if_told_in_time(
    past: History, cuts: list[CutOff]
) -> None:
    """Ranks that begin and end seconds apart, and redo what no checkpoint held."""
    prompt = see(arriving(past.seen), until(past, cuts))
    late = see(arriving(past.seen, *cuts), until(past, cuts))

    assert in_the_end(late) == in_the_end(prompt)
    assert books_close(late)


@settings(max_examples=6)
@given(crashing_crews(), cut_offs(), st.randoms(use_true_random=False))
def test_the_order_within_a_push_and_repetition_change_nothing(
    past: History, cuts: list[CutOff], dice: random.Random
) -> None:
    """Entry by entry, as if each push had come once and in order."""
    cuts = [CutOff(cut.from_s, cut.to_s) for cut in cuts]
    orderly = see(arriving(past.seen, *cuts), until(past, cuts))
    other = see(jumbled(arriving(past.seen, *cuts), dice), until(past, cuts))

    assert other.bookings == orderly.bookings


@settings(max_examples=8)
@given(histories(most_ranks=3, silences=False), cut_offs())
def test_entries_alone_tell_what_was_told_late(
    past: History, cuts: list[CutOff]
) -> None:
    """Both views follow from the ledger, and no counter ever falls."""
    shown: list[list[int]] = []

    def look(story: Observer) -> None:
        fold = story.fold
        counters = [fold.steps_first, fold.steps_redone, fold.attempt]
        counters += [fold.interruptions, sum(fold.restarts.values())]

        if shown:
            assert all(now >= was for now, was in zip(counters, shown[-1], strict=True))
        shown.append(counters)

    arrivals = arriving(past.seen, *cuts)
    story = watched(arrivals, until(past, cuts), tick_s=TICK_S, look=look)
    seen = history(KEY, story.bookings).seen

    assert seen.unplaced_gpu_ns == 0
    assert account_of(seen.live, ALWAYS) == tally(story.segments())
    assert nonzero(account_of(seen.settled, ALWAYS)) == nonzero(story.fold.book.settled)
    assert books_close(story)


@settings(max_examples=6)
@given(histories(most_ranks=2, silences=False), cut_offs(), st.integers(1, 9))
def test_what_is_shown_adds_up_while_late_words_come_in(
    past: History, cuts: list[CutOff], every: int
) -> None:
    """At any instant, from what is committed alone; and no counter falls."""
    arrivals, office, position = arriving(past.seen, *cuts), Office(), 0
    sealed: dict[RunState, int] = {}
    for tick in range(1, int(until(past, cuts) / TICK_S)):
        office.now_s = tick * TICK_S
        while position < len(arrivals) and arrivals[position][0] <= office.now_s:
            office.books.take([arrivals[position][1]])
            position += 1
        office.books.tick(office.now_ns)
        if tick % (every * 5):
            continue
        for view in office.views():
            if view.opened_ns:
                check(view, office.now_ns)
            for state, gpu_ns in sealed.items():
                assert view.sealed.gpu_ns.get(state, 0) >= gpu_ns
            sealed = dict(view.sealed.gpu_ns)
