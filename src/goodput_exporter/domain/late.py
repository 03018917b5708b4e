"""Rule 14: what a rank's late word says of time that was booked blind."""

from __future__ import annotations

from collections.abc import Iterator

from goodput_exporter.domain.accounting import Segment, is_bad
from goodput_exporter.domain.book import fill
from goodput_exporter.domain.fold import Fold, Waiting, add_to, incident_of
from goodput_exporter.domain.life import Life
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Phase, RunState


def fill_blind(fold: Fold, life: Life, blind: RunState, rules: Rules) -> None:
    """Name what was booked blind before this rank's word came in."""
    line_ns = fold.line_ns or 0
    for span, state, is_step in _late_time(fold, life, rules):
        if span.start_ns >= line_ns:
            break
        late = Span(span.start_ns, min(span.end_ns, line_ns))
        moved = fill(fold.book, line_ns, late, state, blind)
        for segment in moved:
            _recharge(fold, segment, state)
        if moved and is_step:
            # The step's time is not whole any more: it is no sample.
            fold.partial = True
            fold.steps.stalled |= state is RunState.STALLED and not _news(fold, life)


def fill_quiet(fold: Fold, span: Span) -> None:
    """Name the time in which containers ran and no rank had spoken yet."""
    fill(fold.book, span.end_ns, span, RunState.INITIALIZING, RunState.UNOBSERVED)


def _recharge(fold: Fold, segment: Segment, state: RunState) -> None:
    """Let an incident's cost follow what late evidence moved."""
    number = segment.incident
    incident = None if number is None else incident_of(fold, number)
    for amounts in () if incident is None else (incident.gpu_ns, incident.settled_ns):
        add_to(amounts, segment.state, -segment.gpu_ns)
        if is_bad(state):
            add_to(amounts, state, segment.gpu_ns)


def _late_time(
    fold: Fold, life: Life, rules: Rules
) -> Iterator[tuple[Span, RunState, bool]]:
    """
    Yield what a rank did while nobody heard it, and whether that was step time.

    Source:
        Rules 3 and 10 hold in hindsight, too: a process that froze, sender and
        all, was stalled; steps that were done before are no progress.
    """
    news, spent_ns = _news(fold, life), [0, 0]
    done_ns = max((waiting.at_ns for waiting in news), default=0)
    if life.active_ns is not None:
        done_ns = life.active_ns  # a sign of training stands in for a step
    stepping: list[tuple[Span, bool]] = []
    for piece in life.pieces:
        middle_ns = min(max(piece.start_ns, done_ns), piece.end_ns)
        spans = Span(piece.start_ns, middle_ns), Span(middle_ns, piece.end_ns)
        for is_open, span in enumerate(spans):
            if piece.state is not None or not span.length_ns:
                continue
            spent_ns[is_open] += span.length_ns
            stepping.append((span, bool(is_open)))
    spent_ns[0 if news else 1] += fold.steps.open_ns
    count = max(1, sum(waiting.mark.count for waiting in news))
    done, undone = RunState.PRODUCTIVE, RunState.PRODUCTIVE
    limit_ns = fold.durations.limit_ns(Phase.TRAIN_STEP, rules)
    if _is_redone(fold, news):
        done = RunState.RECOMPUTING
    is_counted = life.active_ns is None
    if is_counted and limit_ns is not None and spent_ns[0] // count > limit_ns:
        done = RunState.STALLED
    if limit_ns is not None and spent_ns[1] > limit_ns:
        undone = RunState.STALLED
    named = [(span, undone if is_open else done, True) for span, is_open in stepping]
    named += [
        (Span(piece.start_ns, piece.end_ns), piece.state, False)
        for piece in life.pieces
        if piece.state is not None
    ]
    yield from sorted(named, key=lambda part: part[0].start_ns)


def _news(fold: Fold, life: Life) -> list[Waiting]:
    """Return a rank's completed steps that have not been counted yet."""
    mine = [w for w in fold.waiting if w.incarnation == life.incarnation]
    return [waiting for waiting in mine if waiting.mark.count]


def _is_redone(fold: Fold, news: list[Waiting]) -> bool:
    high_water = fold.progress.high_water
    if high_water is None or any(waiting.mark.local for waiting in news):
        return False
    reached = [w.mark.step for w in news if w.mark.step is not None]
    return bool(reached) and max(reached) <= high_water
