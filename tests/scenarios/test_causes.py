"""Why time was lost: the first event decides, until the run is past where it was."""

from __future__ import annotations

import pytest

from goodput_exporter.domain.bookings import EventKind
from goodput_exporter.domain.observations import RankExited
from goodput_exporter.domain.states import Cause, RunState
from tests.fakes.ranks import Rank, ns
from tests.fakes.stories import START_S, Observer, observations
from tests.scenarios.telling import (
    PINNED,
    books_close,
    events,
    lost_by_cause,
    of_incident,
    story_s,
    tell,
    where,
)


def life() -> Rank:
    """Return a rank that dies five seconds into its eleventh step, at 110 s."""
    return Rank(inc="a" * 16, pid=1).init(5).steps(0, 9, each=10).cut(5)


def back() -> Rank:
    """Return its replacement: three steps redone, then three new ones."""
    rank = Rank(inc="b" * 16, pid=2, begins_s=150).init(5).restore(4, 6)
    return rank.steps(7, 12, each=10)


def ended(code: int | None, *, also: Rank | None = None) -> Observer:
    """Watch the first life end with a status, and perhaps another follow."""
    seen = observations([life()], known_exit=False)
    seen.append(RankExited("a" * 16, ns(START_S + 110), code, f"pid 1: {code}"))
    if also is not None:
        seen += observations([also])
    return Observer(PINNED).watch(seen, 260)


@pytest.mark.parametrize(
    ("code", "cause", "rule"),
    [
        (1, Cause.APPLICATION_ERROR, "exit-code"),
        (137, Cause.APPLICATION_ERROR, "exit-code"),
        (-11, Cause.APPLICATION_ERROR, "crash-signal"),
        (-6, Cause.APPLICATION_ERROR, "crash-signal"),
        (-2, Cause.USER, "interrupted-by-hand"),
        (-15, Cause.APPLICATION_ERROR, "terminated"),
        (-9, Cause.UNKNOWN, "nothing-seen"),
        (None, Cause.UNKNOWN, "nothing-seen"),
    ],
)
def test_the_status_of_the_first_process_names_the_cause(
    code: int | None, cause: Cause, rule: str
) -> None:
    """The rule that decided and what it rests on are kept."""
    (incident,) = ended(code).fold.incidents

    assert (incident.cause, incident.rule) == (cause, rule)
    assert len(incident.evidence) == 1
    assert incident.evidence[0].startswith("rank 0")
    assert incident.evidence[0].endswith(f"pid 1: {code}")


def test_the_first_start_has_no_cause() -> None:
    """Starting up is lost time, and nobody's incident."""
    story = tell(life(), rules=PINNED, after_s=0)

    assert lost_by_cause(story) == {"none": 5}
    assert {s.incident for s in story.segments()} == {None}


def test_an_interruption_is_paid_from_the_last_step_to_the_first_new_one() -> None:
    """The cut step, the outage, starting, restoring and redoing: one sum."""
    story = ended(1, also=back().bye())
    spans = [s.span for s in of_incident(story, 1)]

    assert lost_by_cause(story) == {
        "none": 5,
        "application_error": 5 + 40 + 5 + 4 + 30,
    }
    assert story_s(min(spans).start_ns) == 105
    assert story_s(max(spans).end_ns) == 189
    assert books_close(story)


def test_after_the_first_new_step_time_is_lost_by_no_incident() -> None:
    """A save or a wait after the recovery is the run's own."""
    rank = back().save(7, 12).steps(13, 13, each=10).bye()
    story = ended(1, also=rank)

    assert story.live()["checkpointing"] == 7
    assert lost_by_cause(story)["none"] == 5 + 7
    assert not story.fold.recovering


def test_what_the_first_new_step_waits_for_is_the_interruption_s() -> None:
    """Before it is complete the run has not recovered."""
    rank = Rank(inc="b" * 16, pid=2, begins_s=150).init(5).declare(9).data(8)
    story = ended(1, also=rank.steps(10, 12, each=10).bye())

    assert lost_by_cause(story)["application_error"] == 5 + 40 + 5 + 8


def test_progress_is_nobody_s_cost() -> None:
    """The first new step ends the incident and belongs to none."""
    story = ended(1, also=back().bye())
    good = [s for s in story.segments() if s.state is RunState.PRODUCTIVE]

    assert {(s.cause, s.incident) for s in good} == {(Cause.NONE, None)}
    assert RunState.PRODUCTIVE not in story.fold.incidents[0].gpu_ns


def test_a_second_interruption_takes_over_from_its_own_start() -> None:
    """A kill by nobody known, then a crash while redoing: two sums, no overlap."""
    seen = observations([life()], known_exit=False)
    seen.append(RankExited("a" * 16, ns(START_S + 110), -9))
    again = Rank(inc="b" * 16, pid=2, begins_s=150).init(5).restore(5, 6)
    seen += observations([again.steps(7, 7, each=10).cut(5)], known_exit=False)
    seen.append(RankExited("b" * 16, ns(START_S + 175), 1))
    third = Rank(inc="c" * 16, pid=3, begins_s=200).init(5).restore(5, 6)
    seen += observations([third.steps(7, 12, each=10).bye()])
    story = Observer(PINNED).watch(seen, 330)

    assert lost_by_cause(story) == {
        "none": 5,
        "unknown": 5 + 40 + 5 + 5 + 10,
        "application_error": 5 + 25 + 5 + 5 + 30,
    }
    assert books_close(story)


def test_a_phase_that_a_rank_dies_in_was_booked_before_anybody_knew() -> None:
    """It keeps its state and its cause: counters take nothing back."""
    rank = Rank(inc="a" * 16, pid=1).init(5).steps(0, 4, each=10).data(20)
    story = tell(rank, rules=PINNED, after_s=10)

    assert story.live()["data_wait"] == 20
    assert lost_by_cause(story)["none"] == 25


def test_an_interruption_is_an_event_with_its_evidence() -> None:
    """Whoever asks why finds when, by which rule, and what was seen."""
    (event,) = events(ended(1), EventKind.INTERRUPTED)

    assert story_s(event.at_ns) == 110
    assert event.detail["incident"] == 1
    assert event.detail["cause"] == "application_error"
    assert event.detail["rule"] == "exit-code"
    assert event.detail["rank"] == 0
    assert str(event.detail["evidence"]).endswith("pid 1: 1")


def test_a_restart_is_counted_by_how_and_why() -> None:
    """The label is the cause of what it recovers from."""
    assert ended(1, also=back().bye()).fold.restarts == {"process|application_error": 1}


def test_later_deaths_do_not_replace_the_first_cause() -> None:
    """Rank 1 is killed by the teardown that rank 0's error began."""
    zero = Rank(inc="a" * 16, rank=0, world=2, pid=1).init(5).steps(0, 4, each=10)
    one = Rank(inc="b" * 16, rank=1, world=2, pid=2).init(5).steps(0, 4, each=10)
    seen = observations([zero.cut(5), one.cut(5)], known_exit=False)
    seen.append(RankExited("a" * 16, ns(START_S + 60), 1))
    seen.append(RankExited("b" * 16, ns(START_S + 62), -9))
    story = Observer(PINNED).watch(seen, 100)
    (incident,) = story.fold.incidents

    assert incident.cause is Cause.APPLICATION_ERROR
    assert len(incident.evidence) == 2
    assert where(story, RunState.DOWN)[0][0] == 60
    assert story.fold.interruptions == 1


def test_a_rank_without_a_number_is_called_the_rank() -> None:
    """None is not zero: nobody said that it was rank 0."""
    story = tell(
        Rank(inc="a" * 16, rank=-1, world=-1, pid=1).init(5).cut(5), after_s=10
    )

    assert story.fold.incidents[0].evidence[0].startswith("the rank")
    assert story.fold.asked == 1
