"""Two processes that both say they are the same rank of the same run."""

from __future__ import annotations

import pytest

from tests.fakes.ranks import Rank
from tests.scenarios.telling import PINNED, tell


def life(letter: str, pid: int, *, begins_s: float = 0.0) -> Rank:
    """Return rank 0 of a world of one: a start of 5 s, and thirty steps of 10 s."""
    rank = Rank(inc=letter * 16, rank=0, world=1, pid=pid, begins_s=begins_s)
    return rank.init(5).steps(0, 29, each=10)


@pytest.mark.parametrize("later_s", [0.0, 3.0, 103.0])
def test_each_step_counts_once_and_time_too(later_s: float) -> None:
    """A job that was submitted twice under one name makes no progress twice."""
    story = tell(
        life("a", 1),
        life("b", 2, begins_s=later_s),
        rules=PINNED,
        known_exit=False,
        after_s=0,
    )

    assert story.fold.asked == 1
    assert story.fold.progress.high_water == story.fold.steps_first - 1
    assert 0 <= 10 * story.fold.steps_first - story.live()["productive"] <= 10
    assert sum(story.live().values()) <= 305 + later_s
    assert (story.fold.interruptions, story.fold.restarts) == (0, {})
    assert story.conserves()
