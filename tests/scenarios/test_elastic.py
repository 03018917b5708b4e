"""Stories of runs that go on with fewer ranks, and get the others back."""

from __future__ import annotations

import pytest

from goodput_exporter.domain.bookings import EventKind, RunEvent
from goodput_exporter.domain.observations import RunObservation
from goodput_exporter.domain.states import RunState
from tests.fakes.crews import crew, death, in_step, init_until, told
from tests.fakes.ranks import Rank
from tests.fakes.stories import START_S, Observer


def steps_on(
    *, returns_s: float | None, until_s: float, start_s: float = 10.0
) -> tuple[list[Rank], list[RunObservation]]:
    """
    Tell of eight ranks of which two die at 90 s while the six step on at once.

    Args:
        returns_s: When replacements begin; None never.
        until_s: When the story ends.
        start_s: How long a replacement starts up.
    """
    ranks = crew(8)
    init_until(ranks, 10)
    in_step(ranks, 0, 39, each=2.0)
    survivors, gone = ranks[:6], ranks[6:]
    newcomers: list[Rank] = []
    step = 40
    while survivors[0].ends_s < until_s:
        at_s = survivors[0].ends_s
        if returns_s is not None and not newcomers and at_s >= returns_s:
            newcomers = crew([6, 7], world=8, life=2, begins_s=at_s)
            init_until(newcomers, at_s + start_s - 1)
            for rank in newcomers:
                rank.restore(1.0, step - 1)
        joined = [rank for rank in newcomers if rank.ends_s <= at_s]
        in_step([*survivors, *joined], step, step, each=2.0)
        step += 1
    return ranks, told([*ranks, *newcomers], [death(rank) for rank in gone])


def in_state(story: Observer, state: RunState, from_s: float, to_s: float) -> float:
    """Return device seconds in one state over one stretch of the story."""
    total_ns = 0
    for segment in story.segments():
        if segment.state is state:
            first_ns = max(segment.span.start_ns, round((START_S + from_s) * 1e9))
            last_ns = min(segment.span.end_ns, round((START_S + to_s) * 1e9))
            total_ns += max(0, last_ns - first_ns) * segment.devices
    return total_ns / 1e9


def test_survivors_that_step_on_leave_only_the_missing_degraded() -> None:
    """Two of eight die; six step on: two devices are degraded, six productive."""
    _, seen = steps_on(returns_s=None, until_s=190)

    story = Observer().watch(seen, 196)

    live = story.live()
    assert live["down"] <= 8 * 4
    assert live["degraded"] == pytest.approx(2 * (100 - live["down"] / 8), abs=0.1)
    assert live["productive"] == pytest.approx(8 * 80 + 6 * 96, rel=0.01)
    assert live["initializing"] == 80
    assert story.conserves()


def test_degraded_time_is_charged_to_what_killed_the_missing() -> None:
    """While two are missing their two devices follow from the incident."""
    _, seen = steps_on(returns_s=None, until_s=190)

    story = Observer().watch(seen, 196)

    degraded = [s for s in story.segments() if s.state is RunState.DEGRADED]
    assert {segment.incident for segment in degraded} == {1}
    assert {segment.devices for segment in degraded} == {2}


def test_a_run_that_regrows_is_whole_again() -> None:
    """8 -> 6 -> 8: the replacements begin at 150 s and join a little later."""
    _, seen = steps_on(returns_s=150, until_s=250)

    story = Observer().watch(seen, 256)

    assert in_state(story, RunState.DEGRADED, 150, 250) == 0
    assert in_state(story, RunState.DEGRADED, 90, 150) == pytest.approx(2 * 56, abs=8)
    assert in_state(story, RunState.PRODUCTIVE, 170, 240) == pytest.approx(8 * 70)
    assert story.fold.asked == 8
    assert not story.fold.missing
    assert story.conserves()


def test_survivors_go_on_training_while_a_newcomer_starts_up() -> None:
    """A process that imports and loads beside them takes no step time from them."""
    _, seen = steps_on(returns_s=150, until_s=250, start_s=30)

    story = Observer().watch(seen, 256)

    assert in_state(story, RunState.PRODUCTIVE, 160, 250) > 0.9 * 8 * 90
    assert story.live().get("slow", 0.0) < 8 * 4


def test_a_newcomer_that_loads_an_older_step_rolls_nothing_back() -> None:
    """It says the step that it loaded; the survivors have passed that long ago."""
    _, seen = steps_on(returns_s=150, until_s=250, start_s=30)

    story = Observer().watch(seen, 256)

    events = [b for b in story.bookings if isinstance(b, RunEvent)]
    assert not [e for e in events if e.kind is EventKind.RESTORED]
    assert "recomputing" not in story.live()
    assert story.fold.progress.position == story.fold.progress.high_water


def test_a_smaller_group_has_a_step_time_of_its_own() -> None:
    """Six devices take longer for a step than eight did; that alone is not slow."""
    ranks = crew(8)
    init_until(ranks, 10)
    in_step(ranks, 0, 39, each=2.0)
    in_step(ranks[:6], 40, 79, each=2.6)

    seen = told(ranks, [death(rank) for rank in ranks[6:]])
    story = Observer().watch(seen, 200)

    assert story.live().get("slow", 0.0) == 0
    assert story.conserves()


def test_a_smaller_restart_degrades_the_devices_that_it_left() -> None:
    """All eight die; six come back as a world of six: two devices stay degraded."""
    first = crew(8)
    init_until(first, 10)
    in_step(first, 0, 39, each=2.0)
    again = crew(6, life=2, begins_s=120)
    init_until(again, 130)
    in_step(again, 40, 79, each=2.0)

    seen = told([*first, *again], [death(rank) for rank in first])
    story = Observer().watch(seen, 216)

    live = story.live()
    assert live["down"] == 8 * 30
    assert live["degraded"] == 2 * 90
    assert live["productive"] == 8 * 80 + 6 * 80
    assert story.fold.asked == 8
    assert not story.fold.missing
    assert story.conserves()


def test_a_second_death_among_survivors_is_a_second_incident() -> None:
    """Two of eight die, then one of the six: two incidents, three devices missing."""
    ranks = crew(8)
    init_until(ranks, 10)
    in_step(ranks, 0, 39, each=2.0)
    in_step(ranks[:6], 40, 59, each=2.0)
    in_step(ranks[:5], 60, 79, each=2.0)

    seen = told(ranks, [death(rank) for rank in ranks[5:]])
    story = Observer().watch(seen, 176)

    assert len(story.fold.incidents) == 2
    assert in_state(story, RunState.DEGRADED, 140, 170) == 3 * 30
    assert in_state(story, RunState.PRODUCTIVE, 140, 170) == 5 * 30
    assert story.conserves()
