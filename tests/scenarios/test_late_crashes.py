"""A crash, a restart and redone steps that are told late are booked as they were."""

from __future__ import annotations

import pytest

from goodput_exporter.analysis.histories import history
from goodput_exporter.analysis.stretches import account_of
from goodput_exporter.domain.accounting import Account
from goodput_exporter.domain.bookings import EventKind
from goodput_exporter.domain.evidence import Evidence, Kind
from goodput_exporter.domain.fold import Observation
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause
from tests.fakes.crews import crew, death, in_step, init_until, leave, told
from tests.fakes.deliveries import CutOff, arriving, watched
from tests.fakes.pods import Pods
from tests.fakes.ranks import Rank, ns
from tests.fakes.stories import KEY, START_S, Observer, observations
from tests.scenarios.telling import PINNED, books_close, events, restated

ENDS_S = 390.0
"""The last step of the story, and the goodbye."""

IN_THE_END = {
    "initializing": 10,
    "productive": 250,
    "lost": 100,
    "interrupted": 6,
    "down": 20,
    "restoring": 4,
}
"""Of 390 s: steps 5 to 14 were done twice, and the second time counts."""

COST = {"interrupted": 6, "down": 20, "initializing": 5, "restoring": 4, "lost": 100}
"""Of the crash: what it cut short, being down, coming back, and what it threw away."""

CUTS = [
    CutOff(100, 200),
    CutOff(100, 260),
    CutOff(100, 300),
    CutOff(100, 300, pushes=4),
    CutOff(60, 330),
    CutOff(60, 330, pushes=9),
    CutOff(163, 300),
    CutOff(170, 300, pushes=2),
]
"""Before the crash or after it, up to the first word of the second life or beyond."""


def a_crash() -> list[Observation]:
    """
    Return what is seen of two lives of a rank.

    The first saves step 4, and is killed at 161 s, 6 s into step 15. The second begins
    20 s later, loads the checkpoint and does steps 5 to 14 again, and ten more.
    """
    first = Rank(inc="a" * 16, pid=1).init(5).steps(0, 4, each=10).save(0, 4)
    first.steps(5, 14, each=10).cut(6)
    second = Rank(inc="b" * 16, pid=2, begins_s=181).init(5).restore(4, 4)
    second.steps(5, 24, each=10).bye()
    return list(observations([first, second]))


def told_by(story: Observer) -> Account:
    """Return the settled view as the entries tell it, and nothing else."""
    seen = history(KEY, story.bookings).seen
    assert seen.unplaced_gpu_ns == 0
    return account_of(seen.settled, Span(0, 2**62))


def cost(story: Observer) -> list[dict[str, float]]:
    """Return what each interruption has cost in hindsight, in device seconds."""
    return [
        {
            state.value: gpu_ns / ns(1)
            for state, gpu_ns in each.settled_ns.items()
            if gpu_ns
        }
        for each in story.fold.incidents
    ]


def check_the_crash(story: Observer) -> None:
    """Hold a book against what happened."""
    fold = story.fold

    assert nonzero(story.settled()) == IN_THE_END
    assert cost(story) == [COST]
    assert (fold.steps_first, fold.steps_redone) == (25, 10)
    assert (fold.attempt, fold.interruptions) == (2, 1)
    assert sum(fold.restarts.values()) == 1
    (incident,) = fold.incidents
    assert (incident.restored_step, incident.lost_steps) == (4, 10)
    assert seconds(told_by(story)) == IN_THE_END
    assert books_close(story)


def seconds(account: Account) -> dict[str, float]:
    """Return an account in device seconds."""
    found = account.gpu_ns.items()
    return {state.value: gpu_ns / ns(1) for state, gpu_ns in found if gpu_ns}


def nonzero(amounts: dict[str, float]) -> dict[str, float]:
    """Leave out what came to nothing."""
    return {state: spent for state, spent in amounts.items() if spent}


def test_a_crash_told_in_time() -> None:
    """The first tries are lost, and the second ones are what is kept."""
    story = watched(arriving(a_crash()), ENDS_S + 70, PINNED)

    check_the_crash(story)
    assert restated(story) == {}


@pytest.mark.parametrize("cut", CUTS, ids=str)
def test_a_crash_told_late_is_the_same_crash(cut: CutOff) -> None:
    """Whatever is cut off, and however many pushes it takes: the same settled book."""
    story = watched(arriving(a_crash(), cut), ENDS_S + 70, PINNED)

    check_the_crash(story)
    assert restated(story) != {}


def test_counters_keep_what_they_showed_and_say_what_it_was() -> None:
    """Nothing live is taken back: what was blind is restated, state by state."""
    story = watched(arriving(a_crash(), CutOff(100, 300)), ENDS_S + 70, PINNED)

    assert story.live() == {
        "initializing": 5,
        "productive": 193,
        "unobserved": 136,
        "recomputing": 56,
    }
    assert restated(story) == {
        "unobserved>productive": 57,
        "unobserved>interrupted": 6,
        "unobserved>down": 20,
        "unobserved>initializing": 5,
        "unobserved>restoring": 4,
        "unobserved>recomputing": 44,
    }


def test_two_crashes_in_one_silence_are_two() -> None:
    """Each has its own cost, and the second starts where it began."""
    first = Rank(inc="a" * 16, pid=1).init(5).steps(0, 9, each=10).cut(5)
    second = Rank(inc="b" * 16, pid=2, begins_s=120).init(10).steps(0, 2, each=10)
    third = Rank(inc="c" * 16, pid=3, begins_s=200).init(10).steps(0, 14, each=10)
    seen = list(observations([first, second, third.bye()]))

    prompt = watched(arriving(seen), 430, PINNED)
    late = watched(arriving(seen, CutOff(90, 300)), 430, PINNED)

    assert nonzero(late.settled()) == nonzero(prompt.settled())
    assert cost(late) == cost(prompt)
    assert late.fold.interruptions == 2
    assert late.fold.restarts == prompt.fold.restarts
    assert books_close(late)


@pytest.mark.parametrize(
    "cut",
    [
        CutOff(60, 300),
        CutOff(120, 300, pushes=3),
        CutOff(60, 300, pushes=9),  # the last of the first ends comes one push later
    ],
    ids=str,
)
def test_a_crew_that_crashed_unheard_is_booked_as_if_heard(cut: CutOff) -> None:
    """Four ranks, killed within seconds of each other, are one interruption; twice."""
    first, second = crew(4), crew(4, life=2, begins_s=140)
    init_until(first, 5)
    in_step(first, 0, 9, each=10)
    init_until(second, 150)
    in_step(second, 0, 1, each=10)
    for rank in (*first, *second):
        rank.cut(5 + rank.rank * 1.5)
    third = crew(4, life=3, begins_s=200)
    init_until(third, 210)
    in_step(third, 0, 19, each=10)
    leave(third)
    deaths = [death(rank) for rank in (*first, *second)]
    deaths += [death(rank, 0) for rank in third]
    seen = told([*first, *second, *third], deaths)

    prompt = watched(arriving(seen), 480, PINNED)
    late = watched(arriving(seen, cut), 480, PINNED)

    assert nonzero(late.settled()) == nonzero(prompt.settled())
    assert cost(late) == cost(prompt)
    assert late.fold.interruptions == 2
    assert late.fold.steps_redone == prompt.fold.steps_redone
    assert books_close(late)


def in_a_cluster() -> list[Observation]:
    """Return the crash, and the pods as the cluster saw them go and come back."""
    pods = Pods(asked=1).at(0, "running").at(161, "down").at(180, "running")
    return [*a_crash(), *pods.ends(ENDS_S, "succeeded").said]


@pytest.mark.parametrize("cut", CUTS, ids=str)
def test_pods_that_told_of_a_crash_told_of_the_same(cut: CutOff) -> None:
    """
    The watch goes on while the agent is cut off: pods go, come back, and say nothing.

    Time was booked as starting up since. When the ranks tell, it is what they say.
    """
    story = watched(arriving(in_a_cluster(), cut), ENDS_S + 70, PINNED)

    # The container ran a second before the process did.
    expected = IN_THE_END | {"down": 19, "initializing": 11}
    assert nonzero(story.settled()) == expected
    assert cost(story) == [COST | {"down": 19, "initializing": 6}]
    assert story.fold.interruptions == len(events(story, EventKind.INTERRUPTED)) == 1
    assert sum(story.fold.restarts.values()) == 1
    assert seconds(told_by(story)) == expected
    assert books_close(story)


def test_the_cause_that_was_known_of_it_stays_with_it() -> None:
    """A node's agent tells late why, too: all that the crash cost is due to it."""
    why = Evidence(ns(START_S + 161), Kind.OOM_KILL, "OOMKilled")
    seen = [*a_crash(), why]
    prompt = watched(arriving(seen), ENDS_S + 70, PINNED)
    late = watched(arriving(seen, CutOff(100, 300)), ENDS_S + 70, PINNED)

    assert late.fold.incidents[0].cause is Cause.OOM_KILLED
    assert told_by(late) == told_by(prompt)
    assert told_by(late).bad_gpu_ns[Cause.OOM_KILLED] == ns(sum(COST.values()))
    assert books_close(late)


@pytest.mark.parametrize("away_s", [70.0, 120.0])
def test_a_silent_end_told_late_is_an_end(away_s: float) -> None:
    """Of a run that ended well while nobody heard it nothing is left unobserved."""
    rank = Rank(inc="a" * 16, pid=1).init(5).steps(0, 9, each=10).bye()
    seen = list(observations([rank]))
    story = watched(arriving(seen, CutOff(60, 105 + away_s)), 300, PINNED)

    assert nonzero(story.settled()) == {"initializing": 5, "productive": 100}
    assert story.fold.outcome == "succeeded"
    assert books_close(story)
