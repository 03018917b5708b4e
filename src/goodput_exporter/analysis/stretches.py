"""Parts of segments that a view gives one state: what every sum of a report adds up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from goodput_exporter.analysis.money import Cost
from goodput_exporter.analysis.prices import PriceBook
from goodput_exporter.analysis.usage import Place
from goodput_exporter.domain.accounting import Account, Segment, is_bad
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, RunState


@dataclass(frozen=True, slots=True)
class Stretch:
    """
    Some GPU time of one segment, all of it in one state of one view.

    A checkpoint restores a step, and a step may end anywhere in a segment. What
    is lost need not be a whole number of nanoseconds on all devices, so a
    stretch is cut in GPU-nanoseconds, as if the devices' time lay in a row.
    Windows that tile a longer one therefore sum to it exactly.

    Args:
        span: The segment's.
        devices: The segment's.
        state: In the view.
        cause: What made it so; ``none`` where the state is not bad.
        incident: The interruption that it follows from, or None.
        begin_gpu_ns, end_gpu_ns: Which part of the segment's GPU time it is,
            counted from the segment's start; half-open.
    """

    span: Span
    devices: int
    state: RunState
    cause: Cause
    incident: int | None
    begin_gpu_ns: int
    end_gpu_ns: int

    @property
    def gpu_ns(self) -> int:
        """Return its GPU time, in nanoseconds x devices."""
        return self.end_gpu_ns - self.begin_gpu_ns

    def gpu_ns_in(self, window: Span) -> int:
        """Return how much of its GPU time lies inside *window*."""
        # Every sum of a report comes through here: no span is made to be thrown away.
        start_ns, end_ns = self.span.start_ns, self.span.end_ns
        if window.start_ns <= start_ns and end_ns <= window.end_ns:
            return self.gpu_ns
        if window.end_ns <= start_ns or end_ns <= window.start_ns:
            return 0
        first = (window.start_ns - start_ns) * self.devices
        last = (min(window.end_ns, end_ns) - start_ns) * self.devices
        return max(0, min(last, self.end_gpu_ns) - max(first, self.begin_gpu_ns))


@dataclass(frozen=True, slots=True)
class Pricing:
    """
    What the GPU time of one run costs.

    Args:
        book: The prices; None prices nothing.
        place: Where the run's GPUs are; None where nobody knows.
    """

    book: PriceBook | None = None
    place: Place | None = None

    def cost(self, stretch: Stretch, window: Span) -> Cost:
        """Return what a stretch costs inside *window*, cut where a price changes."""
        if self.book is None or self.place is None:
            return Cost(unpriced_gpu_ns=stretch.gpu_ns_in(window))
        inside = stretch.span.clip(window)
        if inside is None:
            return Cost()
        whole = Cost()
        place = self.place
        for span, price in self.book.split(place.gpu_model, place.node_pool, inside):
            gpu_ns = stretch.gpu_ns_in(span)
            if price is None:
                whole += Cost(unpriced_gpu_ns=gpu_ns)
            else:
                grains = gpu_ns * price.nanos_per_gpu_hour
                whole += Cost(price.currency, grains, gpu_ns)
        return whole


def booked(segment: Segment) -> Stretch:
    """Return a segment as the live view booked it."""
    return Stretch(
        segment.span,
        segment.devices,
        segment.state,
        segment.cause if is_bad(segment.state) else Cause.NONE,
        segment.incident if is_bad(segment.state) else None,
        0,
        segment.gpu_ns,
    )


def joined(stretches: Iterable[Stretch]) -> list[Stretch]:
    """
    Join whole segments that say the same of adjoining spans: one is booked a tick.

    Args:
        stretches: Of one run and one view, in time order; the order is kept.
    """
    found: list[Stretch] = []
    latest: dict[bool, int] = {}
    for stretch in stretches:
        lane = stretch.state is RunState.DEGRADED
        place = latest.get(lane)
        last = None if place is None else found[place]
        if last is None or place is None or not _goes_on(last, stretch):
            latest[lane] = len(found)
            found.append(stretch)
            continue
        span = Span(last.span.start_ns, stretch.span.end_ns)
        end_gpu_ns = span.length_ns * last.devices
        found[place] = replace(last, span=span, end_gpu_ns=end_gpu_ns)
    return found


def _goes_on(last: Stretch, stretch: Stretch) -> bool:
    return (
        last.span.end_ns == stretch.span.start_ns
        and last.state is stretch.state
        and last.cause is stretch.cause
        and last.incident == stretch.incident
        and last.devices == stretch.devices
        and _is_whole(last)
        and _is_whole(stretch)
    )


def _is_whole(stretch: Stretch) -> bool:
    return stretch.gpu_ns == stretch.span.length_ns * stretch.devices


def joined_segments(segments: Iterable[Segment]) -> list[Segment]:
    """Join segments that say the same of adjoining spans, as the live view has them."""
    told = joined(booked(one) for one in segments)
    return [Segment(one.span, one.state, one.devices, one.cause) for one in told]


def within(stretches: Iterable[Stretch], window: Span) -> Iterator[Stretch]:
    """Yield the stretches that have GPU time inside *window*, uncut."""
    for stretch in stretches:
        if stretch.gpu_ns_in(window):
            yield stretch


def account_of(stretches: Iterable[Stretch], window: Span) -> Account:
    """Add up what lies inside *window*, by state and by cause."""
    account = Account()
    for stretch in stretches:
        gpu_ns = stretch.gpu_ns_in(window)
        if gpu_ns:
            account.add(stretch.state, gpu_ns, stretch.cause)
    return account


def costs_of(
    stretches: Iterable[Stretch], window: Span, pricing: Pricing
) -> dict[tuple[RunState, Cause], Cost]:
    """Price what lies inside *window*, by state and cause."""
    costs: dict[tuple[RunState, Cause], Cost] = {}
    for stretch in within(stretches, window):
        group = stretch.state, stretch.cause
        costs[group] = costs.get(group, Cost()) + pricing.cost(stretch, window)
    return costs
