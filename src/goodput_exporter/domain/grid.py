"""Rule 6: where the windows of several ranks end, and what is booked of each."""

from __future__ import annotations

from bisect import bisect_right
from enum import Enum, auto
from operator import attrgetter
from typing import Final

from goodput_exporter.domain import steps as step_time
from goodput_exporter.domain.fold import Fold, Waiting, emit
from goodput_exporter.domain.life import Life
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Phase, RunState
from goodput_exporter.domain.stepping import apply, check_stall, is_news
from goodput_exporter.domain.windows import Mix, level, mix

LITTLE_NS: Final = 1_000_000
"""Step time of a window below a millisecond is rounding, not the start of a step."""
_INSTANT: Final = attrgetter("at_ns")
_ORDER: Final = attrgetter("at_ns", "incarnation", "order")
"""The order of marks: by their instants, and always the same among equal ones."""


class Until(Enum):
    """How near to its stop the line is moved."""

    KNOWN = auto()
    """As far as no later word can change where a window ends."""
    STEPS = auto()
    """To the last completed step, which its window may yet reach beyond."""
    STOP = auto()
    """All the way, because the run's make-up changes there."""


def lay_windows(
    fold: Fold, everyone: list[Life], stop_ns: int, rules: Rules, *, until: Until
) -> None:
    """
    Several ranks: the grid of rule 6, cut at completed steps.

    A window ends at the last step that completes before its grid line, so
    that it holds whole steps; a step that spans the line ends its own.
    Without a step in sight, a whole cell of phases is booked as it goes.
    """
    # A rollback changes what the marks after it mean.
    back = sorted(w.at_ns for w in fold.waiting if w.mark.restored is not None)
    while fold.line_ns is not None and fold.line_ns < stop_ns:
        line_ns = fold.line_ns
        for waiting in take_waiting(fold, line_ns):
            apply(fold, waiting, rules)
        members = taking_part(fold, everyone)
        end_ns = _window_end(fold, members, stop_ns, rules, until=until)
        if end_ns is None:
            break
        end_ns = min([end_ns, *(at_ns for at_ns in back if at_ns > line_ns)])
        _lay_window(fold, members, end_ns, rules)
        check_stall(fold, rules)
    check_stall(fold, rules)


def _window_end(
    fold: Fold, members: list[Life], stop_ns: int, rules: Rules, *, until: Until
) -> int | None:
    """
    Return where the window at the line ends; None while that cannot be known.

    A step that completes before the grid line may yet be followed by another:
    only once the ranks have spoken past it is the window the same, however
    often the run is looked at.
    """
    line_ns = fold.line_ns or 0
    grid_ns = (line_ns // rules.window_ns + 1) * rules.window_ns
    if until is Until.KNOWN and stop_ns < grid_ns:
        return None
    ends = [w for w in fold.waiting if w.mark.count and line_ns < w.at_ns <= stop_ns]
    before = [w.at_ns for w in ends if w.at_ns <= grid_ns]
    if before:
        return before[-1]
    known = grid_ns, _open_until(ends[0]) if ends else stop_ns
    if grid_ns <= stop_ns and _goes_as_it_is(fold, members, known, rules):
        return grid_ns
    if ends:
        return ends[0].at_ns
    return stop_ns if until is Until.STOP else None


def _open_until(end: Waiting) -> int:
    """Return up to when no step of a mark is known to have been complete."""
    return end.at_ns if end.mark.count == 1 else min(end.at_ns, end.since_ns)


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
    """
    Tell whether a cell that no step completes in may be booked on its own.

    Args:
        fold: Its line is where the cell begins.
        members: Who takes part.
        ends: Where the cell ends, and up to where it is known that no step has
            been completed.
        rules: The settings.
    """
    if _is_phases_only(fold, members, ends[0]):
        return True
    if all(life.active_ns is not None for life in members):
        return True  # nobody will ever tell where a step ended
    limit_ns = fold.durations.limit_ns(Phase.TRAIN_STEP, rules)
    if limit_ns is None or fold.line_ns is None:
        return False
    return fold.steps.stalled or _passes(fold, members, ends, rules, limit_ns)


def _passes(
    fold: Fold,
    members: list[Life],
    ends: tuple[int, int],
    rules: Rules,
    limit_ns: int,
) -> bool:
    """Tell whether the open step is past its limit at a grid line that was reached."""
    line_ns, (grid_ns, stop_ns) = fold.line_ns or 0, ends
    open_ns = fold.steps.open_ns
    # Before it, not even step time alone would be too long.
    cells = max(0, line_ns + limit_ns - open_ns - grid_ns) // rules.window_ns
    first_ns = grid_ns + cells * rules.window_ns
    return any(
        open_ns + mix(members, line_ns, at_ns).step_ns > limit_ns
        for at_ns in range(first_ns, stop_ns + 1, rules.window_ns)
    )


def _lay_window(fold: Fold, members: list[Life], end_ns: int, rules: Rules) -> None:
    """Book one window: phases first, in table order, then its steps."""
    start_ns = fold.line_ns or 0
    content = mix(members, start_ns, end_ns)
    taken = take_waiting(fold, end_ns)
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
    drop_before(fold, end_ns)


def _lay_phases(fold: Fold, content: Mix, start_ns: int) -> int:
    cursor_ns = start_ns
    for state, spent_ns in (
        *content.phases,
        (RunState.UNOBSERVED, content.unobserved_ns),
    ):
        emit(fold, Span(cursor_ns, cursor_ns + spent_ns), state)
        cursor_ns += spent_ns
    return cursor_ns


def take_waiting(fold: Fold, until_ns: int) -> list[Waiting]:
    """
    Take the marks up to an instant, in the order of their instants.

    Those of a rank that begins at that instant come after its beginning.
    """
    if not fold.waiting:
        return []
    fold.waiting.sort(key=_ORDER)
    count = bisect_right(fold.waiting, until_ns, key=_INSTANT)
    taken, fold.waiting = fold.waiting[:count], fold.waiting[count:]
    early = [waiting for waiting in taken if not _has_begun(fold, waiting)]
    if early:
        fold.waiting = [*early, *fold.waiting]
        taken = [waiting for waiting in taken if _has_begun(fold, waiting)]
    return taken


def _has_begun(fold: Fold, waiting: Waiting) -> bool:
    life = fold.lives.get(waiting.incarnation)
    return life is None or life.has_begun


def drop_before(fold: Fold, line_ns: int) -> None:
    """Forget the pieces that the line has passed."""
    for life in fold.lives.values():
        trim(life, line_ns)


def trim(life: Life, line_ns: int) -> None:
    """Forget the pieces of one rank that the line has passed."""
    pieces = life.pieces
    passed = 0
    while passed < len(pieces) and pieces[passed].end_ns <= line_ns:
        passed += 1
    del pieces[:passed]
    if pieces and pieces[0].start_ns < line_ns:
        pieces[0].start_ns = line_ns
