"""A run's book is closed when nothing of it is left, and opened again if it goes on."""

from __future__ import annotations

from dataclasses import replace

from goodput_exporter.domain import steps as step_time
from goodput_exporter.domain.accounting import Segment, is_bad
from goodput_exporter.domain.book import leave_out, note, restate
from goodput_exporter.domain.bookings import OUTSIDE_THE_BOOK, EventKind
from goodput_exporter.domain.fold import (
    Fold,
    add_to,
    cause_of,
    emit_steps,
    incident_of,
    reference_of,
)
from goodput_exporter.domain.progress import cut
from goodput_exporter.domain.returning import count_return
from goodput_exporter.domain.rewinding import see_again
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, RunState


def close_if_over(fold: Fold, now_ns: int, rules: Rules) -> None:
    """Rule 15: end the run when nothing of it is left."""
    if fold.ended_ns is not None or fold.line_ns is None or fold.turns:
        return
    if fold.placed is not None and fold.placed.ended is None:
        return
    silent = [life for life in fold.lives.values() if life.is_alive]
    last_ns = max([fold.last_exit_ns, *(life.reported_ns for life in silent)])
    is_long_ago = now_ns - last_ns >= rules.end_after_ns
    if any(life.pid is not None for life in silent) or fold.line_ns < last_ns:
        return
    if silent:
        if is_long_ago:
            close(fold, last_ns, "unknown")
    elif not fold.missing:
        close(fold, last_ns, "succeeded")
    elif is_long_ago:
        # An end that nobody saw may have been a good one: nothing is lost by it.
        unseen = bool(fold.incidents) and fold.incidents[-1].unseen
        close(fold, last_ns, "unknown" if unseen else "failed")


def close(fold: Fold, at_ns: int, outcome: str, *, joins: str = "") -> None:
    """
    Close the book at the last exit; what was booked since goes out of it again.

    Args:
        fold: Changed in place.
        at_ns: The last exit.
        outcome: How it ended.
        joins: The run that it goes on as, where another name was found to be its
            own. What is booked stays; this ties the two.
    """
    emit_steps(fold, step_time.judge(fold.steps, reference_of(fold), None))
    emit_steps(fold, step_time.end_open(fold.steps, RunState.IDLE))
    for segment in (*fold.book.blind, *fold.book.idle):
        after = segment.span.clip(Span(at_ns, max(at_ns, fold.line_ns or at_ns)))
        if after is not None:
            _put_out(fold, replace(segment, span=after))
    if outcome == "failed" and fold.progress.durable is not None:
        _lose(fold, at_ns)
    count_return(fold)
    see_again(fold)
    fold.ended_ns, fold.outcome = at_ns, outcome
    alias = {"joins": joins} if joins else {}
    note(fold.book, at_ns, EventKind.ENDED, outcome=outcome, **alias)


def _put_out(fold: Fold, segment: Segment) -> None:
    """Take what was booked after the run's end out of its book and its incidents."""
    restate(
        fold.book,
        fold.line_ns or segment.span.end_ns,
        segment.span,
        (segment.state.value, OUTSIDE_THE_BOOK),
        segment.gpu_ns,
        cause=segment.cause,
        reason="rule 15: the run was over",
        incident=segment.incident,
    )
    number = segment.incident if is_bad(segment.state) else None
    incident = None if number is None else incident_of(fold, number)
    if incident is not None:
        add_to(incident.gpu_ns, segment.state, -segment.gpu_ns)
        add_to(incident.settled_ns, segment.state, -segment.gpu_ns)


def _lose(fold: Fold, at_ns: int) -> None:
    """Rule 4: a run that failed for good loses what no checkpoint holds."""
    progress = fold.progress
    if progress.durable is None:
        return
    lost = cut(progress, progress.durable)
    fold.failed_lost = lost
    _move_lost(fold, at_ns, (lost.productive, lost.slow), back=False)


def _move_lost(fold: Fold, at_ns: int, amounts: tuple[int, int], *, back: bool) -> None:
    span = Span(fold.opened_ns, at_ns)
    incident = fold.incidents[-1] if fold.incidents else None
    sign = -1 if back else 1
    for state, gpu_ns in zip(
        (RunState.PRODUCTIVE, RunState.SLOW), amounts, strict=True
    ):
        moved = (state.value, RunState.LOST.value)
        restate(
            fold.book,
            at_ns,
            span,
            (moved[1], moved[0]) if back else moved,
            gpu_ns,
            cause=Cause.NONE if incident is None else incident.cause,
            reason="rule 4: the run failed" if not back else "section 8: it goes on",
            incident=None if incident is None else incident.number,
        )
        if incident is not None:
            add_to(incident.settled_ns, RunState.LOST, sign * gpu_ns)


def reopen_at(fold: Fold, at_ns: int) -> None:
    """
    A workload with the same run id goes on: after a failure the time was down.

    What the line has passed was booked already, so the new line is the later one.
    """
    ended_ns = fold.ended_ns or at_ns
    between = Span(ended_ns, max(ended_ns, at_ns, fold.line_ns or at_ns))
    if fold.outcome == "succeeded":
        leave_out(fold.book, between)
    if fold.outcome == "unknown":
        blind = RunState.DOWN if fold.missing else RunState.UNOBSERVED
        _take_back(fold, at_ns, between, blind)
    if fold.outcome in {"failed", "deleted"}:
        _take_back(fold, at_ns, between, RunState.DOWN)
        if fold.failed_lost is not None:
            lost, fold.failed_lost = fold.failed_lost, None
            _move_lost(fold, ended_ns, (lost.productive, lost.slow), back=True)
            fold.progress.lineage.append(lost)
    fold.ended_ns, fold.outcome = None, "running"
    fold.line_ns = between.end_ns
    note(fold.book, at_ns, EventKind.REOPENED)


def _take_back(fold: Fold, at_ns: int, span: Span, state: RunState) -> None:
    """Put time back into the settled book that a closed run had left out."""
    last = fold.incidents[-1].number if fold.incidents else None
    restate(
        fold.book,
        at_ns,
        span,
        (OUTSIDE_THE_BOOK, state.value),
        span.length_ns * fold.asked,
        cause=cause_of(fold, last) if state is RunState.DOWN else Cause.NONE,
        reason="section 8: the run was reopened",
        incident=last if state is RunState.DOWN else None,
    )
    if state is RunState.DOWN and fold.incidents:
        incident, gpu_ns = fold.incidents[-1], span.length_ns * fold.asked
        add_to(incident.gpu_ns, state, gpu_ns)
        add_to(incident.settled_ns, state, gpu_ns)


def reopen(fold: Fold) -> None:
    """Open a run again whose silent rank speaks after all."""
    if fold.ended_ns is not None:
        reopen_at(fold, fold.ended_ns)
