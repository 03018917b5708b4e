"""A run's accounts: the live view, the settled view, and what was moved between."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from goodput_exporter.domain.accounting import Account, Segment
from goodput_exporter.domain.bookings import (
    OUTSIDE_THE_BOOK,
    Booking,
    EventKind,
    Reattribution,
    Restatement,
    RunEvent,
)
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, RunState


@dataclass(slots=True)
class Book:
    """
    Everything booked of one run; nothing in *live* is ever taken back.

    Args:
        live: What counters show.
        settled: The same time in hindsight.
        restated: GPU time moved, by ``"from>to"``.
        corrections: What *live* lacks to say what is known today: the restated
            time, but for what was lost, which only the settled view tells apart.
        wall_ns: The book's wall time so far, by how many devices it counted.
        moves, recauses: The latest moves behind *corrections*, oldest first.
        outside: The latest spans between an end and a reopening, in no book.
        outside_ns: All of them together.
        recaused: GPU time whose cause was corrected, by ``"from>to"``; live states.
        pending: Booked and not written to the ledger yet.
        blind: Lately booked as down or unobserved: what late evidence may fill.
        idle: Lately booked as idle: it may turn out to lie beyond the run's end.
        doubted: Booked while the ranks were silent, as it is known now: what is
            emitted over it is a restatement and no booking.
    """

    live: Account = field(default_factory=Account)
    settled: Account = field(default_factory=Account)
    restated: dict[str, int] = field(default_factory=dict)
    corrections: Account = field(default_factory=Account)
    wall_ns: dict[int, int] = field(default_factory=dict)
    moves: list[Restatement] = field(default_factory=list)
    outside: list[Span] = field(default_factory=list)
    outside_ns: int = 0
    model_flops: float | None = None
    pending: list[Booking] = field(default_factory=list)
    blind: list[Segment] = field(default_factory=list)
    idle: list[Segment] = field(default_factory=list)
    doubted: list[Segment] = field(default_factory=list)
    late_ns: int = 0
    recaused: dict[str, int] = field(default_factory=dict)
    recauses: list[Reattribution] = field(default_factory=list)

    @property
    def decided_since(self) -> tuple[Restatement | Reattribution, ...]:
        """Return the latest moves of both kinds, in the order of their dates."""
        both: list[Restatement | Reattribution] = [*self.moves, *self.recauses]
        return tuple(sorted(both, key=lambda move: move.at_ns))


BLIND: Final = (
    RunState.QUEUED,
    RunState.SUSPENDED,
    RunState.DOWN,
    RunState.SCHEDULING,
    RunState.PROVISIONING,
    RunState.UNOBSERVED,
)
"""States booked without a word from the ranks; late evidence may name such time."""
BLIND_KEPT: Final = 64
MOVES_KEPT: Final = 64
OUTSIDE_KEPT: Final = 64


def book(into: Book, segment: Segment) -> None:
    """Book one segment in both views and join it to the one before if it goes on."""
    gpu_ns = segment.gpu_ns
    into.live.add(segment.state, gpu_ns, segment.cause)
    into.settled.add(*settled_as(segment))
    if segment.model_flops is not None:
        into.model_flops = (into.model_flops or 0.0) + segment.model_flops
    remember(into, segment)
    last = into.pending[-1] if into.pending else None
    if isinstance(last, Segment) and _goes_on(last, segment):
        into.pending[-1] = _joined(last, segment)
    else:
        into.pending.append(segment)


def settled_as(segment: Segment) -> tuple[RunState, int, Cause]:
    """
    Return state, GPU time and cause of a segment in the settled view.

    An execution that is kept is nobody's cost; what it replaced is ``lost``.
    """
    state = segment.kept_as or segment.state
    cause = segment.cause if state is segment.state else Cause.NONE
    return state, segment.gpu_ns, cause


def note(into: Book, at_ns: int, kind: EventKind, **detail: str | float | None) -> None:
    """Write down that something happened."""
    into.pending.append(RunEvent(at_ns, kind, detail))


def restate(  # noqa: PLR0913 - each is a column of the entry
    into: Book,
    at_ns: int,
    span: Span,
    moved: tuple[str, str],
    gpu_ns: int,
    *,
    cause: Cause,
    reason: str,
    incident: int | None = None,
    executed: Segment | None = None,
) -> None:
    """
    Move time between states in the settled view; the live view stays.

    *executed* tells which steps the time turns out to hold, and what it is if kept.
    """
    if gpu_ns == 0:
        return
    from_state, to_state = moved
    states = {state.value: state for state in RunState}
    if from_state in states:
        into.settled.add(states[from_state], -gpu_ns, _cost(cause, to_state))
    if to_state in states:
        state = states[to_state]
        kept_as = state if executed is None else executed.kept_as or state
        cost = _cost(cause, from_state) if kept_as is state else Cause.NONE
        into.settled.add(kept_as, gpu_ns, cost)
    key = f"{from_state}>{to_state}"
    into.restated[key] = into.restated.get(key, 0) + gpu_ns
    move = Restatement(
        at_ns,
        span,
        from_state,
        to_state,
        gpu_ns,
        cause,
        reason,
        incident,
        None if executed is None else executed.kept_as,
        None if executed is None else executed.first_step,
        None if executed is None else executed.last_step,
    )
    into.pending.append(move)
    if RunState.LOST.value not in moved:
        _correct(into, move)


def _cost(cause: Cause, other: str) -> Cause:
    """What was lost was nobody's cost before: the work was good, or merely slow."""
    return Cause.NONE if other == RunState.LOST.value else cause


def recause(into: Book, move: Reattribution) -> None:
    """Move time between causes in the settled view; the live view stays."""
    before, after = move.from_cause, move.to_cause
    for state, gpu_ns in move.settled_gpu_ns.items():
        into.settled.add(state, -gpu_ns, before)
        into.settled.add(state, gpu_ns, after)
    for state, gpu_ns in move.gpu_ns.items():
        into.corrections.add(state, -gpu_ns, before)
        into.corrections.add(state, gpu_ns, after)
    moved = sum(move.gpu_ns.values())
    if before is not after and moved:
        key = f"{before.value}>{after.value}"
        into.recaused[key] = into.recaused.get(key, 0) + moved
    into.pending.append(move)
    into.recauses.append(move)
    del into.recauses[:-MOVES_KEPT]


def lengthen(into: Book, devices: int, length_ns: int) -> None:
    """Note that the book goes on for *length_ns* with so many devices."""
    into.wall_ns[devices] = into.wall_ns.get(devices, 0) + length_ns


def leave_out(into: Book, span: Span) -> None:
    """Note that a span between an end and a reopening is in no book."""
    if span.length_ns > 0:
        into.outside.append(span)
        into.outside_ns += span.length_ns
        del into.outside[:-OUTSIDE_KEPT]


def _correct(into: Book, move: Restatement) -> None:
    for name, sign in ((move.from_state, -1), (move.to_state, 1)):
        if name == OUTSIDE_THE_BOOK:
            devices = move.gpu_ns // move.span.length_ns
            lengthen(into, devices, -sign * move.span.length_ns)
        else:
            into.corrections.add(RunState(name), sign * move.gpu_ns, move.cause)
    into.moves.append(move)
    del into.moves[:-MOVES_KEPT]


def fill(
    into: Book, at_ns: int, span: Span, state: RunState, blind: RunState
) -> list[Segment]:
    """
    Let late evidence name time that was booked blind.

    Each blind instant is filled once, by whoever comes first.

    Args:
        into: The run's book.
        at_ns: When this is decided.
        span: What the evidence covers.
        state: What it was.
        blind: Which blind state it may fill: down or unobserved.

    Returns:
        What was moved, as it was booked.
    """
    left: list[Segment] = []
    moved: list[Segment] = []
    for segment in into.blind:
        inside = segment.span.clip(span) if segment.state is blind else None
        if inside is None:
            left.append(segment)
            continue
        moved.append(replace(segment, span=inside))
        restate(
            into,
            at_ns,
            inside,
            (segment.state.value, state.value),
            inside.length_ns * segment.devices,
            cause=segment.cause,
            reason="rule 14: late evidence",
            incident=segment.incident,
        )
        before = Span(segment.span.start_ns, inside.start_ns)
        after = Span(inside.end_ns, segment.span.end_ns)
        left += [replace(segment, span=s) for s in (before, after) if s.length_ns]
    into.blind = left
    return moved


def remember(into: Book, segment: Segment) -> None:
    """Keep in mind what was booked in a state that late evidence may correct."""
    if segment.state in BLIND:
        join(into.blind, segment)
        del into.blind[:-BLIND_KEPT]
    elif segment.state is RunState.IDLE:
        join(into.idle, segment)
        del into.idle[:-BLIND_KEPT]


def join(segments: list[Segment], segment: Segment) -> None:
    """Append a segment, or lengthen the last one that it goes on from."""
    if segments and _goes_on(segments[-1], segment):
        segments[-1] = _joined(segments[-1], segment)
    else:
        segments.append(segment)


def _goes_on(last: Segment, segment: Segment) -> bool:
    return (
        last.span.end_ns == segment.span.start_ns
        and last.state is segment.state
        and last.kept_as is segment.kept_as
        and last.devices == segment.devices
        and last.cause is segment.cause
        and last.incident == segment.incident
        and last.bridged == segment.bridged
        and (last.last_step is None) == (segment.first_step is None)
        and (last.model_flops is None) == (segment.model_flops is None)
    )


def _joined(last: Segment, segment: Segment) -> Segment:
    flops = None
    if last.model_flops is not None and segment.model_flops is not None:
        flops = last.model_flops + segment.model_flops
    return replace(
        last,
        span=Span(last.span.start_ns, segment.span.end_ns),
        last_step=segment.last_step,
        model_flops=flops,
    )
