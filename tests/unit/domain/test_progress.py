"""A run's place in its own numbering: marks, lineages, what a checkpoint protects."""

from __future__ import annotations

import pytest

from goodput_exporter.domain.life import Life, Mark
from goodput_exporter.domain.progress import (
    Advance,
    Group,
    Progress,
    begin_epoch,
    commit,
    complete,
    cut,
    keep,
    restore,
)
from goodput_exporter.domain.states import Phase

PATIENCE = 60


def life(*, joined: int = 0) -> Life:
    """Return a rank of the lineage *joined* that has begun to step long ago."""
    begun = Life("a" * 16, 0, 1, 1, 0, 0, 0, 0, Phase.INIT, 0, {}, None)
    begun.joined_epoch, begun.first_step_ns = joined, 0
    return begun


def mark(
    step: int, count: int = 1, *, at: int = 0, advanced: int | None = None
) -> Mark:
    """Return a rank's word that *count* steps up to *step* are complete."""
    return Mark(at, step, count, count if advanced is None else advanced)


def test_the_first_steps_of_a_run_begin_its_numbering() -> None:
    """Whatever number it begins with; nothing was restored."""
    progress = Progress()
    advance = complete(progress, mark(7, 3), life(), PATIENCE)

    assert advance == Advance(5, 7, 0)
    assert (progress.first_step, progress.position, progress.high_water) == (5, 7, 7)
    assert progress.restored is None
    assert progress.resolved


def test_the_first_rank_s_word_counts() -> None:
    """The others repeat it, or are behind."""
    progress = Progress()
    complete(progress, mark(5, 6), life(), PATIENCE)

    assert complete(progress, mark(5, 6), life(), PATIENCE) is None
    assert complete(progress, mark(4, 5), life(), PATIENCE) is None
    assert complete(progress, mark(6), life(), PATIENCE) == Advance(6, 6, 0)


def test_steps_that_one_rank_missed_come_with_the_next_word() -> None:
    """Step 9 after step 5 means that 6, 7 and 8 are complete too."""
    progress = Progress()
    complete(progress, mark(5, 6), life(), PATIENCE)

    assert complete(progress, mark(9), life(), PATIENCE) == Advance(6, 9, 0)


def test_skipped_steps_advance_nothing() -> None:
    """They are counted apart, also where the number stands still."""
    progress = Progress()
    complete(progress, mark(5, 6), life(), PATIENCE)

    stood = complete(progress, mark(5, 2, advanced=0), life(), PATIENCE)
    moved = complete(progress, mark(6, 3, advanced=1), life(), PATIENCE)
    assert stood == Advance(6, 5, 2)
    assert moved == Advance(6, 6, 2)
    assert complete(progress, mark(6, 0), life(), PATIENCE) is None


def test_local_numbers_go_on_from_the_high_water_mark() -> None:
    """Each process counts from one; the run does not."""
    progress = Progress()
    first = complete(progress, Mark(0, 3, 3, 3, local=True), life(), PATIENCE)
    begin_epoch(progress, 10)
    again = Mark(20, 2, 2, 2, local=True)

    assert first == Advance(0, 2, 0)
    assert complete(progress, again, life(joined=1), PATIENCE) == Advance(3, 4, 0)
    assert progress.upper_bound


def test_a_restart_without_a_word_is_placed_by_its_first_step() -> None:
    """Completing step 3 first means that it resumed from step 2."""
    progress = Progress()
    complete(progress, mark(9, 10), life(), PATIENCE)
    begin_epoch(progress, 100)
    advance = complete(progress, mark(3, at=110), life(joined=1), PATIENCE)

    assert advance == Advance(3, 3, 0)
    assert (progress.restored, progress.position, progress.high_water) == (2, 3, 9)
    assert progress.first_step == 0
    assert (progress.epoch, progress.epoch_ns) == (1, 100)


def test_a_rank_of_the_lineage_before_is_not_believed_at_once() -> None:
    """It may not have gone back yet; after a while there is no doubt."""
    progress, late = Progress(), life()
    complete(progress, mark(9, 10), late, PATIENCE)
    begin_epoch(progress, 100)
    restore(progress, 4, life(joined=1), 100)

    assert complete(progress, mark(10, at=159), late, PATIENCE) is None
    assert late.joined_epoch == 0
    assert complete(progress, mark(10, at=160), late, PATIENCE) == Advance(5, 10, 0)
    assert late.joined_epoch == 1


def test_a_restored_step_places_a_new_lineage() -> None:
    """The restart is the news, and where it goes on."""
    progress = Progress()
    complete(progress, mark(9, 10), life(), PATIENCE)
    begin_epoch(progress, 100)

    assert restore(progress, 4, life(joined=1), 100) == 4
    assert (progress.position, progress.restored, progress.epoch) == (4, 4, 1)
    assert restore(progress, 4, life(joined=1), 101) is None


def test_a_first_start_from_a_checkpoint_went_back_nowhere() -> None:
    """It has a place, and no restored step: nothing was redone."""
    progress = Progress()

    assert restore(progress, 99, life(), 0) == 99
    assert (progress.position, progress.restored) == (99, None)
    assert complete(progress, mark(101, 2), life(), PATIENCE) == Advance(100, 101, 0)
    assert progress.first_step == 100


@pytest.mark.parametrize(("first", "fresh"), [(0, -1), (1, 0), (50, 49)])
def test_a_fresh_start_is_just_before_the_first_step_ever(
    first: int, fresh: int
) -> None:
    """Wherever the run's numbering began."""
    progress = Progress()
    complete(progress, mark(first + 4, 5), life(), PATIENCE)
    begin_epoch(progress, 100)

    assert restore(progress, -1, life(joined=1), 100) == fresh


def test_a_fresh_start_of_a_run_without_steps_is_no_news() -> None:
    """Its first step may have any number: which, is known when it is complete."""
    progress, rank = Progress(), life()
    assert restore(progress, -1, rank, 0) is None
    complete(progress, mark(50, 1), rank, PATIENCE)

    assert (progress.first_step, progress.position) == (50, 50)


def test_going_back_within_a_lineage_begins_another() -> None:
    """A rollback: the rank that says so leads, the others follow."""
    progress, leads, follows = Progress(), life(), life()
    complete(progress, mark(9, 10), leads, PATIENCE)

    assert restore(progress, 4, leads, 200) == 4
    assert (progress.epoch, progress.epoch_ns, progress.position) == (1, 200, 4)
    assert progress.local_base == 9
    assert restore(progress, 4, follows, 201) is None
    assert follows.joined_epoch == 1
    assert progress.epoch == 1


def test_going_back_twice_to_one_step_is_twice() -> None:
    """The same rank says it again after it had stepped on."""
    progress, rank = Progress(), life()
    complete(progress, mark(9, 10), rank, PATIENCE)
    restore(progress, 4, rank, 200)
    complete(progress, mark(6, 2, at=210), rank, PATIENCE)

    assert restore(progress, 4, rank, 220) == 4
    assert progress.epoch == 2


def test_a_rank_that_joins_those_that_step_on_takes_nobody_back() -> None:
    """It says what it loaded before its first step, no more."""
    progress, joins = Progress(), life()
    complete(progress, mark(9, 10), life(), PATIENCE)
    joins.first_step_ns = None

    assert restore(progress, 4, joins, 200) is None
    assert (progress.position, progress.epoch) == (9, 0)


@pytest.mark.parametrize("step", [9, 12])
def test_restoring_where_the_run_stands_or_above_is_no_rollback(step: int) -> None:
    """Nothing of its steps is undone."""
    progress, rank = Progress(), life()
    complete(progress, mark(9, 10), rank, PATIENCE)

    assert restore(progress, step, rank, 200) is None
    assert (progress.position, progress.epoch) == (9, 0)


def test_a_step_s_time_is_kept_in_one_group() -> None:
    """Its pieces add up; the next step is the next group."""
    progress = Progress()
    keep(progress, Group(3, 3, 10, 1))
    keep(progress, Group(3, 3, 5, 2))
    keep(progress, Group(4, 4, 7, 0))
    keep(progress, Group(4, 5, 7, 0))

    assert progress.lineage == [
        Group(3, 3, 15, 3),
        Group(4, 4, 7, 0),
        Group(4, 5, 7, 0),
    ]


def test_exposure_is_productive_time_above_the_durable_step() -> None:
    """A group across it is divided by its steps; slow time does not count."""
    progress = Progress(lineage=[Group(0, 4, 50, 9), Group(5, 8, 40, 9)])

    assert progress.exposure() is None
    commit(progress, 5)
    assert progress.exposure() == 30
    commit(progress, 8)
    assert progress.exposure() == 0
    progress.durable = -1
    assert progress.exposure() == 90


def test_a_commit_never_goes_back() -> None:
    """Uploads may finish out of order."""
    progress = Progress()
    for step in (4, 9, 6, 9):
        commit(progress, step)

    assert progress.durable == 9


def test_what_is_cut_off_was_not_kept() -> None:
    """Steps above the cut leave, with their time; others stay as they were."""
    progress = Progress(
        lineage=[Group(0, 2, 30, 3), Group(3, 6, 40, 8), Group(7, 7, 10, 1)]
    )
    lost = cut(progress, 4)

    assert lost == Group(5, 7, 30, 5)
    assert progress.lineage == [Group(0, 2, 30, 3), Group(3, 4, 20, 4)]
    assert cut(progress, 4) == Group(5, 4, 0, 0)


def test_a_cut_group_can_be_put_back_and_cut_again() -> None:
    """It knows its steps: what a failure had lost may be found, and lost again."""
    progress = Progress(lineage=[Group(0, 4, 50), Group(5, 6, 20)])
    found = cut(progress, 4)
    progress.lineage.append(found)

    assert cut(progress, 4) == Group(5, 6, 20)


def test_the_far_past_is_remembered_in_less_detail() -> None:
    """More than 256 groups below the durable step become one; the sums stay."""
    progress = Progress()
    for step in range(300):
        keep(progress, Group(step, step, 10, 1))
    commit(progress, 255)
    before = len(progress.lineage)
    commit(progress, 256)

    assert before == 300
    assert progress.lineage[0] == Group(0, 256, 2570, 257)
    assert len(progress.lineage) == 44
    assert progress.exposure() == 430


def test_a_run_that_never_saves_is_remembered_within_bounds() -> None:
    """Old groups are joined in pairs; nothing of their time is lost."""
    progress = Progress()
    for step in range(20_000):
        keep(progress, Group(step, step, 10, 1))

    assert len(progress.lineage) < 5000
    assert sum(group.productive for group in progress.lineage) == 200_000
    assert progress.lineage[-1] == Group(19_999, 19_999, 10, 1)


def test_step_zero_is_a_step_to_go_back_to() -> None:
    """Only a negative number is a fresh start."""
    progress = Progress()
    complete(progress, mark(4, 5), life(), PATIENCE)
    begin_epoch(progress, 100)

    assert restore(progress, 0, life(joined=1), 100) == 0
