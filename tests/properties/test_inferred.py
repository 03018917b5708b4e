"""Laws of the book that hold whatever inference says, loses or repeats."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from goodput_exporter.domain.observations import RankReport
from goodput_exporter.domain.states import Phase, RunState
from tests.fakes.guesses import Part, guessed
from tests.fakes.ranks import Rank
from tests.fakes.stories import Observer, observations
from tests.scenarios.telling import PINNED

PHASES = st.sampled_from(
    [
        Phase.INIT,
        Phase.CHECKPOINT_RESTORE,
        Phase.TRAIN_STEP,
        Phase.DATA_LOADING,
        Phase.CHECKPOINT_SAVE,
        Phase.IDLE,
    ]
)
PARTS = st.lists(
    st.builds(Part, PHASES, st.integers(1, 90), st.booleans()), min_size=1, max_size=4
)


def lost(parts: list[Part], life: int, seed: int) -> list[RankReport]:
    """Return a container's reports, some of them lost and some said twice."""
    dice = random.Random(seed)  # noqa: S311  # a story, no secret
    kept = [one for one in guessed(parts, life=life) if dice.random() > 0.3]
    return [*kept, *(one for one in kept if dice.random() < 0.2)]


def closes(story: Observer) -> bool:
    """
    Tell whether both views hold the run's time exactly, whatever its size was.

    The run grows when a second container is heard of, so its size is the book's own.
    """
    fold = story.fold
    story.segments()  # raises where two of them overlap
    booked_ns = sum(devices * ns for devices, ns in fold.book.wall_ns.items())
    end_ns = (fold.line_ns or 0) if fold.ended_ns is None else fold.ended_ns
    passed_ns = end_ns - fold.opened_ns - story.open_ns()
    views = (fold.book.live.total_gpu_ns, fold.book.settled.total_gpu_ns)
    return 0 not in fold.book.wall_ns and (
        views == (booked_ns, booked_ns) and sum(fold.book.wall_ns.values()) == passed_ns
    )


@settings(max_examples=60, deadline=None)
@given(PARTS, PARTS, st.integers(0, 1000))
def test_the_book_closes_whatever_is_inferred(
    one: list[Part], two: list[Part], seed: int
) -> None:
    """Two containers, lost and repeated reports: no GPU time is lost or invented."""
    seen = [*lost(one, 1, seed), *lost(two, 2, seed + 1)]
    story = Observer(tick_s=10).watch(seen, 400)

    assert closes(story)
    assert story.fold.progress.high_water is None
    good_ns = story.fold.book.live.of(RunState.PRODUCTIVE)
    assert not good_ns or story.fold.progress.upper_bound


@settings(max_examples=60, deadline=None)
@given(PARTS, st.integers(0, 200))
def test_a_rank_that_speaks_at_any_time_closes_the_book_too(
    parts: list[Part], begins_s: int
) -> None:
    """Its steps are counted in full, and nothing is booked twice."""
    rank = Rank(inc="b" * 16, pid=7, begins_s=begins_s).init(5).steps(0, 9, each=10)
    seen = [*guessed(parts), *observations([rank.bye()])]
    story = Observer(PINNED, tick_s=10).watch(seen, begins_s + 120).settle(90)

    assert closes(story)
    assert story.fold.steps_first == 10
