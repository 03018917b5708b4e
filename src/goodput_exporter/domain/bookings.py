"""What a fold decides, ready to be written down: segments, restatements, events."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, RunState

OUTSIDE_THE_BOOK = "outside"
"""What a restatement moves time to (or from) that is in no state of the run's book."""


@dataclass(frozen=True, slots=True)
class Restatement:
    """
    Time that later evidence moves, in the settled view only.

    Args:
        at_ns: When it was decided.
        span: The time that it is about.
        from_state, to_state: A state's name, or ``"outside"``.
        gpu_ns: How much of the span moves, in nanoseconds x devices.
        cause: The cause that the moved time had.
        reason: The rule of the definitions that asks for it.
        incident: The interruption that it follows from, or None.
        kept_as: Where it turns out to be executed steps, what the settled view
            calls it if the execution is kept; None where that is *to_state*.
        first_step, last_step: These steps, or None.
    """

    at_ns: int
    span: Span
    from_state: str
    to_state: str
    gpu_ns: int
    cause: Cause
    reason: str
    incident: int | None = None
    kept_as: RunState | None = None
    first_step: int | None = None
    last_step: int | None = None


@dataclass(frozen=True, slots=True)
class Reattribution:
    """
    Time whose cause is known better now, in the settled view only; states stay.

    Args:
        at_ns: When it was decided.
        span: From the first to the last instant that it is about.
        incident: The interruption that the time follows from, or follows from now;
            None where it turns out to follow from none.
        from_cause, to_cause: What it was booked under, and what it is due to.
        from_incident: The interruption that the time was booked under, or None.
        gpu_ns: How much of each state moves as the live view booked it, in
            nanoseconds x devices; bad states only.
        settled_gpu_ns: The same as the settled view calls it, ``lost`` included.
        rule: The id of the rule that decides now, or ``"person"``.
        by: Who corrected it, where a person did.
        note: Why, in the person's words, or the evidence in a rule's.
        preempted_by: Who took the run's place, as ``"run/NAMESPACE/NAME"``, by what is
            known now; empty where nobody did, or nobody knows.
    """

    at_ns: int
    span: Span
    incident: int | None
    from_cause: Cause
    to_cause: Cause
    from_incident: int | None
    gpu_ns: dict[RunState, int]
    settled_gpu_ns: dict[RunState, int]
    rule: str
    by: str = ""
    note: str = ""
    preempted_by: str = ""


class EventKind(StrEnum):
    """What can happen to a run, other than time passing."""

    OPENED = "opened"
    ATTEMPT = "attempt"
    INTERRUPTED = "interrupted"
    RETURNED = "returned"
    RESTORED = "restored"
    RECOVERED = "recovered"
    RESIZED = "resized"
    ENDED = "ended"
    REOPENED = "reopened"


@dataclass(frozen=True, slots=True)
class RunEvent:
    """One thing that happened to a run, with the evidence for it."""

    at_ns: int
    kind: EventKind
    detail: dict[str, str | int | float | None] = field(default_factory=dict)


Booking = Segment | Restatement | Reattribution | RunEvent
