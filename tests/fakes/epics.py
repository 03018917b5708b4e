"""Days in the life of a run as ledger entries, told act by act."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from goodput_exporter.analysis.histories import History, RunFacts, history
from goodput_exporter.analysis.stretches import Pricing
from goodput_exporter.domain.accounting import Account, Segment, tally
from goodput_exporter.domain.bookings import (
    Booking,
    EventKind,
    Reattribution,
    RunEvent,
)
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import NS_PER_SECOND, Span
from goodput_exporter.domain.states import Cause, RunState

MINUTE = 60 * NS_PER_SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
BEGINS_NS = 1_772_323_200 * NS_PER_SECOND
"""2026-03-01, midnight in UTC: a Sunday."""
STEP = MINUTE
"""Every step of an epic takes a minute."""


class Epic:
    """
    One run's entries.

    Args:
        run: Its name.
        devices: How many it asks for.
        begins_ns: When.
    """

    def __init__(
        self, run: str = "llama", *, devices: int = 8, begins_ns: int = BEGINS_NS
    ) -> None:
        self.key = RunKey("east", "research", run)
        self.devices = devices
        self.at_ns = begins_ns
        self.bookings: list[Booking] = []
        self._step = self._high = -1
        self._saved = -1
        self._incident: int | None = None
        self._cause = Cause.NONE
        self._incidents = self._attempts = 0
        self._lost: dict[int, int] = {}
        self._note(EventKind.OPENED, run=run)
        self._attempt()

    def book(self, state: RunState, length_ns: int) -> Self:
        """Spend time in a state that is no step."""
        cause = Cause.HANG if state is RunState.STALLED else self._cause
        return self._book(state, length_ns, cause=cause, incident=self._incident)

    def train(self, steps: int) -> Self:
        """Complete steps; those at or below the high-water mark are redone."""
        redone = max(0, min(self._high - self._step, steps))
        if redone:
            self._steps(redone, RunState.RECOMPUTING)
        if steps > redone:
            self._steps(steps - redone, RunState.PRODUCTIVE)
            if self._incident is not None:
                self._note(EventKind.RECOVERED, incident=self._incident)
            self._incident, self._cause = None, Cause.NONE
        return self

    def save(self, length_ns: int = MINUTE) -> Self:
        """Block for a checkpoint of the last step."""
        self._saved = self._step
        return self.book(RunState.CHECKPOINTING, length_ns)

    def crash(
        self,
        cause: Cause,
        down_ns: int,
        *,
        evidence: str = "",
        by: RunKey | None = None,
    ) -> Self:
        """
        Be interrupted, be down, and come back from the last checkpoint.

        Args:
            cause: Why.
            down_ns: For how long it is down.
            evidence: What was seen.
            by: Who took its place.
        """
        self.fall(cause, evidence=evidence, by=by).book(RunState.DOWN, down_ns)
        self._note(EventKind.RETURNED, incident=self._incident)
        self._attempt()
        self.book(RunState.INITIALIZING, 4 * MINUTE)
        self.book(RunState.RESTORING, 2 * MINUTE)
        lost = self._high - self._saved
        self._lost[self._incidents] = lost
        self._note(EventKind.RESTORED, step=self._saved, lost_steps=lost)
        self._step = self._saved
        return self

    def fall(
        self, cause: Cause, *, evidence: str = "", by: RunKey | None = None
    ) -> Self:
        """Be interrupted in the middle of a step."""
        self._incidents += 1
        self._incident, self._cause = self._incidents, cause
        began_ns = self.at_ns
        self.at_ns += STEP // 2
        self._note(
            EventKind.INTERRUPTED,
            incident=self._incidents,
            began_ns=began_ns,
            cause=cause.value,
            rule=f"rule-{cause.value}",
            evidence=evidence,
            preempted_by=None if by is None else f"run/{by.namespace}/{by.run}",
        )
        self.at_ns = began_ns
        return self.book(RunState.INTERRUPTED, STEP // 2)

    def correct(self, number: int, cause: Cause, by: str, note: str) -> Self:
        """Let a person give an incident another cause."""
        mine = [
            one
            for one in self.bookings
            if isinstance(one, Segment) and one.incident == number
        ]
        live: dict[RunState, int] = {}
        for one in mine:
            live[one.state] = live.get(one.state, 0) + one.gpu_ns
        settled = dict(live)
        settled.pop(RunState.RECOMPUTING, None)
        settled[RunState.LOST] = self._lost.get(number, 0) * STEP * self.devices
        span = Span(min(s.span.start_ns for s in mine), mine[-1].span.end_ns)
        before = mine[0].cause
        self.bookings.append(
            Reattribution(
                self.at_ns,
                span,
                number,
                before,
                cause,
                number,
                live,
                settled,
                "person",
                by,
                note,
            )
        )
        return self

    def told(
        self, *, facts: RunFacts | None = None, pricing: Pricing | None = None
    ) -> History:
        """Return the run as a report reads it."""
        return history(self.key, self.bookings, facts=facts, pricing=pricing)

    def account(self, window: Span) -> Account:
        """Return what a ledger of these entries adds up."""
        return tally(self.segments(), window)

    def segments(self) -> Iterable[Segment]:
        """Return everything booked."""
        return [one for one in self.bookings if isinstance(one, Segment)]

    def _attempt(self) -> None:
        self._attempts += 1
        self._note(EventKind.ATTEMPT, number=self._attempts, how="process")

    def _steps(self, count: int, state: RunState) -> None:
        redone = state is RunState.RECOMPUTING
        for _ in range(count):
            self._step += 1
            self._high = max(self._high, self._step)
            span = Span(self.at_ns, self.at_ns + STEP)
            self.bookings.append(
                Segment(
                    span,
                    state,
                    self.devices,
                    self._cause if redone else Cause.NONE,
                    self._incident if redone else None,
                    self._step,
                    self._step,
                    RunState.PRODUCTIVE,
                )
            )
            self.at_ns = span.end_ns

    def _book(
        self, state: RunState, length_ns: int, *, cause: Cause, incident: int | None
    ) -> Self:
        span = Span(self.at_ns, self.at_ns + length_ns)
        self.bookings.append(Segment(span, state, self.devices, cause, incident))
        self.at_ns = span.end_ns
        return self

    def _note(self, kind: EventKind, **detail: str | float | None) -> None:
        self.bookings.append(RunEvent(self.at_ns, kind, detail))


def three_days(run: str = "llama", *, devices: int = 64) -> Epic:
    """Return a run that trains, saves every two hours, and is interrupted often."""
    epic = Epic(run, devices=devices).book(RunState.INITIALIZING, 6 * MINUTE)
    troubles = [
        (Cause.GPU_ERROR, 25 * MINUTE, "xid 79 on gpu/node-7/0000:04:00"),
        (Cause.PREEMPTED, 95 * MINUTE, "event Pod/Preempted"),
        (Cause.OOM_KILLED, 6 * MINUTE, "container_exit OOMKilled on pod/research/l-3"),
        (Cause.NODE_LOST, 50 * MINUTE, "node_condition Ready=Unknown on node/node-2"),
        (Cause.GPU_ERROR, 30 * MINUTE, "xid 48 on gpu/node-7/0000:04:00"),
        (Cause.UNKNOWN, 12 * MINUTE, ""),
    ]
    for number, (cause, down_ns, evidence) in enumerate(troubles):
        for _ in range(4):
            epic.train(110).book(RunState.DATA_WAIT, 3 * MINUTE).save(4 * MINUTE)
        if number % 3 == 1:
            epic.book(RunState.STALLED, 20 * MINUTE)
        epic.train(35 + 13 * number).crash(cause, down_ns, evidence=evidence)
    return epic.train(200).book(RunState.UNOBSERVED, 40 * MINUTE).train(60)
