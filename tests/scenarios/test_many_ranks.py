"""Stories of starts, ends, silences and hangs of jobs with several ranks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from goodput_exporter.domain.bookings import EventKind, RunEvent
from goodput_exporter.domain.observations import RankReport
from goodput_exporter.domain.states import Cause
from tests.fakes.crews import (
    SIGABRT,
    SIGKILL,
    SIGTERM,
    crew,
    death,
    in_step,
    init_until,
    leave,
    told,
)
from tests.fakes.ranks import Rank, ns
from tests.fakes.stories import START_S, Observer, observations


def per_device(story: Observer) -> dict[str, float]:
    """Return the live view in seconds of the run, rounded to the microsecond."""
    asked = story.fold.asked
    return {state: round(s / asked, 6) for state, s in story.live().items()}


def events(story: Observer, kind: EventKind) -> list[RunEvent]:
    """Return what happened, of one kind."""
    found = [b for b in story.bookings if isinstance(b, RunEvent)]
    return [event for event in found if event.kind is kind]


def trained(
    world: int, steps: int, *, begins_s: float = 0.0, life: int = 1
) -> list[Rank]:
    """Return a crew that starts for 10 s and completes steps of 2 s."""
    ranks = crew(world, begins_s=begins_s, life=life)
    init_until(ranks, begins_s + 10)
    in_step(ranks, 0, steps - 1, each=2.0)
    return ranks


def test_a_quiet_job_of_eight_is_its_steps() -> None:
    """Nothing goes wrong: eight times 10 s of start and eight times 100 s of steps."""
    ranks = trained(8, 50)

    story = Observer().watch(told(ranks, []), 110).settle(6)

    assert per_device(story) == {"initializing": 10, "productive": 100}
    assert story.fold.asked == 8
    assert story.conserves()


def test_one_silent_rank_among_eight_costs_nothing() -> None:
    """Rank 5's reporting thread is stuck for two minutes; the job steps on."""
    ranks = trained(8, 150)
    seen = [
        o
        for o in told(ranks, [])
        if not (
            isinstance(o, RankReport)
            and o.rank == 5
            and ns(START_S + 60) < o.at_ns < ns(START_S + 180)
        )
    ]

    story = Observer().watch(seen, 310).settle()

    assert per_device(story)["productive"] == pytest.approx(300, abs=1)
    assert set(story.live()) == {"initializing", "productive"}
    assert story.conserves()


def test_a_rank_that_never_speaks_again_does_not_stop_the_book() -> None:
    """Its silence holds the seal for the settle delay, and then no more."""
    ranks = trained(8, 150)
    seen = [
        o
        for o in told(ranks, [])
        if not (
            isinstance(o, RankReport) and o.rank == 5 and o.at_ns > ns(START_S + 60)
        )
    ]

    story = Observer().watch(seen, 310)

    decided_s = (story.fold.line_ns or 0) / 1e9 - START_S
    assert decided_s > 240
    assert set(story.live()) == {"initializing", "productive"}


def test_a_staggered_start_of_64_ranks_is_one_attempt() -> None:
    """The last rank comes 90 s after the first; until then the first one starts up."""
    ranks = crew(64, begins_s=[90.0 * n / 63 for n in range(64)])
    init_until(ranks, 100)
    in_step(ranks, 0, 19, each=2.0)
    leave(ranks)

    story = Observer(tick_s=5.0).watch(told(ranks, []), 150)

    assert story.fold.attempt == 1
    assert story.fold.asked == 64
    assert per_device(story)["initializing"] == pytest.approx(100, abs=0.5)
    assert per_device(story)["productive"] == pytest.approx(40, rel=0.02)
    assert story.conserves()


def test_64_ranks_that_come_back_over_90_s_are_one_restart() -> None:
    """The job is down until the last of them is back, and restarted once."""
    first = trained(64, 20)
    deaths = [death(rank, after_s=rank.rank * 0.1) for rank in first]
    again = crew(64, life=2, begins_s=[80.0 + 90.0 * n / 63 for n in range(64)])
    init_until(again, 180)
    in_step(again, 20, 29, each=2.0)
    leave(again)

    seen = told([*first, *again], deaths)
    story = Observer(tick_s=5.0).watch(seen, 210)

    spent = per_device(story)
    assert spent["down"] == pytest.approx(120, abs=0.1)
    assert story.fold.attempt == 2
    assert sum(story.fold.restarts.values()) == 1
    assert len(story.fold.incidents) == 1
    assert spent["initializing"] == pytest.approx(20, abs=0.5)
    assert spent["productive"] == pytest.approx(60, rel=0.02)
    assert story.conserves()


def test_a_return_that_takes_five_minutes_is_still_one_restart() -> None:
    """Eight ranks come back one by one, 40 s apart: all belong to one attempt."""
    first = trained(8, 20)
    again = crew(8, life=2, begins_s=[100.0 + 40 * n for n in range(8)])
    init_until(again, 400)
    in_step(again, 20, 29, each=2.0)

    seen = told([*first, *again], [death(rank) for rank in first])
    story = Observer().watch(seen, 420).settle()

    assert story.fold.attempt == 2
    assert sum(story.fold.restarts.values()) == 1
    assert per_device(story) == {"initializing": 30, "productive": 60, "down": 330}


def test_the_first_rank_to_die_names_the_cause_and_its_cascade_does_not() -> None:
    """One rank aborts; the launcher terminates the others three seconds later."""
    first = trained(4, 20)
    deaths = [
        death(first[0], SIGTERM, after_s=3.0),
        death(first[1], SIGTERM, after_s=3.1),
        death(first[2], SIGABRT, after_s=1.0),
        death(first[3], SIGKILL, after_s=4.0),
    ]
    again = crew(4, life=2, begins_s=90)
    init_until(again, 100)
    in_step(again, 20, 29, each=2.0)

    story = Observer().watch(told([*first, *again], deaths), 120).settle()

    (incident,) = story.fold.incidents
    assert incident.rule == "crash-signal"
    assert incident.cause is Cause.APPLICATION_ERROR
    assert incident.detected_ns == ns(START_S + 51)
    assert "rank 2" in incident.evidence[0]
    assert len(incident.evidence) == 4
    assert per_device(story) == {
        "initializing": 20,
        "productive": 60,
        "interrupted": 1,
        "down": 39,
    }
    assert story.conserves()


def test_a_job_is_down_until_the_last_missing_rank_is_back() -> None:
    """Four die at 50 s; they come back at 60, 70, 80 and 90 s: 40 s of outage."""
    first = trained(4, 20)
    again = crew(4, life=2, begins_s=[60, 70, 80, 90])
    init_until(again, 100)
    in_step(again, 20, 29, each=2.0)

    seen = told([*first, *again], [death(rank) for rank in first])
    story = Observer().watch(seen, 120).settle()

    assert per_device(story) == {"initializing": 20, "productive": 60, "down": 40}
    (incident,) = story.fold.incidents
    assert incident.returned_ns == ns(START_S + 90)
    assert incident.recovered_ns == ns(START_S + 102)
    assert story.conserves()


def test_ranks_that_die_one_after_another_are_one_interruption() -> None:
    """A node dies slowly: eight ranks over 35 s, none is back before all are gone."""
    first = trained(8, 20)
    deaths = [death(rank, after_s=5.0 * rank.rank) for rank in first]
    again = crew(8, life=2, begins_s=150)
    init_until(again, 160)
    in_step(again, 20, 29, each=2.0)

    story = Observer().watch(told([*first, *again], deaths), 180).settle()

    assert len(story.fold.incidents) == 1
    assert per_device(story) == {"initializing": 20, "productive": 60, "down": 100}
    assert sum(story.fold.restarts.values()) == 1
    assert story.conserves()


def test_a_node_torn_down_after_another_is_back_belongs_to_one_restart() -> None:
    """One node's ranks are back at 56 s; the other's are killed at 57 s only."""
    first = trained(8, 20)
    for rank in first[4:]:
        rank.cut(7)
    again = crew(8, life=2, begins_s=[56.0] * 4 + [62.0] * 4)
    init_until(again, 70)
    in_step(again, 20, 29, each=2.0)

    seen = told([*first, *again], [death(rank) for rank in first])
    story = Observer().watch(seen, 90).settle()

    (incident,) = story.fold.incidents
    assert incident.returned_ns == ns(START_S + 62)
    assert sum(story.fold.restarts.values()) == 1
    assert per_device(story) == {"initializing": 19, "productive": 60, "down": 11}
    assert story.conserves()


def test_one_rank_restarted_alone_stops_the_whole_job() -> None:
    """Three wait in a collective while the fourth comes back: the job was down."""
    first = trained(4, 20)
    for rank in first[:3]:
        rank.cut(60)
    killed = death(first[3])
    (newcomer,) = crew([3], world=4, life=2, begins_s=80)
    newcomer.init(30)
    in_step([*first[:3], newcomer], 20, 39, each=2.0)

    story = Observer().watch(told([*first, newcomer], [killed]), 150).settle()

    spent = per_device(story)
    assert spent["down"] == 30
    assert spent["productive"] == pytest.approx(80, rel=0.02)
    assert spent["initializing"] == pytest.approx(40, abs=1)
    assert story.conserves()


def test_a_hang_of_all_ranks_is_stalled_from_the_last_completed_step() -> None:
    """All keep reporting a step that never ends, and are killed after 200 s."""
    first = trained(8, 20)
    for rank in first:
        rank.cut(200)
    again = crew(8, life=2, begins_s=270)
    init_until(again, 280)
    in_step(again, 20, 29, each=2.0)

    seen = told([*first, *again], [death(rank) for rank in first])
    story = Observer().watch(seen, 300).settle()

    spent = per_device(story)
    assert spent["stalled"] == pytest.approx(198, abs=0.1)
    assert spent["interrupted"] == pytest.approx(2, abs=0.1)
    assert spent["productive"] == pytest.approx(60, abs=0.1)
    assert spent["down"] == 20
    assert story.fold.incidents[0].cause is Cause.HANG
    assert story.conserves()


def test_a_hang_that_resolves_itself_keeps_one_step_time() -> None:
    """The network comes back after 200 s: the step completes, 198 s were a stall."""
    ranks = trained(8, 20)
    for rank in ranks:
        rank.cut(200)
    in_step(ranks, 20, 39, each=2.0)

    story = Observer().watch(told(ranks, []), 290).settle()

    spent = per_device(story)
    assert spent["stalled"] == pytest.approx(200, abs=2.1)
    assert spent["productive"] == pytest.approx(80, abs=2.1)
    assert story.conserves()


def test_a_rank_that_waits_for_data_past_the_limit_stalls_the_job() -> None:
    """The limit of waiting is ten minutes, however long the others' step is open."""
    ranks = trained(4, 20)
    ranks[0].data(900)
    for rank in ranks[1:]:
        rank.cut(900)
    in_step(ranks, 20, 29, each=2.0)

    story = Observer(tick_s=5.0).watch(told(ranks, []), 970).settle()

    spent = per_device(story)
    assert spent["data_wait"] == pytest.approx(600, abs=10)
    assert spent["stalled"] == pytest.approx(300, abs=10)
    assert spent["productive"] == pytest.approx(60, abs=1)
    assert story.conserves()


def test_ranks_that_lived_through_our_downtime_fill_it_afterwards() -> None:
    """Eight ranks step on while nobody listens for 100 s: nothing is unobserved."""
    ranks = trained(8, 100)
    gone, back = ns(START_S + 60), ns(START_S + 160)
    seen = told(ranks, [])

    story = Observer().watch((o for o in seen if o.at_ns < gone), 60)
    story.now_s, story.fold.resumed_ns = 160, back
    story.watch((o for o in seen if o.at_ns >= back), 210).settle(6)

    assert per_device(story)["productive"] == pytest.approx(200, abs=0.5)
    assert "unobserved" not in story.live()
    assert any(segment.bridged for segment in story.segments())
    assert story.fold.progress.high_water == 99
    assert story.conserves()


def test_ranks_of_an_unknown_world_are_counted() -> None:
    """Nobody says how large the job is: it is as many ranks as are seen together."""
    ranks = crew(4, world=-1)
    init_until(ranks, 10)
    in_step(ranks, 0, 19, each=2.0)

    story = Observer().watch(told(ranks, []), 50).settle(6)

    assert story.fold.asked == 4
    assert per_device(story) == {"initializing": 10, "productive": 40}
    assert story.conserves()


def test_ranks_without_a_number_die_and_come_back() -> None:
    """Four processes that do not know their rank: gone at 50 s, back at 80 s."""
    first = trained(4, 20)
    again = crew(4, life=2, begins_s=80)
    init_until(again, 90)
    in_step(again, 20, 29, each=2.0)
    for rank in [*first, *again]:
        rank.rank = -1

    seen = told([*first, *again], [death(rank) for rank in first])
    story = Observer().watch(seen, 110).settle()

    assert per_device(story) == {"initializing": 20, "productive": 60, "down": 30}
    assert len(story.fold.incidents) == 1
    assert sum(story.fold.restarts.values()) == 1
    assert story.conserves()


def test_a_launcher_and_an_evaluator_take_no_part() -> None:
    """Processes of other roles report beside four trainers; the book ignores them."""
    ranks = trained(4, 20)
    others = crew([0], world=1, life=9)
    others[0].init(50)
    extra = [
        replace(o, role="launcher")
        for o in observations(others, known_exit=False)
        if isinstance(o, RankReport)
    ]

    story = Observer().watch([*told(ranks, []), *extra], 50).settle(6)

    assert story.fold.asked == 4
    assert per_device(story) == {"initializing": 10, "productive": 40}


def test_a_crew_that_says_goodbye_has_succeeded() -> None:
    """Ranks leave one after another within seconds; the book closes with the last."""
    ranks = trained(4, 20)
    for rank in ranks:
        rank.phase("finalize", 1.0 + rank.rank).bye()

    story = Observer().watch(observations(ranks), 60).settle()

    assert story.fold.outcome == "succeeded"
    assert story.fold.ended_ns == ns(START_S + 54)
    assert per_device(story) == {"initializing": 10, "productive": 40, "idle": 4}
    assert len(events(story, EventKind.ENDED)) == 1
