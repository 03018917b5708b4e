"""Lay a run's time from its line on: phases as they go, step time as steps complete."""

from __future__ import annotations

from goodput_exporter.domain import steps as step_time
from goodput_exporter.domain.cause_rule import WHOLE_SECOND_NS
from goodput_exporter.domain.fold import Fold, Waiting, emit
from goodput_exporter.domain.grid import (
    Until,
    drop_before,
    lay_windows,
    take_waiting,
    trim,
)
from goodput_exporter.domain.life import Life
from goodput_exporter.domain.outage import (
    is_out,
    is_replaced,
    outage_state,
    quiet_state,
)
from goodput_exporter.domain.returning import count_return
from goodput_exporter.domain.rewinding import lose_sight, see_again
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Phase, RunState
from goodput_exporter.domain.stepping import apply, check_stall, is_news


def lay(fold: Fold, stop_ns: int, rules: Rules, *, until: Until) -> None:
    """
    Move the line towards *stop_ns*.

    Args:
        fold: Changed in place.
        stop_ns: Where the run's make-up changes, or where reports end.
        rules: The settings.
        until: How near.
    """
    hard = until is Until.STOP
    if fold.line_ns is None or fold.ended_ns is not None:
        return
    if is_out(fold):
        _outage(fold, stop_ns, rules)
        return
    members = _members(fold, stop_ns)
    if len(members) > 1:
        _lay_crew(fold, members, stop_ns, rules, until=until)
    elif members:
        _lay_rank(fold, members[0], stop_ns, rules)
    elif any(_lives_at(fold, life, fold.line_ns) for life in fold.lives.values()):
        lose_sight(fold, stop_ns)
        _cover(fold, stop_ns, RunState.UNOBSERVED)
    elif fold.placed is not None:
        _quiet(fold, stop_ns, rules, hard=hard)


def count_late(fold: Fold, until_ns: int, rules: Rules) -> None:
    """
    Count the steps that late words tell of, before what has begun or ended then.

    Their time was booked blind, so nothing of it is left to lay; without this the
    steps of a run that ends in such time would be in no count.
    """
    is_blind = fold.line_ns is not None and until_ns < fold.line_ns
    if is_blind and fold.ended_ns is None and not is_out(fold):
        for waiting in take_waiting(fold, until_ns):
            apply(fold, waiting, rules)


def _lay_crew(
    fold: Fold, members: list[Life], stop_ns: int, rules: Rules, *, until: Until
) -> None:
    """Lay windows while two ranks speak, and what the last of them says alone."""
    see_again(fold)
    last_but_one_ns = min(sorted(life.reported_ns for life in members)[-2:])
    if last_but_one_ns >= stop_ns:
        lay_windows(fold, members, stop_ns, rules, until=until)
        return
    lay_windows(fold, members, last_but_one_ns, rules, until=Until.STOP)
    heard_ns = min(stop_ns, max(life.reported_ns for life in members))
    if fold.line_ns is not None and fold.line_ns < heard_ns:
        last = max(members, key=lambda life: life.reported_ns)
        _lay_rank(fold, last, heard_ns, rules)
    # Beyond the last word of all of them, nobody saw anything.
    lose_sight(fold, stop_ns)
    _cover(fold, stop_ns, RunState.UNOBSERVED)


def _quiet(fold: Fold, stop_ns: int, rules: Rules, *, hard: bool) -> None:
    """No rank is there: containers start up, or nobody tells what they do."""
    lose_sight(fold, stop_ns)
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


def _lives_at(fold: Fold, life: Life, at_ns: int) -> bool:
    if is_replaced(fold, life):
        return False
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
    taken = take_waiting(fold, stop_ns)
    for place, waiting in enumerate(taken):
        life = fold.lives.get(waiting.incarnation)
        if (
            life is None
            or not _is_there(life, waiting.at_ns)
            or not is_news(fold, waiting)
        ):
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
            fold.active = _survivors(fold, waiting.at_ns)
            fold.degraded_by = fold.incidents[-1].number if fold.incidents else None
            drop_before(fold, waiting.at_ns)
            apply(fold, waiting, rules)
            # What they did after it was told in the same breath, if they told late.
            fold.waiting = [*taken[place + 1 :], *fold.waiting]
            lay(fold, stop_ns, rules, until=Until.STOP)
            return
    said_ns = [life.reported_ns for life in _members(fold, stop_ns)]
    said_ns += [waiting.at_ns for waiting in taken]
    if said_ns:
        see_again(fold)
        _cover(fold, min(stop_ns, max(said_ns)), outage_state(fold))
    lose_sight(fold, stop_ns)
    _cover(fold, stop_ns, outage_state(fold))
    drop_before(fold, stop_ns)


def _is_there(life: Life, at_ns: int) -> bool:
    """Tell whether a rank lived at an instant; that it has ended since may be known."""
    return life.started_ns <= at_ns and (
        life.ended_ns is None or at_ns <= life.ended_ns
    )


def _may_be_older(fold: Fold, waiting: Waiting) -> bool:
    """
    Tell whether a step may have been complete before the pods ended.

    Kubernetes cuts their end to the whole second: what quick steps have done of it
    is no stepping on without them.
    """
    if fold.placed is None or not fold.incidents:
        return False
    return waiting.at_ns < fold.incidents[-1].detected_ns + WHOLE_SECOND_NS


def _survivors(fold: Fold, at_ns: int) -> int:
    if fold.placed is not None and fold.placed.asked > 0:
        return min(fold.asked, max(1, fold.placed.running))
    alive = [life for life in fold.lives.values() if _is_there(life, at_ns)]
    return min(fold.asked, max(1, sum(life.devices for life in alive)))


def _lay_rank(fold: Fold, life: Life, stop_ns: int, rules: Rules) -> None:
    """One reporting rank: its own order of phases is kept."""
    see_again(fold)
    for waiting in take_waiting(fold, stop_ns):
        line_ns = fold.line_ns or 0
        if waiting.mark.count > 1 and waiting.since_ns > line_ns:
            # It may have been stalled before several steps came in one message.
            _lay_pieces(fold, life, min(waiting.since_ns, waiting.at_ns))
            check_stall(fold, rules)
        _lay_pieces(fold, life, waiting.at_ns)
        apply(fold, waiting, rules)
    _lay_pieces(fold, life, min(stop_ns, life.reported_ns))
    check_stall(fold, rules)
    lose_sight(fold, stop_ns)
    _cover(fold, stop_ns, RunState.UNOBSERVED)


def _lay_pieces(fold: Fold, life: Life, until_ns: int) -> None:
    trim(life, fold.line_ns or 0)
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
    trim(life, until_ns)
