"""Rule 6: what a run did, from what its ranks did, when no single rank knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from goodput_exporter.domain.life import Life, Piece
from goodput_exporter.domain.spans import apportion
from goodput_exporter.domain.states import ORDER_OF, RunState


@dataclass(frozen=True, slots=True)
class Mix:
    """
    One window's time by state: non-step phases in table order, and step time.

    ``sum(phases) + step_ns + unobserved_ns`` is the window's length exactly.
    """

    phases: tuple[tuple[RunState, int], ...]
    step_ns: int
    unobserved_ns: int


def mix(lives: Sequence[Life], start_ns: int, end_ns: int) -> Mix:
    """
    Take the slowest rank's word for every phase of one window.

    The time of a non-step phase is the maximum over ranks, scaled down
    together where the maxima exceed the window; the rest is step time. The
    others' waiting hides in their step time, so no mean and no single rank
    would show it.

    Args:
        lives: The run's ranks that take part.
        start_ns: Where the window begins, on the ledger's clock.
        end_ns: Where it ends; not inside.

    Source:
        Definitions, rule 6.
    """
    length_ns = end_ns - start_ns
    longest: dict[RunState, int] = {}
    steps = False
    for life in lives:
        of_rank, stepped = _within(life.pieces, start_ns, end_ns)
        steps = steps or stepped
        for state, spent_ns in of_rank.items():
            if spent_ns > longest.get(state, -1):
                longest[state] = spent_ns
    unobserved_ns = _uncovered(lives, start_ns, end_ns)
    room_ns = length_ns - unobserved_ns
    states = sorted(longest, key=ORDER_OF.__getitem__)
    spent = [longest[state] for state in states]
    if states and (sum(spent) > room_ns or not steps):
        spent = apportion(room_ns, spent)
    return Mix(
        tuple(zip(states, spent, strict=True)), room_ns - sum(spent), unobserved_ns
    )


def _within(
    pieces: Sequence[Piece], start_ns: int, end_ns: int
) -> tuple[dict[RunState, int], bool]:
    spent: dict[RunState, int] = {}
    stepped = False
    for piece in pieces:
        if piece.end_ns <= start_ns:
            continue
        if piece.start_ns >= end_ns:
            break  # they are in order
        if piece.state is None:
            stepped = True
        else:
            inside_ns = min(piece.end_ns, end_ns) - max(piece.start_ns, start_ns)
            spent[piece.state] = spent.get(piece.state, 0) + inside_ns
    return spent, stepped


def _uncovered(lives: Sequence[Life], start_ns: int, end_ns: int) -> int:
    """Return how much of the window no rank has reported."""
    spans: list[tuple[int, int]] = []
    for life in lives:
        first, last = max(start_ns, life.started_ns), min(end_ns, life.reported_ns)
        if life.pieces and first < last:
            first = max(first, life.pieces[0].start_ns)
            if first == start_ns and last == end_ns:
                return 0  # as nearly always: one of them has seen all of it
            spans.append((first, last))
    missing_ns, cursor_ns = 0, start_ns
    for first, last in sorted(spans):
        if first > cursor_ns:
            missing_ns += first - cursor_ns
        cursor_ns = max(cursor_ns, last)
    return missing_ns + max(0, end_ns - cursor_ns)


def level(intervals: Sequence[tuple[int, int]], step_ns: int) -> list[int]:
    """
    Spread a window's step time over its steps, as evenly as their ends allow.

    A step cannot hold more step time than passed since the step before it;
    below that all are equal. So a step that waited for data shows as the
    step it was, and its waiting stays in the phases.

    Args:
        intervals: (time since the completion before, steps completed at its end).
        step_ns: Step time to spread; at most the sum of the times.

    Returns:
        One share per interval; they sum to *step_ns* exactly.
    """
    shares = [0] * len(intervals)
    per_step = sorted(range(len(intervals)), key=lambda i: _per_step(intervals[i]))
    left_ns, left = step_ns, sum(max(1, count) for _, count in intervals)
    for i in per_step:
        length_ns, count = intervals[i]
        shares[i] = min(length_ns, left_ns * max(1, count) // left)
        left_ns -= shares[i]
        left -= max(1, count)
    if left_ns and per_step:
        shares[per_step[-1]] += left_ns
    return shares


def _per_step(interval: tuple[int, int]) -> float:
    length_ns, count = interval
    return length_ns / max(1, count)
