"""A run's make-up changes: ranks begin, end, go missing and come back."""

from __future__ import annotations

from goodput_exporter.domain import steps as step_time
from goodput_exporter.domain.attribution import Ending, evidence_of_end
from goodput_exporter.domain.book import note
from goodput_exporter.domain.bookings import EventKind
from goodput_exporter.domain.causes import (
    adopt,
    first_node_of,
    locate,
    verdict_of,
    words_of,
)
from goodput_exporter.domain.closing import reopen_at
from goodput_exporter.domain.fold import (
    BURIED_KEPT,
    INCIDENTS_KEPT,
    LIVES_KEPT,
    Fold,
    Interruption,
    Turn,
    emit_steps,
    reference_of,
)
from goodput_exporter.domain.late import fill_blind, fill_quiet
from goodput_exporter.domain.life import Life
from goodput_exporter.domain.outage import is_out
from goodput_exporter.domain.progress import begin_epoch
from goodput_exporter.domain.returning import (
    begin_return,
    count_if_back,
    count_return,
    returned,
)
from goodput_exporter.domain.rewinding import foreseen
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, How, Phase, RunState


def turn(fold: Fold, change: Turn, rules: Rules) -> None:
    """Let one incarnation begin or end; the line has reached that instant."""
    life = fold.lives.get(change.incarnation)
    if life is None:
        return
    if change.begins:
        _begin(fold, life, rules)
    else:
        _end(fold, life, rules)


def _begin(fold: Fold, life: Life, rules: Rules) -> None:
    at_ns = life.started_ns
    open_book(fold, at_ns)
    if fold.attempt == 0 and fold.placed is not None:
        # It turns out that the containers were starting up.
        fill_quiet(fold, Span(min(fold.placed.at_ns, at_ns), at_ns))
    fold.is_done = False
    if life.active_ns is None and any(o.has_given_way for o in fold.lives.values()):
        # What inference left open is no part of this rank's first step.
        emit_steps(fold, step_time.end_open(fold.steps, RunState.IDLE))
    was_missing = bool(fold.missing)
    _resize(fold, life)
    if _opens_attempt(fold, life, at_ns, was_missing=was_missing):
        _open_attempt(fold, life, at_ns, restarts=was_missing)
    fold.members.append(life.rank)
    life.has_begun = True
    life.joined_epoch = fold.progress.epoch
    _give_back(fold, life)
    if was_missing and not fold.missing:
        returned(fold, at_ns)
    if not fold.missing:
        fill_blind(fold, life, RunState.DOWN, rules)
    count_if_back(fold)


def open_book(fold: Fold, at_ns: int) -> None:
    """Begin a run's book, or go on with one that was closed."""
    if fold.line_ns is None:
        fold.line_ns = fold.opened_ns = at_ns
        note(fold.book, at_ns, EventKind.OPENED, run=fold.key.run)
    if fold.ended_ns is not None:
        reopen_at(fold, at_ns)


def _resize(fold: Fold, life: Life) -> None:
    """Asked is what a workload declares; without one, the largest attempt's size."""
    is_inferred = life.active_ns is not None
    alive = sum(
        1
        for other in fold.lives.values()
        if other.is_alive and (other.active_ns is not None) is is_inferred
    )
    # One that has given way meanwhile still was there when it began.
    world = life.world_size if life.world_size > 0 else max(1, alive)
    asked = world * life.devices
    is_declared = fold.placed is not None and fold.placed.asked > 0
    if asked > fold.asked and not is_declared:
        if fold.asked:
            note(fold.book, life.started_ns, EventKind.RESIZED, devices=asked)
        fold.asked = asked
    if life.world_size > 0:
        fold.missing = [rank for rank in fold.missing if rank < life.world_size]
    smaller = life.world_size > 0 and asked < fold.asked
    if is_declared:
        # Ranks say how many processes they are, pods how many devices they hold.
        asked = 0 if fold.placed is None else fold.placed.running
        elastic = fold.placed is not None and fold.placed.is_elastic
        smaller = elastic and 0 < asked < fold.asked
    shrink(fold, asked if smaller else None)


def shrink(fold: Fold, active: int | None) -> None:
    """Let a run go on with fewer devices; None: with all that it asks for."""
    fold.active = active
    if active is None:
        fold.degraded_by = None
    elif fold.degraded_by is None and fold.incidents:
        fold.degraded_by = fold.incidents[-1].number


def _opens_attempt(fold: Fold, life: Life, at_ns: int, *, was_missing: bool) -> bool:
    """
    Tell whether a rank that begins opens an attempt.

    It does if it is alone, or if this attempt has seen the rank already. Ranks
    that return while others are still missing belong to one restart, however
    long they take. Ranks without a number cannot be told apart: the first to
    return after the interruption opens the attempt, for all of them.
    """
    others = any(
        other.is_there_at(at_ns) for other in fold.lives.values() if other is not life
    )
    if fold.attempt == 0 or not others:
        return True
    if not was_missing:
        return False
    if life.rank < 0 and fold.incidents:
        return fold.attempt_ns < fold.incidents[-1].detected_ns
    return life.rank in fold.members


def _open_attempt(fold: Fold, life: Life, at_ns: int, *, restarts: bool) -> None:
    fold.attempt += 1
    fold.attempt_ns = at_ns
    fold.members = []
    how = begin_return(fold, life) if restarts else How.PROCESS
    if not fold.stepping_on:
        if fold.attempt > 1:
            begin_epoch(fold.progress, at_ns)
            # What the ended attempt left open completes no step of this one.
            emit_steps(fold, step_time.end_open(fold.steps, RunState.IDLE))
        fold.seen_step = None
        fold.steps.warm_left = step_time.WARM_UP_STEPS
    note(fold.book, at_ns, EventKind.ATTEMPT, number=fold.attempt, how=how.value)


def _give_back(fold: Fold, life: Life) -> None:
    """Strike the returning rank from the missing ones."""
    if life.rank in fold.missing:
        fold.missing.remove(life.rank)
    elif fold.missing and (life.rank < 0 or -1 in fold.missing):
        fold.missing.remove(-1 if -1 in fold.missing else fold.missing[0])
    if not fold.missing:
        fold.stepping_on = False


def forget_the_dead(fold: Fold) -> None:
    """Drop ended incarnations that nothing can refer to any more."""
    line_ns = fold.line_ns or 0
    gone = [
        life
        for life in fold.lives.values()
        if life.ended_ns is not None and life.ended_ns < line_ns
    ]
    kept = LIVES_KEPT if fold.missing else 0
    for life in sorted(gone, key=lambda life: life.ended_ns or 0)[: len(gone) - kept]:
        del fold.lives[life.incarnation]
        fold.buried.append(life.incarnation)
    del fold.buried[:-BURIED_KEPT]


def _end(fold: Fold, life: Life, rules: Rules) -> None:
    if life.ended_ns is None:
        return
    at_ns = life.ended_ns
    fold.last_exit_ns = max(fold.last_exit_ns, at_ns)
    if life.ended_ok:
        fold.is_done = not any(other.is_alive for other in fold.lives.values())
        return
    if _is_cascade(fold, life, rules):
        fold.incidents[-1].evidence.append(f"then {_said(life)}")
        fold.incidents[-1].returned_ns = None
    elif fold.stepping_on or not (fold.missing or is_out(fold)):
        _interrupt(fold, life, at_ns, rules)
    else:
        _follow(fold, life)
    fold.missing.append(life.rank)


def _follow(fold: Fold, life: Life) -> None:
    """Note the end of a rank that follows from an interruption seen before."""
    if not fold.incidents:
        return
    incident, at_ns = fold.incidents[-1], life.ended_ns or 0
    incident.evidence.append(f"then {_said(life)}")
    if not incident.ending:
        # The pods' dates are cut to seconds: this is the end that they told of.
        ending = Ending(
            stalled=False,
            said_bye=life.said_bye,
            exit_code=life.exit_code,
            detail=_said(life),
        )
        incident.ending = evidence_of_end(ending, at_ns)
        fold.has_news = True


def _is_cascade(fold: Fold, life: Life, rules: Rules) -> bool:
    """
    Tell whether a rank of the ended attempt is torn down late.

    The first ranks may be back by then: while the attempt that they opened
    is within its merge window, this is the same interruption.
    """
    return (
        fold.recovering
        and not fold.stepping_on
        and life.started_ns < fold.attempt_ns
        and fold.incidents[-1].detected_ns <= fold.attempt_ns
        and (life.ended_ns or 0) <= fold.attempt_ns + rules.merge_ns
    )


def _interrupt(fold: Fold, life: Life, at_ns: int, rules: Rules) -> None:
    """The first rank to end opens an incident; those after it are its cascade."""
    hung = fold.steps.stalled or _is_overdue(fold, life, rules)
    ending = Ending(hung, life.said_bye, life.exit_code, _said(life))
    # An incarnation that ends before its first step began no earlier than itself.
    began_ns = max(life.started_ns, fold.last_step_ns or 0)
    incident = Interruption(0, began_ns, at_ns, Cause.UNKNOWN, "", [])
    incident.unseen = life.ended_unseen
    incident.said = [_said(life)]
    incident.ending = evidence_of_end(ending, at_ns)
    interrupt(fold, incident, rules, rank=life.rank)


def interrupt(
    fold: Fold, incident: Interruption, rules: Rules, *, rank: int | None = None
) -> None:
    """
    Open an incident: name its cause, and charge it with what it cut short.

    Args:
        fold: The line has reached the instant of the incident's detection.
        incident: Without number and cause yet.
        rules: The settings.
        rank: The first to end, where that is known.
    """
    emit_steps(
        fold, step_time.judge(fold.steps, reference_of(fold), rules.reference_step_ns)
    )
    count_return(fold)
    known = foreseen(fold, incident.detected_ns)
    if known is not None:
        _tell_again(fold, known, incident)
        return
    fold.interruptions += 1
    incident.number = fold.interruptions
    # What befell a node before the run came there is another run's story.
    incident.since_ns = max(fold.attempt_ns, fold.ran_ns)
    locate(fold, incident, rank)
    verdict = verdict_of(fold, incident)
    incident.cause, incident.rule = verdict.cause, verdict.rule
    incident.evidence = words_of(incident, verdict)
    incident.preempted_by = verdict.by
    del fold.incidents[: -INCIDENTS_KEPT + 1]
    _suffer(fold, incident)
    adopt(fold, incident, incident.detected_ns)
    note(
        fold.book,
        incident.detected_ns,
        EventKind.INTERRUPTED,
        incident=incident.number,
        began_ns=incident.began_ns,
        cause=incident.cause.value,
        rule=incident.rule,
        rank=rank,
        evidence="; ".join(incident.evidence),
        nodes=",".join(incident.nodes),
        first_node=first_node_of(incident, verdict) or None,
        preempted_by=incident.preempted_by or None,
    )


def _suffer(fold: Fold, incident: Interruption) -> None:
    """Let time be an incident's cost from here on, and what it has cut short."""
    fold.incidents.append(incident)
    fold.recovering = True
    fold.steps_since_end = 0
    fold.stepping_on = False
    emit_steps(fold, step_time.end_open(fold.steps, RunState.INTERRUPTED))
    fold.active = None


def _tell_again(fold: Fold, known: Interruption, told: Interruption) -> None:
    """Add what the ranks say of an incident that their pods have told of before."""
    known.began_ns = min(known.began_ns, told.began_ns)
    known.detected_ns = min(known.detected_ns, told.detected_ns)
    known.said += [words for words in told.said if words not in known.said]
    known.ending = known.ending or told.ending
    known.returned_ns = None
    fold.has_news = True
    _suffer(fold, known)


def _is_overdue(fold: Fold, life: Life, rules: Rules) -> bool:
    """Tell whether a rank died in a phase that had passed its limit."""
    limit_ns = fold.durations.limit_ns(life.phase, rules)
    if limit_ns is None or life.phase is Phase.TRAIN_STEP:
        return False
    return life.reported_ns - life.stretch_ns > limit_ns


def _said(life: Life) -> str:
    rank = "the rank" if life.rank < 0 else f"rank {life.rank}"
    if not life.exit_detail:
        return f"{rank} ({life.incarnation}) ended without a goodbye"
    return f"{rank}: {life.exit_detail}"
