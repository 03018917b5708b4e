"""What a step is worth: credited when complete, slow, warming up, redone or skipped."""

from __future__ import annotations

import pytest

from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.states import RunState
from tests.fakes.ranks import Rank, ns
from tests.fakes.stories import Observer, observations
from tests.scenarios.telling import PINNED, books_close, tell, where


def warm() -> Rank:
    """Return a rank whose first three steps are over, at 35 s."""
    return Rank().init(5).steps(0, 2, each=10)


def test_a_step_is_in_no_counter_before_it_is_complete() -> None:
    """Its time is open: neither good nor bad, and nobody can take it back."""
    seen = observations([warm().steps(3, 3, each=10).bye()])
    story = Observer(PINNED).watch(seen, 44)

    assert story.live() == {"initializing": 5, "productive": 30}
    assert story.open_ns() > 0
    assert story.conserves()


def test_a_completed_step_is_credited_as_a_whole() -> None:
    """One tick after the report that completes it, all of it is productive."""
    seen = observations([warm().steps(3, 3, each=10).cut(20)])
    story = Observer(PINNED).watch(seen, 52)

    assert story.live() == {"initializing": 5, "productive": 40}
    assert story.conserves()


def test_a_step_within_five_percent_of_the_reference_is_productive() -> None:
    """A little jitter is no loss: 10.5 s at a reference of 10 s is all good."""
    story = tell(warm().steps(3, 9, each=10.5).bye(), rules=PINNED)

    assert story.live() == {"initializing": 5, "productive": 103.5}
    assert books_close(story)


def test_beyond_five_percent_the_whole_excess_is_slow() -> None:
    """A step of 12 s at a reference of 10 s loses 2 s, not what passes 10.5 s."""
    story = tell(warm().steps(3, 6, each=12).bye(), rules=PINNED)

    assert story.live() == {"initializing": 5, "productive": 70, "slow": 8}
    assert books_close(story)


def test_slow_time_stands_at_the_end_of_its_step() -> None:
    """By convention a step is productive first, then slow."""
    story = tell(warm().steps(3, 4, each=12).bye(), rules=PINNED)

    assert where(story, RunState.SLOW) == [(45, 47), (57, 59)]


def test_waiting_inside_a_step_is_not_step_time() -> None:
    """A step of 8 s of work around 6 s of waiting for data is a step of 8 s."""
    rank = warm()
    for step in range(3, 8):
        rank.cut(4).data(6).steps(step, step, each=4)
    story = tell(rank.bye(), rules=PINNED)

    assert story.live() == {"initializing": 5, "productive": 70, "data_wait": 30}
    assert books_close(story)


def test_several_steps_in_one_message_count_as_equal() -> None:
    """Of 0.5 s steps seen every 2 s, each is within five percent of its reference."""
    rank = Rank().init(5).steps(0, 99, each=0.5).bye()
    story = tell(rank)

    assert story.live() == {"initializing": 5, "productive": 50}
    assert story.fold.steps_first == 100
    assert story.fold.progress.high_water == 99
    assert books_close(story)


def test_a_message_may_hold_the_last_redone_and_the_first_new_steps() -> None:
    """The group is split at the high-water mark, in proportion to the steps."""
    story = tell(
        Rank(inc="a" * 16, pid=1).init(5).steps(0, 19, each=0.5).cut(4),
        Rank(inc="b" * 16, pid=2, begins_s=25)
        .init(5)
        .declare(9)
        .steps(10, 29, each=0.5)
        .bye(),
        every_s=4.0,
    )

    assert story.live()["recomputing"] == pytest.approx(5)
    assert story.fold.steps_redone == 10
    assert story.fold.steps_first == 30
    assert books_close(story)


def test_steps_without_any_length_are_steps_nevertheless() -> None:
    """Two steps complete at one instant; no time is invented for the second."""
    rank = warm().steps(3, 3, each=10).steps(4, 4, each=0).steps(5, 5, each=10).bye()
    story = tell(rank, rules=PINNED)

    assert story.live() == {"initializing": 5, "productive": 50}
    assert story.fold.steps_first == 6
    assert books_close(story)


def test_a_phase_without_any_length_books_nothing() -> None:
    """A save that took no time is a save, and no badput."""
    story = tell(warm().save(0, 2).steps(3, 3, each=10).bye(), rules=PINNED)

    assert story.live() == {"initializing": 5, "productive": 40}
    assert story.fold.progress.durable == 2
    assert books_close(story)


def test_with_a_reference_warm_up_above_it_is_initializing_at_once() -> None:
    """The first three steps compile and fill caches; the fourth has no excuse."""
    rank = Rank().init(5)
    for step, each in enumerate((30, 20, 12, 12)):
        rank.steps(step, step, each=each)
    story = tell(rank.bye(), rules=PINNED)

    assert story.live() == {
        "initializing": 5 + 20 + 10 + 2,
        "productive": 40,
        "slow": 2,
    }
    assert books_close(story)


def test_warm_up_within_five_percent_of_the_reference_is_productive() -> None:
    """The first steps get the same tolerance as the others."""
    story = tell(Rank().init(5).steps(0, 2, each=10.5).bye(), rules=PINNED)

    assert story.live() == {"initializing": 5, "productive": 31.5}
    assert books_close(story)


def test_without_a_reference_warm_up_waits_for_five_more_steps() -> None:
    """Nobody knows how long a step should take, so three steps stay open."""
    rank = Rank().init(5)
    for step, each in enumerate((30, 20, 12)):
        rank.steps(step, step, each=each)
    seen = observations([rank.steps(3, 9, each=10).bye()])
    before = Observer().watch(seen, 5 + 62 + 40 + 7)
    after = Observer().watch(seen, 5 + 62 + 50 + 7)

    assert before.live() == {"initializing": 5, "productive": 40}
    assert before.open_ns() >= 62_000_000_000
    assert before.conserves()
    assert after.live() == {"initializing": 5 + 20 + 10 + 2, "productive": 80}
    assert after.conserves()


def test_the_median_of_the_five_steps_after_it_judges_the_warm_up() -> None:
    """Neither the fastest nor the slowest of the five decides."""
    rank = Rank().init(5).steps(0, 2, each=30)
    for step, each in enumerate((8, 40, 10, 9, 50), start=3):
        rank.steps(step, step, each=each)
    story = tell(rank.cut(4))

    assert story.live()["initializing"] == 5 + 3 * 20
    assert story.live()["productive"] == 3 * 10 + 8 + 40 + 10 + 9 + 50
    assert books_close(story)


@pytest.mark.parametrize(
    ("lengths", "initializing", "productive"),
    [
        ((30,), 0, 30),
        ((30, 20), 10, 40),
        ((30, 20, 12), 18 + 8, 36),
        ((30, 20, 12, 10), 18 + 8, 46),
        ((30, 20, 12, 10, 10, 10, 10), 18 + 8, 76),
    ],
)
def test_an_incarnation_that_ends_early_judges_its_warm_up_by_itself(
    lengths: tuple[float, ...], initializing: float, productive: float
) -> None:
    """The shortest of the held steps is the best guess that is left."""
    rank = Rank().init(5)
    for step, each in enumerate(lengths):
        rank.steps(step, step, each=each)
    story = tell(rank.cut(4), after_s=10)
    live = story.live()

    assert live["initializing"] == 5 + initializing
    assert live["productive"] == productive
    assert live["interrupted"] == 4
    assert books_close(story)


def test_a_run_that_ends_well_in_its_warm_up_is_judged_too() -> None:
    """Two steps and a goodbye: the shorter one tells how long a step takes."""
    rank = Rank().init(5).steps(0, 0, each=30).steps(1, 1, each=20).bye()
    story = tell(rank)

    assert story.live() == {"initializing": 15, "productive": 40}
    assert books_close(story)


def test_a_first_step_that_stalled_judges_no_other() -> None:
    """
    A first step of 100 s is past its limit; what is left of it is no measure.

    Without a reference nothing of it stays open, and a step of no length must
    not make the steps after it look like start-up.
    """
    rank = Rank().init(5).steps(0, 0, each=100).steps(1, 2, each=10).cut(4)
    story = tell(rank, after_s=10)

    assert story.live()["stalled"] == 100
    assert story.live()["productive"] == 20
    assert story.live()["initializing"] == 5
    assert books_close(story)


def test_warm_up_above_the_reference_is_start_up_even_where_steps_are_redone() -> None:
    """Rule 8 comes before rule 3: the excess is initializing, the rest recomputing."""
    story = tell(
        Rank(inc="a" * 16, pid=1).init(5).steps(0, 9, each=10).cut(4),
        Rank(inc="b" * 16, pid=2, begins_s=124)
        .init(5)
        .restore(3, 3)
        .steps(4, 6, each=14)
        .steps(7, 9, each=10)
        .steps(10, 12, each=10)
        .bye(),
        rules=PINNED,
    )

    assert story.live() == {
        "initializing": 5 + 5 + 3 * 4,
        "restoring": 3,
        "interrupted": 4,
        "down": 15,
        "productive": 130,
        "recomputing": 60,
    }
    assert books_close(story)


def test_a_redone_step_is_recomputing_as_a_whole_however_slow() -> None:
    """Rule 3 comes before rule 9; in hindsight its excess was slow."""
    story = tell(
        Rank(inc="a" * 16, pid=1).init(5).steps(0, 9, each=10).cut(4),
        Rank(inc="b" * 16, pid=2, begins_s=124)
        .init(5)
        .restore(3, 3)
        .steps(4, 6, each=10)
        .steps(7, 9, each=12)
        .steps(10, 12, each=10)
        .bye(),
        rules=PINNED,
    )

    assert story.live()["recomputing"] == 66
    assert "slow" not in story.live()
    assert story.settled()["slow"] == 6
    assert story.settled()["lost"] == 60
    assert story.settled()["productive"] == 130
    assert books_close(story)


def test_skipped_steps_are_other_and_no_progress() -> None:
    """A gradient overflow costs a step's time and moves nothing."""
    rank = warm().steps(3, 3, each=10).skip(2, each=10).steps(4, 4, each=10).bye()
    story = tell(rank, rules=PINNED)

    assert story.live() == {"initializing": 5, "productive": 50, "other": 20}
    assert story.fold.steps_first == 5
    assert story.fold.progress.high_water == 4
    assert books_close(story)


def test_a_message_may_hold_skipped_and_completed_steps() -> None:
    """They share its time equally, as all steps of a message do."""
    rank = Rank().init(5).steps(0, 19, each=1)
    rank.skip(2, each=1).steps(20, 21, each=1).steps(22, 25, each=1).bye()
    story = tell(rank, every_s=5.0)

    assert story.live()["other"] == pytest.approx(2)
    assert story.live()["productive"] == pytest.approx(26)
    assert books_close(story)


def test_a_hundred_skipped_steps_in_one_message_are_no_hang() -> None:
    """Each took a second; only together they took longer than a step may."""
    rank = warm().skip(100, each=1).steps(3, 3, each=10).bye()
    story = tell(rank, rules=PINNED, every_s=50.0)

    assert "stalled" not in story.live()
    assert story.live()["other"] == pytest.approx(100, abs=20)
    assert books_close(story)


def test_process_local_step_numbers_never_recompute() -> None:
    """They begin anew with every process, so goodput is an upper bound."""
    story = tell(
        Rank(inc="a" * 16, pid=1, local_steps=True).init(5).steps(0, 4, each=10).cut(4),
        Rank(inc="b" * 16, pid=2, begins_s=99, local_steps=True)
        .init(5)
        .restore(3, 0)
        .steps(0, 4, each=10)
        .bye(),
        rules=PINNED,
    )

    assert story.live()["productive"] == 100
    assert "recomputing" not in story.live()
    assert story.fold.progress.high_water == 9
    assert story.fold.steps_first == 10
    assert story.fold.progress.upper_bound
    assert books_close(story)


def test_global_step_numbers_are_no_upper_bound() -> None:
    """Redone steps can be seen, so the figure is what it is."""
    assert not tell(warm().bye()).fold.progress.upper_bound


def test_a_run_may_count_its_steps_from_any_number() -> None:
    """The first step it ever used is where its numbering begins."""
    story = tell(Rank().init(5).steps(1000, 1004, each=10).bye(), rules=PINNED)

    assert story.live() == {"initializing": 5, "productive": 50}
    assert story.fold.progress.first_step == 1000
    assert story.fold.steps_first == 5


def test_step_time_left_over_at_a_normal_end_is_idle() -> None:
    """What runs after the last step of a run that ends well completes nothing."""
    story = tell(warm().cut(6).bye(), rules=PINNED)

    assert story.live() == {"initializing": 5, "productive": 30, "idle": 6}
    assert books_close(story)


def test_segments_name_the_steps_that_they_hold() -> None:
    """An auditor finds each step, once, where it was executed."""
    story = tell(warm().steps(3, 5, each=12).bye(), rules=PINNED)
    steps = [s for s in story.segments() if s.first_step is not None]

    assert {numbers(s) for s in steps if s.state is RunState.SLOW} == {
        (3, 3),
        (4, 4),
        (5, 5),
    }
    assert steps[0].first_step == 0
    assert steps[-1].last_step == 5


def numbers(segment: Segment) -> tuple[int | None, int | None]:
    """Return the steps of a segment."""
    return segment.first_step, segment.last_step


def test_tokens_count_once_for_steps_that_are_done_twice() -> None:
    """What a redone step trained on was trained on before."""
    one = Rank(inc="a" * 16, pid=1, tokens_per_step=100).init(5)
    two = Rank(inc="b" * 16, pid=2, begins_s=124, tokens_per_step=100).init(5)
    story = tell(
        one.steps(0, 9, each=10).cut(4),
        two.declare(6).steps(7, 11, each=10).bye(),
        rules=PINNED,
    )

    assert story.fold.tokens == 1200
    assert story.fold.tokens_per_step == 100


def test_a_number_that_leaps_ahead_makes_no_step_shorter() -> None:
    """Somebody loads another checkpoint: one step of ten seconds, not a hundred."""
    story = tell(warm().steps(3, 29, each=10).steps(129, 159, each=10).bye())

    assert story.live() == {"initializing": 5, "productive": 610}
    assert [found.lowest_ns for found in story.fold.references.values()] == [ns(10)]
    assert books_close(story)


def test_tokens_are_shared_by_the_steps_that_a_number_leaps_over() -> None:
    """A loop that reports every tenth step only has as many tokens as it says."""
    rank = Rank(inc="a" * 16, pid=1, tokens_per_step=1000).init(5)
    for step in range(9, 100, 10):
        rank.steps(step, step, each=10)
    story = tell(rank.bye())

    assert story.fold.tokens == 10_000


def test_a_run_that_reports_no_tokens_has_none() -> None:
    """Not measured is absent."""
    assert tell(warm().bye()).fold.tokens is None
