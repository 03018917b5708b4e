"""One crash, and each way to come back from it: one restart, by its name."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from goodput_exporter.analysis.incident_events import stories_of
from goodput_exporter.domain.fold import Observation
from goodput_exporter.domain.observations import RankExited
from goodput_exporter.domain.states import How
from tests.fakes.crews import crew, death, in_step, init_until, leave, told
from tests.fakes.pods import Pods
from tests.fakes.ranks import Rank
from tests.fakes.stories import Observer

RANKS = 64
CRASH_S = 50.0
BACK_S = 80.0
WHOLE_S = 170.0
"""The first rank is back 30 s after the crash, the last one 90 s later."""


def trained(world: int = RANKS) -> list[Rank]:
    """Return a crew that trains until the crash."""
    ranks = crew(world)
    init_until(ranks, 10)
    in_step(ranks, 0, 19, each=2.0)
    return ranks


def came_back(life: int = 2, begins_s: float = BACK_S) -> list[Rank]:
    """Return a crew that comes back rank by rank, and trains for 20 s."""
    starts = [begins_s + 90.0 * n / (RANKS - 1) for n in range(RANKS)]
    ranks = crew(RANKS, life=life, begins_s=starts)
    init_until(ranks, begins_s + 100)
    in_step(ranks, 20, 29, each=2.0)
    return ranks


def cascade(ranks: Sequence[Rank]) -> list[RankExited]:
    """Let all die, a tenth of a second after one another."""
    return [death(rank, after_s=rank.rank * 0.1) for rank in ranks]


def made_anew(how: How) -> Pods:
    """Return pods that go with the crash; the last one runs just before its rank."""
    pods = Pods(asked=RANKS).at(0, "running").at(CRASH_S + 1, "down")
    pods.at(60, "scheduling").at(70, "provisioning")
    return pods.at(WHOLE_S - 0.5, "running", how=how)


def watched(seen: Sequence[Observation], until_s: float = 230.0) -> Observer:
    """Watch a story in ticks of five seconds."""
    return Observer(tick_s=5.0).watch(seen, until_s)


def restarts(story: Observer) -> dict[str, int]:
    """Return how often the run came back, by what."""
    return {key.partition("|")[0]: n for key, n in story.fold.restarts.items()}


@pytest.mark.parametrize("how", [How.CONTAINER, How.POD, How.WORKLOAD])
def test_what_kubernetes_makes_anew_names_the_restart(how: How) -> None:
    """Though the first of 64 ranks is there 90 s before the last pod runs."""
    first, again = trained(), came_back()
    leave(again)

    story = watched([*made_anew(how).said, *told([*first, *again], cascade(first))])

    assert restarts(story) == {how.value: 1}
    assert story.fold.attempt == 2
    assert story.fold.incidents[0].how is how
    assert stories_of(story.bookings)[1].how == how.value
    assert story.conserves()


def test_processes_that_are_started_anew_in_their_pods_are_a_restart() -> None:
    """A launcher does it; Kubernetes sees nothing."""
    first, again = trained(), came_back()
    leave(again)
    pods = Pods(asked=RANKS).at(0, "running")

    story = watched([*pods.said, *told([*first, *again], cascade(first))])

    assert restarts(story) == {"process": 1}


def test_processes_that_begin_anew_inside_are_one_restart() -> None:
    """The same pids go on under new incarnations, one after another."""
    first, again = trained(), came_back()
    for old, new in zip(first, again, strict=True):
        old.cut(new.begins_s - CRASH_S)
        new.pid = old.pid
    leave(again)

    story = watched(told([*first, *again], [death(rank, 0) for rank in again]))

    assert restarts(story) == {"in_process": 1}
    assert story.fold.attempt == 2
    assert len(story.fold.incidents) == 1


def test_ranks_that_join_those_that_step_on_are_an_elastic_restart() -> None:
    """Six of eight step on; the other two come back to them."""
    ranks = trained(8)
    survivors, gone = ranks[:6], ranks[6:]
    in_step(survivors, 20, 59, each=2.0)
    newcomers = crew([6, 7], world=8, life=2, begins_s=110)
    init_until(newcomers, 130)
    in_step([*survivors, *newcomers], 60, 69, each=2.0)

    story = watched(told([*ranks, *newcomers], [death(rank) for rank in gone]), 156)

    assert restarts(story) == {"elastic": 1}


def test_a_pid_of_another_node_is_another_process() -> None:
    """Each node numbers its own: whose exit was seen did not begin anew inside."""
    first, again = trained(), came_back()
    for old, new in zip(first, again, strict=True):
        new.pid = old.pid
    leave(again)

    pods = Pods(asked=RANKS).at(0, "running")
    story = watched([*pods.said, *told([*first, *again], cascade(first))])

    assert restarts(story) == {"process": 1}


def test_pods_that_were_made_anew_before_do_not_name_the_next_restart() -> None:
    """First new pods, then new processes in them."""
    first, second = trained(), came_back()
    third = came_back(life=3, begins_s=230)
    leave(third)
    deaths = [*cascade(first), *cascade(second)]

    seen = [*made_anew(How.POD).said, *told([*first, *second, *third], deaths)]
    story = watched(seen, 380)

    assert restarts(story) == {"pod": 1, "process": 1}
    assert [one.how for one in story.fold.incidents] == [How.POD, How.PROCESS]


def test_a_restart_counts_once_it_is_whole() -> None:
    """Until the last pod runs nobody can tell by what the run comes back."""
    first, again = trained(), came_back()
    seen = [*made_anew(How.POD).said, *told([*first, *again], cascade(first))]

    story = watched(seen, 160)
    assert (restarts(story), story.fold.attempt) == ({}, 2)
    story.watch([one for one in seen if one.at_ns > 1_000_160 * 10**9], 200)
    assert restarts(story) == {"pod": 1}


def test_a_restart_that_comes_to_nothing_is_one_all_the_same() -> None:
    """Four of eight are back and die; then all eight come."""
    first = trained(8)
    half = crew(range(4), world=8, life=2, begins_s=80)
    init_until(half, 100)
    again = crew(8, life=3, begins_s=120)
    init_until(again, 130)
    in_step(again, 20, 29, each=2.0)
    leave(again)
    deaths = [death(rank) for rank in [*first, *half]]

    story = watched(told([*first, *half, *again], deaths))

    assert restarts(story) == {"process": 2}
    assert story.fold.attempt == 3
