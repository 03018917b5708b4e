"""Rules 2, 3, 8, 9 and 10 for step time: open until a step completes, then named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from goodput_exporter.domain.reference import Reference, split_slow
from goodput_exporter.domain.spans import Span, apportion
from goodput_exporter.domain.states import RunState

WARM_UP_STEPS: Final = 3
WARM_UP_JUDGES: Final = 5
"""So many later steps judge the warm-up of a run that has no reference yet."""


@dataclass(frozen=True, slots=True)
class Context:
    """Whose cost a step is, and on how many devices it ran."""

    incident: int | None
    devices: int


@dataclass(frozen=True, slots=True)
class StepTime:
    """
    Step time that got its name.

    Args:
        state: What the live view books.
        kept_as: What the settled view books if the execution is kept.
        first, last: The steps; None for time that belongs to no step.
        fresh: How many of them were executed for the first time.
        context: What held when they were executed, where that was not just now.
    """

    span: Span
    state: RunState
    kept_as: RunState
    first: int | None = None
    last: int | None = None
    fresh: int = 0
    context: Context | None = None


@dataclass(slots=True)
class Held:
    """A warm-up step that waits for its judges."""

    step: int
    redone: bool
    spans: list[Span]
    context: Context


@dataclass(slots=True)
class Steps:
    """
    A run's step time that has no name yet.

    Args:
        open: Since the last completed step.
        held: Completed warm-up steps without a reference to judge them by.
        warm_left: Steps of this attempt that are still warm-up.
        judges_ns: Durations of the steps after the held ones.
        stalled: The open step has passed its limit.
    """

    open: list[Span] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    warm_left: int = WARM_UP_STEPS
    judges_ns: list[int] = field(default_factory=list)
    stalled: bool = False

    @property
    def open_ns(self) -> int:
        """Return the length of the open step time."""
        return sum(span.length_ns for span in self.open)


@dataclass(frozen=True, slots=True)
class Done:
    """
    A completed group of equal steps.

    Args:
        first, last: Their numbers; *skipped* more were executed without one.
        high_water: The mark before them; steps at or below it are redone.
        context: Kept with those that have to wait for their name.
        countable: Their time is whole, so they may serve as samples.
        executed: How many were really done, where their numbers leapt ahead:
            so many samples they make, and no more. None: all.
    """

    first: int
    last: int
    skipped: int
    high_water: int | None
    context: Context
    countable: bool = True
    executed: int | None = None


def take_in(steps: Steps, span: Span) -> None:
    """Add step time to the open step."""
    if steps.open and steps.open[-1].end_ns == span.start_ns:
        steps.open[-1] = Span(steps.open[-1].start_ns, span.end_ns)
    elif span.length_ns:
        steps.open.append(span)


def stall(steps: Steps, keep_ns: int) -> list[StepTime]:
    """
    Book the open step as stalled from the last completed step on.

    *keep_ns*, one reference step time, stays open at the end: if the step
    completes after all it gets that much.
    """
    steps.stalled = True
    excess_ns = steps.open_ns - keep_ns
    if excess_ns <= 0:
        return []
    gone, steps.open = cut_spans(steps.open, excess_ns)
    return [StepTime(span, RunState.STALLED, RunState.STALLED) for span in gone]


def end_open(steps: Steps, state: RunState) -> list[StepTime]:
    """Name the open step's time when no step will complete it."""
    gone, steps.open = steps.open, []
    steps.stalled = False
    return [StepTime(span, state, state) for span in gone]


def credit(steps: Steps, until_ns: int) -> list[StepTime]:
    """
    Name step time before *until_ns* productive although no step is known.

    What was booked as stalled stays; only what is open still is credited.
    """
    done = [Span(s.start_ns, min(s.end_ns, until_ns)) for s in steps.open]
    done = [span for span in done if span.length_ns > 0]
    if not done:
        return []
    _, steps.open = cut_spans(steps.open, sum(span.length_ns for span in done))
    steps.stalled = False
    return [StepTime(s, RunState.PRODUCTIVE, RunState.PRODUCTIVE) for s in done]


def finish(
    steps: Steps, done: Done, reference: Reference, pinned_ns: int | None
) -> list[StepTime]:
    """
    Name the open time of a group of steps that completed together.

    Rule 8 first (warm-up above the reference), then rule 3 (redone), then
    rule 9 (slow). The steps of one group count as equal.
    """
    limit_ns = pinned_ns if pinned_ns is not None else reference.lowest_ns
    spans, steps.open = steps.open, []
    was_stalled, steps.stalled = steps.stalled, False
    named, spans = _skip(done, spans)
    count = done.last - done.first + 1
    if count == 0:
        return named
    share_ns = sum(span.length_ns for span in spans) // count
    warm = min(steps.warm_left, count)
    for step in range(done.first, done.first + warm):
        mine, spans = (spans, []) if step == done.last else cut_spans(spans, share_ns)
        named += _warm_up(steps, done, step, mine, limit_ns)
    if count > warm and done.countable and not was_stalled:
        executed = count if done.executed is None else done.executed
        samples = min(count - warm, executed)
        reference.observe(share_ns, samples)
        if steps.held:
            steps.judges_ns += [share_ns] * min(samples, WARM_UP_JUDGES)
    if done.countable:
        limit_ns = pinned_ns if pinned_ns is not None else reference.lowest_ns
    else:
        limit_ns = None
    named += _name(spans, (done.first + warm, done.last), done.high_water, limit_ns)
    if len(steps.judges_ns) >= WARM_UP_JUDGES:
        named += judge(steps, reference, pinned_ns)
    return named


def _skip(done: Done, spans: list[Span]) -> tuple[list[StepTime], list[Span]]:
    """Take out the share of the steps that were executed and did not advance."""
    if not done.skipped:
        return [], spans
    count = done.last - done.first + 1
    total_ns = sum(span.length_ns for span in spans)
    share_ns = apportion(total_ns, [done.skipped, count])[0]
    skipped, rest = cut_spans(spans, share_ns)
    return [StepTime(span, RunState.OTHER, RunState.OTHER) for span in skipped], rest


def judge(steps: Steps, reference: Reference, pinned_ns: int | None) -> list[StepTime]:
    """
    Name the held warm-up steps.

    By the reference if there is one by now, else by the median of the steps
    after them, else (the incarnation ended first) by the shortest of them.
    """
    # A stalled step that kept nothing has no length, and measures nothing.
    lengths = [
        sum(s.length_ns for s in held.spans) for held in steps.held if held.spans
    ]
    limit_ns = pinned_ns if pinned_ns is not None else reference.lowest_ns
    if limit_ns is None and len(steps.judges_ns) >= WARM_UP_JUDGES:
        limit_ns = sorted(steps.judges_ns[:WARM_UP_JUDGES])[WARM_UP_JUDGES // 2]
    if limit_ns is None and lengths:
        limit_ns = min(lengths)
    named: list[StepTime] = []
    for held in steps.held:
        mine = _name_warm(held.step, held.spans, limit_ns or 0, redone=held.redone)
        named += [replace(part, context=held.context) for part in mine]
    steps.held, steps.judges_ns = [], []
    return named


def cut_spans(spans: list[Span], length_ns: int) -> tuple[list[Span], list[Span]]:
    """Split spans into the first *length_ns* of them and the rest."""
    head: list[Span] = []
    for index, span in enumerate(spans):
        if length_ns <= 0:
            return head, spans[index:]
        if span.length_ns > length_ns:
            turn_ns = span.start_ns + length_ns
            rest = [Span(turn_ns, span.end_ns), *spans[index + 1 :]]
            return [*head, Span(span.start_ns, turn_ns)], rest
        head.append(span)
        length_ns -= span.length_ns
    return head, []


def _warm_up(
    steps: Steps, done: Done, step: int, spans: list[Span], limit_ns: int | None
) -> list[StepTime]:
    """Name a warm-up step, or hold it until something can judge it."""
    steps.warm_left -= 1
    redone = done.high_water is not None and step <= done.high_water
    if limit_ns is None:
        steps.held.append(Held(step, redone, spans, done.context))
        return []
    return list(_name_warm(step, spans, limit_ns, redone=redone))


def _name_warm(
    step: int, spans: list[Span], limit_ns: int, *, redone: bool
) -> Iterator[StepTime]:
    """Warm-up above the reference is initializing, whatever the step itself is."""
    length_ns = sum(span.length_ns for span in spans)
    _, excess_ns = split_slow(length_ns, limit_ns)
    first, rest = cut_spans(spans, excess_ns)
    for span in first:
        yield StepTime(span, RunState.INITIALIZING, RunState.INITIALIZING, step, step)
    state = RunState.RECOMPUTING if redone else RunState.PRODUCTIVE
    named = [StepTime(span, state, RunState.PRODUCTIVE, step, step) for span in rest]
    if named and not redone:
        named[-1] = replace(named[-1], fresh=1)
    yield from named


def _name(
    spans: list[Span],
    steps: tuple[int, int],
    high_water: int | None,
    limit_ns: int | None,
) -> list[StepTime]:
    """Split a group at the high-water mark; name both parts."""
    first, last = steps
    if last < first:
        return []
    mark = first - 1 if high_water is None else min(max(high_water, first - 1), last)
    redone, fresh = mark - first + 1, last - mark
    total_ns = sum(span.length_ns for span in spans)
    redone_ns = apportion(total_ns, [redone, fresh])[0]
    before, after = cut_spans(spans, redone_ns)
    return [
        *_name_part(before, (first, mark), limit_ns, redone=True),
        *_name_part(after, (mark + 1, last), limit_ns, redone=False),
    ]


def _name_part(
    spans: list[Span], steps: tuple[int, int], limit_ns: int | None, *, redone: bool
) -> list[StepTime]:
    first, last = steps
    count = last - first + 1
    if count <= 0:
        return []
    total_ns = sum(span.length_ns for span in spans)
    whole = None if limit_ns is None else limit_ns * count
    normal_ns, _ = split_slow(total_ns, whole)
    normal, slow = cut_spans(spans, normal_ns)
    good = RunState.RECOMPUTING if redone else RunState.PRODUCTIVE
    bad = RunState.RECOMPUTING if redone else RunState.SLOW
    named = [StepTime(s, good, RunState.PRODUCTIVE, first, last) for s in normal]
    if named and not redone:
        named[-1] = replace(named[-1], fresh=count)
    return named + [StepTime(s, bad, RunState.SLOW, first, last) for s in slow]
