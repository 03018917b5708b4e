"""Step time at its edges: what one nanosecond, one number or one setting decides."""

from __future__ import annotations

from goodput_exporter.domain.reference import Reference
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import RunState
from goodput_exporter.domain.steps import (
    Context,
    Done,
    Steps,
    StepTime,
    finish,
    stall,
    take_in,
)

HERE = Context(None, 1)


def complete(
    steps: Steps, step: int, length_ns: int, pinned_ns: int | None = None
) -> list[StepTime]:
    """Let one step take *length_ns* of its own thousand."""
    take_in(steps, Span(1000 * step, 1000 * step + length_ns))
    return finish(steps, Done(step, step, 0, None, HERE), Reference(), pinned_ns)


def numbers(named: list[StepTime]) -> list[tuple[RunState, int | None, int | None]]:
    """Return what each part is, and of which steps."""
    return [(part.state, part.first, part.last) for part in named]


def test_a_stall_of_a_nanosecond_is_a_stall() -> None:
    """What passes the time that stays open is booked, however little it is."""
    steps = Steps(open=[Span(0, 101)])

    assert [part.span for part in stall(steps, 100)] == [Span(0, 1)]


def test_a_pin_that_comes_while_steps_wait_judges_them_too() -> None:
    """Somebody set the reference, and restarted this program in between."""
    steps = Steps()
    for step in range(3):
        assert complete(steps, step, 250) == []
    named = [part for step in range(3, 8) for part in complete(steps, step, 200, 100)]

    start_up = [p.span.length_ns for p in named if p.state is RunState.INITIALIZING]
    assert start_up == [150, 150, 150]


def test_steps_that_waited_for_their_judges_keep_their_numbers() -> None:
    """Else a rollback could not tell which of them were lost."""
    steps = Steps()
    for step in range(3):
        complete(steps, step, 150)
    named = [part for step in range(3, 8) for part in complete(steps, step, 100)]

    assert numbers(named)[-6:] == [
        (state, step, step)
        for step in range(3)
        for state in (RunState.INITIALIZING, RunState.PRODUCTIVE)
    ]


def test_the_warm_up_of_a_step_says_of_which() -> None:
    """The part above the reference belongs to the step as the rest does."""
    assert numbers(complete(Steps(), 7, 150, 100)) == [
        (RunState.INITIALIZING, 7, 7),
        (RunState.PRODUCTIVE, 7, 7),
    ]
