"""A run's book: two views of one time, and what was moved between them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from goodput_exporter.domain.accounting import Segment, tally
from goodput_exporter.domain.book import (
    Book,
    book,
    fill,
    leave_out,
    lengthen,
    note,
    restate,
)
from goodput_exporter.domain.bookings import EventKind, Restatement, RunEvent
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, RunState

DOWN, UNSEEN = RunState.DOWN, RunState.UNOBSERVED


def segment(start: int, end: int, state: RunState, devices: int = 1) -> Segment:
    """Return a segment without a cause."""
    return Segment(Span(start, end), state, devices)


def booked(*segments: Segment) -> Book:
    """Return a book with these segments."""
    made = Book()
    for one in segments:
        book(made, one)
    return made


def pieces(made: Book) -> list[Segment]:
    """Return the segments that wait for the ledger."""
    return [one for one in made.pending if isinstance(one, Segment)]


def test_both_views_hold_what_is_booked() -> None:
    """The settled view calls a redone step what it was, if it is kept."""
    redone = replace(
        segment(0, 10, RunState.RECOMPUTING, 4),
        first_step=3,
        last_step=3,
        kept_as=RunState.PRODUCTIVE,
        cause=Cause.HANG,
    )
    made = booked(redone, segment(10, 15, RunState.IDLE, 4))

    assert made.live.gpu_ns == {RunState.RECOMPUTING: 40, RunState.IDLE: 20}
    assert made.live.bad_gpu_ns == {Cause.HANG: 40, Cause.NONE: 20}
    assert made.settled.gpu_ns == {RunState.PRODUCTIVE: 40, RunState.IDLE: 20}
    assert made.settled.bad_gpu_ns == {Cause.NONE: 20}


def test_time_that_goes_on_is_one_entry() -> None:
    """The ledger has no seam where a tick was; the account is the same."""
    made = booked(*[segment(n, n + 1, DOWN, 8) for n in range(10)])

    assert pieces(made) == [segment(0, 10, DOWN, 8)]
    assert made.blind == [segment(0, 10, DOWN, 8)]
    assert tally(pieces(made)) == made.live


@pytest.mark.parametrize(
    "change",
    [
        {"span": Span(11, 20)},
        {"state": UNSEEN},
        {"devices": 2},
        {"cause": Cause.HANG},
        {"incident": 1},
        {"kept_as": RunState.IDLE},
        {"bridged": True},
        {"first_step": 3, "last_step": 3},
        {"model_flops": 1.0},
    ],
)
def test_time_that_differs_is_an_entry_of_its_own(change: dict[str, object]) -> None:
    """In anything that an auditor may ask for."""
    next_one = replace(segment(10, 20, DOWN), **change)  # type: ignore[arg-type]  # one field each, of its own type
    made = booked(segment(0, 10, DOWN), next_one)

    assert pieces(made) == [segment(0, 10, DOWN), next_one]


def test_an_event_between_keeps_entries_apart() -> None:
    """The ledger is in the order of what happened."""
    made = booked(segment(0, 10, DOWN))
    note(made, 10, EventKind.RETURNED, incident=1)
    book(made, segment(10, 20, DOWN))

    assert made.pending == [
        segment(0, 10, DOWN),
        RunEvent(10, EventKind.RETURNED, {"incident": 1}),
        segment(10, 20, DOWN),
    ]


def test_joined_steps_keep_their_first_and_last_and_sum_their_flops() -> None:
    """Unknown model FLOPs stay unknown."""
    one = replace(
        segment(0, 10, RunState.PRODUCTIVE), first_step=3, last_step=3, model_flops=2.0
    )
    two = replace(one, span=Span(10, 20), first_step=4, last_step=5, model_flops=4.0)
    made = booked(one, two)

    assert pieces(made) == [
        replace(one, span=Span(0, 20), last_step=5, model_flops=6.0)
    ]
    assert made.model_flops == 6.0
    assert booked(segment(0, 1, RunState.PRODUCTIVE)).model_flops is None


def test_only_blind_time_is_remembered_for_late_evidence() -> None:
    """What a rank said itself nobody else can correct; the memory is bounded."""
    made = booked(segment(0, 10, RunState.IDLE), segment(10, 20, UNSEEN))
    many = booked(*[segment(2 * n, 2 * n + 1, DOWN) for n in range(100)])

    assert made.blind == [segment(10, 20, UNSEEN)]
    assert many.blind == [segment(2 * n, 2 * n + 1, DOWN) for n in range(36, 100)]


def test_a_restatement_moves_settled_time_and_no_live_time() -> None:
    """The counters keep it; the restated counter tells how much."""
    made = booked(segment(0, 10, UNSEEN, 2))
    span = Span(0, 10)
    restate(
        made,
        99,
        span,
        ("unobserved", "initializing"),
        20,
        cause=Cause.HANG,
        reason="why",
    )

    assert made.live.gpu_ns == {UNSEEN: 20}
    assert made.settled.gpu_ns == {UNSEEN: 0, RunState.INITIALIZING: 20}
    assert made.settled.bad_gpu_ns == {Cause.HANG: 20}
    assert made.restated == {"unobserved>initializing": 20}
    assert made.pending[-1] == Restatement(
        99, span, "unobserved", "initializing", 20, Cause.HANG, "why"
    )
    assert made.corrections.gpu_ns == {UNSEEN: -20, RunState.INITIALIZING: 20}
    assert made.moves == [made.pending[-1]]


def test_restatements_add_up() -> None:
    """By from and to."""
    made = booked(segment(0, 10, UNSEEN))
    for start in (0, 4):
        span = Span(start, start + 3)
        move = ("unobserved", "productive")
        restate(made, 9, span, move, 3, cause=Cause.NONE, reason="")

    assert made.restated == {"unobserved>productive": 6}
    assert made.settled.gpu_ns == {UNSEEN: 4, RunState.PRODUCTIVE: 6}


def test_nothing_moved_is_no_restatement() -> None:
    """Zero would be an entry about nothing."""
    made = Book()
    move = ("down", "outside")
    restate(made, 9, Span(0, 0), move, 0, cause=Cause.NONE, reason="")

    assert made == Book()


def test_time_moved_outside_is_in_no_state_and_shortens_the_book() -> None:
    """And comes back as it left, by span and devices."""
    made = booked(segment(0, 10, DOWN, 2))
    lengthen(made, 2, 10)
    out, back = ("down", "outside"), ("outside", "down")
    restate(made, 9, Span(4, 10), out, 12, cause=Cause.HANG, reason="")
    shorter = dict(made.wall_ns)
    restate(made, 99, Span(4, 50), back, 92, cause=Cause.HANG, reason="")

    assert shorter == {2: 4}
    assert made.wall_ns == {2: 50}
    assert made.settled.gpu_ns == {DOWN: 100}
    assert made.corrections.gpu_ns == {DOWN: 80}
    assert made.restated == {"down>outside": 12, "outside>down": 92}


def test_what_was_lost_corrects_no_counter() -> None:
    """Lost is a name of the settled view alone."""
    made = booked(segment(0, 10, RunState.PRODUCTIVE))
    move = ("productive", "lost")
    restate(made, 9, Span(0, 10), move, 4, cause=Cause.NONE, reason="")

    assert made.settled.gpu_ns == {RunState.PRODUCTIVE: 6, RunState.LOST: 4}
    assert made.corrections.gpu_ns == {}
    assert made.moves == []


def test_late_evidence_names_what_was_booked_blind() -> None:
    """Only the part that it covers, and each instant once."""
    made = booked(segment(0, 10, UNSEEN, 3))

    assert fill(made, 99, Span(4, 6), RunState.IDLE, UNSEEN)
    assert made.settled.gpu_ns == {UNSEEN: 24, RunState.IDLE: 6}
    assert made.live.gpu_ns == {UNSEEN: 30}
    assert made.blind == [segment(0, 4, UNSEEN, 3), segment(6, 10, UNSEEN, 3)]
    assert not fill(made, 99, Span(4, 6), RunState.EVALUATING, UNSEEN)
    assert fill(made, 99, Span(0, 99), RunState.IDLE, UNSEEN)
    assert made.blind == []
    assert made.settled.gpu_ns == {UNSEEN: 0, RunState.IDLE: 30}


def test_late_evidence_fills_only_the_blind_state_it_speaks_of() -> None:
    """A rank that was there does not undo that another one was missing."""
    made = booked(segment(0, 10, DOWN), segment(10, 20, UNSEEN))

    assert not fill(made, 99, Span(0, 10), RunState.IDLE, UNSEEN)
    assert fill(made, 99, Span(0, 20), RunState.IDLE, DOWN)
    assert made.blind == [segment(10, 20, UNSEEN)]
    assert made.restated == {"down>idle": 10}


def test_late_evidence_keeps_the_cause_of_what_it_fills() -> None:
    """Start-up that was booked as an outage is the same incident's cost."""
    made = booked(replace(segment(0, 10, DOWN), cause=Cause.HANG))
    fill(made, 99, Span(0, 10), RunState.INITIALIZING, DOWN)

    assert made.settled.bad_gpu_ns == {Cause.HANG: 10}


def test_time_between_an_end_and_a_reopening_is_left_out() -> None:
    """The latest spans are kept, and the sum of all."""
    made = Book()
    leave_out(made, Span(5, 5))
    for start in range(0, 1000, 10):
        leave_out(made, Span(start, start + 3))

    assert made.outside_ns == 300
    assert made.outside == [Span(n, n + 3) for n in range(360, 1000, 10)]


def test_the_latest_moves_are_kept() -> None:
    """Older ones live on in the sums."""
    made = Book()
    for at in range(100):
        span, move = Span(at, at + 1), ("unobserved", "idle")
        restate(made, at, span, move, 1, cause=Cause.NONE, reason="")

    assert [move.at_ns for move in made.moves] == list(range(36, 100))
    assert made.corrections.gpu_ns[RunState.IDLE] == 100
