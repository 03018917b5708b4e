"""What a run's events say of its interruptions, each from its beginning on."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from goodput_exporter.analysis.stretches import Stretch
from goodput_exporter.domain.bookings import (
    Booking,
    EventKind,
    Reattribution,
    RunEvent,
)
from goodput_exporter.domain.states import Cause, RunState

STEPPING: Final = frozenset({RunState.PRODUCTIVE, RunState.SLOW, RunState.RECOMPUTING})
"""Time of completed steps."""


@dataclass(slots=True)
class Story:
    """
    What the events say of one incident so far; see ``IncidentRecord``.

    Args:
        attempt_ns: When the attempt began that it interrupted.
        first_node: Where the first rank ended; None unknown.
        preempted_by: Who took its place, as ``"run/NAMESPACE/NAME"``; empty unknown.
        corrections: Entries that give its time another cause, oldest first.
    """

    number: int
    detected_ns: int
    cause: Cause
    rule: str
    evidence: list[str]
    attempt_ns: int
    began_ns: int | None = None
    nodes: tuple[str, ...] = ()
    returned_ns: int | None = None
    recovered_ns: int | None = None
    how: str | None = None
    restored_step: int | None = None
    lost_steps: int | None = None
    lost_tokens: int | None = None
    first_node: str | None = None
    preempted_by: str = ""
    corrections: list[Reattribution] = field(default_factory=list)


def stories_of(bookings: Iterable[Booking]) -> dict[int, Story]:
    """Read a run's entries, in the order of their numbers; stories by number."""
    stories: dict[int, Story] = {}
    current: Story | None = None
    attempt_ns = 0
    for one in bookings:
        if isinstance(one, Reattribution):
            if one.incident in stories and one.from_incident == one.incident:
                _correct(stories[one.incident], one)
            continue
        if not isinstance(one, RunEvent):
            continue
        if one.kind is EventKind.INTERRUPTED:
            current = opened(one, attempt_ns)
            stories[current.number] = current
        elif one.kind in (EventKind.ATTEMPT, EventKind.OPENED):
            attempt_ns = one.at_ns
        if current is not None:
            _go_on(current, one)
            if one.kind is EventKind.RECOVERED:
                current = None
    return stories


def _correct(story: Story, move: Reattribution) -> None:
    # Who preempted it may be known later than that it was preempted.
    story.preempted_by = move.preempted_by or story.preempted_by
    story.corrections.append(move)


def opened(event: RunEvent, attempt_ns: int) -> Story:
    """Return what the event of an interruption says of it; see ``Story``."""
    detail = event.detail
    said = str(detail.get("evidence") or "")
    return Story(
        number=int(detail["incident"] or 0),
        detected_ns=event.at_ns,
        cause=Cause(str(detail["cause"])),
        rule=str(detail.get("rule") or ""),
        evidence=[said] if said else [],
        attempt_ns=attempt_ns,
        began_ns=_whole(detail.get("began_ns")),
        nodes=tuple(node for node in str(detail.get("nodes") or "").split(",") if node),
        first_node=_text(detail.get("first_node")),
        preempted_by=_text(detail.get("preempted_by")) or "",
    )


def _go_on(story: Story, event: RunEvent) -> None:
    detail = event.detail
    match event.kind:
        case EventKind.ATTEMPT if story.how is None:
            story.how = _text(detail.get("how"))
        case EventKind.RETURNED:
            story.returned_ns = event.at_ns
            # Earlier versions did not say it again, once all were back.
            story.how = _text(detail.get("how")) or story.how
        case EventKind.RESTORED:
            story.restored_step = _whole(detail.get("step"))
            story.lost_steps = _whole(detail.get("lost_steps"))
            story.lost_tokens = _whole(detail.get("lost_tokens"))
        case EventKind.RECOVERED:
            story.recovered_ns = event.at_ns


def find_beginnings(stories: Mapping[int, Story], live: Sequence[Stretch]) -> None:
    """
    Find the last completed step before each incident, or its attempt's start.

    Entries of earlier versions do not say it.

    Args:
        stories: Of one run; those without a beginning get one.
        live: The run's time in the live view, in time order.
    """
    waiting = [story for story in stories.values() if story.began_ns is None]
    waiting.sort(key=lambda story: story.detected_ns)
    ends_ns = sorted(one.span.end_ns for one in live if one.state in STEPPING)
    for story in waiting:
        before = bisect_right(ends_ns, story.detected_ns)
        last_ns = ends_ns[before - 1] if before else 0
        story.began_ns = min(max(last_ns, story.attempt_ns), story.detected_ns)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None
