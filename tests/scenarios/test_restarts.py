"""How a run comes back: where it died, where it resumes, and who pays for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from goodput_exporter.domain.bookings import EventKind
from goodput_exporter.domain.observations import RankExited
from goodput_exporter.domain.states import Cause, How, RunState
from tests.fakes.ranks import Rank, ns
from tests.fakes.stories import START_S, Observer, observations
from tests.scenarios.telling import (
    PINNED,
    books_close,
    events,
    of_incident,
    story_s,
    tell,
    where,
)


def first(steps: int = 5) -> Rank:
    """Return the first incarnation, some steps old."""
    return Rank(inc="a" * 16, pid=1).init(5).steps(0, steps - 1, each=10)


def second(begins_s: float) -> Rank:
    """Return its replacement, starting up."""
    return Rank(inc="b" * 16, pid=2, begins_s=begins_s).init(5)


def third(begins_s: float) -> Rank:
    """Return the replacement of the replacement, starting up."""
    return Rank(inc="c" * 16, pid=3, begins_s=begins_s).init(5)


def in_process(
    old: Rank, *, begins_s: float, restored: int = 4, transit_s: float = 0
) -> Observer:
    """Watch a process begin a new incarnation; its exit comes at the very end."""
    new = Rank(inc="b" * 16, pid=1, begins_s=begins_s).init(5).declare(restored)
    new.steps(restored + 1, 9, each=10)
    hello, *later = observations([old, new.bye()], known_exit=False)
    seen = [replace(hello, at_ns=hello.at_ns + ns(transit_s)), *later]
    seen.append(RankExited(new.inc, ns(START_S + new.ends_s), 0))
    return Observer(PINNED).watch(seen, new.ends_s + 30)


def test_a_crash_in_init_keeps_its_time_initializing() -> None:
    """Start-up that came to nothing was start-up."""
    story = tell(
        Rank(inc="a" * 16, pid=1).init(60),
        second(100).steps(0, 4, each=10).bye(),
        rules=PINNED,
    )

    assert story.live() == {"initializing": 65, "down": 40, "productive": 50}
    assert story.fold.incidents[0].began_ns == story.fold.opened_ns
    assert story_s(story.fold.incidents[0].detected_ns) == 60
    assert books_close(story)


def test_a_crash_in_a_restore_keeps_its_time_restoring() -> None:
    """The second interruption takes over from its own start, not from the first's."""
    story = tell(
        first().cut(5),
        second(100).restore(20, 4),
        third(150).restore(20, 4).steps(5, 9, each=10).bye(),
        rules=PINNED,
    )

    assert story.live() == {
        "initializing": 15,
        "productive": 100,
        "interrupted": 5,
        "down": 40 + 25,
        "restoring": 40,
    }
    one, two = story.fold.incidents
    assert (story_s(one.began_ns), story_s(one.detected_ns)) == (55, 60)
    assert (story_s(two.began_ns), story_s(two.detected_ns)) == (100, 125)
    assert sum(s.span.length_ns for s in of_incident(story, 1)) == ns(5 + 40 + 25)
    assert books_close(story)


def test_a_crash_in_a_save_keeps_its_time_checkpointing() -> None:
    """The save blocked the loop, and that it came to nothing does not change it."""
    story = tell(
        first().save(20, 4, durable=False).bye(ok=False),
        second(100).declare(-1).steps(0, 5, each=10).bye(),
        rules=PINNED,
    )

    assert story.live() == {
        "initializing": 10,
        "productive": 60,
        "checkpointing": 20,
        "down": 25,
        "recomputing": 50,
    }
    assert "interrupted" not in story.live()
    assert books_close(story)


def test_a_kill_in_a_save_is_seen_in_the_last_word_before_it() -> None:
    """Entering a save is announced, so the silence up to the exit is the save."""
    story = tell(first().save(3, 4, durable=False), after_s=10, every_s=60.0)

    assert story.live()["checkpointing"] == 3


def test_the_cut_step_is_interrupted_from_the_last_completed_one() -> None:
    """What the step had done so far is lost with it."""
    story = tell(first().cut(7), after_s=10, rules=PINNED)

    assert where(story, RunState.INTERRUPTED) == [(55, 62)]
    assert books_close(story)


def test_down_lasts_until_the_replacement_exists() -> None:
    """Not until it steps: starting and restoring have names of their own."""
    story = tell(first().cut(5), second(100).restore(5, 4).steps(5, 9, each=10).bye())

    assert where(story, RunState.DOWN) == [(60, 100)]
    assert where(story, RunState.RESTORING) == [(105, 110)]


@pytest.mark.parametrize("number", [0, 1, 50])
def test_a_run_may_begin_its_steps_at_any_number(number: int) -> None:
    """A fresh start says that it resumes from nothing; five steps are five."""
    rank = Rank(inc="a" * 16, pid=1).init(5).declare(-1)
    story = tell(rank.steps(number, number + 4, each=10).bye(), rules=PINNED)

    assert story.fold.steps_first == 5
    assert story.live()["productive"] == 50


def test_redone_steps_are_recomputing_and_known_at_the_restart() -> None:
    """Lost steps are published with the restart, before the first is redone."""
    story = tell(
        first(10).cut(5),
        second(120).restore(5, 6).steps(7, 14, each=10).bye(),
        rules=PINNED,
    )
    incident = story.fold.incidents[0]
    (went_back,) = events(story, EventKind.RESTORED)

    assert story.live()["recomputing"] == 30
    assert (incident.restored_step, incident.lost_steps) == (6, 3)
    assert went_back.detail["step"] == 6
    assert went_back.detail["lost_steps"] == 3
    assert story_s(went_back.at_ns) < 130 + 10
    assert story.fold.steps_redone == 3
    assert books_close(story)


def test_redone_steps_become_what_they_were_and_the_lost_ones_lost() -> None:
    """In hindsight the second execution counts: it is the one that was kept."""
    story = tell(
        first(10).cut(5),
        second(120).restore(5, 6).steps(7, 14, each=10).bye(),
        rules=PINNED,
    )
    live, settled = story.live(), story.settled()

    assert settled["lost"] == 30
    assert "recomputing" not in settled
    assert live["productive"] + live["recomputing"] == (
        settled["productive"] + settled["lost"]
    )


def test_a_restart_that_resumes_exactly_where_it_stopped_is_a_restart() -> None:
    """No step number repeats; the process did, and the outage was real."""
    story = tell(
        first().save(1, 4).cut(3),
        second(100).restore(5, 4).steps(5, 9, each=10).bye(),
    )

    assert story.live()["down"] == 41
    assert story.fold.incidents[0].lost_steps == 0
    assert story.fold.restarts == {"process|unknown": 1}


def test_an_in_process_restart_is_an_interruption_without_an_outage() -> None:
    """The process lives on with a new incarnation; the cut step is gone."""
    story = in_process(first().cut(5), begins_s=60)

    assert story.live() == {"initializing": 10, "productive": 100, "interrupted": 5}
    assert story.fold.incidents[0].lost_steps == 0
    assert story.fold.incidents[0].how is How.IN_PROCESS
    assert story.fold.restarts == {"in_process|unknown": 1}


def test_an_in_process_restart_takes_over_where_the_new_life_begins() -> None:
    """What the old incarnation did last it did until then."""
    story = in_process(first().cut(1), begins_s=66)

    assert story.live()["interrupted"] == 11
    assert "down" not in story.live()


@pytest.mark.parametrize("old", [first().cut(5).bye(ok=False), first().cut(5)])
def test_a_new_life_of_a_process_begins_no_sooner_than_the_last_one_ended(
    old: Rank,
) -> None:
    """
    A process has one incarnation at a time, whatever its datagrams' dates say.

    The first one took three milliseconds on its way, so all of the old life seems
    that much later than it was: it overlaps with its successor's.
    """
    story = in_process(old, begins_s=60, restored=2, transit_s=0.003)

    assert [key.partition("|")[0] for key in story.fold.restarts] == ["in_process"]
    assert "down" not in story.live()
    assert story.live()["recomputing"] == pytest.approx(20, abs=0.01)
    assert story.fold.incidents[0].lost_steps == 2
    assert story.fold.outcome == "succeeded"
    assert books_close(story)


def test_a_replaced_process_comes_back_as_a_process() -> None:
    """Another pid: it was started anew."""
    story = tell(first().cut(5), second(100).steps(5, 9, each=10).bye())

    assert story.fold.incidents[0].how is How.PROCESS
    assert story_s(story.fold.incidents[0].returned_ns or 0) == 100
    assert story_s(story.fold.incidents[0].recovered_ns or 0) == 115


def test_a_fresh_start_redoes_everything() -> None:
    """It counts as restored just before the first step that the run ever made."""
    story = tell(
        Rank(inc="a" * 16, pid=1).init(5).steps(1, 5, each=10).cut(5),
        second(100).declare(-1).steps(1, 8, each=10).bye(),
        rules=PINNED,
    )

    assert story.live()["recomputing"] == 50
    assert story.fold.incidents[0].restored_step == 0
    assert story.fold.incidents[0].lost_steps == 5
    assert books_close(story)


def test_a_restart_that_declares_nothing_is_placed_by_its_first_step() -> None:
    """Who completes step 3 first had resumed from step 2."""
    story = tell(first().cut(5), second(100).steps(3, 8, each=10).bye(), rules=PINNED)

    assert story.live()["recomputing"] == 20
    assert story.fold.incidents[0].restored_step == 2
    assert story.fold.incidents[0].lost_steps == 2
    assert books_close(story)


def test_a_rollback_inside_an_incarnation_recomputes_without_an_interruption() -> None:
    """A loss spike: the job loads step 4 again and goes on from there."""
    rank = first(10).restore(3, 4).steps(5, 12, each=10).bye()
    story = tell(rank, rules=PINNED)

    assert story.live() == {
        "initializing": 5,
        "productive": 130,
        "restoring": 3,
        "recomputing": 50,
    }
    assert story.settled()["lost"] == 50
    assert story.fold.incidents == []
    assert story.fold.attempt == 1
    assert books_close(story)


def test_a_rollback_that_nobody_declares_is_seen_in_the_step_numbers() -> None:
    """Step 5 after step 9: four steps are gone."""
    story = tell(first(10).steps(5, 12, each=10).bye(), rules=PINNED)

    assert story.live() == {"initializing": 5, "productive": 130, "recomputing": 50}
    assert story.settled()["lost"] == 50
    assert story.fold.progress.high_water == 12
    assert story.fold.incidents == []
    assert books_close(story)


def test_a_rollback_and_the_steps_around_it_may_come_in_one_message() -> None:
    """Steps of 0.5 s, a message every 5 s: the group before it, then the one after."""
    rank = Rank().init(5).steps(0, 42, each=0.5).declare(39).steps(40, 99, each=0.5)
    story = tell(rank.bye(), every_s=5.0)

    assert story.fold.steps_redone == 3
    assert story.fold.steps_first == 100
    assert story.live()["recomputing"] == pytest.approx(1.5, abs=1)
    assert books_close(story)


def test_two_rollbacks_to_the_same_step_are_two() -> None:
    """Each costs what it costs."""
    rank = first(10).restore(1, 7).steps(8, 9, each=10).restore(1, 7)
    story = tell(rank.steps(8, 10, each=10).bye(), rules=PINNED)

    assert story.live()["recomputing"] == 40
    assert story.fold.steps_first == 11
    assert books_close(story)


def test_a_second_crash_before_the_run_recovered_takes_over() -> None:
    """The steps redone before it are the first's, the outage after it its own."""
    story = tell(
        first(10).cut(5),
        second(120).declare(4).steps(5, 6, each=10).cut(5),
        third(200).declare(4).steps(5, 12, each=10).bye(),
        rules=PINNED,
    )
    one, two = story.fold.incidents

    assert story.live()["recomputing"] == 20 + 50
    assert one.gpu_ns == {
        RunState.INTERRUPTED: ns(5),
        RunState.DOWN: ns(10),
        RunState.INITIALIZING: ns(5),
        RunState.RECOMPUTING: ns(20),
    }
    assert two.gpu_ns == {
        RunState.INTERRUPTED: ns(5),
        RunState.DOWN: ns(50),
        RunState.INITIALIZING: ns(5),
        RunState.RECOMPUTING: ns(50),
    }
    assert one.recovered_ns is None
    assert story_s(two.recovered_ns or 0) == 265
    assert books_close(story)


def test_the_first_step_of_all_ends_no_incident() -> None:
    """A crash loop in init recovers with the first step ever."""
    story = tell(
        Rank(inc="a" * 16, pid=1).init(60),
        second(100).steps(0, 4, each=10).bye(),
        rules=PINNED,
    )

    assert story_s(story.fold.incidents[0].recovered_ns or 0) == 115
    assert not story.fold.recovering
    assert {s.cause for s in of_incident(story, None)} == {Cause.NONE}


def test_the_high_water_mark_outlives_every_restart() -> None:
    """It is the run's, not the incarnation's."""
    story = tell(
        first(10).cut(5),
        second(120).declare(2).steps(3, 4, each=10).cut(5),
        third(200).declare(2).steps(3, 4, each=10).cut(5),
        after_s=10,
    )

    assert story.fold.progress.high_water == 9
    assert story.fold.steps_first == 10
    assert story.fold.steps_redone == 4


def test_a_restart_opens_an_attempt() -> None:
    """One try of a run each; the first is one too."""
    story = tell(first().cut(5), second(100).steps(5, 9, each=10).bye())

    assert [e.detail["number"] for e in events(story, EventKind.ATTEMPT)] == [1, 2]


def test_a_process_that_ended_after_its_replacement_began_was_not_missing() -> None:
    """An overlap of two processes of one rank leaves no outage and no doubt."""
    story = tell(first().cut(5), second(58).steps(5, 9, each=10).bye(), rules=PINNED)

    assert story.conserves()


def test_a_hello_that_comes_late_restates_the_outage() -> None:
    """
    A process that lived for 20 s before its first word was not down then.

    Counters had shown an outage, and keep it; hindsight knows better.
    """
    seen = observations(
        [first().cut(5), second(100).init(35).steps(5, 9, each=10).bye()]
    )
    known = [
        o
        for o in seen
        if not (o.incarnation == "b" * 16 and o.at_ns < ns(START_S + 120))
    ]
    story = Observer(PINNED).watch(known, 260)

    assert story.live()["down"] == pytest.approx(40 + 20, abs=2)
    assert story.settled()["down"] == 40
    assert story.settled()["initializing"] == 5 + 40
    assert books_close(story)


def test_that_the_first_new_step_was_slow_is_nobodys_cost_even_if_it_is_lost() -> None:
    """It is progress as the rest of the step is; what loses it is the next crash."""
    first = Rank(inc="a" * 16, pid=1).init(5).steps(0, 3, each=10).cut(5)
    second = Rank(inc="b" * 16, pid=2, begins_s=60).init(5).declare(-1)
    second.steps(0, 3, each=10).steps(4, 4, each=14).cut(6)
    third = Rank(inc="c" * 16, pid=3, begins_s=150).init(5).declare(3)
    story = tell(first, second, third.steps(4, 9, each=10).bye(), rules=PINNED)

    restart, loss = story.fold.incidents
    assert RunState.SLOW not in restart.gpu_ns
    assert loss.settled_ns[RunState.LOST] == ns(14)
    assert story.fold.book.settled.bad_gpu_ns[Cause.NONE] == ns(5)
    assert books_close(story)
