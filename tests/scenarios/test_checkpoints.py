"""What a checkpoint costs, what it protects, and what a crash now would cost."""

from __future__ import annotations

import pytest

from goodput_exporter.domain.spans import NS_PER_SECOND
from tests.fakes.ranks import Rank
from tests.fakes.stories import Observer, observations
from tests.scenarios.telling import PINNED, books_close, restated, tell


def ten_steps() -> Rank:
    """Return a rank whose tenth step is over at 105 s."""
    return Rank(inc="a" * 16, pid=1).init(5).steps(0, 9, each=10)


def exposure_s(story: Observer) -> float | None:
    """Return what a crash now would cost, in device seconds."""
    found = story.fold.progress.exposure()
    return None if found is None else found / NS_PER_SECOND


def test_only_the_blocking_part_of_a_save_is_badput() -> None:
    """An upload in the background costs the training loop nothing."""
    rank = ten_steps().save(2, 9, durable=False).steps(10, 14, each=10)
    story = tell(rank.durable(9).steps(15, 15, each=10).bye(), rules=PINNED)

    assert story.live() == {"initializing": 5, "productive": 160, "checkpointing": 2}
    assert books_close(story)


def test_a_save_is_no_step_time() -> None:
    """A save inside a step does not make the step slow."""
    rank = ten_steps().cut(5).save(12, 9).steps(10, 10, each=5).bye()
    story = tell(rank, rules=PINNED)

    assert story.live() == {"initializing": 5, "productive": 110, "checkpointing": 12}


def test_a_saved_step_is_not_a_durable_one() -> None:
    """The call returned; whether anything can be restored is another matter."""
    story = tell(ten_steps().save(2, 9, durable=False).bye(), rules=PINNED)

    assert story.fold.progress.saved == 9
    assert story.fold.progress.durable is None
    assert exposure_s(story) is None


def test_exposure_is_what_was_productive_since_the_durable_step() -> None:
    """A crash now would lose four steps."""
    rank = ten_steps().save(2, 9).steps(10, 13, each=10).bye()
    story = tell(rank, rules=PINNED)

    assert story.fold.progress.durable == 9
    assert exposure_s(story) == 40


def test_the_durable_point_of_an_asynchronous_save_is_the_step_at_its_start() -> None:
    """Committed while step 14 is done, it protects what it holds: up to step 9."""
    rank = ten_steps().save(1, 9, durable=False).steps(10, 14, each=10)
    story = tell(rank.durable(9).cut(3), rules=PINNED, after_s=5)

    assert story.fold.progress.durable == 9
    assert exposure_s(story) == 50


def test_slow_time_is_no_exposure() -> None:
    """Exposure is productive time; a slow step's excess was lost already."""
    rank = ten_steps().save(2, 9).steps(10, 11, each=15).bye()
    story = tell(rank, rules=PINNED)

    assert exposure_s(story) == 20
    assert story.live()["slow"] == 10


def test_an_older_durable_step_changes_nothing() -> None:
    """Uploads may finish out of order."""
    rank = ten_steps().save(1, 9).steps(10, 10, each=10).durable(4)
    rank.steps(11, 11, each=10).bye()
    story = tell(rank, rules=PINNED)

    assert story.fold.progress.durable == 9
    assert exposure_s(story) == 20


def test_restoring_below_the_durable_step_makes_it_the_durable_one() -> None:
    """Somebody chose step 4, or the newer checkpoint was broken."""
    story = tell(
        ten_steps().save(1, 9).cut(4),
        Rank(inc="b" * 16, pid=2, begins_s=120)
        .init(5)
        .restore(5, 4)
        .steps(5, 7, each=10)
        .cut(4),
        rules=PINNED,
        after_s=5,
    )

    assert story.fold.progress.durable == 4
    assert exposure_s(story) == 30


def test_going_on_from_above_the_durable_step_makes_nothing_durable() -> None:
    """Weights that survived in memory protect against nothing else."""
    story = tell(
        Rank(inc="a" * 16, pid=1)
        .init(5)
        .steps(0, 4, each=10)
        .save(1, 4)
        .steps(5, 9, each=10)
        .cut(4),
        Rank(inc="b" * 16, pid=2, begins_s=120).init(5).steps(10, 11, each=10).cut(4),
        rules=PINNED,
        after_s=5,
    )

    assert story.fold.progress.durable == 4
    assert exposure_s(story) == 70


def test_what_a_first_start_restored_was_durable() -> None:
    """It could be restored from, so a crash now loses what came after it."""
    story = tell(
        Rank().init(5).restore(5, 99).steps(100, 104, each=10).bye(), rules=PINNED
    )

    assert story.live()["productive"] == 50
    assert "recomputing" not in story.live()
    assert story.fold.progress.durable == 99
    assert exposure_s(story) == 50


def test_a_fresh_start_makes_nothing_durable() -> None:
    """No checkpoint was ever reported: exposure is unknown, not everything."""
    story = tell(
        ten_steps().cut(4),
        Rank(inc="b" * 16, pid=2, begins_s=120)
        .init(5)
        .declare(-1)
        .steps(0, 4, each=10)
        .cut(4),
        rules=PINNED,
        after_s=5,
    )

    assert story.fold.progress.durable is None
    assert exposure_s(story) is None


def test_a_fresh_start_below_a_durable_step_leaves_nothing_durable() -> None:
    """The run goes on without its checkpoints: a crash now loses all of it."""
    story = tell(
        ten_steps().save(1, 9).cut(4),
        Rank(inc="b" * 16, pid=2, begins_s=120)
        .init(5)
        .declare(-1)
        .steps(0, 4, each=10)
        .cut(4),
        rules=PINNED,
        after_s=5,
    )

    assert story.fold.progress.durable == -1
    assert exposure_s(story) == 50


def test_exposure_counts_no_step_twice() -> None:
    """Steps redone replace those that were lost; they do not add to them."""
    story = tell(
        ten_steps().save(1, 9).steps(10, 14, each=10).cut(4),
        Rank(inc="b" * 16, pid=2, begins_s=200)
        .init(5)
        .restore(5, 9)
        .steps(10, 16, each=10)
        .cut(4),
        rules=PINNED,
        after_s=5,
    )

    assert exposure_s(story) == 70


def test_a_rollback_makes_the_step_it_restored_the_durable_one() -> None:
    """What was saved above it belongs to a branch that is no more."""
    rank = ten_steps().save(1, 9).restore(3, 4).steps(5, 6, each=10).cut(4)
    story = tell(rank, rules=PINNED, after_s=5)

    assert story.fold.progress.durable == 4
    assert exposure_s(story) == 20


def test_a_step_saved_again_after_a_rollback_is_durable_again() -> None:
    """The sender took its word back, and gave it anew for the new branch."""
    rank = ten_steps().save(1, 9).restore(3, 4).undurable()
    rank.steps(5, 9, each=10).save(1, 9).steps(10, 10, each=10).bye()
    story = tell(rank, rules=PINNED)

    assert story.fold.progress.durable == 9
    assert exposure_s(story) == 10


def test_a_run_that_fails_for_good_loses_what_is_above_the_durable_step() -> None:
    """Productive and slow time alike, in the settled view only."""
    rank = ten_steps().save(1, 9).steps(10, 11, each=10).steps(12, 12, each=15)
    story = tell(rank.cut(4), rules=PINNED, after_s=16 * 60)

    assert story.fold.outcome == "failed"
    assert story.live()["productive"] == 130
    assert story.live()["slow"] == 5
    assert story.settled()["productive"] == 100
    assert story.settled()["lost"] == 35
    assert "slow" not in story.settled()
    assert restated(story)["productive>lost"] == 30
    assert restated(story)["slow>lost"] == 5
    assert books_close(story)


def test_without_reported_durability_nothing_is_lost() -> None:
    """Whether checkpoints exist is not known: lost is absent, not everything."""
    story = tell(ten_steps().cut(4), rules=PINNED, after_s=16 * 60)

    assert story.fold.outcome == "failed"
    assert "lost" not in story.settled()
    assert story.settled()["productive"] == 100


def test_a_run_that_succeeds_loses_nothing() -> None:
    """What its last checkpoint does not hold was kept all the same."""
    story = tell(ten_steps().save(1, 4).bye(), rules=PINNED, after_s=16 * 60)

    assert story.fold.outcome == "succeeded"
    assert "lost" not in story.settled()


@pytest.mark.parametrize("every_s", [0.5, 2.0, 7.0])
def test_how_often_a_rank_speaks_changes_no_checkpoint(every_s: float) -> None:
    """Cumulative state tells the length of a save, however seldom it is sent."""
    rank = ten_steps().save(3, 9).steps(10, 14, each=10).save(4, 14)
    story = Observer(PINNED).watch(
        observations([rank.steps(15, 15, each=10).bye()], every_s=every_s), 220
    )

    assert story.live()["checkpointing"] == pytest.approx(7)
    assert books_close(story)


def test_a_checkpoint_of_step_zero_is_one() -> None:
    """Zero is a measurement: only a negative step is a fresh start."""
    story = tell(Rank().init(5).restore(5, 0).steps(1, 4, each=10).bye(), rules=PINNED)

    assert story.fold.progress.durable == 0
    assert exposure_s(story) == 40
