"""Progress at its edges: restarts before any step, and words that come twice."""

from __future__ import annotations

import pytest

from goodput_exporter.domain.life import Life, Mark
from goodput_exporter.domain.progress import (
    GROUPS,
    Advance,
    Group,
    Progress,
    begin_epoch,
    complete,
    cut,
    keep,
    restore,
)
from goodput_exporter.domain.states import Phase

PATIENCE = 60


def life(*, joined: int = 0, first_step_ns: int | None = 0) -> Life:
    """Return a rank of the lineage *joined*; it starts up where it has no step."""
    begun = Life("a" * 16, 0, 1, 1, 0, 0, 0, 0, Phase.INIT, 0, {}, None)
    begun.joined_epoch, begun.first_step_ns = joined, first_step_ns
    return begun


def test_local_numbers_after_a_restart_without_any_step_begin_at_zero() -> None:
    """The first life completed nothing, so there is no mark to go on from."""
    progress = Progress()
    begin_epoch(progress, 10)
    first = Mark(20, 1, 1, 1, local=True)

    assert complete(progress, first, life(joined=1), PATIENCE) == Advance(0, 0, 0)


def test_what_a_restart_loaded_is_known_before_any_step() -> None:
    """The first life died while it started up; the second loads a checkpoint."""
    progress = Progress()
    begin_epoch(progress, 10)

    assert restore(progress, 10, life(joined=1, first_step_ns=None), 20) == 10
    assert progress.restored == 10


def test_a_rank_that_follows_a_rollback_takes_nobody_further_back() -> None:
    """Rank 0 went back to 5, and on to 7; rank 1 comes after it, from 4."""
    progress, first, second = Progress(), life(), life()
    complete(progress, Mark(0, 9, 10, 10), first, PATIENCE)
    restore(progress, 5, first, 10)
    complete(progress, Mark(20, 7, 2, 2), first, PATIENCE)

    assert restore(progress, 4, second, 20) is None
    assert progress.position == 7


def test_a_rank_that_says_late_where_all_went_back_to_is_no_second_rollback() -> None:
    """It had joined the others by then, since its steps were believed."""
    progress, first, second = Progress(), life(), life()
    complete(progress, Mark(0, 9, 10, 10), first, PATIENCE)
    restore(progress, 5, first, 10)
    complete(progress, Mark(100, 7, 2, 2), second, PATIENCE)

    assert second.joined_epoch == progress.epoch
    assert restore(progress, 5, second, 110) is None
    assert progress.position == 7


def test_a_rank_that_starts_up_may_fall_back_to_an_older_checkpoint() -> None:
    """The newer one could not be read: what is true is the older."""
    progress, rank = Progress(), life(first_step_ns=None)
    restore(progress, 8, rank, 10)

    assert restore(progress, 4, rank, 20) == 4
    assert progress.position == 4


def test_a_lineage_keeps_every_group_up_to_its_bound() -> None:
    """One more, and the oldest half is joined in pairs; no time is lost."""
    progress = Progress()
    for step in range(GROUPS):
        keep(progress, Group(step, step, 10, 1))
    before = len(progress.lineage)
    keep(progress, Group(GROUPS, GROUPS, 10, 1))

    assert before == GROUPS
    assert [group.first for group in progress.lineage[:3]] == [0, 2, 4]
    assert progress.lineage[GROUPS // 4 - 1].last == GROUPS // 2 - 1
    assert progress.lineage[GROUPS // 4] == Group(GROUPS // 2, GROUPS // 2, 10, 1)
    assert sum(group.slow for group in progress.lineage) == GROUPS + 1


@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_group_is_cut_in_proportion_to_its_steps(step: int) -> None:
    """Of four equal steps, what lies above the cut was not kept, slow time too."""
    progress = Progress(lineage=[Group(0, 3, 40, 8)])

    above = 3 - step
    assert cut(progress, step) == Group(step + 1, 3, 10 * above, 2 * above)
