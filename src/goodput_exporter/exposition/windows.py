"""What a run did in one window: its segments, its account, and whether they add up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from goodput_exporter.domain.accounting import Account, Segment, tally
from goodput_exporter.domain.corrected import correct
from goodput_exporter.domain.ratios import LayerRatios, ratios
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.snapshot import RunView
from goodput_exporter.domain.spans import NS_PER_SECOND, Span

History = Callable[[RunKey, Span], list[Segment]]

LIFETIME: Final = "lifetime"
CUSTOM: Final = "custom"
WINDOW_SECONDS: Final = MappingProxyType({"5m": 300, "1h": 3_600, "24h": 86_400})
"""The windows that have ratios of their own, beside the lifetime."""


@dataclass(frozen=True, slots=True)
class Term:
    """A stretch of wall time over which the run asked for one number of devices."""

    wall_ns: int
    devices: int


@dataclass(frozen=True, slots=True)
class Reading:
    """
    One run in one window, with the sum that proves it.

    Args:
        window: ``5m``, ``1h``, ``24h``, ``lifetime`` or ``custom``.
        span: The window, cut to the run's book.
        segments: In time order, cut to the window.
        account: The live view: GPU time by state and by cause.
        layers: The ratios over the same time.
        terms: Wall time by number of asked devices; their products sum to
            ``expected_gpu_ns``.
        complete: The segments reach back to the window's start.
    """

    window: str
    span: Span
    segments: tuple[Segment, ...]
    account: Account
    layers: LayerRatios
    terms: tuple[Term, ...]
    complete: bool

    @property
    def expected_gpu_ns(self) -> int:
        """Return devices x wall time, which the states must add up to."""
        return sum(term.wall_ns * term.devices for term in self.terms)

    @property
    def adds_up(self) -> bool:
        """Tell whether the states sum to devices x wall time, to the nanosecond."""
        return self.account.total_gpu_ns == self.expected_gpu_ns


def default_window(view: RunView) -> str:
    """Return the window that a reader most likely means: the last hour, or less."""
    hour_ns = WINDOW_SECONDS["1h"] * NS_PER_SECOND
    return "1h" if book(view).length_ns > hour_ns else LIFETIME


def book(view: RunView) -> Span:
    """
    Return the span that the run's live book covers, its open tail included.

    A run that has just been reopened has no segment yet behind the gap.
    """
    ends = [segment.span.end_ns for segment in view.timeline]
    ends += [gap.end_ns for gap in view.outside]
    end_ns = max(ends, default=view.sealed_through_ns + view.tail_ns)
    return Span(view.opened_ns, max(end_ns, view.opened_ns))


def read_window(view: RunView, window: str, history: History | None = None) -> Reading:
    """
    Read one of the named windows, ending where the run's book ends.

    Args:
        view: The run.
        window: A key of ``WINDOW_SECONDS``, or ``lifetime``.
        history: Sealed segments from the ledger; asked only where the
            snapshot's own timeline does not reach back far enough.
    """
    whole = book(view)
    if window == LIFETIME:
        return _lifetime(view, whole)
    length_ns = WINDOW_SECONDS[window] * NS_PER_SECOND
    span = Span(max(whole.start_ns, whole.end_ns - length_ns), whole.end_ns)
    reading = read_span(view, span, history)
    published = view.ratios.get(window)
    return replace(reading, window=window, layers=published or reading.layers)


def read_span(view: RunView, span: Span, history: History | None = None) -> Reading:
    """Read any span; the part outside the run's book is cut off."""
    inside = span.clip(book(view)) or Span(span.start_ns, span.start_ns)
    segments = _segments(view, inside, history)
    account = tally(segments)
    return Reading(
        window=CUSTOM,
        span=inside,
        segments=segments,
        account=account,
        layers=ratios(account),
        terms=_terms(segments, inside, view),
        complete=_reaches(segments, inside),
    )


def lifetime(view: RunView) -> Account:
    """Return the account of the whole run as it is known today, open tail included."""
    account = Account()
    for part in (view.sealed, view.tail, view.corrections):
        account.merge(part)
    return Account(
        {state: gpu_ns for state, gpu_ns in account.gpu_ns.items() if gpu_ns},
        {cause: gpu_ns for cause, gpu_ns in account.bad_gpu_ns.items() if gpu_ns},
    )


def _lifetime(view: RunView, whole: Span) -> Reading:
    # The account is exact however long the run; its segments may have left
    # the snapshot, so the proof is the wall time that the book itself counted.
    segments = _segments(view, whole, None)
    account = lifetime(view)
    return Reading(
        window=LIFETIME,
        span=whole,
        segments=segments,
        account=account,
        layers=view.ratios.get(LIFETIME) or ratios(account),
        terms=_lifetime_terms(view, whole),
        complete=_reaches(segments, whole),
    )


def _lifetime_terms(view: RunView, whole: Span) -> tuple[Term, ...]:
    """Return the book's wall time; what it lacks counts with the devices of now."""
    terms = [Term(wall_ns, devices) for devices, wall_ns in view.wall_ns.items()]
    counted_ns = sum(term.wall_ns for term in terms)
    missing_ns = whole.length_ns - view.outside_ns - counted_ns
    if missing_ns:
        terms.append(Term(missing_ns, view.asked_devices))
    return tuple(terms)


def _segments(
    view: RunView, span: Span, history: History | None
) -> tuple[Segment, ...]:
    recent = list(_clipped(view.timeline, span))
    if history is None or _reaches(recent, span):
        return tuple(recent)
    # The timeline has everything since it begins: also steps without a name yet,
    # which the ledger has not. What the ledger booked before is corrected here.
    begins_ns = min((s.span.start_ns for s in recent), default=span.end_ns)
    before = Span(span.start_ns, max(begins_ns, span.start_ns))
    known = correct(history(view.key, before), view.moves)
    stored = _clipped(known, before)
    return tuple(sorted([*stored, *recent], key=lambda s: s.span))


def _clipped(segments: Iterable[Segment], span: Span) -> Iterable[Segment]:
    for segment in segments:
        inside = segment.span.clip(span)
        if inside == segment.span:
            yield segment  # most are: copying each would double the page's cost
        elif inside is not None:
            yield replace(segment, span=inside)


def _reaches(segments: Iterable[Segment], span: Span) -> bool:
    if span.length_ns == 0:
        return True
    return min((s.span.start_ns for s in segments), default=None) == span.start_ns


def _terms(segments: Iterable[Segment], span: Span, view: RunView) -> tuple[Term, ...]:
    """
    Find how many devices the run asked for, and for how long.

    An instant that no segment covers counts with the devices asked for now:
    the sum then falls short, and says so, instead of hiding the hole. Time
    between an end and a reopening is no hole: it is in no book.
    """
    change: defaultdict[int, int] = defaultdict(int)
    for segment in segments:
        change[segment.span.start_ns] += segment.devices
        change[segment.span.end_ns] -= segment.devices
    gaps = [gap for each in view.outside if (gap := each.clip(span)) is not None]
    ends = {instant for gap in gaps for instant in (gap.start_ns, gap.end_ns)}
    wall_ns: defaultdict[int, int] = defaultdict(int)
    at_ns, devices = span.start_ns, 0
    for next_ns in sorted({*change, *ends, span.end_ns}):
        lawful = not devices and any(gap.start_ns <= at_ns < gap.end_ns for gap in gaps)
        if next_ns > at_ns and not lawful:
            wall_ns[devices or view.asked_devices] += next_ns - at_ns
        devices += change[next_ns]
        at_ns = next_ns
    return tuple(Term(wall, count) for count, wall in wall_ns.items())
