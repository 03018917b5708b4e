"""
A run's entries as two views: as it was booked, and as it is known today.

The ledger's entries say what was booked, and afterwards what was moved. The
settled view puts every move where it belongs in time, so that it can be asked
about any window: executed steps that were not kept are ``lost`` where they were
executed, and time whose cause is known better carries the better one.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from goodput_exporter.analysis.stretches import Stretch, booked, joined
from goodput_exporter.domain.accounting import Segment, is_bad
from goodput_exporter.domain.bookings import (
    OUTSIDE_THE_BOOK,
    Booking,
    EventKind,
    Reattribution,
    Restatement,
    RunEvent,
)
from goodput_exporter.domain.corrected import devices_of, is_about_time
from goodput_exporter.domain.spans import Span, apportion
from goodput_exporter.domain.states import Cause, RunState

LOSABLE = (RunState.PRODUCTIVE, RunState.SLOW)
"""What an execution of a step may be, if it is kept."""


@dataclass(frozen=True, slots=True)
class Hindsight:
    """
    What one run's entries say.

    Args:
        live: As it was booked; never taken back. Sums to the ledger's account.
        known: The same in the live view's words, after what was moved: redone
            steps are still ``recomputing``, and nothing is ``lost``.
        settled: After what was moved, in the settled view's words.
        unplaced_gpu_ns: GPU time that an entry moves and no earlier entry holds;
            zero in a sound ledger.
    """

    live: tuple[Stretch, ...]
    known: tuple[Stretch, ...]
    settled: tuple[Stretch, ...]
    unplaced_gpu_ns: int


def hindsight(bookings: Iterable[Booking]) -> Hindsight:
    """
    Tell a run's entries in every view.

    Args:
        bookings: All of one run, in the order of their numbers.
    """
    told = list(bookings)
    tale = _Tale(_told_lost(told))
    live: list[Stretch] = []
    for one in told:
        match one:
            case Segment():
                live.append(booked(one))
                tale.add(one)
            case Restatement():
                tale.restate(one)
            case Reattribution():
                tale.recause(one)
            case RunEvent():
                tale.happen(one)
    live.sort(key=_place)
    parts = sorted(tale.parts(), key=lambda part: part.span)
    return Hindsight(
        tuple(joined(live)),
        tuple(joined(part.as_known() for part in parts)),
        tuple(joined(one for part in parts for one in part.as_settled())),
        tale.unplaced_gpu_ns,
    )


def _place(stretch: Stretch) -> Span:
    return stretch.span


def _told_lost(bookings: Iterable[Booking]) -> frozenset[int]:
    """
    Return the instants at which an entry says how much was lost.

    Ledgers of earlier versions hold the step that was restored and no such
    entry; there it follows from the steps of the segments.
    """
    return frozenset(
        one.at_ns
        for one in bookings
        if isinstance(one, Restatement) and not is_about_time(one)
    )


@dataclass(slots=True)
class _Loss:
    """GPU time at the end of a part that was not kept, and what it is due to."""

    gpu_ns: int
    kept: RunState
    cause: Cause
    incident: int | None


@dataclass(slots=True)
class _Part:
    """A segment, or a piece of one, with what was moved since."""

    span: Span
    devices: int
    state: RunState
    kept: RunState
    cause: Cause
    incident: int | None
    first_step: int | None = None
    last_step: int | None = None
    losses: list[_Loss] = field(default_factory=list)

    @property
    def gpu_ns(self) -> int:
        return self.span.length_ns * self.devices

    @property
    def left_gpu_ns(self) -> int:
        """Return what could still be lost of it."""
        if self.kept not in LOSABLE:
            return 0
        return self.gpu_ns - sum(loss.gpu_ns for loss in self.losses)

    def as_known(self) -> Stretch:
        return self._stretch(self.state, self.cause, self.incident, (0, self.gpu_ns))

    def as_settled(self) -> Iterator[Stretch]:
        """Yield what is kept of it, and before its end what is lost, latest first."""
        end = self.gpu_ns
        lost: list[Stretch] = []
        for loss in self.losses:
            if loss.gpu_ns:
                ends = end - loss.gpu_ns, end
                lost.append(
                    self._stretch(RunState.LOST, loss.cause, loss.incident, ends)
                )
                end -= loss.gpu_ns
        if end:
            # An execution that is kept is nobody's cost; what it replaced is lost.
            same = self.kept is self.state
            cause = self.cause if same else Cause.NONE
            incident = self.incident if same else None
            yield self._stretch(self.kept, cause, incident, (0, end))
        yield from reversed(lost)

    def _stretch(
        self, state: RunState, cause: Cause, incident: int | None, ends: tuple[int, int]
    ) -> Stretch:
        bad = is_bad(state)
        return Stretch(
            self.span,
            self.devices,
            state,
            cause if bad else Cause.NONE,
            incident if bad else None,
            *ends,
        )


class _Tale:
    """
    The entries so far, as they are known after the last of them.

    Args:
        told_lost: When entries say themselves how much was lost.
    """

    def __init__(self, told_lost: frozenset[int]) -> None:
        self._told_lost = told_lost
        # By state, in time order: restatements look for time in one state.
        self._by_state: dict[RunState, list[_Part]] = {}
        # Steps that the run's weights contain, by their last number.
        self._lineage: list[tuple[int, int, _Part]] = []
        self._lost: list[tuple[_Part, _Loss]] = []
        self._serial = 0
        self._open: tuple[int | None, Cause] = (None, Cause.NONE)
        self.unplaced_gpu_ns = 0

    def parts(self) -> Iterator[_Part]:
        """Yield everything that is in the book."""
        for parts in self._by_state.values():
            yield from parts

    def add(self, segment: Segment) -> None:
        part = _Part(
            segment.span,
            segment.devices,
            segment.state,
            segment.kept_as or segment.state,
            segment.cause,
            segment.incident,
            segment.first_step,
            segment.last_step,
        )
        self._shelve(part)
        if part.kept in LOSABLE:
            self._keep(part)

    def happen(self, event: RunEvent) -> None:
        """Follow interruptions, and what each of them threw away."""
        detail = event.detail
        if event.kind is EventKind.INTERRUPTED:
            number, cause = detail.get("incident"), detail.get("cause")
            if isinstance(number, int):
                self._open = number, Cause(str(cause or Cause.UNKNOWN))
        elif event.kind is EventKind.RECOVERED:
            self._open = None, Cause.NONE
        elif event.kind is EventKind.RESTORED and event.at_ns not in self._told_lost:
            step = detail.get("step")
            cause = detail.get("cause")
            if isinstance(cause, str) and detail.get("incident") is None:
                self._open = None, Cause(cause)
            if isinstance(step, int):
                self._cut(step)

    def restate(self, move: Restatement) -> None:
        """Move time between states, or say that it was lost, or was not after all."""
        if is_about_time(move):
            self._move(move)
        elif move.to_state == RunState.LOST.value:
            self._lose(move)
        else:
            self._give_back(move)

    def recause(self, move: Reattribution) -> None:
        """Give time another cause, and another incident where it says so."""
        for state, gpu_ns in move.gpu_ns.items():
            found = 0
            for part in self._cut_out(state, move.span):
                if (part.cause, part.incident) == (move.from_cause, move.from_incident):
                    part.cause, part.incident = move.to_cause, move.incident
                    found += part.gpu_ns
            self.unplaced_gpu_ns += abs(gpu_ns - found)
        lost = move.settled_gpu_ns.get(RunState.LOST, 0)
        for _, loss in self._lost if lost else ():
            if (loss.cause, loss.incident) == (move.from_cause, move.from_incident):
                loss.cause, loss.incident = move.to_cause, move.incident
                lost -= loss.gpu_ns
        self.unplaced_gpu_ns += abs(lost)

    def _shelve(self, part: _Part) -> None:
        shelf = self._by_state.setdefault(part.state, [])
        if not shelf or shelf[-1].span <= part.span:
            shelf.append(part)
        else:
            insort(shelf, part, key=lambda one: one.span)

    def _keep(self, part: _Part) -> None:
        if part.last_step is None:
            return
        self._serial += 1
        # Warm-up steps get their name late: they are put where they belong.
        insort(self._lineage, (part.last_step, self._serial, part))

    def _cut_out(self, state: RunState, span: Span) -> list[_Part]:
        """Return the parts in *state* inside *span*, split at its ends."""
        shelf = self._by_state.get(state, [])
        index = bisect_left(shelf, span.start_ns, key=lambda one: one.span.start_ns)
        # Two may hold one instant: a state, and ``degraded`` is a shelf of its own.
        while index > 0 and shelf[index - 1].span.end_ns > span.start_ns:
            index -= 1
        found: list[_Part] = []
        while index < len(shelf) and shelf[index].span.start_ns < span.end_ns:
            inside = shelf[index].span.clip(span)
            if inside is not None:
                index = self._split(shelf, index, inside)
                found.append(shelf[index])
            index += 1
        return found

    @staticmethod
    def _split(shelf: list[_Part], index: int, inside: Span) -> int:
        whole = shelf[index]
        before = Span(whole.span.start_ns, inside.start_ns)
        after = Span(inside.end_ns, whole.span.end_ns)
        if after.length_ns and not whole.losses:
            shelf.insert(index + 1, replace(whole, span=after, losses=[]))
            whole.span = Span(whole.span.start_ns, inside.end_ns)
        if before.length_ns and not whole.losses:
            shelf.insert(index, replace(whole, span=before, losses=[]))
            whole.span = Span(inside.start_ns, whole.span.end_ns)
            return index + 1
        return index

    def _move(self, move: Restatement) -> None:
        gpu_ns = move.gpu_ns
        if move.from_state == OUTSIDE_THE_BOOK:
            state = RunState(move.to_state)
            self._shelve(
                _Part(
                    move.span,
                    devices_of(move),
                    state,
                    state,
                    move.cause,
                    move.incident,
                )
            )
            return
        for part in self._cut_out(RunState(move.from_state), move.span):
            self._by_state[part.state].remove(part)
            gpu_ns -= part.gpu_ns
            if move.to_state != OUTSIDE_THE_BOOK:
                part.state = part.kept = RunState(move.to_state)
                self._shelve(part)
        self.unplaced_gpu_ns += abs(gpu_ns)

    def _cut(self, step: int) -> None:
        """Lose the steps above *step*, as far as segments tell them apart."""
        number, cause = self._open
        while self._lineage and self._lineage[-1][0] > step:
            last, _, part = self._lineage.pop()
            first = last if part.first_step is None else part.first_step
            gpu_ns = part.left_gpu_ns
            if first <= step:
                gpu_ns = apportion(gpu_ns, [last - step, step - first + 1])[0]
                part.last_step = step
                self._keep(part)
            if gpu_ns:
                self._note(part, _Loss(gpu_ns, part.kept, cause, number))

    def _lose(self, move: Restatement) -> None:
        gpu_ns, state = move.gpu_ns, RunState(move.from_state)
        for _, _, part in reversed(self._lineage):
            if gpu_ns == 0:
                break
            taken = min(gpu_ns, part.left_gpu_ns if part.kept is state else 0)
            if taken:
                self._note(part, _Loss(taken, state, move.cause, move.incident))
                gpu_ns -= taken
        while self._lineage and not self._lineage[-1][2].left_gpu_ns:
            self._lineage.pop()
        self.unplaced_gpu_ns += gpu_ns

    def _give_back(self, move: Restatement) -> None:
        gpu_ns, state = move.gpu_ns, RunState(move.to_state)
        for part, loss in reversed(self._lost):
            if gpu_ns == 0:
                break
            back = min(gpu_ns, loss.gpu_ns if loss.kept is state else 0)
            if back:
                loss.gpu_ns -= back
                gpu_ns -= back
                self._keep(part)
        self.unplaced_gpu_ns += gpu_ns

    def _note(self, part: _Part, loss: _Loss) -> None:
        part.losses.append(loss)
        self._lost.append((part, loss))
