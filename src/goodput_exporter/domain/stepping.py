"""What a rank's word changes: steps complete, work is restored, saved or stalls."""

from __future__ import annotations

from goodput_exporter.domain import steps as step_time
from goodput_exporter.domain.book import note
from goodput_exporter.domain.bookings import EventKind
from goodput_exporter.domain.fold import (
    Fold,
    Waiting,
    add_to,
    context_of,
    emit_steps,
    reference_of,
)
from goodput_exporter.domain.inferred import credit
from goodput_exporter.domain.life import Life
from goodput_exporter.domain.progress import Advance, commit, complete, cut, restore
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.states import Cause, Phase, RunState


def is_news(fold: Fold, waiting: Waiting) -> bool:
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


def apply(fold: Fold, waiting: Waiting, rules: Rules) -> None:
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


def check_stall(fold: Fold, rules: Rules) -> None:
    """Book an open step past its limit as stalled, from the last completed step on."""
    credited_ns = credit(fold)
    if credited_ns is not None and fold.recovering:
        _recovered(fold, credited_ns)
    limit_ns = fold.durations.limit_ns(Phase.TRAIN_STEP, rules)
    open_ns = fold.steps.open_ns
    if limit_ns is not None and (fold.steps.stalled or open_ns > limit_ns):
        emit_steps(fold, step_time.stall(fold.steps, _keep_ns(fold, rules)))
