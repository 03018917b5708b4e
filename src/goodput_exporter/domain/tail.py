"""What a run's undecided time would be booked as, if it ended now."""

from __future__ import annotations

from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.advance import advance
from goodput_exporter.domain.fold import Fold, cause_of, context_of
from goodput_exporter.domain.life import Life
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import STATE_OF_PHASE, Cause, Phase, RunState
from goodput_exporter.domain.windows import mix


def tail_of(fold: Fold, now_ns: int, rules: Rules, silence_ns: int) -> list[Segment]:
    """
    Foresee the segments between the sealed line and now.

    Args:
        fold: A copy of the run's fold, which this uses up.
        now_ns: The present, on the ledger's clock.
        rules: The settings.
        silence_ns: How long the last word of the ranks is believed.

    Returns:
        Segments in time order that end now at the latest; together with
        what is sealed they tile the run's book.
    """
    advance(fold, now_ns, rules, grace_ns=0)
    found = [booked for booked in fold.book.pending if isinstance(booked, Segment)]
    if fold.line_ns is None or fold.ended_ns is not None:
        return sorted(found, key=_by_time)
    for held in fold.steps.held:
        state = RunState.RECOMPUTING if held.redone else RunState.PRODUCTIVE
        found += _segments(fold, held.spans, state)
    found += _segments(fold, fold.steps.open, _step_state(fold))
    found += _undecided(fold, now_ns, silence_ns)
    return sorted(found, key=_by_time)


def _by_time(segment: Segment) -> tuple[Span, str]:
    return segment.span, segment.state


def _step_state(fold: Fold) -> RunState:
    if fold.steps.stalled:
        return RunState.STALLED
    mark, position = fold.progress.high_water, fold.progress.position
    redoes = mark is not None and position is not None and position < mark
    return RunState.RECOMPUTING if redoes else RunState.PRODUCTIVE


def _segments(fold: Fold, spans: list[Span], state: RunState) -> list[Segment]:
    context = context_of(fold)
    cause = cause_of(fold, context.incident)
    if state is RunState.STALLED:
        cause = Cause.HANG
    found: list[Segment] = []
    for span in spans:
        if span.length_ns <= 0:
            continue
        found.append(Segment(span, state, context.devices, cause, context.incident))
        short = fold.asked - context.devices
        if short > 0:
            cause_short = cause_of(fold, fold.degraded_by)
            found.append(Segment(span, RunState.DEGRADED, short, cause_short))
    return found


def _undecided(fold: Fold, now_ns: int, silence_ns: int) -> list[Segment]:
    """Name what the line has not reached: by the last word, while it counts."""
    line_ns = fold.line_ns or now_ns
    if fold.missing and not fold.stepping_on:
        return _segments(fold, [Span(line_ns, now_ns)], RunState.DOWN)
    lives = [life for life in fold.lives.values() if life.is_alive]
    if not lives:
        return []
    heard_ns = max(life.reported_ns for life in lives)
    known_ns = min(now_ns, max(line_ns, heard_ns))
    found = _mixed(fold, lives, line_ns, known_ns)
    believed_ns = min(now_ns, max(known_ns, heard_ns + silence_ns))
    last = max(lives, key=lambda life: life.reported_ns)
    found += _segments(fold, [Span(known_ns, believed_ns)], _state_of(fold, last))
    return found + _segments(fold, [Span(believed_ns, now_ns)], RunState.UNOBSERVED)


def _mixed(fold: Fold, lives: list[Life], start_ns: int, end_ns: int) -> list[Segment]:
    if end_ns <= start_ns:
        return []
    content = mix(lives, start_ns, end_ns)
    named = [*content.phases, (RunState.UNOBSERVED, content.unobserved_ns)]
    named.append((_step_state(fold), content.step_ns))
    found: list[Segment] = []
    cursor_ns = start_ns
    for state, spent_ns in named:
        found += _segments(fold, [Span(cursor_ns, cursor_ns + spent_ns)], state)
        cursor_ns += spent_ns
    return found


def _state_of(fold: Fold, life: Life) -> RunState:
    if life.said_bye:
        return RunState.IDLE
    if life.phase is Phase.TRAIN_STEP:
        return _step_state(fold)
    last = life.pieces[-1] if life.pieces else None
    if last is not None and last.state is RunState.STALLED:
        return RunState.STALLED
    return STATE_OF_PHASE[life.phase]
