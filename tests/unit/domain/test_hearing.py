"""One incarnation's cumulative reports become phases with positions, and marks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from goodput_exporter.domain.hearing import extend, hear
from goodput_exporter.domain.life import Life, Mark, born
from goodput_exporter.domain.limits import Durations
from goodput_exporter.domain.observations import ModelFacts, RankReport
from goodput_exporter.domain.settings import MINUTE_NS, Rules
from goodput_exporter.domain.states import Phase, RunState

S = 1_000_000_000
RULES = Rules()


def report(seq: int, up: float, phase: Phase, age: float, **cum: float) -> RankReport:
    """Return a report at second 1000 + *up*, with the time spent by phase."""
    return RankReport(
        incarnation="a" * 16,
        seq=seq,
        at_ns=round((1000 + up) * S),
        up_ns=round(up * S),
        phase=phase,
        phase_age_ns=round(age * S),
        cum_ns={Phase(name): round(spent * S) for name, spent in cum.items()},
        rank=0,
        world_size=1,
        pid=7,
    )


def stepping(seq: int, up: float, done: int, step: int | None = None) -> RankReport:
    """Return a report of a rank that does nothing but step since second 0."""
    said = report(seq, up, Phase.TRAIN_STEP, up, train_step=up)
    return replace(said, steps_done=done, step=step, step_age_ns=0)


def tell(*reports: RankReport) -> tuple[Life, list[Mark], Durations]:
    """Let a life be told, and return what it said on its way."""
    life, durations, marks = born(reports[0]), Durations(), []
    for said in reports:
        marks += hear(life, said, durations, RULES)
    return life, marks, durations


def laid(life: Life) -> list[tuple[float, float, str]]:
    """Return its pieces in seconds since its birth."""
    return [
        (p.start_ns / S - 1000, p.end_ns / S - 1000, p.state or "step")
        for p in life.pieces
    ]


def test_steps_that_are_only_counted_end_when_they_are_told() -> None:
    """
    A loop of somebody else's enters its phase once and sends its step number.

    Its phase is as old as training itself, and says nothing of the last step.
    """
    said = [
        replace(stepping(k, 10.0 * k, k, k), steps_done=None, step_age_ns=None)
        for k in range(1, 5)
    ]

    _, marks, _ = tell(*said)

    told = [(mark.at_ns / S - 1000, mark.step) for mark in marks]
    assert told == [(10.0, 1), (20.0, 2), (30.0, 3), (40.0, 4)]


def test_a_step_ended_when_the_next_one_began() -> None:
    """A loop that enters its phase anew with each step tells so without an age."""
    first = replace(stepping(1, 10, 1, 1), step_age_ns=None)
    begun = report(2, 20, Phase.TRAIN_STEP, 4, train_step=20)

    _, marks, _ = tell(first, replace(begun, step=2))

    assert [mark.at_ns / S - 1000 for mark in marks][1:] == [16.0]


def test_a_life_begins_as_long_ago_as_it_is_old() -> None:
    """Its first report may come late."""
    life = born(report(4, 30, Phase.INIT, 30, init=30))

    assert life.started_ns == 1000 * S
    assert life.reported_ns == 1000 * S
    assert life.pieces == []
    assert life.is_alive
    assert life.devices == 1


def test_a_rank_has_as_many_devices_as_it_names() -> None:
    """And one if it names none."""
    said = report(0, 0, Phase.INIT, 0)
    named = replace(said, facts=ModelFacts(gpu_uuids=("a", "b")))

    assert born(named).devices == 2
    assert born(replace(said, facts=ModelFacts())).devices == 1
    assert tell(said, replace(named, seq=1))[0].devices == 2


def test_phases_lie_in_order_the_present_one_last() -> None:
    """Init went on, data and a save came between in table order, now a step."""
    life, _, _ = tell(
        report(0, 2, Phase.INIT, 2, init=2),
        report(
            1,
            12,
            Phase.TRAIN_STEP,
            3,
            init=4,
            data_loading=1,
            checkpoint_save=2,
            train_step=5,
        ),
    )

    assert laid(life) == [
        (0, 4, "initializing"),
        (4, 6, "checkpointing"),
        (6, 7, "data_wait"),
        (7, 12, "step"),
    ]


def test_the_present_phase_lasts_as_long_as_it_says() -> None:
    """What it did of the same phase earlier lies before the others."""
    life, _, _ = tell(
        report(0, 2, Phase.TRAIN_STEP, 2, train_step=2),
        report(1, 10, Phase.TRAIN_STEP, 3, train_step=8, data_loading=2),
    )

    assert laid(life) == [(0, 5, "step"), (5, 7, "data_wait"), (7, 10, "step")]


def test_an_older_or_repeated_report_is_no_news() -> None:
    """Each carries the whole state."""
    life, _, durations = tell(report(5, 10, Phase.INIT, 10, init=10))
    before = laid(life)

    for seq in (5, 4):
        assert hear(life, stepping(seq, 99, 9), durations, RULES) == []
    assert laid(life) == before
    assert life.reported_ns == 1010 * S


def test_the_dead_say_nothing() -> None:
    """A datagram that comes after the end changes nothing."""
    life, _, durations = tell(report(0, 10, Phase.INIT, 10, init=10))
    life.ended_ns = 1010 * S

    assert not life.is_alive
    assert hear(life, stepping(1, 20, 2), durations, RULES) == []
    assert life.reported_ns == 1010 * S


def test_growth_that_does_not_add_up_is_scaled_to_the_time() -> None:
    """A sender's rounding neither makes time nor loses it."""
    life, _, _ = tell(report(0, 10, Phase.INIT, 0, init=8, idle=8))

    assert laid(life) == [(0, 5, "initializing"), (5, 10, "idle")]


def test_growth_that_is_missing_is_the_present_phase() -> None:
    """A sender that sums nothing still says what it does."""
    life, _, _ = tell(report(0, 10, Phase.EVAL, 10))

    assert laid(life) == [(0, 10, "evaluating")]


def test_shrinking_time_counts_as_none() -> None:
    """Cumulative time cannot go back; the rest stands."""
    life, _, _ = tell(
        report(0, 10, Phase.INIT, 10, init=10),
        report(1, 20, Phase.IDLE, 10, init=3, idle=10),
    )

    assert laid(life) == [(0, 10, "initializing"), (10, 20, "idle")]


@pytest.mark.parametrize(
    ("late", "end"), [(0.0, 10), (0.9, 10), (1.0, 10), (-1.0, 10), (1.1, 11.1)]
)
def test_small_disagreement_of_clocks_is_transit(late: float, end: float) -> None:
    """Within a second the rank's own age places its report; beyond it ours."""
    said = report(1, 10, Phase.INIT, 10, init=10)
    said = replace(said, at_ns=said.at_ns + round(late * S))
    life, _, _ = tell(report(0, 0, Phase.INIT, 0), said)

    assert life.reported_ns == round((1000 + end) * S)


def test_what_a_sleeping_machine_did_not_live_through_has_no_piece() -> None:
    """Two seconds of life in a minute of the world: the last two."""
    said = report(1, 12, Phase.INIT, 12, init=12)
    life, _, _ = tell(
        report(0, 10, Phase.INIT, 10, init=10), replace(said, at_ns=1072 * S)
    )

    assert laid(life) == [(0, 10, "initializing"), (70, 72, "initializing")]


def test_a_report_from_the_past_lays_nothing() -> None:
    """Our clock went back: its time is laid already."""
    said = report(1, 12, Phase.INIT, 12, init=12)
    life, _, _ = tell(
        report(0, 10, Phase.INIT, 10, init=10), replace(said, at_ns=900 * S)
    )

    assert laid(life) == [(0, 10, "initializing")]
    assert life.reported_ns == 1010 * S


def test_a_phase_is_stalled_from_its_limit_on() -> None:
    """Half an hour of start-up is allowed, over any number of reports."""
    life, _, _ = tell(
        report(0, 1790, Phase.INIT, 1790, init=1790),
        report(1, 1810, Phase.INIT, 1810, init=1810),
        report(2, 1830, Phase.INIT, 1830, init=1830),
    )

    assert laid(life) == [(0, 1800, "initializing"), (1800, 1830, "stalled")]


def test_a_new_stretch_of_a_phase_has_its_limit_anew() -> None:
    """Two waits of six minutes are two, even in one report."""
    life, _, durations = tell(
        report(0, 360, Phase.DATA_LOADING, 360, data_loading=360),
        report(1, 730, Phase.DATA_LOADING, 360, data_loading=720, train_step=10),
    )

    assert laid(life) == [
        (0, 360, "data_wait"),
        (360, 370, "step"),
        (370, 730, "data_wait"),
    ]
    assert durations.recent_ns == {Phase.INIT: [0], Phase.DATA_LOADING: [360 * S]}


def test_finished_stretches_teach_the_limits_and_steps_do_not() -> None:
    """A step's length is the run's to know, not one rank's."""
    _, _, durations = tell(
        report(0, 5, Phase.INIT, 5, init=5),
        report(1, 15, Phase.TRAIN_STEP, 10, init=5, train_step=10),
        report(2, 18, Phase.EVAL, 3, init=5, train_step=10, eval=3),
        report(3, 20, Phase.TRAIN_STEP, 2, init=5, train_step=12, eval=3),
    )

    assert durations.recent_ns == {Phase.INIT: [5 * S], Phase.EVAL: [3 * S]}


def test_the_end_of_a_life_is_what_it_did_last() -> None:
    """Up to its exit, and past its limit stalled."""
    life, _, durations = tell(report(0, 10, Phase.DATA_LOADING, 10, data_loading=10))
    extend(life, 1005 * S, durations, RULES)
    extend(life, 1000 * S + 11 * MINUTE_NS, durations, RULES)

    assert laid(life) == [(0, 600, "data_wait"), (600, 660, "stalled")]
    assert life.reported_ns == 1000 * S + 11 * MINUTE_NS


def test_after_a_good_goodbye_the_end_of_a_life_is_idle() -> None:
    """Teardown trains nothing."""
    bye = replace(stepping(0, 10, 1, 0), is_bye=True, ok=True)
    life, _, durations = tell(bye)
    extend(life, 1014 * S, durations, RULES)

    assert (life.said_bye, life.ok) == (True, True)
    assert laid(life) == [(0, 10, "step"), (10, 14, "idle")]


def test_ok_without_a_goodbye_means_nothing() -> None:
    """Only a goodbye can be a good one."""
    life, _, _ = tell(replace(stepping(0, 10, 1, 0), ok=True))

    assert (life.said_bye, life.ok) == (False, False)


def test_a_first_step_ends_the_start_up() -> None:
    """From its beginning on; before it the rank starts up."""
    life, _, _ = tell(
        report(0, 5, Phase.INIT, 5, init=5),
        report(1, 9, Phase.TRAIN_STEP, 4, init=5, train_step=4),
    )

    assert life.starts_up_at(1005 * S)
    assert not life.starts_up_at(1005 * S + 1)
    assert tell(report(0, 5, Phase.INIT, 5, init=5))[0].starts_up_at(2000 * S)


def test_a_step_is_complete_when_its_age_says() -> None:
    """Three seconds before the report, and never before the step before it."""
    said = replace(stepping(0, 10, 3, 2), step_age_ns=3 * S)
    again = replace(stepping(1, 12, 4, 3), step_age_ns=9 * S)
    _, marks, _ = tell(said, again)

    assert marks == [Mark(1007 * S, 2, 3, 3), Mark(1007 * S, 3, 1, 1)]


@pytest.mark.parametrize(
    ("phase", "age", "at"), [(Phase.TRAIN_STEP, 4, 6), (Phase.EVAL, 4, 10)]
)
def test_without_an_age_the_present_step_s_begin_is_the_last_one_s_end(
    phase: Phase, age: float, at: float
) -> None:
    """And in any other phase the report itself."""
    said = report(0, 10, phase, age, train_step=6, eval=4)
    _, marks, _ = tell(replace(said, steps_done=2, step=1))

    assert [mark.at_ns for mark in marks] == [round((1000 + at) * S)]


def test_steps_are_counted_by_number_where_the_sender_does_not_count() -> None:
    """From step 4 to step 7 are three; the first report of a number is one."""
    reports = [
        replace(stepping(n, 10 * n + 10, 0, st), steps_done=None)
        for n, st in enumerate((4, 7, 7, 5))
    ]
    _, marks, _ = tell(*reports)

    assert [(m.step, m.count) for m in marks if m.count] == [(4, 1), (7, 3), (5, 1)]
    assert [m.restored for m in marks if m.restored is not None] == [4]


def test_steps_that_do_not_move_the_number_were_skipped() -> None:
    """Five executed, two numbers: three of them advanced nothing."""
    _, marks, _ = tell(stepping(0, 10, 3, 2), stepping(1, 20, 8, 4))

    assert marks[1] == Mark(1020 * S, 4, 5, 2)


def test_no_news_of_steps_is_no_mark() -> None:
    """A report in the middle of a step."""
    _, marks, _ = tell(stepping(0, 10, 3, 2), stepping(1, 11, 3, 2))

    assert len(marks) == 1


def test_local_and_missing_numbers_count_what_was_done() -> None:
    """The mark holds the count so far, and says that it is the rank's own."""
    local = [
        replace(stepping(n, 10 * n + 10, n + 2, n + 1), step_is_local=True)
        for n in range(2)
    ]
    _, marks, _ = tell(*local)
    _, nameless, _ = tell(stepping(0, 10, 4))

    assert [(m.step, m.count, m.advanced, m.local) for m in marks] == [
        (2, 2, 2, True),
        (3, 1, 1, True),
    ]
    assert [(m.step, m.count, m.local) for m in nameless] == [(4, 4, True)]


def test_a_declared_step_lies_before_the_steps_after_it() -> None:
    """At the last report before, since nothing later is known."""
    first = report(0, 5, Phase.CHECKPOINT_RESTORE, 5, checkpoint_restore=5)
    _, marks, _ = tell(first, replace(stepping(1, 20, 2, 8), restored_step=6))

    assert [(m.at_ns, m.restored, m.step) for m in marks] == [
        (1005 * S, 6, None),
        (1020 * S, None, 8),
    ]


def test_a_declaration_is_news_once() -> None:
    """Every report repeats it."""
    said = [
        replace(stepping(n, 10 * n + 10, n, n + 6), restored_step=6) for n in range(3)
    ]
    _, marks, _ = tell(*said)

    assert [m.restored for m in marks if m.restored is not None] == [6]


def test_a_local_rank_s_declaration_is_not_the_run_s() -> None:
    """Its numbers are its own."""
    said = replace(stepping(0, 10, 2, 1), restored_step=0, step_is_local=True)
    _, marks, _ = tell(said)

    assert [m.restored for m in marks] == [None]


def test_a_number_that_falls_was_a_rollback() -> None:
    """Step 5 after step 9, two steps later: it went back to 3."""
    _, marks, _ = tell(stepping(0, 10, 10, 9), stepping(1, 20, 12, 5))

    assert [(m.at_ns, m.restored) for m in marks[1:2]] == [(1010 * S, 3)]
    assert marks[2] == Mark(1020 * S, 5, 2, 2)


def test_steps_before_and_after_a_rollback_may_come_together() -> None:
    """Five steps: three up to step 12, back to 4, and two more."""
    _, marks, _ = tell(
        stepping(0, 10, 10, 9), replace(stepping(1, 20, 15, 6), restored_step=4)
    )

    assert marks[1:] == [
        Mark(1010 * S, 12, 3, 3),
        Mark(1010 * S, restored=4),
        Mark(1020 * S, 6, 2, 2),
    ]


def test_checkpoints_are_marks_when_they_change() -> None:
    """Saved and durable, each by itself."""
    said = [
        replace(stepping(0, 10, 1, 0), saved_step=0),
        replace(stepping(1, 20, 1, 0), saved_step=0, durable_step=0),
        replace(stepping(2, 30, 1, 0), saved_step=3, durable_step=0),
    ]
    _, marks, _ = tell(*said)

    assert [(m.at_ns / S, m.saved, m.durable) for m in marks[1:]] == [
        (1010, 0, None),
        (1020, None, 0),
        (1030, 3, None),
    ]


def test_a_durable_step_taken_back_may_be_said_again() -> None:
    """After a rollback the same step is saved a second time."""
    said = [
        replace(stepping(n, 10, 1, 0), durable_step=step)
        for n, step in enumerate((9, 9, None, 9))
    ]
    _, marks, _ = tell(*said)

    assert [m.durable for m in marks if m.durable is not None] == [9, 9]


def test_tokens_and_flops_are_what_grew() -> None:
    """A counter that went back has measured nothing, which is not zero (rule 12)."""
    said = [
        replace(stepping(0, 10, 1, 0), tokens=100, flops=7.0),
        replace(stepping(1, 20, 3, 2), tokens=350, flops=9.0),
        replace(stepping(2, 30, 4, 3), tokens=300, flops=8.0),
    ]
    _, marks, _ = tell(*said)

    grown = [(m.tokens, m.flops) for m in marks]
    assert grown == [(100, 7.0), (250, 2.0), (None, None)]


def test_tokens_of_one_rank_are_not_the_run_s() -> None:
    """Not measured is absent."""
    own = replace(stepping(0, 10, 1, 0), tokens=100, tokens_are_global=False)

    assert [(m.tokens, m.flops) for m in tell(own)[1]] == [(None, None)]
    assert [m.tokens for m in tell(stepping(0, 10, 1, 0))[1]] == [None]


def test_a_known_pid_and_world_stay_known() -> None:
    """A report without them takes nothing back."""
    said = stepping(0, 10, 1, 0)
    life, _, _ = tell(said, replace(said, seq=1, pid=None, world_size=-1))
    other, _, _ = tell(said, replace(said, seq=1, pid=9, world_size=4))

    assert (life.pid, life.world_size) == (7, 1)
    assert (other.pid, other.world_size) == (9, 4)


def test_pieces_that_go_on_are_one() -> None:
    """The book has no seam where a report was."""
    life, _, _ = tell(
        *[report(n, n + 1, Phase.IDLE, n + 1, idle=n + 1) for n in range(5)]
    )

    assert laid(life) == [(0, 5, RunState.IDLE)]


def test_transit_that_varies_moves_no_report() -> None:
    """Half a second late, then none: the rank's own age tells them apart."""
    late = report(1, 12, Phase.INIT, 12, init=12)
    life, _, _ = tell(
        report(0, 10, Phase.INIT, 10, init=10),
        replace(late, at_ns=late.at_ns + S // 2),
    )

    assert life.reported_ns == 1012 * S
