"""
The two books side by side: what a run asked for, what it held, and in which state.

The cluster book says which GPUs a run held, and the run book what all that it asked
for were doing. In each span in which neither changes, the held GPUs are filled into
the run's segments, in the order of the cluster book. What of a segment stays empty was
asked and not held; what finds no room was held and not asked: spares. Both are read
off, and neither is a difference that could hide a mistake:

    asked = in use + asked, not held        held = in use + held, not asked
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from goodput_exporter.analysis.usage import Category, Place, State, Usage
from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.gpu_bookings import GpuBooking
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.errors import AccountingError


@dataclass(frozen=True, slots=True)
class InUse:
    """
    Some physical GPUs over one span, in the words of both books.

    Args:
        line: Of the cluster book, cut to the span, with these GPUs only.
        state: Of the run book where a run held them; else the category.
        cause: Why, where the state is bad.
        is_spare: The run held them and had not asked for so many.
    """

    line: GpuBooking
    state: State
    cause: Cause = Cause.NONE
    is_spare: bool = False

    @property
    def gpu_ns(self) -> int:
        """Return the GPU time it holds, in nanoseconds x GPUs."""
        return self.line.gpu_ns


@dataclass(frozen=True, slots=True)
class Reconciled:
    """
    One run in one window; GPU time in nanoseconds x GPUs.

    Args:
        in_use: What was asked and held, by state, and the spares as ``idle``.
        asked_not_held: By the state of the GPUs that were not there: ``down``,
            ``queued``, ``degraded``.
        asked_gpu_ns: All of the run book. *held_gpu_ns*: all that the cluster book
            says the run held.
    """

    in_use: tuple[InUse, ...]
    asked_not_held: dict[RunState, int]
    asked_gpu_ns: int
    held_gpu_ns: int

    @property
    def held_not_asked_ns(self) -> int:
        """Return the time of spares, and of GPUs held while the run had no segment."""
        return sum(one.gpu_ns for one in self.in_use if one.is_spare)

    @property
    def held_and_asked_ns(self) -> int:
        """Return the time that is in both books."""
        return sum(one.gpu_ns for one in self.in_use if not one.is_spare)


def reconcile(
    lines: Iterable[GpuBooking], segments: Iterable[Segment], window: Span
) -> Reconciled:
    """
    Fill what a run held into what it asked for.

    Args:
        lines: Of the cluster book's live lines, those held by one run.
        segments: Of the run's book.
        window: The half-open span to look at.

    Returns:
        Both identities hold exactly, for any lines and segments.

    Raises:
        AccountingError: What was filled in does not add up; a bug of ours.
    """
    held = _lines_inside(lines, window)
    asked = _segments_inside(segments, window)
    in_use: list[InUse] = []
    empty: dict[RunState, int] = {}
    for span in _elementary(held, asked):
        there = [_cut(line, span) for line in held if line.span.clip(span)]
        wanted = [
            replace(one, span=span) for one in asked if one.span.clip(span) is not None
        ]
        for one in _filled(there, sorted(wanted, key=_present_first)):
            if isinstance(one, InUse):
                in_use.append(one)
            else:
                state, gpu_ns = one
                empty[state] = empty.get(state, 0) + gpu_ns
    found = Reconciled(
        tuple(in_use),
        empty,
        sum(one.gpu_ns for one in asked),
        sum(line.gpu_ns for line in held),
    )
    _verify(found)
    return found


def used(
    lines: Iterable[GpuBooking],
    segments: Mapping[RunKey, Sequence[Segment]],
    window: Span,
    unknown: Collection[RunKey] = (),
) -> list[InUse]:
    """
    Say of every physical GPU what it was doing: the cluster book in states of runs.

    Args:
        lines: All live lines of the cluster book.
        segments: Of every run; of one that is missing, held GPUs are ``idle``.
        window: The half-open span to look at.
        unknown: Runs whose segments are not kept: what they held is ``held``.

    Returns:
        Time that sums to the cluster book's in the window.
    """
    of_run: dict[RunKey, list[GpuBooking]] = {}
    found: list[InUse] = []
    for line in _lines_inside(lines, window):
        run = line.hold.run
        if line.hold.category is not Category.HELD or run is None or run in unknown:
            found.append(InUse(line, line.hold.category))
        else:
            of_run.setdefault(run, []).append(line)
    for run, held in of_run.items():
        found += reconcile(held, segments.get(run, ()), window).in_use
    return found


def usages_of(in_use: Iterable[InUse]) -> Iterator[Usage]:
    """Yield what can be priced, of the cluster book: one usage per span and place."""
    for one in in_use:
        line = one.line
        yield Usage(
            line.span,
            len(line.gpus),
            one.state,
            Place(line.gpu_model, line.node_pool, line.node),
            one.cause,
            line.hold.team,
            line.hold.run,
            line.slots,
        )


def _lines_inside(lines: Iterable[GpuBooking], window: Span) -> list[GpuBooking]:
    inside = [
        replace(line, span=part)
        for line in lines
        if (part := line.span.clip(window)) is not None
    ]
    return sorted(inside, key=lambda line: (line.node, line.gpus, line.slots))


def _segments_inside(segments: Iterable[Segment], window: Span) -> list[Segment]:
    return [
        replace(one, span=part)
        for one in segments
        if one.devices and (part := one.span.clip(window)) is not None
    ]


def _elementary(
    lines: Sequence[GpuBooking], segments: Sequence[Segment]
) -> Iterator[Span]:
    spans = [*(line.span for line in lines), *(one.span for one in segments)]
    edges = sorted({at for span in spans for at in (span.start_ns, span.end_ns)})
    return map(Span, edges, edges[1:])


def _cut(line: GpuBooking, span: Span) -> GpuBooking:
    return replace(line, span=span)


def _present_first(segment: Segment) -> bool:
    """Put the missing GPUs of an elastic run last: held ones are not those."""
    return segment.state is RunState.DEGRADED


def _filled(
    there: Iterable[GpuBooking], wanted: Sequence[Segment]
) -> Iterator[InUse | tuple[RunState, int]]:
    """Fill GPUs into segments, first come, first served; a part is never divided."""
    waiting = list(there)
    for segment in wanted:
        room_ns = segment.gpu_ns
        rest: list[GpuBooking] = []
        for line in waiting:
            each_ns = line.slots.within(line.span)
            count = min(len(line.gpus), room_ns // each_ns) if each_ns else 0
            if count:
                taken = replace(line, gpus=line.gpus[:count])
                room_ns -= taken.gpu_ns
                yield InUse(taken, segment.state, segment.cause)
            if count < len(line.gpus):
                rest.append(replace(line, gpus=line.gpus[count:]))
        waiting = rest
        if room_ns:
            yield segment.state, room_ns
    for line in waiting:
        yield InUse(line, RunState.IDLE, is_spare=True)


def _verify(found: Reconciled) -> None:
    both_ns, empty_ns = found.held_and_asked_ns, sum(found.asked_not_held.values())
    spare_ns = found.held_not_asked_ns
    if (both_ns + empty_ns, both_ns + spare_ns) != (
        found.asked_gpu_ns,
        found.held_gpu_ns,
    ):
        msg = (
            f"{both_ns} GPU-ns are in both books, {empty_ns} were asked only and "
            f"{spare_ns} held only; the books hold {found.asked_gpu_ns} and "
            f"{found.held_gpu_ns}"
        )
        raise AccountingError(msg)
