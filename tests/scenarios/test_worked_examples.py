"""G1-G5 of the definitions, through encoded datagrams and a clock that is told."""

from __future__ import annotations

import random

import pytest

from goodput_exporter.domain.ratios import ratios
from tests.fakes.ranks import Rank
from tests.fakes.stories import Observer, observations

CUT_AND_REDONE = (
    Rank(inc="a" * 16, pid=1)
    .init(5)
    .steps(0, 5, each=10)
    .save(0.0, 5)
    .steps(6, 8, each=10)
    .cut(10),
    Rank(inc="b" * 16, pid=2, begins_s=400)
    .init(2)
    .restore(3, 5)
    .steps(6, 19, each=10)
    .bye(),
)
RESUMES_WHERE_IT_STOPPED = (
    Rank(inc="a" * 16, pid=1).init(5).steps(0, 9, each=10).save(0.0, 9),
    Rank(inc="b" * 16, pid=2, begins_s=400).init(5).steps(10, 19, each=10).bye(),
)
GONE_FOR_GOOD = (
    Rank(inc="a" * 16, pid=1)
    .init(5)
    .steps(0, 3, each=10)
    .save(12, 3)
    .steps(4, 6, each=10)
    .cut(4),
)
NOT_DURABLE_IN_TIME = (
    Rank(inc="a" * 16, pid=1)
    .init(5)
    .steps(0, 3, each=10)
    .save(1, 3, durable=False)
    .steps(4, 5, each=10),
    Rank(inc="b" * 16, pid=2, begins_s=100).init(5).steps(0, 5, each=10).bye(),
)
CRASH_LOOP = tuple(
    Rank(inc=f"{n:016x}", pid=n, begins_s=100 * (n - 1)).init(60) for n in (1, 2, 3)
)


def watched(ranks: tuple[Rank, ...], wall_s: float) -> Observer:
    """Watch a story to its end, and a little longer so that all is decided."""
    seen = observations(ranks)
    return Observer().watch(seen, wall_s).settle()


def test_g1_an_outage_costs_the_cut_step_the_wait_and_the_redone_steps() -> None:
    """The first worked example, exactly."""
    story = watched(CUT_AND_REDONE, 545)

    assert story.live() == {
        "productive": 200,
        "recomputing": 30,
        "interrupted": 10,
        "down": 295,
        "initializing": 7,
        "restoring": 3,
    }
    assert ratios(story.fold.book.live).goodput == pytest.approx(0.3670, abs=5e-5)
    assert story.conserves()


def test_g2_an_outage_that_redoes_nothing_is_still_an_outage() -> None:
    """A peer that looks for repeated steps reports 99 % here; the truth is 39.6 %."""
    story = watched(RESUMES_WHERE_IT_STOPPED, 505)

    assert story.live() == {"productive": 200, "down": 295, "initializing": 10}
    assert ratios(story.fold.book.live).goodput == pytest.approx(0.3960, abs=5e-5)
    assert story.conserves()


def test_g3_a_run_that_fails_for_good_loses_what_no_checkpoint_holds() -> None:
    """Live it was productive; in hindsight three steps were lost."""
    story = watched(GONE_FOR_GOOD, 91).settle(16 * 60)
    down = story.fold.book.restated["down>outside"] / 1e9

    assert {k: v for k, v in story.live().items() if k != "down"} == {
        "productive": 70,
        "interrupted": 4,
        "checkpointing": 12,
        "initializing": 5,
    }
    assert story.live()["down"] == down
    assert story.settled() == {
        "productive": 40,
        "lost": 30,
        "interrupted": 4,
        "checkpointing": 12,
        "initializing": 5,
    }
    assert ratios(story.fold.book.settled).goodput == pytest.approx(40 / 91)
    assert story.fold.book.restated["productive>lost"] == 30_000_000_000


def test_g4_an_asynchronous_save_protects_nothing_before_it_is_durable() -> None:
    """All six steps are redone, because the save was not committed at the kill."""
    story = watched(NOT_DURABLE_IN_TIME, 165)

    assert story.live() == {
        "productive": 60,
        "recomputing": 60,
        "down": 34,
        "initializing": 10,
        "checkpointing": 1,
    }
    assert ratios(story.fold.book.live).goodput == pytest.approx(0.3636, abs=5e-5)
    assert story.conserves()


def test_g5_a_crash_loop_makes_no_progress_at_all() -> None:
    """Three times a minute of start-up and then forty seconds of nothing."""
    story = watched(CRASH_LOOP, 300 + 5)

    assert story.live()["initializing"] == 180
    assert story.live()["down"] >= 120
    assert set(story.live()) == {"initializing", "down"}
    assert story.conserves()
    assert sum(story.fold.restarts.values()) == 2


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(
    ("ranks", "wall_s"),
    [
        (CUT_AND_REDONE, 545),
        (RESUMES_WHERE_IT_STOPPED, 505),
        (NOT_DURABLE_IN_TIME, 165),
    ],
)
def test_a_lossy_transport_costs_resolution_and_no_time(
    ranks: tuple[Rank, ...], wall_s: float, seed: int
) -> None:
    """With 30 % lost, repeated and reordered datagrams the books still close."""
    clean = watched(ranks, wall_s).live()
    seen = observations(ranks, lossy=random.Random(seed))  # noqa: S311 - a story's dice
    story = Observer().watch(seen, wall_s).settle()

    assert story.conserves()
    for state in clean:
        # Two messages in a row may be lost on either side of a change.
        assert story.live().get(state, 0) == pytest.approx(clean[state], abs=10.1)
