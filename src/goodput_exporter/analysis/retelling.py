"""A run's entries, one after the other, each changing what is known of those before."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import replace

from goodput_exporter.analysis.parts import LOSABLE, Due, Loss, Part
from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.bookings import (
    OUTSIDE_THE_BOOK,
    EventKind,
    Reattribution,
    Restatement,
    RunEvent,
)
from goodput_exporter.domain.corrected import devices_of, is_about_time
from goodput_exporter.domain.spans import Span, apportion
from goodput_exporter.domain.states import Cause, RunState


class Retelling:
    """
    The entries so far, as they are known after the last of them.

    Args:
        told_lost: When entries say themselves how much was lost.
    """

    def __init__(self, told_lost: frozenset[int]) -> None:
        self._told_lost = told_lost
        # By state, in time order: restatements look for time in one state.
        self._by_state: dict[RunState, list[Part]] = {}
        # Steps that the run's weights contain, by their last number.
        self._lineage: list[tuple[int, int, Part]] = []
        self._lost: list[tuple[Part, Loss]] = []
        self._serial = 0
        self._open: Due = (None, Cause.NONE)
        self.unplaced_gpu_ns = 0

    def parts(self) -> Iterator[Part]:
        """Yield everything that is in the book."""
        for parts in self._by_state.values():
            yield from parts

    def add(self, segment: Segment) -> None:
        """Take in what was booked."""
        part = Part(
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
            step, lost = detail.get("step"), detail.get("lost_gpu_ns")
            if isinstance(step, int):
                told = lost if isinstance(lost, int) else None
                self._cut(step, told, self._due(detail))

    def _due(self, detail: dict[str, str | int | float | None]) -> Due:
        """Return what a restore is due to: as it says, else as events before do."""
        number, cause = detail.get("incident"), detail.get("cause")
        if not isinstance(cause, str):
            return self._open
        return (number if isinstance(number, int) else None), Cause(cause)

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

    def _shelve(self, part: Part) -> None:
        shelf = self._by_state.setdefault(part.state, [])
        if not shelf or shelf[-1].span <= part.span:
            shelf.append(part)
        else:
            insort(shelf, part, key=lambda one: one.span)

    def _keep(self, part: Part) -> None:
        if part.last_step is None or part.in_lineage:
            return
        part.in_lineage = True
        self._serial += 1
        # Warm-up steps get their name late: they are put where they belong.
        insort(self._lineage, (part.last_step, self._serial, part))

    def _cut_out(self, state: RunState, span: Span) -> list[Part]:
        """Return the parts in *state* inside *span*, split at its ends."""
        shelf = self._by_state.get(state, [])
        index = bisect_left(shelf, span.start_ns, key=lambda one: one.span.start_ns)
        # Two may hold one instant: a state, and ``degraded`` is a shelf of its own.
        while index > 0 and shelf[index - 1].span.end_ns > span.start_ns:
            index -= 1
        found: list[Part] = []
        while index < len(shelf) and shelf[index].span.start_ns < span.end_ns:
            inside = shelf[index].span.clip(span)
            if inside is not None:
                index = self._split(shelf, index, inside)
                found.append(shelf[index])
            index += 1
        return found

    @staticmethod
    def _split(shelf: list[Part], index: int, inside: Span) -> int:
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
                Part(
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
                part.state = RunState(move.to_state)
                part.kept = move.kept_as or part.state
                part.first_step, part.last_step = move.first_step, move.last_step
                self._shelve(part)
                if part.kept in LOSABLE:
                    self._keep(part)
        self.unplaced_gpu_ns += abs(gpu_ns)

    def _cut(self, step: int, told_gpu_ns: int | None, due: Due) -> None:
        """
        Lose the steps above *step*.

        A segment may hold steps on both sides of it. How much of such a one is lost
        follows from what the entry says was lost in all; where it does not say, each
        of its steps counts alike.
        """
        number, cause = due
        found: list[tuple[Part, int]] = []
        torn: list[Part] = []
        while self._lineage and self._lineage[-1][0] > step:
            last, _, part = self._lineage.pop()
            part.in_lineage = False
            first = last if part.first_step is None else part.first_step
            if first > step:
                found.append((part, part.left_gpu_ns))
                continue
            parts = [last - step, step - first + 1]
            found.append((part, apportion(part.left_gpu_ns, parts)[0]))
            torn.append(part)
        for part, gpu_ns in self._fitted(found, torn, told_gpu_ns):
            if gpu_ns:
                self._note(part, Loss(gpu_ns, part.kept, cause, number))
        for part in torn:
            part.last_step = step
            self._keep(part)

    def _fitted(
        self,
        found: list[tuple[Part, int]],
        torn: list[Part],
        told_gpu_ns: int | None,
    ) -> Iterator[tuple[Part, int]]:
        """Let torn segments lose so much that all together lose what was told."""
        lost = sum(gpu_ns for _, gpu_ns in found)
        more = 0 if told_gpu_ns is None else told_gpu_ns - lost
        for part, gpu_ns in found:
            if any(part is one for one in torn):
                fit = min(max(gpu_ns + more, 0), part.left_gpu_ns)
                more -= fit - gpu_ns
                yield part, fit
            else:
                yield part, gpu_ns
        self.unplaced_gpu_ns += abs(more)

    def _lose(self, move: Restatement) -> None:
        gpu_ns, state = move.gpu_ns, RunState(move.from_state)
        for _, _, part in reversed(self._lineage):
            if gpu_ns == 0:
                break
            taken = min(gpu_ns, part.left_gpu_ns if part.kept is state else 0)
            if taken:
                self._note(part, Loss(taken, state, move.cause, move.incident))
                gpu_ns -= taken
        while self._lineage and not self._lineage[-1][2].left_gpu_ns:
            self._lineage.pop()[2].in_lineage = False
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

    def _note(self, part: Part, loss: Loss) -> None:
        part.losses.append(loss)
        self._lost.append((part, loss))
