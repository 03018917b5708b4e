"""When survivors have shown that they go on without the missing, and when not."""

from __future__ import annotations

import pytest

from tests.fakes.crews import crew, death, in_step, init_until, leave, told
from tests.fakes.stories import Observer
from tests.scenarios.telling import PINNED, books_close


def test_a_step_that_was_under_way_shows_no_survivor_stepping_on() -> None:
    """
    Three ranks complete the step that a fourth had given its part to, and wait.

    Each of them reports that step; it is one step all the same, and the run is
    down until all are back.
    """
    ranks = crew(4)
    init_until(ranks, 10)
    in_step(ranks, 0, 3, each=10.0)
    in_step(ranks[:3], 4, 4, each=10.0)
    for rank in ranks[:3]:
        rank.cut(30)
    deaths = [death(rank) for rank in ranks]
    everybody = crew(4, life=2, begins_s=90)
    init_until(everybody, 100)
    in_step(everybody, 5, 9, each=10.0)
    leave(everybody)
    deaths += [death(rank, 0) for rank in everybody]

    story = Observer(PINNED).watch(told([*ranks, *everybody], deaths), 200)

    assert "degraded" not in story.live()
    assert "stalled" not in story.live()
    assert story.live()["down"] == 4 * 40
    assert books_close(story)


def test_two_steps_without_the_missing_are_enough() -> None:
    """The first may have been under way; the second was done without them."""
    ranks = crew(4)
    init_until(ranks, 10)
    in_step(ranks, 0, 3, each=10.0)
    in_step(ranks[:3], 4, 9, each=10.0)
    leave(ranks[:3])
    deaths = [death(ranks[3]), *(death(rank, 0) for rank in ranks[:3])]

    story = Observer(PINNED).watch(told(ranks, deaths), 130)

    assert story.live() == {
        "initializing": 40,
        "productive": 4 * 40 + 3 * 40,
        "down": 4 * 20,
        "degraded": 40,
    }
    assert books_close(story)


@pytest.mark.parametrize("tick_s", [7.0, 45.0, 120.0])
def test_survivors_step_on_however_late_one_looks(tick_s: float) -> None:
    """
    Forty quick steps of three ranks, and their end, may be told in one breath.

    Each step counts when it was done, and who did it was there then.
    """
    ranks = crew(4)
    init_until(ranks, 10)
    in_step(ranks, 0, 39, each=1.0)
    in_step(ranks[1:], 40, 79, each=1.0)
    leave(ranks[1:])
    deaths = [death(ranks[0]), *(death(rank, 0) for rank in ranks[1:])]
    seen = told(ranks, deaths)

    often = Observer().watch(seen, 240)
    seldom = Observer(tick_s=tick_s).watch(seen, 240)

    assert often.live()["degraded"] == 38
    assert seldom.live() == often.live()
    assert books_close(seldom)
