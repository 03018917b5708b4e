"""Step time gets its name when its step completes: warm-up, redone, slow, skipped."""

from __future__ import annotations

from dataclasses import replace

import pytest

from goodput_exporter.domain.reference import Reference
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import RunState
from goodput_exporter.domain.steps import (
    Context,
    Done,
    Steps,
    StepTime,
    cut_spans,
    end_open,
    finish,
    judge,
    stall,
    take_in,
)

HERE = Context(None, 1)


def known(step_ns: int = 100) -> Reference:
    """Return a reference that is known already."""
    return Reference(lowest_ns=step_ns)


def done(first: int, last: int, *, high: int | None = None, skipped: int = 0) -> Done:
    """Return a group of completed steps."""
    return Done(first, last, skipped, high, HERE)


def complete(
    steps: Steps,
    group: Done,
    length_ns: int,
    reference: Reference | None = None,
    pinned_ns: int | None = None,
) -> list[StepTime]:
    """Let a group of steps take *length_ns*, after what was before."""
    start_ns = steps.open[-1].end_ns if steps.open else 1000 * group.first
    take_in(steps, Span(start_ns, start_ns + length_ns))
    return finish(steps, group, reference or Reference(), pinned_ns)


def sums(named: list[StepTime]) -> dict[str, int]:
    """Return named time by state."""
    found: dict[str, int] = {}
    for part in named:
        found[part.state] = found.get(part.state, 0) + part.span.length_ns
    return found


def test_open_time_that_touches_is_one_span() -> None:
    """A gap keeps two apart, and nothing is nothing."""
    steps = Steps()
    for span in (Span(0, 5), Span(5, 9), Span(9, 9), Span(12, 12), Span(20, 21)):
        take_in(steps, span)

    assert steps.open == [Span(0, 9), Span(20, 21)]
    assert steps.open_ns == 10


@pytest.mark.parametrize(
    ("length", "head", "rest"),
    [
        (0, [], [Span(0, 10), Span(20, 30)]),
        (-1, [], [Span(0, 10), Span(20, 30)]),
        (4, [Span(0, 4)], [Span(4, 10), Span(20, 30)]),
        (10, [Span(0, 10)], [Span(20, 30)]),
        (11, [Span(0, 10), Span(20, 21)], [Span(21, 30)]),
        (20, [Span(0, 10), Span(20, 30)], []),
        (99, [Span(0, 10), Span(20, 30)], []),
    ],
)
def test_spans_are_cut_by_length(
    length: int, head: list[Span], rest: list[Span]
) -> None:
    """Gaps between them count for nothing."""
    assert cut_spans([Span(0, 10), Span(20, 30)], length) == (head, rest)


def test_a_stall_leaves_the_end_of_the_open_step() -> None:
    """What stays is one reference step time, the latest."""
    steps = Steps(open=[Span(0, 300), Span(400, 500)])
    named = stall(steps, 150)

    assert [(p.span, p.state, p.kept_as) for p in named] == [
        (Span(0, 250), RunState.STALLED, RunState.STALLED)
    ]
    assert steps.open == [Span(250, 300), Span(400, 500)]
    assert steps.stalled


@pytest.mark.parametrize("keep", [400, 401])
def test_a_stall_books_nothing_of_what_must_stay_open(keep: int) -> None:
    """It is known to be one, all the same."""
    steps = Steps(open=[Span(0, 400)])

    assert stall(steps, keep) == []
    assert steps.open_ns == 400
    assert steps.stalled


def test_open_time_that_no_step_completes_gets_another_name() -> None:
    """Interrupted, or idle at a normal end; a stall is over with it."""
    steps = Steps(open=[Span(0, 4), Span(6, 7)], stalled=True)
    named = end_open(steps, RunState.INTERRUPTED)

    assert sums(named) == {"interrupted": 5}
    assert all(p.kept_as is RunState.INTERRUPTED and p.first is None for p in named)
    assert steps.open == []
    assert not steps.stalled


def test_only_the_first_three_steps_are_warm_up() -> None:
    """The fourth has no excuse."""
    steps = Steps()
    named = [complete(steps, done(n, n), 130, known()) for n in range(4)]

    assert [sums(part) for part in named] == [
        {"initializing": 30, "productive": 100},
        {"initializing": 30, "productive": 100},
        {"initializing": 30, "productive": 100},
        {"productive": 100, "slow": 30},
    ]
    assert steps.warm_left == 0


def test_the_excess_of_warm_up_comes_first_and_of_a_slow_step_last() -> None:
    """Compilation goes before the step; slowness is booked at its end."""
    warm = complete(Steps(), done(1, 1), 130, known())
    slow = complete(Steps(warm_left=0), done(1, 1), 130, known())

    assert [p.span for p in warm] == [Span(1000, 1030), Span(1030, 1130)]
    assert [p.span for p in slow] == [Span(1000, 1100), Span(1100, 1130)]
    assert [p.kept_as for p in warm] == [RunState.INITIALIZING, RunState.PRODUCTIVE]
    assert [p.kept_as for p in slow] == [RunState.PRODUCTIVE, RunState.SLOW]


def test_a_group_may_hold_warm_up_and_other_steps() -> None:
    """Five steps of 130 in one message: three warm up, two are slow."""
    steps = Steps()
    named = complete(steps, done(0, 4), 650, known())

    assert sums(named) == {"initializing": 90, "productive": 500, "slow": 60}
    assert sum(part.fresh for part in named) == 5
    assert [(p.first, p.last) for p in named][-1] == (3, 4)


def test_a_group_within_the_warm_up_loses_no_rest() -> None:
    """The last step gets what does not divide."""
    steps = Steps()
    named = complete(steps, done(0, 1), 201, known())

    assert sums(named) == {"productive": 201}
    assert steps.warm_left == 1


def test_a_pinned_reference_goes_before_a_learned_one() -> None:
    """Whoever pins it knows better, in warm-up and after it."""
    steps = Steps()
    warm = complete(steps, done(0, 2), 390, known(), pinned_ns=60)
    slow = complete(steps, done(3, 3), 130, known(), pinned_ns=60)

    assert sums(warm) == {"initializing": 210, "productive": 180}
    assert sums(slow) == {"productive": 60, "slow": 70}


def test_steps_at_or_below_the_mark_are_redone() -> None:
    """Of steps 3 to 6 at a mark of 4 two are redone, two are new."""
    named = complete(Steps(warm_left=0), done(3, 6, high=4), 480, known())

    assert sums(named) == {"recomputing": 240, "productive": 200, "slow": 40}
    assert [(p.state, p.kept_as, p.first, p.last, p.fresh) for p in named] == [
        (RunState.RECOMPUTING, RunState.PRODUCTIVE, 3, 4, 0),
        (RunState.RECOMPUTING, RunState.SLOW, 3, 4, 0),
        (RunState.PRODUCTIVE, RunState.PRODUCTIVE, 5, 6, 2),
        (RunState.SLOW, RunState.SLOW, 5, 6, 0),
    ]


@pytest.mark.parametrize(
    ("high", "state"), [(4, "productive"), (5, "recomputing"), (9, "recomputing")]
)
def test_the_mark_itself_is_redone(high: int, state: str) -> None:
    """Step 5 is new above a mark of 4, and redone at one of 5."""
    named = complete(Steps(warm_left=0), done(5, 5, high=high), 100, known())

    assert sums(named) == {state: 100}
    assert named[0].fresh == (1 if high == 4 else 0)


@pytest.mark.parametrize(
    ("high", "state"), [(4, "productive"), (5, "recomputing"), (9, "recomputing")]
)
def test_warm_up_may_be_redone(high: int, state: str) -> None:
    """Its excess is initializing all the same."""
    named = complete(Steps(), done(5, 5, high=high), 130, known())

    assert sums(named) == {"initializing": 30, state: 100}
    assert named[-1].fresh == (1 if high == 4 else 0)


def test_skipped_steps_share_the_time_and_are_other() -> None:
    """Two skipped and two completed in 400: 200 each, the skipped first."""
    steps = Steps(warm_left=0)
    named = complete(steps, done(1, 2, skipped=2), 400, known())

    assert [(p.span, p.state) for p in named] == [
        (Span(1000, 1200), RunState.OTHER),
        (Span(1200, 1400), RunState.PRODUCTIVE),
    ]
    assert named[0].first is None


def test_nothing_but_skipped_steps_is_all_other() -> None:
    """No warm-up is used up by them, and no sample is taken."""
    steps, reference = Steps(), Reference()
    named = complete(steps, done(5, 4, skipped=3), 90, reference)

    assert sums(named) == {"other": 90}
    assert steps.warm_left == 3
    assert steps.held == []
    assert reference.recent_ns == []


def test_warm_up_without_a_reference_is_held() -> None:
    """Three steps wait; the fourth is judged by nothing, so it is good."""
    steps = Steps()
    named = [complete(steps, done(n, n), 130) for n in range(4)]

    assert [sums(part) for part in named] == [{}, {}, {}, {"productive": 130}]
    assert [held.step for held in steps.held] == [0, 1, 2]
    assert steps.judges_ns == [130]


def test_five_later_steps_judge_the_held_ones_by_their_median() -> None:
    """The fifth lets them go."""
    steps = Steps()
    complete(steps, done(0, 2), 600)
    named: list[StepTime] = []
    for step, length in enumerate((100, 500, 50, 110, 90), start=3):
        assert named == []
        found = complete(steps, done(step, step), length)
        named = [part for part in found if (part.first or 0) < 3]

    assert sums(named) == {"initializing": 300, "productive": 300}
    assert steps.held == []
    assert steps.judges_ns == []


def test_five_judges_may_come_in_one_message() -> None:
    """As equal steps, even together with those they judge."""
    named = complete(Steps(), done(0, 7), 800)

    assert sums(named) == {"productive": 800}
    assert len(named) == 4


def test_four_judges_are_too_few() -> None:
    """The held ones go on waiting."""
    steps = Steps()
    complete(steps, done(0, 6), 700)

    assert len(steps.held) == 3
    assert len(steps.judges_ns) == 4


def test_held_steps_keep_what_held_when_they_were_executed() -> None:
    """Whose cost they are, and on how many devices, is not decided later."""
    steps, then = Steps(), Context(7, 64)
    take_in(steps, Span(0, 10))
    finish(steps, replace(done(0, 0), context=then), Reference(), None)
    (named,) = judge(steps, Reference(), None)

    assert named.context == then


def test_an_early_end_judges_by_the_shortest_of_the_held() -> None:
    """Not by the later ones, of which there are too few."""
    steps = Steps()
    for step, length in enumerate((300, 200, 120, 50)):
        complete(steps, done(step, step), length)
    named = judge(steps, Reference(), None)

    assert sums(named) == {"initializing": 180 + 80, "productive": 360}
    assert judge(steps, Reference(), None) == []


@pytest.mark.parametrize(("pinned", "limit"), [(None, 100), (60, 60)])
def test_a_reference_that_is_there_by_then_judges_the_held(
    pinned: int | None, limit: int
) -> None:
    """A known step time is better than any guess."""
    steps = Steps()
    complete(steps, done(0, 0), 300)
    named = judge(steps, known(), pinned)

    assert sums(named) == {"initializing": 300 - limit, "productive": limit}


def test_a_held_step_without_length_measures_nothing() -> None:
    """A hang took all of it; the others are judged among themselves."""
    steps = Steps()
    finish(steps, done(0, 0), Reference(), None)
    complete(steps, done(1, 1), 120)
    complete(steps, done(2, 2), 100)

    assert sums(judge(steps, Reference(), None)) == {
        "initializing": 20,
        "productive": 200,
    }


def test_complete_steps_after_the_warm_up_are_samples() -> None:
    """One each, of their equal length."""
    reference, steps = Reference(), Steps(warm_left=1)
    complete(steps, done(0, 4), 505, reference)

    assert reference.recent_ns == [101] * 4


@pytest.mark.parametrize("why", ["stalled", "partial"])
def test_steps_whose_time_is_not_whole_are_no_samples(why: str) -> None:
    """A stalled step's rest, and one that was partly booked blind."""
    reference = Reference()
    steps = Steps(warm_left=0, stalled=why == "stalled")
    group = replace(done(1, 1), countable=why != "partial")
    complete(steps, group, 100, reference)

    assert reference.recent_ns == []
    assert not steps.stalled


def test_a_step_that_is_not_whole_is_never_slow() -> None:
    """Nobody knows how long it really was."""
    group = replace(done(1, 1), countable=False)
    named = complete(Steps(warm_left=0), group, 300, known(), 100)

    assert sums(named) == {"productive": 300}


def test_a_stalled_step_does_not_judge_the_warm_up() -> None:
    """It says nothing of how long a step takes."""
    steps = Steps()
    complete(steps, done(0, 2), 300)
    steps.stalled = True
    complete(steps, done(3, 7), 5)

    assert steps.judges_ns == []


def test_what_follows_a_warm_up_judge_by_reference_is_sampled_after() -> None:
    """The twentieth sample makes the reference that judges its own group."""
    reference, steps = Reference(), Steps(warm_left=0)
    complete(steps, done(0, 18), 1900, reference)
    named = complete(steps, done(19, 19), 300, reference)

    assert sums(named) == {"productive": 100, "slow": 200}


def test_steps_far_above_the_mark_are_all_new() -> None:
    """A checkpoint from elsewhere, or steps that nobody saw."""
    named = complete(Steps(warm_left=0), done(12, 13, high=4), 200, known())

    assert [(p.state, p.first, p.last, p.fresh) for p in named] == [
        (RunState.PRODUCTIVE, 12, 13, 2)
    ]
