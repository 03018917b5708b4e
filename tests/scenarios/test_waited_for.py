"""Stories of one rank that the others wait for, and of what cannot be told."""

from __future__ import annotations

from goodput_exporter.domain.settings import Rules
from tests.fakes.crews import crew, in_step, init_until, told
from tests.fakes.office import Office
from tests.fakes.ranks import Rank, ns

INIT_S = 10.0
STEP_S = 1.0


def of_eight(
    steps: int, *, waits: dict[int, float], each: float = STEP_S
) -> list[Rank]:
    """Return eight ranks in step, of which some wait for data before every one."""
    ranks = crew(8)
    init_until(ranks, INIT_S)
    every = {(rank, step): s for rank, s in waits.items() for step in range(steps)}
    in_step(ranks, 0, steps - 1, each=each, waits=every)
    return ranks


def watched(ranks: list[Rank], rules: Rules | None = None) -> Office:
    """Watch until shortly before the end of the scripts."""
    return Office(rules).watch(told(ranks, []), ranks[0].ends_s - 1)


def test_a_rank_that_waits_for_data_is_named() -> None:
    """Of eight ranks one loads 0.2 s longer before every step of a second."""
    view = watched(of_eight(80, waits={5: 0.2})).view()

    assert (
        "The others wait for rank 5, which waits for data 17% of its time, the middle "
        "rank 0%." in view.why
    )
    assert "rank 4" not in view.why


def test_a_rank_that_is_slow_inside_the_step_cannot_be_named() -> None:
    """All steps are as long as the slowest rank's: it looks like its victims."""
    rules = Rules(reference_step_ns=ns(STEP_S))

    view = watched(of_eight(80, waits={}, each=1.2), rules).view()

    assert "cannot tell which rank is slow" in view.why
    assert "The others wait for" not in view.why


def test_what_all_ranks_wait_for_is_nobodys_fault() -> None:
    """The store is slow for everybody: nobody stands out."""
    everybody = dict.fromkeys(range(8), 0.2)

    view = watched(of_eight(80, waits=everybody)).view()

    assert "The others wait for" not in view.why


def test_the_three_that_wait_longest_are_named() -> None:
    """More would be a list and no hint."""
    waits = {1: 0.2, 3: 0.5, 6: 0.3, 7: 0.4}

    view = watched(of_eight(80, waits=waits)).view()

    named = [part.split(",")[0] for part in view.why.split("wait for rank ")[1:]]
    assert named == ["3", "7", "6"]


def test_a_save_of_rank_0_alone_is_what_the_others_wait_for() -> None:
    """It saves 2 s after every ten steps, and they stand in their next step."""
    ranks = crew(4)
    init_until(ranks, INIT_S)
    for first in range(0, 60, 10):
        in_step(ranks, first, first + 9, each=STEP_S)
        ranks[0].save(2, first + 9)
        for rank in ranks[1:]:
            rank.cut(2)

    view = watched(ranks).view()

    assert "rank 0, which saves" in view.why
