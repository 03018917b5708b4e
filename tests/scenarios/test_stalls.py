"""When an open span is no longer slow but stalled, and when it is not."""

from __future__ import annotations

import pytest

from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import Cause, Phase, RunState
from tests.fakes.ranks import Rank
from tests.fakes.stories import Observer, observations
from tests.scenarios.telling import PINNED, books_close, lost_by_cause, tell, where


def five_steps() -> Rank:
    """Return a rank whose fifth step is over at 55 s."""
    return Rank(inc="a" * 16, pid=1).init(5).steps(0, 4, each=10)


def learned() -> Rank:
    """Return a rank whose run has learned its step time; 30 steps, 305 s."""
    return Rank(inc="a" * 16, pid=1).init(5).steps(0, 29, each=10)


def test_a_hang_that_resolves_is_stalled_from_the_last_completed_step() -> None:
    """Of a step of 200 s one reference step time is the step, the rest a stall."""
    story = tell(five_steps().steps(5, 9, each=10).bye(), rules=PINNED)
    hung = tell(five_steps().steps(5, 5, each=200).bye(), rules=PINNED)

    assert "stalled" not in story.live()
    assert hung.live() == {"initializing": 5, "productive": 60, "stalled": 190}
    assert where(hung, RunState.STALLED) == [(55, 245)]
    assert books_close(hung)


def test_a_hang_is_judged_by_the_reference_that_the_run_learned() -> None:
    """Nobody pinned anything; thirty steps taught the run its step time."""
    story = tell(learned().steps(30, 30, each=200).steps(31, 33, each=10).bye())

    assert story.live() == {"initializing": 5, "productive": 340, "stalled": 190}
    assert books_close(story)


def test_a_hang_without_a_reference_keeps_the_usual_step_open() -> None:
    """Five steps are no reference yet; their median is the best there is."""
    story = tell(five_steps().steps(5, 5, each=200).steps(6, 9, each=10).bye())

    assert story.live() == {"initializing": 5, "productive": 100, "stalled": 190}
    assert books_close(story)


def test_a_hang_that_is_killed_is_stalled_and_then_down_by_hang() -> None:
    """A watchdog's kill is not the cause, it is the end of it."""
    story = tell(
        five_steps().cut(200),
        Rank(inc="b" * 16, pid=2, begins_s=300)
        .init(5)
        .restore(5, 4)
        .steps(5, 9, each=10)
        .bye(),
        rules=PINNED,
    )

    assert story.live() == {
        "initializing": 10,
        "restoring": 5,
        "productive": 100,
        "stalled": 190,
        "interrupted": 10,
        "down": 45,
    }
    assert where(story, RunState.STALLED) == [(55, 245)]
    assert story.fold.incidents[0].cause is Cause.HANG
    assert story.fold.incidents[0].rule == "stalled-before-the-end"
    # Productive time is nobody's loss; the first start had no cause.
    assert lost_by_cause(story) == {"none": 5, "hang": 190 + 10 + 45 + 5 + 5}
    assert books_close(story)


def test_a_hang_from_the_first_step_on_leaves_nothing_open() -> None:
    """No step was ever complete, so nothing tells how much of it was a step."""
    story = tell(Rank().init(5).cut(100), after_s=10)

    assert story.live()["stalled"] == pytest.approx(100, abs=2)
    assert set(story.live()) <= {"initializing", "stalled", "interrupted", "down"}
    assert story.fold.incidents[0].cause is Cause.HANG
    assert books_close(story)


def test_a_step_at_its_limit_is_no_hang() -> None:
    """A hundred seconds are slow for a step of ten, and it did complete."""
    story = tell(five_steps().steps(5, 5, each=100).bye(), rules=PINNED)

    assert story.live() == {"initializing": 5, "productive": 60, "slow": 90}
    assert books_close(story)


def test_a_step_killed_before_its_limit_was_no_hang() -> None:
    """Fifty seconds in a step of ten seconds: slow perhaps, stalled not yet."""
    story = tell(five_steps().cut(50), rules=PINNED, after_s=10)

    assert story.live()["interrupted"] == 50
    assert story.fold.incidents[0].cause is Cause.UNKNOWN


def test_counters_show_a_hang_while_it_lasts() -> None:
    """Nobody has to wait for its end: past the limit it is booked as it goes."""
    seen = observations([five_steps().cut(600)])
    before = Observer(PINNED).watch(seen, 55 + 60)
    during = Observer(PINNED).watch(seen, 300)

    assert "stalled" not in before.live()
    assert before.open_ns() > 50 * NS_PER_SECOND
    assert during.live()["stalled"] == pytest.approx(300 - 55 - 10, abs=8)
    assert during.open_ns() == 10 * NS_PER_SECOND
    assert during.conserves()


def test_the_step_limit_grows_with_the_run_s_own_steps() -> None:
    """A run of 30 s steps may take 300 s for one before it is called a hang."""
    rank = Rank().init(5).steps(0, 9, each=30).steps(10, 10, each=290)
    story = tell(rank.steps(11, 12, each=30).bye())

    assert "stalled" not in story.live()


def test_the_step_limit_is_ten_times_the_slowest_hundredth() -> None:
    """At 310 s the same run has a hang."""
    rank = Rank().init(5).steps(0, 9, each=30).steps(10, 10, each=310)
    story = tell(rank.steps(11, 12, each=30).bye())

    assert story.live()["stalled"] == 280
    assert books_close(story)


def test_a_stalled_step_teaches_no_limit() -> None:
    """After a hang of 200 s a second one is found as soon as the first."""
    rank = five_steps().steps(5, 5, each=200).steps(6, 6, each=110)
    story = tell(rank.bye(), rules=PINNED)

    assert story.live()["stalled"] == 190 + 100


def test_what_a_step_waits_for_does_not_count_towards_its_limit() -> None:
    """Fifty seconds of input and fifty of work are two phases within their limits."""
    story = tell(five_steps().cut(25).data(50).cut(30).bye(), rules=PINNED)

    assert "stalled" not in story.live()
    assert story.live()["data_wait"] == 50


def test_a_checkpoint_of_twelve_minutes_is_not_a_stall() -> None:
    """A long checkpoint is not a hang."""
    story = tell(five_steps().save(12 * 60, 4).steps(5, 5, each=10).bye(), rules=PINNED)

    assert story.live() == {
        "initializing": 5,
        "productive": 60,
        "checkpointing": 720,
    }


@pytest.mark.parametrize(
    ("phase", "minutes", "state"),
    [
        ("checkpoint_save", 30, "checkpointing"),
        ("checkpoint_restore", 30, "restoring"),
        ("init", 30, "initializing"),
        ("compile", 30, "initializing"),
        ("finalize", 30, "idle"),
        ("data_loading", 10, "data_wait"),
        ("eval", 10, "evaluating"),
    ],
)
def test_a_phase_is_stalled_from_its_limit_on(
    phase: str, minutes: int, state: str
) -> None:
    """One minute more than the floor allows: that minute is stalled, no more."""
    rank = Rank().phase("idle", 5).phase(phase, 60 * (minutes + 1))
    story = tell(rank.phase("idle", 5).bye(), every_s=10.0)
    live = story.live()
    live["idle"] = live.get("idle", 0) - 10

    assert live[state] == 60 * minutes
    assert live["stalled"] == 60
    assert where(story, RunState.STALLED) == [(5 + 60 * minutes, 65 + 60 * minutes)]
    assert books_close(story)


@pytest.mark.parametrize("phase", ["idle", "other"])
def test_some_phases_may_last_for_ever(phase: str) -> None:
    """Idling, and what a job names itself, have no limit."""
    story = tell(five_steps().phase(phase, 3 * 3600).bye(), every_s=60.0)

    assert "stalled" not in story.live()
    assert story.live()[phase] == 3 * 3600


def test_a_phase_that_usually_takes_long_may_take_long() -> None:
    """After a save of ten minutes one of forty is within ten times its usual."""
    rank = five_steps().save(600, 4).steps(5, 5, each=10).save(2400, 5)
    story = tell(rank.steps(6, 6, each=10).bye(), every_s=10.0)

    assert story.live()["checkpointing"] == 3000
    assert "stalled" not in story.live()


def test_short_waits_one_after_another_are_no_long_wait() -> None:
    """Forty waits of twenty seconds are waiting for data, each within its limit."""
    story = tell(five_steps().steps(5, 44, each=2, data=20).bye())

    assert "stalled" not in story.live()
    assert story.live()["data_wait"] == 800


def test_a_limit_is_a_setting() -> None:
    """Whoever knows that a step takes a second may look for hangs of ten."""
    rules = Rules(
        reference_step_ns=NS_PER_SECOND,
        stall_floors_ns={Phase.TRAIN_STEP: 10 * NS_PER_SECOND},
    )
    story = tell(
        Rank().init(5).steps(0, 4, each=1).steps(5, 5, each=20).bye(), rules=rules
    )

    assert story.live() == {"initializing": 5, "productive": 6, "stalled": 19}


def test_a_wait_that_is_killed_past_its_limit_was_a_hang() -> None:
    """Eleven minutes without input, then the watchdog: the cause is the hang."""
    story = tell(five_steps().data(11 * 60), rules=PINNED, after_s=10)

    assert story.live()["data_wait"] == 600
    assert story.live()["stalled"] == 60
    assert story.fold.incidents[0].cause is Cause.HANG
    assert books_close(story)


def test_a_wait_that_is_killed_within_its_limit_was_no_hang() -> None:
    """Nine minutes of waiting for data are within what data may take."""
    story = tell(five_steps().data(9 * 60), rules=PINNED, after_s=10)

    assert story.fold.incidents[0].cause is Cause.UNKNOWN


def test_a_hang_that_resolved_is_not_the_cause_of_a_later_end() -> None:
    """The run went on for ten steps; then something else ended it."""
    rank = five_steps().steps(5, 5, each=200).steps(6, 15, each=10).cut(4)
    story = tell(rank, rules=PINNED, after_s=10)

    assert story.fold.incidents[0].cause is Cause.UNKNOWN


def test_the_time_of_a_hang_is_lost_by_hang_even_if_nobody_died() -> None:
    """A stall names its own cause."""
    story = tell(five_steps().steps(5, 5, each=200).bye(), rules=PINNED)

    assert lost_by_cause(story) == {"none": 5, "hang": 190}
    assert story.fold.incidents == []


def test_a_hang_while_redoing_steps_is_stalled_not_recomputing() -> None:
    """The excess is no execution of any step."""
    story = tell(
        five_steps().cut(4),
        Rank(inc="b" * 16, pid=2, begins_s=100)
        .init(5)
        .declare(1)
        .steps(2, 3, each=10)
        .steps(4, 4, each=200)
        .steps(5, 5, each=10)
        .bye(),
        rules=PINNED,
    )

    assert story.live()["recomputing"] == 30
    assert story.live()["stalled"] == 190
    assert story.settled()["stalled"] == 190
    assert books_close(story)


def test_several_steps_after_a_hang_share_what_was_kept_open() -> None:
    """One message tells of the hung step and of two more: each gets a reference."""
    rank = five_steps().steps(5, 5, each=200).steps(6, 7, each=10).bye()
    story = tell(rank, rules=PINNED, every_s=45.0)

    assert story.live()["stalled"] == pytest.approx(190, abs=20)
    assert story.live()["productive"] == pytest.approx(80, abs=20)
    assert books_close(story)
