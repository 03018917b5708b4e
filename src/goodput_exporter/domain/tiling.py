"""Lay a run's time from its line on: phases as they go, step time as steps complete."""

from __future__ import annotations

from typing import Final

from goodput_exporter.domain import steps as step_time
from goodput_exporter.domain.book import note
from goodput_exporter.domain.bookings import EventKind
from goodput_exporter.domain.fold import (
    Fold,
    Waiting,
    add_to,
    context_of,
    emit,
    emit_steps,
    reference_of,
)
from goodput_exporter.domain.inferred import credit
from goodput_exporter.domain.life import Life
from goodput_exporter.domain.outage import is_out, outage_state, quiet_state
from goodput_exporter.domain.progress import Advance, commit, complete, cut, restore
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, Phase, RunState
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
        if life is None or not life.is_alive or not _is_news(fold, waiting):
            # Each survivor reports the step that was under way: it is one step.
            continue
        fold.steps_since_end += waiting.mark.count
        if fold.steps_since_end >= rules.stepping_on_steps:
            # Survivors complete new steps: the run has shown itself elastic.
            _cover(fold, waiting.at_ns, outage_state(fold))
            fold.stepping_on = True
            fold.active = _survivors(fold)
            fold.degraded_by = fold.incidents[-1].number if fold.incidents else None
            _drop_before(fold, waiting.at_ns)
            _apply(fold, waiting, rules)
            lay(fold, stop_ns, rules, hard=True)
            return
    _cover(fold, stop_ns, outage_state(fold))
    _drop_before(fold, stop_ns)


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
        _apply(fold, waiting, rules)
    _lay_pieces(fold, life, stop_ns)
    _check_stall(fold, rules)


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
            _apply(fold, waiting, rules)
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
    _check_stall(fold, rules)


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
    done = [waiting for waiting in taken if _is_news(fold, waiting)]
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
        _apply(fold, waiting, rules)
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


def _is_news(fold: Fold, waiting: Waiting) -> bool:
    """Tell whether a mark is the first to say that its step is complete."""
    mark, life = waiting.mark, fold.lives.get(waiting.incarnation)
    if mark.count == 0 or life is None or mark.step is None:
        return False
    known = fold.seen_step
    step = mark.step + (fold.progress.local_base if mark.local else 0)
    if known is not None and step <= known and life.joined_epoch == fold.progress.epoch:
        return False
    fold.seen_step = step
    return True


def _apply(fold: Fold, waiting: Waiting, rules: Rules) -> None:
    """Let one rank's word change the run's progress."""
    mark, life = waiting.mark, fold.lives.get(waiting.incarnation)
    if life is None:
        return
    if mark.saved is not None:
        fold.progress.saved = mark.saved
    if mark.durable is not None:
        commit(fold.progress, mark.durable)
    if mark.restored is not None:
        _restored(fold, mark.restored, life, waiting.at_ns)
    if mark.count:
        high_water = fold.progress.high_water
        unplaced = not fold.progress.resolved and fold.progress.epoch > 0
        advance = complete(fold.progress, mark, life, rules.settle_ns)
        if advance is not None:
            if unplaced and fold.progress.restored is not None:
                _went_back(fold, fold.progress.restored, waiting.at_ns, high_water)
            _learn_rates(fold, waiting, advance)
            _finish(fold, advance, high_water, waiting, rules)


def _restored(fold: Fold, step: int, life: Life, at_ns: int) -> None:
    progress = fold.progress
    high_water = progress.high_water
    back_to = restore(progress, step, life, at_ns)
    if back_to is None:
        return
    if high_water is not None:
        _went_back(fold, back_to, at_ns, high_water)
    if progress.durable is None and step >= 0:
        # Something could be restored from there, so it was durable.
        commit(progress, back_to)


def _went_back(fold: Fold, step: int, at_ns: int, high_water: int | None) -> None:
    """The lineage goes on from *step*: what came after it was not kept."""
    progress, book = fold.progress, fold.book
    lost_steps = 0 if high_water is None else max(0, high_water - step)
    lost = cut(progress, step)
    incident = fold.incidents[-1] if fold.recovering else None
    cause = Cause.NONE if incident is None else incident.cause
    book.settled.add(RunState.PRODUCTIVE, -lost.productive)
    book.settled.add(RunState.SLOW, -lost.slow)
    book.settled.add(RunState.LOST, lost.productive + lost.slow, cause)
    if progress.durable is not None and step < progress.durable:
        progress.durable = step
    if incident is not None:
        add_to(incident.settled_ns, RunState.LOST, lost.productive + lost.slow)
        incident.restored_step, incident.lost_steps = step, lost_steps
        if fold.tokens_per_step is not None:
            incident.tokens_lost = round(lost_steps * fold.tokens_per_step)
    fold.seen_step = step
    note(
        book,
        at_ns,
        EventKind.RESTORED,
        step=step,
        lost_steps=lost_steps,
        incident=None if incident is None else incident.number,
        lost_gpu_ns=lost.productive + lost.slow,
        lost_slow_gpu_ns=lost.slow,
        lost_tokens=None if incident is None else incident.tokens_lost,
        cause=cause.value,
    )


def _learn_rates(fold: Fold, waiting: Waiting, advance: Advance) -> None:
    """Note what one step is worth in tokens and model FLOPs."""
    mark = waiting.mark
    # Where numbers run ahead of the steps done, as many numbers share the work.
    count = max(mark.count, advance.last - advance.first + 1)
    tokens = None if mark.tokens is None else mark.tokens / count
    if tokens is None and fold.facts is not None:
        tokens = fold.facts.tokens_per_step
    fold.tokens_per_step = tokens
    if mark.flops is not None:
        fold.flops_per_step = mark.flops / count
        fold.convention = "user"
    elif tokens is not None and fold.flops_per_token is not None:
        fold.flops_per_step = tokens * fold.flops_per_token


def _finish(
    fold: Fold, advance: Advance, high_water: int | None, waiting: Waiting, rules: Rules
) -> None:
    """Name the open step time: these steps are complete."""
    steps, count = fold.steps, advance.last - advance.first + 1
    limit_ns = fold.durations.limit_ns(Phase.TRAIN_STEP, rules)
    executed = max(1, count + advance.skipped)
    each_ns = steps.open_ns // executed
    if limit_ns is not None and (steps.stalled or each_ns > limit_ns):
        emit_steps(fold, step_time.stall(steps, _keep_ns(fold, rules) * executed))
    stalled = steps.stalled
    done = step_time.Done(
        advance.first,
        advance.last,
        advance.skipped,
        high_water,
        context_of(fold),
        countable=not fold.partial,
        executed=waiting.mark.count,
    )
    _count(fold, advance, high_water)
    reference = reference_of(fold)
    emit_steps(fold, step_time.finish(steps, done, reference, rules.reference_step_ns))
    if not stalled and not fold.partial and count > 0:
        fold.durations.observe(Phase.TRAIN_STEP, each_ns)
    fold.partial = False
    fold.last_step_ns = waiting.at_ns
    fold.since_step = []
    if fold.recovering and (high_water is None or advance.last > high_water):
        _recovered(fold, waiting.at_ns)


def _count(fold: Fold, advance: Advance, high_water: int | None) -> None:
    mark = advance.first - 1 if high_water is None else high_water
    redone = max(0, min(advance.last, mark) - advance.first + 1)
    fresh = advance.last - advance.first + 1 - redone
    fold.steps_redone += redone
    fold.steps_first += fresh
    if fold.tokens_per_step is not None:
        fold.tokens = (fold.tokens or 0) + round(fresh * fold.tokens_per_step)


def _recovered(fold: Fold, at_ns: int) -> None:
    incident = fold.incidents[-1]
    incident.recovered_ns = at_ns
    fold.recovering = False
    note(fold.book, at_ns, EventKind.RECOVERED, incident=incident.number)


def _keep_ns(fold: Fold, rules: Rules) -> int:
    """Return how much of a stalled step stays open: one reference step time."""
    if rules.reference_step_ns is not None:
        return rules.reference_step_ns
    lowest_ns = reference_of(fold).lowest_ns
    if lowest_ns is not None:
        return lowest_ns
    recent = fold.durations.recent_ns.get(Phase.TRAIN_STEP)
    return sorted(recent)[len(recent) // 2] if recent else 0


def _check_stall(fold: Fold, rules: Rules) -> None:
    """Book an open step past its limit as stalled, from the last completed step on."""
    credited_ns = credit(fold)
    if credited_ns is not None and fold.recovering:
        _recovered(fold, credited_ns)
    limit_ns = fold.durations.limit_ns(Phase.TRAIN_STEP, rules)
    open_ns = fold.steps.open_ns
    if limit_ns is not None and (fold.steps.stalled or open_ns > limit_ns):
        emit_steps(fold, step_time.stall(fold.steps, _keep_ns(fold, rules)))
