"""What a run's undecided time would be booked as, if it ended now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.advance import advance
from goodput_exporter.domain.book import BLIND
from goodput_exporter.domain.bookings import Reattribution, Restatement
from goodput_exporter.domain.fold import Fold, cause_of, context_of
from goodput_exporter.domain.grid import taking_part
from goodput_exporter.domain.life import Life
from goodput_exporter.domain.outage import (
    is_out,
    is_replaced,
    outage_state,
    quiet_state,
)
from goodput_exporter.domain.rewinding import unbooked, unnamed
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.spans import NS_PER_SECOND, Span
from goodput_exporter.domain.states import (
    ORDER_OF,
    STATE_OF_PHASE,
    Cause,
    Phase,
    RunState,
)
from goodput_exporter.domain.windows import mix

LASTS_NS: Final = NS_PER_SECOND
"""A phase of one rank among others is the run's state once it is known to last so
long: at any instant some rank of many is between two steps."""


@dataclass(frozen=True, slots=True)
class Tail:
    """
    What is not committed of a run yet.

    Args:
        decided: Segments that would be booked now if no report were under way.
        moves: Restatements, likewise.
        foreseen: What the rest would be booked as: open and held steps, and what
            the ranks have not spoken of.
        wall_ns: The book's wall time by devices, all of these included.
    """

    decided: tuple[Segment, ...]
    moves: tuple[Restatement | Reattribution, ...]
    foreseen: tuple[Segment, ...]
    wall_ns: dict[int, int]

    @property
    def segments(self) -> list[Segment]:
        """Return decided and foreseen segments in time order."""
        return sorted((*self.decided, *self.foreseen), key=lambda s: (s.span, s.state))


def tail_of(fold: Fold, now_ns: int, rules: Rules, silence_ns: int) -> Tail:
    """
    Foresee what the time between the committed line and now will be.

    Args:
        fold: A copy of the run's fold as committed, which this drives on to now.
        now_ns: The present, on the ledger's clock.
        rules: The settings.
        silence_ns: How long the last word of the ranks is believed.

    Returns:
        With what is committed it tiles the run's book: up to now, or to the
        run's end.
    """
    advance(fold, now_ns, rules, grace_ns=0)
    foreseen: list[Segment] = []
    wall_ns = dict(fold.book.wall_ns)
    if fold.line_ns is not None and fold.ended_ns is None:
        foreseen = _foreseen(fold, now_ns, rules, silence_ns)
        ahead_ns = max(0, now_ns - fold.line_ns) + _unnamed_ns(fold)
        wall_ns[fold.asked] = wall_ns.get(fold.asked, 0) + ahead_ns
    pending = fold.book.pending
    return Tail(
        tuple(booked for booked in pending if isinstance(booked, Segment)),
        tuple(
            booked
            for booked in pending
            if isinstance(booked, Restatement | Reattribution)
        ),
        tuple(foreseen),
        {devices: ns for devices, ns in wall_ns.items() if ns},
    )


def _unnamed_ns(fold: Fold) -> int:
    return sum(span.length_ns for span in unbooked(fold, unnamed(fold)))


def _foreseen(fold: Fold, now_ns: int, rules: Rules, silence_ns: int) -> list[Segment]:
    found: list[Segment] = []
    for held in fold.steps.held:
        state = RunState.RECOMPUTING if held.redone else RunState.PRODUCTIVE
        found += _segments(fold, unbooked(fold, held.spans), state)
    found += _segments(fold, unbooked(fold, fold.steps.open), _step_state(fold))
    return found + _undecided(fold, now_ns, rules, silence_ns)


def _step_state(fold: Fold) -> RunState:
    if fold.steps.stalled:
        return RunState.STALLED
    mark, position = fold.progress.high_water, fold.progress.position
    redoes = mark is not None and position is not None and position < mark
    return RunState.RECOMPUTING if redoes else RunState.PRODUCTIVE


def _segments(fold: Fold, spans: Sequence[Span], state: RunState) -> list[Segment]:
    context = context_of(fold)
    incident = None if state is RunState.PRODUCTIVE else context.incident
    cause = cause_of(fold, incident)
    if state is RunState.STALLED and incident is None:
        cause = Cause.HANG
    devices = fold.asked if state in BLIND else context.devices
    short = fold.asked - devices
    found: list[Segment] = []
    for span in spans:
        if span.length_ns <= 0:
            continue
        found.append(Segment(span, state, devices, cause, incident))
        if short > 0:
            of = fold.degraded_by
            missing = Segment(span, RunState.DEGRADED, short, cause_of(fold, of), of)
            found.append(missing)
    return found


def _undecided(fold: Fold, now_ns: int, rules: Rules, silence_ns: int) -> list[Segment]:
    """Name what the line has not reached: by the last word, while it counts."""
    line_ns = now_ns if fold.line_ns is None else fold.line_ns
    if is_out(fold):
        return _segments(fold, [Span(line_ns, now_ns)], outage_state(fold))
    # One whose end lies ahead of the line still has something to say of it.
    lives = [
        life
        for life in fold.lives.values()
        if (life.is_alive or (life.ended_ns or 0) > line_ns)
        and not is_replaced(fold, life)
    ]
    if not lives and fold.placed is not None:
        state = quiet_state(fold) or RunState.INITIALIZING
        return _segments(fold, [Span(line_ns, now_ns)], state)
    heard_ns = max((life.reported_ns for life in lives), default=line_ns)
    known_ns = min(now_ns, max(line_ns, heard_ns))
    believed_ns = min(now_ns, max(known_ns, heard_ns + silence_ns))
    if not any(life.is_alive for life in lives):
        believed_ns = known_ns
    found = _mixed(fold, lives, Span(line_ns, known_ns))
    for state, span in _goes_on(fold, lives, Span(known_ns, believed_ns), rules):
        found += _segments(fold, [span], state)
    return found + _segments(fold, [Span(believed_ns, now_ns)], RunState.UNOBSERVED)


def _mixed(fold: Fold, lives: list[Life], span: Span) -> list[Segment]:
    if span.length_ns <= 0:
        return []
    content = mix(taking_part(fold, lives), span.start_ns, span.end_ns)
    named = [*content.phases, (RunState.UNOBSERVED, content.unobserved_ns)]
    named.append((_step_state(fold), content.step_ns))
    found: list[Segment] = []
    cursor_ns = span.start_ns
    for state, spent_ns in named:
        found += _segments(fold, [Span(cursor_ns, cursor_ns + spent_ns)], state)
        cursor_ns += spent_ns
    return found


def _goes_on(
    fold: Fold, lives: list[Life], span: Span, rules: Rules
) -> list[tuple[RunState, Span]]:
    """Carry the last word on: a phase past its limit is stalled from there on."""
    if span.length_ns <= 0:
        return []
    leading = _leading(fold, lives)
    if leading is None:
        return [(RunState.IDLE, span)]
    if leading.phase is Phase.TRAIN_STEP:
        return [(_step_state(fold), span)]
    limit_ns = fold.durations.limit_ns(leading.phase, rules)
    turn_ns = span.end_ns if limit_ns is None else leading.stretch_ns + limit_ns
    turn_ns = min(max(turn_ns, span.start_ns), span.end_ns)
    return [
        (STATE_OF_PHASE[leading.phase], Span(span.start_ns, turn_ns)),
        (RunState.STALLED, Span(turn_ns, span.end_ns)),
    ]


def _leading(fold: Fold, lives: list[Life]) -> Life | None:
    """Return the rank that the others wait for; None where all said goodbye."""
    here = [life for life in taking_part(fold, lives) if not life.said_bye]
    if not here:
        return None
    waiting = [
        life
        for life in here
        if life.phase is not Phase.TRAIN_STEP
        and life.reported_ns - life.stretch_ns >= LASTS_NS
    ]
    steps = [life for life in here if life.phase is Phase.TRAIN_STEP]
    if waiting or not steps:
        return min(waiting or here, key=_rank_of_phase)
    return steps[0]


def _rank_of_phase(life: Life) -> tuple[int, int]:
    return ORDER_OF[STATE_OF_PHASE[life.phase]], life.stretch_ns
