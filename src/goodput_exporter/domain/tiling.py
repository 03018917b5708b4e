"""Lay a run's time from its line on: phases as they go, step time as steps complete."""

from __future__ import annotations

from typing import Final

from goodput_exporter.domain import steps as step_time
from goodput_exporter.domain.cause_rule import WHOLE_SECOND_NS
from goodput_exporter.domain.fold import (
    Fold,
    Waiting,
    emit,
)
from goodput_exporter.domain.life import Life
from goodput_exporter.domain.outage import is_out, outage_state, quiet_state
from goodput_exporter.domain.returning import count_return
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Phase, RunState
from goodput_exporter.domain.stepping import apply, check_stall, is_news
from goodput_exporter.domain.windows import Mix, level, mix

LITTLE_NS: Final = 1_000_000
"""Step time of a window below a millisecond is rounding, not the start of a step."""


def lay(fold: Fold, stop_ns: int, rules: Rules, *, hard: bool) -> None:
    """
    Move the line towards *stop_ns*.

    Args:
        fold: Changed in place.
        stop_ns: Where the run's make-up changes, or where reports end.
        rules: The settings.
        hard: The line must reach *stop_ns*, because the make-up changes there.
    """
    if fold.line_ns is None or fold.ended_ns is not None:
        return
    if is_out(fold):
        _outage(fold, stop_ns, rules)
        return
    members = _members(fold, stop_ns)
    if len(members) > 1:
        heard_ns = max(life.reported_ns for life in members)
        # Beyond the last word of all of them, nobody saw anything.
        is_silent = stop_ns > heard_ns and not hard
        until_ns = heard_ns if is_silent else stop_ns
        _lay_windows(fold, members, until_ns, rules, hard=hard or is_silent)
        if is_silent:
            _cover(fold, stop_ns, RunState.UNOBSERVED)
    elif members:
        _lay_rank(fold, members[0], stop_ns, rules)
    elif any(_lives_at(life, fold.line_ns) for life in fold.lives.values()):
        _cover(fold, stop_ns, RunState.UNOBSERVED)
    elif fold.placed is not None:
        _quiet(fold, stop_ns, rules, hard=hard)


def _quiet(fold: Fold, stop_ns: int, rules: Rules, *, hard: bool) -> None:
    """No rank is there: containers start up, or nobody tells what they do."""
    state, line_ns = quiet_state(fold), fold.line_ns or 0
    limit_ns = rules.stall_floors_ns[Phase.INIT]
    begun_ns = 0 if fold.placed is None else fold.placed.at_ns
    if state is RunState.INITIALIZING and stop_ns - begun_ns > limit_ns:
        _cover(fold, max(line_ns, begun_ns + limit_ns), RunState.INITIALIZING)
        _cover(fold, stop_ns, RunState.STALLED)
    elif state is not None:
        _cover(fold, stop_ns, state)
    elif hard and any(life.started_ns >= stop_ns for life in fold.lives.values()):
        _cover(fold, stop_ns, RunState.INITIALIZING)
    elif hard or stop_ns - begun_ns > rules.settle_after_start_ns:
        _cover(fold, stop_ns, RunState.UNOBSERVED)


def _lives_at(life: Life, at_ns: int) -> bool:
    return life.started_ns <= at_ns and (life.is_alive or (life.ended_ns or 0) > at_ns)


def _members(fold: Fold, stop_ns: int) -> list[Life]:
    """Return the ranks that have something to say of the time up to *stop_ns*."""
    line_ns = fold.line_ns or 0
    return [
        life
        for life in fold.lives.values()
        if life.pieces and life.started_ns < stop_ns and life.reported_ns > line_ns
    ]


def _cover(fold: Fold, stop_ns: int, state: RunState) -> None:
    line_ns = fold.line_ns or 0
    if stop_ns > line_ns:
        emit(fold, Span(line_ns, stop_ns), state)
        fold.line_ns = stop_ns


def _outage(fold: Fold, stop_ns: int, rules: Rules) -> None:
    """A rank is missing: the run is out, whatever the survivors report."""
    for waiting in _take_waiting(fold, stop_ns):
        life = fold.lives.get(waiting.incarnation)
        if life is None or not life.is_alive or not is_news(fold, waiting):
            # Each survivor reports the step that was under way: it is one step.
            continue
        if _may_be_older(fold, waiting):
            continue
        fold.steps_since_end += waiting.mark.count
        if fold.steps_since_end >= rules.stepping_on_steps:
            # Survivors complete new steps: the run has shown itself elastic.
            _cover(fold, waiting.at_ns, outage_state(fold))
            fold.stepping_on = True
            count_return(fold)
            fold.active = _survivors(fold)
            fold.degraded_by = fold.incidents[-1].number if fold.incidents else None
            _drop_before(fold, waiting.at_ns)
            apply(fold, waiting, rules)
            lay(fold, stop_ns, rules, hard=True)
            return
    _cover(fold, stop_ns, outage_state(fold))
    _drop_before(fold, stop_ns)


def _may_be_older(fold: Fold, waiting: Waiting) -> bool:
    """
    Tell whether a step may have been complete before the pods ended.

    Kubernetes cuts their end to the whole second: what quick steps have done of it
    is no stepping on without them.
    """
    if fold.placed is None or not fold.incidents:
        return False
    return waiting.at_ns < fold.incidents[-1].detected_ns + WHOLE_SECOND_NS


def _survivors(fold: Fold) -> int:
    if fold.placed is not None and fold.placed.asked > 0:
        return min(fold.asked, max(1, fold.placed.running))
    alive = [life for life in fold.lives.values() if life.is_alive]
    return min(fold.asked, max(1, sum(life.devices for life in alive)))


def _take_waiting(fold: Fold, until_ns: int) -> list[Waiting]:
    fold.waiting.sort(key=lambda w: (w.at_ns, w.incarnation, w.order))
    taken = [w for w in fold.waiting if w.at_ns <= until_ns]
    fold.waiting = fold.waiting[len(taken) :]
    return taken


def _drop_before(fold: Fold, line_ns: int) -> None:
    """Forget the pieces that the line has passed."""
    for life in fold.lives.values():
        _trim(life, line_ns)


def _trim(life: Life, line_ns: int) -> None:
    pieces = life.pieces
    passed = 0
    while passed < len(pieces) and pieces[passed].end_ns <= line_ns:
        passed += 1
    del pieces[:passed]
    if pieces and pieces[0].start_ns < line_ns:
        pieces[0].start_ns = line_ns


def _lay_rank(fold: Fold, life: Life, stop_ns: int, rules: Rules) -> None:
    """One reporting rank: its own order of phases is kept."""
    for waiting in _take_waiting(fold, stop_ns):
        _lay_pieces(fold, life, waiting.at_ns)
        apply(fold, waiting, rules)
    _lay_pieces(fold, life, stop_ns)
    check_stall(fold, rules)


def _lay_pieces(fold: Fold, life: Life, until_ns: int) -> None:
    _trim(life, fold.line_ns or 0)
    for piece in life.pieces:
        if piece.start_ns >= until_ns:
            break
        _cover(fold, piece.start_ns, RunState.UNOBSERVED)
        end_ns = min(piece.end_ns, until_ns)
        span = Span(piece.start_ns, end_ns)
        if piece.state is None:
            step_time.take_in(fold.steps, span)
            fold.line_ns = end_ns
        else:
            _cover(fold, end_ns, piece.state)
    _cover(fold, until_ns, RunState.UNOBSERVED)
    _trim(life, until_ns)


def _lay_windows(
    fold: Fold, everyone: list[Life], stop_ns: int, rules: Rules, *, hard: bool
) -> None:
    """
    Several ranks: the grid of rule 6, cut at completed steps.

    A window ends at the last step that completes before its grid line, so
    that it holds whole steps; a step that spans the line ends its own.
    Without a step in sight, a whole cell of phases is booked as it goes.
    """
    fold.waiting.sort(key=lambda w: (w.at_ns, w.incarnation, w.order))
    while fold.line_ns is not None and fold.line_ns < stop_ns:
        line_ns = fold.line_ns
        for waiting in _take_waiting(fold, line_ns):
            apply(fold, waiting, rules)
        members = taking_part(fold, everyone)
        grid_ns = (line_ns // rules.window_ns + 1) * rules.window_ns
        ends = [
            w.at_ns
            for w in fold.waiting
            if w.mark.count and line_ns < w.at_ns <= stop_ns
        ]
        if ends:
            before = [at_ns for at_ns in ends if at_ns <= grid_ns]
            end_ns = before[-1] if before else ends[0]
            if not before and _is_phases_only(fold, members, grid_ns):
                end_ns = grid_ns
        elif hard and stop_ns <= grid_ns:
            end_ns = stop_ns
        elif grid_ns <= stop_ns and _goes_as_it_is(
            fold, members, (grid_ns, stop_ns), rules
        ):
            end_ns = grid_ns
        elif hard:
            end_ns = stop_ns
        else:
            break
        # A rollback changes what the marks after it mean.
        back = [w.at_ns for w in fold.waiting if w.mark.restored is not None]
        end_ns = min([end_ns, *(at_ns for at_ns in back if at_ns > line_ns)])
        _lay_window(fold, members, end_ns, rules)
    check_stall(fold, rules)


def taking_part(fold: Fold, lives: list[Life]) -> list[Life]:
    """
    Leave out who starts up beside ranks that step on: nobody waits for them.

    Before the lineage's first step everybody waits for the slowest, so all
    count; after it, step time goes before initializing (section 4).
    """
    if fold.last_step_ns is None or fold.last_step_ns < fold.progress.epoch_ns:
        return lives
    line_ns = fold.line_ns or 0
    return [life for life in lives if not life.starts_up_at(line_ns + 1)] or lives


def _is_phases_only(fold: Fold, members: list[Life], end_ns: int) -> bool:
    """Tell whether a cell holds no step time and no step is under way."""
    if fold.steps.open or fold.line_ns is None:
        return False
    return mix(members, fold.line_ns, end_ns).step_ns < LITTLE_NS


def _goes_as_it_is(
    fold: Fold, members: list[Life], ends: tuple[int, int], rules: Rules
) -> bool:
    """Tell whether a cell without a completed step may be booked now."""
    grid_ns, stop_ns = ends
    if _is_phases_only(fold, members, grid_ns):
        return True
    if all(life.active_ns is not None for life in members):
        return True  # nobody will ever tell where a step ended
    limit_ns = fold.durations.limit_ns(Phase.TRAIN_STEP, rules)
    if limit_ns is None or fold.line_ns is None:
        return False
    open_ns = fold.steps.open_ns + mix(members, fold.line_ns, stop_ns).step_ns
    return fold.steps.stalled or open_ns > limit_ns


def _lay_window(fold: Fold, members: list[Life], end_ns: int, rules: Rules) -> None:
    """Book one window: phases first, in table order, then its steps."""
    start_ns = fold.line_ns or 0
    content = mix(members, start_ns, end_ns)
    taken = _take_waiting(fold, end_ns)
    cursor_ns = _lay_phases(fold, content, start_ns)
    done = [waiting for waiting in taken if is_news(fold, waiting)]
    intervals: list[tuple[int, int]] = []
    before_ns = start_ns
    for waiting in done:
        intervals.append((waiting.at_ns - before_ns, max(1, waiting.mark.count)))
        before_ns = waiting.at_ns
    intervals.append((end_ns - before_ns, 1))
    shares = level(intervals, content.step_ns)
    upcoming = dict(zip((id(waiting) for waiting in done), shares, strict=False))
    for waiting in taken:
        share_ns = upcoming.get(id(waiting), 0)
        step_time.take_in(fold.steps, Span(cursor_ns, cursor_ns + share_ns))
        cursor_ns += share_ns
        apply(fold, waiting, rules)
    step_time.take_in(fold.steps, Span(cursor_ns, cursor_ns + shares[-1]))
    fold.line_ns = end_ns
    _drop_before(fold, end_ns)


def _lay_phases(fold: Fold, content: Mix, start_ns: int) -> int:
    cursor_ns = start_ns
    for state, spent_ns in (
        *content.phases,
        (RunState.UNOBSERVED, content.unobserved_ns),
    ):
        emit(fold, Span(cursor_ns, cursor_ns + spent_ns), state)
        cursor_ns += spent_ns
    return cursor_ns
